package classifier

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"strings"

	"hark/classifier/fold"
)

// Rule is an operator's own rule: a text that matches gets the label. Words or
// Match must be given; with both, either suffices.
type Rule struct {
	Name  string  // shown as the reason
	Label string  // one of Labels or a name of the operator's own
	Score float64 // in (0, 1]
	// Words are words and phrases, found whole and folded: whatever their case,
	// width, accents and invisible characters. In scripts without spaces they
	// are found anywhere.
	Words []string
	// Match is a condition of the caller's, as a compiled search. It must be
	// safe for concurrent use, quick, and free of side effects.
	Match func(Input) bool
	// Source is what Match was made from. It is part of the judge's version and
	// is shown in the reason's note.
	Source string
}

// The faults of a rule.
var (
	// ErrRuleLabel is returned when a rule names no label.
	ErrRuleLabel = errors.New("rule has no label")
	// ErrRuleScore is returned when a rule's score is outside (0, 1].
	ErrRuleScore = errors.New("rule's score is outside (0, 1]")
	// ErrRuleCondition is returned when a rule has neither Words nor Match, or
	// a word without a letter or digit.
	ErrRuleCondition = errors.New("rule has no usable condition")
)

// operator is the judge of the operator's rules.
type operator struct {
	rules   []Rule
	words   [][]string // folded, per rule
	folds   bool       // some rule has words
	version string
}

// NewRules makes a judge of the operator's rules; nil for none. Its version is
// "operator/" and a checksum, so that a changed rule changes the version.
func NewRules(rules []Rule) (Judge, error) {
	if len(rules) == 0 {
		return nil, nil
	}
	o := &operator{}
	sum := fnv.New32a()
	for _, r := range rules {
		switch {
		case strings.TrimSpace(r.Label) == "":
			return nil, fmt.Errorf("rule %q: %w", r.Name, ErrRuleLabel)
		case !validThreshold(r.Score):
			return nil, fmt.Errorf("rule %q: %w", r.Name, ErrRuleScore)
		case len(r.Words) == 0 && r.Match == nil:
			return nil, fmt.Errorf("rule %q: %w", r.Name, ErrRuleCondition)
		}
		var words []string
		for _, w := range r.Words {
			f := fold.Phrase(w)
			if f == "" {
				return nil, fmt.Errorf("rule %q, word %q: %w", r.Name, w, ErrRuleCondition)
			}
			words = append(words, f)
			o.folds = true
		}
		o.rules = append(o.rules, r)
		o.words = append(o.words, words)
		// hash.Hash never returns an error.
		_, _ = fmt.Fprintf(sum, "%q %q %v %q %q\n", r.Name, r.Label, r.Score, r.Words, r.Source)
	}
	o.version = fmt.Sprintf("operator/%08x", sum.Sum32())
	return o, nil
}

// Version implements Judge.
func (o *operator) Version() string { return o.version }

// Judge implements Judge.
func (o *operator) Judge(_ context.Context, in Input, _ Language) []Score {
	var scores []Score
	text := in.Folded
	if o.folds && text == nil {
		text = fold.New(in.Text)
	}
	for i, r := range o.rules {
		why := Reason{Rule: r.Name, Weight: logit(r.Score), Note: r.Source}
		found := false
		for _, w := range o.words[i] {
			if start, end, ok := text.Find(w); ok {
				found = true
				why.Start, why.End, why.Text = start, end, in.Text[start:end]
				break
			}
		}
		if !found && (r.Match == nil || !r.Match(in)) {
			continue
		}
		scores = append(scores, Score{Label: r.Label, Score: r.Score, Reasons: []Reason{why}})
	}
	return scores
}

// logit brings a score on the scale of weights; bounded, so that a score of 1
// stays a number.
func logit(p float64) float64 {
	p = min(max(p, 1e-3), 1-1e-3)
	return math.Round(math.Log(p/(1-p))*100) / 100
}
