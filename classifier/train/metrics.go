package train

import (
	"math"
	"slices"
)

// Judged is a score for a label and whether the label holds.
type Judged struct {
	Score float64
	Holds bool
}

// AUROC is the area under the curve of true over false positive rates: how
// often a text with the label scores higher than one without, ties being half.
// It is NaN without a text of both kinds.
func AUROC(list []Judged) float64 {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Judged) int { return compare(a.Score, b.Score) })
	var rank, pos float64
	for i := 0; i < len(list); {
		k := i
		for k < len(list) && list[k].Score == list[i].Score {
			k++
		}
		mean := float64(i+k+1) / 2
		for ; i < k; i++ {
			if list[i].Holds {
				rank += mean
				pos++
			}
		}
	}
	neg := float64(len(list)) - pos
	if pos == 0 || neg == 0 {
		return math.NaN()
	}
	return (rank - pos*(pos+1)/2) / (pos * neg)
}

// AUPRC is the average precision: the mean, over the texts with the label, of the
// precision at their scores. NaN without such a text.
func AUPRC(list []Judged) float64 {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Judged) int { return compare(b.Score, a.Score) })
	var sum, tp float64
	for i := 0; i < len(list); {
		k, hits := i, 0.0
		for k < len(list) && list[k].Score == list[i].Score {
			if list[k].Holds {
				hits++
			}
			k++
		}
		tp += hits
		sum += hits * tp / float64(k)
		i = k
	}
	if tp == 0 {
		return math.NaN()
	}
	return sum / tp
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Outcomes counts decisions.
type Outcomes struct{ TP, FP, FN, TN int }

// Count decides at a threshold.
func Count(list []Judged, threshold float64) (o Outcomes) {
	for _, j := range list {
		switch over := j.Score >= threshold; {
		case over && j.Holds:
			o.TP++
		case over:
			o.FP++
		case j.Holds:
			o.FN++
		default:
			o.TN++
		}
	}
	return o
}

// F1 of the texts with the label.
func (o Outcomes) F1() float64 { return f1(o.TP, o.FP, o.FN) }

// MacroF1 is the mean of the F1 of the texts with the label and of those without.
func (o Outcomes) MacroF1() float64 { return (f1(o.TP, o.FP, o.FN) + f1(o.TN, o.FN, o.FP)) / 2 }

// Precision is the part of the texts given the label that have it.
func (o Outcomes) Precision() float64 { return ratio(o.TP, o.TP+o.FP) }

// Recall is the part of the texts with the label that are given it.
func (o Outcomes) Recall() float64 { return ratio(o.TP, o.TP+o.FN) }

func f1(tp, fp, fn int) float64 { return ratio(2*tp, 2*tp+fp+fn) }

func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// BestThreshold is the score that as a threshold gives the greatest macro-F1.
func BestThreshold(list []Judged) (threshold, macro float64) {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Judged) int { return compare(b.Score, a.Score) })
	pos := 0
	for _, j := range list {
		if j.Holds {
			pos++
		}
	}
	threshold = 0.5
	macro = -1
	o := Outcomes{FN: pos, TN: len(list) - pos}
	for i := range list {
		if list[i].Holds {
			o.TP++
			o.FN--
		} else {
			o.FP++
			o.TN--
		}
		if i+1 < len(list) && list[i+1].Score == list[i].Score {
			continue
		}
		if m := o.MacroF1(); m > macro {
			macro, threshold = m, list[i].Score
			if i+1 < len(list) {
				threshold = (list[i].Score + list[i+1].Score) / 2
			}
		}
	}
	return threshold, macro
}

// CalibrationError is the expected calibration error over ten ranges of the
// score: the mean distance between score and part of texts with the label.
func CalibrationError(list []Judged) float64 {
	var n, sum, hold [10]float64
	for _, j := range list {
		b := min(int(j.Score*10), 9)
		n[b]++
		sum[b] += j.Score
		if j.Holds {
			hold[b]++
		}
	}
	var e float64
	for b := range n {
		if n[b] > 0 {
			e += math.Abs(sum[b]-hold[b]) / float64(len(list))
		}
	}
	return e
}
