package query

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"hark/storage"
)

// Node is a part of a query's tree: And, Or, Not, Words, Fact, Span, Score,
// Prefix or None.
type Node interface {
	// match tells whether the post has it.
	match(d *Document) bool
	// String is the canonical form; it parses back to the same node.
	String() string
}

// And holds where all its parts do; Or where one does; Not where its part
// does not; None nowhere.
type (
	And  []Node
	Or   []Node
	Not  struct{ Node Node }
	None struct{ text string }
)

// All holds everywhere.
type All struct{ text string }

// Words is a word, a phrase, a prefix, or words near each other, in some parts
// of a post.
type Words struct {
	sections []rune     // 0 is the text itself
	groups   [][]string // one phrase; with near, several
	prefix   bool       // of the last token of the last group
	near     int        // 0: not near
	text     string     // canonical
}

// Fact is a fact about a post; one of several will do.
type Fact struct {
	any  []string
	text string
}

// Span is a stretch of time.
type Span struct {
	seen     bool // of arrival, else of publication
	from, to int64
	text     string
}

// Score compares the score of a label.
type Score struct {
	label string
	op    string // one of > >= < <= =
	value float64
	text  string
}

// Prefix is the begin of a link.
type Prefix struct {
	prefix string
	text   string
}

func (n And) match(d *Document) bool {
	for _, c := range n {
		if !c.match(d) {
			return false
		}
	}
	return true
}

func (n Or) match(d *Document) bool {
	return slices.ContainsFunc(n, func(c Node) bool { return c.match(d) })
}

func (n Not) match(d *Document) bool { return !void(n.Node) && !n.Node.match(d) }
func (None) match(*Document) bool    { return false }
func (All) match(*Document) bool     { return true }

func (n Fact) match(d *Document) bool {
	return slices.ContainsFunc(n.any, func(f string) bool { return d.facts[f] })
}

func (n Span) match(d *Document) bool {
	t := d.post.Published
	if n.seen {
		t = d.post.Received
	}
	ms := millis(t)
	return ms >= n.from && ms < n.to
}

// millis is a time as the store has it.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func (n Score) match(d *Document) bool {
	best, found := 0.0, false
	for _, l := range d.post.Labels {
		score := l.Score
		if math.IsNaN(score) || math.IsInf(score, 0) {
			score = 0 // as the store keeps it
		}
		if l.Name == n.label && (!found || score > best) {
			best, found = score, true
		}
	}
	if !found {
		return false
	}
	switch n.op {
	case ">":
		return best > n.value
	case ">=":
		return best >= n.value
	case "<":
		return best < n.value
	case "<=":
		return best <= n.value
	}
	return best == n.value
}

func (n Prefix) match(d *Document) bool {
	return slices.ContainsFunc(d.post.Links, func(l string) bool { return strings.HasPrefix(l, n.prefix) })
}

func (n Words) match(d *Document) bool {
	return slices.ContainsFunc(n.sections, func(s rune) bool {
		stream, mark := d.words, ""
		if s != 0 {
			stream, mark = d.marks, string(s)
		}
		if n.near > 0 {
			return n.nearby(stream, mark)
		}
		return len(places(stream, mark, n.groups[0], n.prefix, true)) > 0
	})
}

// places are the positions at which a phrase begins.
func places(stream []string, mark string, phrase []string, prefix, first bool) []int {
	var out []int
	for i := 0; i+len(phrase) <= len(stream); i++ {
		ok := true
		for k, w := range phrase {
			got, in := strings.CutPrefix(stream[i+k], mark)
			if !in || got != w && !(prefix && k == len(phrase)-1 && strings.HasPrefix(got, w)) {
				ok = false
				break
			}
		}
		if ok {
			out = append(out, i)
			if first {
				return out
			}
		}
	}
	return out
}

// nearby finds a clump that holds every phrase, as FTS5's NEAR does.
// ref: https://www.sqlite.org/fts5.html#fts5_near_queries
func (n Words) nearby(stream []string, mark string) bool {
	var all [][]int
	for i, g := range n.groups {
		at := places(stream, mark, g, n.prefix && i == len(n.groups)-1, false)
		if len(at) == 0 {
			return false
		}
		all = append(all, at)
	}
	for _, ends := range all {
		for _, last := range ends {
			clump := true
			for i, at := range all {
				low := last - len(n.groups[i]) - n.near
				if !slices.ContainsFunc(at, func(p int) bool { return p >= low && p <= last }) {
					clump = false
					break
				}
			}
			if clump {
				return true
			}
		}
	}
	return false
}

