// Package fold brings text into one form for matching, whatever its case, width,
// accents, invisible characters and lookalike letters, cuts it into tokens, and
// remembers from which bytes of the original every token came.
//
// A token is a word of a script with spaces, a single character of a script
// without them (and of Hangul, whose spacing is loose), a number, an emoji, a
// link, a mention or an e-mail address.
package fold

import (
	"bytes"
	"sort"
	"strings"
	"unicode/utf8"
)

// MaxBytes is how much of a text is looked at.
const MaxBytes = 64 << 10

// Kind says what a token is.
type Kind uint8

// The kinds of tokens.
const (
	Word Kind = iota
	Char      // of a script without spaces, or Hangul
	Number
	Emoji
	URL
	Mention
	Email
)

// Flag tells more about a token.
type Flag uint8

// The flags of a token.
const (
	Break  Flag = 1 << iota // a sentence or line begins here
	Spaced                  // it does not touch the token before it
	Quoted                  // it stands within quotation marks, or in a quoted line
	Tag                     // it is a hashtag or part of one
	Odd                     // a word with digits or signs between its letters
	Run                     // a word with a letter three times or more in a row
	Upper                   // a word of two letters or more, all capitals
	Pause                   // a comma or the like stands before it
)

// Token is a part of a Text.
type Token struct {
	Start, End int32 // in Text.Folded
	From, To   int32 // in the original
	Kind       Kind
	Flags      Flag
}

// Has says whether the flag is set.
func (t Token) Has(f Flag) bool { return t.Flags&f != 0 }

// Text is a folded text. It is not changed after New.
type Text struct {
	Original string
	// Folded holds the tokens' folded forms, a space between two that did not
	// touch.
	Folded []byte
	Tokens []Token
}

