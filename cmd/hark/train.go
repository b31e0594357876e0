package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hark/classifier/builtin"
	"hark/classifier/model"
	"hark/classifier/rules"
	"hark/classifier/train"
)

type trainFlags struct {
	data, corpus, tier, out, checkpoints, from string
	add                                        []string
	seed                                       uint64
	teachers                                   int
	force                                      bool
}

func (p *program) trainCommand() *cobra.Command {
	d := train.Defaults()
	f := trainFlags{}
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Make weights for the classifier from labelled texts",
		Long: `Train makes a file of weights, which [classifier] model names.

With --data it learns everything anew, from a folder of *.jsonl.gz with lines
{"text":"…","labels":{"hate":1},"lang":"en","split":"train","source":"…"} and
from the posts of --corpus; a label that is absent is unknown. The same data,
options and seed give the same weights. It takes some minutes on two cores and
1.5 GiB of memory; what is finished is kept in --checkpoints, if you name a
folder, and an interrupted training that is started again goes on there.

With --add alone the weights of --from, or the built-in ones, learn what the
lines of these files correct, as "hark feedback export" writes them.`,
		Example: `  hark train --data data/classifier --corpus classifier/corpus --out weights.bin
  hark feedback export > wrong.jsonl && hark train --add wrong.jsonl --out weights.bin`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.train(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.data, "data", "", "`folder` of labelled texts")
	flags.StringVar(&f.corpus, "corpus", "", "`folder` of posts written for Hark")
	flags.StringVar(&f.tier, "tier", d.Tiers, "licence `tiers` of the data to learn from: first letters of the files' names")
	flags.StringVar(&f.out, "out", "hark-weights.bin", "`file` to write")
	flags.BoolVar(&f.force, "force", false, "write over an existing file")
	flags.StringVar(&f.checkpoints, "checkpoints", "", "`folder` in which finished parts are kept")
	flags.StringVar(&f.from, "from", "", "`file` of weights to continue from, with --add alone")
	flags.StringArrayVar(&f.add, "add", nil, "`file` of further lines, may be given more than once")
	flags.Uint64Var(&f.seed, "seed", d.Seed, "of the random numbers")
	flags.IntVar(&f.teachers, "teachers", d.Teachers, "how many larger networks the network learns from; 0 for none, which is quicker and worse")
	return cmd
}

func (p *program) train(ctx context.Context, f trainFlags) error {
	if f.data == "" && f.corpus == "" && len(f.add) == 0 {
		return errors.New("nothing to learn from: name a folder with --data or files with --add")
	}
	if _, err := os.Stat(f.out); err == nil && !f.force {
		return fmt.Errorf("%s exists: give --force to write over it, or another --out", f.out)
	}
	var add []train.Example
	for _, file := range f.add {
		got, err := readExamples(file)
		if err != nil {
			return err
		}
		add = append(add, got...)
	}
	started := time.Now()
	var m *model.Model
	if f.data == "" && f.corpus == "" {
		base, err := loadModel(f.from)
		if err != nil {
			return err
		}
		if m, err = train.Continue(ctx, base, add, p.stages().show("corrections")); err != nil {
			return err
		}
	} else {
		written, err := rules.New()
		if err != nil {
			return err
		}
		o := train.Defaults()
		o.Data, o.Corpus, o.Tiers, o.Seed, o.Teachers = f.data, f.corpus, strings.ToUpper(f.tier), f.seed, f.teachers
		o.Rules, o.Add, o.Checkpoints = written, add, f.checkpoints
		s := p.stages()
		o.Progress = func(stage string, done, total int) { s.show(stage)(done, total) }
		got, err := train.Build(ctx, o)
		s.end()
		if err != nil {
			return err
		}
		m = got.Model
	}
	if err := writeModel(f.out, m); err != nil {
		return err
	}
	return p.printf("%s\nwritten to %s after %s\n", m.Describe(), f.out, time.Since(started).Round(time.Second))
}

// stages shows the progress of one stage after the other.
type stages struct {
	p    *program
	name string
	bar  *progress
}

func (p *program) stages() *stages { return &stages{p: p, bar: &progress{}} }

func (s *stages) show(name string) func(done, total int) {
	return func(done, total int) {
		if name != s.name {
			s.end()
			s.name, s.bar = name, s.p.progress(name, int64(total))
		}
		s.bar.set(int64(done))
	}
}

func (s *stages) end() { s.bar.done() }

// loadModel reads weights; "" stands for the built-in ones.
func loadModel(file string) (*model.Model, error) {
	if file == "" {
		return builtin.Weights()
	}
	return builtin.ReadWeights(file)
}

// writeModel writes beside the file first, so that a full disk leaves the old one.
func writeModel(file string, m *model.Model) (err error) {
	w, err := os.CreateTemp(filepath.Dir(file), ".hark-weights-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(w.Name()))
		}
	}()
	if _, err := m.WriteTo(w); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", file, err), w.Close())
	}
	if err := errors.Join(w.Chmod(0o644), w.Sync(), w.Close()); err != nil {
		return err
	}
	return os.Rename(w.Name(), file)
}

func readExamples(file string) (out []train.Example, err error) {
	r, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	got, err := train.ReadLines(r, train.Filter{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return got, nil
}
