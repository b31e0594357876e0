// Package model judges texts by weights that were learned: a linear model and a
// small network over the same hashed features, joined with what the rules say
// into one calibrated probability for each label. Package train makes the weights.
package model

import (
	"math"
	"sync"

	"hark/classifier/feature"
	"hark/classifier/fold"
	"hark/classifier/vector"
)

// Header is what is told of a Model in words and small numbers.
type Header struct {
	// Features is the feature.Version that the weights are for.
	Features int `json:"features"`
	// Labels are the names of the outputs; those that the model does not judge
	// are empty.
	Labels [Outputs]string `json:"labels"`

	LinearBits  int              `json:"linear_bits"` // of the number of buckets
	LinearScale [Outputs]float32 `json:"linear_scale"`
	LinearBias  [Outputs]float32 `json:"linear_bias"`
	RowBits     int              `json:"row_bits"` // of the number of rows
	RowScale    float32          `json:"row_scale"`
	Size        Shape            `json:"size"` // of the network

	// Stacks join the judgements, by label.
	Stacks map[string]Stack `json:"stacks"`
	// Thresholds are the scores from which on a label is given, by label and
	// language; "" for languages not named.
	Thresholds map[string]map[string]float64 `json:"thresholds"`
	// Card tells where the weights come from.
	Card map[string]string `json:"card"`
}

// Stack is a logistic regression over what the judges say of one label:
//
//	p = σ(Bias + Languages[l] + Linear·z₁ + Network·z₂ + Rules·r)
//
// where z₁ and z₂ are the outputs before the sigmoid and r the score of the rules.
type Stack struct {
	// OnlyRules leaves the word to the rules, where there was too little to learn
	// from.
	OnlyRules bool `json:"only_rules,omitempty"`

	Bias      float64            `json:"bias"`
	Linear    float64            `json:"linear"`
	Network   float64            `json:"network"`
	Rules     float64            `json:"rules"`
	Languages map[string]float64 `json:"languages,omitempty"`
}

// Join is the probability of the label.
func (s Stack) Join(linear, network, rules float64, language string) float64 {
	if s.OnlyRules {
		return rules
	}
	return 1 / (1 + math.Exp(-(s.Bias + s.Languages[language] + s.Linear*linear + s.Network*network + s.Rules*rules)))
}

// Model is a set of weights. It is not changed after it was made, and is safe
// for concurrent use.
type Model struct {
	Header
	version string
	linear  []int8 // [bucket][Outputs]
	rows    []int8 // [row][Width], of every row the same scale
	net     Net

	scratch sync.Pool
}

// Version names the model: "model/" and a checksum of the weights.
func (m *Model) Version() string { return m.version }

// Threshold is the score from which on the label is given in that language.
func (m *Model) Threshold(label, language string) (float64, bool) {
	by, ok := m.Thresholds[label]
	if !ok {
		return 0, false
	}
	if v, ok := by[language]; ok {
		return v, true
	}
	v, ok := by[""]
	return v, ok
}

// Outcome is what a model says of a text before its parts are joined.
type Outcome struct {
	Linear, Network [Outputs]float32 // before the sigmoid
}

// scratch is room for one text.
type scratch struct {
	doc  feature.Document
	pass Pass
	sum  []int16
}

func (m *Model) room() *scratch {
	if s, ok := m.scratch.Get().(*scratch); ok {
		return s
	}
	return &scratch{pass: NewPass(m.Size), sum: make([]int16, m.Size.Width)}
}

// Score judges a folded text.
func (m *Model) Score(t *fold.Text) Outcome {
	s := m.room()
	defer m.scratch.Put(s)
	return m.score(t, s)
}

func (m *Model) score(t *fold.Text, s *scratch) (o Outcome) {
	s.doc.Extract(t)
	m.sumLinear(&s.doc, &o)
	m.embed(s)
	m.net.Pool(&s.pass, len(s.doc.Positions))
	m.net.Judge(&s.pass)
	o.Network = s.pass.Z
	return o
}

// sumLinear computes the outputs of the linear model.
func (m *Model) sumLinear(d *feature.Document, o *Outcome) {
	mask := uint32(1)<<m.LinearBits - 1
	var words, grams [Outputs]int32
	for _, f := range d.Words {
		vector.Add32(words[:], m.linear[int(f.Hash&mask)*Outputs:][:Outputs])
	}
	for _, f := range d.Grams {
		vector.Add32(grams[:], m.linear[int(f.Hash&mask)*Outputs:][:Outputs])
	}
	nw, ng := Norm(len(d.Words)), Norm(len(d.Grams))
	for k := range o.Linear {
		o.Linear[k] = m.LinearBias[k] + m.LinearScale[k]*(float32(words[k])*nw+float32(grams[k])*ng)
	}
}

// maxRows is how many rows of a position are added up: more would overflow.
const maxRows = 250

// embed fills the pass with the positions' vectors.
func (m *Model) embed(s *scratch) {
	W := m.Size.Width
	mask := uint32(1)<<m.RowBits - 1
	x := s.pass.X[:(len(s.doc.Positions)+2*Reach)*W]
	clear(x[:Reach*W])
	clear(x[len(x)-Reach*W:])
	for i, p := range s.doc.Positions {
		clear(s.sum)
		list := s.doc.Rows[p.From:min(p.To, p.From+maxRows)]
		for _, row := range list {
			vector.Add16(s.sum, m.rows[int(row&mask)*W:][:W])
		}
		norm := Norm(len(list)) * m.RowScale
		to := x[(i+Reach)*W:][:W]
		for c, v := range s.sum {
			to[c] = float32(v) * norm
		}
	}
}

// Norm is the value of each of n features: together they have length 1.
func Norm(n int) float32 {
	if n < len(norms) {
		return norms[n]
	}
	return float32(1 / math.Sqrt(float64(n)))
}

var norms = func() (t [512]float32) {
	for n := range t[1:] {
		t[n+1] = float32(1 / math.Sqrt(float64(n+1)))
	}
	return t
}()
