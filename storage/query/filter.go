package query

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrFilter is returned when a text cannot stand as a filter; the error says
// what is wrong with it.
var ErrFilter = errors.New("unusable filter")

// ParseFilter reads a query that decides by itself, with nobody there to read
// a warning: one with a warning is refused with the warning's text, and so is
// one that asks for nothing, for everything, or for an order. Relative times
// count from o.Now. It fails with ErrFilter.
func ParseFilter(text string, o Options) (*Query, error) {
	q := Parse(text, o)
	switch {
	case len(q.Warnings) > 0:
		w := q.Warnings[0]
		return nil, fmt.Errorf("%w: at byte %d: %s", ErrFilter, w.At, w.Text)
	case q.Sort != "":
		return nil, fmt.Errorf("%w: sort: has no meaning in a filter", ErrFilter)
	case q.IsAll():
		return nil, fmt.Errorf("%w: %q asks for everything", ErrFilter, strings.TrimSpace(text))
	case q.Nothing():
		return nil, fmt.Errorf("%w: nothing can match %q", ErrFilter, strings.TrimSpace(text))
	}
	return q, nil
}

// Judged tells whether the query asks for what a classifier finds: a label, a
// score, or the language. Any other can be asked of a post as it arrived.
func (q *Query) Judged() bool { return q.Root != nil && judged(q.Root) }

func judged(n Node) bool {
	switch n := n.(type) {
	case And:
		return slices.ContainsFunc(n, judged)
	case Or:
		return slices.ContainsFunc(n, judged)
	case Not:
		return judged(n.Node)
	case covering:
		return judged(n.root)
	case Score:
		return true
	case Fact:
		return slices.ContainsFunc(n.any, func(f string) bool {
			return strings.HasPrefix(f, labelFact) || strings.HasPrefix(f, languageFact)
		})
	}
	return false
}

// The begins of the facts that a classifier finds.
var (
	labelFact    = fact(factLabel, "")
	languageFact = fact(factLanguage, "")
)
