package server

import (
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strconv"

	"github.com/labstack/echo/v4"

	"hark/classifier"
	"hark/storage"
)

// labelsKnown bounds what feedback may be about: the classifier's labels and those
// that the post has, by rules of the operator.
func labelsKnown(p *storage.Post, label string) (score float64, known bool) {
	for _, l := range p.Labels {
		if l.Name == label {
			return l.Score, true
		}
	}
	return 0, slices.Contains(classifier.Labels, label)
}

// say keeps what somebody says of a label of the post that the path names.
func (s *Server) say(c echo.Context, label string, holds bool) (*storage.Post, error) {
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil {
		return nil, storage.ErrNotFound
	}
	ctx := c.Request().Context()
	p, err := s.o.Archive.GetPost(ctx, id)
	if err != nil {
		return nil, err
	}
	score, known := labelsKnown(p, label)
	if !known {
		return nil, problem(http.StatusBadRequest, "label", "No label is called that: give one of the classifier's or one that the post has.")
	}
	f := storage.Feedback{Post: id, Label: label, Holds: holds, Token: tokenOf(c).ID, At: s.o.Now(), Score: score, Model: p.ModelVer}
	if err := s.o.Archive.PutFeedback(ctx, f); err != nil {
		return nil, err
	}
	return p, s.audit(c, storage.AuditEntry{Action: "feedback", Subject: c.Param("id") + " " + label + " " + strconv.FormatBool(holds), Count: 1})
}

// apiFeedback takes {"label":"hate","holds":false}.
func (s *Server) apiFeedback(c echo.Context) error {
	var in struct {
		Label string `json:"label"`
		Holds *bool  `json:"holds"`
	}
	r := c.Request()
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return problem(http.StatusUnsupportedMediaType, "content-type", "Send application/json.")
	}
	if err := json.NewDecoder(http.MaxBytesReader(c.Response(), r.Body, 16<<10)).Decode(&in); err != nil || in.Label == "" || in.Holds == nil {
		return problem(http.StatusBadRequest, "body", `Send {"label": "hate", "holds": false}.`)
	}
	if _, err := s.say(c, in.Label, *in.Holds); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// pageFeedback takes the form of a post's page.
func (s *Server) pageFeedback(c echo.Context) error {
	holds := c.FormValue("holds")
	if holds != "true" && holds != "false" {
		return problem(http.StatusBadRequest, "holds", "true or false.")
	}
	if _, err := s.say(c, c.FormValue("label"), holds == "true"); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/post/"+c.Param("id")+"?said=1#labels")
}
