package builtin_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"hark/classifier"
	"hark/classifier/builtin"
	"hark/classifier/model"
)

// example is a line of testdata/examples.jsonl: a text with the labels that it
// must get, or those that it must not get.
type example struct {
	Language string   `json:"language"`
	Text     string   `json:"text"`
	Want     []string `json:"want"`
	Reject   []string `json:"reject"`
}

func examples(t testing.TB) []example {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "testdata", "examples.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	var out []example
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var e example
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		out = append(out, e)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func newJudge(t testing.TB, o builtin.Options) *classifier.Ensemble {
	t.Helper()
	e, err := builtin.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestExamples: the rules catch every positive and no near miss, with the
// author's language tag and without.
func TestExamples(t *testing.T) {
	judge := newJudge(t, builtin.Options{OnlyRules: true})
	wants, rejects := 0, 0
	languages := map[string]int{}
	for _, e := range examples(t) {
		wants += len(e.Want)
		rejects += min(len(e.Reject), 1)
		languages[e.Language]++
		for _, tag := range []string{e.Language, ""} {
			res := judge.Classify(context.Background(), classifier.Input{Text: e.Text, Language: tag})
			got := map[string]classifier.Score{}
			for _, s := range res.Scores {
				got[s.Label] = s
			}
			for _, label := range e.Want {
				if !got[label].Over {
					t.Errorf("%q (tag %q, found %s %.2f): %s is missing: %+v", e.Text, tag, res.Language, res.LanguageSure, label, got[label])
				}
			}
			for _, label := range e.Reject {
				if got[label].Over {
					t.Errorf("%q (tag %q, found %s %.2f): %s is wrong: %+v", e.Text, tag, res.Language, res.LanguageSure, label, got[label])
				}
			}
		}
	}
	if wants < 40 || rejects < 40 || len(languages) < 6 {
		t.Errorf("%d positives, %d near misses, %d languages: too few", wants, rejects, len(languages))
	}
}

// TestReasons: every label says why, with places that point into the text given.
func TestReasons(t *testing.T) {
	for _, o := range []builtin.Options{{}, {OnlyRules: true}, {All: true}} {
		testReasons(t, newJudge(t, o))
	}
}

func testReasons(t *testing.T, judge classifier.Classifier) {
	t.Helper()
	for _, e := range examples(t) {
		check(t, judge, classifier.Input{Text: e.Text, Language: e.Language})
	}
}

func check(t *testing.T, judge classifier.Classifier, in classifier.Input) {
	t.Helper()
	res := judge.Classify(context.Background(), in)
	if res.Version == "" || res.Language == "" || res.LanguageSure < 0 || res.LanguageSure > 1 {
		t.Errorf("%q: result %+v", in.Text, res)
	}
	for _, s := range res.Scores {
		if !(s.Score > 0 && s.Score <= 1) || s.Model == "" || s.Over && len(s.Reasons) == 0 {
			t.Errorf("%q: score %+v", in.Text, s)
		}
		for _, r := range s.Reasons {
			if r.Start < 0 || r.End < r.Start || r.End > len(in.Text) || r.Rule == "" {
				t.Fatalf("%q: reason %+v", in.Text, r)
			}
			if s.Model == "rules/1" && r.Text != in.Text[r.Start:r.End] {
				t.Errorf("%q: reason %+v is not %q", in.Text, r, in.Text[r.Start:r.End])
			}
			if utf8.ValidString(in.Text) && !utf8.ValidString(r.Text) {
				t.Errorf("%q: reason %q cuts a character", in.Text, r.Text)
			}
		}
	}
}

func TestSecretsAreMasked(t *testing.T) {
	judge := newJudge(t, builtin.Options{})
	const secret = "AKIAQX3ZB7MNP4RTVW6K"
	res := judge.Classify(context.Background(), classifier.Input{Text: "my key " + secret})
	if len(res.Scores) != 1 || res.Scores[0].Label != classifier.Breach || !res.Scores[0].Over {
		t.Fatalf("%+v", res)
	}
	masked := false
	for _, r := range res.Scores[0].Reasons {
		if strings.Contains(secret, r.Text) || strings.Contains(r.Text, secret[:8]) {
			t.Errorf("reason %q", r.Text)
		}
		masked = masked || strings.HasPrefix(r.Text, "AK")
	}
	if !masked {
		t.Errorf("no reason shows the key, masked: %+v", res.Scores[0].Reasons)
	}
}

func TestOperatorRules(t *testing.T) {
	judge := newJudge(t, builtin.Options{
		OnlyRules:  true,
		Thresholds: map[string]float64{"of-interest": 0.9},
		Rules: []classifier.Rule{
			{Name: "our town", Label: "of-interest", Score: 0.8, Words: []string{"Example Town", "例の町"}},
			{Name: "links", Label: classifier.Spam, Score: 1, Source: "has:link", Match: func(in classifier.Input) bool { return len(in.Links) > 0 }},
		},
	})
	if v := judge.Version(); !strings.HasPrefix(v, "rules/1+breach/2+operator/") || !strings.HasSuffix(v, "+lang/1") {
		t.Errorf("version %q", v)
	}
	for text, found := range map[string]string{
		"Greetings from ＥＸＡＭＰＬＥ  tówn!": "ＥＸＡＭＰＬＥ  tówn",
		"昨日、例の町に行った":                    "例の町",
		"example townhall":              "",
	} {
		res := judge.Classify(context.Background(), classifier.Input{Text: text})
		if found == "" {
			if len(res.Scores) > 0 {
				t.Errorf("%q: %+v", text, res.Scores)
			}
			continue
		}
		if len(res.Scores) != 1 || res.Scores[0].Label != "of-interest" || res.Scores[0].Over || res.Scores[0].Reasons[0].Text != found {
			t.Errorf("%q: %+v", text, res.Scores)
		}
	}
	res := judge.Classify(context.Background(), classifier.Input{Text: "hello", Links: []string{"https://a.example/"}})
	if len(res.Scores) != 1 || !res.Scores[0].Over || res.Scores[0].Reasons[0].Note != "has:link" {
		t.Errorf("%+v", res.Scores)
	}
}

func TestNewRefuses(t *testing.T) {
	for want, o := range map[error]builtin.Options{
		classifier.ErrThreshold:     {Thresholds: map[string]float64{"hate": 1.5}},
		classifier.ErrRuleLabel:     {Rules: []classifier.Rule{{Name: "a", Score: 1, Words: []string{"x"}}}},
		classifier.ErrRuleScore:     {Rules: []classifier.Rule{{Name: "a", Label: "b", Words: []string{"x"}}}},
		classifier.ErrRuleCondition: {Rules: []classifier.Rule{{Name: "a", Label: "b", Score: 1, Words: []string{"…"}}}},
	} {
		if _, err := builtin.New(o); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

// TestConcurrent shows that one classifier serves many callers.
func TestConcurrent(t *testing.T) {
	judge := newJudge(t, builtin.Options{})
	all := examples(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, e := range all {
				judge.Classify(context.Background(), classifier.Input{Text: e.Text})
			}
		})
	}
	wg.Wait()
}

// TestHostileTextsAreQuick: no text makes the classifier work for long.
func TestHostileTextsAreQuick(t *testing.T) {
	judge := newJudge(t, builtin.Options{})
	for _, unit := range []string{
		"i will ", "kill ", "you ", "fire flood storm ", "k i l l ", "殺す", "地震が", "죽여", "اقتل ", "a\u0301", "\"a ", "“a", "1!a", "@a ", "#A", "://", "\u200b", "е", "muslims are all ",
	} {
		start := time.Now()
		judge.Classify(context.Background(), classifier.Input{Text: strings.Repeat(unit, 1<<20/len(unit))})
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%q took %v", unit, took)
		}
	}
}

func FuzzClassify(f *testing.F) {
	for _, e := range examples(f) {
		f.Add(e.Text, e.Language)
	}
	f.Add("\xff\xfe k\u200bi\u0301ll 𝐤𝐢𝐥𝐥 \"„»", "de-CH")
	judge, err := builtin.New(builtin.Options{Rules: []classifier.Rule{{Name: "r", Label: "l", Score: 0.5, Words: []string{"kill", "地震"}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text, tag string) {
		check(t, judge, classifier.Input{Text: text, Language: tag})
	})
}

// BenchmarkClassify judges posts of about 200 characters in the six languages.
// posts are texts of 200 characters, made of the posts that were written for the
// classifier, in the order of their files.
func posts(b *testing.B, files ...string) []classifier.Input {
	b.Helper()
	var out []classifier.Input
	text := ""
	for _, file := range files {
		raw, err := os.ReadFile(filepath.Join("..", "corpus", file))
		if err != nil {
			b.Fatal(err)
		}
		for line := range strings.Lines(string(raw)) {
			_, post, _ := strings.Cut(strings.TrimSpace(line), "\t")
			if text += post + " "; utf8.RuneCountInString(text) >= 200 {
				out = append(out, classifier.Input{Text: string([]rune(text)[:200])})
				text = ""
			}
		}
	}
	return out
}

// BenchmarkClassify judges posts of 200 characters: everyday talk, and posts every
// second of which has a label, with the reasons that are worked out for these.
func BenchmarkClassify(b *testing.B) {
	for name, files := range map[string][]string{
		"everyday": {"everyday.en.txt", "everyday.de.txt", "everyday.fr.txt", "everyday.es.txt"},
		"labelled": {"breach.en.txt", "theft.en.txt", "threat.en.txt"},
	} {
		b.Run(name, func(b *testing.B) {
			judge := newJudge(b, builtin.Options{})
			posts := posts(b, files...)
			took := make([]time.Duration, 0, 1<<16)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				start := time.Now()
				judge.Classify(context.Background(), posts[i%len(posts)])
				if len(took) < cap(took) {
					took = append(took, time.Since(start))
				}
			}
			b.StopTimer()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2])/1e3, "median-µs")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "posts/s")
		})
	}
}

