package neighbourhood

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"strings"
	"time"

	"hark/activitypub"
	"hark/activitypub/sig"
)

// Audience is whom a post is for.
type Audience int

// The audiences.
const (
	Public    Audience = iota // the Public collection in to
	Unlisted                  // in cc only
	Followers                 // the author's followers
	Direct                    // one person
)

// Post is what an instance publishes.
type Post struct {
	Entry    Entry
	Author   int // which author
	Audience Audience
	NoProof  bool   // without a linked data signature
	ReplyTo  string // id of the post that it answers
}

// Sent is what became of a delivery to the relay.
type Sent struct {
	Status     int
	Body       string
	ActivityID string
	ObjectID   string
}

// contextOf is the JSON-LD context that each software writes.
func contextOf(kind Kind) any {
	const as, security = "https://www.w3.org/ns/activitystreams", "https://w3id.org/security/v1"
	switch kind {
	case Pleroma:
		return []any{as, map[string]any{"@language": "und"}}
	case Misskey:
		return []any{as, security, map[string]any{
			"Key": "sec:Key", "manuallyApprovesFollowers": "as:manuallyApprovesFollowers", "sensitive": "as:sensitive", "Hashtag": "as:Hashtag",
			"quoteUrl": "as:quoteUrl", "toot": "http://joinmastodon.org/ns#", "Emoji": "toot:Emoji", "discoverable": "toot:discoverable",
			"schema": "http://schema.org#", "PropertyValue": "schema:PropertyValue", "value": "schema:value",
			"misskey": "https://misskey-hub.net/ns#", "_misskey_content": "misskey:_misskey_content", "_misskey_quote": "misskey:_misskey_quote",
			"isCat": "misskey:isCat",
		}}
	}
	return []any{as, security, map[string]any{
		"ostatus": "http://ostatus.org#", "atomUri": "ostatus:atomUri", "inReplyToAtomUri": "ostatus:inReplyToAtomUri",
		"conversation": "ostatus:conversation", "sensitive": "as:sensitive", "toot": "http://joinmastodon.org/ns#", "votersCount": "toot:votersCount",
		"Hashtag": "as:Hashtag", "blurhash": "toot:blurhash", "focalPoint": map[string]any{"@container": "@list", "@id": "toot:focalPoint"},
		"manuallyApprovesFollowers": "as:manuallyApprovesFollowers", "discoverable": "toot:discoverable", "indexable": "toot:indexable",
	}}
}

// Publish posts, as its software does: Mastodon and Misskey push a Create by
// the author, Pleroma an Announce by its relay actor (and nothing that is not
// public, of which Sent is then empty but for the object).
func (in *Instance) Publish(ctx context.Context, p Post) (Sent, error) {
	a := in.authors[p.Author%len(in.authors)]
	id := in.objectID(a)
	o := object{author: p.Author % len(in.authors), public: p.Audience == Public || p.Audience == Unlisted, made: time.Now().UTC(), entry: p.Entry}
	note := in.noteOf(id, a, p, o.made)
	body, err := json.Marshal(withContext(in.kind, note))
	if err != nil {
		return Sent{}, err
	}
	o.body = body
	in.keep(id, o)
	if in.kind == Pleroma {
		if p.Audience != Public {
			return Sent{ObjectID: id}, nil
		}
		return in.announceByRelay(ctx, id)
	}
	activity := map[string]any{
		"id": id + "/activity", "type": "Create", "actor": a.id, "published": note["published"], "to": note["to"], "cc": note["cc"], "object": note,
	}
	sent, err := in.push(ctx, a, activity, !p.NoProof)
	sent.ObjectID = id
	return sent, err
}

func withContext(kind Kind, doc map[string]any) map[string]any {
	out := map[string]any{"@context": contextOf(kind)}
	for k, v := range doc {
		out[k] = v
	}
	return out
}

// push signs an activity of an author and delivers it. In secure mode there is
// no linked data signature.
func (in *Instance) push(ctx context.Context, a author, activity map[string]any, proof bool) (Sent, error) {
	body, err := json.Marshal(withContext(in.kind, activity))
	if err != nil {
		return Sent{}, err
	}
	if proof && !in.secure {
		if body, err = sig.SignLD(body, keyOf(a.id), in.private, time.Now().UTC()); err != nil {
			return Sent{}, fmt.Errorf("linked data signature: %w", err)
		}
	}
	sent, err := in.deliver(ctx, body, keyOf(a.id))
	sent.ActivityID, _ = activity["id"].(string)
	return sent, err
}

