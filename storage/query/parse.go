package query

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of a query.
const (
	maxBytes    = 1024
	maxClauses  = 64
	maxDepth    = 16
	maxPrefixes = 2 // in one group of alternatives
	maxNear     = 10
	minStem     = 3 // letters of a prefix
)

// recent is what a query covers that only leaves out and names no time.
const recent = 24 * time.Hour

// Options of parsing.
type Options struct {
	Now  time.Time      // what relative times count from; zero: the clock
	Zone *time.Location // of dates without one; nil: UTC
}

// Warning is what could not be understood, or was left out.
type Warning struct {
	Code string `json:"code"`
	At   int    `json:"at"` // byte offset in the query
	Text string `json:"text"`
}

// Sort is the order of hits.
type Sort string

// The orders.
const (
	SortNewest    Sort = "newest" // by arrival, the default
	SortOldest    Sort = "oldest"
	SortRelevance Sort = "relevance" // of the newest hits
	SortSeen      Sort = "seen"      // by arrival
	SortScore     Sort = "score"     // by the highest label, of the newest hits
)

// Query is a parsed query. It does not change and may be used concurrently.
type Query struct {
	Root     Node // nil: nothing was asked for, or nothing is left of it
	Sort     Sort // "" is SortNewest
	Warnings []Warning
	all      bool
	words    []Words // what snippets mark
}

// IsAll tells whether the query asks for everything: its text had no clause.
func (q *Query) IsAll() bool { return q.all }

// Nothing tells whether nothing is left to search for, so that nothing is
// found. It is false where IsAll is true.
func (q *Query) Nothing() bool { return q.Root == nil && !q.all }

// String is the canonical form. It parses back to the same query.
func (q *Query) String() string {
	var parts []string
	if q.Root != nil {
		parts = append(parts, q.Root.String())
	}
	if q.Sort != "" {
		parts = append(parts, "sort:"+string(q.Sort))
	}
	return strings.Join(parts, " ")
}

// Parse reads a query. It never fails; Warnings tell what was not understood.
// ref: contracts/query-language.md
func Parse(text string, o Options) *Query {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	p := &parser{o: o, q: &Query{}, text: clean(text)}
	if len(p.text) > maxBytes {
		cut := maxBytes
		for !utf8.RuneStart(p.text[cut]) {
			cut--
		}
		p.warn("too-long", cut, fmt.Sprintf("only the first %d bytes were read", maxBytes))
		p.text = p.text[:cut]
	}
	root := p.or(0)
	p.q.Root = root
	p.q.all = root == nil && len(p.q.Warnings) == 0 && !p.dropped
	if root != nil && !bounded(root) {
		p.q.Root = recently(root, o.Now)
	}
	return p.q
}

// clean makes invalid UTF-8, NUL and the index's own marks spaces.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || r == 0 || r >= sectionFirst && r <= sectionLast {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
}

// bounded tells whether a query asks for something, or names a time.
func bounded(n Node) bool {
	switch n := n.(type) {
	case And:
		for _, c := range n {
			if bounded(c) {
				return true
			}
		}
		return false
	case Or:
		for _, c := range n {
			if !bounded(c) {
				return false
			}
		}
		return true
	case Not:
		return namesTime(n.Node)
	}
	return true
}

func namesTime(n Node) bool {
	switch n := n.(type) {
	case And:
		for _, c := range n {
			if namesTime(c) {
				return true
			}
		}
	case Or:
		for _, c := range n {
			if namesTime(c) {
				return true
			}
		}
	case Not:
		return namesTime(n.Node)
	case Span:
		return true
	}
	return false
}

func recently(root Node, now time.Time) Node {
	return covering{root, Span{seen: true, from: now.Add(-recent).UnixMilli(), to: forever}}
}

// covering is a root that only covers a time.
type covering struct {
	root Node
	span Span
}

func (n covering) match(d *Document) bool { return n.span.match(d) && n.root.match(d) }
func (n covering) String() string         { return n.root.String() }

// parser reads the text once, from left to right.
type parser struct {
	o        Options
	q        *Query
	text     string
	pos      int
	clauses  int
	prefixes int // in the current group of alternatives
	dropped  bool // something was typed that holds no word
}

func (p *parser) warn(code string, at int, text string) {
	if len(p.q.Warnings) < maxClauses {
		p.q.Warnings = append(p.q.Warnings, Warning{Code: code, At: at, Text: text})
	}
}

func (p *parser) space() {
	for p.pos < len(p.text) {
		r, n := utf8.DecodeRuneInString(p.text[p.pos:])
		if !unicode.IsSpace(r) && !unicode.IsControl(r) {
			return
		}
		p.pos += n
	}
}

// keyword takes an upper-case operator that stands alone.
func (p *parser) keyword(word string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.text[p.pos:], word)
	if !ok || rest != "" && !strings.ContainsAny(rest[:1], " \t\r\n()\"") {
		return false
	}
	p.pos += len(word)
	return true
}

func (p *parser) peekKeyword(word string) bool {
	at := p.pos
	ok := p.keyword(word)
	p.pos = at
	return ok
}

