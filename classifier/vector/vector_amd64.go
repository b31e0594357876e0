package vector

import "golang.org/x/sys/cpu"

// accelerated is a variable so that a test can compare both ways.
var accelerated = cpu.X86.HasAVX2 && cpu.X86.HasFMA

// Every length is a multiple of Block; columns one of Columns.

//go:noescape
func axpy(a float32, x, y *float32, n int)

//go:noescape
func dot(x, y *float32, n int) float32

//go:noescape
func gemv(out, w, x *float32, columns, rows int)

//go:noescape
func add16(sum *int16, row *int8, n int)

//go:noescape
func add32(sum *int32, row *int8, n int)

//go:noescape
func rectify(x *float32, n int)

//go:noescape
func maximum(top, x *float32, n int)
