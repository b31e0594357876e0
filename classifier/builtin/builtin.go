// Package builtin puts together the classifier that Hark comes with: the rules,
// the breach detectors, the operator's rules and the language identification.
// It stands apart from package classifier because the judges import that.
package builtin

import (
	"fmt"

	"hark/classifier"
	"hark/classifier/breach"
	"hark/classifier/language"
	"hark/classifier/rules"
)

// Options are what the built-in classifier is made with. The zero value is the
// default.
type Options struct {
	// Thresholds replace classifier.DefaultThreshold for single labels, also of
	// the operator's rules; in (0, 1].
	Thresholds map[string]float64
	// Rules are the operator's own.
	Rules []classifier.Rule
}

// New makes the classifier. Its version names every part, as
// "rules/1+breach/1+lang/1"; with rules of the operator "operator/…" stands
// among them. The errors are those of classifier.NewRules and CheckThresholds.
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
	return classifier.NewEnsemble(classifier.Options{
		Identifier: language.Identifier{},
		Thresholds: o.Thresholds,
	}, written, breach.Judge{}, own), nil
}
