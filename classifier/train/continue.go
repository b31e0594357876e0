package train

import (
	"context"
	"fmt"
	"maps"

	"hark/classifier/model"
)

// Continuing learns gently: what is added is little, and what was learned much.
const (
	addedEpochs = 8
	addedRate   = 0.05
	addedMemory = 30 // sum of squared gradients that every weight is taken to have seen
)

// Continue teaches a model what some more examples say: its linear part learns,
// the network, the calibration and the thresholds stay. It is meant for some
// hundreds of corrections; for more, train again with them added.
func Continue(ctx context.Context, m *model.Model, add []Example, progress func(done, total int)) (*model.Model, error) {
	if len(add) == 0 {
		return nil, ErrNoData
	}
	samples, err := extract(ctx, add, nil)
	if err != nil {
		return nil, err
	}
	l := newLinear(m.LinearBits)
	l.weights, l.bias = m.LinearWeights(), m.LinearBias
	for i := range l.squares {
		l.squares[i] = addedMemory
	}
	for k := range l.biasSq {
		l.biasSq[k] = addedMemory
	}
	if err := l.train(ctx, samples, LinearOptions{Epochs: addedEpochs, Rate: addedRate * addedMemory, Seed: 1}, progress); err != nil {
		return nil, err
	}
	card := maps.Clone(m.Card)
	if card == nil {
		card = map[string]string{}
	}
	card["continued from"], card["added"] = m.Version(), fmt.Sprint(len(add))
	return m.WithLinear(l.weights, l.bias, card), nil
}
