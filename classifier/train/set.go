package train

import (
	"context"
	"runtime"
	"sync"

	"hark/classifier"
	"hark/classifier/feature"
	"hark/classifier/fold"
	"hark/classifier/model"
)

// Outputs is how many labels are learned at once: those of the classifier, and
// finer or related ones of the public data, which help to learn the others and
// are left out of the weights.
const Outputs = model.Outputs

// outputs are the labels that are learned.
var outputs = append(append([]string{}, classifier.Labels...), "insult", "obscene", "violence", "cyber", "crime", "sexism")

// sample is an example as the learners see it.
type sample struct {
	words, grams []feature.Feature
	positions    []feature.Position
	rows         []feature.Hash
	ident        []uint16 // tokens that name a group of people
	target       [Outputs]float32
	weight       [Outputs]float32 // 0: unknown
	lang         string
	source       string
	origin       int32 // the number of the source in origins, -1 for none
}

// extract turns examples into samples, on all cores.
func extract(ctx context.Context, examples []Example, weigh func(*Example, *sample)) ([]sample, error) {
	out := make([]sample, len(examples))
	err := each(ctx, len(examples), func() func(int) {
		var d feature.Document
		return func(i int) {
			e, s := &examples[i], &out[i]
			d.Extract(fold.New(e.Text))
			s.words = append([]feature.Feature(nil), d.Words...)
			s.grams = append([]feature.Feature(nil), d.Grams...)
			s.positions = append([]feature.Position(nil), d.Positions...)
			s.rows = append([]feature.Hash(nil), d.Rows...)
			s.lang, s.source, s.origin = e.Lang, e.Source, -1
			for t := range d.Text.Tokens {
				if t < feature.MaxTokens && identity(d.Text.Bytes(t)) {
					s.ident = append(s.ident, uint16(t))
				}
			}
			for k, name := range outputs {
				if v, ok := e.Labels[name]; ok {
					s.target[k], s.weight[k] = float32(v), 1
				}
			}
			if weigh != nil {
				weigh(e, s)
			}
		}
	})
	return out, err
}

// each calls what start returns with every number below n, on all cores, each
// with a call of start of its own.
func each(ctx context.Context, n int, start func() func(i int)) error {
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			do := start()
			for i := w; i < n && ctx.Err() == nil; i += workers {
				do(i)
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}