func (in *Instance) announceByRelay(ctx context.Context, id string) (Sent, error) {
	followers := in.ActorURI() + "/followers"
	activity := map[string]any{
		"@context": contextOf(in.kind), "id": in.origin + "/activities/" + in.unique(), "type": "Announce", "actor": in.ActorURI(),
		"object": id, "to": []string{followers}, "cc": []string{}, "published": time.Now().UTC().Format(time.RFC3339), "context": id + "/context",
	}
	body, err := json.Marshal(activity)
	if err != nil {
		return Sent{}, err
	}
	sent, err := in.deliver(ctx, body, in.keyID())
	sent.ActivityID, sent.ObjectID = activity["id"].(string), id
	return sent, err
}

func (in *Instance) objectID(a author) string {
	switch in.kind {
	case Pleroma:
		return in.origin + "/objects/" + in.unique()
	case Misskey:
		return in.origin + "/notes/" + in.unique()
	}
	return a.id + "/statuses/" + in.unique()
}

func (in *Instance) keep(id string, o object) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if _, known := in.objects[id]; !known && o.public {
		in.order = append(in.order, id)
	}
	in.objects[id] = o
	if in.n.o.Keep > 0 && len(in.order) > in.n.o.Keep {
		delete(in.objects, in.order[0])
		in.order = in.order[1:]
	}
}

func (in *Instance) held(id string) (object, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	o, ok := in.objects[id]
	if !ok {
		return o, fmt.Errorf("%s has no object %s", in.host, id)
	}
	return o, nil
}

// Edit changes the text of a post and pushes an Update. Pleroma changes it and
// tells relays nothing.
func (in *Instance) Edit(ctx context.Context, id, text string) (Sent, error) {
	o, err := in.held(id)
	if err != nil {
		return Sent{}, err
	}
	a := in.authors[o.author]
	o.entry.Text = text
	note := in.noteOf(id, a, Post{Entry: o.entry, Author: o.author}, o.made)
	now := time.Now().UTC()
	note["updated"] = now.Format(time.RFC3339)
	if o.body, err = json.Marshal(withContext(in.kind, note)); err != nil {
		return Sent{}, err
	}
	in.keep(id, o)
	if in.kind == Pleroma {
		return Sent{ObjectID: id}, nil
	}
	sent, err := in.push(ctx, a, map[string]any{
		"id": fmt.Sprintf("%s#updates/%d", id, now.UnixNano()), "type": "Update", "actor": a.id, "to": note["to"], "cc": note["cc"], "published": now.Format(time.RFC3339), "object": note,
	}, true)
	sent.ObjectID = id
	return sent, err
}

// Delete removes a post and pushes a Delete: Mastodon's is addressed to the
// public, Misskey's to nobody. Pleroma tells relays nothing.
func (in *Instance) Delete(ctx context.Context, id string) (Sent, error) {
	o, err := in.held(id)
	if err != nil {
		return Sent{}, err
	}
	in.mu.Lock()
	delete(in.objects, id)
	for i, known := range in.order {
		if known == id {
			in.order = append(in.order[:i:i], in.order[i+1:]...)
			break
		}
	}
	in.mu.Unlock()
	if in.kind == Pleroma {
		return Sent{ObjectID: id}, nil
	}
	a := in.authors[o.author]
	activity := map[string]any{"id": id + "#delete", "type": "Delete", "actor": a.id}
	if in.kind == Mastodon {
		activity["to"] = []string{activitypub.Public}
		activity["object"] = map[string]any{"id": id, "type": "Tombstone", "atomUri": id}
	} else {
		activity["object"] = map[string]any{"id": id, "type": "Tombstone"}
		activity["published"] = time.Now().UTC().Format(time.RFC3339)
	}
	sent, err := in.push(ctx, a, activity, true)
	sent.ObjectID = id
	return sent, err
}

// Boost is an author's Announce of a post.
func (in *Instance) Boost(ctx context.Context, id string) (Sent, error) {
	a := in.authors[0]
	sent, err := in.push(ctx, a, map[string]any{
		"id": a.id + "/statuses/" + in.unique() + "/activity", "type": "Announce", "actor": a.id, "published": time.Now().UTC().Format(time.RFC3339),
		"to": []string{activitypub.Public}, "cc": []string{a.id + "/followers"}, "object": id,
	}, true)
	sent.ObjectID = id
	return sent, err
}

// DeleteActor says that an author is gone, with everything of it.
func (in *Instance) DeleteActor(ctx context.Context, i int) (Sent, error) {
	a := in.authors[i%len(in.authors)]
	return in.push(ctx, a, map[string]any{
		"id": a.id + "#delete", "type": "Delete", "actor": a.id, "to": []string{activitypub.Public}, "object": a.id,
	}, true)
}

