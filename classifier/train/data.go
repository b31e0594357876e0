// Package train makes the weights of package model from labelled texts.
package train

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hark/classifier"
)

// The splits of the data.
const (
	Train = "train"
	Dev   = "dev"
	Test  = "test"
)

// Own is the name of the source of the posts that were written for Hark.
const Own = "own"

// maxLine bounds one line of a data file, in bytes.
const maxLine = 1 << 20

// Example is a labelled text.
type Example struct {
	Text   string         `json:"text"`
	Labels map[string]int `json:"labels"` // 1 holds, 0 does not; absent: unknown
	Lang   string         `json:"lang"`
	Split  string         `json:"split"`
	Source string         `json:"source"`
}

// The errors of reading data.
var (
	// ErrNoData is returned when a folder has no file of the form that was asked for.
	ErrNoData = errors.New("no data")
	// ErrLine is returned when a line of a data file cannot be understood.
	ErrLine = errors.New("line cannot be understood")
)

// aliases are the labels of the public data, in the words of Hark. A label that
// stands for a part of another (an insult is toxic) says nothing of it when it
// does not hold.
var aliases = map[string]string{"toxic": classifier.Toxicity, "harass": classifier.Harassment}

// parts are labels that are kinds of another label.
var parts = map[string]string{"insult": classifier.Toxicity, "obscene": classifier.Toxicity}

// normalise brings labels into Hark's words.
func normalise(labels map[string]int) map[string]int {
	out := make(map[string]int, len(labels)+1)
	for name, v := range labels {
		if a, ok := aliases[name]; ok {
			name = a
		}
		out[name] = v
	}
	for part, whole := range parts {
		if _, known := out[whole]; !known && out[part] == 1 {
			out[whole] = 1
		}
	}
	return out
}

// Filter says which examples are wanted.
type Filter struct {
	// Tiers are the first letters of the files' names, as "AB"; "" for all.
	Tiers string
	// Split is one of the splits; "" for all.
	Split string
}

// ReadPublic reads the gzip-compressed JSON Lines of dir (*.jsonl.gz), in the
// order of their names.
func ReadPublic(ctx context.Context, dir string, f Filter) ([]Example, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl.gz"))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", dir, err)
	}
	var out []Example
	for _, file := range files {
		tier := filepath.Base(file)[:1]
		if f.Tiers != "" && !strings.Contains(f.Tiers, tier) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		got, err := readFile(file, f)
		if err != nil {
			return nil, err
		}
		out = append(out, got...)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: %w: no *.jsonl.gz of these tiers and that split", dir, ErrNoData)
	}
	return out, nil
}

func readFile(file string, f Filter) (out []Example, err error) {
	r, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var in io.Reader = r
	if strings.HasSuffix(file, ".gz") {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		in = z
	}
	got, err := ReadLines(in, f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return got, nil
}

// ReadLines reads JSON Lines of examples.
func ReadLines(r io.Reader, f Filter) ([]Example, error) {
	var out []Example
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var e Example
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("line %d: %w: %w", n, ErrLine, err)
		}
		if f.Split != "" && e.Split != f.Split {
			continue
		}
		e.Text = clean(e.Text)
		e.Labels = normalise(e.Labels)
		out = append(out, e)
	}
	return out, lines.Err()
}

// placeholders are how the sources write what they took out of a text.
var placeholders = strings.NewReplacer(
	"[USER]", "@user", "<user>", "@user", "[URL]", "https://example.com/", "<url>", "https://example.com/",
	"<number>", "5", "<percent>", "5%", "<money>", "$5", "<time>", "5:05", "<date>", "5/5",
)

// clean takes out what is of a source's making and not of its authors'.
func clean(s string) string { return placeholders.Replace(s) }

// Corpus is what was written for Hark: posts, and templates with groups to fill
// them with.
type Corpus struct{ dir fs.FS }

// OpenCorpus opens a folder of the form that classifier/corpus/README.md describes.
func OpenCorpus(dir string) Corpus { return Corpus{dir: os.DirFS(dir)} }

// Posts reads all NAME.LANG.txt, in the order of their names, and all *.jsonl. Half
// of the posts, by a hash of their text, are of the split Test, the others Train;
// those of *.jsonl say of which they are.
func (c Corpus) Posts() ([]Example, error) {
	files, err := fs.Glob(c.dir, "*.txt")
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var out []Example
	for _, file := range files {
		name, lang, _ := strings.Cut(strings.TrimSuffix(file, ".txt"), ".")
		if strings.HasPrefix(name, "group") || name == "grammar" || name == "functional" || name == "neutral" {
			continue
		}
		lines, err := c.lines(file)
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			out = append(out, Example{Text: strings.ReplaceAll(l.text, `\n`, "\n"), Labels: l.labels, Lang: lang, Split: half(l.text), Source: Own + "-" + name})
		}
	}
	more, err := fs.Glob(c.dir, "*.jsonl")
	if err != nil {
		return nil, err
	}
	slices.Sort(more)
	for _, file := range more {
		r, err := c.dir.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		got, err := ReadLines(r, Filter{})
		if err := errors.Join(err, r.Close()); err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		out = append(out, got...)
	}
	return out, nil
}

// All reads the posts and fills the templates.
func (c Corpus) All() ([]Example, error) {
	posts, err := c.Posts()
	if err != nil {
		return nil, err
	}
	filled, err := c.Filled()
	if err != nil {
		return nil, err
	}
	composed, err := c.Composed()
	if err != nil {
		return nil, err
	}
	all := slices.Concat(posts, filled, composed)
	// What is kept for testing in one file is not learned from another.
	kept := map[string]bool{}
	for _, e := range all {
		if e.Split == Test {
			kept[e.Text] = true
		}
	}
	return slices.DeleteFunc(all, func(e Example) bool { return e.Split != Test && kept[e.Text] }), nil
}

// half puts a text into one of two splits.
func half(s string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s)) // hash.Hash never returns an error.
	if (h.Sum32()>>8)%2 == 0 {
		return Test
	}
	return Train
}

type corpusLine struct {
	labels map[string]int
	text   string
}

// lines reads a file of LABELS<TAB>TEXT.
func (c Corpus) lines(file string) ([]corpusLine, error) {
	b, err := fs.ReadFile(c.dir, file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	var out []corpusLine
	for n, line := range strings.Split(string(b), "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		l, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("read %s: line %d: %w", file, n+1, err)
		}
		out = append(out, l)
	}
	return out, nil
}

// parseLine reads LABELS<TAB>TEXT.
func parseLine(line string) (corpusLine, error) {
	given, text, ok := strings.Cut(line, "\t")
	if !ok || strings.TrimSpace(text) == "" {
		return corpusLine{}, fmt.Errorf("%w: labels, a tab and a text are expected", ErrLine)
	}
	labels := make(map[string]int, len(classifier.Labels))
	for _, l := range classifier.Labels {
		labels[l] = 0
	}
	if given != "-" {
		for _, l := range strings.Split(given, ",") {
			if _, known := labels[l]; !known {
				return corpusLine{}, fmt.Errorf("%w: no label is called %q", ErrLine, l)
			}
			labels[l] = 1
		}
	}
	return corpusLine{labels, text}, nil
}
