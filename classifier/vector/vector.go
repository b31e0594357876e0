// Package vector has the few loops over numbers that the models spend their time
// in: in assembly where the processor has AVX2 and FMA, else in Go. Both give the
// same results but for the rounding of sums.
package vector

// Block is what the lengths of all vectors here must be multiples of, except
// where more is asked for.
const Block = 16

// Columns is what the number of columns of a Gemv matrix must be a multiple of.
const Columns = 64

// Axpy adds a·x to y. len(y) counts, which must be a multiple of Block; x must
// not be shorter.
func Axpy(a float32, x, y []float32) {
	if len(y) == 0 {
		return
	}
	_ = x[len(y)-1]
	if accelerated {
		axpy(a, &x[0], &y[0], len(y))
		return
	}
	axpyGo(a, x, y)
}

// Dot is the sum of the products of x and y. len(y) counts, which must be a
// multiple of Block; x must not be shorter.
func Dot(x, y []float32) float32 {
	if len(y) == 0 {
		return 0
	}
	_ = x[len(y)-1]
	if accelerated {
		return dot(&x[0], &y[0], len(y))
	}
	return dotGo(x, y)
}

// Gemv adds xᵀ·w to out: w has len(x) rows of len(out) columns each, and len(out)
// must be a multiple of Columns.
func Gemv(out, w, x []float32) {
	if len(out) == 0 || len(x) == 0 {
		return
	}
	_ = w[len(out)*len(x)-1]
	if accelerated {
		gemv(&out[0], &w[0], &x[0], len(out), len(x))
		return
	}
	gemvGo(out, w, x)
}

// Rectify replaces negative numbers by 0. len(x) must be a multiple of Block.
func Rectify(x []float32) {
	if len(x) == 0 {
		return
	}
	if accelerated {
		rectify(&x[0], len(x))
		return
	}
	rectifyGo(x)
}

// Max replaces each number of top by that of x where it is larger. len(top)
// counts, which must be a multiple of Block; x must not be shorter.
func Max(top, x []float32) {
	if len(top) == 0 {
		return
	}
	_ = x[len(top)-1]
	if accelerated {
		maximum(&top[0], &x[0], len(top))
		return
	}
	maxGo(top, x)
}

// Add16 adds the numbers of row to sum, which must not overflow: 258 rows are
// safe. len(sum) counts, which must be a multiple of Block.
func Add16(sum []int16, row []int8) {
	if len(sum) == 0 {
		return
	}
	_ = row[len(sum)-1]
	if accelerated {
		add16(&sum[0], &row[0], len(sum))
		return
	}
	add16Go(sum, row)
}

// Add32 adds the numbers of row to sum. len(sum) counts, which must be a
// multiple of Block.
func Add32(sum []int32, row []int8) {
	if len(sum) == 0 {
		return
	}
	_ = row[len(sum)-1]
	if accelerated {
		add32(&sum[0], &row[0], len(sum))
		return
	}
	add32Go(sum, row)
}

func axpyGo(a float32, x, y []float32) {
	for i := range y {
		y[i] += a * x[i]
	}
}

func dotGo(x, y []float32) float32 {
	var s0, s1, s2, s3 float32
	for i := 0; i+3 < len(y); i += 4 {
		s0 += x[i] * y[i]
		s1 += x[i+1] * y[i+1]
		s2 += x[i+2] * y[i+2]
		s3 += x[i+3] * y[i+3]
	}
	return s0 + s1 + s2 + s3
}

func gemvGo(out, w, x []float32) {
	for j, v := range x {
		if v != 0 {
			axpyGo(v, w[j*len(out):(j+1)*len(out)], out)
		}
	}
}

func add16Go(sum []int16, row []int8) {
	for i := range sum {
		sum[i] += int16(row[i])
	}
}

func add32Go(sum []int32, row []int8) {
	for i := range sum {
		sum[i] += int32(row[i])
	}
}

func rectifyGo(x []float32) {
	for i, v := range x {
		if v < 0 {
			x[i] = 0
		}
	}
}

func maxGo(top, x []float32) {
	for i := range top {
		if x[i] > top[i] {
			top[i] = x[i]
		}
	}
}
