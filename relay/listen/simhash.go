package listen

import (
	"strings"

	"github.com/cespare/xxhash/v2"
)

// SimHash is a 64-bit locality-sensitive hash over the shingles of three words
// of a text: near-duplicates differ in few bits.
//
// ref: Charikar, "Similarity estimation techniques from rounding algorithms" (2002).
func SimHash(text string) uint64 {
	words := strings.Fields(strings.ToLower(text))
	if len(words) == 0 {
		return 0
	}
	var sums [64]int
	for i := range words {
		h := xxhash.Sum64String(strings.Join(words[i:min(i+3, len(words))], " "))
		for b := range sums {
			if h>>b&1 == 1 {
				sums[b]++
			} else {
				sums[b]--
			}
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
