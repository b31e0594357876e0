// Package rules judges texts by rules that people wrote: words and phrases of
// nine languages, weighed, with counter-evidence (negation, quotation, reports,
// fiction, idioms). The rules lie in data, a file for each language; compile.go
// describes their form. They are no model: they know what they were told.
package rules

import (
	"context"
	"embed"
	"fmt"
	"math"
	"path"
	"strings"
	"sync"

	"hark/classifier"
	"hark/classifier/fold"
)

// version is raised with every change of rules or of scoring.
const version = "rules/1"

//go:embed data/*.rules
var data embed.FS

// load compiles the embedded rules, once.
var load = sync.OnceValues(func() (*set, error) {
	entries, err := data.ReadDir("data")
	if err != nil {
		return nil, fmt.Errorf("read embedded rules: %w", err)
	}
	c := newCompiler()
	for _, e := range entries {
		text, err := data.ReadFile(path.Join("data", e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read embedded rules: %w", err)
		}
		if err := c.file(strings.TrimSuffix(e.Name(), ".rules"), string(text)); err != nil {
			return nil, err
		}
	}
	return c.done(), nil
})

// Judge scores texts by the built-in rules.
type Judge struct {
	set  *set
	pool sync.Pool
}

var _ classifier.Judge = (*Judge)(nil)

// New makes a judge; the rules are compiled on the first call. The error is
// ErrSyntax, which only a faulty build can have.
func New() (*Judge, error) {
	s, err := load()
	if err != nil {
		return nil, err
	}
	return &Judge{set: s, pool: sync.Pool{New: func() any { return &matcher{set: s} }}}, nil
}

// Version implements classifier.Judge.
func (j *Judge) Version() string { return version }

// sureEnough is from when on a language rules out the rules of others.
const sureEnough = 0.35

// Judge implements classifier.Judge. Rules of other languages than lang are left
// out where that is sure, save English ones of two words and more: people mix
// English into everything.
func (j *Judge) Judge(_ context.Context, in classifier.Input, lang classifier.Language) []classifier.Score {
	m, ok := j.pool.Get().(*matcher)
	if !ok {
		m = &matcher{set: j.set}
	}
	defer j.pool.Put(m)
	if m.text = in.Folded; m.text == nil {
		m.text = fold.New(in.Text)
	}
	m.look()
	table, ok := j.set.byFirst[lang.Tag]
	switch {
	case lang.Tag == "und" || lang.Sure < sureEnough:
		table = j.set.byFirst[unknownLanguage]
	case !ok:
		table = j.set.byFirst[otherLanguage]
	}
	m.run(table)
	scores := m.score(in)
	m.text = nil
	return scores
}

// contexts say how much a context changes the weight of each label. Reports and
// drills make a threat less of one, and an attack more or less of a report.
var contexts = map[string]map[string]float64{
	"fiction":  {"hate": -1, "toxicity": -0.6, "threat": -1.8, "harassment": -0.8, "theft": -1.8, "hazard": -1.6, "attack": -2, "disruption": -1, "breach": -1},
	"report":   {"hate": -1.2, "toxicity": -0.8, "threat": -2, "harassment": -1, "attack": 0.8, "theft": 0.6, "disruption": 0.5, "hazard": 0.3},
	"counter":  {"hate": -1.8, "toxicity": -1, "threat": -1.6, "harassment": -1.8, "spam": -1.5, "theft": -0.8, "breach": -1.4},
	"joke":     {"threat": -1.2, "toxicity": -0.3, "harassment": -0.3, "attack": -1, "hazard": -1, "theft": -0.8, "disruption": -0.4},
	"drill":    {"threat": -1, "hazard": -3, "attack": -3, "disruption": -1.5, "breach": -2.4},
	"past":     {"hazard": -1.4, "attack": -1.6, "theft": -1, "disruption": -0.8, "threat": -0.6, "breach": -0.6},
	"figure":   {"hazard": -1.6, "attack": -1.6, "theft": -1.2, "disruption": -1.2, "threat": -0.6},
	"advice":   {"breach": -1.6, "theft": -0.8, "spam": -1, "hazard": -0.6, "hate": -0.6, "harassment": -0.6},
	"friendly": {"toxicity": -0.8, "threat": -0.8, "harassment": -0.8, "hate": -0.4},
	"sport":    {"threat": -1.4, "attack": -1.8, "theft": -1.4, "hazard": -1},
	"now":      {"hazard": 0.5, "attack": 0.6, "disruption": 0.5, "theft": 0.3},
}

// bias is the logistic's: a weight of 2 gives a score of a half.
const bias = -2.0

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
