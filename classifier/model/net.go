package model

import (
	"math"

	"hark/classifier/feature"
	"hark/classifier/vector"
)

const (
	// Outputs is how many labels are judged at once. It is a multiple of
	// vector.Block.
	Outputs = 16
	// Heads is how many weighted means of the positions a network takes; beside
	// them it takes the largest value of each channel.
	Heads = 4
	// Reach is how many positions to each side the convolution sees.
	Reach = 1
	// window is how many positions it sees at once.
	window = 2*Reach + 1
)

// Shape is the size of a network.
type Shape struct {
	Width    int `json:"width"`    // of a row; a multiple of vector.Block
	Channels int `json:"channels"` // of the convolution; a multiple of vector.Columns
	Hidden   int `json:"hidden"`   // units before the outputs; a multiple of vector.Columns
}

// size is the number of weights beside the rows.
func (s Shape) size() int {
	return window*s.Width*s.Channels + s.Channels + Heads*s.Channels + (Heads+1)*s.Channels*s.Hidden + s.Hidden + Outputs*s.Hidden + Outputs
}

// Net is everything of a network but its rows: a convolution over the positions,
// attention, a hidden layer, and the outputs. The named parts are parts of Dense.
type Net struct {
	Shape
	Dense    []float32
	Conv     []float32 // [window][Width][Channels]
	ConvBias []float32 // [Channels]
	Attend   []float32 // [Heads][Channels]
	Hid      []float32 // [(Heads+1)·Channels][Hidden]
	HidBias  []float32 // [Hidden]
	Out      []float32 // [Outputs][Hidden]
	OutBias  []float32 // [Outputs]
}

// NewNet makes a network, or the gradients of one, of which all numbers are 0.
func NewNet(s Shape) Net { return netOf(s, make([]float32, s.size())) }

func netOf(s Shape, dense []float32) Net {
	n := Net{Shape: s, Dense: dense}
	cut := func(k int) []float32 {
		p := dense[:k:k]
		dense = dense[k:]
		return p
	}
	n.Conv, n.ConvBias = cut(window*s.Width*s.Channels), cut(s.Channels)
	n.Attend = cut(Heads * s.Channels)
	n.Hid, n.HidBias = cut((Heads+1)*s.Channels*s.Hidden), cut(s.Hidden)
	n.Out, n.OutBias = cut(Outputs*s.Hidden), cut(Outputs)
	return n
}

// Pass is the room for one text on its way through a network.
type Pass struct {
	X      []float32 // [position+2·Reach][Width], zeros at both ends
	H      []float32 // [position][Channels], after the rectifier
	Alpha  []float32 // [Heads][feature.MaxPositions]
	MaxAt  []int32   // [Channels] position, filled by Largest
	Pooled []float32 // [(Heads+1)·Channels]
	U      []float32 // [Hidden], after the rectifier
	Z      [Outputs]float32
}

// NewPass makes the room.
func NewPass(s Shape) Pass {
	return Pass{
		X:     make([]float32, (feature.MaxPositions+2*Reach)*s.Width),
		H:     make([]float32, feature.MaxPositions*s.Channels),
		Alpha: make([]float32, Heads*feature.MaxPositions), MaxAt: make([]int32, s.Channels),
		Pooled: make([]float32, (Heads+1)*s.Channels), U: make([]float32, s.Hidden),
	}
}

// Pool reads count positions in p.X and computes p.Pooled.
func (n *Net) Pool(p *Pass, count int) {
	W, C := n.Width, n.Channels
	clear(p.Pooled)
	if count == 0 {
		return
	}
	for i := range count {
		h := p.H[i*C:][:C]
		copy(h, n.ConvBias)
		// The positions i-Reach to i+Reach lie in a row in X, and so do their
		// weights: one product.
		vector.Gemv(h, n.Conv, p.X[i*W:][:window*W])
		vector.Rectify(h)
	}
	for k := range Heads {
		alpha := p.Alpha[k*feature.MaxPositions:][:count]
		top := float32(math.Inf(-1))
		for i := range alpha {
			alpha[i] = vector.Dot(n.Attend[k*C:][:C], p.H[i*C:][:C])
			top = max(top, alpha[i])
		}
		var sum float32
		for i := range alpha {
			alpha[i] = float32(math.Exp(float64(alpha[i] - top)))
			sum += alpha[i]
		}
		for i := range alpha {
			alpha[i] /= sum
			vector.Axpy(alpha[i], p.H[i*C:][:C], p.Pooled[k*C:][:C])
		}
	}
	best := p.Pooled[Heads*C:]
	copy(best, p.H[:C])
	for i := 1; i < count; i++ {
		vector.Max(best, p.H[i*C:][:C])
	}
}

// Largest fills p.MaxAt with the positions, the first ones, from which Pool took
// the largest values.
func (n *Net) Largest(p *Pass, count int) {
	C := n.Channels
	best := p.Pooled[Heads*C:]
	for c := range p.MaxAt {
		p.MaxAt[c] = 0
		for i := range count {
			if p.H[i*C+c] == best[c] {
				p.MaxAt[c] = int32(i)
				break
			}
		}
	}
}

// Judge computes p.Z, the outputs before the sigmoid, from p.Pooled.
func (n *Net) Judge(p *Pass) {
	copy(p.U, n.HidBias)
	vector.Gemv(p.U, n.Hid, p.Pooled)
	vector.Rectify(p.U)
	for k := range p.Z {
		p.Z[k] = n.OutBias[k] + vector.Dot(n.Out[k*n.Hidden:][:n.Hidden], p.U)
	}
}

// attribute adds to each of count positions what it gave to output k: the
// gradient of the output by the position's channels, times these.
func (n *Net) attribute(p *Pass, k, count int, to func(position int, share float32)) {
	if count == 0 {
		return
	}
	C, H := n.Channels, n.Hidden
	du := make([]float32, H)
	for c, v := range p.U {
		if v > 0 {
			du[c] = n.Out[k*H+c]
		}
	}
	d := make([]float32, len(p.Pooled))
	for c := range d {
		d[c] = vector.Dot(n.Hid[c*H:][:H], du)
	}
	for head := range Heads {
		alpha := p.Alpha[head*feature.MaxPositions:][:count]
		for i, a := range alpha {
			to(i, a*vector.Dot(d[head*C:][:C], p.H[i*C:][:C]))
		}
	}
	n.Largest(p, count)
	for c, i := range p.MaxAt {
		to(int(i), d[Heads*C+c]*p.H[int(i)*C+c])
	}
}
