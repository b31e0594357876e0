package listen

import (
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"hark/activitypub"
	"hark/classifier"
	"hark/storage"
)

// clockSkew is how far in the future an author's clock is believed.
const clockSkew = 5 * time.Minute

// postOf makes the record of a note. The author is nil where unknown.
func postOf(note *activitypub.Note, e *storage.Entry, author *activitypub.Actor, software string) *storage.Post {
	p := &storage.Post{
		URI: note.ID, URL: note.URL, Type: note.Type, Actor: note.AttributedTo, Via: e.Via, Software: software,
		Published: note.Published.UTC(), Received: e.Received, Edited: note.Updated.UTC(),
		Text: note.Text, Warning: note.Warning, Sensitive: note.Sensitive,
		InReplyTo: note.InReplyTo, Quote: note.Quote, Emojis: note.Emojis,
		Tags: folded(note.Tags), Links: note.Links, Poll: note.Poll,
		Raw: e.Body, Evidence: e.Evidence, ActivityID: e.ActivityID,
	}
	if len(e.Object) > 0 {
		p.Raw = e.Object
		p.Evidence.Scheme = "origin"
	}
	if iri, err := activitypub.ParseIRI(note.ID); err == nil {
		p.Host = iri.Host()
	}
	if author != nil {
		p.Handle = strings.ToLower(author.Handle())
		p.Name = author.Name
		p.Bot = author.Bot
	}
	if p.Published.IsZero() || p.Published.After(e.Received.Add(clockSkew)) {
		p.Published = e.Received
	}
	if !p.Edited.IsZero() && p.Edited.After(e.Received.Add(clockSkew)) {
		p.Edited = e.Received
	}
	for _, m := range note.Mentions {
		handle := strings.ToLower(strings.TrimPrefix(m.Handle, "@"))
		if handle != "" && !strings.Contains(handle, "@") && m.Href != "" {
			// A mention of somebody on the author's own server lacks the host.
			if iri, err := activitypub.ParseIRI(m.Href); err == nil {
				handle += "@" + iri.Host()
			}
		}
		if handle != "" {
			p.Mentions = append(p.Mentions, handle)
		}
	}
	for _, a := range note.Attachments {
		p.Attachments = append(p.Attachments, storage.Attachment(a))
	}
	p.SimHash = SimHash(p.Text)
	return p
}

// folded brings hashtags into one form, each once.
func folded(tags []string) []string {
	out := make([]string, 0, len(tags))
	for _, t := range tags {
		if t = strings.ToLower(norm.NFKC.String(t)); t != "" && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// inputOf is what the classifier sees of a post: everything a person would read.
func inputOf(p *storage.Post, tag string) classifier.Input {
	parts := make([]string, 0, 3+len(p.Poll)+len(p.Attachments))
	for _, s := range append([]string{p.Warning, p.Text}, p.Poll...) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	for _, a := range p.Attachments {
		if a.Description != "" {
			parts = append(parts, a.Description)
		}
	}
	return classifier.Input{
		Text: strings.Join(parts, "\n"), Language: tag, Tags: p.Tags, Links: p.Links, Mentions: len(p.Mentions),
	}
}

// label writes the classifier's result into the post.
func label(p *storage.Post, r classifier.Result) {
	p.Language = r.Language
	if p.Language == "" {
		p.Language = "und"
	}
	write(p, r.Scores, r.Version)
}

// write writes scores into the post, and what gave them.
func write(p *storage.Post, scores []classifier.Score, version string) {
	p.ModelVer = version
	p.Labels = make([]storage.Label, 0, len(scores))
	for _, s := range scores {
		l := storage.Label{Name: s.Label, Score: s.Score, Over: s.Over, Model: s.Model}
		for _, why := range s.Reasons {
			l.Reasons = append(l.Reasons, storage.Reason(why))
		}
		p.Labels = append(p.Labels, l)
	}
}
