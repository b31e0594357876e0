package server

import (
	"strconv"
	"time"

	"hark/relay/delivery"
	"hark/storage"
	"hark/storage/query"
)

// The shapes of the API's answers. Names are in snake case, ids are strings of
// digits, times are RFC 3339 in UTC, lists are never null.

// PostJSON is a post as the API shows it. Times are RFC 3339 in UTC; lists are
// never null.
type PostJSON struct {
	ID          string               `json:"id"`
	URI         string               `json:"uri"`
	URL         string               `json:"url,omitempty"`
	Type        string               `json:"type"`
	Author      AuthorJSON           `json:"author"`
	Host        string               `json:"host"`
	Via         string               `json:"via"`
	Software    string               `json:"software,omitempty"`
	Published   string               `json:"published"`
	Received    string               `json:"received"`
	Edited      string               `json:"edited,omitempty"`
	Language    string               `json:"language"`
	Text        string               `json:"text"`
	Warning     string               `json:"warning,omitempty"`
	Sensitive   bool                 `json:"sensitive"`
	InReplyTo   string               `json:"in_reply_to,omitempty"`
	Quote       string               `json:"quote,omitempty"`
	Tags        []string             `json:"tags"`
	Mentions    []string             `json:"mentions"`
	Links       []string             `json:"links"`
	Attachments []storage.Attachment `json:"attachments"`
	Poll        []string             `json:"poll"`
	Labels      []storage.Label      `json:"labels"`
	Model       string               `json:"model"`
	Consent     string               `json:"consent"` // the rule that let it in
	Snippet     *SnippetJSON         `json:"snippet,omitempty"`
	Evidence    *storage.Evidence    `json:"evidence,omitempty"`
}

// AuthorJSON is the author of a post.
type AuthorJSON struct {
	URI    string `json:"uri"`
	Handle string `json:"handle"`
	Name   string `json:"name,omitempty"`
	Bot    bool   `json:"bot"`
}

// SnippetJSON shows where a post was found: byte ranges of its text.
type SnippetJSON struct {
	Text  string   `json:"text"`
	Marks [][2]int `json:"marks"`
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// PostOf shows a post; with a query the part that it found as well.
func PostOf(p *storage.Post, q *query.Query) PostJSON {
	out := PostJSON{
		ID: strconv.FormatInt(p.ID, 10), URI: p.URI, URL: p.URL, Type: p.Type,
		Author: AuthorJSON{URI: p.Actor, Handle: p.Handle, Name: p.Name, Bot: p.Bot}, Host: p.Host, Via: p.Via, Software: p.Software,
		Published: stamp(p.Published), Received: stamp(p.Received), Edited: stamp(p.Edited), Language: p.Language,
		Text: p.Text, Warning: p.Warning, Sensitive: p.Sensitive, InReplyTo: p.InReplyTo, Quote: p.Quote,
		Tags: list(p.Tags), Mentions: list(p.Mentions), Links: list(p.Links), Attachments: list(p.Attachments), Poll: list(p.Poll),
		Labels: list(p.Labels), Model: p.ModelVer, Consent: p.Consent,
	}
	if q != nil {
		s := q.Snippet(p, snippetRunes)
		out.Snippet = &SnippetJSON{Text: s.Text, Marks: list(s.Marks)}
	}
	return out
}

const (
	snippetRunes = 320 // of the API
	cardRunes    = 400 // of the pages
)

// SearchJSON is a page of hits.
type SearchJSON struct {
	Posts    []PostJSON      `json:"posts"`
	Next     string          `json:"next,omitempty"` // cursor of the next page
	Warnings []query.Warning `json:"warnings"`
	Partial  bool            `json:"partial"`           // time ran out: only the newest part was looked at
	Query    string          `json:"query"`             // canonical
	TookMS   *float64        `json:"took_ms,omitempty"` // with explain=1
	Tree     any             `json:"tree,omitempty"`    // with explain=1: {"and": […]}, {"or": […]}, {"not": …}, or a leaf's canonical text
}

func treeOf(n query.Node) any {
	all := func(nodes []query.Node) []any {
		out := make([]any, len(nodes))
		for i, n := range nodes {
			out[i] = treeOf(n)
		}
		return out
	}
	switch n := n.(type) {
	case nil:
		return nil
	case query.And:
		return map[string]any{"and": all(n)}
	case query.Or:
		return map[string]any{"or": all(n)}
	case query.Not:
		return map[string]any{"not": treeOf(n.Node)}
	}
	return n.String()
}

// StatsJSON are figures of the node.
type StatsJSON struct {
	Posts     int64       `json:"posts"`
	Oldest    string      `json:"oldest,omitempty"`
	Newest    string      `json:"newest,omitempty"`
	FileBytes int64       `json:"file_bytes"`
	Journal   int64       `json:"journal_entries"`
	Head      int64       `json:"journal_head"`
	NotStored []CountJSON `json:"not_stored"` // by day and reason, of the last 30 days
}

// CountJSON is how many posts were heard and not stored on a day, in UTC.
type CountJSON struct {
	Day    string `json:"day"`
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
}

// SubscriberJSON is a subscriber as the operator sees it.
type SubscriberJSON struct {
	Actor       string `json:"actor"`
	Host        string `json:"host"`
	Flavour     string `json:"flavour"`
	State       string `json:"state"`
	Software    string `json:"software,omitempty"`
	Version     string `json:"version,omitempty"`
	Signature   string `json:"signature"` // "shared" or "host-bound"
	Filter      string `json:"filter,omitempty"`
	Lag         int64  `json:"lag"`                // entries
	LagSeconds  int64  `json:"lag_seconds"`        // age of the oldest of them
	PerHour     *int64 `json:"per_hour,omitempty"` // activities taken, lately; absent where unknown
	Delivered   int64  `json:"delivered"`
	Skipped     int64  `json:"skipped"`
	Gaps        int64  `json:"gaps"`
	LastSuccess string `json:"last_success,omitempty"`
	LastError   string `json:"last_error,omitempty"`
	LastErrorAt string `json:"last_error_at,omitempty"`
	RetryAt     string `json:"retry_at,omitempty"`
	Created     string `json:"created"`
}

func subscriberJSON(b *delivery.Standing) SubscriberJSON {
	h := &b.Health
	out := SubscriberJSON{
		Actor: b.Actor, Host: b.Host, Flavour: string(b.Flavour), State: string(b.State), Software: b.Software, Version: b.Version,
		Signature: b.Signature, Filter: b.Filter, Lag: b.Lag, LagSeconds: int64(b.Waiting / time.Second),
		Delivered: h.Delivered, Skipped: h.Skipped, Gaps: h.Gaps, LastSuccess: stamp(h.LastSuccess), LastError: h.LastError,
		LastErrorAt: stamp(h.LastErrorAt), RetryAt: stamp(h.RetryAt), Created: stamp(b.Created),
	}
	if b.Rated {
		out.PerHour = &b.PerHour
	}
	return out
}
