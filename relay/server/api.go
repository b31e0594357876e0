package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"hark/storage"
	"hark/storage/query"
)

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

const snippetRunes = 320

// SearchJSON is a page of hits.
type SearchJSON struct {
	Posts    []PostJSON      `json:"posts"`
	Next     string          `json:"next,omitempty"` // cursor of the next page
	Warnings []query.Warning `json:"warnings"`
	Partial  bool            `json:"partial"` // time ran out: only the newest part was looked at
	Query    string          `json:"query"`   // canonical
	TookMS   *float64        `json:"took_ms,omitempty"`
}

// parse reads q= and tz=; with strict=1 a warning is an error.
func (s *Server) parse(c echo.Context) (*query.Query, error) {
	o := query.Options{Now: s.o.Now()}
	if tz := c.QueryParam("tz"); tz != "" {
		zone, err := time.LoadLocation(tz)
		if err != nil || len(tz) > 64 {
			return nil, problem(http.StatusBadRequest, "tz", "tz is a time zone as Europe/Berlin.")
		}
		o.Zone = zone
	}
	q := query.Parse(c.QueryParam("q"), o)
	if c.QueryParam("strict") == "1" && len(q.Warnings) > 0 {
		w := q.Warnings[0]
		return nil, problem(http.StatusBadRequest, "query-"+w.Code, fmt.Sprintf("At byte %d: %s.", w.At, w.Text))
	}
	return q, nil
}

func (s *Server) apiSearch(c echo.Context) error {
	q, err := s.parse(c)
	if err != nil {
		return err
	}
	p := storage.Page{Cursor: c.QueryParam("cursor")}
	if l := c.QueryParam("limit"); l != "" {
		if p.Limit, err = strconv.Atoi(l); err != nil || p.Limit < 1 || p.Limit > 200 {
			return problem(http.StatusBadRequest, "limit", "limit is a number from 1 to 200.")
		}
	}
	started := time.Now()
	hits, err := s.o.Archive.Search(c.Request().Context(), q, p)
	if err != nil {
		if p.Cursor != "" && strings.Contains(err.Error(), "cursor") {
			return problem(http.StatusBadRequest, "cursor", "That cursor does not belong to this query.")
		}
		return err
	}
	if err := s.audit(c, storage.AuditEntry{Action: "search", Subject: q.String(), Count: int64(len(hits.Posts))}); err != nil {
		return err
	}
	out := SearchJSON{Posts: make([]PostJSON, 0, len(hits.Posts)), Next: hits.Next, Warnings: list(q.Warnings), Partial: hits.Partial, Query: q.String()}
	for i := range hits.Posts {
		out.Posts = append(out.Posts, PostOf(&hits.Posts[i], q))
	}
	if c.QueryParam("explain") == "1" {
		ms := float64(time.Since(started).Microseconds()) / 1000
		out.TookMS = &ms
	}
	return c.JSON(http.StatusOK, out)
}

// post finds the post that a path names.
func (s *Server) post(c echo.Context) (*storage.Post, error) {
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil {
		return nil, storage.ErrNotFound
	}
	p, err := s.o.Archive.GetPost(c.Request().Context(), id)
	if err != nil {
		return nil, err
	}
	return p, s.audit(c, storage.AuditEntry{Action: "view", Subject: c.Param("id"), Count: 1})
}

func (s *Server) apiPost(c echo.Context) error {
	p, err := s.post(c)
	if err != nil {
		return err
	}
	out := PostOf(p, nil)
	out.Evidence = &p.Evidence
	return c.JSON(http.StatusOK, out)
}

// apiStream sends what arrives as server-sent events.
// ref: HTML Living Standard §9.2
func (s *Server) apiStream(c echo.Context) error {
	q, err := s.parse(c)
	if err != nil {
		return err
	}
	t := tokenOf(c)
	if !s.takeStream(t.ID) {
		retryAfter(c, 10*time.Second)
		return problem(http.StatusTooManyRequests, "streams", fmt.Sprintf("A token may have %d live streams at once.", s.o.StreamsPerToken))
	}
	defer s.giveStream(t.ID)
	if err := s.audit(c, storage.AuditEntry{Action: "stream", Subject: q.String()}); err != nil {
		return err
	}
	w := c.Response()
	out := http.NewResponseController(w)
	// A stream outlives the server's own limits; each write has one of its own.
	if err := errors.Join(out.SetReadDeadline(time.Time{}), out.SetWriteDeadline(time.Time{})); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("stream: %w", err)
	}
	// Listening begins before the answer does: whoever has the answer misses
	// nothing that arrives after it.
	var events <-chan Event
	if !q.Nothing() {
		ch, cancel := s.o.Live.Listen(q)
		defer cancel()
		events = ch
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	if !send(out, w, ": listening\n\n") {
		return nil
	}
	beat := time.NewTicker(s.o.HeartbeatOfStreams)
	defer beat.Stop()
	for {
		select {
		case <-c.Request().Context().Done():
			return nil
		case <-beat.C:
			if !send(out, w, ": alive\n\n") {
				return nil
			}
		case e, ok := <-events:
			if !ok {
				send(out, w, "event: gap\ndata: {\"detail\":\"This stream was cut; connect again and search for what is missing.\"}\n\n")
				return nil
			}
			if !send(out, w, eventText(e, q)) {
				return nil
			}
		}
	}
}

