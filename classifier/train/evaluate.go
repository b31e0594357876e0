package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"hark/classifier"
)

// Verdict is what a classifier said of one example.
type Verdict struct {
	Scores   map[string]float64
	Over     map[string]bool
	Language string
}

// Judge asks a classifier about every example, on all cores, without telling it
// their language when untagged is true.
func Judge(ctx context.Context, c classifier.Classifier, examples []Example, untagged bool, progress func(done, total int)) ([]Verdict, error) {
	out := make([]Verdict, len(examples))
	err := each(ctx, len(examples), func() func(int) {
		return func(i int) {
			in := classifier.Input{Text: examples[i].Text, Language: examples[i].Lang}
			if untagged {
				in.Language = ""
			}
			r := c.Classify(ctx, in)
			v := Verdict{Scores: map[string]float64{}, Over: map[string]bool{}, Language: r.Language}
			for _, s := range r.Scores {
				v.Scores[s.Label], v.Over[s.Label] = s.Score, s.Over
			}
			out[i] = v
			if progress != nil && i%256 == 0 {
				progress(i, len(examples))
			}
		}
	})
	return out, err
}

// Figures are how well a label is judged on some texts.
type Figures struct {
	Label     string   `json:"label"`
	Source    string   `json:"source"` // "" for all
	Lang      string   `json:"lang"`   // "" for all
	Positive  int      `json:"positive"`
	Negative  int      `json:"negative"`
	Precision float64  `json:"precision"` // at the classifier's thresholds
	Recall    float64  `json:"recall"`
	F1        float64  `json:"f1"`
	MacroF1   float64  `json:"macro_f1"`
	FPR       float64  `json:"false_positive_rate"`
	TunedF1   *float64 `json:"macro_f1_tuned"` // macro-F1 at the threshold that is best on the split dev of the same texts
	AUROC     *float64 `json:"auroc"`          // none without texts of both kinds
	AUPRC     *float64 `json:"auprc"`
	ECE       *float64 `json:"calibration_error"`
}

// Measure works out the figures for every label: over all texts, and by source
// and by language. Of tune, which may be empty, come the thresholds of TunedF1.
func Measure(examples []Example, verdicts []Verdict, tune []Example, tuneVerdicts []Verdict) []Figures {
	type key struct{ label, source, lang string }
	type part struct {
		list []Judged
		over Outcomes
	}
	collect := func(examples []Example, verdicts []Verdict) map[key]*part {
		parts := map[key]*part{}
		for i, e := range examples {
			for label, v := range e.Labels {
				if !slices.Contains(classifier.Labels, label) {
					continue
				}
				j := Judged{verdicts[i].Scores[label], v == 1}
				for _, k := range []key{{label, "", ""}, {label, e.Source, ""}, {label, "", e.Lang}, {label, e.Source, e.Lang}} {
					p := parts[k]
					if p == nil {
						p = &part{}
						parts[k] = p
					}
					p.list = append(p.list, j)
					decision := Judged{0, j.Holds}
					if verdicts[i].Over[label] {
						decision.Score = 1
					}
					o := Count([]Judged{decision}, 0.5)
					p.over.TP, p.over.FP, p.over.FN, p.over.TN = p.over.TP+o.TP, p.over.FP+o.FP, p.over.FN+o.FN, p.over.TN+o.TN
				}
			}
		}
		return parts
	}
	tuned := collect(tune, tuneVerdicts)
	var out []Figures
	for k, p := range collect(examples, verdicts) {
		f := Figures{
			Label: k.label, Source: k.source, Lang: k.lang, Positive: p.over.TP + p.over.FN, Negative: p.over.FP + p.over.TN,
			Precision: p.over.Precision(), Recall: p.over.Recall(), F1: p.over.F1(), MacroF1: p.over.MacroF1(),
			FPR: ratio(p.over.FP, p.over.FP+p.over.TN),
		}
		if roc := AUROC(p.list); !math.IsNaN(roc) {
			prc, ece := AUPRC(p.list), CalibrationError(p.list)
			f.AUROC, f.AUPRC, f.ECE = &roc, &prc, &ece
		}
		if t := tuned[k]; t != nil {
			at, _ := BestThreshold(t.list)
			m := Count(p.list, at).MacroF1()
			f.TunedF1 = &m
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b Figures) int {
		if c := slices.Index(classifier.Labels, a.Label) - slices.Index(classifier.Labels, b.Label); c != 0 {
			return c
		}
		if c := strings.Compare(a.Source, b.Source); c != 0 {
			return c
		}
		return strings.Compare(a.Lang, b.Lang)
	})
	return out
}