func (n And) String() string {
	parts := make([]string, len(n))
	for i, c := range n {
		parts[i] = inside(c)
	}
	return strings.Join(parts, " ")
}

func (n Or) String() string {
	if list, ok := n.list(); ok {
		return list
	}
	parts := make([]string, len(n))
	for i, c := range n {
		if _, and := c.(And); and {
			parts[i] = c.String() // AND binds tighter
		} else {
			parts[i] = inside(c)
		}
	}
	return strings.Join(parts, " OR ")
}

func (n Not) String() string { return "-" + inside(n.Node) }

// list writes alternatives of one field as name:a,b. It needs no brackets, and
// so the canonical form is never deeper than what was typed.
func (n Or) list() (string, bool) {
	var text strings.Builder
	for i, c := range n {
		written := c.String()
		switch not := c.(type) {
		case And, Or:
			return "", false
		case Not: // of is: and has:
			_, value, _ := strings.Cut(not.Node.String(), ":")
			written = "not:" + value
			if _, ok := not.Node.(Fact); !ok || !slices.Contains(isValues, value) && !slices.Contains(hasValues, value) {
				return "", false
			}
		}
		name, value, ok := strings.Cut(written, ":")
		if !ok || fields[name] == nil {
			return "", false
		}
		if i == 0 {
			text.WriteString(name + ":")
		} else if !strings.HasPrefix(text.String(), name+":") {
			return "", false
		} else {
			text.WriteByte(',')
		}
		text.WriteString(value)
	}
	return text.String(), len(n) > 0
}

// inside puts brackets around what would fall apart.
func inside(n Node) string {
	switch n := n.(type) {
	case And:
		return "(" + n.String() + ")"
	case Or:
		if list, ok := n.list(); ok {
			return list
		}
		return "(" + n.String() + ")"
	}
	return n.String()
}

func (n None) String() string   { return n.text }
func (n All) String() string    { return n.text }
func (n Words) String() string  { return n.text }
func (n Fact) String() string   { return n.text }
func (n Span) String() string   { return n.text }
func (n Score) String() string  { return n.text }
func (n Prefix) String() string { return n.text }

// SQL returns the query as a condition over the tables post p, post_label and
// post_fts, with its arguments; "" is no condition. Everything that was typed
// is an argument. Parts that the full-text index answers become one MATCH as
// large as can be, in the form
//
//	p.id IN (SELECT rowid FROM post_fts WHERE post_fts MATCH ?)
//
// so that a store may narrow the rowids of the inner SELECT.
func (q *Query) SQL() (where string, args []any) {
	if q.Root == nil {
		if q.IsAll() {
			return "", nil
		}
		return "0", nil
	}
	return sqlOf(q.Root)
}

func sqlOf(n Node) (string, []any) {
	if m, ok := matchOf(n); ok {
		return "p.id IN (SELECT rowid FROM post_fts WHERE post_fts MATCH ?)", []any{m}
	}
	switch n := n.(type) {
	case And:
		return sqlAnd(n)
	case Or:
		return sqlJoin(n, " OR ", true)
	case Not:
		if void(n) {
			return "0", nil
		}
		where, args := sqlOf(n.Node)
		return "NOT (" + where + ")", args
	case Span:
		column := "p.published"
		if n.seen {
			column = "p.received"
		}
		return "(" + column + " >= ? AND " + column + " < ?)", []any{n.from, n.to}
	case Score:
		return "EXISTS (SELECT 1 FROM post_label l WHERE l.post_id = p.id AND l.name = ? AND l.score " + n.op + " ?)", []any{n.label, n.value}
	case Prefix:
		return "EXISTS (SELECT 1 FROM json_each(p.links) j WHERE substr(j.value, 1, length(?)) = ?)", []any{n.prefix, n.prefix}
	case All:
		return "1", nil
	case covering:
		where, args := sqlOf(n.root)
		more, moreArgs := sqlOf(n.span)
		return where + " AND " + more, append(args[:len(args):len(args)], moreArgs...)
	}
	return "0", nil
}

