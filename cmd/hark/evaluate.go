package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"hark/classifier"
	"hark/classifier/builtin"
	"hark/classifier/train"
)

type evaluateFlags struct {
	data, corpus            []string
	split, model, against   string
	tier, by, source, wrong string
	rules, untagged         bool
	asJSON, about           bool
}

func (p *program) evaluateCommand() *cobra.Command {
	f := evaluateFlags{}
	cmd := &cobra.Command{
		Use:   "evaluate",
		Short: "Measure a classifier on labelled texts, or compare two",
		Long: `Evaluate judges labelled texts and prints, for each label, precision, recall,
F1, macro-F1 (the mean of the F1 of the texts with the label and of those
without), the false positive rate, AUROC, AUPRC and the calibration error. A
label that a text does not tell of is left out. "tuned" is the macro-F1 at the
threshold that is best on the split dev of the same source.

With --against it compares two models text by text, with McNemar's test.`,
		Example: `  hark evaluate --data data/classifier
  hark evaluate --data data/classifier --by source,lang --json
  hark evaluate --data posts.jsonl --split '' --model new.bin --against ''
  hark evaluate --corpus classifier/corpus --wrong hate:fp
  hark evaluate --about`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.evaluate(cmd.Context(), f, cmd.Flags().Changed("against"))
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.data, "data", nil, "`folder` of *.jsonl.gz, or a file of JSON Lines; may be given more than once")
	flags.StringArrayVar(&f.corpus, "corpus", nil, "`folder` of posts written for Hark")
	flags.StringVar(&f.split, "split", train.Test, "train, dev or test; empty for all")
	flags.StringVar(&f.tier, "tier", "", "only files whose names begin with one of these `letters`")
	flags.StringVar(&f.source, "source", "", "only texts of this `source`")
	flags.StringVar(&f.by, "by", "source", "part the figures by source, lang, or both: source,lang; empty for none")
	flags.StringVar(&f.model, "model", "", "`file` of weights; empty for the built-in ones")
	flags.StringVar(&f.against, "against", "", "`file` of other weights to compare with; empty for the built-in ones")
	flags.BoolVar(&f.rules, "only-rules", false, "judge by the rules alone")
	flags.BoolVar(&f.untagged, "untagged", false, "do not tell the classifier the language of the texts")
	flags.StringVar(&f.wrong, "wrong", "", "print what is judged wrongly, as `label:fp` or label:fn")
	flags.BoolVar(&f.about, "about", false, "say what the model is, and judge nothing")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	return cmd
}

func (p *program) evaluate(ctx context.Context, f evaluateFlags, compare bool) error {
	if f.about {
		return p.printCard(f)
	}
	examples, err := f.read(ctx, f.split)
	if err != nil {
		return err
	}
	judge, err := f.judge(f.model)
	if err != nil {
		return err
	}
	s := p.stages()
	defer s.end()
	verdicts, err := train.Judge(ctx, judge, examples, f.untagged, s.show("judge"))
	if err != nil {
		return err
	}
	if compare {
		other, err := f.judge(f.against)
		if err != nil {
			return err
		}
		second, err := train.Judge(ctx, other, examples, f.untagged, s.show("judge again"))
		if err != nil {
			return err
		}
		s.end()
		return p.printComparison(train.Compare(examples, verdicts, second), f.asJSON)
	}
	if f.wrong != "" {
		s.end()
		return p.printWrong(examples, verdicts, f.wrong, f.asJSON)
	}
	var tune []train.Example
	var tuned []train.Verdict
	if f.split == train.Test {
		if tune, err = f.read(ctx, train.Dev); err != nil && !errors.Is(err, train.ErrNoData) {
			return err
		}
		if tuned, err = train.Judge(ctx, judge, tune, f.untagged, s.show("thresholds")); err != nil {
			return err
		}
	}
	s.end()
	return p.printFigures(train.Measure(examples, verdicts, tune, tuned), f)
}

// read reads what is to be judged.
func (f evaluateFlags) read(ctx context.Context, split string) ([]train.Example, error) {
	var all []train.Example
	for _, name := range f.data {
		var got []train.Example
		var err error
		if filepath.Ext(name) == ".jsonl" {
			if got, err = readExamples(name); err == nil {
				got = ofSplit(got, split)
			}
		} else {
			got, err = train.ReadPublic(ctx, name, train.Filter{Tiers: f.tier, Split: split})
		}
		if err != nil {
			return nil, err
		}
		all = append(all, got...)
	}
	for _, dir := range f.corpus {
		got, err := train.OpenCorpus(dir).All()
		if err != nil {
			return nil, err
		}
		all = append(all, ofSplit(got, split)...)
	}
	if f.source != "" {
		kept := all[:0]
		for _, e := range all {
			if e.Source == f.source {
				kept = append(kept, e)
			}
		}
		all = kept
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: give a folder or a file with --data or --corpus that has texts of the split %q", train.ErrNoData, split)
	}
	return all, nil
}

