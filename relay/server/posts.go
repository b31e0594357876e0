package server

import (
	"cmp"
	"encoding/json"
	"errors"
	"html"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"hark/classifier"
	"hark/classifier/breach"
	"hark/storage"
	"hark/storage/query"
)

// card is a post as the pages show it.
type card struct {
	*storage.Post
	Shown template.HTML // the text, or the part of it that was found
	Found template.HTML // what was found, where that is not in the text
	Cut   bool          // there is more of the text
	Open  bool          // the reasons of its labels are shown at once
	Link  string        // the original, "" if its address is none of the web
	Loose []string      // tags that the text does not show already
	Over  []storage.Label
	Under []storage.Label
}

// faint is the least score of a label that is shown though it is under its
// threshold.
const faint = 0.1

func newCard(p *storage.Post) card {
	c := card{Post: p, Link: safeLink(cmp.Or(p.URL, p.URI))}
	text := query.Fold(p.Text)
	for _, t := range p.Tags {
		if !strings.Contains(text, "#"+query.Fold(t)) {
			c.Loose = append(c.Loose, t)
		}
	}
	for _, l := range p.Labels {
		switch {
		case l.Over:
			c.Over = append(c.Over, l)
		case l.Score >= faint:
			c.Under = append(c.Under, l)
		}
	}
	return c
}

// cardOf shows what a query found in a post.
func cardOf(p *storage.Post, q *query.Query, runes int) card {
	c := newCard(p)
	s := q.Snippet(p, runes)
	mark := func(int) string { return "<mark>" }
	if p.Text != "" && !strings.Contains(query.Visible(p.Text), strings.Trim(s.Text, "…")) {
		// A warning, a poll or a description was found: the text is shown beside it.
		c.Found = marked(s.Text, s.Marks, mark)
		s = new(query.Query).Snippet(p, runes)
	}
	c.Shown = marked(s.Text, s.Marks, mark)
	c.Cut = p.Text != "" && strings.Trim(s.Text, "…") != strings.Trim(query.Visible(p.Text), "…")
	return c
}

// cardWhy shows the whole text, with the parts marked that its labels rest on.
func cardWhy(p *storage.Post) card {
	c := newCard(p)
	c.Open = true
	var marks [][2]int
	var why []string
	for _, w := range reasonsIn(p) {
		marks, why = append(marks, w.at), append(why, w.label+": "+w.rule)
	}
	c.Shown = marked(p.Text, marks, func(i int) string {
		return `<mark class="why" title="` + html.EscapeString(query.Visible(why[i])) + `">`
	})
	return c
}

type because struct {
	at          [2]int
	label, rule string
}

