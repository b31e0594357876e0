package train

import (
	"encoding/gob"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
)

// checkpoint keeps finished parts of a training, so that one which was
// interrupted goes on where it was. Parts are found by a hash of the options and
// of all texts: what was learned from something else is never used.
type checkpoint struct {
	dir string // "" keeps nothing
	key uint64
}

func newCheckpoint(o Options, examples []Example) checkpoint {
	c := checkpoint{dir: o.Checkpoints}
	if c.dir == "" {
		return c
	}
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %q %+v %+v %d\n", o.Seed, o.Tiers, o.Linear, o.Network, o.Teachers) // a hash never fails
	for _, e := range examples {
		_, _ = fmt.Fprintf(h, "%q %v %q %q\n", e.Text, e.Labels, e.Lang, e.Split) // maps are printed in the order of their keys
	}
	c.key = h.Sum64()
	return c
}

func (c checkpoint) path(part string) string {
	return filepath.Join(c.dir, fmt.Sprintf("%s-%016x.gob", part, c.key))
}

// load fills to with a part that was kept; false: there is none that is usable.
func (c checkpoint) load(part string, to any) (bool, error) {
	if c.dir == "" {
		return false, nil
	}
	f, err := os.Open(c.path(part))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read checkpoint: %w", err)
	}
	err = gob.NewDecoder(f).Decode(to)
	if err := errors.Join(err, f.Close()); err != nil {
		return false, fmt.Errorf("read checkpoint %s: %w; remove it to train that part again", c.path(part), err)
	}
	return true, nil
}

// save keeps a part. It is whole or not there.
func (c checkpoint) save(part string, from any) (err error) {
	if c.dir == "" {
		return nil
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	f, err := os.CreateTemp(c.dir, ".part-*")
	if err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	if err := errors.Join(gob.NewEncoder(f).Encode(from), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write checkpoint: %w", err), os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), c.path(part))
}

// keptLinear and keptNetwork are what is kept of a part.
type (
	keptLinear struct {
		Weights []float32
		Bias    [Outputs]float32
		Origins [][Outputs]float32
	}
	keptNetwork struct {
		Dense, Rows []float32
		Origins     [][Outputs]float32
	}
)

// linear trains the linear model, or takes what was kept of it.
func (c checkpoint) linear(l *linear, train func() error) error {
	var kept keptLinear
	if ok, err := c.load("linear", &kept); err != nil || ok && len(kept.Weights) == len(l.weights) {
		l.weights, l.bias, l.origins = kept.Weights, kept.Bias, keptOrigins(kept.Origins)
		return err
	}
	if err := train(); err != nil {
		return err
	}
	return c.save("linear", keptLinear{l.weights, l.bias, l.origins.kept()})
}

// network trains a network, or takes what was kept of it.
func (c checkpoint) network(part string, n *network, train func() error) error {
	var kept keptNetwork
	ok, err := c.load(part, &kept)
	if err != nil {
		return err
	}
	if ok && len(kept.Dense) == len(n.Dense) && len(kept.Rows) == len(n.rows) {
		copy(n.Dense, kept.Dense)
		n.rows, n.origins = kept.Rows, keptOrigins(kept.Origins)
		return nil
	}
	if err := train(); err != nil {
		return err
	}
	return c.save(part, keptNetwork{n.Dense, n.rows, n.origins.kept()})
}
