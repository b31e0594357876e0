//go:build transformer

package transformer

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"sync"

	"github.com/gomlx/gomlx/backends"
	_ "github.com/gomlx/gomlx/backends/simplego" // the backend in Go
	"github.com/gomlx/gomlx/pkg/core/graph"
	"github.com/gomlx/gomlx/pkg/core/tensors"
	"github.com/gomlx/gomlx/pkg/ml/context"
	"github.com/gomlx/onnx-gomlx/onnx"
)

// lengths are those that texts are filled up to: the runtime keeps a program for
// each, so that there must not be many.
var lengths = []int{16, 32, 64, 128, 256, 512}

// runtime runs a model one text at a time.
type runtime struct {
	folder    *folder
	tokenizer *tokenizer
	inputs    []string
	backend   backends.Backend
	ctx       *context.Context

	mu     sync.Mutex // the runtime uses all cores for one text
	exec   *context.Exec
	closed bool
}

func newScorer(f *folder) (s scorer, err error) {
	// The libraries panic on models that they cannot read.
	defer func() {
		if p := recover(); p != nil {
			s, err = nil, fmt.Errorf("%s: %v", f.onnx, p)
		}
	}()
	r := &runtime{folder: f}
	if r.tokenizer, err = parseTokenizer(f.tokenizer); err != nil {
		return nil, err
	}
	f.tokenizer = nil
	b, err := readBounded(f.onnx, maxModel)
	if err != nil {
		return nil, err
	}
	model, err := onnx.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.onnx, err)
	}
	if err := external(filepath.Dir(f.onnx), model); err != nil {
		return nil, err
	}
	names, _ := model.Inputs()
	for _, name := range names {
		switch name {
		case "input_ids", "attention_mask", "token_type_ids":
		default:
			return nil, fmt.Errorf("%s wants the input %q: it is no model for text classification", f.onnx, name)
		}
	}
	r.inputs = names
	outputs, shapes := model.Outputs()
	if len(outputs) == 0 || shapes[0].Rank() != 2 {
		return nil, fmt.Errorf("%s: its first output is not one row of numbers for each text", f.onnx)
	}
	if n := shapes[0].Dimensions[1]; n > 0 && n != len(f.labels) {
		return nil, fmt.Errorf("%s gives %d numbers and config.json names %d labels", f.onnx, n, len(f.labels))
	}
	r.ctx = context.New().Reuse()
	if err := model.VariablesToContext(r.ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", f.onnx, err)
	}
	if r.backend, err = backends.NewWithConfig("go"); err != nil {
		return nil, fmt.Errorf("runtime: %w", err)
	}
	r.exec, err = context.NewExec(r.backend, r.ctx, func(ctx *context.Context, in []*graph.Node) []*graph.Node {
		given := map[string]*graph.Node{}
		for i, name := range r.inputs {
			given[name] = in[i]
		}
		return model.CallGraph(ctx, in[0].Graph(), given, outputs[0])
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.onnx, err)
	}
	r.exec.SetMaxCache(len(lengths))
	// A first text shows whether the model runs, and has the runtime ready.
	if _, err := r.score("Hello"); err != nil {
		return nil, err
	}
	return r, nil
}

// external reads weights that lie in files beside the model.
func external(dir string, model *onnx.Model) error {
	files := map[string][]byte{}
	for _, t := range model.Proto.Graph.Initializer {
		if t.DataLocation != 1 {
			continue
		}
		var name string
		from, length := int64(0), int64(-1)
		for _, e := range t.ExternalData {
			switch e.Key {
			case "location":
				name = e.Value
			case "offset":
				if _, err := fmt.Sscan(e.Value, &from); err != nil {
					return fmt.Errorf("weights of %s: %w", t.Name, err)
				}
			case "length":
				if _, err := fmt.Sscan(e.Value, &length); err != nil {
					return fmt.Errorf("weights of %s: %w", t.Name, err)
				}
			}
		}
		if !filepath.IsLocal(name) {
			return fmt.Errorf("weights of %s lie outside the folder: %q", t.Name, name)
		}
		b, ok := files[name]
		if !ok {
			var err error
			if b, err = readBounded(filepath.Join(dir, name), maxModel); err != nil {
				return err
			}
			files[name] = b
		}
		if length < 0 {
			length = int64(len(b)) - from
		}
		if from < 0 || length < 0 || from > int64(len(b)) || length > int64(len(b))-from {
			return fmt.Errorf("weights of %s: %s is too short", t.Name, name)
		}
		t.RawData = b[from : from+length]
	}
	return nil
}

// errClosed is returned after close.
var errClosed = errors.New("the model is closed")

func (r *runtime) score(text string) (p []float64, err error) {
	ids := r.tokenizer.encode(text, r.folder.maxTokens)
	if len(ids) == 0 {
		ids = []int64{int64(r.folder.pad)}
	}
	length := r.folder.maxTokens
	for _, n := range lengths {
		if n >= len(ids) {
			length = min(length, n)
			break
		}
	}
	length = max(length, len(ids))
	tokens, mask, kinds := make([]int64, length), make([]int64, length), make([]int64, length)
	for i := range tokens {
		tokens[i] = int64(r.folder.pad)
		if i < len(ids) {
			tokens[i], mask[i] = ids[i], 1
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errClosed
	}
	defer func() {
		if x := recover(); x != nil {
			p, err = nil, fmt.Errorf("%s: %v", r.folder.onnx, x)
		}
	}()
	var in []any
	for _, name := range r.inputs {
		flat := tokens
		switch name {
		case "attention_mask":
			flat = mask
		case "token_type_ids":
			flat = kinds
		}
		t := tensors.FromFlatDataAndDimensions(flat, 1, length)
		defer t.FinalizeAll() //nolint:errcheck // memory only
		in = append(in, t)
	}
	out, err := r.exec.Exec(in...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.folder.onnx, err)
	}
	for _, t := range out {
		defer t.FinalizeAll() //nolint:errcheck // memory only
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s gives nothing", r.folder.onnx)
	}
	var logits []float64
	if err := tensors.ConstFlatData(out[0], func(flat []float32) {
		for _, v := range flat {
			logits = append(logits, float64(v))
		}
	}); err != nil {
		return nil, fmt.Errorf("%s: %w", r.folder.onnx, err)
	}
	if len(logits) != len(r.folder.labels) {
		return nil, fmt.Errorf("%s gives %d numbers and config.json names %d labels", r.folder.onnx, len(logits), len(r.folder.labels))
	}
	for _, v := range logits {
		if math.IsNaN(v) {
			return nil, fmt.Errorf("%s gives no number", r.folder.onnx)
		}
	}
	return probabilities(logits, r.folder.multi), nil
}

func (r *runtime) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed = true
		r.exec.Finalize()
		r.ctx.Finalize()
		r.backend.Finalize()
	}
}
