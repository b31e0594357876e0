package server

import (
	"cmp"
	"context"
	"fmt"
	"html/template"
	"net/http"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"hark/relay/delivery"
	"hark/storage"
	"hark/storage/query"
)

// frame is what every page has.
type frame struct {
	Title    string
	Name     string
	Domain   string
	BaseURL  string
	Version  string
	SignedIn bool
	Admin    bool
	CSRF     string
	Notice   string
	Data     any
}

func (s *Server) frame(c echo.Context, title string, data any) frame {
	f := frame{Title: title, Name: s.o.Name, Domain: s.o.Domain, BaseURL: s.o.BaseURL, Version: s.o.Version, Data: data}
	t := tokenOf(c)
	if t.ID == "" {
		if known, err := s.authenticate(c, ""); err == nil {
			t = known
		}
	}
	if t.ID != "" {
		f.SignedIn, f.CSRF = true, csrfOf(c)
		f.Admin = slices.Contains(t.Scopes, storage.ScopeAdmin)
	}
	return f
}

func (s *Server) functions() template.FuncMap {
	return template.FuncMap{
		"seen":     query.Visible,
		"percent":  func(f float64) string { return strconv.Itoa(int(f*100+0.5)) + " %" },
		"weight":   func(f float64) string { return fmt.Sprintf("%+.2f", f) },
		"when":     func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
		"datetime": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"ago":      s.ago,
		"span":     span,
		"lasting":  lasting,
		"kind":     kind,
		"contact":  contact,
		"safelink": safeLink,
		"join":     strings.Join,
		"number":   thousands,
		"plural":   func(n int, unit string) string { return plural(int64(n), unit) },
	}
}

func plural(n int64, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return thousands(n) + " " + unit + "s"
}

func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// kind is a label's name where a style sheet may know it; an operator's own
// label may be called anything.
func kind(label string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || r == '-' {
			return r
		}
		return -1
	}, label)
}

// span says in words how long something is kept: in days, or in hours where
// that is not whole days.
func span(d time.Duration) string {
	if d%(24*time.Hour) == 0 {
		return plural(int64(d/(24*time.Hour)), "day")
	}
	return plural(int64((d+time.Hour-1)/time.Hour), "hour")
}

// lasting is a time that something takes, in its largest unit.
func lasting(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return plural(int64(d.Seconds()), "second")
	case d < 2*time.Hour:
		return plural(int64(d.Minutes()), "minute")
	case d < 48*time.Hour:
		return plural(int64(d.Hours()), "hour")
	}
	return plural(int64(d.Hours()/24), "day")
}

// contact is where a link to the operator leads: a page, or a mailbox; "" for
// what is neither.
func contact(s string) string {
	if link := safeLink(s); link != "" {
		return link
	}
	if a, err := mail.ParseAddress(s); err == nil && a.Address == s {
		return "mailto:" + s
	}
	return ""
}

// ago says in words how long ago a time was.
func (s *Server) ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := s.o.Now().Sub(t)
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return plural(int64(d.Minutes()), "minute") + " ago"
	case d < 48*time.Hour:
		return plural(int64(d.Hours()), "hour") + " ago"
	}
	return plural(int64(d.Hours()/24), "day") + " ago"
}

// safeLink lets through only addresses of the web: a link of a stranger's
// never runs a script.
func safeLink(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return ""
	}
	return u.String()
}

type landingData struct {
	Description string
	Contact     string
	Retention   time.Duration
	Consent     string
	Publishers  string
	Approval    bool
	Hosts       []storage.Subscriber
	Actor       string
	Inbox       string
	Stats       storage.Stats
	Counts      []reasonCount
}

type reasonCount struct {
	Reason string
	Count  int64
}

