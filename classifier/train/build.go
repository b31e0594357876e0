package train

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"hark/classifier"
	"hark/classifier/fold"
	"hark/classifier/model"
)

// Options are what Build works with. The zero value of a size or a rate stands
// for the default.
type Options struct {
	Data    string // folder of *.jsonl.gz; "" for none
	Tiers   string // of the data; "" for "AB"
	Corpus  string // folder of the posts written for Hark; "" for none
	Add     []Example
	Rules   classifier.Judge // asked beside the model; nil for none
	Seed    uint64
	Linear  LinearOptions
	Network NetworkOptions
	// Checkpoints is a folder in which finished parts are kept, to go on from
	// after an interruption; "" for none.
	Checkpoints string
	// Teachers is how many larger networks the network learns from; negative for none.
	Teachers int
	// Progress is told of the stage, and of how much of it is done.
	Progress func(stage string, done, total int)
}

// Defaults are the options that the shipped weights are trained with.
func Defaults() Options {
	return Options{
		Tiers: "AB", Seed: 1,
		Linear: LinearOptions{Bits: 20, Epochs: 8, Rate: 0.2, Mask: 0.5, Drop: 0.2, Origin: 0.5},
		Network: NetworkOptions{
			Bits: 18, Width: 48, Channels: 64, Hidden: 128, Epochs: 3, Batch: 32, Rate: 0.05, Dense: 1e-3, Decay: 1e-2,
			Mask: 0.5, Drop: 0.1, DropRow: 0.3, DropUnit: 0.5, Origin: 0.2,
		},
		Teachers: 2,
	}
}

// Trained is a model and what it was fitted with.
type Trained struct {
	Model *model.Model
	Train int // texts
	Dev   int
}

// Build trains a model. It is deterministic given the data and the options, on
// one architecture and whether or not its vectors are accelerated.
func Build(ctx context.Context, o Options) (*Trained, error) {
	b := &builder{o: o}
	if err := b.read(ctx); err != nil {
		return nil, err
	}
	linear, net, err := b.learn(ctx)
	if err != nil {
		return nil, err
	}
	var h model.Header
	for k, name := range outputs {
		if slices.Contains(classifier.Labels, name) {
			h.Labels[k] = name
		}
	}
	h.LinearBits, h.LinearBias, h.RowBits = linear.bits, linear.bias, net.o.Bits
	m := model.Quantise(h, linear.weights, net.rows, net.Net)
	stacks, thresholds := b.calibrate(m)
	return &Trained{Model: m.With(stacks, thresholds, b.card()), Train: len(b.train), Dev: len(b.dev)}, nil
}

type builder struct {
	o          Options
	train, dev []sample
	devTexts   []Example
	sources    map[string]int
	kept       checkpoint
}

func (b *builder) stage(name string) func(done, total int) {
	return func(done, total int) {
		if b.o.Progress != nil {
			b.o.Progress(name, done, total)
		}
	}
}

// read reads all data and extracts its features.
func (b *builder) read(ctx context.Context) error {
	b.stage("read")(0, 1)
	var examples []Example
	if b.o.Data != "" {
		tiers := b.o.Tiers
		if tiers == "" {
			tiers = "AB"
		}
		got, err := ReadPublic(ctx, b.o.Data, Filter{Tiers: tiers})
		if err != nil {
			return err
		}
		examples = got
	}
	if b.o.Corpus != "" {
		own, err := OpenCorpus(b.o.Corpus).All()
		if err != nil {
			return err
		}
		examples = append(examples, own...)
	}
	examples = append(examples, b.o.Add...)
	if len(examples) == 0 {
		return ErrNoData
	}
	var learn []Example
	b.sources = map[string]int{}
	for _, e := range examples {
		switch {
		case e.Split == Test:
		case e.Split == Dev || strings.HasPrefix(e.Source, Own) && tenth(e.Text):
			b.devTexts = append(b.devTexts, e)
		default:
			learn = append(learn, e)
			b.sources[e.Source]++
		}
	}
	b.kept = newCheckpoint(b.o, examples)
	var err error
	if b.train, err = extract(ctx, learn, b.weigh); err != nil {
		return err
	}
	b.dev, err = extract(ctx, b.devTexts, b.weigh)
	b.stage("read")(1, 1)
	return err
}

