// Package feature turns a folded text into hashed features: for a linear model
// the words, pairs of words and sequences of letters of the whole text, for a
// network a list of positions with the rows that describe each. Both are one
// reading of the text, so that a model is asked what it was trained on.
package feature

import (
	"bytes"
	"unicode/utf8"

	"hark/classifier/fold"
)

// Version is raised with every change of what Extract makes of a text: a model
// is of use only with the features that it was trained on.
const Version = 1

// Limits of one text.
const (
	// MaxPositions is how many positions a network is shown: the first three
	// quarters from the beginning of the text, the rest from its end.
	MaxPositions = 128
	// MaxTokens is how many tokens the linear features are taken from.
	MaxTokens = 2048
	// maxGrams is how many sequences of letters a word gives.
	maxGrams = 48
)

// Hash is the hash of a feature. Tables take as many of its low bits as they have.
type Hash = uint32

// Feature is a linear feature and the positions that it comes from.
type Feature struct {
	Hash        Hash
	First, Last uint16 // tokens
}

// Position is a word, or a character of a script without spaces, as a network
// sees it: the sum of some rows.
type Position struct {
	Token    uint16 // in the text
	From, To uint16 // rows, in Document.Rows
}

// Document is what was extracted from a text. It may be used again for another
// text, which spares memory.
type Document struct {
	Text *fold.Text
	// Words are features of words and pairs of them, Grams those of sequences
	// of letters. They are weighed apart.
	Words, Grams []Feature
	Positions    []Position
	Rows         []Hash

	words   []uint64 // hash by token
	letters []int32  // byte offsets of a word's letters
	buf     []byte
	joined  []fold.Joined
}

// The seeds of the kinds of features.
const (
	seedWord uint64 = (iota + 1) << 56
	seedPair
	seedSkip
	seedGram
	seedChar
	seedCharPair
	seedCharTriple
	seedFlag
	seedNot
	seedQuote
	seedNumber
	seedHost
	seedTag
)

// mix joins two hashes.
func mix(a, b uint64) uint64 {
	a ^= b + 0x9e3779b97f4a7c15 + a<<6 + a>>2
	a *= 0xff51afd7ed558ccd
	return a ^ a>>32
}

// of is the hash of bytes.
func of(seed uint64, b []byte) uint64 {
	h := seed
	for len(b) >= 8 {
		h = (h ^ (uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56)) * 0x9fb21c651e98df25
		h ^= h >> 29
		b = b[8:]
	}
	var tail uint64
	for i, c := range b {
		tail |= uint64(c) << (8 * i)
	}
	h = (h ^ tail ^ uint64(len(b))<<56) * 0xff51afd7ed558ccd
	return h ^ h>>32
}

// The tokens whose words do not matter.
var (
	hashURL     = of(seedFlag, []byte("link"))
	hashMention = of(seedFlag, []byte("mention"))
	hashEmail   = of(seedFlag, []byte("mail"))
	flagUpper   = Hash(of(seedFlag, []byte("upper")))
	flagQuoted  = Hash(of(seedFlag, []byte("quoted")))
	flagTag     = Hash(of(seedFlag, []byte("tag")))
	flagBreak   = Hash(of(seedFlag, []byte("break")))
	flagOdd     = Hash(of(seedFlag, []byte("odd")))
	flagNot     = Hash(of(seedFlag, []byte("not")))
)

// Extract fills d with the features of a text.
func (d *Document) Extract(t *fold.Text) {
	d.Text = t
	d.Words, d.Grams, d.Positions, d.Rows = d.Words[:0], d.Grams[:0], d.Positions[:0], d.Rows[:0]
	d.words = d.words[:0]
	d.joined = d.joined[:0]
	n := min(len(t.Tokens), MaxTokens)
	if n == 0 {
		return
	}
	d.hashes(n)
	head, tail := 0, n
	if n > MaxPositions {
		head, tail = MaxPositions*3/4, n-MaxPositions/4
	}
	negated := -1 // the last token that a negation reaches
	letters := 0  // single letters in a row
	for i := range n {
		tok := t.Tokens[i]
		if tok.Has(fold.Break) || tok.Has(fold.Pause) {
			negated = -1
		}
		seen := i < head || i >= tail || n <= MaxPositions
		first := len(d.Rows)
		d.token(i, n, i <= negated)
		if negation[d.words[i]] {
			negated = i + 4
		}
		if tok.Kind == fold.Word && utf8.RuneCount(t.Bytes(i)) == 1 {
			letters++
		} else {
			letters = 0
		}
		if letters == 3 {
			d.joined = t.Joined()
		}
		if seen && len(d.Rows) > first && len(d.Positions) < MaxPositions && len(d.Rows) < 1<<16 {
			d.Positions = append(d.Positions, Position{Token: uint16(i), From: uint16(first), To: uint16(len(d.Rows))})
		} else {
			d.Rows = d.Rows[:first]
		}
	}
	for _, j := range d.joined {
		d.spelled(j)
	}
}

