// Package breach finds breached data in texts: credentials, private keys, access
// tokens, card numbers, bank accounts, national numbers, wallets and hash dumps,
// and links to where such things are put. It looks at shapes and checksums, never
// at what a secret opens, and masks what it shows.
package breach

import (
	"context"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"hark/classifier"
)

// maxBytes is how much of a text is judged, maxFindings how much is found there.
// Mask knows neither limit: what is shown must be masked to its end.
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

// Judge scores texts on the label breach. The zero Judge masks without digests.
type Judge struct {
	// Masker masks the reasons.
	Masker Masker
}

var _ classifier.Judge = Judge{}

// Version implements classifier.Judge.
func (Judge) Version() string { return "breach/2" }

// Judge implements classifier.Judge. Of each kind of finding the first counts
// in full, the second by half, and so on, so that a list weighs more than a slip.
func (j Judge) Judge(_ context.Context, in classifier.Input, _ classifier.Language) []classifier.Score {
	found := Scan(in.Text)
	if len(found) == 0 {
		return nil
	}
	spans := secrets(found)
	var seen tally
	sum := 0.0
	reasons := make([]classifier.Reason, 0, min(len(found), 12))
	for _, f := range found {
		n := seen.count(f.Rule)
		w := f.Weight / float64(int(1)<<min(n, 20))
		sum += w
		if n < 5 {
			reasons = append(reasons, classifier.Reason{
				Text: j.Masker.show(in.Text, f, spans), Start: f.Start, End: f.End, Rule: f.Rule,
				Weight: math.Round(w*100) / 100, Note: f.Note,
			})
		}
	}
	score := 1 / (1 + math.Exp(-(bias + sum)))
	return []classifier.Score{{Label: classifier.Breach, Score: score, Reasons: reasons}}
}

// tally counts findings by rule; there are few rules in one text.
type tally []struct {
	rule string
	n    int
}

// count returns how often the rule was counted before.
func (c *tally) count(rule string) int {
	for k := range *c {
		if (*c)[k].rule == rule {
			(*c)[k].n++
			return (*c)[k].n - 1
		}
	}
	*c = append(*c, struct {
		rule string
		n    int
	}{rule, 1})
	return 0
}

// Scan finds what there is in the first 64 KiB of a text, in its order. It takes
// linear time.
func Scan(text string) []Finding {
	if len(text) > maxBytes {
		text = text[:maxBytes]
	}
	return scan(text, maxFindings)
}

// scan finds at most so many things in a text.
func scan(text string, most int) []Finding {
	s := scanner{text: text, most: most}
	s.run()
	s.settle()
	slices.SortStableFunc(s.found, func(a, b Finding) int { return a.Start - b.Start })
	return s.found
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
	// A mark that is cut in two would look like a part of the secret.
	if k := strings.LastIndexByte(s[:cut], ' '); k > most/2 {
		cut = k
	}
	return s[:cut] + "…"
}
