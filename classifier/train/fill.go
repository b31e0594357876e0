package train

import (
	"fmt"
	"hash/fnv"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// fillings is with how many groups a hostile template is filled.
const fillings = 12

// group is a group of people, in the forms that the slots of a template take.
type group struct{ plural, singular, adjective string }

// people are the names that fill {PERSON}.
var people = []string{"@user", "Mara", "Tom", "Aylin", "Jonas", "Priya", "Kofi", "Elena", "Sam", "Yuki", "Diego", "Fatima", "Olga", "@someone", "Chris"}

// groups reads lines of KIND<TAB>PLURAL<TAB>SINGULAR<TAB>ADJECTIVE.
func (c Corpus) groups(file string) ([]group, error) {
	b, err := fs.ReadFile(c.dir, file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	var out []group
	for n, line := range strings.Split(string(b), "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 4 {
			return nil, fmt.Errorf("read %s: line %d: %w: a kind and three forms are expected", file, n+1, ErrLine)
		}
		out = append(out, group{f[1], f[2], f[3]})
	}
	return out, nil
}

// Filled reads functional.LANG.txt and neutral.LANG.txt, whose texts have slots,
// and fills each with some of the groups of groups.LANG.txt. One template in five,
// by a hash of it, is of the split Test with all that is made of it.
func (c Corpus) Filled() ([]Example, error) {
	var out []Example
	for _, kind := range []string{"functional", "neutral"} {
		files, err := fs.Glob(c.dir, kind+".*.txt")
		if err != nil {
			return nil, err
		}
		slices.Sort(files)
		for _, file := range files {
			lang := strings.Split(file, ".")[1]
			lines, err := c.lines(file)
			if err != nil {
				return nil, err
			}
			people, err := c.groups("groups." + lang + ".txt")
			if err != nil {
				return nil, err
			}
			others, err := c.groups("groups_other." + lang + ".txt")
			if err != nil {
				return nil, err
			}
			for _, l := range lines {
				out = append(out, fill(l, kind, lang, people, others)...)
			}
		}
	}
	return out, nil
}

// fill makes texts of a template; the same ones always.
func fill(l corpusLine, kind, lang string, protected, others []group) []Example {
	h := fnv.New64a()
	_, _ = h.Write([]byte(l.text)) // hash.Hash never returns an error.
	seed := h.Sum64()
	r := rand.New(rand.NewPCG(seed, 7))
	split := Train
	if (seed>>16)%5 == 0 {
		split = Test
	}
	times := fillings
	switch {
	case !strings.Contains(l.text, "{"):
		times = 1
	case kind == "neutral" && (strings.Contains(l.text, "{PLURAL}") || strings.Contains(l.text, "{SINGULAR}") || strings.Contains(l.text, "{ADJ}")): // every group, since each is one that somebody belongs to
		times = len(protected)
	}
	var out []Example
	order := r.Perm(len(protected))
	for i := range times {
		g, o, p := protected[order[i%len(order)]], others[r.IntN(len(others))], people[r.IntN(len(people))]
		text := strings.NewReplacer(
			"{PLURAL}", g.plural, "{SINGULAR}", g.singular, "{ADJ}", g.adjective, "{OTHERS}", o.plural, "{PERSON}", p,
		).Replace(l.text)
		if len(text) > 0 && text[0] >= 'a' && text[0] <= 'z' && l.text[0] == '{' && r.IntN(3) > 0 {
			text = strings.ToUpper(text[:1]) + text[1:]
		}
		out = append(out, Example{Text: strings.ReplaceAll(text, `\n`, "\n"), Labels: l.labels, Lang: lang, Split: split, Source: Own + "-" + kind})
	}
	return out
}

// grammar is the material of GRAMMAR.LANG.txt: predicates, and frames into which
// a clause "{GROUP} {predicate}" fits.
type grammar struct {
	hostile, benign []corpusLine
	assert, reject  []string // frames that say the clause, and that oppose or report it
	things          []string
}

// How often each predicate is used.
const (
	asserted    = 14
	rejected    = 16
	benignly    = 10
	ofOthers    = 4
	ofThings    = 2
	heldOut     = 5 // one predicate in so many is of the split Test, and one frame
	heldOutPick = 3
)

// Composed reads grammar.LANG.txt and composes sentences of it, always the same
// ones: hostile and benign clauses about groups, said and opposed, and hostile
// ones about things and about groups that nobody is born into. Predicates and
// frames of the split Test are never used in the split Train.
func (c Corpus) Composed() ([]Example, error) {
	files, err := fs.Glob(c.dir, "grammar.*.txt")
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var out []Example
	for _, file := range files {
		lang := strings.Split(file, ".")[1]
		g, err := c.grammar(file)
		if err != nil {
			return nil, err
		}
		protected, err := c.groups("groups." + lang + ".txt")
		if err != nil {
			return nil, err
		}
		others, err := c.groups("groups_other." + lang + ".txt")
		if err != nil {
			return nil, err
		}
		out = append(out, g.compose(lang, protected, others)...)
	}
	return out, nil
}

func (c Corpus) grammar(file string) (grammar, error) {
	var g grammar
	b, err := fs.ReadFile(c.dir, file)
	if err != nil {
		return g, fmt.Errorf("read %s: %w", file, err)
	}
	section := ""
	for n, line := range strings.Split(string(b), "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			section = strings.Trim(line, "[]")
			continue
		}
		switch section {
		case "hostile", "benign":
			l, err := parseLine(line)
			if err != nil {
				return g, fmt.Errorf("read %s: line %d: %w", file, n+1, err)
			}
			if section == "hostile" {
				g.hostile = append(g.hostile, l)
			} else {
				g.benign = append(g.benign, l)
			}
		case "assert":
			g.assert = append(g.assert, line)
		case "reject":
			g.reject = append(g.reject, line)
		case "things":
			g.things = append(g.things, line)
		default:
			return g, fmt.Errorf("read %s: line %d: %w: it stands in no section", file, n+1, ErrLine)
		}
	}
	return g, nil
}