// noteOf writes a post as its software does.
func (in *Instance) noteOf(id string, a author, p Post, made time.Time) map[string]any {
	e := p.Entry
	followers := a.id + "/followers"
	note := map[string]any{
		"id": id, "type": "Note", "attributedTo": a.id, "published": made.Format(time.RFC3339),
		"content": in.htmlOf(e), "url": in.origin + "/@" + a.name + id[strings.LastIndexByte(id, '/'):],
		"sensitive": e.CW != "",
	}
	switch p.Audience {
	case Public:
		note["to"], note["cc"] = []string{activitypub.Public}, []string{followers}
	case Unlisted:
		note["to"], note["cc"] = []string{followers}, []string{activitypub.Public}
	case Followers:
		note["to"], note["cc"] = []string{followers}, []string{}
	case Direct:
		note["to"], note["cc"] = []string{in.authors[len(in.authors)-1].id}, []string{}
	}
	if e.CW != "" {
		note["summary"] = e.CW
	}
	if p.ReplyTo != "" {
		note["inReplyTo"] = p.ReplyTo
	}
	if e.Lang != "" && in.kind != Misskey {
		note["contentMap"] = map[string]string{e.Lang: note["content"].(string)}
	}
	if in.kind == Misskey {
		note["_misskey_content"] = e.Text
	}
	if tags := in.tagsOf(e); len(tags) > 0 {
		note["tag"] = tags
	}
	if len(e.Media) > 0 {
		media := make([]any, len(e.Media))
		for i, m := range e.Media {
			media[i] = map[string]any{
				"type": "Document", "mediaType": m.Type, "url": fmt.Sprintf("%s/media/%s-%d", in.origin, id[strings.LastIndexByte(id, '/')+1:], i), "name": m.Description,
			}
		}
		note["attachment"] = media
	}
	if len(e.Poll) > 0 {
		options := make([]any, len(e.Poll))
		for i, o := range e.Poll {
			options[i] = map[string]any{"type": "Note", "name": o, "replies": map[string]any{"type": "Collection", "totalItems": i}}
		}
		note["type"], note["oneOf"], note["endTime"] = "Question", options, made.Add(24*time.Hour).Format(time.RFC3339)
	}
	return note
}

func (in *Instance) tagsOf(e Entry) []any {
	var out []any
	for _, t := range e.Tags {
		out = append(out, map[string]any{"type": "Hashtag", "href": in.origin + "/tags/" + strings.ToLower(t), "name": "#" + t})
	}
	if e.Mention != "" {
		out = append(out, map[string]any{"type": "Mention", "href": in.origin + "/users/" + e.Mention, "name": "@" + e.Mention + "@" + in.host})
	}
	return out
}

// htmlOf writes the text as each software does.
func (in *Instance) htmlOf(e Entry) string {
	var b strings.Builder
	text := strings.ReplaceAll(html.EscapeString(e.Text), "\n", "<br />")
	if in.kind == Misskey {
		b.WriteString("<p><span>" + strings.ReplaceAll(text, "<br />", "<br>") + "</span></p>")
	} else {
		b.WriteString("<p>" + text + "</p>")
	}
	if e.Link != "" {
		shown := strings.TrimPrefix(e.Link, "https://")
		if in.kind == Mastodon {
			front, rest := shown, ""
			if len(shown) > 30 {
				front, rest = shown[:30], shown[30:]
			}
			fmt.Fprintf(&b, `<p><a href="%s" target="_blank" rel="nofollow noopener"><span class="invisible">https://</span><span class="ellipsis">%s</span><span class="invisible">%s</span></a></p>`, e.Link, front, rest)
		} else {
			fmt.Fprintf(&b, `<p><a href="%s">%s</a></p>`, e.Link, shown)
		}
	}
	if e.Mention != "" {
		fmt.Fprintf(&b, `<p><span class="h-card"><a href="%s/@%s" class="u-url mention">@<span>%s</span></a></span></p>`, in.origin, e.Mention, e.Mention)
	}
	if len(e.Tags) > 0 {
		b.WriteString("<p>")
		for _, t := range e.Tags {
			fmt.Fprintf(&b, `<a href="%s/tags/%s" class="mention hashtag" rel="tag">#<span>%s</span></a> `, in.origin, strings.ToLower(t), t)
		}
		b.WriteString("</p>")
	}
	return b.String()
}

var _ http.Handler = (*Instance)(nil)
