package model

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/klauspost/compress/zstd"

	"hark/classifier/feature"
	"hark/classifier/vector"
)

// magic begins a file of weights; its last byte is the version of the form.
var magic = []byte("HARKMDL\x01")

// Limits of a file.
const (
	maxHeader = 1 << 20
	maxBits   = 20
	maxSize   = 512 // of Width, Channels and Hidden
)

// ErrFormat is returned when a file is no model, is damaged, or is made for
// another version of the features.
var ErrFormat = errors.New("not a usable model")

// Quantise makes a Model of weights in full precision: linear [1<<LinearBits][Outputs],
// rows [1<<RowBits][Width], and a network. Scales, checksum and version are set.
// The weights are scaled by the largest: clipping costs more than it gains.
func Quantise(h Header, linear, rows []float32, net Net) *Model {
	h.Features = feature.Version
	h.Size = net.Shape
	m := &Model{Header: h, linear: make([]int8, len(linear)), rows: make([]int8, len(rows)), net: net}
	for k := range Outputs {
		var top float32
		for i := k; i < len(linear); i += Outputs {
			top = max(top, linear[i], -linear[i])
		}
		m.LinearScale[k] = top / 127
		if top == 0 || h.Labels[k] == "" {
			continue
		}
		for i := k; i < len(linear); i += Outputs {
			m.linear[i] = quantum(linear[i], m.LinearScale[k])
		}
	}
	var top float32
	for _, v := range rows {
		top = max(top, v, -v)
	}
	m.RowScale = top / 127
	if top > 0 {
		for i, v := range rows {
			m.rows[i] = quantum(v, m.RowScale)
		}
	}
	m.seal()
	return m
}

func quantum(v, scale float32) int8 { return int8(math.RoundToEven(float64(v / scale))) }

// seal computes the version from the content.
func (m *Model) seal() {
	var b bytes.Buffer
	_ = m.write(&b) // a Buffer never returns an error
	m.version = fmt.Sprintf("model/%08x", crc32.ChecksumIEEE(b.Bytes()))
}

// With returns the same weights under another header's stacks, thresholds and card.
func (m *Model) With(stacks map[string]Stack, thresholds map[string]map[string]float64, card map[string]string) *Model {
	c := &Model{Header: m.Header, linear: m.linear, rows: m.rows, net: m.net}
	c.Stacks, c.Thresholds, c.Card = stacks, thresholds, card
	c.seal()
	return c
}

// WriteTo writes the model as a file: what write writes and its checksum, as
// Zstandard.
//
// ref: RFC 8878
func (m *Model) WriteTo(w io.Writer) (int64, error) {
	var b bytes.Buffer
	if err := m.write(&b); err != nil {
		return 0, err
	}
	var sum [4]byte
	binary.LittleEndian.PutUint32(sum[:], crc32.ChecksumIEEE(b.Bytes()))
	b.Write(sum[:])
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return 0, fmt.Errorf("write model: %w", err)
	}
	n, err := w.Write(z.EncodeAll(b.Bytes(), nil))
	return int64(n), errors.Join(err, z.Close())
}

func (m *Model) write(b *bytes.Buffer) error {
	head, err := json.Marshal(m.Header)
	if err != nil {
		return fmt.Errorf("write model: %w", err)
	}
	b.Write(magic)
	var n [4]byte
	binary.LittleEndian.PutUint32(n[:], uint32(len(head)))
	b.Write(n[:])
	b.Write(head)
	// Numbers of one kind side by side pack better than in the order of use.
	for k := range Outputs {
		for i := k; i < len(m.linear); i += Outputs {
			b.WriteByte(byte(m.linear[i]))
		}
	}
	b.Write(bytesOf(m.rows))
	for _, v := range m.net.Dense {
		binary.LittleEndian.PutUint32(n[:], math.Float32bits(v))
		b.Write(n[:])
	}
	return nil
}

