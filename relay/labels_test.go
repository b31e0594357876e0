package relay_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"hark/classifier"
	"hark/classifier/builtin"
	"hark/relay"
	"hark/relay/neighbourhood"
	"hark/storage"
	"hark/storage/query"
)

// TestCorpusIsJudged: the posts of the corpus that a label must catch are
// caught, and those that only look like it are not.
func TestCorpusIsJudged(t *testing.T) {
	judge, err := builtin.New(builtin.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range neighbourhood.Corpus() {
		parts := []string{e.CW, e.Text}
		parts = append(parts, e.Poll...)
		for _, m := range e.Media {
			parts = append(parts, m.Description)
		}
		in := classifier.Input{Text: strings.Join(parts, "\n"), Language: e.Lang, Tags: e.Tags}
		if e.Link != "" {
			in.Links = []string{e.Link}
		}
		var over []string
		for _, s := range judge.Classify(context.Background(), in).Scores {
			if s.Over {
				over = append(over, s.Label)
			}
		}
		for _, want := range e.Labels {
			if !slices.Contains(over, want) {
				t.Errorf("%s: %q is not caught, only %v: %s", e.Lang, want, over, e.Text)
			}
		}
		if e.Miss != "" && slices.Contains(over, e.Miss) {
			t.Errorf("%s: wrongly %q: %s", e.Lang, e.Miss, e.Text)
		}
		if len(e.Labels) == 0 && e.Miss == "" && len(over) > 0 {
			t.Errorf("%s: an everyday post is %v: %s", e.Lang, over, e.Text)
		}
	}
}

// TestLabelsReachTheStore: through the real inbox, with an operator's rule
// beside the built-in judges; searching by label finds both.
func TestLabelsReachTheStore(t *testing.T) {
	n, store := node(t, func(o *relay.Options) {
		o.Classifier = nil
		o.Consent = relay.ConsentPublic
		o.Rules = []relay.Rule{{Name: "bread", Query: `loaves OR "sourdough"`, Label: "baking", Score: 0.9}}
	})
	hood := neighbours(t, n, neighbourhood.Options{Mastodon: 1})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := hood.Subscribe(ctx); err != nil {
		t.Fatal(err)
	}
	flood := entry(t, func(e neighbourhood.Entry) bool { return slices.Contains(e.Labels, "hazard") && e.Lang == "en" })
	bread := entry(t, func(e neighbourhood.Entry) bool { return strings.Contains(e.Text, "loaves") })
	for _, e := range []neighbourhood.Entry{flood, bread} {
		if sent, err := hood.Instances()[0].Publish(ctx, neighbourhood.Post{Entry: e}); err != nil || sent.Status != 202 {
			t.Fatalf("%+v, %v", sent, err)
		}
	}
	find := func(text string) []storage.Post {
		hits, err := store.Search(ctx, query.Parse(text, query.Options{Now: time.Now()}), storage.Page{})
		if err != nil {
			t.Fatal(err)
		}
		return hits.Posts
	}
	eventually(t, 10*time.Second, func() string {
		if len(find("label:hazard")) != 1 || len(find("label:baking>0.8 lang:en")) != 1 {
			return "the labels are not found"
		}
		return ""
	})
	for _, p := range append(find("label:hazard"), find("label:baking")...) {
		for _, l := range p.Labels {
			if l.Over && (len(l.Reasons) == 0 || l.Model == "") {
				t.Errorf("%s of %q has no reason or no model: %+v", l.Name, p.Text, l)
			}
		}
		if !strings.Contains(p.ModelVer, "rules/") || !strings.Contains(p.ModelVer, "operator/") {
			t.Errorf("model version %q", p.ModelVer)
		}
	}
}
