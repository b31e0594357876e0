package classifier

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"hark/classifier/fold"
)

// Language is what was found out about the language of a text.
type Language struct {
	Tag  string  // BCP 47 primary tag; "und" if unknown
	Sure float64 // in [0, 1]
}

// Judge is one of the parts of an Ensemble. It is safe for concurrent use, does
// no network or disk access and never fails: what it cannot judge gets no score.
type Judge interface {
	// Version names the judge and its version, as "rules/1". It changes with
	// everything that can change a score.
	Version() string
	// Judge returns the labels with a score above 0, in any order; Over and
	// Model are set by the ensemble. The language of in is the author's claim,
	// lang is what was found.
	Judge(ctx context.Context, in Input, lang Language) []Score
}

// Thresholder is a Judge that knows from which score on a label should be given.
type Thresholder interface {
	// Threshold is for a text in that language; false: the judge does not know.
	Threshold(label, language string) (float64, bool)
}

// Identifier finds the language of a text.
type Identifier interface {
	Version() string
	// Identify weighs the text against the tag that the author gave ("": none).
	Identify(text, authorTag string) Language
}

// Combination is how the scores of several judges on one label become one.
type Combination int

// The combinations.
const (
	// NoisyOr takes the judges for independent witnesses: 1 - Π(1 - score).
	NoisyOr Combination = iota
	// Max believes the surest judge.
	Max
)

// maxReasons bounds what is kept for each label; the weightiest stay.
const maxReasons = 12

// Options are what an Ensemble is made with. The zero value is usable.
type Options struct {
	// Identifier finds the language; nil: the author's tag is believed.
	Identifier Identifier
	// Thresholds replace the defaults of single labels; in (0, 1].
	Thresholds map[string]float64
	// Combine replaces NoisyOr for single labels.
	Combine map[string]Combination
}

// DefaultThreshold is the score from which on a label is given where no other
// threshold is set. The built-in rules are weighed for it.
const DefaultThreshold = 0.5

// ErrThreshold is returned when a threshold is outside (0, 1].
var ErrThreshold = errors.New("threshold outside (0, 1]")

// Ensemble asks several judges and makes one Result of their answers.
type Ensemble struct {
	judges     []Judge
	identifier Identifier
	thresholds map[string]float64
	combine    map[string]Combination
	version    string
}

var _ Classifier = (*Ensemble)(nil)

// NewEnsemble puts judges together. Nil judges are left out. Thresholds outside
// (0, 1] are ignored here; CheckThresholds tells of them.
func NewEnsemble(o Options, judges ...Judge) *Ensemble {
	e := &Ensemble{
		identifier: o.Identifier,
		thresholds: maps.Clone(o.Thresholds),
		combine:    maps.Clone(o.Combine),
	}
	maps.DeleteFunc(e.thresholds, func(_ string, v float64) bool { return !validThreshold(v) })
	var names []string
	for _, j := range judges {
		if j != nil {
			e.judges = append(e.judges, j)
			names = append(names, j.Version())
		}
	}
	if o.Identifier != nil {
		names = append(names, o.Identifier.Version())
	}
	e.version = strings.Join(names, "+")
	return e
}

// CheckThresholds returns ErrThreshold, with the label, for the first threshold
// (by label) that is outside (0, 1].
func CheckThresholds(thresholds map[string]float64) error {
	for _, label := range slices.Sorted(maps.Keys(thresholds)) {
		if v := thresholds[label]; !validThreshold(v) {
			return fmt.Errorf("label %q, %v: %w", label, v, ErrThreshold)
		}
	}
	return nil
}

func validThreshold(v float64) bool { return v > 0 && v <= 1 }

// Version names every judge with its version, as "rules/1+breach/1+lang/1".
func (e *Ensemble) Version() string { return e.version }

// Threshold is the score from which on the label is given to a text in that
// language: that of the options, else that of the first judge which knows one,
// else DefaultThreshold.
func (e *Ensemble) Threshold(label, language string) float64 {
	if v, ok := e.thresholds[label]; ok {
		return v
	}
	for _, j := range e.judges {
		if t, ok := j.(Thresholder); ok {
			if v, known := t.Threshold(label, language); known {
				return v
			}
		}
	}
	return DefaultThreshold
}

// Classify implements Classifier. It takes time linear in the text; a context
// that has ended leaves out the judges not asked yet.
func (e *Ensemble) Classify(ctx context.Context, in Input) Result {
	lang := Language{Tag: "und"}
	switch {
	case e.identifier != nil:
		lang = e.identifier.Identify(in.Text, in.Language)
	case in.Language != "":
		lang = Language{Tag: in.Language, Sure: 0.5}
	}
	if in.Folded == nil {
		in.Folded = fold.New(in.Text)
	}
	res := Result{Language: lang.Tag, LanguageSure: lang.Sure, Version: e.version}
	var sure []string // labels that a judge without thresholds of its own gives by itself
	for _, j := range e.judges {
		if ctx.Err() != nil {
			break
		}
		_, knows := j.(Thresholder)
		for _, s := range j.Judge(ctx, in, lang) {
			s.Model = j.Version()
			if !knows && s.Score >= DefaultThreshold {
				sure = append(sure, s.Label)
			}
			res.Scores = e.add(res.Scores, s)
		}
	}
	for i := range res.Scores {
		s := &res.Scores[i]
		_, set := e.thresholds[s.Label]
		s.Over = s.Score >= e.Threshold(s.Label, lang.Tag) || !set && slices.Contains(sure, s.Label)
		s.Reasons = weightiest(s.Reasons)
	}
	sort.SliceStable(res.Scores, func(i, k int) bool { return before(res.Scores[i].Label, res.Scores[k].Label) })
	return res
}

// add puts a judge's score to those that are there already.
func (e *Ensemble) add(scores []Score, s Score) []Score {
	if !(s.Score > 0) { // also NaN
		return scores
	}
	s.Score = min(s.Score, 1)
	for i := range scores {
		have := &scores[i]
		if have.Label != s.Label {
			continue
		}
		if e.combine[s.Label] == Max {
			have.Score = max(have.Score, s.Score)
		} else {
			have.Score = 1 - (1-have.Score)*(1-s.Score)
		}
		if !slices.Contains(strings.Split(have.Model, "+"), s.Model) {
			have.Model += "+" + s.Model
		}
		have.Reasons = append(have.Reasons, s.Reasons...)
		return scores
	}
	s.Reasons = slices.Clone(s.Reasons)
	return append(scores, s)
}

// weightiest keeps the reasons that matter most, in the order of the text.
func weightiest(reasons []Reason) []Reason {
	if len(reasons) > maxReasons {
		sort.SliceStable(reasons, func(i, k int) bool { return magnitude(reasons[i]) > magnitude(reasons[k]) })
		reasons = reasons[:maxReasons]
	}
	sort.SliceStable(reasons, func(i, k int) bool { return reasons[i].Start < reasons[k].Start })
	return reasons
}

func magnitude(r Reason) float64 { return max(r.Weight, -r.Weight) }

// before orders labels as in Labels, others by name after them.
func before(a, b string) bool {
	ia, ib := slices.Index(Labels, a), slices.Index(Labels, b)
	switch {
	case ia >= 0 && ib >= 0:
		return ia < ib
	case ia >= 0 || ib >= 0:
		return ia >= 0
	}
	return a < b
}