// New folds the first MaxBytes of a text. Bytes that are no UTF-8 separate words.
func New(s string) *Text {
	original := s
	if len(s) > MaxBytes {
		cut := MaxBytes
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	f := folder{
		text: &Text{Original: original, Folded: make([]byte, 0, len(s)+len(s)/8), Tokens: make([]Token, 0, len(s)/5+4)},
		src:  s,
	}
	f.run()
	f.quotes()
	return f.text
}

// Phrase is the folded form of a phrase, to be found with Find; "" if nothing
// of it can be found.
func Phrase(s string) string { return string(bytes.TrimSpace(New(s).Folded)) }

// Find finds a folded phrase, whole words only, and returns its place in the
// original.
func (t *Text) Find(phrase string) (from, to int, ok bool) {
	if phrase == "" {
		return 0, 0, false
	}
	needle := []byte(phrase)
	for at := 0; at <= len(t.Folded)-len(needle); {
		i := bytes.Index(t.Folded[at:], needle)
		if i < 0 {
			return 0, 0, false
		}
		start, end := at+i, at+i+len(needle)
		first := sort.Search(len(t.Tokens), func(k int) bool { return int(t.Tokens[k].Start) >= start })
		last := sort.Search(len(t.Tokens), func(k int) bool { return int(t.Tokens[k].End) >= end })
		if first < len(t.Tokens) && last < len(t.Tokens) && int(t.Tokens[first].Start) == start && int(t.Tokens[last].End) == end {
			return int(t.Tokens[first].From), int(t.Tokens[last].To), true
		}
		at = start + 1
	}
	return 0, 0, false
}

// Bytes is the folded form of the token.
func (t *Text) Bytes(i int) []byte { return t.Folded[t.Tokens[i].Start:t.Tokens[i].End] }

// leet maps signs to the letters that they stand for inside words.
var leet = [128]byte{
	'0': 'o', '1': 'i', '3': 'e', '4': 'a', '5': 's', '7': 't', '8': 'b', '9': 'g', '@': 'a', '$': 's', '!': 'i', '+': 't',
}

// Variants appends to buf the other readings of a word: signs read as letters,
// letters in a row read as two and as one, each ended by a zero byte. Most words
// have none.
func (t *Text) Variants(i int, buf []byte) []byte {
	tok := t.Tokens[i]
	if tok.Kind != Word || !tok.Has(Odd|Run) {
		return buf
	}
	word := t.Bytes(i)
	start := len(buf)
	if tok.Has(Odd) {
		for _, c := range word {
			if c < 128 && leet[c] != 0 {
				c = leet[c]
			}
			buf = append(buf, c)
		}
		buf = append(buf, 0)
		word = append([]byte(nil), buf[start:len(buf)-1]...)
		if bytes.IndexByte(word, 'i') >= 0 && bytes.IndexByte(t.Bytes(i), '1') >= 0 {
			buf = append(buf, bytes.ReplaceAll(word, []byte{'i'}, []byte{'l'})...)
			buf = append(buf, 0)
		}
	}
	for _, keep := range [2]int{2, 1} {
		if short, ok := shorten(word, keep); ok {
			buf = append(append(buf, short...), 0)
		}
	}
	return buf
}

// shorten cuts runs of three and more of the same letter to keep of them.
func shorten(word []byte, keep int) ([]byte, bool) {
	var out []byte
	changed := false
	for i := 0; i < len(word); {
		k := i + 1
		for k < len(word) && word[k] == word[i] {
			k++
		}
		n := k - i
		if n >= 3 && word[i] < 128 {
			n, changed = keep, true
		}
		for range n {
			out = append(out, word[i])
		}
		i = k
	}
	return out, changed
}

// Joined is a word that was written letter by letter, as "k i l l".
type Joined struct {
	Word        []byte
	First, Last int // tokens
}

// Joined returns the words that are written letter by letter.
func (t *Text) Joined() []Joined {
	var out []Joined
	for i := 0; i < len(t.Tokens); i++ {
		k := i
		for k < len(t.Tokens) && t.letter(k) && (k == i || t.Tokens[k].From-t.Tokens[k-1].To <= 2) {
			k++
		}
		if k-i >= 3 {
			var w []byte
			for n := i; n < k; n++ {
				w = append(w, t.Bytes(n)...)
			}
			out = append(out, Joined{Word: w, First: i, Last: k - 1})
		}
		if k > i {
			i = k - 1
		}
	}
	return out
}

// letter says whether a token is one letter of an alphabet.
func (t *Text) letter(i int) bool {
	tok := t.Tokens[i]
	return tok.Kind == Word && utf8.RuneCount(t.Bytes(i)) == 1
}

// quotes marks the tokens that stand within quotation marks or quoted lines.
func (f *folder) quotes() {
	s := f.src
	if !strings.ContainsAny(s, "\"“”„«»「」『』>") {
		return
	}
	var spans [][2]int
	open, closer := -1, rune(0)
	lineStart := true
	quotedFrom := -1
	for i, r := range s {
		switch {
		case r == '\n':
			if quotedFrom >= 0 {
				spans = append(spans, [2]int{quotedFrom, i})
			}
			quotedFrom = -1
			if closer == '"' {
				open = -1
			}
			lineStart = true
			continue
		case lineStart && r == '>':
			quotedFrom = i
		case open >= 0 && (r == closer || closer == '”' && r == '“' && i > open):
			spans = append(spans, [2]int{open, i})
			open = -1
		case open < 0 && closerOf(r) != 0:
			open, closer = i, closerOf(r)
		}
		lineStart = false
	}
	if quotedFrom >= 0 {
		spans = append(spans, [2]int{quotedFrom, len(s)})
	}
	for _, span := range spans {
		first := sort.Search(len(f.text.Tokens), func(k int) bool { return int(f.text.Tokens[k].From) >= span[0] })
		for k := first; k < len(f.text.Tokens) && int(f.text.Tokens[k].To) <= span[1]; k++ {
			f.text.Tokens[k].Flags |= Quoted
		}
	}
}

// closerOf is the mark that ends a quotation begun by r; 0 if r begins none.
func closerOf(r rune) rune {
	switch r {
	case '"':
		return '"'
	case '“', '„', '”':
		return '”'
	case '«':
		return '»'
	case '»':
		return '«'
	case '「':
		return '」'
	case '『':
		return '』'
	}
	return 0
}
