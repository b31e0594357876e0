package language

import (
	_ "embed"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"hark/classifier/vector"
)

//go:embed data/latin.txt
var latinText string

//go:embed data/other.txt
var otherText string

// profiles is what is known of the languages that share a script.
type profiles struct {
	tags     []string       // of each column
	scripts  []int          // of each column
	scriptOf map[string]int // the first script of a tag
	cells    cells
	width    int       // of a row: len(tags), rounded up
	rows     []int8    // for each trigram: log probability above missing, in steps of grain
	missing  []float32 // log probability of a trigram that a language does not know
	words    map[string][]column
	letters  map[rune]uint64 // bit k: the language of column k writes the letter; beyond ASCII
}

// column says how much a word speaks for a language.
type column struct {
	lang   int32
	weight float32
}

// model makes the profiles on first use.
var model = sync.OnceValue(func() *profiles {
	p := &profiles{scriptOf: map[string]int{}, words: map[string][]column{}, letters: map[rune]uint64{}}
	var counts []map[uint64]float64
	for _, text := range []string{latinText, otherText} {
		for block := range strings.SplitSeq("\n"+text, "\n= ") {
			lines := strings.SplitN(strings.TrimSpace(block), "\n", 3)
			if len(lines) == 3 {
				counts = append(counts, p.read(lines[0], lines[1], lines[2]))
			}
		}
	}
	p.fill(counts)
	return p
})

// read takes the words and the text of one language and counts its trigrams. A
// word early in its list is more frequent and counts for more.
func (p *profiles) read(tag, words, text string) map[uint64]float64 {
	s := survey(text)
	k, _ := s.dominant()
	lang := int32(len(p.tags))
	p.tags = append(p.tags, tag)
	p.scripts = append(p.scripts, k)
	if _, ok := p.scriptOf[tag]; !ok {
		p.scriptOf[tag] = k
	}
	counts := map[uint64]float64{}
	eachTrigram(s.words, func(t uint64) { counts[t]++ })
	for _, r := range s.words {
		if r >= 0x80 {
			p.letters[r] |= 1 << lang
		}
	}
	seen := map[string]bool{}
	for i, w := range strings.Fields(strings.ToLower(words)) {
		if seen[w] {
			continue
		}
		seen[w] = true
		for _, r := range w {
			if r >= 0x80 {
				p.letters[r] |= 1 << lang
			}
		}
		eachTrigram([]rune(" "+w+" "), func(t uint64) { counts[t] += 0.3 + 3/(1+float64(i)/8) })
		p.words[w] = append(p.words[w], column{lang, 1})
	}
	return counts
}

// fill turns counts into log probabilities, with additive smoothing, and makes a
// word weigh by how few languages have it.
func (p *profiles) fill(counts []map[uint64]float64) {
	const smooth = 0.35
	distinct := map[uint64]bool{}
	for _, c := range counts {
		for t := range c {
			distinct[t] = true
		}
	}
	p.cells = newCells(slices.Sorted(maps.Keys(distinct)))
	n := (len(p.tags) + vector.Block - 1) / vector.Block * vector.Block
	p.width = n
	p.rows = make([]int8, len(distinct)*n)
	p.missing = make([]float32, n)
	for lang, c := range counts {
		total := 0.0
		for _, v := range c {
			total += v
		}
		denominator := total + smooth*6000
		p.missing[lang] = float32(math.Log(smooth / denominator))
		for t := range distinct {
			above := math.Log((c[t]+smooth)/denominator) - float64(p.missing[lang])
			p.rows[p.cells.row(t)*n+lang] = int8(min(math.Round(above/grain), 127))
		}
	}
	for w, columns := range p.words {
		weight := 1.6 + 0.35*math.Min(float64(len([]rune(w))), 6)
		for i := range columns {
			columns[i].weight = float32(weight)
		}
	}
}

// eachTrigram calls f with every three characters, of which the middle one is a
// letter.
func eachTrigram(words []rune, f func(uint64)) {
	for i := 0; i+2 < len(words); i++ {
		a, b, c := words[i], words[i+1], words[i+2]
		if b == ' ' {
			continue
		}
		f(uint64(a)<<42 | uint64(b)<<21 | uint64(c))
	}
}

// authorBonus is what the author's claim is worth, in log probability.
const authorBonus = 2

// spread is how much likelier a language is than others before a word is read,
// in log probability: people write more in some languages than in others.
var spread = map[string]float32{
	"en": 3, "de": 2, "fr": 2, "es": 2, "pt": 2, "it": 1.5, "nl": 1, "ru": 1, "ar": 1, "fa": 0.5, "pl": 0.5, "tr": 0.5, "id": 0.5,
	"hi": 1, "sr": 0.5, "ca": -1, "gl": -2.5, "eu": -1.5, "eo": -1, "ga": -2.5, "cy": -2.5, "is": -1.5, "nn": -2, "sq": -1.5, "lv": -1.5,
	"lt": -1, "et": -1, "az": -1, "tl": -1.5, "sw": -1, "mk": -1, "be": -1, "kk": -1, "ps": -1, "ckb": -1,
}

