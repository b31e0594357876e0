package train

import (
	"math"
	"slices"

	"hark/classifier"
	"hark/classifier/model"
)

// view is what the judges said of one text about one label, and the truth.
type view struct {
	linear, network, rules float64
	holds                  bool
	lang                   string
	weight                 float64
	presumed               bool // nobody looked: see presumed
}

// enough is how many texts with a label, and how many without, a language needs
// for a bias and a threshold of its own, and least how many a label needs, all
// languages together: below that the rules decide alone.
const (
	enough = 60
	least  = 15
)

// fitStack fits a logistic regression by Newton's method with a small ridge. A
// judge that would count against its own word is left out. Languages with enough
// texts get a bias, drawn towards 0.
func fitStack(list []view) model.Stack {
	use := [4]bool{true, true, true, true}
	var s model.Stack
	langs := map[string]float64{}
	for range 3 {
		w := newton(list, use, langs)
		s = model.Stack{Bias: w[0], Linear: w[1], Network: w[2], Rules: w[3]}
		again := false
		for k := 1; k < 4; k++ {
			if use[k] && w[k] < 0 {
				use[k], again = false, true
			}
		}
		if !again {
			break
		}
	}
	for range 4 {
		langs = languageBiases(list, s)
		w := newton(list, use, langs)
		s = model.Stack{Bias: w[0], Linear: w[1], Network: w[2], Rules: w[3]}
	}
	s.Languages = langs
	return s
}

func (v view) x() [4]float64 { return [4]float64{1, v.linear, v.network, v.rules} }

// newton fits the four weights of which use tells; the others are 0.
func newton(list []view, use [4]bool, langs map[string]float64) [4]float64 {
	const ridge = 1.0
	w := [4]float64{0, 0.5, 0.5, 0}
	for k := range w {
		if !use[k] {
			w[k] = 0
		}
	}
	for range 30 {
		var g [4]float64
		var h [4][4]float64
		for k := 1; k < 4; k++ {
			g[k] = ridge * w[k]
			h[k][k] = ridge
		}
		h[0][0] = 1e-6
		for _, v := range list {
			x := v.x()
			z := langs[v.lang]
			for k := range x {
				z += w[k] * x[k]
			}
			p := 1 / (1 + math.Exp(-z))
			y := 0.0
			if v.holds {
				y = 1
			}
			for a := range x {
				g[a] += v.weight * (p - y) * x[a]
				for b := range x {
					h[a][b] += v.weight * p * (1 - p) * x[a] * x[b]
				}
			}
		}
		for k := range use {
			if !use[k] {
				g[k] = 0
				for b := range h {
					h[k][b], h[b][k] = 0, 0
				}
				h[k][k] = 1
			}
		}
		d := solve(h, g)
		size := 0.0
		for k := range w {
			step := max(min(d[k], 2), -2)
			w[k] -= step
			size += math.Abs(step)
		}
		if size < 1e-7 {
			break
		}
	}
	return w
}

// solve solves h·d = g by elimination with pivots.
func solve(h [4][4]float64, g [4]float64) (d [4]float64) {
	for c := range 4 {
		p := c
		for r := c + 1; r < 4; r++ {
			if math.Abs(h[r][c]) > math.Abs(h[p][c]) {
				p = r
			}
		}
		h[c], h[p] = h[p], h[c]
		g[c], g[p] = g[p], g[c]
		if h[c][c] == 0 {
			continue
		}
		for r := range 4 {
			if r == c {
				continue
			}
			f := h[r][c] / h[c][c]
			for k := c; k < 4; k++ {
				h[r][k] -= f * h[c][k]
			}
			g[r] -= f * g[c]
		}
	}
	for c := range 4 {
		if h[c][c] != 0 {
			d[c] = g[c] / h[c][c]
		}
	}
	return d
}

// languageBiases fits one bias for each language with enough texts, with a prior
// of mean 0 and variance 1. Texts are weighed so that every language has the part
// of texts with the label that all have together: how much of it was collected in
// a language says nothing of what people write in it.
func languageBiases(list []view, s model.Stack) map[string]float64 {
	by := map[string][]view{}
	all := 0.0
	for _, v := range list {
		by[v.lang] = append(by[v.lang], v)
		if v.holds {
			all++
		}
	}
	all /= max(float64(len(list)), 1)
	out := map[string]float64{}
	for lang, part := range by {
		pos := 0
		for _, v := range part {
			if v.holds {
				pos++
			}
		}
		if lang == "" || pos < enough || len(part)-pos < enough {
			continue
		}
		here := float64(pos) / float64(len(part))
		with, without := all/here, (1-all)/(1-here)
		b := 0.0
		for range 20 {
			g, h := b, 1.0
			for _, v := range part {
				z := s.Bias + b + s.Linear*v.linear + s.Network*v.network + s.Rules*v.rules
				p := 1 / (1 + math.Exp(-z))
				y, w := 0.0, v.weight*without
				if v.holds {
					y, w = 1, v.weight*with
				}
				g += w * (p - y)
				h += w * p * (1 - p)
			}
			b -= g / h
		}
		out[lang] = math.Round(b*1e4) / 1e4
	}
	return out
}

// Bounds of a threshold that is chosen.
const (
	minThreshold = 0.30
	maxThreshold = 0.95
)

// usual is the part of texts with a label that a threshold is chosen for, at most:
// labelled data hold far more of them than what people post. Of hate and toxicity
// it is less, since a false alarm hurts those who only say who they are.
func usual(label string) float64 {
	switch label {
	case classifier.Hate:
		return 0.20
	case classifier.Toxicity:
		return 0.15
	}
	return 0.25
}

// chooseThreshold is where precision and recall are best together, precision
// counting double (the largest F½), within bounds, where the part of texts with the
// label is at most usual.
func chooseThreshold(list []Judged, usual float64) float64 {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Judged) int { return compare(b.Score, a.Score) })
	pos := 0.0
	for _, j := range list {
		if j.Holds {
			pos++
		}
	}
	negative := max(1, pos/usual*(1-usual)/max(float64(len(list))-pos, 1)) // the weight of a text without
	best, at := -1.0, 0.5
	tp, fp := 0.0, 0.0
	for i, j := range list {
		if j.Holds {
			tp++
		} else {
			fp += negative
		}
		if i+1 < len(list) && list[i+1].Score == j.Score || j.Score > maxThreshold {
			continue
		}
		if j.Score < minThreshold {
			break
		}
		// F_β with β = ½.
		if f := 1.25 * tp / (0.25*pos + tp + fp); f > best {
			best, at = f, j.Score
		}
	}
	return math.Round(at*1000) / 1000
}
