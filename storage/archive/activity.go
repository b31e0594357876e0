package archive

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"hark/storage"
)

const (
	activityStreams = "https://www.w3.org/ns/activitystreams"
	dataFolder      = "data/"
	streamsFolder   = dataFolder + "activitystreams/"
	activitiesFile  = dataFolder + "activities.jsonl"
	postsFile       = dataFolder + "posts.jsonl"
	labelsFile      = dataFolder + "labels.jsonl"
	tableFile       = dataFolder + "posts.csv"
)

// envelope is the little of an activity or object that wrapping needs.
type envelope struct {
	ID           string          `json:"id"`
	Type         string          `json:"type"`
	Actor        json.RawMessage `json:"actor"`
	Object       json.RawMessage `json:"object"`
	AttributedTo json.RawMessage `json:"attributedTo"`
	To           json.RawMessage `json:"to"`
	Cc           json.RawMessage `json:"cc"`
	Published    json.RawMessage `json:"published"`
}

// create is what an object that came without an activity is wrapped in. It has
// no id: to give it one would be to speak in the author's name.
type create struct {
	Context   string          `json:"@context"`
	Type      string          `json:"type"`
	Actor     json.RawMessage `json:"actor,omitempty"`
	Published json.RawMessage `json:"published,omitempty"`
	To        json.RawMessage `json:"to,omitempty"`
	Cc        json.RawMessage `json:"cc,omitempty"`
	Object    json.RawMessage `json:"object"`
}

// activityOf returns the activity of a post on one line without a line end:
// the bytes that arrived where they are one line, else compacted; an object
// that was fetched because somebody announced it is wrapped as a Create. It
// returns nil if the post has none, or none that is JSON.
func activityOf(p *storage.Post) []byte {
	raw := bytes.TrimSpace(p.Raw)
	if len(raw) == 0 || raw[0] != '{' || !utf8.Valid(raw) || !json.Valid(raw) {
		return nil
	}
	if bytes.ContainsAny(raw, "\r\n") {
		var b bytes.Buffer
		if err := json.Compact(&b, raw); err != nil {
			return nil
		}
		raw = b.Bytes()
	}
	var e envelope
	if err := json.Unmarshal(raw, &e); err == nil && len(e.Actor) > 0 && len(e.Object) > 0 {
		return raw
	}
	// A field of a type that was not expected leaves the others read.
	c := create{Context: activityStreams, Type: "Create", Actor: e.AttributedTo, Published: e.Published, To: e.To, Cc: e.Cc, Object: raw}
	if len(c.Actor) == 0 && p.Actor != "" {
		c.Actor, _ = json.Marshal(clean(p.Actor))
	}
	line, err := encode(c)
	if err != nil {
		return nil
	}
	return bytes.TrimSuffix(line, []byte("\n"))
}
