package model

import (
	"context"
	"fmt"
	"math"
	"slices"

	"hark/classifier"
	"hark/classifier/breach"
	"hark/classifier/fold"
)

// Told is the probability from which on a label is told of, where nothing else
// is asked for, and explain that from which on its reasons are.
const (
	Told    = 0.1
	explain = 0.25
)

// Judge is a Model as a judge of texts, which hears a judge of rules first.
type Judge struct {
	model   *Model
	rules   classifier.Judge
	least   float64
	version string
}

var _ classifier.Judge = (*Judge)(nil)

// NewJudge joins a model and a judge of rules; nil for none. Labels less probable
// than least are not told of.
func NewJudge(m *Model, rules classifier.Judge, least float64) *Judge {
	j := &Judge{model: m, rules: rules, least: least, version: m.Version()}
	if rules != nil {
		j.version += "+" + rules.Version()
	}
	return j
}

// Version implements classifier.Judge.
func (j *Judge) Version() string { return j.version }

// Threshold is the score from which on the label is given to a text in that
// language, if the model has one of its own.
func (j *Judge) Threshold(label, language string) (float64, bool) {
	return j.model.Threshold(label, language)
}

// Judge implements classifier.Judge. The reasons of a label are those of the
// rules and the words that weighed most in the model.
func (j *Judge) Judge(ctx context.Context, in classifier.Input, lang classifier.Language) []classifier.Score {
	if in.Folded == nil {
		in.Folded = fold.New(in.Text)
	}
	var written []classifier.Score
	if j.rules != nil {
		written = j.rules.Judge(ctx, in, lang)
	}
	s := j.model.room()
	defer j.model.scratch.Put(s)
	o := j.model.score(in.Folded, s)
	var out []classifier.Score
	var secrets [][2]int // of the text, once they are asked for
	for k, label := range j.model.Labels {
		stack, ok := j.model.Stacks[label]
		if label == "" || !ok {
			continue
		}
		var rule classifier.Score
		if at := slices.IndexFunc(written, func(w classifier.Score) bool { return w.Label == label }); at >= 0 {
			rule = written[at]
		}
		p := stack.Join(float64(o.Linear[k]), float64(o.Network[k]), rule.Score, lang.Tag)
		if rule.Score >= classifier.DefaultThreshold {
			// What the rules are sure of stands: they are seldom wrong, and know
			// plain cases in languages of which the model has seen little.
			t, _ := j.model.Threshold(label, lang.Tag)
			p = max(p, rule.Score, t)
		}
		if p < j.least {
			continue
		}
		score := classifier.Score{Label: label, Score: p, Reasons: rule.Reasons}
		if p >= explain {
			score.Reasons = append(slices.Clone(rule.Reasons), withoutSecrets(in.Text, &secrets, j.model.reasons(s, k, stack))...)
		}
		out = append(out, score)
	}
	// What only the rules know of.
	for _, w := range written {
		if !slices.Contains(j.model.Labels[:], w.Label) {
			out = append(out, w)
		}
	}
	return out
}

// Bounds of the reasons of one label.
const (
	maxSpans   = 6
	maxCounter = 2
	minShare   = 0.15 // on the scale of the logistic
)

// reasons are the spans of the text that weighed most for output k, and those
// that weighed most against it. It reads what score left in s.
func (m *Model) reasons(s *scratch, k int, stack Stack) []classifier.Reason {
	t := s.doc.Text
	share := make([]float64, len(t.Tokens))
	mask := uint32(1)<<m.LinearBits - 1
	add := func(first, last uint16, w float64) {
		each := w / float64(last-first+1)
		for i := first; i <= last; i++ {
			share[i] += each
		}
	}
	scale := stack.Linear * float64(m.LinearScale[k])
	nw, ng := float64(Norm(len(s.doc.Words))), float64(Norm(len(s.doc.Grams)))
	for _, f := range s.doc.Words {
		add(f.First, f.Last, scale*nw*float64(m.linear[int(f.Hash&mask)*Outputs+k]))
	}
	for _, f := range s.doc.Grams {
		add(f.First, f.Last, scale*ng*float64(m.linear[int(f.Hash&mask)*Outputs+k]))
	}
	m.net.attribute(&s.pass, k, len(s.doc.Positions), func(i int, w float32) {
		tok := s.doc.Positions[i].Token
		add(tok, tok, stack.Network*float64(w))
	})
	return spans(t, share)
}

// spans joins neighbouring tokens of the same direction. Where many weighed a
// little, those that weighed most are told of; where none spoke for the label,
// the text as a whole is.
func spans(t *fold.Text, share []float64) []classifier.Reason {
	most := 0.0
	for _, w := range share {
		most = max(most, w)
	}
	if most == 0 {
		return []classifier.Reason{{Text: t.Original, End: len(t.Original), Rule: "model", Note: "the text as a whole"}}
	}
	least := min(minShare, most/2)
	var out []classifier.Reason
	for i := 0; i < len(share); {
		if math.Abs(share[i]) < least {
			i++
			continue
		}
		k, sum := i, 0.0
		for k < len(share) && k < i+4 && math.Abs(share[k]) >= least && (share[k] > 0) == (share[i] > 0) {
			sum += share[k]
			k++
		}
		from, to := int(t.Tokens[i].From), int(t.Tokens[k-1].To)
		out = append(out, classifier.Reason{
			Text: t.Original[from:to], Start: from, End: to, Rule: "model", Weight: math.Round(sum*100) / 100, Note: note(sum),
		})
		i = k
	}
	slices.SortStableFunc(out, func(a, b classifier.Reason) int {
		switch {
		case a.Weight > b.Weight:
			return -1
		case a.Weight < b.Weight:
			return 1
		}
		return 0
	})
	kept := out[:min(len(out), maxSpans)]
	for len(kept) > 0 && kept[len(kept)-1].Weight < 0 {
		kept = kept[:len(kept)-1]
	}
	kept = slices.Clone(kept)
	for c := 0; c < maxCounter && len(out) > c; c++ {
		if r := out[len(out)-1-c]; r.Weight < 0 {
			kept = append(kept, r)
		}
	}
	return kept
}

// withoutSecrets leaves out the reasons that show a part of a secret: the breach
// detectors tell of it, masked.
func withoutSecrets(text string, secrets *[][2]int, reasons []classifier.Reason) []classifier.Reason {
	if len(reasons) == 0 {
		return nil
	}
	if *secrets == nil {
		*secrets = [][2]int{}
		for _, f := range breach.Scan(text) {
			*secrets = append(*secrets, f.Secrets...)
		}
	}
	return slices.DeleteFunc(reasons, func(r classifier.Reason) bool {
		return slices.ContainsFunc(*secrets, func(s [2]int) bool { return r.Start < s[1] && s[0] < r.End })
	})
}

func note(w float64) string {
	if w < 0 {
		return "words that speak against the label"
	}
	return "words that speak for the label"
}

// Describe says in one line what the model is.
func (m *Model) Describe() string {
	return fmt.Sprintf("%s: %s texts, tiers %s, %d buckets, %d rows of %d, %d channels", m.version, m.Card["texts"], m.Card["tiers"], 1<<m.LinearBits, 1<<m.RowBits, m.Size.Width, m.Size.Channels)
}