// maxUnpacked bounds what a file holds, in bytes.
const maxUnpacked = 128 << 20

// Parse reads a file of weights. The model does not keep b.
func Parse(b []byte) (*Model, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxUnpacked))
	if err != nil {
		return nil, fmt.Errorf("read model: %w", err)
	}
	defer z.Close()
	if b, err = z.DecodeAll(b, nil); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return parse(b)
}

func parse(b []byte) (*Model, error) {
	if len(b) < len(magic)+8 || !bytes.Equal(b[:len(magic)], magic) {
		return nil, fmt.Errorf("%w: it does not begin as one", ErrFormat)
	}
	body := b[:len(b)-4]
	sum := crc32.ChecksumIEEE(body)
	if sum != binary.LittleEndian.Uint32(b[len(b)-4:]) {
		return nil, fmt.Errorf("%w: its checksum is wrong", ErrFormat)
	}
	m := &Model{version: fmt.Sprintf("model/%08x", sum)}
	b = body[len(magic):]
	n := int64(binary.LittleEndian.Uint32(b))
	b = b[4:]
	if n > maxHeader || n > int64(len(b)) {
		return nil, fmt.Errorf("%w: its header is too long", ErrFormat)
	}
	if err := json.Unmarshal(b[:n], &m.Header); err != nil {
		return nil, fmt.Errorf("%w: its header: %w", ErrFormat, err)
	}
	b = b[n:]
	s := m.Size
	switch {
	case m.Features != feature.Version:
		return nil, fmt.Errorf("%w: it is made for version %d of the features, this is version %d: train it again", ErrFormat, m.Features, feature.Version)
	case m.LinearBits < 4 || m.LinearBits > maxBits || m.RowBits < 4 || m.RowBits > maxBits,
		s.Width < vector.Block || s.Width > maxSize || s.Width%vector.Block != 0,
		s.Channels < 1 || s.Channels > maxSize || s.Channels%vector.Columns != 0,
		s.Hidden < 1 || s.Hidden > maxSize || s.Hidden%vector.Columns != 0:
		return nil, fmt.Errorf("%w: its sizes are out of range", ErrFormat)
	case len(b) != Outputs<<m.LinearBits+s.Width<<m.RowBits+4*s.size():
		return nil, fmt.Errorf("%w: it has %d bytes of weights", ErrFormat, len(b))
	}
	m.linear = make([]int8, Outputs<<m.LinearBits)
	for k := range Outputs {
		column := b[k<<m.LinearBits:][:1<<m.LinearBits]
		for i, v := range column {
			m.linear[i*Outputs+k] = int8(v)
		}
	}
	b = b[Outputs<<m.LinearBits:]
	m.rows, b = int8sOf(b, s.Width<<m.RowBits)
	dense := make([]float32, s.size())
	for i := range dense {
		dense[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	m.net = netOf(s, dense)
	return m, nil
}

func bytesOf(v []int8) []byte {
	b := make([]byte, len(v))
	for i, x := range v {
		b[i] = byte(x)
	}
	return b
}

func int8sOf(b []byte, n int) ([]int8, []byte) {
	v := make([]int8, n)
	for i := range v {
		v[i] = int8(b[i])
	}
	return v, b[n:]
}

// LinearWeights are the linear model's weights in full, [1<<LinearBits][Outputs].
func (m *Model) LinearWeights() []float32 {
	out := make([]float32, len(m.linear))
	for i, v := range m.linear {
		out[i] = float32(v) * m.LinearScale[i%Outputs]
	}
	return out
}

// WithLinear returns the model with other weights of its linear part.
func (m *Model) WithLinear(weights []float32, bias [Outputs]float32, card map[string]string) *Model {
	h := m.Header
	h.LinearBias, h.Card = bias, card
	c := Quantise(h, weights, nil, m.net)
	c.rows, c.RowScale = m.rows, m.RowScale
	c.seal()
	return c
}
