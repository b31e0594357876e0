package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"hark/storage"
	"hark/storage/query"
)

const (
	streamWrite = 10 * time.Second // for one event to leave
	streamMiss  = 200              // posts that a stream catches up on
)

// stream is one reader of live events.
type stream struct {
	s    *Server
	c    echo.Context
	q    *query.Query
	out  *http.ResponseController
	html bool           // posts as the pages show them, for the pages' own script
	last int64          // the last post that the reader has; 0: it does not say
	sent map[int64]bool // posts that were caught up on, and may come live once more
}

// apiStream sends what arrives as server-sent events: post, update and delete,
// and gap where something is missing. A reader that comes back with
// Last-Event-ID, or names the last post it has in after=, first gets what it
// missed.
// ref: HTML Living Standard §9.2
func (s *Server) apiStream(c echo.Context) error {
	q, err := s.parse(c)
	if err != nil {
		return err
	}
	newest := *q // a stream has one order
	newest.Sort = query.SortNewest
	st := &stream{s: s, c: c, q: &newest, out: http.NewResponseController(c.Response()), html: c.QueryParam("as") == "html", sent: map[int64]bool{}}
	after := c.Request().Header.Get("Last-Event-ID")
	if after == "" {
		after = c.QueryParam("after")
	}
	if after != "" {
		if st.last, err = strconv.ParseInt(after, 10, 64); err != nil || st.last < 0 {
			return problem(http.StatusBadRequest, "after", "Last-Event-ID and after are the id of a post.")
		}
	}
	c.Response().Header().Set("Content-Type", "text/event-stream")
	c.Response().Header().Set("X-Accel-Buffering", "no")
	if c.Request().Method == http.MethodHead {
		return c.NoContent(http.StatusOK)
	}
	id := tokenOf(c).ID
	if !s.takeStream(id) {
		retryAfter(c, 10*time.Second)
		return problem(http.StatusTooManyRequests, "streams", fmt.Sprintf("A token may have %d live streams at once.", s.o.StreamsPerToken))
	}
	defer s.giveStream(id)
	if err := s.audit(c, storage.AuditEntry{Action: "stream", Subject: q.String()}); err != nil {
		return err
	}
	// A stream outlives the server's own limits; each write has one of its own.
	if err := errors.Join(st.out.SetReadDeadline(time.Time{}), st.out.SetWriteDeadline(time.Time{})); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("stream: %w", err)
	}
	// Listening begins before the answer does: whoever has the answer misses
	// nothing that arrives after it. A query that finds nothing has no events.
	var events <-chan Event
	if !newest.Nothing() {
		ch, cancel := s.o.Live.Listen(&newest)
		defer cancel()
		events = ch
	}
	c.Response().WriteHeader(http.StatusOK)
	st.run(c.Request().Context(), events)
	return nil
}

// run sends until the reader goes, is too slow, or loses its token, or the
// node stops.
func (st *stream) run(ctx context.Context, events <-chan Event) {
	if !st.send(": listening\n\n") || events != nil && st.last > 0 && !st.catchUp(ctx) {
		return
	}
	beat := time.NewTicker(st.s.o.HeartbeatOfStreams)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			if _, err := st.s.authenticate(st.c, storage.ScopeSearch); err != nil {
				st.gap("The token of this stream is no longer good.")
				return
			}
			if !st.send(": alive\n\n") {
				return
			}
		case e, ok := <-events:
			if !ok {
				st.gap("This stream was cut; connect again with Last-Event-ID, or search for what is missing.")
				return
			}
			if !st.event(e) {
				return
			}
		}
	}
}

// catchUp sends the posts that came after the last one the reader has, oldest
// first. It runs when the reader is already listening, so nothing falls
// between.
func (st *stream) catchUp(ctx context.Context) bool {
	hits, err := st.s.o.Archive.Search(ctx, st.q, storage.Page{Limit: streamMiss, MinID: st.last})
	if err != nil {
		st.s.o.Log.Warn("a stream could not catch up", "error", err.Error())
		return st.gap("What came meanwhile could not be read; search for it.")
	}
	if (hits.Next != "" || hits.Partial) && !st.gap("More came meanwhile than is sent again; search for it.") {
		return false
	}
	for _, p := range slices.Backward(hits.Posts) {
		if !st.event(Event{Kind: "post", ID: p.ID, Post: &p}) {
			return false
		}
		st.sent[p.ID] = true
	}
	return true
}

func (st *stream) gap(why string) bool {
	b, err := json.Marshal(map[string]string{"detail": why})
	return err == nil && st.send("event: gap\ndata: "+string(b)+"\n\n")
}

// event sends one event. Only a new post moves the reader's Last-Event-ID: an
// edit or a deletion of an old one must not lead it back.
func (st *stream) event(e Event) bool {
	id := ""
	if e.Kind == "post" {
		if st.sent[e.ID] {
			return true
		}
		id = "id: " + strconv.FormatInt(e.ID, 10) + "\n"
	}
	data, err := st.data(e)
	if err != nil {
		st.s.o.Log.Error("a live event could not be written", "error", err.Error())
		return true
	}
	return st.send("event: " + e.Kind + "\n" + id + "data: " + string(data) + "\n\n")
}

func (st *stream) data(e Event) ([]byte, error) {
	name := strconv.FormatInt(e.ID, 10)
	switch {
	case e.Post == nil:
		return json.Marshal(map[string]string{"id": name})
	case st.html:
		var b strings.Builder
		if err := st.s.pages.ExecuteTemplate(&b, "card", cardOf(e.Post, st.q, cardRunes)); err != nil {
			return nil, err
		}
		return json.Marshal(map[string]string{"id": name, "html": b.String()})
	}
	return json.Marshal(PostOf(e.Post, st.q))
}

func (st *stream) send(text string) bool {
	_ = st.out.SetWriteDeadline(time.Now().Add(streamWrite)) // not every writer has one
	if _, err := st.c.Response().Write([]byte(text)); err != nil {
		return false
	}
	return st.out.Flush() == nil
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
