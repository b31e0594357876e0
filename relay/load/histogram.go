package load

import (
	"math/bits"
	"time"
)

// histogram counts durations in bins of less than one percent, so that a
// hundred million of them need no more memory than one. The zero value is
// empty.
type histogram struct {
	bins  [(64 - subBits + 1) << subBits]int64
	count int64
	max   int64 // µs
}

// subBits is how many bits behind the first one tell bins apart.
const subBits = 7

// bin is where a number of microseconds is counted: exactly below 2^subBits,
// then by its first bits.
func bin(v int64) int {
	if v < 1<<subBits {
		return int(v)
	}
	shift := bits.Len64(uint64(v)) - subBits - 1
	return (shift+1)<<subBits + int(v>>shift) - 1<<subBits
}

// upper is the largest number of microseconds in a bin.
func upper(b int) int64 {
	if b < 1<<subBits {
		return int64(b)
	}
	shift := b>>subBits - 1
	return int64(b&(1<<subBits-1)+1<<subBits+1)<<shift - 1
}

// add counts a duration; less than nothing counts as nothing.
func (h *histogram) add(d time.Duration) {
	v := max(0, d.Microseconds())
	h.bins[bin(v)]++
	h.count++
	h.max = max(h.max, v)
}

// quantile is the least duration that at least the share q of all do not
// exceed, up to the width of a bin; 0 if nothing was counted.
func (h *histogram) quantile(q float64) time.Duration {
	want := int64(q * float64(h.count))
	if float64(want) < q*float64(h.count) {
		want++
	}
	want = min(max(want, 1), h.count)
	var seen int64
	for b, n := range h.bins {
		if seen += n; n > 0 && seen >= want {
			return time.Duration(min(upper(b), h.max)) * time.Microsecond
		}
	}
	return 0
}
