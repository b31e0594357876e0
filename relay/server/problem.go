package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"hark/activitypub"
	"hark/storage"
)

// Problem is an error as it is sent.
// ref: RFC 9457 §3; FEP-c180
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Instance names this refusal, for whoever asks the operator why.
	Instance string `json:"instance,omitempty"`
}

func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

const problemType = "application/problem+json"

// problem makes an error with its status.
func problem(status int, reason, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Reason: reason}
}

// errorTable maps errors to answers; everything else is an internal error, of
// which the asker learns nothing more.
var errorTable = []struct {
	err    error
	status int
	reason string
	detail string
}{
	{storage.ErrNotFound, http.StatusNotFound, "not-found", "There is nothing here by that name."},
	{storage.ErrCursor, http.StatusBadRequest, "cursor", "That cursor does not belong to this query."},
	{storage.ErrExists, http.StatusConflict, "exists", "It is there already."},
	{storage.ErrClosed, http.StatusServiceUnavailable, "stopping", "The node is stopping; try again in a minute."},
	{storage.ErrMissing, http.StatusServiceUnavailable, "unavailable", "The store is not available."},
	{storage.ErrNewer, http.StatusServiceUnavailable, "unavailable", "The store is not available."},
	{storage.ErrTampered, http.StatusInternalServerError, "tampered", "The audit log does not verify."},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "timeout", "That took too long; ask for less."},
	{context.Canceled, 499, "canceled", "The request was given up."},
	{activitypub.ErrIRI, http.StatusBadRequest, "address", "That is not the name of a host, or not an address."},
	{errNoToken, http.StatusUnauthorized, "token", "A token is needed: Authorization: Bearer …"},
}

// problemOf turns any error into a Problem.
func problemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	for _, row := range errorTable {
		if errors.Is(err, row.err) {
			return problem(row.status, row.reason, row.detail)
		}
	}
	var he *echo.HTTPError
	if errors.As(err, &he) {
		reason := strings.ReplaceAll(strings.ToLower(http.StatusText(he.Code)), " ", "-")
		return problem(he.Code, reason, "")
	}
	return problem(http.StatusInternalServerError, "internal", "Internal error.")
}

// failed answers errors: pages for people, problem documents for programs.
func (s *Server) failed(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError {
		s.o.Log.Error("request failed", "route", c.Path(), "error", err.Error())
	}
	switch {
	case p.Status == http.StatusUnauthorized && p.Reason == "token":
		c.Response().Header().Set("WWW-Authenticate", challenge(c.Request()))
	case p.Status == http.StatusForbidden && p.Reason == "scope":
		c.Response().Header().Set("WWW-Authenticate", `Bearer realm="hark", error="insufficient_scope"`)
	}
	if wantsPage(c.Request()) {
		if err := s.render(c, p.Status, "error", s.frame(c, p.Title, p)); err == nil {
			return
		}
	}
	if err := sendProblem(c, p); err != nil {
		s.o.Log.Debug("answer", "error", err.Error())
	}
}

// challenge says what is asked for, and whether what was sent is no good.
// ref: RFC 6750 §3
func challenge(r *http.Request) string {
	if r.Header.Get("Authorization") == "" {
		return `Bearer realm="hark"`
	}
	return `Bearer realm="hark", error="invalid_token"`
}

func sendProblem(c echo.Context, p *Problem) error {
	c.Response().Header().Set(echo.HeaderContentType, problemType)
	c.Response().WriteHeader(p.Status)
	return c.Echo().JSONSerializer.Serialize(c, p, "")
}

// wantsPage tells whether a person asks, with a browser.
func wantsPage(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html") && !strings.HasPrefix(r.URL.Path, "/api/") && r.URL.Path != "/inbox"
}

// retryAfter sets the header in whole seconds, rounded up.
func retryAfter(c echo.Context, d time.Duration) {
	if d > 0 {
		c.Response().Header().Set("Retry-After", strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10))
	}
}