// hashes finds the word hash of every token.
func (d *Document) hashes(n int) {
	t := d.Text
	for i := range n {
		var h uint64
		switch t.Tokens[i].Kind {
		case fold.URL:
			h = hashURL
		case fold.Mention:
			h = hashMention
		case fold.Email:
			h = hashEmail
		case fold.Number:
			h = number(t.Bytes(i))
		case fold.Char:
			h = of(seedChar, t.Bytes(i))
		default:
			h = of(seedWord, t.Bytes(i))
		}
		d.words = append(d.words, h)
	}
}

// number keeps short numbers and of longer ones how long they are.
func number(b []byte) uint64 {
	if len(b) <= 4 {
		return of(seedNumber, b)
	}
	return mix(seedNumber, uint64(min(len(b), 20)))
}

// word appends a feature of one token to both lists.
func (d *Document) word(h uint64, i int) {
	d.Words = append(d.Words, Feature{Hash(h), uint16(i), uint16(i)})
	d.Rows = append(d.Rows, Hash(h))
}

// token appends the features that end at token i.
func (d *Document) token(i, n int, negated bool) {
	t := d.Text
	tok := t.Tokens[i]
	h := d.words[i]
	switch tok.Kind {
	case fold.Char:
		d.char(i, n)
	case fold.Word:
		d.word(h, i)
		d.grams(t.Bytes(i), i)
		if tok.Has(fold.Odd | fold.Run) {
			d.variants(i)
		}
	default:
		d.word(h, i)
	}
	if i > 0 && (tok.Kind != fold.Char || t.Tokens[i-1].Kind != fold.Char) {
		d.Words = append(d.Words, Feature{Hash(mix(mix(seedPair, d.words[i-1]), h)), uint16(i - 1), uint16(i)})
		if i > 1 && tok.Kind != fold.Char {
			d.Words = append(d.Words, Feature{Hash(mix(mix(seedSkip, d.words[i-2]), h)), uint16(i - 2), uint16(i)})
		}
	}
	if negated {
		d.Words = append(d.Words, Feature{Hash(mix(seedNot, h)), uint16(i), uint16(i)})
		d.Rows = append(d.Rows, flagNot)
	}
	if tok.Has(fold.Quoted) {
		d.Words = append(d.Words, Feature{Hash(mix(seedQuote, h)), uint16(i), uint16(i)})
		d.Rows = append(d.Rows, flagQuoted)
	}
	if tok.Has(fold.Tag) {
		d.Words = append(d.Words, Feature{Hash(mix(seedTag, h)), uint16(i), uint16(i)})
		d.Rows = append(d.Rows, flagTag)
	}
	if tok.Has(fold.Upper) {
		d.word(uint64(flagUpper), i)
	}
	if tok.Has(fold.Break) {
		d.Rows = append(d.Rows, flagBreak)
	}
}

// char appends the features of a character of a script without spaces: itself,
// and the pairs and triples that begin with it.
func (d *Document) char(i, n int) {
	d.word(d.words[i], i)
	t := d.Text
	joins := func(k int) bool { return k < n && t.Tokens[k].Kind == fold.Char && !t.Tokens[k].Has(fold.Break) }
	h := mix(seedCharPair, d.words[i])
	if !joins(i + 1) {
		return
	}
	if t.Tokens[i+1].Has(fold.Spaced) {
		h = mix(h, ' ')
	}
	h = mix(h, d.words[i+1])
	d.Grams = append(d.Grams, Feature{Hash(h), uint16(i), uint16(i + 1)})
	d.Rows = append(d.Rows, Hash(h))
	if !joins(i + 2) {
		return
	}
	h = mix(h, seedCharTriple)
	if t.Tokens[i+2].Has(fold.Spaced) {
		h = mix(h, ' ')
	}
	h = mix(h, d.words[i+2])
	d.Grams = append(d.Grams, Feature{Hash(h), uint16(i), uint16(i + 2)})
	d.Rows = append(d.Rows, Hash(h))
}

