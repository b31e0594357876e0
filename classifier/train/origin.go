package train

import (
	"slices"
	"strings"
)

// origins are biases that each source has for itself in each of its languages while
// a model learns, and that are forgotten afterwards: what one source calls hate
// another calls offensive, and each collected at a rate of its own. Without them a model learns
// to tell sources apart by their subjects; with them, what tells texts of one
// source apart.
type origins struct {
	rate float32
	list []origin
}

type origin struct {
	use       [Outputs]bool
	bias, sum [Outputs]float32 // sum of squared gradients
}

const (
	// bothSides is how many texts with a label, and how many without, a source
	// needs in a language for a bias.
	bothSides = 100
	// manyLanguages is the number of languages from which on a source has none:
	// it would hide what the languages have in common.
	manyLanguages = 6
)

// disputed are the labels of whose meaning sources think differently.
var disputed = []string{"hate", "toxicity", "insult", "obscene"}

// newOrigins finds the sources and numbers them in the samples, always in the same
// way. The posts written for Hark have no biases: they follow one definition.
func newOrigins(samples []sample, rate float64) *origins {
	type count struct {
		sides  [Outputs][2]int
		source string
	}
	index := map[[2]string]int32{}
	langs := map[string]int{} // of each source
	var counts []count
	for i := range samples {
		s := &samples[i]
		s.origin = -1
		if strings.HasPrefix(s.source, Own) || s.source == "" {
			continue
		}
		at, ok := index[[2]string{s.source, s.lang}]
		if !ok {
			at = int32(len(counts))
			index[[2]string{s.source, s.lang}] = at
			counts = append(counts, count{source: s.source})
			langs[s.source]++
		}
		s.origin = at
		for k, w := range s.weight {
			switch {
			case w < 1:
			case s.target[k] > 0.5:
				counts[at].sides[k][1]++
			default:
				counts[at].sides[k][0]++
			}
		}
	}
	o := &origins{rate: float32(rate), list: make([]origin, len(counts))}
	for at, c := range counts {
		for k, n := range c.sides {
			o.list[at].use[k] = min(n[0], n[1]) >= bothSides && langs[c.source] < manyLanguages && rate > 0 && slices.Contains(disputed, outputs[k])
		}
	}
	return o
}

// of is the bias of the sample's source for output k.
func (o *origins) of(s *sample, k int) float32 {
	if o == nil || s.origin < 0 {
		return 0
	}
	return o.list[s.origin].bias[k]
}

// learn makes a step of Adagrad with the gradients of one sample.
func (o *origins) learn(s *sample, g *[Outputs]float32) {
	if o == nil || s.origin < 0 {
		return
	}
	at := &o.list[s.origin]
	for k := range g {
		if at.use[k] && s.weight[k] > 0 {
			at.sum[k] += g[k] * g[k]
			at.bias[k] -= o.rate * g[k] / (1 + sqrt(at.sum[k]))
		}
	}
}

// kept are the biases, as a checkpoint keeps them.
func (o *origins) kept() [][Outputs]float32 {
	out := make([][Outputs]float32, len(o.list))
	for at := range o.list {
		out[at] = o.list[at].bias
	}
	return out
}

// keptOrigins are those of a checkpoint.
func keptOrigins(biases [][Outputs]float32) *origins {
	o := &origins{list: make([]origin, len(biases))}
	for at, b := range biases {
		o.list[at].bias = b
	}
	return o
}
