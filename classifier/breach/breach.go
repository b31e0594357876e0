// Package breach finds breached data in texts: credentials, private keys, access
// tokens, card numbers, bank accounts and hash dumps, and links to where such
// things are put. It looks at shapes and checksums, never at what a secret opens,
// and masks what it shows.
package breach

import (
	"context"
	"math"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"hark/classifier"
)

// maxBytes is how much of a text is looked at, maxFindings how much is found.
const (
	maxBytes    = 64 << 10
	maxFindings = 200
)

// Finding is a piece of breached data, or a sign of it.
type Finding struct {
	Start, End int    // byte offsets in the text
	Rule       string // detector, as "card"
	Note       string // in words
	Weight     float64
	// Secrets are the parts that must not be shown: byte offsets in the text,
	// rising, not overlapping. None: the finding is a sign only, as a link.
	Secrets [][2]int
}

// bias is the logistic's: a weight of 2 gives a score of a half.
const bias = -2.0

// Judge scores texts on the label breach.
type Judge struct{}

var _ classifier.Judge = Judge{}

// Version implements classifier.Judge.
func (Judge) Version() string { return "breach/1" }

// Judge implements classifier.Judge. Of each kind of finding the first counts
// in full, the second by half, and so on, so that a list weighs more than a slip.
func (Judge) Judge(_ context.Context, in classifier.Input, _ classifier.Language) []classifier.Score {
	found := Scan(in.Text)
	if len(found) == 0 {
		return nil
	}
	seen := map[string]int{}
	sum := 0.0
	var reasons []classifier.Reason
	for _, f := range found {
		w := f.Weight / float64(int(1)<<min(seen[f.Rule], 20))
		seen[f.Rule]++
		sum += w
		if seen[f.Rule] <= 5 {
			reasons = append(reasons, classifier.Reason{
				Text: clip(f.masked(in.Text)), Start: f.Start, End: f.End, Rule: f.Rule,
				Weight: math.Round(w*100) / 100, Note: f.Note,
			})
		}
	}
	score := 1 / (1 + math.Exp(-(bias + sum)))
	return []classifier.Score{{Label: classifier.Breach, Score: score, Reasons: reasons}}
}

// Scan finds what there is in the first 64 KiB of a text, in its order. It takes
// linear time.
func Scan(text string) []Finding {
	if len(text) > maxBytes {
		text = text[:maxBytes]
	}
	s := scanner{text: text}
	s.run()
	s.settle()
	sort.SliceStable(s.found, func(i, k int) bool { return s.found[i].Start < s.found[k].Start })
	return s.found
}

// Mask returns the text with every secret masked: its first and last characters
// stay. Texts without secrets come back as they are.
func Mask(text string) string {
	found := Scan(text)
	if len(found) == 0 {
		return text
	}
	var spans [][2]int
	for _, f := range found {
		spans = append(spans, f.Secrets...)
	}
	return maskSpans(text, 0, len(text), spans)
}

func (f Finding) masked(text string) string {
	return maskSpans(text, f.Start, f.End, f.Secrets)
}

// maskSpans is text[from:to] with the spans in it masked.
func maskSpans(text string, from, to int, spans [][2]int) string {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b [2]int) int { return a[0] - b[0] })
	var b strings.Builder
	at := from
	for _, s := range spans {
		if s[1] <= at || s[0] >= to {
			continue
		}
		start, end := max(s[0], at), min(s[1], to)
		b.WriteString(text[at:start])
		b.WriteString(mask(text[start:end]))
		at = end
	}
	b.WriteString(text[at:to])
	return b.String()
}

// mask keeps the first and the last character; two of each from twelve on.
func mask(s string) string {
	n := utf8.RuneCountInString(s)
	if n < 4 {
		return "…"
	}
	keep := 1
	if n >= 12 {
		keep = 2
	}
	head, tail := 0, len(s)
	for range keep {
		_, size := utf8.DecodeRuneInString(s[head:])
		head += size
		_, size = utf8.DecodeLastRuneInString(s[:tail])
		tail -= size
	}
	return s[:head] + "…" + s[tail:]
}

// clip shortens what is shown.
func clip(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
