package server

import (
	"cmp"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

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
		"days":     func(d time.Duration) string { return plural(int64(d.Hours()/24), "day") },
		"safelink": safeLink,
		"join":     strings.Join,
		"number":   func(n int64) string { return thousands(n) },
		"bytes":    func(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) },
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
	if d.Stats, err = s.o.Archive.Stats(ctx); err != nil {
		return d, err
	}
	counts, err := s.o.Archive.ListCounts(ctx, s.o.Now().AddDate(0, 0, -30).UTC().Format(time.DateOnly))
	if err != nil {
		return d, err
	}
	by := map[string]int64{}
	for _, n := range counts {
		by[n.Reason] += n.Count
	}
	for r, n := range by {
		if n >= smallest {
			d.Counts = append(d.Counts, reasonCount{r, n})
		}
	}
	slices.SortFunc(d.Counts, func(a, b reasonCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Reason, b.Reason))
	})
	return d, nil
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

// card is a post as the pages show it.
type card struct {
	*storage.Post
	Snippet template.HTML
	Link    string
	Over    []storage.Label
	Under   []storage.Label
}

func cardOf(p *storage.Post, q *query.Query, runes int) card {
	c := card{Post: p, Snippet: q.SnippetHTML(p, runes), Link: safeLink(cmp.Or(p.URL, p.URI))}
	for _, l := range p.Labels {
		if l.Over {
			c.Over = append(c.Over, l)
		} else if l.Score >= 0.1 {
			c.Under = append(c.Under, l)
		}
	}
	return c
}

type searchData struct {
	Q         string
	Canonical string
	Warnings  []query.Warning
	Posts     []card
	Next      string
	Partial   bool
	Took      time.Duration
	Live      bool
	Examples  []string
}

var examples = []string{
	`label:threat`, `label:hazard has:media`, `"power outage" after:-24h`, `地震 OR 火災`, `lang:de -is:reply`, `from:@ann@fedi.example`, `label:breach>0.8`, `#weather`,
}

func (s *Server) searchPage(c echo.Context) error {
	q, err := s.parse(c)
	if err != nil {
		return err
	}
	started := time.Now()
	cursor := c.QueryParam("cursor")
	hits, err := s.o.Archive.Search(c.Request().Context(), q, storage.Page{Limit: 25, Cursor: cursor})
	if err != nil {
		if cursor != "" && strings.Contains(err.Error(), "cursor") {
			return problem(http.StatusBadRequest, "cursor", "That page does not belong to this query; search again.")
		}
		return err
	}
	if err := s.audit(c, storage.AuditEntry{Action: "search", Subject: q.String(), Count: int64(len(hits.Posts))}); err != nil {
		return err
	}
	text := c.QueryParam("q")
	d := searchData{Q: text, Canonical: q.String(), Warnings: q.Warnings, Partial: hits.Partial, Took: time.Since(started).Round(100 * time.Microsecond), Live: cursor == "" && !q.Nothing(), Examples: examples}
	for i := range hits.Posts {
		d.Posts = append(d.Posts, cardOf(&hits.Posts[i], q, 400))
	}
	if hits.Next != "" {
		d.Next = "/search?" + url.Values{"q": {text}, "cursor": {hits.Next}}.Encode()
	}
	title := "Search"
	if text != "" {
		title = query.Visible(text) + " · Search"
	}
	return s.render(c, http.StatusOK, "search", s.frame(c, title, d))
}

type postData struct {
	card
	Shown    card
	RawJSON  string
	Evidence string
}

func (s *Server) postPage(c echo.Context) error {
	p, err := s.post(c)
	if err != nil {
		return err
	}
	q := query.Parse("", query.Options{Now: s.o.Now()})
	shown := cardOf(p, q, 0)
	d := postData{card: shown, Shown: shown}
	var raw any
	if json.Unmarshal(p.Raw, &raw) == nil {
		if b, err := json.MarshalIndent(raw, "", "  "); err == nil {
			d.RawJSON = string(b)
		}
	}
	if b, err := json.MarshalIndent(p.Evidence, "", "  "); err == nil {
		d.Evidence = string(b)
	}
	return s.render(c, http.StatusOK, "post", s.frame(c, "Post by "+query.Visible(p.Handle), d))
}

type adminData struct {
	Subscribers []adminRow
	Rules       []storage.PolicyRule
	Head        int64
}

type adminRow struct {
	storage.Subscriber
	Lag int64
}

func (s *Server) adminPage(c echo.Context) error {
	ctx := c.Request().Context()
	subs, err := s.o.Operator.Subscribers(ctx)
	if err != nil {
		return err
	}
	var d adminData
	if d.Head, err = s.o.Operator.Head(ctx); err != nil {
		return err
	}
	if d.Rules, err = s.o.Operator.Rules(ctx); err != nil {
		return err
	}
	for _, b := range subs {
		d.Subscribers = append(d.Subscribers, adminRow{b, max(0, d.Head-b.Cursor)})
	}
	// Who waits for an answer stands first.
	slices.SortStableFunc(d.Subscribers, func(a, b adminRow) int {
		return cmp.Compare(order[a.State], order[b.State])
	})
	return s.render(c, http.StatusOK, "admin", s.frame(c, "Administration", d))
}

var order = map[storage.SubscriberState]int{
	storage.StatePending: 0, storage.StateAccepting: 1, storage.StateSuspended: 2, storage.StateActive: 3, storage.StateRejected: 4, storage.StateLeft: 5,
}

func (s *Server) adminSubscribers(c echo.Context) error {
	ctx, actor := c.Request().Context(), c.FormValue("actor")
	var err error
	act := c.FormValue("act")
	switch act {
	case "accept", "reject":
		err = s.o.Operator.Decide(ctx, actor, act == "accept")
	case "remove":
		err = s.o.Operator.Remove(ctx, actor)
	default:
		err = problem(http.StatusBadRequest, "act", "accept, reject or remove.")
	}
	if err != nil {
		return err
	}
	if err := s.audit(c, storage.AuditEntry{Action: "subscriber." + act, Subject: actor, Count: 1}); err != nil {
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