// held tells whether a part belongs to the split Test.
func held(part string) bool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(part)) // hash.Hash never returns an error.
	return (h.Sum32()>>9)%heldOut == 0
}

func splitOf(held bool) string {
	if held {
		return Test
	}
	return Train
}

// frames are those of a split; the test of few frames takes all.
func frames(list []string, split string) []string {
	var out []string
	for _, f := range list {
		if held(f) == (split == Test) {
			out = append(out, f)
		}
	}
	if len(out) < heldOutPick && split == Test {
		return list
	}
	return out
}

func (g grammar) compose(lang string, protected, others []group) []Example {
	var out []Example
	r := rand.New(rand.NewPCG(uint64(len(g.hostile)), 11))
	space := " "
	if lang == "ja" || lang == "zh" {
		space = ""
	}
	add := func(l corpusLine, subject string, frames []string, split string, labels map[string]int, times int) {
		for range times {
			if len(frames) == 0 {
				return
			}
			f := frames[r.IntN(len(frames))]
			text := strings.Replace(f, "{X}", subject+space+l.text, 1)
			if r.IntN(2) == 0 {
				text = upperFirst(text)
			}
			out = append(out, Example{Text: text, Labels: labels, Lang: lang, Split: split, Source: Own + "-grammar"})
		}
	}
	none := map[string]int{}
	for l := range g.hostile[0].labels {
		none[l] = 0
	}
	for _, l := range g.hostile {
		split := splitOf(held(l.text))
		said, opposed := frames(g.assert, split), frames(g.reject, split)
		pick := func() string { return protected[r.IntN(len(protected))].plural }
		for range asserted {
			add(l, pick(), said, split, l.labels, 1)
		}
		for range rejected {
			add(l, pick(), opposed, split, none, 1)
		}
		other := maps.Clone(l.labels)
		other["hate"] = 0
		for range ofOthers {
			add(l, others[r.IntN(len(others))].plural, said, split, other, 1)
			add(l, others[r.IntN(len(others))].plural, opposed, split, none, 1)
		}
		for range ofThings {
			add(l, g.things[r.IntN(len(g.things))], said, split, none, 1)
		}
	}
	for _, l := range g.benign {
		split := splitOf(held(l.text))
		for range benignly {
			add(l, protected[r.IntN(len(protected))].plural, frames(g.assert, split), split, none, 1)
		}
	}
	return out
}

func upperFirst(s string) string {
	if s != "" && s[0] >= 'a' && s[0] <= 'z' {
		return strings.ToUpper(s[:1]) + s[1:]
	}
	return s
}
