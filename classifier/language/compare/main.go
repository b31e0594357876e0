// Command compare measures Hark's language identification against two libraries
// on labelled texts: accuracy, time and memory. It is a module of its own, so that
// the libraries are no dependencies of Hark.
//
//	cd classifier/language/compare && go run . DIR [train|dev|test]
//
// DIR holds *.jsonl.gz of {"text":"…","lang":"en","split":"dev"}.
package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/abadojack/whatlanggo"
	"github.com/pemistahl/lingua-go"

	"hark/classifier/language"
)

type row struct {
	Text, Lang, Split, Source string
}

func read(dir, split string) ([]row, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl.gz"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no *.jsonl.gz in %q", dir)
	}
	var out []row
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(z)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var r row
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				return nil, err
			}
			if r.Split == split && r.Lang != "" {
				out = append(out, r)
			}
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// perLanguage bounds how many texts of a language count, so that English does not
// decide alone.
const perLanguage = 300

func sample(rows []row) []row {
	seen := map[string]int{}
	return slices.DeleteFunc(rows, func(r row) bool {
		seen[r.Lang]++
		return seen[r.Lang] > perLanguage
	})
}

// same treats tags alike that mean one language here.
func same(found, want string) bool {
	alike := map[string]string{"no": "nb", "nn": "nb", "fil": "tl", "iw": "he", "in": "id"}
	if a, ok := alike[found]; ok {
		found = a
	}
	if a, ok := alike[want]; ok {
		want = a
	}
	return found == want
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: compare DIR [train|dev|test]")
		os.Exit(2)
	}
	split := "dev"
	if len(os.Args) > 2 {
		split = os.Args[2]
	}
	rows, err := read(os.Args[1], split)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	rows = sample(rows)
	langs := map[string]bool{}
	for _, r := range rows {
		langs[r.Lang] = true
	}
	fmt.Printf("%d texts of %d languages, at most %d of each\n", len(rows), len(langs), perLanguage)
	t := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "IDENTIFIER\tRIGHT\tMEAN OVER LANGUAGES\tµs A TEXT\tHEAP")
	measure := func(name string, start func() func(string) string) {
		before := heap()
		detect := start()
		for _, r := range rows[:min(len(rows), 500)] {
			detect(r.Text)
		}
		after := heap()
		right, all := map[string]int{}, map[string]int{}
		began := time.Now()
		for _, r := range rows {
			all[r.Lang]++
			if same(detect(r.Text), r.Lang) {
				right[r.Lang]++
			}
		}
		took := time.Since(began)
		sum, mean := 0, 0.0
		for l, n := range all {
			sum += right[l]
			mean += float64(right[l]) / float64(n) / float64(len(all))
		}
		_, _ = fmt.Fprintf(t, "%s\t%.3f\t%.3f\t%.1f\t%.1f MB\n", name, float64(sum)/float64(len(rows)), mean,
			float64(took.Microseconds())/float64(len(rows)), float64(int64(after)-int64(before))/1e6)
		runtime.KeepAlive(detect)
	}
	measure("hark", func() func(string) string {
		return func(s string) string { tag, _ := language.Detect(s, ""); return tag }
	})
	measure("whatlanggo", func() func(string) string {
		return func(s string) string { return whatlanggo.Detect(s).Lang.Iso6391() }
	})
	measure("lingua, low accuracy", func() func(string) string {
		d := lingua.NewLanguageDetectorBuilder().FromAllLanguages().WithLowAccuracyMode().Build()
		return linguaTag(d)
	})
	measure("lingua", func() func(string) string {
		return linguaTag(lingua.NewLanguageDetectorBuilder().FromAllLanguages().Build())
	})
	if err := t.Flush(); err != nil {
		os.Exit(1)
	}
}

func linguaTag(d lingua.LanguageDetector) func(string) string {
	return func(s string) string {
		l, ok := d.DetectLanguageOf(s)
		if !ok {
			return "und"
		}
		return strings.ToLower(l.IsoCode639_1().String())
	}
}