func (p *parser) or(depth int) Node {
	before := p.prefixes
	p.prefixes = 0
	defer func() { p.prefixes = before }()
	var parts Or
	for {
		at := p.pos
		n := p.and(depth)
		if n != nil {
			parts = append(parts, n)
		}
		again := p.keyword("OR")
		if n == nil && (again || len(parts) > 0) {
			p.warn("dangling-operator", at, "OR stands beside nothing")
		}
		if !again {
			break
		}
	}
	switch len(parts) {
	case 0:
		return nil
	case 1:
		return parts[0]
	}
	return flatOr(parts)
}

func flatOr(parts Or) Node {
	var out Or
	for _, n := range parts {
		if inner, ok := n.(Or); ok {
			out = append(out, inner...)
		} else {
			out = append(out, n)
		}
	}
	return out
}

func (p *parser) and(depth int) Node {
	var parts And
	for {
		p.space()
		if p.pos >= len(p.text) || p.peekKeyword("OR") {
			break
		}
		if p.text[p.pos] == ')' {
			if depth > 0 {
				break
			}
			p.warn("stray-bracket", p.pos, "a bracket closes that never opened")
			p.pos++
			continue
		}
		if p.keyword("AND") {
			continue
		}
		if n := p.unary(depth); n != nil {
			if inner, ok := n.(And); ok {
				parts = append(parts, inner...)
			} else {
				parts = append(parts, n)
			}
		}
	}
	switch len(parts) {
	case 0:
		return nil
	case 1:
		return parts[0]
	}
	return parts
}

func (p *parser) unary(depth int) Node {
	not := false
	for {
		if p.keyword("NOT") {
			p.space()
			if p.pos >= len(p.text) || p.text[p.pos] == ')' {
				p.warn("dangling-operator", p.pos, "NOT stands before nothing")
				return nil
			}
			not = !not
			continue
		}
		p.space()
		if p.pos+1 < len(p.text) && (p.text[p.pos] == '-' || p.text[p.pos] == '+') && p.startsPrimary(p.pos+1) {
			if p.text[p.pos] == '-' {
				not = !not
			}
			p.pos++
			continue
		}
		break
	}
	n := p.primary(depth)
	if n == nil || !not {
		return n
	}
	if inner, ok := n.(Not); ok {
		return inner.Node
	}
	return Not{n}
}

// startsPrimary tells whether something that may be left out stands there.
func (p *parser) startsPrimary(at int) bool {
	r, _ := utf8.DecodeRuneInString(p.text[at:])
	return !unicode.IsSpace(r) && r != ')'
}

func (p *parser) primary(depth int) Node {
	p.space()
	at := p.pos
	if at >= len(p.text) {
		return nil
	}
	switch c := p.text[at]; {
	case c == '(':
		return p.bracket(depth)
	case c == '"':
		return p.phrase()
	case c == '#':
		if tag := p.tagAt(at + 1); tag != "" {
			p.pos = at + 1 + len(tag)
			folded := tagFold(tag)
			return p.leaf(at, Fact{any: []string{fact(factTag, folded)}, text: "#" + folded})
		}
	case c == '@':
		if n := p.mention(); n != nil {
			return p.leaf(at, n)
		}
	}
	if name, rest := p.fieldAt(at); name != "" {
		return p.field(at, name, rest)
	}
	return p.word()
}

func (p *parser) bracket(depth int) Node {
	at := p.pos
	p.pos++
	if depth >= maxDepth {
		p.warn("too-deep", at, fmt.Sprintf("brackets nest deeper than %d; this one was left out", maxDepth))
		p.skipBracket()
		return nil
	}
	n := p.or(depth + 1)
	p.space()
	if p.pos < len(p.text) && p.text[p.pos] == ')' {
		p.pos++
	} else {
		p.warn("unclosed-bracket", at, "a bracket is not closed")
	}
	return n
}

// skipBracket passes over a bracket that is too deep.
func (p *parser) skipBracket() {
	for open := 1; p.pos < len(p.text) && open > 0; p.pos++ {
		switch p.text[p.pos] {
		case '(':
			open++
		case ')':
			open--
		}
	}
}

// leaf counts a clause.
func (p *parser) leaf(at int, n Node) Node {
	p.clauses++
	if p.clauses == maxClauses+1 {
		p.warn("too-many-clauses", at, fmt.Sprintf("only the first %d clauses were read", maxClauses))
	}
	if p.clauses > maxClauses {
		return nil
	}
	if w, ok := n.(Words); ok {
		p.q.words = append(p.q.words, w)
	}
	return n
}

// everywhere are the parts of a post that a plain word is looked for in.
var everywhere = []rune{0, inWarning, inPoll, inAlt}

// bare reads up to a space, a bracket or a quote.
func (p *parser) bare() string {
	start := p.pos
	for p.pos < len(p.text) {
		r, n := utf8.DecodeRuneInString(p.text[p.pos:])
		if unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(`()"`, r) {
			break
		}
		p.pos += n
	}
	return p.text[start:p.pos]
}

