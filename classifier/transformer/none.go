//go:build !transformer

package transformer

func newScorer(*folder) (scorer, error) { return nil, ErrNotBuilt }
