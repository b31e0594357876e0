package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"hark/storage"
	"hark/storage/query"
)

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
		if errors.Is(err, storage.ErrCursor) {
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
		out.TookMS, out.Tree = &ms, treeOf(q.Root)
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
	out := StatsJSON{
		Posts: st.Posts, Oldest: stamp(st.Oldest), Newest: stamp(st.Newest), FileBytes: st.FileBytes, Journal: st.Journal, Head: st.Head,
		NotStored: make([]CountJSON, 0, len(counts)),
	}
	for _, n := range counts {
		out.NotStored = append(out.NotStored, CountJSON(n))
	}
	return c.JSON(http.StatusOK, out)
}

func (s *Server) apiSubscribers(c echo.Context) error {
	ctx := c.Request().Context()
	subs, err := s.o.Operator.Standings(ctx)
	if err != nil {
		return err
	}
	head, err := s.o.Operator.Head(ctx)
	if err != nil {
		return err
	}
	out := make([]SubscriberJSON, 0, len(subs))
	for i := range subs {
		out = append(out, subscriberJSON(&subs[i]))
	}
	return c.JSON(http.StatusOK, map[string]any{"subscribers": out, "head": head})
}

// apiDecide accepts, rejects or removes the subscriber whose actor the body
// names, or sets its filter: {"actor": "https://…", "filter": "lang:ja"}.
func (s *Server) apiDecide(c echo.Context) error {
	var in struct {
		Actor  string `json:"actor"`
		Filter string `json:"filter"`
	}
	r := c.Request()
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return problem(http.StatusUnsupportedMediaType, "content-type", "Send application/json.")
	}
	if err := json.NewDecoder(http.MaxBytesReader(c.Response(), r.Body, 16<<10)).Decode(&in); err != nil || in.Actor == "" {
		return problem(http.StatusBadRequest, "body", `Send {"actor": "…"}, an actor of GET /api/hark/v1/subscribers.`)
	}
	if err := s.decide(c, c.Param("action"), in.Actor, in.Filter); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// decide changes a subscription and leaves a line about it.
func (s *Server) decide(c echo.Context, act, actor, filter string) error {
	ctx := c.Request().Context()
	subject := actor
	var err error
	switch act {
	case "accept", "reject":
		err = s.o.Operator.Decide(ctx, actor, act == "accept")
	case "remove":
		err = s.o.Operator.Remove(ctx, actor)
	case "filter":
		if filter = strings.TrimSpace(filter); filter != "" {
			if _, err := query.ParseFilter(filter, query.Options{Now: s.o.Now()}); err != nil {
				return problem(http.StatusBadRequest, "filter", "That cannot be a filter: "+strings.TrimPrefix(err.Error(), query.ErrFilter.Error()+": ")+".")
			}
		}
		subject = strings.TrimSpace(actor + " " + filter)
		err = s.o.Operator.SetFilter(ctx, actor, filter)
	default:
		return problem(http.StatusBadRequest, "act", "What can be done is accept, reject, remove and filter.")
	}
	if err != nil {
		return err
	}
	return s.audit(c, storage.AuditEntry{Action: "subscriber." + act, Subject: subject, Count: 1})
}