// tenth takes one in ten of the texts written for Hark away from learning, for
// calibration.
func tenth(text string) bool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(text)) // hash.Hash never returns an error.
	return (h.Sum32()>>12)%10 == 0
}

// presumed is the weight of a label that a text is presumed not to have, and
// presumedToo that of one that goes with insults, where somebody found none.
const (
	presumed    = 0.1
	presumedToo = 0.3
)

// plainly is the weight of the few texts that are nothing but everyday talk: the
// public data have hardly any.
const plainly = 4

// absent are labels that a source without them is presumed not to have: nobody
// collected insults among reports of floods. Texts in which a rule finds the
// label all the same are left alone.
var absent = []string{classifier.Breach, classifier.Theft, classifier.Hazard, classifier.Attack, classifier.Disruption, classifier.Spam}

// unlikely are labels that a text is presumed not to have if somebody looked for
// insults and found none. There is little public data for them.
var unlikely = []string{classifier.Threat, classifier.Harassment}

// weigh adds the presumed labels.
func (b *builder) weigh(e *Example, s *sample) {
	if strings.HasPrefix(e.Source, Own) {
		if e.Source == Own+"-everyday" || e.Source == Own+"-neutral" {
			for k := range s.weight {
				s.weight[k] *= plainly
			}
		}
		return
	}
	var found []classifier.Score
	if b.o.Rules != nil {
		found = b.o.Rules.Judge(context.Background(), classifier.Input{Text: e.Text}, classifier.Language{Tag: e.Lang, Sure: 1})
	}
	names := absent
	if e.Source == "crisislex" {
		names = classifier.Labels
	}
	harmless := false
	if v, known := e.Labels[classifier.Toxicity]; known && v == 0 && e.Labels[classifier.Hate] == 0 {
		harmless = true
		names = append(slices.Clone(names), unlikely...)
	}
	for k, name := range outputs {
		if s.weight[k] > 0 || !slices.Contains(names, name) {
			continue
		}
		if !slices.ContainsFunc(found, func(f classifier.Score) bool { return f.Label == name && f.Score > 0.2 }) {
			s.weight[k] = presumed
			if harmless && slices.Contains(unlikely, name) {
				s.weight[k] = presumedToo
			}
		}
	}
}

// learn trains the linear model and the network.
func (b *builder) learn(ctx context.Context) (*linear, *network, error) {
	o := b.o
	o.Linear.Seed = o.Seed
	l := newLinear(o.Linear.Bits)
	if err := b.kept.linear(l, func() error { return l.train(ctx, b.train, o.Linear, b.stage("linear model")) }); err != nil {
		return nil, nil, err
	}
	if o.Teachers > 0 {
		if err := b.distil(ctx, l); err != nil {
			return nil, nil, err
		}
	}
	o.Network.Seed = o.Seed
	n := newNetwork(o.Network)
	err := b.kept.network("network", n, func() error { return n.train(ctx, b.train, nil, b.stage("network")) })
	return l, n, err
}

// Of the targets that the network learns: how much the teachers' word counts
// where the truth is known, and where it is not.
const (
	teacherShare  = 0.4
	teacherWeight = 0.3
)

