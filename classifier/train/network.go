package train

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"

	"hark/classifier/feature"
	"hark/classifier/model"
	"hark/classifier/vector"
)

// NetworkOptions are how the network is trained and how large it is.
type NetworkOptions struct {
	Bits     int // of the number of rows
	Width    int // of a row; a multiple of vector.Block
	Channels int // of the convolution; a multiple of vector.Columns
	Hidden   int // units before the outputs; a multiple of vector.Columns
	Epochs   int
	Batch    int
	Rate     float64 // of the rows
	Dense    float64 // of everything else
	Decay    float64 // of everything else
	Mask     float64 // the part of words that name groups which is hidden
	Drop     float64 // the part of positions which is hidden
	DropRow  float64 // the part of rows which is hidden
	DropUnit float64 // the part of pooled units which is hidden
	Origin   float64 // the rate of the sources' own biases; 0 for none
	Seed     uint64
}

// network is a model.Net with rows that can learn.
type network struct {
	model.Net
	o      NetworkOptions
	rows   []float32 // [row][Width]
	rowSq  []float32 // [row] mean squared gradients, summed
	m1, m2 []float32 // moments of Dense
	step   int

	origins *origins // while and after it learns
}

func newNetwork(o NetworkOptions) *network {
	n := &network{
		Net: model.NewNet(model.Shape{Width: o.Width, Channels: o.Channels, Hidden: o.Hidden}),
		o:   o, rows: make([]float32, o.Width<<o.Bits), rowSq: make([]float32, 1<<o.Bits),
	}
	n.m1, n.m2 = make([]float32, len(n.Dense)), make([]float32, len(n.Dense))
	r := rand.New(rand.NewPCG(o.Seed, 0x2e7))
	fill := func(v []float32, scale float64) {
		for i := range v {
			v[i] = float32(r.NormFloat64() * scale)
		}
	}
	fill(n.rows, initialRow)
	for c := range n.ConvBias {
		n.ConvBias[c] = 0.1 // so that the first gradients reach the rows
	}
	fill(n.Conv, math.Sqrt(2/float64((2*reach+1)*o.Width)))
	fill(n.Attend, 0.1)
	fill(n.Hid, math.Sqrt(2/float64((heads+1)*o.Channels)))
	fill(n.Out, math.Sqrt(1/float64(o.Hidden)))
	return n
}

// initialRow is the spread of a row's numbers before it has learned anything:
// small, since many a row that a text asks for was never seen.
const initialRow = 0.01

const (
	heads = model.Heads
	reach = model.Reach
)

// pass is one sample on its way through the network and back, with room that is
// used again.
type pass struct {
	model.Pass
	n    *network
	grad model.Net

	rows                []uint32 // of all positions that are not hidden
	first               []int32  // of each position's rows, one more at the end
	keep                []bool   // pooled units that are not hidden
	dx, dh, dPooled, du []float32
	loss                float64
	g                   [Outputs]float32 // of the outputs
}

func (n *network) newPass() *pass {
	p := &pass{n: n, Pass: model.NewPass(n.Shape), grad: model.NewNet(n.Shape)}
	p.dx, p.dh = make([]float32, len(p.X)), make([]float32, len(p.H))
	p.dPooled, p.keep = make([]float32, len(p.Pooled)), make([]bool, len(p.Pooled))
	p.du = make([]float32, len(p.U))
	return p
}

// forward computes the outputs; r hides parts of the sample, nil nothing.
func (p *pass) forward(s *sample, r *rand.Rand) {
	n, o := p.n, p.n.o
	mask := uint32(1)<<o.Bits - 1
	W := o.Width
	p.rows, p.first = p.rows[:0], p.first[:0]
	var gone [8]uint16
	hide := 0
	if r != nil {
		for _, t := range s.ident {
			if hide < len(gone) && r.Float64() < o.Mask {
				gone[hide] = t
				hide++
			}
		}
	}
positions:
	for _, pos := range s.positions {
		if r != nil {
			if r.Float64() < o.Drop {
				continue
			}
			for _, t := range gone[:hide] {
				if pos.Token == t {
					p.first = append(p.first, int32(len(p.rows)))
					p.rows = append(p.rows, hiddenRow&mask)
					continue positions
				}
			}
		}
		p.first = append(p.first, int32(len(p.rows)))
		for _, row := range s.rows[pos.From:pos.To] {
			if r != nil && o.DropRow > 0 && r.Float64() < o.DropRow {
				continue
			}
			p.rows = append(p.rows, row&mask)
		}
	}
	count := len(p.first)
	p.first = append(p.first, int32(len(p.rows)))
	clear(p.X[:(count+2*reach)*W])
	for i := range count {
		x := p.X[(i+reach)*W:][:W]
		list := p.rows[p.first[i]:p.first[i+1]]
		norm := scale(len(list))
		for _, row := range list {
			vector.Axpy(norm, n.rows[int(row)*W:][:W], x)
		}
	}
	n.Pool(&p.Pass, count)
	if r != nil { // the way back will ask
		n.Largest(&p.Pass, count)
	}
	if r != nil && o.DropUnit > 0 {
		up := float32(1 / (1 - o.DropUnit))
		for c := range p.Pooled {
			p.keep[c] = r.Float64() >= o.DropUnit
			if p.keep[c] {
				p.Pooled[c] *= up
			} else {
				p.Pooled[c] = 0
			}
		}
	}
	n.Judge(&p.Pass)
}

