package query

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
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
func (q *Query) Nothing() bool {
	if q.Root == nil {
		return !q.all
	}
	return void(q.Root)
}

// nowhere is the canonical form of a query that finds nothing: an empty text
// would be one that finds everything.
const nowhere = "-in:public"

// String is the canonical form. It parses back to the same query.
func (q *Query) String() string {
	var parts []string
	switch {
	case q.Root != nil:
		parts = append(parts, q.Root.String())
	case !q.all:
		parts = append(parts, nowhere)
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
	if root != nil && root.String() == nowhere {
		root, p.q.Root = nil, nil
	}
	if root != nil && !bounded(root) {
		p.q.Root = recently(root, o.Now)
	}
	return p.q
}

// clean makes invalid UTF-8, NUL and the index's own marks spaces, and brings
// the rest to NFC.
func clean(s string) string {
	return norm.NFC.String(strings.Map(func(r rune) rune {
		if r == utf8.RuneError || r == 0 || r >= sectionFirst && r <= sectionLast {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " ")))
}

// void tells whether a node can hold nowhere, because it needs something that
// is not kept. What leaves such a thing out is void as well: it must not turn
// into everything.
func void(n Node) bool {
	switch n := n.(type) {
	case None:
		return true
	case And:
		return slices.ContainsFunc(n, void)
	case Or:
		return !slices.ContainsFunc(n, func(c Node) bool { return !void(c) })
	case Not:
		_, all := n.Node.(All)
		return all || void(n.Node)
	case covering:
		return void(n.root)
	}
	return false
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
