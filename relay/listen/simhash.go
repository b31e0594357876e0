package listen

import (
	"strings"

	"github.com/cespare/xxhash/v2"
)

// SimHash is a 64-bit locality-sensitive hash over the words of a text and their
// neighbouring pairs: near-duplicates differ in few bits.
//
// ref: Charikar, "Similarity estimation techniques from rounding algorithms" (2002).
func SimHash(text string) uint64 {
	words := strings.Fields(strings.ToLower(text))
	if len(words) == 0 {
		return 0
	}
	var sums [64]int
	add := func(feature string) {
		h := xxhash.Sum64String(feature)
		for b := range sums {
			if h>>b&1 == 1 {
				sums[b]++
			} else {
				sums[b]--
			}
		}
	}
	for i, w := range words {
		add(w)
		if i > 0 {
			add(words[i-1] + " " + w)
		}
	}
	var out uint64
	for b, s := range sums {
		if s > 0 {
			out |= 1 << b
		}
	}
	return out
}
