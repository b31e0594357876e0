// Command evaluate measures the built-in classifier on labelled texts: precision
// and recall for each label and source, and how often the language is found.
//
//	go run ./classifier/evaluate -data DIR [-split dev] [-source part] [-show label:fp:20]
//
// DIR holds gzip-compressed JSON Lines (*.jsonl.gz) of
// {"text":"…","labels":{"hate":0},"lang":"en","split":"dev","source":"…"}; a
// label that is absent is unknown. Nothing is written.
package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"hark/classifier"
	"hark/classifier/builtin"
	"hark/classifier/language"
)

// row is a labelled text.
type row struct {
	Text   string         `json:"text"`
	Labels map[string]int `json:"labels"`
	Lang   string         `json:"lang"`
	Split  string         `json:"split"`
	Source string         `json:"source"`
}

// names maps the labels of the data to those of the classifier.
var names = map[string]string{
	"hate": classifier.Hate, "toxic": classifier.Toxicity, "threat": classifier.Threat, "harass": classifier.Harassment,
	"hazard": classifier.Hazard, "attack": classifier.Attack, "disruption": classifier.Disruption, "spam": classifier.Spam,
	"breach": classifier.Breach, "theft": classifier.Theft,
}

// counts are the four outcomes.
type counts struct{ tp, fp, fn, tn int }

func (c counts) String() string {
	p, r := part(c.tp, c.tp+c.fp), part(c.tp, c.tp+c.fn)
	f := 0.0
	if p+r > 0 {
		f = 2 * p * r / (p + r)
	}
	return fmt.Sprintf("P %.3f  R %.3f  F1 %.3f  FPR %.4f  (%d positive, %d negative)", p, r, f, part(c.fp, c.fp+c.tn), c.tp+c.fn, c.fp+c.tn)
}

func part(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

type evaluation struct {
	judge  classifier.Classifier
	labels map[string]*counts
	lang   map[string]*counts // tp right, fn wrong, by language
	wrong  map[string]int     // "en→nl"
	show   string             // "label:fp"
	shown  int
	rows   int
	took   time.Duration
}

func main() {
	data := flag.String("data", "", "folder of *.jsonl.gz")
	split := flag.String("split", "dev", "which split")
	source := flag.String("source", "", "only sources whose name contains this")
	show := flag.String("show", "", "print texts judged wrongly, as hate:fp:20 or lang:en:20")
	flag.Parse()
	if err := run(*data, *split, *source, *show); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(data, split, source, show string) error {
	files, err := filepath.Glob(filepath.Join(data, "*.jsonl.gz"))
	if err != nil || len(files) == 0 {
		return errors.New("no *.jsonl.gz found: give their folder with -data")
	}
	judge, err := builtin.New(builtin.Options{})
	if err != nil {
		return err
	}
	e := &evaluation{judge: judge, labels: map[string]*counts{}, lang: map[string]*counts{}, wrong: map[string]int{}}
	if k := strings.LastIndexByte(show, ':'); k > 0 {
		e.show = show[:k]
		if e.shown, err = strconv.Atoi(show[k+1:]); err != nil {
			return fmt.Errorf("-show %q: %w", show, err)
		}
	}
	for _, f := range files {
		if strings.Contains(f, source) {
			if err := e.file(f, split); err != nil {
				return fmt.Errorf("read %s: %w", f, err)
			}
		}
	}
	e.report(os.Stdout)
	return nil
}

func (e *evaluation) file(path, split string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r row
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return err
		}
		if r.Split == split {
			e.one(r)
		}
	}
	return lines.Err()
}

func (e *evaluation) one(r row) {
	e.rows++
	start := time.Now()
	res := e.judge.Classify(context.Background(), classifier.Input{Text: r.Text})
	e.took += time.Since(start)
	e.language(r, res.Language)
	for theirs, truth := range r.Labels {
		label, ok := names[theirs]
		if !ok {
			continue
		}
		over, why := false, []classifier.Reason(nil)
		for _, s := range res.Scores {
			if s.Label == label {
				over, why = s.Over, s.Reasons
			}
		}
		outcome := "tn"
		for _, key := range []string{label, label + " " + r.Source, label + " [" + r.Lang + "]"} {
			c := e.labels[key]
			if c == nil {
				c = &counts{}
				e.labels[key] = c
			}
			switch {
			case over && truth == 1:
				c.tp++
				outcome = "tp"
			case over:
				c.fp++
				outcome = "fp"
			case truth == 1:
				c.fn++
				outcome = "fn"
			default:
				c.tn++
			}
		}
		e.print(label+":"+outcome, r, why)
	}
}

func (e *evaluation) language(r row, got string) {
	want := language.Primary(r.Lang)
	if want == language.Unknown {
		return
	}
	c := e.lang[want]
	if c == nil {
		c = &counts{}
		e.lang[want] = c
	}
	if got == want {
		c.tp++
		return
	}
	c.fn++
	e.wrong[want+"→"+got]++
	e.print("lang:"+want, r, []classifier.Reason{{Text: got}})
}

func (e *evaluation) print(what string, r row, why []classifier.Reason) {
	if what != e.show || e.shown <= 0 {
		return
	}
	e.shown--
	fmt.Printf("%s %s: %q\n", r.Source, r.Lang, r.Text)
	for _, w := range why {
		fmt.Printf("    %+.2f %q %s\n", w.Weight, w.Text, w.Rule)
	}
}

func (e *evaluation) report(w io.Writer) {
	out := bufio.NewWriter(w)
	defer out.Flush()
	for _, key := range slices.Sorted(maps.Keys(e.labels)) {
		fmt.Fprintf(out, "%-32s %s\n", key, e.labels[key])
	}
	all := counts{}
	for _, tag := range slices.Sorted(maps.Keys(e.lang)) {
		c := e.lang[tag]
		all.tp, all.fn = all.tp+c.tp, all.fn+c.fn
		fmt.Fprintf(out, "language %-4s %.3f of %d\n", tag, part(c.tp, c.tp+c.fn), c.tp+c.fn)
	}
	fmt.Fprintf(out, "language all  %.3f of %d\n", part(all.tp, all.tp+all.fn), all.tp+all.fn)
	mistakes := slices.Collect(maps.Keys(e.wrong))
	slices.SortFunc(mistakes, func(a, b string) int { return e.wrong[b] - e.wrong[a] })
	for _, m := range mistakes[:min(len(mistakes), 12)] {
		fmt.Fprintf(out, "  %s %d\n", m, e.wrong[m])
	}
	if e.took > 0 {
		fmt.Fprintf(out, "%d texts, %.0f a second\n", e.rows, float64(e.rows)/e.took.Seconds())
	}
}