// backward adds the gradients of the loss to p.grad and leaves those of the
// positions in p.dx.
func (p *pass) backward(s *sample) {
	n, o := p.n, p.n.o
	W, C, H := o.Width, o.Channels, o.Hidden
	count := len(p.first) - 1
	clear(p.du)
	for k := range p.Z {
		p.g[k] = 0
		if s.weight[k] == 0 {
			continue
		}
		y := sigmoid(p.Z[k] + n.origins.of(s, k))
		g := s.weight[k] * (y - s.target[k])
		p.loss -= float64(s.weight[k]) * (float64(s.target[k])*math.Log(float64(y)+1e-9) + float64(1-s.target[k])*math.Log(float64(1-y)+1e-9))
		p.g[k] = g
		p.grad.OutBias[k] += g
		vector.Axpy(g, p.U, p.grad.Out[k*H:][:H])
		vector.Axpy(g, n.Out[k*H:][:H], p.du)
	}
	for c, v := range p.U {
		if v <= 0 {
			p.du[c] = 0
		}
	}
	for c, g := range p.du {
		p.grad.HidBias[c] += g
	}
	up := float32(1)
	if o.DropUnit > 0 {
		up = float32(1 / (1 - o.DropUnit))
	}
	for c := range p.Pooled {
		p.dPooled[c] = 0
		if o.DropUnit > 0 && !p.keep[c] {
			continue
		}
		if p.Pooled[c] != 0 {
			vector.Axpy(p.Pooled[c], p.du, p.grad.Hid[c*H:][:H])
		}
		p.dPooled[c] = up * vector.Dot(n.Hid[c*H:][:H], p.du)
	}
	clear(p.dh[:count*C])
	for k := range heads {
		alpha := p.Alpha[k*feature.MaxPositions:][:count]
		d := p.dPooled[k*C:][:C]
		// d loss/d alpha_i = d·h_i; through the softmax: alpha_i (that − mean).
		var mean float32
		var each [feature.MaxPositions]float32
		for i, a := range alpha {
			each[i] = vector.Dot(d, p.H[i*C:][:C])
			mean += a * each[i]
		}
		for i, a := range alpha {
			vector.Axpy(a, d, p.dh[i*C:][:C])
			if g := a * (each[i] - mean); g != 0 {
				vector.Axpy(g, p.H[i*C:][:C], p.grad.Attend[k*C:][:C])
				vector.Axpy(g, n.Attend[k*C:][:C], p.dh[i*C:][:C])
			}
		}
	}
	if count > 0 {
		for c, i := range p.MaxAt {
			p.dh[int(i)*C+c] += p.dPooled[heads*C+c]
		}
	}
	clear(p.dx[:(count+2*reach)*W])
	for i := range count {
		h, dh := p.H[i*C:][:C], p.dh[i*C:][:C]
		for c, v := range h {
			if v <= 0 {
				dh[c] = 0
			}
		}
		vector.Axpy(1, dh, p.grad.ConvBias)
		x, dx := p.X[i*W:][:(2*reach+1)*W], p.dx[i*W:][:(2*reach+1)*W]
		for j, v := range x {
			if v != 0 {
				vector.Axpy(v, dh, p.grad.Conv[j*C:][:C])
			}
			dx[j] += vector.Dot(n.Conv[j*C:][:C], dh)
		}
	}
}

// hiddenRow stands for a word that is hidden.
const hiddenRow = 0x5eed

