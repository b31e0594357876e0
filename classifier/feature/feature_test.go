package feature

import (
	"strings"
	"testing"

	"hark/classifier/fold"
)

const sample = "Heavy flooding on the A40 near the old bridge this morning, the fire brigade is asking everybody to stay away; two cars are already under water and the school bus was turned back before it got there."

func BenchmarkExtract(b *testing.B) {
	var d Document
	for b.Loop() {
		d.Extract(fold.New(sample))
	}
	b.ReportMetric(float64(len(d.Words)+len(d.Grams)), "features")
	b.ReportMetric(float64(len(d.Rows)), "rows")
	b.ReportMetric(float64(len(d.Positions)), "positions")
}

func BenchmarkFold(b *testing.B) {
	for b.Loop() {
		fold.New(sample)
	}
}

func TestLimits(t *testing.T) {
	var d Document
	for _, s := range []string{"", " ", "a", strings.Repeat("word ", 100000), strings.Repeat("字", 30000), strings.Repeat("a", 60000), strings.Repeat("k i l l ", 9000), strings.Repeat("k1ll ", 9000)} {
		d.Extract(fold.New(s))
		if len(d.Positions) > MaxPositions {
			t.Errorf("%d positions", len(d.Positions))
		}
		for _, p := range d.Positions {
			if p.From > p.To || int(p.To) > len(d.Rows) {
				t.Fatalf("rows %d to %d of %d", p.From, p.To, len(d.Rows))
			}
		}
	}
}
