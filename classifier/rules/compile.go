package rules

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"hark/classifier"
	"hark/classifier/fold"
)

// ErrSyntax is returned when a rule file is not understood.
var ErrSyntax = errors.New("rule file not understood")

// element is a part of a pattern.
type element struct {
	atoms    []int32 // rising; nil: any token
	optional bool
	gap      int // up to so many tokens of any kind; atoms is nil
}

// pattern is a compiled line.
type pattern struct {
	section  *section
	lang     string
	weight   float64
	elements []element
	start    bool // only where a sentence begins
	inside   bool // Hangul: also within a word
	words    int  // elements that are neither gaps nor optional
	line     int
}

// section is what the lines under one heading have in common.
type section struct {
	label  string // "" for a context
	name   string // "threat.kill", "context.fiction"
	note   string
	cancel bool // its lines cancel what they touch
}

// set is all rules, ready to be matched.
type set struct {
	patterns []pattern
	// byFirst is, for the texts of each language, atom → patterns that may begin
	// with it; "" where the language is not known, other for one without rules.
	byFirst map[string][][]int32
	trie    *trie
	not     map[int32]bool // negating atoms
	special map[string]int32
}

// compiler gathers the rules of all files.
type compiler struct {
	patterns []pattern
	atoms    []atom
	ids      map[atom]int32
	sets     map[string][]int32 // of the file being read
	not      map[int32]bool
	section  *section
	lang     string
	line     int
}

func newCompiler() *compiler {
	return &compiler{ids: map[atom]int32{}, not: map[int32]bool{}}
}

// specials are the atoms that stand for kinds of tokens.
var specials = []string{"<url>", "<num>", "<mention>", "<money>", "<percent>", "<email>"}

// file reads a rule file:
//
//	# a comment
//	%set name = word|word|word*        a set, used as @name; %set not = … negates
//	[label name] note                  what follows are rules of the label
//	[label !name] note                 what follows cancels the label's rules that it touches
//	[context name] note                what follows is context
//	2.5 word|word ..  ?word  @name     weight and pattern; contexts have no weight
//
// A pattern is a sequence: words or sets to choose from, ? before what may be
// missing, _ one token of any kind, .. up to two, ... up to five, .... up to
// twelve of them; in scripts without spaces a character is a token. A star lets
// a word go on, an underscore within a word is a space, ^ in front binds to
// the beginning of a sentence, ~ in front lets a Hangul pattern begin in a word.
func (c *compiler) file(lang, text string) error {
	c.lang, c.sets, c.section = lang, map[string][]int32{}, nil
	for i, line := range strings.Split(text, "\n") {
		c.line = i + 1
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := c.one(line); err != nil {
			return fmt.Errorf("%s, line %d: %w", lang, c.line, err)
		}
	}
	return nil
}

func (c *compiler) one(line string) error {
	if rest, ok := strings.CutPrefix(line, "%set "); ok {
		name, words, ok := strings.Cut(rest, "=")
		if !ok {
			return fmt.Errorf("set without words: %w", ErrSyntax)
		}
		atoms, err := c.choice(strings.Join(strings.FieldsFunc(words, func(r rune) bool { return r == ' ' || r == '|' }), "|"))
		if err != nil {
			return err
		}
		name = strings.TrimSpace(name)
		c.sets[name] = merge(c.sets[name], atoms)
		if name == "not" {
			for _, a := range atoms {
				c.not[a] = true
			}
		}
		return nil
	}
	if line[0] == '[' {
		return c.heading(line)
	}
	if c.section == nil {
		return fmt.Errorf("rule before any heading: %w", ErrSyntax)
	}
	p := pattern{section: c.section, lang: c.lang, line: c.line}
	if c.section.label != "" && !c.section.cancel {
		weight, rest, _ := strings.Cut(line, " ")
		w, err := strconv.ParseFloat(weight, 64)
		if err != nil || w == 0 || w > 8 || w < -8 {
			return fmt.Errorf("weight %q: %w", weight, ErrSyntax)
		}
		p.weight, line = w, rest
	}
	return c.pattern(p, line)
}

