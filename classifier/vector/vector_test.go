package vector

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestBothWays compares every loop with the plain one.
func TestBothWays(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	floats := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = r.Float32()*2 - 1
		}
		return v
	}
	near := func(what string, a, b []float32) {
		t.Helper()
		for i := range a {
			if math.Abs(float64(a[i]-b[i])) > 1e-4 {
				t.Fatalf("%s: %v, want %v at %d", what, a[i], b[i], i)
			}
		}
	}
	for _, n := range []int{0, 16, 32, 48, 64, 256} {
		x, y := floats(n), floats(n)
		want := slices.Clone(y)
		axpyGo(0.3, x, want)
		Axpy(0.3, x, y)
		near("axpy", y, want)
		near("dot", []float32{Dot(x, y)}, []float32{dotGo(x, y)})
		u, v := floats(n), slices.Clone(x)
		want = slices.Clone(u)
		maxGo(want, v)
		Max(u, v)
		near("max", u, want)
		want = slices.Clone(v)
		rectifyGo(want)
		Rectify(v)
		near("rectify", v, want)
		row := make([]int8, n)
		for i := range row {
			row[i] = int8(r.IntN(256) - 128)
		}
		s16, s32 := make([]int16, n), make([]int32, n)
		w16, w32 := make([]int16, n), make([]int32, n)
		for range 250 {
			Add16(s16, row)
			Add32(s32, row)
			add16Go(w16, row)
			add32Go(w32, row)
		}
		if !slices.Equal(s16, w16) || !slices.Equal(s32, w32) {
			t.Fatalf("sums of %d differ", n)
		}
	}
	for _, c := range []int{64, 128, 192} {
		for _, n := range []int{1, 7, 32} {
			x, w, out := floats(n), floats(n*c), floats(c)
			want := slices.Clone(out)
			gemvGo(want, w, x)
			Gemv(out, w, x)
			near("gemv", out, want)
		}
	}
}

func BenchmarkGemv(b *testing.B) {
	out, w, x := make([]float32, 64), make([]float32, 64*64), make([]float32, 64)
	for b.Loop() {
		Gemv(out, w, x)
	}
}
