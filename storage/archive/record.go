package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"hark/storage"
)

// record is a post as a line of data/posts.jsonl. Its fields are named as the
// store names them; what is empty is left out. Numbers that do not fit into a
// double are texts.
type record struct {
	ID          string               `json:"id,omitempty"` // digits
	URI         string               `json:"uri"`
	URL         string               `json:"url,omitempty"`
	Type        string               `json:"type,omitempty"`
	Actor       string               `json:"actor,omitempty"`
	Handle      string               `json:"handle,omitempty"`
	Name        string               `json:"name,omitempty"`
	Host        string               `json:"host,omitempty"`
	Via         string               `json:"via,omitempty"`
	Software    string               `json:"software,omitempty"`
	Published   string               `json:"published,omitempty"` // RFC 3339, UTC
	Received    string               `json:"received,omitempty"`
	Edited      string               `json:"edited,omitempty"`
	Language    string               `json:"language,omitempty"`
	Text        string               `json:"text,omitempty"`
	Warning     string               `json:"warning,omitempty"`
	Sensitive   bool                 `json:"sensitive,omitempty"`
	InReplyTo   string               `json:"in_reply_to,omitempty"`
	Quote       string               `json:"quote,omitempty"`
	Bot         bool                 `json:"bot,omitempty"`
	Tags        []string             `json:"tags,omitempty"`
	Mentions    []string             `json:"mentions,omitempty"`
	Links       []string             `json:"links,omitempty"`
	Attachments []storage.Attachment `json:"attachments,omitempty"`
	Poll        []string             `json:"poll,omitempty"`
	Emojis      bool                 `json:"emojis,omitempty"`
	Labels      []storage.Label      `json:"labels,omitempty"`
	ModelVer    string               `json:"model_ver,omitempty"`
	SimHash     string               `json:"simhash,omitempty"` // 16 hexadecimal digits
	Consent     string               `json:"consent,omitempty"`
	ActivityID  string               `json:"activity_id,omitempty"`
	Evidence    *storage.Evidence    `json:"evidence,omitempty"`
	Raw         string               `json:"raw,omitempty"`       // the activity, byte for byte
	RawBytes    []byte               `json:"raw_bytes,omitempty"` // instead of raw, where that is not UTF-8: base64
}

// encode writes a value as one line, without the escapes that are meant for
// HTML pages.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// marshalPost makes the line of a post, with its line end.
func marshalPost(p *storage.Post) ([]byte, error) {
	r := record{
		URI: clean(p.URI), URL: clean(p.URL), Type: clean(p.Type), Actor: clean(p.Actor), Handle: clean(p.Handle),
		Name: clean(p.Name), Host: clean(p.Host), Via: clean(p.Via), Software: clean(p.Software),
		Published: stamp(p.Published), Received: stamp(p.Received), Edited: stamp(p.Edited),
		Language: clean(p.Language), Text: clean(p.Text), Warning: clean(p.Warning), Sensitive: p.Sensitive,
		InReplyTo: clean(p.InReplyTo), Quote: clean(p.Quote), Bot: p.Bot,
		Tags: cleanAll(p.Tags), Mentions: cleanAll(p.Mentions), Links: cleanAll(p.Links), Poll: cleanAll(p.Poll),
		Emojis: p.Emojis, Labels: labels(p.Labels), ModelVer: clean(p.ModelVer), Consent: clean(p.Consent), ActivityID: clean(p.ActivityID),
	}
	if p.ID != 0 {
		r.ID = strconv.FormatInt(p.ID, 10)
	}
	if p.SimHash != 0 {
		r.SimHash = fmt.Sprintf("%016x", p.SimHash)
	}
	for _, a := range p.Attachments {
		r.Attachments = append(r.Attachments, storage.Attachment{
			URL: clean(a.URL), MediaType: clean(a.MediaType), Kind: clean(a.Kind), Description: clean(a.Description)})
	}
	if e := evidence(p.Evidence); e.Scheme+e.KeyID+e.Signature+e.Digest+e.Date != "" || len(e.Components) > 0 {
		r.Evidence = &e
	}
	if utf8.Valid(p.Raw) {
		r.Raw = string(p.Raw)
	} else {
		r.RawBytes = p.Raw
	}
	line, err := encode(r)
	if err != nil {
		return nil, fmt.Errorf("post %q: %w", p.URI, err)
	}
	return line, nil
}

