package relay

import (
	"fmt"
	"hash/fnv"

	"hark/classifier"
	"hark/classifier/breach"
	"hark/classifier/builtin"
	"hark/classifier/transformer"
	"hark/relay/listen"
	"hark/storage"
	"hark/storage/query"
)

// judges makes the classifier and the operator's rules. The rules see the
// whole post, so that every operator of the search language works in them, the
// labels of the other judges included.
func judges(o *Options, masker breach.Masker) (classifier.Classifier, func(*storage.Post), error) {
	judge := o.Classifier
	if judge == nil {
		b := builtin.Options{Thresholds: o.Thresholds, Masker: masker}
		if o.Weights != "" {
			m, err := builtin.ReadWeights(o.Weights)
			if err != nil {
				return nil, nil, err
			}
			b.Model = m
		}
		ensemble, err := builtin.New(b)
		if err != nil {
			return nil, nil, err
		}
		judge = ensemble
	}
	if len(o.Rules) == 0 {
		return judge, func(*storage.Post) {}, nil
	}
	rules := make([]compiledRule, 0, len(o.Rules))
	sum := fnv.New32a()
	for _, r := range o.Rules {
		q := query.Parse(r.Query, query.Options{Now: o.Now()})
		switch {
		case len(q.Warnings) > 0:
			return nil, nil, fmt.Errorf("rule %q: the query %q: %s", r.Name, r.Query, q.Warnings[0].Text)
		case q.Nothing() || q.IsAll():
			return nil, nil, fmt.Errorf("rule %q: the query %q asks for nothing in particular", r.Name, r.Query)
		case r.Label == "" || !(r.Score > 0 && r.Score <= 1):
			return nil, nil, fmt.Errorf("rule %q: needs a label and a score in (0, 1]", r.Name)
		}
		_, _ = fmt.Fprintf(sum, "%q %q %q %v\n", r.Name, q.String(), r.Label, r.Score) // a hash never fails
		rules = append(rules, compiledRule{r, q})
	}
	model := fmt.Sprintf("operator/%08x", sum.Sum32())
	return judge, func(p *storage.Post) { applyRules(p, rules, model, o.Thresholds) }, nil
}

// reviewer opens the transformer, if the options name one.
func reviewer(o *Options, judge classifier.Classifier) (listen.Reviewer, error) {
	if o.Transformer.Dir == "" {
		return nil, nil
	}
	t := o.Transformer
	if known, ok := judge.(transformer.Thresholds); ok {
		t.Thresholds = known
	}
	m, err := transformer.Open(t)
	if err != nil {
		return nil, err
	}
	o.Log.Info("second opinions", "model", m.Version(), "labels", m.Labels())
	return m, nil
}

type compiledRule struct {
	Rule
	query *query.Query
}

// applyRules adds the labels of the rules that match to a post.
func applyRules(p *storage.Post, rules []compiledRule, model string, thresholds map[string]float64) {
	var found []storage.Label
	for _, r := range rules {
		if !r.query.Match(p) {
			continue
		}
		s := r.query.Snippet(p, 120)
		why := storage.Reason{Rule: r.Name, Weight: r.Score, Note: r.query.String(), Text: s.Text}
		if len(s.Marks) > 0 {
			why.Text = s.Text[s.Marks[0][0]:s.Marks[0][1]]
		}
		threshold, set := thresholds[r.Label]
		if !set {
			threshold = classifier.DefaultThreshold
		}
		found = append(found, storage.Label{Name: r.Label, Score: r.Score, Over: r.Score >= threshold, Model: model, Reasons: []storage.Reason{why}})
	}
	for _, l := range found {
		p.Labels = withLabel(p.Labels, l)
	}
	p.ModelVer += "+" + model
}

// withLabel adds a label, or strengthens the one of that name.
func withLabel(labels []storage.Label, l storage.Label) []storage.Label {
	for i := range labels {
		have := &labels[i]
		if have.Name != l.Name {
			continue
		}
		have.Score = max(have.Score, l.Score)
		have.Over = have.Over || l.Over
		have.Model += "+" + l.Model
		have.Reasons = append(have.Reasons, l.Reasons...)
		return labels
	}
	return append(labels, l)
}
