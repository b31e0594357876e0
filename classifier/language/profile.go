package language

import (
	_ "embed"
	"math"
	"strings"
	"sync"
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
	cells    map[uint64]int32
	rows     []float32 // len(tags) log probabilities for each trigram
	missing  []float32 // for a trigram that a language does not know
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
	p := &profiles{scriptOf: map[string]int{}, cells: map[uint64]int32{}, words: map[string][]column{}, letters: map[rune]uint64{}}
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
	for _, c := range counts {
		for t := range c {
			if _, ok := p.cells[t]; !ok {
				p.cells[t] = int32(len(p.cells))
			}
		}
	}
	n := len(p.tags)
	p.rows = make([]float32, len(p.cells)*n)
	p.missing = make([]float32, n)
	for lang, c := range counts {
		total := 0.0
		for _, v := range c {
			total += v
		}
		denominator := total + smooth*6000
		p.missing[lang] = float32(math.Log(smooth / denominator))
		for t, row := range p.cells {
			p.rows[int(row)*n+lang] = float32(math.Log((c[t] + smooth) / denominator))
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
func (p *profiles) guess(words []rune, script int, author string) (string, float64) {
	n := len(p.tags)
	var buf [64]float32
	scores := buf[:n]
	eachTrigram(words, func(t uint64) {
		if row, ok := p.cells[t]; ok {
			for i, v := range p.rows[int(row)*n : int(row)*n+n] {
				scores[i] += v
			}
		} else {
			for i, v := range p.missing {
				scores[i] += v
			}
		}
	})
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
	return p.tags[best], p.known(words, best) / sum
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
func (p *profiles) known(words []rune, lang int) float64 {
	n := len(p.tags)
	all, has := 0, 0
	eachTrigram(words, func(t uint64) {
		all++
		if row, ok := p.cells[t]; ok && p.rows[int(row)*n+lang] > p.missing[lang]+0.01 {
			has++
		}
	})
	if all == 0 {
		return 0
	}
	return math.Min(1, 3*float64(has)/float64(all))
}

// profiled says whether there is a profile of the language.
func profiled(tag string) bool {
	_, ok := model().scriptOf[tag]
	return ok
}
