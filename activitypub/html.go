package activitypub

import (
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// maxText is the length in bytes at which a text is cut off.
const maxText = 100_000

// TextOfHTML returns the plain text of a fragment of HTML: paragraphs, line
// breaks, lists and quotations as people would type them, links with their
// whole address, no scripts or styles. The result is at most 100,000 bytes.
// The work is linear, however broken the markup.
func TextOfHTML(fragment string) string {
	text, _ := textAndLinks(fragment, nil)
	return text
}

// anchor is a link of a text.
type anchor struct {
	href  string
	class string
	rel   string
}

// isMarker reports whether an anchor stands for a mention or a hashtag rather
// than for a page. Mastodon, Pleroma, Misskey, GoToSocial, Friendica and
// WordPress all set one of these.
func (a anchor) isMarker() bool {
	for c := range strings.FieldsSeq(a.class) {
		if c == "mention" || c == "hashtag" || c == "u-tag" {
			return true
		}
	}
	for r := range strings.FieldsSeq(a.rel) {
		if r == "tag" || r == "mention" {
			return true
		}
	}
	return false
}

// textAndLinks returns the text of a fragment and the addresses of its links.
// Markers are the addresses of mentions and hashtags, which are no links
// whatever their anchors look like. It walks the tokens and builds no tree,
// whose depth and repairs a hostile document could exploit.
func textAndLinks(fragment string, markers map[string]bool) (string, []string) {
	fragment = cutText(fragment, 4*maxText)
	if !strings.ContainsAny(fragment, "<&") {
		// Not marked up at all: some servers send plain text, whose line
		// breaks mean something.
		return cutText(strings.TrimSpace(cleanText(fragment)), maxText), nil
	}
	w := textWriter{markers: markers}
	z := html.NewTokenizer(strings.NewReader(fragment))
	hidden := false // the next token is the content of a script or style
	for len(w.out) < maxText {
		switch z.Next() {
		case html.ErrorToken:
			return w.finish()
		case html.TextToken:
			if !hidden {
				w.text(string(z.Text()))
			}
			hidden = false
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			hidden = t.DataAtom == atom.Script || t.DataAtom == atom.Style
			w.start(t)
		case html.EndTagToken:
			name, _ := z.TagName()
			w.end(atom.Lookup(name))
			hidden = false
		}
	}
	return w.finish()
}

// textWriter turns tokens into text. Breaks are pending until text follows, so
// that nothing begins or ends with empty lines and no two follow each other.
type textWriter struct {
	markers map[string]bool
	out     []byte
	links   []string

	newlines int    // line breaks before the next text
	space    bool   // a space before the next text
	bullet   string // list marker before the next text
	quote    int    // depth of quotations
	pre      int    // depth of preformatted text
	lists    []int  // open lists: 0 bulleted, else the next number

	open      *anchor // the anchor whose text is being collected
	openStart int     // where that text begins; -1 before it does
}

// paragraphs are elements set off by an empty line, lines those that only
// begin a new one.
var (
	paragraphs = map[atom.Atom]bool{
		atom.P: true, atom.Blockquote: true, atom.Pre: true, atom.Ul: true, atom.Ol: true, atom.Table: true,
		atom.Figure: true, atom.H1: true, atom.H2: true, atom.H3: true, atom.H4: true, atom.H5: true, atom.H6: true,
		atom.Hr: true, atom.Dl: true, atom.Details: true,
	}
	lines = map[atom.Atom]bool{
		atom.Div: true, atom.Li: true, atom.Tr: true, atom.Dt: true, atom.Dd: true, atom.Section: true,
		atom.Article: true, atom.Header: true, atom.Footer: true, atom.Figcaption: true, atom.Summary: true,
		atom.Aside: true, atom.Main: true, atom.Nav: true, atom.Address: true, atom.Caption: true,
	}
)

func (w *textWriter) start(t html.Token) {
	name := t.DataAtom
	w.blockEdge(name)
	switch name {
	case atom.Br:
		w.newlines = min(w.newlines+1, 2)
		w.space = false
	case atom.Blockquote:
		w.quote++
	case atom.Pre:
		w.pre++
	case atom.Ul:
		w.lists = append(w.lists, 0)
	case atom.Ol:
		w.lists = append(w.lists, 1)
	case atom.Li:
		w.item()
	case atom.Td, atom.Th:
		w.space = true
	case atom.Img:
		// Custom emoji of some servers, and pictures inside articles.
		if alt := attribute(t, "alt"); alt != "" {
			w.text(" " + cutText(alt, maxName) + " ")
		}
	case atom.A:
		w.endAnchor()
		w.open = &anchor{href: strings.TrimSpace(attribute(t, "href")), class: attribute(t, "class"), rel: attribute(t, "rel")}
		w.openStart = -1
	}
}

func (w *textWriter) end(name atom.Atom) {
	switch name {
	case atom.A:
		w.endAnchor()
	case atom.Blockquote:
		w.quote = max(w.quote-1, 0)
	case atom.Pre:
		w.pre = max(w.pre-1, 0)
	case atom.Li:
		w.bullet = ""
	case atom.Ul, atom.Ol:
		w.lists = w.lists[:max(len(w.lists)-1, 0)]
	}
	w.blockEdge(name)
}

// blockEdge asks for the break that an element's begin or end makes. Inside
// lists nothing is set off by an empty line, and an item's first paragraph
// stays beside its marker.
func (w *textWriter) blockEdge(name atom.Atom) {
	n := 0
	switch {
	case paragraphs[name] && len(w.lists) == 0:
		n = 2
	case lines[name], paragraphs[name] && w.bullet == "":
		n = 1
	}
	if n > 0 {
		w.newlines = max(w.newlines, n)
		w.space = false
	}
}

func (w *textWriter) item() {
	w.bullet = "- "
	n := len(w.lists)
	if n == 0 {
		return
	}
	w.bullet = strings.Repeat("  ", min(n-1, 8)) + "- "
	if next := &w.lists[n-1]; *next > 0 {
		w.bullet = strings.Repeat("  ", min(n-1, 8)) + strconv.Itoa(*next) + ". "
		*next++
	}
}

// text adds character data, with white space collapsed outside <pre>.
func (w *textWriter) text(s string) {
	s = cleanText(s)
	if w.pre > 0 {
		for i, line := range strings.Split(s, "\n") {
			if i > 0 {
				w.newlines = min(w.newlines+1, 2)
			}
			if line != "" {
				w.write(line)
			}
		}
		return
	}
	for len(s) > 0 {
		i := strings.IndexAny(s, " \t\n\r\f\u00a0")
		if i < 0 {
			w.write(s)
			return
		}
		if i > 0 {
			w.write(s[:i])
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		w.space = true
		s = s[i+size:]
	}
}

// write adds text after the breaks, marks and space that are pending.
func (w *textWriter) write(s string) {
	const maxQuote = 8
	begin := len(w.out) == 0
	if !begin {
		w.out = append(w.out, "\n\n"[:w.newlines]...)
	}
	if begin || w.newlines > 0 {
		for range min(w.quote, maxQuote) {
			w.out = append(w.out, "> "...)
		}
		w.out = append(w.out, w.bullet...)
		w.bullet = ""
	} else if w.space {
		w.out = append(w.out, ' ')
	}
	w.newlines, w.space = 0, false
	if w.open != nil && w.openStart < 0 {
		w.openStart = len(w.out)
	}
	w.out = append(w.out, s...)
}

// endAnchor closes the open anchor: a text that is the address, whole or
// shortened, becomes the whole address; any other text is followed by it, so
// that what a link says and where it leads are both there to be read.
func (w *textWriter) endAnchor() {
	a := w.open
	if a == nil {
		return
	}
	w.open = nil
	iri, err := ParseIRI(a.href)
	if err != nil || a.isMarker() || w.markers[string(iri)] {
		return
	}
	if len(w.links) < maxLinks {
		w.links = appendNew(w.links, a.href)
	}
	if w.openStart < 0 {
		return // an anchor without text, around a picture say
	}
	if shown := string(w.out[w.openStart:]); shortens(shown, a.href) {
		w.out = append(w.out[:w.openStart], a.href...)
		return
	}
	w.out = append(w.out, " ("...)
	w.out = append(w.out, a.href...)
	w.out = append(w.out, ')')
}

// shortens reports whether a link's text is its address: written in full,
// without the scheme, decoded, or elided with an ellipsis, but never less than
// the host.
func shortens(shown, href string) bool {
	if shown == href {
		return true
	}
	if x, err := ParseIRI(shown); err == nil {
		if y, err := ParseIRI(href); err == nil && x == y {
			return true
		}
	}
	text, target := bareAddress(shown), bareAddress(href)
	host := target
	if i := strings.IndexAny(target, "/?#"); i >= 0 {
		host = target[:i]
	}
	head, tail, elided := strings.Cut(strings.ReplaceAll(text, "...", "…"), "…")
	if !elided {
		return text == target
	}
	return len(head) >= len(host) && strings.HasPrefix(target, head) && strings.HasSuffix(target[len(head):], tail)
}

// bareAddress is an address as people shorten it: no scheme, no "www.", no
// slash at the end, nothing percent-encoded.
func bareAddress(s string) string {
	if d, err := url.PathUnescape(s); err == nil {
		s = d
	}
	s = strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://")
	return strings.TrimSuffix(strings.TrimPrefix(s, "www."), "/")
}

func (w *textWriter) finish() (string, []string) {
	w.endAnchor()
	return cutText(strings.TrimSpace(string(w.out)), maxText), w.links
}

func attribute(t html.Token, name string) string {
	for _, a := range t.Attr {
		if a.Key == name && a.Namespace == "" {
			return a.Val
		}
	}
	return ""
}