func (p *parser) word() Node {
	at := p.pos
	s := p.bare()
	if s == "" { // a sign that begins nothing
		_, n := utf8.DecodeRuneInString(p.text[p.pos:])
		p.pos += n
		p.dropped = true
		return nil
	}
	if name, _, ok := strings.Cut(s, ":"); ok && isName(name) && !strings.HasPrefix(s[len(name):], "://") {
		p.warn("unknown-field", at, fmt.Sprintf("%q is no field; its words were searched for", name))
	}
	stem, star := strings.CutSuffix(s, "*")
	n, ok := p.words(at, stem, star, everywhere, "")
	if !ok {
		p.dropped = true
		return nil
	}
	return p.leaf(at, n)
}

func isName(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '_' {
			return false
		}
	}
	return s != ""
}

// words makes the node of a word or phrase; false if nothing of it is a word.
func (p *parser) words(at int, s string, star bool, sections []rune, field string) (Words, bool) {
	s = settled(s)
	tokens, prefix := asked(s)
	if len(tokens) == 0 {
		return Words{}, false
	}
	if star {
		switch {
		case !plain(s):
			p.warn("prefix", at, "a prefix is the begin of one word; * was left out")
			star = false
		case len(tokens) == 1 && !prefix && classOf([]rune(s)[0]) != gram && utf8.RuneCountInString(s) < minStem:
			p.warn("prefix-short", at, fmt.Sprintf("a prefix has at least %d letters; * was left out", minStem))
			star = false
		case p.prefixes >= maxPrefixes:
			p.warn("too-many-prefixes", at, fmt.Sprintf("at most %d prefixes in a group; * was left out", maxPrefixes))
			star = false
		default:
			p.prefixes++
		}
	}
	text := `"` + s + `"`
	if plain(s) {
		text = s
	}
	if star {
		text += "*"
	}
	return Words{sections: sections, groups: [][]string{tokens}, prefix: prefix || star, text: field + text}, true
}

// settled folds a text until folding changes nothing, so that the canonical
// form parses back to itself.
func settled(s string) string {
	s = strings.Join(strings.Fields(strings.ReplaceAll(s, `"`, " ")), " ")
	for range 4 {
		next := strings.Join(strings.Fields(strings.ReplaceAll(clean(Fold(s)), `"`, " ")), " ")
		if next == s {
			break
		}
		s = next
	}
	return s
}

// plain tells whether a word needs no quotes in the canonical form.
func plain(s string) bool {
	for _, r := range s {
		if c := classOf(r); c != letter && c != gram {
			return false
		}
	}
	return s != ""
}

// quotedText reads a quoted text and whether it was closed.
func (p *parser) quotedText() string {
	at := p.pos
	p.pos++
	end := strings.IndexByte(p.text[p.pos:], '"')
	if end < 0 {
		p.warn("unclosed-quote", at, "a quote is not closed")
		s := p.text[p.pos:]
		p.pos = len(p.text)
		return s
	}
	s := p.text[p.pos : p.pos+end]
	p.pos += end + 1
	return s
}

func (p *parser) phrase() Node {
	at := p.pos
	s := p.quotedText()
	if n, ok := p.near(at, s); ok {
		if n == nil {
			p.dropped = true
			return nil
		}
		return p.leaf(at, n)
	}
	n, ok := p.words(at, s, false, everywhere, "")
	if !ok {
		p.dropped = true
		return nil
	}
	return p.leaf(at, n)
}

// near reads "a b"~5; false if no ~ follows.
func (p *parser) near(at int, s string) (Node, bool) {
	if p.pos+1 >= len(p.text) || p.text[p.pos] != '~' || !digit(p.text[p.pos+1]) {
		return nil, false
	}
	p.pos++
	within := 0
	for i := 0; i < 2 && p.pos < len(p.text) && digit(p.text[p.pos]); i++ {
		within = within*10 + int(p.text[p.pos]-'0')
		p.pos++
	}
	if within > maxNear {
		p.warn("near", at, fmt.Sprintf("near is at most %d words", maxNear))
		within = maxNear
	}
	within = max(within, 1)
	s = settled(s)
	var groups [][]string
	prefix := false
	for w := range strings.FieldsSeq(s) {
		tokens, open := asked(w)
		if len(tokens) == 0 {
			continue
		}
		groups, prefix = append(groups, tokens), open
	}
	if len(groups) < 2 {
		w, ok := p.words(at, s, false, everywhere, "")
		if !ok {
			return nil, true
		}
		return w, true
	}
	return Words{sections: everywhere, groups: groups, prefix: prefix, near: within, text: fmt.Sprintf(`"%s"~%d`, s, within)}, true
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// tagAt reads the letters of a hashtag.
func (p *parser) tagAt(at int) string {
	end := at
	for end < len(p.text) {
		r, n := utf8.DecodeRuneInString(p.text[end:])
		if !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) && r != '_' && r != '·' && r != 'ー' {
			break
		}
		end += n
	}
	return p.text[at:end]
}

func (p *parser) mention() Node {
	at := p.pos
	s := strings.TrimRight(p.bare(), ".,;:!?")
	n, ok := accountFact(s, factMention, factNamed, "", "")
	if !ok {
		p.pos = at
		return nil
	}
	n.text = strings.ToLower(s)
	return n
}
