//go:build transformer

package transformer

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"hark/classifier"
)

// message writes what ONNX files are made of.
//
// ref: https://protobuf.dev/programming-guides/encoding,
// https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
type message []byte

func (m *message) number(field int, v uint64) {
	*m = binary.AppendUvarint(binary.AppendUvarint(*m, uint64(field)<<3), v)
}

func (m *message) bytes(field int, b []byte) {
	*m = binary.AppendUvarint(binary.AppendUvarint(*m, uint64(field)<<3|2), uint64(len(b)))
	*m = append(*m, b...)
}

func (m *message) float(field int, v float32) {
	*m = binary.LittleEndian.AppendUint32(binary.AppendUvarint(*m, uint64(field)<<3|5), math.Float32bits(v))
}

// Kinds of numbers in ONNX.
const (
	kindFloat = 1
	kindInt64 = 7
)

func tensor(name string, dims []int, values ...float32) []byte {
	var m message
	for _, d := range dims {
		m.number(1, uint64(d))
	}
	m.number(2, kindFloat)
	m.bytes(8, []byte(name))
	var raw []byte
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	m.bytes(9, raw)
	return m
}

func integers(name string, values ...int64) []byte {
	var m message
	m.number(1, uint64(len(values)))
	m.number(2, kindInt64)
	m.bytes(8, []byte(name))
	var raw []byte
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	m.bytes(9, raw)
	return m
}

func scalar(name string, v int64) []byte {
	var m message
	m.number(2, kindInt64)
	m.bytes(8, []byte(name))
	m.bytes(9, binary.LittleEndian.AppendUint64(nil, uint64(v)))
	return m
}

// attribute is name=value of a node: an int, a list of ints or a float32.
func attribute(name string, value any) []byte {
	var m message
	m.bytes(1, []byte(name))
	switch v := value.(type) {
	case int:
		m.number(3, uint64(int64(v)))
		m.number(20, 2)
	case []int:
		for _, i := range v {
			m.number(8, uint64(int64(i)))
		}
		m.number(20, 7)
	case float32:
		m.float(2, v)
		m.number(20, 1)
	}
	return m
}

func node(op, out, in string, attributes ...[]byte) []byte {
	var m message
	for name := range strings.FieldsSeq(in) {
		m.bytes(1, []byte(name))
	}
	m.bytes(2, []byte(out))
	m.bytes(3, []byte(out+"/node"))
	m.bytes(4, []byte(op))
	for _, a := range attributes {
		m.bytes(5, a)
	}
	return m
}

// value declares an input or output; "" stands for any length.
func value(name string, kind int, dims ...any) []byte {
	var shape message
	for _, d := range dims {
		var dim message
		switch d := d.(type) {
		case int:
			dim.number(1, uint64(d))
		case string:
			dim.bytes(2, []byte(d))
		}
		shape.bytes(1, dim)
	}
	var typ, tensorType, m message
	tensorType.number(1, uint64(kind))
	tensorType.bytes(2, shape)
	typ.bytes(1, tensorType)
	m.bytes(1, []byte(name))
	m.bytes(2, typ)
	return m
}

// tinyModel is a transformer of one layer with one head of attention over the
// words of bertTokenizer, of which only "awful" is toxic, unless "good" stands
// beside it.
func tinyModel() []byte {
	const width, vocab = 4, 18
	embed := make([]float32, vocab*width)
	for id := range vocab {
		embed[id*width+2] = float32(id%3) / 10
	}
	embed[11*width] = 1  // awful
	embed[7*width+1] = 1 // good
	embed[2*width+3] = 1 // the special token in front, which looks for both
	unit := make([]float32, width*width)
	for i := range width {
		unit[i*width+i] = 1
	}
	query := append([]float32(nil), unit...)
	query[3*width], query[3*width+1], query[3*width+3] = 8, 8, 0
	var g message
	for _, n := range [][]byte{
		node("Gather", "x", "embed input_ids"),
		node("MatMul", "q", "x wq"),
		node("MatMul", "k", "x wk"),
		node("Transpose", "kt", "k", attribute("perm", []int{0, 2, 1})),
		node("MatMul", "scores", "q kt"),
		node("Cast", "seen", "attention_mask", attribute("to", kindFloat)),
		node("Sub", "unseen", "one seen"),
		node("Mul", "far", "unseen distance"),
		node("Unsqueeze", "far1", "far axis1"),
		node("Add", "masked", "scores far1"),
		node("Softmax", "alpha", "masked", attribute("axis", -1)),
		node("MatMul", "mixed", "alpha x"),
		node("Add", "layer", "x mixed"),
		node("Gather", "first", "layer zero", attribute("axis", 1)),
		node("Tanh", "pooled", "first"),
		node("Gemm", "logits", "pooled head bias", attribute("alpha", float32(1)), attribute("beta", float32(1))),
	} {
		g.bytes(1, n)
	}
	for _, t := range [][]byte{
		tensor("embed", []int{vocab, width}, embed...), tensor("wq", []int{width, width}, query...), tensor("wk", []int{width, width}, unit...),
		tensor("one", nil, 1), tensor("distance", nil, -1e4), integers("axis1", 1), scalar("zero", 0),
		tensor("head", []int{width, 2}, -12, 12, 12, -12, 0, 0, 0, 0), tensor("bias", []int{2}, 2, -2),
	} {
		g.bytes(5, t)
	}
	return whole(g)
}

