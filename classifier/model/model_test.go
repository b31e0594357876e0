package model

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"hark/classifier"
	"hark/classifier/fold"
)

// tiny makes a small model of random weights.
func tiny(seed uint64) (*Model, []float32, []float32) {
	r := rand.New(rand.NewPCG(seed, 1))
	fill := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		return v
	}
	h := Header{LinearBits: 6, RowBits: 6, Stacks: map[string]Stack{}, Thresholds: map[string]map[string]float64{}}
	for k, l := range classifier.Labels {
		h.Labels[k] = l
		h.Stacks[l] = Stack{Linear: 0.5, Network: 0.5}
		h.Thresholds[l] = map[string]float64{"": 0.6, "de": 0.7}
	}
	net := NewNet(Shape{Width: 16, Channels: 64, Hidden: 64})
	for i, v := range fill(len(net.Dense)) {
		net.Dense[i] = v / 8
	}
	linear, rows := fill(Outputs<<6), fill(16<<6)
	return Quantise(h, linear, rows, net), linear, rows
}

const text = "Nobody here said that the bridge is closed, but the trains are late!"

// TestFile: what is written is read, and scores the same.
func TestFile(t *testing.T) {
	m, _, _ := tiny(1)
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	got, err := Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if got.Version() != m.Version() || got.Score(fold.New(text)) != m.Score(fold.New(text)) {
		t.Errorf("version %s, want %s", got.Version(), m.Version())
	}
	if other, _, _ := tiny(2); other.Version() == m.Version() {
		t.Error("other weights have the same version")
	}
	if v, ok := got.Threshold(classifier.Hate, "de"); !ok || v != 0.7 {
		t.Errorf("threshold %v", v)
	}
	if v, ok := got.Threshold(classifier.Hate, "fr"); !ok || v != 0.6 {
		t.Errorf("threshold %v", v)
	}
	raw := b.Bytes()
	for name, broken := range map[string][]byte{
		"empty": nil, "cut": raw[:len(raw)/2], "other": []byte("hello"), "flipped": flip(raw, len(raw)/2), "longer": append(bytes.Clone(raw), 0),
	} {
		if _, err := Parse(broken); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0x10
	return b
}

// TestQuantise: a byte for each weight keeps the linear score.
func TestQuantise(t *testing.T) {
	m, linear, _ := tiny(3)
	s := m.room()
	o := m.score(fold.New(text), s)
	for k := range o.Linear {
		if m.Labels[k] == "" {
			continue
		}
		var words, grams float64
		for _, f := range s.doc.Words {
			words += float64(linear[int(f.Hash&63)*Outputs+k])
		}
		for _, f := range s.doc.Grams {
			grams += float64(linear[int(f.Hash&63)*Outputs+k])
		}
		want := words*float64(Norm(len(s.doc.Words))) + grams*float64(Norm(len(s.doc.Grams)))
		if math.Abs(want-float64(o.Linear[k])) > 0.2 {
			t.Errorf("output %d: %v, want %v", k, o.Linear[k], want)
		}
	}
	for i, w := range m.LinearWeights() {
		if k := i % Outputs; m.Labels[k] != "" && math.Abs(float64(w-linear[i])) > float64(m.LinearScale[k]) {
			t.Fatalf("weight %d: %v, was %v", i, w, linear[i])
		}
	}
}

// TestAttribution: what the positions are given adds up to what the network said,
// as far as it comes from them (a network of rectifiers without biases is
// homogeneous: the gradient times the activation is the output).
func TestAttribution(t *testing.T) {
	m, _, _ := tiny(4)
	clear(m.net.HidBias)
	clear(m.net.OutBias)
	clear(m.net.Attend) // equal weights, which do not depend on the positions
	s := m.room()
	o := m.score(fold.New(text), s)
	for k := range o.Network {
		var sum float32
		m.net.attribute(&s.pass, k, len(s.doc.Positions), func(_ int, share float32) { sum += share })
		if math.Abs(float64(sum-o.Network[k])) > 1e-2*math.Max(1, math.Abs(float64(sum))) {
			t.Errorf("output %d: the positions gave %v of %v", k, sum, o.Network[k])
		}
	}
}

// TestRulesStand: what the rules are sure of is given, whatever the model thinks,
// and a label that only the rules know of is passed on.
func TestRulesStand(t *testing.T) {
	m, _, _ := tiny(5)
	for l := range m.Stacks {
		m.Stacks[l] = Stack{Bias: -20}
	}
	j := NewJudge(m, rules{{Label: classifier.Theft, Score: 0.55}, {Label: classifier.Hazard, Score: 0.4}, {Label: "ours", Score: 0.3}}, Told)
	got := map[string]float64{}
	for _, s := range j.Judge(t.Context(), classifier.Input{Text: text}, classifier.Language{Tag: "en"}) {
		got[s.Label] = s.Score
	}
	if len(got) != 2 || got[classifier.Theft] != 0.6 || got["ours"] != 0.3 {
		t.Errorf("%v", got)
	}
}

type rules []classifier.Score

func (rules) Version() string { return "rules/0" }
func (r rules) Judge(context.Context, classifier.Input, classifier.Language) []classifier.Score {
	return r
}

// TestEmpty: texts with nothing in them are judged too.
func TestEmpty(t *testing.T) {
	m, _, _ := tiny(6)
	j := NewJudge(m, nil, 0)
	for _, s := range []string{"", " \n", "\u200b", "…", strings.Repeat("\xff", 9)} {
		for _, score := range j.Judge(t.Context(), classifier.Input{Text: s}, classifier.Language{Tag: "und"}) {
			if math.IsNaN(score.Score) || score.Score < 0 || score.Score > 1 {
				t.Errorf("%q: %+v", s, score)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	m, _, _ := tiny(7)
	var packed bytes.Buffer
	if _, err := m.WriteTo(&packed); err != nil {
		f.Fatal(err)
	}
	f.Add(packed.Bytes())
	f.Add(magic)
	f.Add([]byte("(\xb5/\xfd"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, read := range []func([]byte) (*Model, error){Parse, parse} {
			if m, err := read(b); err == nil {
				m.Score(fold.New(text))
			}
		}
	})
}