// reasonsIn finds the parts of a post's text that speak for its labels, in
// their order and apart. What was classified is not always this text alone, so
// an offset counts only where the same words stand.
func reasonsIn(p *storage.Post) []because {
	var all []because
	for _, l := range p.Labels {
		for _, r := range l.Reasons {
			if !l.Over || r.Weight < 0 || r.Text == "" {
				continue
			}
			start := r.Start
			if start < 0 || start > len(p.Text) || !strings.HasPrefix(p.Text[start:], r.Text) {
				start = strings.Index(p.Text, r.Text)
			}
			if start >= 0 {
				all = append(all, because{[2]int{start, start + len(r.Text)}, l.Name, r.Rule})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b because) int { return a.at[0] - b.at[0] })
	end := 0
	return slices.DeleteFunc(all, func(b because) bool {
		if b.at[0] < end {
			return true
		}
		end = b.at[1]
		return false
	})
}

// marked escapes a text and puts an element around its marks, which rise and
// are apart; open gives the start tag of the i-th.
func marked(text string, marks [][2]int, open func(i int) string) template.HTML {
	var b strings.Builder
	plain := func(s string) { b.WriteString(html.EscapeString(query.Visible(s))) }
	last := 0
	for i, m := range marks {
		plain(text[last:m[0]])
		b.WriteString(open(i))
		plain(text[m[0]:m[1]])
		b.WriteString("</mark>")
		last = m[1]
	}
	plain(text[last:])
	return template.HTML(b.String()) //nolint:gosec // every part was escaped
}

type searchData struct {
	Q        string
	TZ       string
	Warnings []query.Warning
	Posts    []card
	Found    string // how many, in words
	Next     string // address of the next page
	Partial  bool
	Took     time.Duration
	Live     bool
	Newest   int64 // id of the newest post shown; live ones come after it
	Examples []string
	Fields   []field
}

// field explains a part of the search language.
type field struct{ Write, Means string }

// fields are what the search page teaches; each is a query of its own.
var fields = []field{
	{`storm "power outage" -football`, "words, a phrase, a word to leave out"},
	{`(fire OR smoke) evacuat*`, "either of two; brackets; the begin of a word"},
	{`from:@ann@fedi.example`, "an author; from:fedi.example is everybody there"},
	{`domain:fedi.example`, "where it was written; via: is who delivered it"},
	{`software:misskey lang:ja,en`, "the author's kind of server, and one of two languages"},
	{`label:threat`, "a label over its threshold; label:toxicity>=0.5 by its score"},
	{`has:media`, "also image, video, audio, poll, link, alt, noalt, cw, quote, emoji"},
	{`-is:reply is:sensitive`, "also edited, bot, question, quote"},
	{`#storm @ann@fedi.example`, "a hashtag, a mention"},
	{`after:2026-11-01 before:-24h`, "by publication; during:today is a whole day; seen: is by arrival"},
	{`link:example.com cw:food alt:map`, "in that part only"},
	{`storm sort:oldest`, "or newest, relevance, score"},
}

var examples = []string{
	`label:threat`, `label:hazard has:media`, `"power outage" after:-24h`, `地震 OR 火災`, `lang:de -is:reply`, `from:@ann@fedi.example`, `label:breach>0.8`, `#weather`,
}

// counted is how many hits are counted before "or more" will do.
const counted = 1000

func (s *Server) searchPage(c echo.Context) error {
	q, err := s.parse(c)
	if err != nil {
		return err
	}
	ctx, started, cursor := c.Request().Context(), time.Now(), c.QueryParam("cursor")
	hits, err := s.o.Archive.Search(ctx, q, storage.Page{Limit: 25, Cursor: cursor})
	if err != nil {
		if errors.Is(err, storage.ErrCursor) {
			return problem(http.StatusBadRequest, "cursor", "That page does not belong to this query; search again.")
		}
		return err
	}
	if err := s.audit(c, storage.AuditEntry{Action: "search", Subject: q.String(), Count: int64(len(hits.Posts))}); err != nil {
		return err
	}
	text, tz := query.Visible(c.QueryParam("q")), c.QueryParam("tz")
	d := searchData{Q: text, TZ: tz, Warnings: q.Warnings, Partial: hits.Partial, Examples: examples, Fields: fields}
	d.Live = cursor == "" && !q.Nothing() && (q.Sort == "" || q.Sort == query.SortNewest || q.Sort == query.SortSeen)
	for i := range hits.Posts {
		d.Newest = max(d.Newest, hits.Posts[i].ID)
		d.Posts = append(d.Posts, cardOf(&hits.Posts[i], q, cardRunes))
	}
	if hits.Next != "" {
		v := url.Values{"q": {text}, "cursor": {hits.Next}}
		if tz != "" {
			v.Set("tz", tz)
		}
		d.Next = "/search?" + v.Encode()
	}
	if d.Found, err = s.found(c, q, cursor, hits); err != nil {
		return err
	}
	d.Took = time.Since(started).Round(100 * time.Microsecond)
	title := "Search"
	if text != "" {
		title = text + " · Search"
	}
	return s.render(c, http.StatusOK, "search", s.frame(c, title, d))
}

// found says in words how many hits there are. They are counted on the first
// page only, and not past what a person would read.
func (s *Server) found(c echo.Context, q *query.Query, cursor string, hits storage.Hits) (string, error) {
	switch {
	case cursor != "":
		return "older hits", nil
	case q.IsAll():
		return "the newest posts", nil
	case hits.Next == "":
		return plural(int64(len(hits.Posts)), "hit"), nil
	}
	n, capped, err := s.o.Archive.Count(c.Request().Context(), q, counted)
	if err != nil {
		return "", err
	}
	n = max(n, int64(len(hits.Posts)))
	if capped {
		return thousands(n) + " hits or more", nil
	}
	return plural(n, "hit"), nil
}

type postData struct {
	card
	Card      card
	Addresses []string // of its links
	Raw       string
	Evidence  string
	API       string
	Said      bool     // feedback has just been kept
	Missing   []string // labels that the post does not have
}

func (s *Server) postPage(c echo.Context) error {
	p, err := s.post(c)
	if err != nil {
		return err
	}
	shown := cardWhy(p)
	d := postData{card: shown, Card: shown, Addresses: p.Links, Raw: string(p.Raw), API: "/api/hark/v1/posts/" + strconv.FormatInt(p.ID, 10)}
	d.Said = c.QueryParam("said") != ""
	for _, l := range classifier.Labels {
		if !slices.ContainsFunc(p.Labels, func(have storage.Label) bool { return have.Name == l && have.Over }) {
			d.Missing = append(d.Missing, l)
		}
	}
	var raw any
	if json.Unmarshal(p.Raw, &raw) == nil {
		if b, err := json.MarshalIndent(raw, "", "  "); err == nil {
			d.Raw = string(b)
		}
	}
	if holdsSecret(p) && !verbatim(tokenOf(c)) {
		d.Raw = "It holds something that looks like a secret: only a token with the scope verbatim is shown it."
	}
	if b, err := json.MarshalIndent(p.Evidence, "", "  "); err == nil {
		d.Evidence = string(b)
	}
	return s.render(c, http.StatusOK, "post", s.frame(c, "Post by @"+query.Visible(p.Handle), d))
}

// holdsSecret tells whether what was masked in the text of a post stands in the
// activity as it arrived.
func holdsSecret(p *storage.Post) bool {
	if slices.ContainsFunc(p.Labels, func(l storage.Label) bool {
		return l.Name == classifier.Breach && strings.Contains(l.Model, "breach/")
	}) {
		return true
	}
	raw := string(p.Raw)
	return breach.Mask(raw) != raw
}

// verbatim tells whether a token may see posts as they arrived.
func verbatim(t storage.Token) bool {
	return slices.Contains(t.Scopes, storage.ScopeVerbatim) || slices.Contains(t.Scopes, storage.ScopeAdmin)
}
