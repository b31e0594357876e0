package classifier_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"hark/classifier"
)

// judge gives fixed scores.
type judge struct {
	version string
	scores  []classifier.Score
}

func (j judge) Version() string { return j.version }
func (j judge) Judge(context.Context, classifier.Input, classifier.Language) []classifier.Score {
	return j.scores
}

type identifier struct{}

func (identifier) Version() string { return "lang/9" }
func (identifier) Identify(string, string) classifier.Language {
	return classifier.Language{Tag: "sv", Sure: 0.75}
}

func why(rule string, weight float64) []classifier.Reason {
	return []classifier.Reason{{Rule: rule, Weight: weight}}
}

func TestEnsemble(t *testing.T) {
	a := judge{"a/1", []classifier.Score{
		{Label: "zebra", Score: 0.9, Reasons: why("z", 1)},
		{Label: classifier.Spam, Score: 0.5, Reasons: why("s1", 1)},
		{Label: classifier.Hate, Score: 0.4, Reasons: why("h", 1)},
		{Label: classifier.Theft, Score: 0},
		{Label: classifier.Attack, Score: math.NaN()},
	}}
	b := judge{"b/2", []classifier.Score{
		{Label: classifier.Spam, Score: 0.5, Reasons: why("s2", 1)},
		{Label: classifier.Hate, Score: 0.3, Reasons: why("h2", 1)},
		{Label: "apple", Score: 7},
	}}
	e := classifier.NewEnsemble(classifier.Options{
		Identifier: identifier{},
		Thresholds: map[string]float64{classifier.Hate: 0.4, "zebra": 0.95, classifier.Spam: -1},
		Combine:    map[string]classifier.Combination{classifier.Hate: classifier.Max},
	}, a, nil, b)
	res := e.Classify(context.Background(), classifier.Input{Text: "x"})
	if res.Version != "a/1+b/2+lang/9" || res.Language != "sv" || res.LanguageSure != 0.75 {
		t.Errorf("%+v", res)
	}
	var got []string
	for _, s := range res.Scores {
		got = append(got, fmt.Sprintf("%s %.2f %v %s %d", s.Label, s.Score, s.Over, s.Model, len(s.Reasons)))
	}
	want := []string{"hate 0.40 true a/1+b/2 2", "spam 0.75 true a/1+b/2 2", "apple 1.00 true b/2 0", "zebra 0.90 false a/1 1"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if len(a.scores[1].Reasons) != 1 {
		t.Error("a judge's own scores were changed")
	}
}

func TestEnsembleAlone(t *testing.T) {
	e := classifier.NewEnsemble(classifier.Options{})
	if res := e.Classify(context.Background(), classifier.Input{Text: "x", Language: "fr"}); res.Language != "fr" || res.Scores != nil || res.Version != "" {
		t.Errorf("%+v", res)
	}
	if res := e.Classify(context.Background(), classifier.Input{Text: "x"}); res.Language != "und" {
		t.Errorf("%+v", res)
	}
}

func TestReasonsAreBounded(t *testing.T) {
	s := classifier.Score{Label: classifier.Hate, Score: 1}
	for i := range 50 {
		s.Reasons = append(s.Reasons, classifier.Reason{Rule: "r", Start: i, End: i + 1, Weight: float64(i % 25)})
	}
	res := classifier.NewEnsemble(classifier.Options{}, judge{"j/1", []classifier.Score{s}}).Classify(context.Background(), classifier.Input{})
	reasons := res.Scores[0].Reasons
	if len(reasons) != 12 || !slices.IsSortedFunc(reasons, func(a, b classifier.Reason) int { return a.Start - b.Start }) {
		t.Errorf("%d reasons: %+v", len(reasons), reasons)
	}
	for _, r := range reasons {
		if r.Weight < 19 {
			t.Errorf("kept %+v", r)
		}
	}
}

func TestEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	e := classifier.NewEnsemble(classifier.Options{}, judge{"j/1", []classifier.Score{{Label: classifier.Hate, Score: 1}}})
	if res := e.Classify(ctx, classifier.Input{}); len(res.Scores) != 0 || res.Version != "j/1" {
		t.Errorf("%+v", res)
	}
}

func TestCheckThresholds(t *testing.T) {
	if err := classifier.CheckThresholds(map[string]float64{"a": 1, "b": 0.01}); err != nil {
		t.Error(err)
	}
	for _, v := range []float64{0, -1, 1.01, math.NaN()} {
		if err := classifier.CheckThresholds(map[string]float64{"a": v}); !errors.Is(err, classifier.ErrThreshold) {
			t.Errorf("%v: %v", v, err)
		}
	}
}

func TestRuleVersions(t *testing.T) {
	version := func(r ...classifier.Rule) string {
		j, err := classifier.NewRules(r)
		if err != nil {
			t.Fatal(err)
		}
		return j.Version()
	}
	r := classifier.Rule{Name: "a", Label: "b", Score: 0.5, Words: []string{"c"}}
	changed := r
	changed.Score = 0.6
	again := r
	if version(r) != version(again) || version(r) == version(changed) {
		t.Error("the version must change with the rules, and only with them")
	}
	if j, err := classifier.NewRules(nil); j != nil || err != nil {
		t.Error(j, err)
	}
}
