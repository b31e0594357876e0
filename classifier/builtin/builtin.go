// Package builtin puts together the classifier that Hark comes with: the learned
// model, the rules, the breach detectors, the operator's rules and the language
// identification. It stands apart from package classifier because the judges
// import that.
package builtin

import (
	_ "embed" // for the weights
	"fmt"
	"os"
	"sync"

	"hark/classifier"
	"hark/classifier/breach"
	"hark/classifier/language"
	"hark/classifier/model"
	"hark/classifier/rules"
)

// weights are made by "hark train": docs/classifier.md tells how and from what.
//
//go:embed weights.bin
var weights []byte

// maxWeights bounds a file of weights, in bytes.
const maxWeights = 64 << 20

var parsed = sync.OnceValues(func() (*model.Model, error) { return model.Parse(weights) })

// Weights is the model that Hark comes with.
func Weights() (*model.Model, error) { return parsed() }

// ReadWeights reads a file that "hark train" wrote. The errors are those of
// model.Parse and of reading.
func ReadWeights(file string) (*model.Model, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("read weights: %w", err)
	}
	if info.Size() > maxWeights {
		return nil, fmt.Errorf("read weights: %s: %w: it is larger than %d MiB", file, model.ErrFormat, maxWeights>>20)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read weights: %w", err)
	}
	m, err := model.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("read weights: %s: %w", file, err)
	}
	return m, nil
}

// Options are what the built-in classifier is made with. The zero value is the
// default.
type Options struct {
	// Thresholds replace those of the model, and classifier.DefaultThreshold, for
	// single labels, also of the operator's rules; in (0, 1].
	Thresholds map[string]float64
	// Rules are the operator's own.
	Rules []classifier.Rule
	// Model judges instead of the one that Hark comes with.
	Model *model.Model
	// Masker masks the secrets that reasons show; the zero Masker without digests.
	Masker breach.Masker
	// OnlyRules leaves the model out.
	OnlyRules bool
	// All tells of every label, however improbable, as measuring needs it.
	All bool
}

// New makes the classifier. Its version names every part, as
// "model/0c8f31f0+rules/1+breach/2+lang/1"; with rules of the operator
// "operator/…" stands among them. The errors are those of classifier.NewRules and
// CheckThresholds.
func New(o Options) (*classifier.Ensemble, error) {
	if err := classifier.CheckThresholds(o.Thresholds); err != nil {
		return nil, fmt.Errorf("built-in classifier: %w", err)
	}
	own, err := classifier.NewRules(o.Rules)
	if err != nil {
		return nil, fmt.Errorf("built-in classifier: %w", err)
	}
	written, err := rules.New()
	if err != nil {
		return nil, fmt.Errorf("built-in classifier: %w", err)
	}
	var learned classifier.Judge = written
	if !o.OnlyRules {
		m := o.Model
		if m == nil {
			if m, err = Weights(); err != nil {
				return nil, fmt.Errorf("built-in classifier: %w", err)
			}
		}
		least := model.Told
		if o.All {
			least = 0
		}
		learned = model.NewJudge(m, written, least)
	}
	return classifier.NewEnsemble(classifier.Options{
		Identifier: language.Identifier{},
		Thresholds: o.Thresholds,
	}, learned, breach.Judge{Masker: o.Masker}, own), nil
}