// temper divides log probabilities: trigrams overlap, so they are no independent
// witnesses.
const temper = 2.2

// guess weighs the languages of a script.
func (p *profiles) guess(s *sample, script int, author string) (string, float64) {
	words := s.words
	var buf [maxLanguages]float32
	var sums [maxLanguages]int32
	steps := sums[:p.width]
	hits, misses := s.hits[:0], 0
	eachTrigram(words, func(t uint64) {
		row := p.cells.row(t)
		if row < 0 {
			misses++
			return
		}
		vector.Add32(steps, p.rows[row*p.width:][:p.width])
		hits = append(hits, int32(row))
	})
	s.hits = hits
	scores := buf[:len(p.tags)]
	for i := range scores {
		scores[i] = float32(steps[i])*grain + float32(len(hits)+misses)*p.missing[i]
	}
	p.addWords(words, scores)
	p.addLetters(words, scores)
	best, second := -1, -1
	for i := range scores {
		if p.scripts[i] != script {
			continue
		}
		scores[i] += spread[p.tags[i]] * temper
		if p.tags[i] == author {
			scores[i] += authorBonus * temper
		}
		switch {
		case best < 0 || scores[i] > scores[best]:
			best, second = i, best
		case second < 0 || scores[i] > scores[second]:
			second = i
		}
	}
	if best < 0 {
		return Unknown, 0
	}
	sum := 0.0
	for i := range scores {
		if p.scripts[i] == script {
			sum += math.Exp(float64(scores[i]-scores[best]) / temper)
		}
	}
	return p.tags[best], p.known(hits, misses, best) / sum
}

// strange is what a letter weighs against a language that does not have it.
const strange = 3

// addLetters speaks against languages that lack letters of the text.
func (p *profiles) addLetters(words []rune, scores []float32) {
	for _, r := range words {
		if r < 0x80 {
			continue
		}
		if has, ok := p.letters[r]; ok {
			for i := range scores {
				if has>>i&1 == 0 {
					scores[i] -= strange
				}
			}
		}
	}
}

func (p *profiles) addWords(words []rune, scores []float32) {
	start := 0
	var key [64]byte
	for i, r := range words {
		if r != ' ' {
			continue
		}
		if i > start && i-start <= 14 {
			b := key[:0]
			for _, w := range words[start:i] {
				b = appendRune(b, w)
			}
			for _, c := range p.words[string(b)] {
				scores[c.lang] += c.weight
			}
		}
		start = i + 1
	}
}

func appendRune(b []byte, r rune) []byte {
	if r < 0x80 {
		return append(b, byte(r))
	}
	return append(b, string(r)...)
}

// known is near 1 for a text of whose trigrams the language knows many, and
// falls where it knows few: then it is a language without a profile, or none.
func (p *profiles) known(hits []int32, misses, lang int) float64 {
	if len(hits)+misses == 0 {
		return 0
	}
	has := 0
	for _, row := range hits {
		if p.rows[int(row)*p.width+lang] > 0 {
			has++
		}
	}
	return math.Min(1, 3*float64(has)/float64(len(hits)+misses))
}

// grain is the step in which log probabilities are kept: a row is then as long as
// what a processor reads at once.
const grain = 0.05

// maxLanguages bounds the columns of the profiles.
const maxLanguages = 64

// cells finds the row of a trigram: a table with open addressing, which is
// quicker than a map where most of what is asked for is there.
type cells struct {
	keys []uint64 // 0: free; no trigram is 0, since its middle is a letter
	rows []int32
	mask uint64
}

func newCells(trigrams []uint64) cells {
	size := 1
	for size < 3*len(trigrams) {
		size *= 2
	}
	c := cells{keys: make([]uint64, size), rows: make([]int32, size), mask: uint64(size - 1)}
	for row, t := range trigrams {
		at := c.at(t)
		for c.keys[at] != 0 {
			at = (at + 1) & c.mask
		}
		c.keys[at], c.rows[at] = t, int32(row)
	}
	return c
}

func (c *cells) at(t uint64) uint64 {
	t *= 0x9e3779b97f4a7c15
	return (t ^ t>>29) & c.mask
}

// row is -1 for a trigram that no language knows.
func (c *cells) row(t uint64) int {
	for at := c.at(t); ; at = (at + 1) & c.mask {
		switch c.keys[at] {
		case t:
			return int(c.rows[at])
		case 0:
			return -1
		}
	}
}

// profiled says whether there is a profile of the language.
func profiled(tag string) bool {
	_, ok := model().scriptOf[tag]
	return ok
}