// sqlAnd gives the parts that the index answers to it in one question.
func sqlAnd(n And) (string, []any) {
	var indexed, rest And
	for _, c := range n {
		inner := c
		if not, ok := c.(Not); ok {
			inner = not.Node
		}
		if _, ok := matchOf(inner); ok {
			indexed = append(indexed, c)
		} else {
			rest = append(rest, c)
		}
	}
	if _, ok := matchOf(indexed); ok && len(rest) > 0 {
		where, args := sqlOf(indexed)
		more, moreArgs := sqlJoin(rest, " AND ", false)
		return where + " AND " + more, append(args[:len(args):len(args)], moreArgs...)
	}
	return sqlJoin(n, " AND ", false)
}

func sqlJoin(nodes []Node, with string, merge bool) (string, []any) {
	var parts []string
	var args []any
	if merge { // alternatives that the index answers are one question too
		var indexed Or
		var rest []Node
		for _, c := range nodes {
			if _, ok := matchOf(c); ok {
				indexed = append(indexed, c)
			} else {
				rest = append(rest, c)
			}
		}
		if len(indexed) > 1 {
			where, a := sqlOf(indexed)
			parts, args, nodes = append(parts, where), append(args, a...), rest
		}
	}
	for _, c := range nodes {
		where, a := sqlOf(c)
		parts, args = append(parts, where), append(args, a...)
	}
	return "(" + strings.Join(parts, with) + ")", args
}

// matchOf writes a part as an FTS5 expression, if the index alone answers it.
// Every token stands in double quotes.
// ref: https://www.sqlite.org/fts5.html#full_text_query_syntax
func matchOf(n Node) (string, bool) {
	switch n := n.(type) {
	case Words:
		return n.fts(), true
	case Fact:
		parts := make([]string, len(n.any))
		for i, f := range n.any {
			parts[i] = "meta : " + quoted(f)
		}
		return "(" + strings.Join(parts, " OR ") + ")", len(parts) > 0
	case Or:
		parts := make([]string, len(n))
		for i, c := range n {
			m, ok := matchOf(c)
			if !ok {
				return "", false
			}
			parts[i] = m
		}
		return "(" + strings.Join(parts, " OR ") + ")", len(parts) > 0
	case And:
		return matchAnd(n)
	}
	return "", false
}

// matchAnd needs something positive: FTS5's NOT takes away from something.
func matchAnd(n And) (string, bool) {
	var with, without []string
	for _, c := range n {
		if not, ok := c.(Not); ok {
			m, ok := matchOf(not.Node)
			if !ok {
				return "", false
			}
			without = append(without, m)
			continue
		}
		m, ok := matchOf(c)
		if !ok {
			return "", false
		}
		with = append(with, m)
	}
	if len(with) == 0 {
		return "", false
	}
	m := "(" + strings.Join(with, " AND ") + ")"
	if len(without) > 0 {
		m = "(" + m + " NOT (" + strings.Join(without, " OR ") + "))"
	}
	return m, true
}

func (n Words) fts() string {
	parts := make([]string, len(n.sections))
	for i, s := range n.sections {
		column, mark := "text", ""
		if s != 0 {
			column, mark = "meta", string(s)
		}
		phrases := make([]string, len(n.groups))
		for k, g := range n.groups {
			phrases[k] = quoted(mark + strings.Join(g, " "+mark))
			if n.prefix && k == len(n.groups)-1 {
				phrases[k] += " *"
			}
		}
		if n.near > 0 {
			parts[i] = column + " : NEAR(" + strings.Join(phrases, " ") + ", " + strconv.Itoa(n.near) + ")"
		} else {
			parts[i] = column + " : " + phrases[0]
		}
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}

func quoted(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// Match tells whether a post is a hit. It agrees with SQL on every post.
func (q *Query) Match(p *storage.Post) bool {
	if q.Root == nil {
		return q.IsAll()
	}
	return q.Root.match(NewDocument(p))
}

// MatchDocument is Match for a post that was prepared once for many queries.
func (q *Query) MatchDocument(d *Document) bool {
	if q.Root == nil {
		return q.IsAll()
	}
	return q.Root.match(d)
}