func (c *compiler) heading(line string) error {
	head, note, ok := strings.Cut(line[1:], "]")
	kind, name, two := strings.Cut(head, " ")
	if !ok || !two {
		return fmt.Errorf("heading %q: %w", line, ErrSyntax)
	}
	s := &section{note: strings.TrimSpace(note)}
	if name, s.cancel = strings.CutPrefix(name, "!"); kind != "context" {
		if !slices.Contains(classifier.Labels, kind) {
			return fmt.Errorf("label %q: %w", kind, ErrSyntax)
		}
		s.label = kind
	}
	s.name = kind + "." + name
	if s.label == "" && contexts[name] == nil {
		return fmt.Errorf("context %q: %w", name, ErrSyntax)
	}
	c.section = s
	return nil
}

func (c *compiler) pattern(p pattern, text string) error {
	for _, part := range strings.Fields(text) {
		var e element
		switch {
		case part == "..":
			e.gap = 2
		case part == "...":
			e.gap = 5
		case part == "....":
			e.gap = 12
		case part == "_":
		default:
			if len(p.elements) == 0 {
				part, p.start = strings.CutPrefix(part, "^")
				part, p.inside = strings.CutPrefix(part, "~")
			}
			part, e.optional = strings.CutPrefix(part, "?")
			atoms, err := c.choice(part)
			if err != nil {
				return err
			}
			e.atoms = atoms
		}
		if e.atoms != nil && !e.optional {
			p.words++
		}
		p.elements = append(p.elements, e)
	}
	if len(p.elements) == 0 || p.elements[0].atoms == nil || p.elements[0].optional {
		return fmt.Errorf("a pattern begins with a word that must be there: %w", ErrSyntax)
	}
	if last := p.elements[len(p.elements)-1]; last.atoms == nil {
		return fmt.Errorf("a pattern ends with a word: %w", ErrSyntax)
	}
	c.patterns = append(c.patterns, p)
	return nil
}

// choice compiles words and sets to choose from.
func (c *compiler) choice(text string) ([]int32, error) {
	var out []int32
	for w := range strings.SplitSeq(text, "|") {
		if name, ok := strings.CutPrefix(w, "@"); ok {
			set, ok := c.sets[name]
			if !ok {
				return nil, fmt.Errorf("set %q is not known: %w", name, ErrSyntax)
			}
			out = merge(out, set)
			continue
		}
		a, err := c.atom(w)
		if err != nil {
			return nil, err
		}
		out = merge(out, []int32{a})
	}
	return out, nil
}

func (c *compiler) atom(w string) (int32, error) {
	var a atom
	if slices.Contains(specials, w) {
		a.text = w
	} else {
		w, a.prefix = strings.CutSuffix(w, "*")
		a.text = fold.Phrase(strings.ReplaceAll(w, "_", " "))
	}
	if a.text == "" || !utf8.ValidString(a.text) {
		return 0, fmt.Errorf("word %q: %w", w, ErrSyntax)
	}
	id, ok := c.ids[a]
	if !ok {
		id = int32(len(c.atoms))
		c.ids[a] = id
		c.atoms = append(c.atoms, a)
	}
	return id, nil
}

func merge(a, b []int32) []int32 {
	out := append(slices.Clone(a), b...)
	slices.Sort(out)
	return slices.Compact(out)
}

// done makes the set.
func (c *compiler) done() *set {
	for _, s := range specials {
		if _, ok := c.ids[atom{text: s}]; !ok {
			c.ids[atom{text: s}] = int32(len(c.atoms))
			c.atoms = append(c.atoms, atom{text: s})
		}
	}
	s := &set{
		patterns: c.patterns,
		byFirst:  map[string][][]int32{},
		trie:     newTrie(c.atoms),
		not:      c.not,
		special:  map[string]int32{},
	}
	for _, name := range specials {
		s.special[name] = c.ids[atom{text: name}]
	}
	langs := map[string]bool{unknownLanguage: true, otherLanguage: true}
	for _, p := range c.patterns {
		langs[p.lang] = true
	}
	for lang := range langs {
		table := make([][]int32, len(c.atoms))
		for i, p := range c.patterns {
			if !p.usedFor(lang) {
				continue
			}
			for _, a := range p.elements[0].atoms {
				table[a] = append(table[a], int32(i))
			}
		}
		s.byFirst[lang] = table
	}
	return s
}

// What stands for the language of a text that is not known, and for one that has
// no rules.
const (
	unknownLanguage = ""
	otherLanguage   = "other"
)

// usedFor says whether the pattern is looked for in texts of a language: its own,
// and of English ones those of two words and more everywhere, since people mix
// English into everything.
func (p *pattern) usedFor(lang string) bool {
	return lang == unknownLanguage || p.lang == lang || p.lang == "any" || p.lang == "en" && p.words >= 2
}
