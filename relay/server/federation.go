package server

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"hark/activitypub"
	"hark/activitypub/wellknown"
)

const activityType = activitypub.ContentType + "; charset=utf-8"

// inbox takes a delivery: the body within its limits, then the Inbox's verdict.
func (s *Server) inbox(c echo.Context) error {
	body, done, refusal := s.readBody(c)
	if refusal != nil {
		s.unread.WithLabelValues(refusal.Reason).Inc()
		if refusal.Status == http.StatusTooManyRequests || refusal.Status == http.StatusServiceUnavailable {
			retryAfter(c, bodiesRetryIn)
		}
		return refusal
	}
	defer done()
	out := s.o.Inbox.Receive(c.Request().Context(), c.Request(), body)
	retryAfter(c, out.RetryAfter)
	if out.Status >= http.StatusMultipleChoices {
		p := problem(out.Status, out.Reason, out.Detail)
		if out.Ref != "" {
			p.Instance = "urn:hark:refusal:" + out.Ref
		}
		return sendProblem(c, p)
	}
	return c.JSON(out.Status, map[string]string{"status": "accepted", "reason": out.Reason, "detail": out.Detail})
}

// readBody reads a delivery's body. What refuses it is cheap: nobody's key was
// fetched and nothing was parsed. done gives the body's memory back and is nil
// where it is refused.
func (s *Server) readBody(c echo.Context) (body []byte, done func(), refusal *Problem) {
	r := c.Request()
	tooLarge := problem(http.StatusRequestEntityTooLarge, "too-large", "The body is larger than "+strconv.FormatInt(s.o.MaxBody, 10)+" bytes.")
	// A header that is there twice is read by its first line here and by its
	// last elsewhere, so it is none.
	if types := r.Header.Values("Content-Type"); len(types) != 1 || !activitypub.IsActivityJSON(types[0]) {
		return nil, nil, problem(http.StatusUnsupportedMediaType, "content-type", `Send application/activity+json, or application/ld+json with the ActivityStreams profile.`)
	}
	for _, enc := range r.Header.Values("Content-Encoding") {
		if enc != "" && !strings.EqualFold(enc, "identity") {
			return nil, nil, problem(http.StatusUnsupportedMediaType, "content-encoding", "Send the body uncompressed.")
		}
	}
	if r.ContentLength > s.o.MaxBody {
		return nil, nil, tooLarge
	}
	conn := http.NewResponseController(c.Response())
	_ = conn.SetReadDeadline(time.Now().Add(s.o.BodyTimeout)) // not every connection has one
	in := &arriving{from: http.MaxBytesReader(c.Response(), r.Body, s.o.MaxBody), bodies: s.bodies, network: network(s.client(r))}
	body, err := io.ReadAll(in)
	if err != nil {
		in.done()
		var limit *http.MaxBytesError
		var full noRoom
		switch {
		case errors.As(err, &full):
			return nil, nil, crowded(full)
		case errors.As(err, &limit):
			return nil, nil, tooLarge
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, nil, problem(http.StatusRequestTimeout, "slow", "The body did not arrive in time.")
		}
		return nil, nil, problem(http.StatusBadRequest, "body", "The body could not be read to its end.")
	}
	// The deadline was the body's; judging it may fetch keys and take longer.
	_ = conn.SetReadDeadline(time.Time{})
	return body, in.done, nil
}

// actor is the relay's actor; a person is shown the page about it.
func (s *Server) actor(c echo.Context) error {
	c.Response().Header().Set("Vary", "Accept")
	accept := c.Request().Header.Get("Accept")
	if strings.Contains(accept, "text/html") && !strings.Contains(accept, "json") {
		return c.Redirect(http.StatusSeeOther, "/")
	}
	c.Response().Header().Set("Cache-Control", "public, max-age=300")
	return c.Blob(http.StatusOK, activityType, s.o.Federation.Actor())
}

func (s *Server) collection(name string) echo.HandlerFunc {
	return func(c echo.Context) error {
		page := 0
		if q := c.QueryParam("page"); q != "" {
			n, err := strconv.Atoi(q)
			if err != nil || n < 1 || n > 1_000_000 {
				return problem(http.StatusBadRequest, "page", "page is a number from 1.")
			}
			page = n
		}
		doc, err := s.kept.read(name+" "+strconv.Itoa(page), s.o.Now(), func() ([]byte, error) {
			return s.o.Federation.Collection(c.Request().Context(), name, page)
		})
		if err != nil {
			return err
		}
		return c.Blob(http.StatusOK, activityType, doc)
	}
}

// announce answers who looks an Announce up by its id.
func (s *Server) announce(c echo.Context) error {
	doc, err := s.o.Federation.Announce(c.Request().Context(), c.Param("name"))
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, activityType, doc)
}

func (s *Server) webFinger(c echo.Context) error {
	c.Response().Header().Set("Access-Control-Allow-Origin", "*")
	resource := c.QueryParam("resource")
	if resource == "" || len(resource) > 1024 {
		return problem(http.StatusBadRequest, "resource", "Ask with resource=acct:relay@"+s.o.Domain)
	}
	doc, err := s.o.Federation.WebFinger(resource)
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, wellknown.WebFingerContentType, doc)
}

func (s *Server) nodeInfoLinks(c echo.Context) error {
	return c.Blob(http.StatusOK, "application/json", s.o.Federation.NodeInfoLinks())
}

func (s *Server) nodeInfo(c echo.Context) error {
	version := c.Param("version")
	if version != "2.0" && version != "2.1" {
		return echo.ErrNotFound
	}
	doc, err := s.kept.read("nodeinfo "+version, s.o.Now(), func() ([]byte, error) {
		return s.o.Federation.NodeInfo(c.Request().Context(), version)
	})
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, wellknown.NodeInfoContentType(version), doc)
}
