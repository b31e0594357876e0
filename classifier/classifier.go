// Package classifier judges texts: which labels they earn, how surely, and why,
// and in what language they are. It knows nothing of posts or of storage.
package classifier

import (
	"context"

	"hark/classifier/fold"
)

// The labels, in the order in which they are shown. docs/classifier.md defines
// each.
const (
	Hate       = "hate"
	Toxicity   = "toxicity"
	Threat     = "threat"
	Harassment = "harassment"
	Breach     = "breach"
	Theft      = "theft"
	Hazard     = "hazard"
	Attack     = "attack"
	Disruption = "disruption"
	Spam       = "spam"
)

// Labels lists all labels.
var Labels = []string{Hate, Toxicity, Threat, Harassment, Breach, Theft, Hazard, Attack, Disruption, Spam}

// Input is a text to be judged.
type Input struct {
	Text     string   // content warning, text, poll options and descriptions, joined by line breaks
	Language string   // BCP 47 tag that the author gave; "" unknown
	Tags     []string // hashtags without '#', folded
	Links    []string
	Mentions int // number of accounts mentioned
	// Folded is the text folded, for all judges; nil: each folds it. An Ensemble
	// sets it.
	Folded *fold.Text
}

// Reason is a part of the text that weighed in a score.
type Reason struct {
	Text   string  // the part; a secret is masked
	Start  int     // byte offsets in Input.Text
	End    int     //
	Rule   string  // detector, rule or feature
	Weight float64 // negative: counter-evidence
	Note   string  // in words
}

// Score is the judgement on one label.
type Score struct {
	Label   string
	Score   float64 // in [0, 1]
	Over    bool    // at or over the label's threshold
	Model   string  // the judge and its version, as "rules/2"
	Reasons []Reason
}

// Result is all that was found in one text.
type Result struct {
	Scores       []Score // of labels with a score above 0, in the order of Labels; others follow by name
	Language     string  // BCP 47 primary tag, "und" if unknown
	LanguageSure float64 // in [0, 1]
	Version      string  // of the whole ensemble
}

// Classifier judges a text. It is safe for concurrent use, does no network or
// disk access, and never fails: what it cannot judge gets no score.
type Classifier interface {
	Classify(ctx context.Context, in Input) Result
}