// whole makes a model of a graph that lacks only its name, inputs and output.
func whole(g message) []byte {
	g.bytes(2, []byte("graph"))
	g.bytes(11, value("input_ids", kindInt64, "batch", "length"))
	g.bytes(11, value("attention_mask", kindInt64, "batch", "length"))
	g.bytes(12, value("logits", 1, "batch", 2))
	var set, m message
	set.bytes(1, nil)
	set.number(2, 13)
	m.number(1, 8)
	m.bytes(7, g)
	m.bytes(8, set)
	return m
}

func tiny(t testing.TB) *Model {
	t.Helper()
	m, err := Open(Options{Dir: folderOf(t, tinyConfig, bertTokenizer, tinyModel())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func TestModel(t *testing.T) {
	m := tiny(t)
	if !strings.HasPrefix(m.Version(), "transformer/tiny-model@") || len(m.Labels()) != 1 || m.Labels()[0] != classifier.Toxicity {
		t.Errorf("%s judges %v", m.Version(), m.Labels())
	}
	score := func(text string) float64 {
		p, err := m.Score(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		return p[classifier.Toxicity]
	}
	for text, toxic := range map[string]bool{
		"you are awful": true, "good morning": false, "you are an awful person": true, "": false, "good morning, awful good person": false,
	} {
		if p := score(text); p > 0.5 != toxic || p < 0 || p > 1 {
			t.Errorf("%q: %v", text, p)
		}
	}
	// What a text is filled up with does not count.
	short, err := m.scorer.(*runtime).score("you are awful")
	if err != nil {
		t.Fatal(err)
	}
	saved := lengths
	lengths = []int{64}
	long, err := m.scorer.(*runtime).score("you are awful")
	lengths = saved
	if err != nil || math.Abs(short[1]-long[1]) > 1e-5 {
		t.Errorf("%v filled up to 16, %v filled up to 64, %v", short, long, err)
	}
	for _, text := range []string{strings.Repeat("awful ", 50000), "\xff\xfe\x00", strings.Repeat("猫", 3000), strings.Repeat("x", 1<<20)} {
		score(text)
	}
}

// TestReviewByModel goes the whole way: a fast judge in doubt, and the second opinion.
func TestReviewByModel(t *testing.T) {
	m := tiny(t)
	doubt := []classifier.Score{{Label: classifier.Toxicity, Score: 0.45, Model: "model/1"}}
	for text, over := range map[string]bool{"you are awful": true, "good morning": false} {
		out, err := m.Review(context.Background(), text, doubt, "en")
		if err != nil || out[0].Over != over || !strings.Contains(out[0].Model, "+transformer/tiny-model@") {
			t.Errorf("%q: %+v, %v", text, out, err)
		}
	}
}

func TestConcurrently(t *testing.T) {
	m := tiny(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				if p, err := m.Score("you are awful"); err != nil || p[classifier.Toxicity] < 0.5 {
					t.Errorf("%v, %v", p, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestClosed(t *testing.T) {
	m := tiny(t)
	m.Close()
	if _, err := m.Score("text"); err == nil {
		t.Error("a closed model answers")
	}
}

// TestBadModels: what cannot be read is told, and nothing panics.
func TestBadModels(t *testing.T) {
	model := tinyModel()
	for name, b := range map[string][]byte{
		"garbage": []byte("garbage"), "cut": model[:len(model)/2],
		"another width": []byte(strings.Replace(string(model), "attention_mask", "attention_musk", -1)),
	} {
		if _, err := Open(Options{Dir: folderOf(t, tinyConfig, bertTokenizer, b)}); err == nil {
			t.Errorf("%s was opened", name)
		}
	}
	if _, err := Open(Options{Dir: folderOf(t, strings.Replace(tinyConfig, `"1":"toxic"`, `"1":"toxic","2":"x"`, 1), bertTokenizer, model)}); err == nil || !strings.Contains(err.Error(), "2 numbers") {
		t.Errorf("%v", err)
	}
}

func BenchmarkScore(b *testing.B) {
	m := tiny(b)
	for b.Loop() {
		if _, err := m.Score("you are awful"); err != nil {
			b.Fatal(err)
		}
	}
}

// layered is a model of the shape of MiniLM, with random weights: attention and
// two dense layers, again and again. Its one head is as wide as twelve narrow ones.
func layered(layers, width, vocab int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []float32 {
		out := make([]float32, n)
		for i := range out {
			out[i] = float32(r.NormFloat64()) * 0.05
		}
		return out
	}
	var g message
	add := func(b []byte) { g.bytes(1, b) }
	weights := func(name string, dims ...int) {
		n := 1
		for _, d := range dims {
			n *= d
		}
		g.bytes(5, tensor(name, dims, random(n)...))
	}
	weights("embed", vocab, width)
	add(node("Gather", "x0", "embed input_ids"))
	add(node("Cast", "seen", "attention_mask", attribute("to", kindFloat)))
	add(node("Sub", "unseen", "one seen"))
	add(node("Mul", "far", "unseen distance"))
	add(node("Unsqueeze", "far1", "far axis1"))
	g.bytes(5, tensor("one", nil, 1))
	g.bytes(5, tensor("distance", nil, -1e4))
	g.bytes(5, integers("axis1", 1))
	g.bytes(5, scalar("zero", 0))
	for l := range layers {
		name := func(s string) string { return fmt.Sprintf("%s%d", s, l) }
		for _, w := range []string{"wq", "wk", "wv", "wo"} {
			weights(name(w), width, width)
		}
		weights(name("up"), width, 4*width)
		weights(name("down"), 4*width, width)
		x := name("x")
		add(node("MatMul", name("q"), x+" "+name("wq")))
		add(node("MatMul", name("k"), x+" "+name("wk")))
		add(node("MatMul", name("v"), x+" "+name("wv")))
		add(node("Transpose", name("kt"), name("k"), attribute("perm", []int{0, 2, 1})))
		add(node("MatMul", name("scores"), name("q")+" "+name("kt")))
		add(node("Add", name("masked"), name("scores")+" far1"))
		add(node("Softmax", name("alpha"), name("masked"), attribute("axis", -1)))
		add(node("MatMul", name("mixed"), name("alpha")+" "+name("v")))
		add(node("MatMul", name("out"), name("mixed")+" "+name("wo")))
		add(node("Add", name("a"), x+" "+name("out")))
		add(node("MatMul", name("h"), name("a")+" "+name("up")))
		add(node("Relu", name("r"), name("h")))
		add(node("MatMul", name("d"), name("r")+" "+name("down")))
		add(node("Add", fmt.Sprintf("x%d", l+1), name("a")+" "+name("d")))
	}
	weights("head", width, 2)
	weights("bias", 2)
	add(node("Gather", "first", fmt.Sprintf("x%d zero", layers), attribute("axis", 1)))
	add(node("Tanh", "pooled", "first"))
	add(node("Gemm", "logits", "pooled head bias", attribute("alpha", float32(1)), attribute("beta", float32(1))))
	return whole(g)
}

// BenchmarkMiniLM is what a post of some forty words costs with a model of the
// size of MiniLM (6 layers of 384).
func BenchmarkMiniLM(b *testing.B) {
	m, err := Open(Options{Dir: folderOf(b, tinyConfig, bertTokenizer, layered(6, 384, 30522))})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(m.Close)
	text := strings.Repeat("you are an awful person, good morning ", 7)
	for b.Loop() {
		if _, err := m.Score(text); err != nil {
			b.Fatal(err)
		}
	}
}