func (s *Server) landingData(c echo.Context) (landingData, error) {
	ctx := c.Request().Context()
	d := landingData{
		Description: s.o.Description, Contact: s.o.Contact, Retention: s.o.Retention, Consent: s.o.Consent,
		Publishers: s.o.Publishers, Approval: s.o.Approval, Actor: s.o.BaseURL + "/actor", Inbox: s.o.BaseURL + "/inbox",
	}
	subs, err := s.o.Operator.Subscribers(ctx)
	if err != nil {
		return d, err
	}
	for _, b := range subs {
		if b.State == storage.StateActive {
			d.Hosts = append(d.Hosts, b)
		}
	}
	d.Stats, d.Counts, err = s.figures.read(ctx, s.o.Archive, s.o.Now())
	return d, err
}

// figures are what the public pages count. They are kept for a while: anybody
// may ask for them, and counting an archive costs more than asking.
type figures struct {
	mu     sync.Mutex // guards the rest; one asker counts, the others wait for it
	at     time.Time
	stats  storage.Stats
	counts []reasonCount
}

// figuresAge is how long they are kept.
const figuresAge = 5 * time.Second

func (f *figures) read(ctx context.Context, a Archive, now time.Time) (storage.Stats, []reasonCount, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if age := now.Sub(f.at); !f.at.IsZero() && 0 <= age && age < figuresAge {
		return f.stats, f.counts, nil
	}
	stats, err := a.Stats(ctx)
	if err != nil {
		return storage.Stats{}, nil, err
	}
	days, err := a.ListCounts(ctx, now.AddDate(0, 0, -30).UTC().Format(time.DateOnly))
	if err != nil {
		return storage.Stats{}, nil, err
	}
	by := map[string]int64{}
	for _, n := range days {
		by[n.Reason] += n.Count
	}
	var counts []reasonCount
	for r, n := range by {
		if n >= smallest {
			counts = append(counts, reasonCount{r, n})
		}
	}
	slices.SortFunc(counts, func(a, b reasonCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Reason, b.Reason))
	})
	f.at, f.stats, f.counts = now, stats, counts
	return stats, counts, nil
}

// smallest is the least count that is published: a smaller one could point at
// a person.
// ref: contracts/trust.md
const smallest = 5

func (s *Server) landing(c echo.Context) error {
	d, err := s.landingData(c)
	if err != nil {
		return err
	}
	return s.render(c, http.StatusOK, "landing", s.frame(c, s.o.Name, d))
}

func (s *Server) about(c echo.Context) error {
	d, err := s.landingData(c)
	if err != nil {
		return err
	}
	return s.render(c, http.StatusOK, "about", s.frame(c, "About "+s.o.Name, d))
}

type adminData struct {
	Subscribers []delivery.Standing
	Rules       []storage.PolicyRule
}

func (s *Server) adminPage(c echo.Context) error {
	ctx := c.Request().Context()
	var d adminData
	var err error
	if d.Subscribers, err = s.o.Operator.Standings(ctx); err != nil {
		return err
	}
	if d.Rules, err = s.o.Operator.Rules(ctx); err != nil {
		return err
	}
	// Who waits for an answer stands first.
	slices.SortStableFunc(d.Subscribers, func(a, b delivery.Standing) int {
		return cmp.Compare(order[a.State], order[b.State])
	})
	return s.render(c, http.StatusOK, "admin", s.frame(c, "Administration", d))
}

var order = map[storage.SubscriberState]int{
	storage.StatePending: 0, storage.StateAccepting: 1, storage.StateSuspended: 2, storage.StateActive: 3, storage.StateRejected: 4, storage.StateLeft: 5,
}

func (s *Server) adminSubscribers(c echo.Context) error {
	if err := s.decide(c, c.FormValue("act"), c.FormValue("actor"), c.FormValue("filter")); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/admin")
}

func (s *Server) adminRules(c echo.Context) error {
	ctx, host := c.Request().Context(), strings.TrimSpace(c.FormValue("host"))
	act := c.FormValue("act")
	var err error
	switch act {
	case "block":
		err = s.o.Operator.Block(ctx, host, c.FormValue("reason"))
	case "unblock":
		err = s.o.Operator.Unblock(ctx, host)
	default:
		err = problem(http.StatusBadRequest, "act", "block or unblock.")
	}
	if err != nil {
		return err
	}
	if err := s.audit(c, storage.AuditEntry{Action: "host." + act, Subject: host, Count: 1}); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/admin")
}