func eventText(e Event, q *query.Query) string {
	data := []byte(`{"id":"` + strconv.FormatInt(e.ID, 10) + `"}`)
	if e.Post != nil {
		if b, err := json.Marshal(PostOf(e.Post, q)); err == nil {
			data = b
		}
	}
	return fmt.Sprintf("event: %s\nid: %d\ndata: %s\n\n", e.Kind, e.ID, data)
}

const streamWrite = 10 * time.Second

func send(out *http.ResponseController, w http.ResponseWriter, text string) bool {
	_ = out.SetWriteDeadline(time.Now().Add(streamWrite)) // not every writer has one
	if _, err := w.Write([]byte(text)); err != nil {
		return false
	}
	return out.Flush() == nil
}

func (s *Server) takeStream(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams[id] >= s.o.StreamsPerToken {
		return false
	}
	s.streams[id]++
	return true
}

func (s *Server) giveStream(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams[id]--; s.streams[id] <= 0 {
		delete(s.streams, id)
	}
}

// StatsJSON are figures of the node.
type StatsJSON struct {
	Posts     int64              `json:"posts"`
	Oldest    string             `json:"oldest,omitempty"`
	Newest    string             `json:"newest,omitempty"`
	FileBytes int64              `json:"file_bytes"`
	Journal   int64              `json:"journal_entries"`
	Head      int64              `json:"journal_head"`
	NotStored []storage.DayCount `json:"not_stored"` // by day and reason, of the last 30 days
}

func (s *Server) apiStats(c echo.Context) error {
	ctx := c.Request().Context()
	st, err := s.o.Archive.Stats(ctx)
	if err != nil {
		return err
	}
	counts, err := s.o.Archive.ListCounts(ctx, s.o.Now().AddDate(0, 0, -30).UTC().Format(time.DateOnly))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, StatsJSON{
		Posts: st.Posts, Oldest: stamp(st.Oldest), Newest: stamp(st.Newest), FileBytes: st.FileBytes, Journal: st.Journal, Head: st.Head, NotStored: list(counts),
	})
}

// SubscriberJSON is a subscriber as the operator sees it.
type SubscriberJSON struct {
	Actor       string `json:"actor"`
	Host        string `json:"host"`
	Flavour     string `json:"flavour"`
	State       string `json:"state"`
	Software    string `json:"software,omitempty"`
	Lag         int64  `json:"lag"`
	Delivered   int64  `json:"delivered"`
	Skipped     int64  `json:"skipped"`
	Gaps        int64  `json:"gaps"`
	LastSuccess string `json:"last_success,omitempty"`
	LastError   string `json:"last_error,omitempty"`
	LastErrorAt string `json:"last_error_at,omitempty"`
	RetryAt     string `json:"retry_at,omitempty"`
	Created     string `json:"created"`
}

func (s *Server) apiSubscribers(c echo.Context) error {
	ctx := c.Request().Context()
	subs, err := s.o.Operator.Subscribers(ctx)
	if err != nil {
		return err
	}
	head, err := s.o.Operator.Head(ctx)
	if err != nil {
		return err
	}
	out := make([]SubscriberJSON, 0, len(subs))
	for _, b := range subs {
		h := b.Health
		out = append(out, SubscriberJSON{
			Actor: b.Actor, Host: b.Host, Flavour: string(b.Flavour), State: string(b.State), Software: b.Software, Lag: max(0, head-b.Cursor),
			Delivered: h.Delivered, Skipped: h.Skipped, Gaps: h.Gaps, LastSuccess: stamp(h.LastSuccess), LastError: h.LastError,
			LastErrorAt: stamp(h.LastErrorAt), RetryAt: stamp(h.RetryAt), Created: stamp(b.Created),
		})
	}
	return c.JSON(http.StatusOK, map[string]any{"subscribers": out, "head": head})
}