// distil trains larger networks and mixes what they and the linear model think
// into the targets, so that one network learns what several know.
//
// ref: Hinton, Vinyals and Dean 2015.
func (b *builder) distil(ctx context.Context, l *linear) error {
	z := make([][Outputs]float32, len(b.train))
	newOrigins(b.train, 0) // numbers them, also where all comes from checkpoints
	var sum []*network
	for t := range b.o.Teachers {
		o := b.o.Network
		o.Bits, o.Width, o.Channels, o.Seed = o.Bits+2, 64, 128, b.o.Seed+uint64(t)+100
		n := newNetwork(o)
		name := fmt.Sprintf("teacher %d of %d", t+1, b.o.Teachers)
		if err := b.kept.network(fmt.Sprintf("teacher-%d", t+1), n, func() error { return n.train(ctx, b.train, nil, b.stage(name)) }); err != nil {
			return err
		}
		sum = append(sum, n)
	}
	err := each(ctx, len(b.train), func() func(int) {
		var passes []*pass
		for _, n := range sum {
			passes = append(passes, n.newPass())
		}
		return func(i int) {
			s := &b.train[i]
			z[i] = l.score(s, nil)
			for k := range z[i] {
				z[i][k] = (z[i][k] + l.origins.of(s, k)) * 0.5
			}
			for _, p := range passes {
				p.forward(s, nil)
				for k := range z[i] {
					z[i][k] += p.Z[k] + p.n.origins.of(s, k)
				}
			}
		}
	})
	if err != nil {
		return err
	}
	norm := 1 / (0.5 + float32(len(sum)))
	for i := range b.train {
		s := &b.train[i]
		for k := range s.target {
			y := sigmoid(z[i][k] * norm)
			if s.weight[k] >= 1 {
				s.target[k] += teacherShare * (y - s.target[k])
			} else {
				w := s.weight[k]
				s.target[k] = (teacherWeight*y + w*s.target[k]) / (teacherWeight + w)
				s.weight[k] = teacherWeight + w
			}
		}
	}
	return nil
}

// calibrate fits the stacks and chooses the thresholds on the texts of the split
// Dev.
func (b *builder) calibrate(m *model.Model) (map[string]model.Stack, map[string]map[string]float64) {
	views := map[string][]view{}
	judge := func(i int) []view {
		e := &b.devTexts[i]
		o := m.Score(fold.New(e.Text))
		rules := map[string]float64{}
		if b.o.Rules != nil {
			for _, s := range b.o.Rules.Judge(context.Background(), classifier.Input{Text: e.Text}, classifier.Language{Tag: e.Lang, Sure: 1}) {
				rules[s.Label] = s.Score
			}
		}
		out := make([]view, Outputs)
		for k, name := range outputs {
			out[k] = view{linear: float64(o.Linear[k]), network: float64(o.Network[k]), rules: rules[name], holds: b.dev[i].target[k] > 0.5, lang: e.Lang, weight: 1, presumed: b.dev[i].weight[k] < 1}
		}
		return out
	}
	all := make([][]view, len(b.dev))
	_ = each(context.Background(), len(b.dev), func() func(int) { return func(i int) { all[i] = judge(i) } })
	for i := range b.dev {
		for k, name := range outputs {
			if b.dev[i].weight[k] > 0 && m.Labels[k] != "" {
				views[name] = append(views[name], all[i][k])
			}
		}
	}
	stacks, thresholds := map[string]model.Stack{}, map[string]map[string]float64{}
	for name, list := range views {
		pos, neg := 0, 0
		for _, v := range list {
			switch {
			case v.holds:
				pos++
			case !v.presumed:
				neg++
			}
		}
		if pos < least || neg < least {
			stacks[name] = model.Stack{OnlyRules: true}
			continue
		}
		s := fitStack(list)
		stacks[name] = s
		by := map[string][]Judged{}
		for _, v := range list {
			j := Judged{s.Join(v.linear, v.network, v.rules, v.lang), v.holds}
			by[""] = append(by[""], j)
			if v.lang != "" {
				by[v.lang] = append(by[v.lang], j)
			}
		}
		thresholds[name] = map[string]float64{}
		for lang, list := range by {
			pos := Count(list, 0).TP
			if lang == "" || pos >= 2*enough && len(list)-pos >= 2*enough {
				thresholds[name][lang] = chooseThreshold(list, usual(name))
			}
		}
	}
	return stacks, thresholds
}

// card tells what the model was trained with.
func (b *builder) card() map[string]string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(b.sources)) {
		list = append(list, fmt.Sprintf("%s %d", name, b.sources[name]))
	}
	return map[string]string{
		"tiers": b.o.Tiers, "seed": fmt.Sprint(b.o.Seed), "texts": fmt.Sprint(len(b.train)), "calibrated on": fmt.Sprint(len(b.dev)),
		"sources": strings.Join(list, ", "),
	}
}
