package train

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hark/classifier"
	"hark/classifier/fold"
)

// small are options with which a training takes a second.
func small(t *testing.T) Options {
	t.Helper()
	dir := t.TempDir()
	var own strings.Builder
	for _, a := range []string{"train", "bus", "tram", "ferry", "metro", "signal", "bridge", "road", "airport", "power"} {
		for _, b := range []string{"north", "south", "east", "west", "harbour", "centre", "hill", "valley", "market", "church", "school", "mill", "park", "lake", "mine", "farm", "tower", "gate", "wharf", "fair"} {
			own.WriteString("disruption\tno " + a + " at all near the " + b + " because of a fault\n")
			own.WriteString("disruption\tthe " + a + " to " + b + " does not run, delays of an hour\n")
			own.WriteString("-\ti like the " + a + " museum in " + b + ", go there\n")
			own.WriteString("-\ta lovely picture of the " + a + " near the " + b + " in spring\n")
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "disruption.en.txt"), []byte(own.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	o := Defaults()
	o.Corpus, o.Teachers = dir, 1
	o.Linear.Bits, o.Linear.Epochs = 12, 4
	o.Network.Bits, o.Network.Epochs, o.Network.Width, o.Network.Channels, o.Network.Hidden, o.Network.Batch = 10, 3, 16, 64, 64, 8
	return o
}

func build(t *testing.T, o Options) (*Trained, []byte) {
	t.Helper()
	got, err := Build(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := got.Model.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return got, b.Bytes()
}

// TestBuild: the same data and seed give the same bytes, another seed others; a
// training that goes on from checkpoints gives the same; and it has learned.
func TestBuild(t *testing.T) {
	o := small(t)
	got, first := build(t, o)
	_, again := build(t, o)
	if !bytes.Equal(first, again) {
		t.Error("the same training gives other weights")
	}
	kept := o
	kept.Checkpoints = t.TempDir()
	_, with := build(t, kept)
	files, err := filepath.Glob(filepath.Join(kept.Checkpoints, "*.gob"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%d checkpoints, %v", len(files), err)
	}
	_, resumed := build(t, kept)
	if !bytes.Equal(first, with) || !bytes.Equal(first, resumed) {
		t.Error("checkpoints change the weights")
	}
	if err := os.Remove(files[1]); err != nil {
		t.Fatal(err)
	}
	if _, resumed = build(t, kept); !bytes.Equal(first, resumed) {
		t.Error("going on in the middle changes the weights")
	}
	o.Seed++
	if _, other := build(t, o); bytes.Equal(first, other) {
		t.Error("another seed gives the same weights")
	}
	score := func(text string) float64 {
		out := got.Model.Score(fold.New(text))
		for k, l := range got.Model.Labels {
			if l == classifier.Disruption {
				return got.Model.Stacks[l].Join(float64(out.Linear[k]), float64(out.Network[k]), 0, "en")
			}
		}
		return math.NaN()
	}
	if p, n := score("no train at all near the orchard because of a fault"), score("a lovely picture of the orchard"); !(p > 0.8) || !(n < 0.2) {
		t.Errorf("it has learned little: %.2f and %.2f", p, n)
	}
}

// TestUnknownIsNotNegative: a label that is absent from an example teaches nothing.
func TestUnknownIsNotNegative(t *testing.T) {
	examples := []Example{{Text: "a", Labels: map[string]int{"hate": 1}}, {Text: "b", Labels: map[string]int{"threat": 0}}}
	samples, err := extract(t.Context(), examples, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []map[int]float32{{0: 1}, {2: 0}} {
		for k := range outputs {
			v, known := want[k]
			if (samples[i].weight[k] > 0) != known || known && samples[i].target[k] != v {
				t.Errorf("example %d, output %s: weight %v, target %v", i, outputs[k], samples[i].weight[k], samples[i].target[k])
			}
		}
	}
}

func TestContinue(t *testing.T) {
	got, _ := build(t, small(t))
	const text = "the funicular rests today"
	before := got.Model.Score(fold.New(text)).Linear[8]
	m, err := Continue(t.Context(), got.Model, []Example{{Text: text, Labels: map[string]int{classifier.Disruption: 1}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	after := m.Score(fold.New(text)).Linear[8]
	if outputs[8] != classifier.Disruption || after <= before {
		t.Errorf("a correction moved the score from %v to %v", before, after)
	}
	if m.Version() == got.Model.Version() || m.Card["continued from"] != got.Model.Version() {
		t.Errorf("version %s, card %v", m.Version(), m.Card)
	}
	if _, err := Continue(t.Context(), m, nil, nil); !errors.Is(err, ErrNoData) {
		t.Errorf("nothing to learn: %v", err)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := small(t)
	o.Progress = func(stage string, _, _ int) {
		if stage == "network" {
			cancel()
		}
	}
	if _, err := Build(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestMetrics(t *testing.T) {
	list := []Judged{{0.9, true}, {0.8, false}, {0.7, true}, {0.6, true}, {0.2, false}, {0.2, true}, {0.1, false}}
	for name, c := range map[string][2]float64{
		"AUROC": {AUROC(list), (3 + 2 + 2 + 1.5) / 12},
		"AUPRC": {AUPRC(list), (1 + 2.0/3 + 3.0/4 + 4.0/6) / 4},
	} {
		if math.Abs(c[0]-c[1]) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, c[0], c[1])
		}
	}
	o := Count(list, 0.6)
	if o != (Outcomes{TP: 3, FP: 1, FN: 1, TN: 2}) {
		t.Errorf("outcomes %+v", o)
	}
	if f := o.MacroF1(); math.Abs(f-(0.75+2.0/3)/2) > 1e-9 {
		t.Errorf("macro-F1 %v", f)
	}
	if at, m := BestThreshold(list); Count(list, at).MacroF1() != m || m < o.MacroF1() {
		t.Errorf("best threshold %v gives %v", at, m)
	}
	if !math.IsNaN(AUROC(list[:1])) {
		t.Error("an AUROC of one kind")
	}
	if e := CalibrationError([]Judged{{0.75, true}, {0.75, true}, {0.75, true}, {0.75, false}}); e > 1e-9 {
		t.Errorf("a calibrated score has error %v", e)
	}
	// 10 against 2 of 12 throws of a coin: 2·(1+12+66)/4096.
	if p := mcNemar(10, 2); math.Abs(p-2*79.0/4096) > 1e-9 {
		t.Errorf("McNemar %v", p)
	}
	if p := mcNemar(5, 5); p != 1 {
		t.Errorf("McNemar of an even split %v", p)
	}
}

func TestReadLines(t *testing.T) {
	got, err := ReadLines(strings.NewReader(`{"text":"[USER] is an idiot","labels":{"insult":1,"harass":0},"lang":"en","split":"train","source":"x"}`+"\n\n"), Filter{})
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	e := got[0]
	if e.Text != "@user is an idiot" || e.Labels["toxicity"] != 1 || e.Labels["harassment"] != 0 {
		t.Errorf("%+v", e)
	}
	if _, known := e.Labels["hate"]; known {
		t.Error("hate is known")
	}
	if _, err := ReadLines(strings.NewReader("{\n"), Filter{}); !errors.Is(err, ErrLine) {
		t.Errorf("a broken line: %v", err)
	}
}

// TestCorpus: the posts written for Hark can all be read, none is in two splits,
// and what is held out of the grammar is in no sentence that is learned.
func TestCorpus(t *testing.T) {
	all, err := OpenCorpus("../corpus").All()
	if err != nil {
		t.Fatal(err)
	}
	splits := map[string]string{}
	counts := map[string]int{}
	for _, e := range all {
		if have, ok := splits[e.Text]; ok && have != e.Split {
			t.Errorf("%q is of two splits", e.Text)
		}
		splits[e.Text] = e.Split
		counts[e.Source+" "+e.Split]++
		if strings.Contains(e.Text, "{PLURAL}") || strings.Contains(e.Text, "{X}") {
			t.Errorf("a slot is left open: %q", e.Text)
		}
	}
	for _, source := range []string{"breach", "functional", "neutral", "grammar"} {
		for _, split := range []string{Train, Test} {
			if counts[Own+"-"+source+" "+split] == 0 {
				t.Errorf("no %s of the split %s", source, split)
			}
		}
	}
}