// unmarshalPost undoes marshalPost. The line is foreign: what a store could
// not hold is refused.
func unmarshalPost(line []byte) (*storage.Post, error) {
	var r record
	if err := json.Unmarshal(line, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if r.URI == "" {
		return nil, fmt.Errorf("%w: a record without uri", ErrFormat)
	}
	p := &storage.Post{
		URI: r.URI, URL: r.URL, Type: r.Type, Actor: r.Actor, Handle: r.Handle, Name: r.Name, Host: r.Host, Via: r.Via,
		Software: r.Software, Language: r.Language, Text: r.Text, Warning: r.Warning, Sensitive: r.Sensitive,
		InReplyTo: r.InReplyTo, Quote: r.Quote, Bot: r.Bot, Tags: r.Tags, Mentions: r.Mentions, Links: r.Links,
		Attachments: r.Attachments, Poll: r.Poll, Emojis: r.Emojis, Labels: r.Labels, ModelVer: r.ModelVer,
		Consent: r.Consent, ActivityID: r.ActivityID,
	}
	if r.Evidence != nil {
		p.Evidence = *r.Evidence
	}
	switch {
	case r.Raw != "":
		p.Raw = []byte(r.Raw)
	case len(r.RawBytes) > 0:
		p.Raw = r.RawBytes
	}
	var errs [5]error
	if r.ID != "" {
		p.ID, errs[0] = strconv.ParseInt(r.ID, 10, 64)
	}
	if r.SimHash != "" {
		p.SimHash, errs[1] = strconv.ParseUint(r.SimHash, 16, 64)
	}
	p.Published, errs[2] = unstamp(r.Published)
	p.Received, errs[3] = unstamp(r.Received)
	p.Edited, errs[4] = unstamp(r.Edited)
	for _, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("%w: record of %q: %w", ErrFormat, shorten(r.URI), err)
		}
	}
	if p.ID < 0 {
		return nil, fmt.Errorf("%w: record of %q: negative id", ErrFormat, shorten(r.URI))
	}
	for _, l := range p.Labels {
		if l.Name == "" || !(l.Score >= 0 && l.Score <= 1) {
			return nil, fmt.Errorf("%w: record of %q: label %q with score %v", ErrFormat, shorten(r.URI), shorten(l.Name), l.Score)
		}
	}
	return p, nil
}

// clean makes a text valid UTF-8, which JSON must be, in such a way that a
// second export finds nothing more to change.
func clean(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

func cleanAll(all []string) []string {
	var out []string
	for _, s := range all {
		out = append(out, clean(s))
	}
	return out
}

func evidence(e storage.Evidence) storage.Evidence {
	return storage.Evidence{Scheme: clean(e.Scheme), KeyID: clean(e.KeyID), Signature: clean(e.Signature),
		Components: cleanAll(e.Components), Digest: clean(e.Digest), Date: clean(e.Date)}
}

// labels are labels that JSON can hold: scores within [0, 1], finite weights.
func labels(all []storage.Label) []storage.Label {
	var out []storage.Label
	for _, l := range all {
		if l.Name == "" {
			continue
		}
		c := storage.Label{Name: clean(l.Name), Score: finite(min(max(l.Score, 0), 1)), Over: l.Over, Model: clean(l.Model)}
		for _, why := range l.Reasons {
			why.Text, why.Rule, why.Note, why.Weight = clean(why.Text), clean(why.Rule), clean(why.Note), finite(why.Weight)
			c.Reasons = append(c.Reasons, why)
		}
		out = append(out, c)
	}
	return out
}

func finite(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

// The years that a time may have: those that JSON's dates and milliseconds
// since 1970 both hold without a sign or a fifth digit.
const (
	firstYear = 1
	lastYear  = 9999
)

// stamp is a time as RFC 3339 in UTC; "" for the zero time and for years that
// the form cannot hold.
func stamp(t time.Time) string {
	t = t.UTC()
	if t.IsZero() || t.Year() < firstYear || t.Year() > lastYear {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

func unstamp(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("time %q", shorten(s))
	}
	if t = t.UTC(); t.Year() < firstYear || t.Year() > lastYear {
		return time.Time{}, fmt.Errorf("year %d", t.Year())
	}
	return t, nil
}

// shorten keeps a foreign text from filling an error.
func shorten(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return clean(s[:most]) + "…"
}