// variants appends the other readings of a word, as "kill" of "k1ll".
func (d *Document) variants(i int) {
	d.buf = d.Text.Variants(i, d.buf[:0])
	b := d.buf
	for k := 0; k < 4 && len(b) > 0; k++ {
		end := bytes.IndexByte(b, 0)
		if end < 0 {
			end = len(b)
		}
		if w := b[:end]; len(w) > 1 {
			d.word(of(seedWord, w), i)
			d.grams(w, i)
		}
		b = b[min(end+1, len(b)):]
	}
	d.Rows = append(d.Rows, flagOdd)
}

// spelled appends a word that was written letter by letter; a network is shown
// it at the place of its first letter.
func (d *Document) spelled(j fold.Joined) {
	h := of(seedWord, j.Word)
	d.Words = append(d.Words, Feature{Hash(h), uint16(j.First), uint16(j.Last)})
	first := len(d.Rows)
	d.Rows = append(d.Rows, Hash(h))
	if len(d.Positions) < MaxPositions && len(d.Rows) < 1<<16 {
		d.Positions = append(d.Positions, Position{Token: uint16(j.First), From: uint16(first), To: uint16(len(d.Rows))})
	} else {
		d.Rows = d.Rows[:first]
	}
}

// grams appends the sequences of three, four and five letters of a word, its
// ends being letters too; a network is shown those of three and four.
func (d *Document) grams(w []byte, i int) {
	ascii := true
	for _, c := range w {
		if c >= 0x80 {
			ascii = false
			break
		}
	}
	// A word between two spaces, and where its letters begin.
	d.letters = append(d.letters[:0], 0)
	n := len(d.buf)
	d.buf = append(append(append(d.buf, '<'), w...), '>')
	b := d.buf[n:]
	if ascii {
		for k := 1; k <= len(b); k++ {
			d.letters = append(d.letters, int32(k))
		}
	} else {
		for k := 1; k <= len(b); k++ {
			if k == len(b) || utf8.RuneStart(b[k]) {
				d.letters = append(d.letters, int32(k))
			}
		}
	}
	count := len(d.letters) - 1
	at := d.letters
	made := 0
	for k := 0; k+3 <= count && made < maxGrams; k++ {
		h := of(seedGram, b[at[k]:at[k+3]])
		d.gram(h, i, true)
		made++
		if k+4 <= count {
			h = of(seedGram, b[at[k]:at[k+4]])
			d.gram(h, i, true)
			made++
		}
		if k+5 <= count {
			h = of(seedGram, b[at[k]:at[k+5]])
			d.gram(h, i, false)
			made++
		}
	}
	d.buf = d.buf[:n]
}

func (d *Document) gram(h uint64, i int, row bool) {
	d.Grams = append(d.Grams, Feature{Hash(h), uint16(i), uint16(i)})
	if row {
		d.Rows = append(d.Rows, Hash(h))
	}
}

// negation has the word hashes of words that negate what follows.
var negation = func() map[uint64]bool {
	m := map[uint64]bool{}
	for _, w := range []string{
		"not", "no", "never", "nobody", "none", "neither", "nor", "without", "don't", "dont", "doesn't", "doesnt", "didn't", "didnt",
		"isn't", "isnt", "aren't", "arent", "wasn't", "wasnt", "weren't", "can't", "cant", "cannot", "won't", "wont", "shouldn't",
		"wouldn't", "couldn't", "hasn't", "haven't", "ain't", "stop", "against", "nicht", "kein", "keine", "keinen", "keiner", "nie",
		"niemals", "ohne", "gegen", "niemand", "nunca", "jamás", "sin", "nadie", "ningún", "ninguna", "contra", "pas", "jamais", "sans",
		"aucun", "aucune", "contre", "personne", "não", "nao", "nunca", "sem", "ninguém", "non", "mai", "senza", "nessuno", "niet",
		"geen", "nooit", "zonder", "inte", "ingen", "aldrig", "nie", "bez", "не", "нет", "никогда", "без", "ni", "لا", "ليس", "لم", "لن", "değil", "yok",
	} {
		m[of(seedWord, []byte(fold.Phrase(w)))] = true
	}
	return m
}()