// Comparison is how two classifiers differ on a label.
type Comparison struct {
	Label     string  `json:"label"`
	OnlyFirst int     `json:"only_first_right"`  // texts that only the first judged rightly
	OnlyOther int     `json:"only_second_right"` // texts that only the second did
	Both      int     `json:"both_right"`
	Neither   int     `json:"both_wrong"`
	P         float64 `json:"p"` // that chance alone makes so large a difference
}

// Compare counts, for every label, the texts on which two classifiers differ,
// and tests whether one is better: McNemar's test, exact.
//
// ref: McNemar 1947.
func Compare(examples []Example, first, second []Verdict) []Comparison {
	by := map[string]*Comparison{}
	for i, e := range examples {
		for label, v := range e.Labels {
			if !slices.Contains(classifier.Labels, label) {
				continue
			}
			c := by[label]
			if c == nil {
				c = &Comparison{Label: label}
				by[label] = c
			}
			a, b := first[i].Over[label] == (v == 1), second[i].Over[label] == (v == 1)
			switch {
			case a && b:
				c.Both++
			case a:
				c.OnlyFirst++
			case b:
				c.OnlyOther++
			default:
				c.Neither++
			}
		}
	}
	var out []Comparison
	for _, label := range classifier.Labels {
		if c := by[label]; c != nil {
			c.P = mcNemar(c.OnlyFirst, c.OnlyOther)
			out = append(out, *c)
		}
	}
	return out
}

// mcNemar is the two-sided probability of a split at least as uneven as a to b
// under a fair coin.
func mcNemar(a, b int) float64 {
	n, k := a+b, min(a, b)
	if n == 0 {
		return 1
	}
	logChoose := func(n, k int) float64 {
		x, _ := math.Lgamma(float64(n + 1))
		y, _ := math.Lgamma(float64(k + 1))
		z, _ := math.Lgamma(float64(n - k + 1))
		return x - y - z
	}
	p := 0.0
	for i := 0; i <= k; i++ {
		p += math.Exp(logChoose(n, i) - float64(n)*math.Ln2)
	}
	return min(2*p, 1)
}

// Mistake is a text that was judged wrongly.
type Mistake struct {
	Score  float64 `json:"score"`
	Source string  `json:"source"`
	Lang   string  `json:"lang"`
	Text   string  `json:"text"`
}

// ErrWhat is returned when Wrong is asked for something that it does not know.
var ErrWhat = errors.New(`expected LABEL:fp or LABEL:fn, as "hate:fp"`)

// Wrong lists the false positives (as "hate:fp") or false negatives ("hate:fn"),
// the surest mistakes first.
func Wrong(examples []Example, verdicts []Verdict, what string) ([]Mistake, error) {
	label, kind, _ := strings.Cut(what, ":")
	if !slices.Contains(classifier.Labels, label) || kind != "fp" && kind != "fn" {
		return nil, fmt.Errorf("%q: %w", what, ErrWhat)
	}
	var out []Mistake
	for i, e := range examples {
		v, known := e.Labels[label]
		over := verdicts[i].Over[label]
		if known && (kind == "fp" && v == 0 && over || kind == "fn" && v == 1 && !over) {
			out = append(out, Mistake{verdicts[i].Scores[label], e.Source, e.Lang, e.Text})
		}
	}
	slices.SortStableFunc(out, func(a, b Mistake) int {
		if kind == "fp" {
			return compare(b.Score, a.Score)
		}
		return compare(a.Score, b.Score)
	})
	return out, nil
}
