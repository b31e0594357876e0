package train

import (
	"context"
	"math"
	"math/rand/v2"

	"hark/classifier/feature"
)

// LinearOptions are how the linear model is trained.
type LinearOptions struct {
	Bits   int     // of the number of buckets
	Epochs int     // passes over the examples
	Rate   float64 // of learning
	Decay  float64 // of weights, per pass
	Mask   float64 // the part of words that name groups which is hidden
	Drop   float64 // the part of features which is hidden
	Origin float64 // the rate of the sources' own biases; 0 for none
	Seed   uint64
}

// linear is a linear model with a sigmoid for each output over hashed features.
type linear struct {
	bits    int
	weights []float32 // [bucket][Outputs]
	squares []float32 // sums of squared gradients
	bias    [Outputs]float32
	biasSq  [Outputs]float32
	origins *origins // while and after it learns
}

func newLinear(bits int) *linear {
	return &linear{bits: bits, weights: make([]float32, Outputs<<bits), squares: make([]float32, Outputs<<bits)}
}

// score returns the outputs before the sigmoid. hidden tells of features that
// are left out; nil for none.
func (l *linear) score(s *sample, hidden func(feature.Feature) bool) (z [Outputs]float32) {
	mask := uint32(1)<<l.bits - 1
	sum := func(list []feature.Feature) {
		var part [Outputs]float32
		n := 0
		for _, f := range list {
			if hidden != nil && hidden(f) {
				continue
			}
			n++
			w := l.weights[int(f.Hash&mask)*Outputs:][:Outputs]
			for k := range part {
				part[k] += w[k]
			}
		}
		norm := scale(n)
		for k := range z {
			z[k] += part[k] * norm
		}
	}
	sum(s.words)
	sum(s.grams)
	for k := range z {
		z[k] += l.bias[k]
	}
	return z
}

// scale is the value of each of n features.
func scale(n int) float32 {
	if n == 0 {
		return 0
	}
	return float32(1 / math.Sqrt(float64(n)))
}

// train passes over the samples. It is deterministic.
func (l *linear) train(ctx context.Context, samples []sample, o LinearOptions, progress func(done, total int)) error {
	mask := uint32(1)<<l.bits - 1
	l.origins = newOrigins(samples, o.Origin)
	order := make([]int32, len(samples))
	for i := range order {
		order[i] = int32(i)
	}
	r := rand.New(rand.NewPCG(o.Seed, 0x11ea5))
	total := o.Epochs * len(samples)
	for epoch := range o.Epochs {
		r.Shuffle(len(order), func(i, k int) { order[i], order[k] = order[k], order[i] })
		rate := float32(o.Rate) * (1 - 0.8*float32(epoch)/float32(o.Epochs))
		for n, i := range order {
			if n%4096 == 0 {
				if err := ctx.Err(); err != nil {
					return err
				}
				if progress != nil {
					progress(epoch*len(samples)+n, total)
				}
			}
			s := &samples[i]
			var gone [8]uint16
			hide := 0
			for _, t := range s.ident {
				if hide < len(gone) && r.Float64() < o.Mask {
					gone[hide] = t
					hide++
				}
			}
			salt := r.Uint32()
			dropBelow := uint32(o.Drop * (1 << 32))
			hidden := func(f feature.Feature) bool {
				for _, t := range gone[:hide] {
					if f.First <= t && t <= f.Last {
						return true
					}
				}
				x := (f.Hash ^ salt) * 0x9e3779b1
				x ^= x >> 15
				return x*0x85ebca6b < dropBelow
			}
			z := l.score(s, hidden)
			var g [Outputs]float32
			any := false
			for k := range g {
				if s.weight[k] > 0 {
					g[k] = s.weight[k] * (sigmoid(z[k]+l.origins.of(s, k)) - s.target[k])
					any = any || g[k] > 1e-4 || g[k] < -1e-4
				}
			}
			if !any {
				continue
			}
			l.origins.learn(s, &g)
			update := func(list []feature.Feature) {
				n := 0
				for _, f := range list {
					if !hidden(f) {
						n++
					}
				}
				norm := scale(n)
				var step [Outputs]float32
				for k := range step {
					step[k] = g[k] * norm
				}
				for _, f := range list {
					if hidden(f) {
						continue
					}
					at := int(f.Hash&mask) * Outputs
					w, q := l.weights[at:][:Outputs], l.squares[at:][:Outputs]
					for k := range step {
						if s.weight[k] == 0 {
							continue
						}
						d := step[k] + float32(o.Decay)*w[k]
						q[k] += d * d
						w[k] -= rate * d / (1e-3 + sqrt(q[k]))
					}
				}
			}
			update(s.words)
			update(s.grams)
			for k := range g {
				if s.weight[k] > 0 {
					l.biasSq[k] += g[k] * g[k]
					l.bias[k] -= rate * 0.1 * g[k] / (1 + sqrt(l.biasSq[k]))
				}
			}
		}
	}
	if progress != nil {
		progress(total, total)
	}
	return nil
}

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

func sigmoid(x float32) float32 { return float32(1 / (1 + math.Exp(-float64(x)))) }