// BenchmarkStart is what reading the weights takes.
func BenchmarkStart(b *testing.B) {
	raw, err := os.ReadFile("weights.bin")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := model.Parse(raw); err != nil {
			b.Fatal(err)
		}
	}
}

// TestNeutralGroups: whoever is named, a neutral sentence about a group is given
// hate or toxicity in one case of fifty at most, for every single group.
func TestNeutralGroups(t *testing.T) {
	judge := newJudge(t, builtin.Options{})
	lines := func(file string) []string {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(string(raw)), "\n")
	}
	templates := lines(filepath.Join("testdata", "neutral.txt")) // which no training sees
	wrong, all := 0, 0
	for _, g := range lines(filepath.Join("..", "corpus", "groups.en.txt")) {
		forms := strings.Split(g, "\t")
		fill := strings.NewReplacer("{PLURAL}", forms[1], "{SINGULAR}", forms[2], "{ADJ}", forms[3])
		bad := 0
		var examples []string
		for _, template := range templates {
			text := fill.Replace(template)
			for _, s := range judge.Classify(context.Background(), classifier.Input{Text: text, Language: "en"}).Scores {
				if s.Over && (s.Label == classifier.Hate || s.Label == classifier.Toxicity) {
					bad++
					examples = append(examples, fmt.Sprintf("%s %.2f %q", s.Label, s.Score, text))
				}
			}
		}
		wrong, all = wrong+bad, all+len(templates)
		if bad*50 > len(templates) {
			t.Errorf("%s: %d of %d neutral sentences: %s", forms[1], bad, len(templates), strings.Join(examples, "; "))
		}
	}
	t.Logf("%d of %d", wrong, all)
}