func ofSplit(list []train.Example, split string) []train.Example {
	if split == "" {
		return list
	}
	var out []train.Example
	for _, e := range list {
		if e.Split == split {
			out = append(out, e)
		}
	}
	return out
}

func (f evaluateFlags) judge(file string) (classifier.Classifier, error) {
	o := builtin.Options{OnlyRules: f.rules, All: true}
	if file != "" {
		m, err := loadModel(file)
		if err != nil {
			return nil, err
		}
		o.Model = m
	}
	return builtin.New(o)
}

func (p *program) printFigures(list []train.Figures, f evaluateFlags) error {
	var kept []train.Figures
	for _, g := range list {
		bySource, byLang := g.Source != "", g.Lang != ""
		switch {
		case !bySource && !byLang,
			bySource && !byLang && (f.by == "source" || f.by == "source,lang"),
			!bySource && byLang && (f.by == "lang" || f.by == "source,lang"),
			bySource && byLang && f.by == "source,lang":
			kept = append(kept, g)
		}
	}
	if f.asJSON {
		return p.printJSON(kept)
	}
	t := tabwriter.NewWriter(p.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "LABEL\tSOURCE\tLANG\tWITH\tWITHOUT\tPRECISION\tRECALL\tF1\tMACRO-F1\tTUNED\tFALSE\tAUROC\tAUPRC\tCALIBRATION")
	number := func(v *float64) string {
		if v == nil {
			return "-"
		}
		return fmt.Sprintf("%.3f", *v)
	}
	for _, g := range kept {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%.3f\t%.3f\t%.3f\t%.3f\t%s\t%.4f\t%s\t%s\t%s\n", g.Label, cmp.Or(g.Source, "all"), cmp.Or(g.Lang, "all"),
			g.Positive, g.Negative, g.Precision, g.Recall, g.F1, g.MacroF1, number(g.TunedF1), g.FPR, number(g.AUROC), number(g.AUPRC), number(g.ECE))
	}
	return t.Flush()
}

func (p *program) printComparison(list []train.Comparison, asJSON bool) error {
	if asJSON {
		return p.printJSON(list)
	}
	t := tabwriter.NewWriter(p.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "LABEL\tBOTH RIGHT\tONLY FIRST\tONLY SECOND\tBOTH WRONG\tP")
	for _, c := range list {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%.2g\n", c.Label, c.Both, c.OnlyFirst, c.OnlyOther, c.Neither, c.P)
	}
	return t.Flush()
}

// printWrong prints the texts that are judged wrongly, the surest first.
func (p *program) printWrong(examples []train.Example, verdicts []train.Verdict, what string, asJSON bool) error {
	wrong, err := train.Wrong(examples, verdicts, what)
	if err != nil {
		return err
	}
	for _, w := range wrong {
		if asJSON {
			b, err := json.Marshal(w)
			if err != nil {
				return err
			}
			if err := p.printf("%s\n", b); err != nil {
				return err
			}
			continue
		}
		if err := p.printf("%.2f  %s  %s  %s\n", w.Score, w.Source, w.Lang, cleanLine(w.Text)); err != nil {
			return err
		}
	}
	return nil
}

// printCard says what the model is: its size, the card that training gave it and
// the scores from which on it gives labels.
func (p *program) printCard(f evaluateFlags) error {
	m, err := builtin.Weights()
	if f.model != "" {
		m, err = loadModel(f.model)
	}
	if err != nil {
		return err
	}
	if f.asJSON {
		return p.printJSON(struct {
			Version    string                        `json:"version"`
			Card       map[string]string             `json:"card"`
			Thresholds map[string]map[string]float64 `json:"thresholds"`
		}{m.Version(), m.Card, m.Thresholds})
	}
	t := tabwriter.NewWriter(p.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, m.Describe())
	for _, k := range slices.Sorted(maps.Keys(m.Card)) {
		fmt.Fprintf(t, "%s\t%s\n", k, m.Card[k])
	}
	for _, label := range slices.Sorted(maps.Keys(m.Thresholds)) {
		var parts []string
		for _, lang := range slices.Sorted(maps.Keys(m.Thresholds[label])) {
			parts = append(parts, fmt.Sprintf("%s %.2f", cmp.Or(lang, "all"), m.Thresholds[label][lang]))
		}
		fmt.Fprintf(t, "%s from\t%s\n", label, strings.Join(parts, ", "))
	}
	return t.Flush()
}

// printJSON prints a value as indented JSON.
func (p *program) printJSON(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return p.printf("%s\n", b)
}
