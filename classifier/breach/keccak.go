package breach

import (
	"encoding/binary"
	"math/bits"
)

// keccak256 is the hash that Ethereum uses: Keccak before its padding was
// changed for SHA-3, which is all that the standard library has. Data is
// shorter than 136 bytes.
// ref: Keccak reference 3.0 §1.2, FIPS 202 §3.2
func keccak256(data []byte) (out [32]byte) {
	var block [136]byte
	copy(block[:], data)
	block[len(data)] = 1
	block[135] |= 0x80
	var a [25]uint64
	for k := range 17 {
		a[k] = binary.LittleEndian.Uint64(block[8*k:])
	}
	keccakF(&a)
	for k := range 4 {
		binary.LittleEndian.PutUint64(out[8*k:], a[k])
	}
	return out
}

var (
	keccakRotations = [24]int{1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44}
	keccakLanes     = [24]int{10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1}
	keccakRounds    = [24]uint64{
		0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b, 0x0000000080000001,
		0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
		0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003, 0x8000000000008002, 0x8000000000000080,
		0x000000000000800a, 0x800000008000000a, 0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
	}
)

func keccakF(a *[25]uint64) {
	var c [5]uint64
	for _, round := range keccakRounds {
		for x := range 5 {
			c[x] = a[x] ^ a[x+5] ^ a[x+10] ^ a[x+15] ^ a[x+20]
		}
		for x := range 5 {
			d := c[(x+4)%5] ^ bits.RotateLeft64(c[(x+1)%5], 1)
			for y := 0; y < 25; y += 5 {
				a[x+y] ^= d
			}
		}
		last := a[1]
		for k, lane := range keccakLanes {
			last, a[lane] = a[lane], bits.RotateLeft64(last, keccakRotations[k])
		}
		for y := 0; y < 25; y += 5 {
			copy(c[:], a[y:y+5])
			for x := range 5 {
				a[y+x] = c[x] ^ ^c[(x+1)%5]&c[(x+2)%5]
			}
		}
		a[0] ^= round
	}
}
