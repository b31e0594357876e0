package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"strconv"
	"time"

	"hark/activitypub"
	"hark/activitypub/sig"
)

// authorName is the user name of every publisher's author.
const authorName = "ann"

// activity is one that a publisher posts.
type activity struct {
	publisher int    // index of its host
	edits     int    // index of the activity that it edits; -1: it is a Create
	raw       []byte // the whole request
	size      int    // of the body, in bytes
}

// numbers give posts Mastodon's ids: numbers that hold the time, and with it
// tell one run from another. base is the first.
//
// ref: observed Mastodon 4.5: lib/mastodon/snowflake.rb
type numbers struct{ base, count int64 }

func newNumbers(now time.Time, count int) numbers {
	return numbers{base: now.UnixMilli() << 16, count: int64(count)}
}

const (
	marker     = "statuses"
	markerEdit = "#updates"
)

// find tells which activity a body is, or speaks of: that whose number stands
// in it, an edit before what it edits. It does not parse: a relay may forward,
// wrap or announce, with its slashes escaped or not.
func (n numbers) find(body []byte) (index int, ok bool) {
	for rest := body; ; {
		at := bytes.Index(rest, []byte(marker))
		if at < 0 {
			return index, ok
		}
		rest = rest[at+len(marker):]
		post, after := n.number(rest)
		if post < 0 {
			continue
		}
		if edit, found := bytes.CutPrefix(after, []byte(markerEdit)); found {
			if i, _ := n.number(edit); i >= 0 {
				return i, true
			}
		}
		if !ok {
			index, ok = post, true
		}
	}
}

// number reads a slash and a number of this run; -1 where there is none.
func (n numbers) number(text []byte) (index int, rest []byte) {
	text = bytes.TrimPrefix(text, []byte(`\`))
	if len(text) == 0 || text[0] != '/' {
		return -1, text
	}
	text = text[1:]
	end := 0
	for end < len(text) && end < 19 && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	v, err := strconv.ParseInt(string(text[:end]), 10, 64)
	if err != nil || v < n.base || v >= n.base+n.count {
		return -1, text
	}
	return int(v - n.base), text[end:]
}

// context is the JSON-LD context that Mastodon writes.
//
// ref: observed Mastodon 4.5: app/helpers/context_helper.rb
const context45 = `["https://www.w3.org/ns/activitystreams",{"ostatus":"http://ostatus.org#","atomUri":"ostatus:atomUri",` +
	`"inReplyToAtomUri":"ostatus:inReplyToAtomUri","conversation":"ostatus:conversation","sensitive":"as:sensitive",` +
	`"toot":"http://joinmastodon.org/ns#","votersCount":"toot:votersCount","gts":"https://gotosocial.org/ns#",` +
	`"interactionPolicy":{"@id":"gts:interactionPolicy","@type":"@id"},"canQuote":{"@id":"gts:canQuote","@type":"@id"},` +
	`"automaticApproval":{"@id":"gts:automaticApproval","@type":"@id"}}]`

// write makes a Create of a post, or the Update that edits it, as Mastodon
// does.
//
// ref: observed Mastodon 4.5: app/serializers/activitypub/note_serializer.rb
func (n numbers) write(h *host, index, edits int, text string, now time.Time) ([]byte, error) {
	post := index
	if edits >= 0 {
		post = edits
	}
	actor := h.origin + h.author
	number := strconv.FormatInt(n.base+int64(post), 10)
	id := actor + "/statuses/" + number
	stamp := now.UTC().Format(time.RFC3339)
	content := "<p>" + html.EscapeString(text) + "</p>"
	public, followers := []string{activitypub.Public}, []string{actor + "/followers"}
	note := map[string]any{
		"id": id, "type": "Note", "summary": nil, "inReplyTo": nil, "published": stamp, "url": h.origin + "/@" + authorName + "/" + number,
		"attributedTo": actor, "to": public, "cc": followers, "sensitive": false, "atomUri": id, "inReplyToAtomUri": nil,
		"conversation": fmt.Sprintf("tag:%s,%s:objectId=%s:objectType=Conversation", h.addr, now.UTC().Format(time.DateOnly), number),
		"content":      content, "contentMap": map[string]string{"en": content}, "attachment": []any{},
		"tag": []any{},
		"replies": map[string]any{"id": id + "/replies", "type": "Collection", "first": map[string]any{
			"type": "CollectionPage", "next": id + "/replies?only_other_accounts=true&page=true", "partOf": id + "/replies", "items": []any{},
		}},
		"interactionPolicy": map[string]any{"canQuote": map[string]any{"automaticApproval": public}},
	}
	doc := map[string]any{
		"@context": json.RawMessage(context45), "id": id + "/activity", "type": "Create", "actor": actor,
		"published": stamp, "to": public, "cc": followers, "object": note,
	}
	if edits >= 0 {
		doc["type"], doc["id"] = "Update", id+markerEdit+"/"+strconv.FormatInt(n.base+int64(index), 10)
		note["updated"] = stamp
	}
	return json.Marshal(doc)
}

// prepare writes and signs an activity.
func (f *fleet) prepare(h *host, index, edits int, text string, now time.Time) (activity, error) {
	body, err := f.numbers.write(h, index, edits, text, now)
	if err != nil {
		return activity{}, fmt.Errorf("activity: %w", err)
	}
	keyID := h.origin + h.author + "#main-key"
	if f.o.Proofs {
		if body, err = sig.SignLD(body, keyID, f.key, now.UTC()); err != nil {
			return activity{}, fmt.Errorf("linked data signature: %w", err)
		}
	}
	raw, err := f.sign(body, keyID, now)
	return activity{publisher: h.index, edits: edits, raw: raw, size: len(body)}, err
}