// train passes over the samples. It is deterministic, on however many cores:
// every sample of a batch has its own generator, and gradients are added in the
// order of the samples' parts of the batch.
func (n *network) train(ctx context.Context, samples []sample, after func(epoch int), progress func(done, total int)) error {
	const shards = 4
	o := n.o
	var passes [shards][]*pass
	perShard := o.Batch / shards
	for s := range passes {
		for range perShard {
			passes[s] = append(passes[s], n.newPass())
		}
		// One gradient for a shard: its samples come one after the other.
		for _, p := range passes[s][1:] {
			p.grad = passes[s][0].grad
		}
	}
	n.origins = newOrigins(samples, o.Origin)
	order := make([]int32, len(samples))
	for i := range order {
		order[i] = int32(i)
	}
	r := rand.New(rand.NewPCG(o.Seed, 0xba7c4))
	total := o.Epochs * len(samples)
	steps := max(total/o.Batch, 1)
	for epoch := range o.Epochs {
		r.Shuffle(len(order), func(i, k int) { order[i], order[k] = order[k], order[i] })
		for at := 0; at+o.Batch <= len(order); at += o.Batch {
			if err := ctx.Err(); err != nil {
				return err
			}
			var wg sync.WaitGroup
			for sh := range passes {
				wg.Go(func() {
					clear(passes[sh][0].grad.Dense)
					for k, p := range passes[sh] {
						i := order[at+sh*perShard+k]
						p.loss = 0
						p.forward(&samples[i], rand.New(rand.NewPCG(o.Seed+uint64(epoch)<<32, uint64(i))))
						p.backward(&samples[i])
					}
				})
			}
			wg.Wait()
			for _, others := range passes[1:] {
				vector.Axpy(1, others[0].grad.Dense, passes[0][0].grad.Dense)
			}
			for sh := range passes {
				for k, p := range passes[sh] {
					n.origins.learn(&samples[order[at+sh*perShard+k]], &p.g)
				}
			}
			rate := schedule(n.step, steps)
			n.apply(passes[0][0].grad.Dense, float32(o.Dense*rate), float32(1)/float32(o.Batch))
			for half := range 2 {
				wg.Go(func() {
					for sh := range passes {
						for _, p := range passes[sh] {
							n.applyRows(p, float32(o.Rate*rate), uint32(half))
						}
					}
				})
			}
			wg.Wait()
			if progress != nil && n.step%64 == 0 {
				progress(epoch*len(samples)+at, total)
			}
		}
		if epoch == o.Epochs-1 {
			n.forgetUnseen()
		}
		if after != nil {
			after(epoch)
		}
	}
	return nil
}

// schedule warms up over a twentieth of the steps and falls to nothing at the end.
func schedule(step, steps int) float64 {
	t := float64(step) / float64(steps)
	if t < 0.05 {
		return t/0.05 + 1e-3
	}
	return max(1-(t-0.05)/0.95, 0.01)
}

// apply makes a step of Adam with decoupled decay on everything but the rows.
//
// ref: Kingma and Ba 2015; Loshchilov and Hutter 2019.
func (n *network) apply(grad []float32, rate, norm float32) {
	n.step++
	const b1, b2 = 0.9, 0.999
	c1 := float32(1 - math.Pow(b1, float64(n.step)))
	c2 := float32(1 - math.Pow(b2, float64(n.step)))
	decay := rate * float32(n.o.Decay)
	for i, g := range grad {
		g *= norm
		n.m1[i] = b1*n.m1[i] + (1-b1)*g
		n.m2[i] = b2*n.m2[i] + (1-b2)*g*g
		n.Dense[i] -= rate*(n.m1[i]/c1)/(sqrt(n.m2[i]/c2)+1e-7) + decay*n.Dense[i]
	}
}

// applyRows makes a step of Adagrad, with one sum of squares for each row, on
// those rows of the sample whose number is odd or even.
//
// ref: Duchi, Hazan and Singer 2011.
func (n *network) applyRows(p *pass, rate float32, half uint32) {
	W := n.o.Width
	for i := range len(p.first) - 1 {
		list := p.rows[p.first[i]:p.first[i+1]]
		if len(list) == 0 {
			continue
		}
		g := p.dx[(i+reach)*W:][:W]
		norm := scale(len(list))
		sq := vector.Dot(g, g) / float32(W) * norm * norm
		if sq == 0 {
			continue
		}
		for _, row := range list {
			if row&1 != half {
				continue
			}
			n.rowSq[row] += sq
			vector.Axpy(-rate*norm/(sqrt(n.rowSq[row])+1e-6), g, n.rows[int(row)*W:][:W])
		}
	}
}

// forgetUnseen clears the rows that no text has asked for: they say nothing.
func (n *network) forgetUnseen() {
	for row, sq := range n.rowSq {
		if sq == 0 {
			clear(n.rows[row*n.o.Width:][:n.o.Width])
		}
	}
}
