package load

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	tests := []struct {
		name string
		n    int
		draw func(i int) time.Duration
	}{
		{"nothing", 0, nil},
		{"one", 1, func(int) time.Duration { return 1234567 * time.Microsecond }},
		{"all the same", 1000, func(int) time.Duration { return 7 * time.Millisecond }},
		{"a ramp", 1000, func(i int) time.Duration { return time.Duration(i) * time.Microsecond }},
		{"negative counts as nothing", 10, func(i int) time.Duration { return -time.Duration(i) * time.Second }},
		{"heavy tail", 5000, func(int) time.Duration { return time.Duration(1<<rnd.IntN(36)) * time.Microsecond }},
		{"anything", 5000, func(int) time.Duration { return time.Duration(rnd.Int64()) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h histogram
			all := make([]time.Duration, tt.n)
			for i := range all {
				all[i] = tt.draw(i)
				h.add(all[i])
			}
			slices.Sort(all)
			for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.99, 1} {
				var want time.Duration
				if tt.n > 0 {
					want = max(0, all[min(max(int(q*float64(tt.n)+0.999999)-1, 0), tt.n-1)].Truncate(time.Microsecond))
				}
				if got := h.quantile(q); got < want || float64(got) > float64(want)*1.01 {
					t.Errorf("quantile %v: got %s, want %s", q, got, want)
				}
			}
			if tt.n > 0 && time.Duration(h.max)*time.Microsecond != max(0, all[tt.n-1].Truncate(time.Microsecond)) {
				t.Errorf("max: got %d µs", h.max)
			}
		})
	}
}

// Bins follow each other without gaps, and each is less than a percent wide.
func TestBins(t *testing.T) {
	for _, v := range []int64{0, 1, 127, 128, 129, 255, 256, 257, 1000, 1 << 20, 1<<40 + 12345, 1<<62 + 1, 1<<63 - 1} {
		b := bin(v)
		if b < 0 || b >= len(histogram{}.bins) {
			t.Fatalf("%d is in bin %d of %d", v, b, len(histogram{}.bins))
		}
		if u := upper(b); u < v || float64(u-v) > float64(v)/100 {
			t.Errorf("%d is in a bin up to %d", v, u)
		}
		if u := upper(b); u < 1<<62 && bin(u) == bin(u+1) {
			t.Errorf("the bin of %d does not end at %d", v, u)
		}
	}
}
