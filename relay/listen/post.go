package listen

import (
	"context"
	"fmt"

	"hark/activitypub"
	"hark/classifier"
	"hark/storage"
)

// PostOf makes the post of an entry that brings a new one: a Create, whose
// object stands in its body, or the announcement of an object that was fetched.
// Until Judge it has neither labels nor a language; tag is the language that
// the author claims. author finds the author's document, nil where unknown, and
// software what a host runs. It fails if the object cannot be read as a post.
func PostOf(e *storage.Entry, author func(id string) *activitypub.Actor, software func(host string) string) (p *storage.Post, tag string, err error) {
	object := e.Object
	if len(object) == 0 {
		env, err := activitypub.ParseEnvelope(e.Body)
		if err != nil {
			return nil, "", fmt.Errorf("activity: %w", err)
		}
		object = env.ObjectRaw
	}
	note, err := activitypub.ParseNote(object)
	if err != nil {
		return nil, "", fmt.Errorf("object: %w", err)
	}
	ascribe(note, e)
	p = postOf(note, e, author(note.AttributedTo), "")
	p.Software = software(p.Host)
	return p, note.Language, nil
}

// ascribe gives a post that names no author to who sent it.
func ascribe(note *activitypub.Note, e *storage.Entry) {
	if note.AttributedTo == "" {
		note.AttributedTo = e.Actor
	}
}

// Judge writes into a post what the classifier finds, masks what must not be
// shown, and adds what the rules find; mask and rules may be nil. tag is the
// language that the author claims. It returns what the classifier said.
func Judge(ctx context.Context, p *storage.Post, tag string, c classifier.Classifier, mask func(string) string, rules func(*storage.Post)) classifier.Result {
	result := c.Classify(ctx, inputOf(p, tag))
	label(p, result)
	if mask != nil {
		hide(p, mask)
	}
	if rules != nil {
		rules(p)
	}
	return result
}

// hide masks everything of a post that a person reads. The activity as it arrived
// stays as it is in p.Raw, which only who may see posts verbatim is given.
func hide(p *storage.Post, mask func(string) string) {
	p.Text, p.Warning = mask(p.Text), mask(p.Warning)
	for i, option := range p.Poll {
		p.Poll[i] = mask(option)
	}
	for i, a := range p.Attachments {
		p.Attachments[i].Description = mask(a.Description)
	}
}
