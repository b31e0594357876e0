// Package query is the search language: text is parsed once into a tree, and
// the tree becomes SQL for the store and a predicate for alerts and live
// streams. Both agree on every post. The preparation of text is one function
// for indexing and for asking.
//
// The language is a superset of Mastodon's search operators. Nothing a person
// types is an error: what cannot be understood becomes a warning beside the
// results. What is left out never makes a query find everything.
//
// A store indexes what Index returns and selects with SQL, whose full-text
// parts all have the form
//
//	p.id IN (SELECT rowid FROM post_fts WHERE post_fts MATCH ?)
//
// Rows that rise with arrival make newest-first cheap: look at a stretch of
// ids at a time, and add its bounds to the inner SELECT (post_fts.rowid
// BETWEEN …) as well as to p.id, or SQLite gathers every row of a common word
// before it shows the first.
package query

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Token is a prepared word with its place in the text that it came from.
type Token struct {
	Text       string
	Start, End int // byte offsets in the original
}

// piece is one folded rune with its place.
type piece struct {
	r          rune
	start, end int
	upper      bool // the original was upper case: hashtags are split there
}

// fold brings a text into the form in which it is compared: NFKC, case and
// width folded, diacritics off, ß as ss. Japanese voicing marks and the vowel
// signs of other scripts are no diacritics and stay.
func fold(s string) []piece {
	if plainASCII(s) {
		out := make([]piece, len(s))
		for i := range len(s) {
			c := s[i]
			up := 'A' <= c && c <= 'Z'
			if up {
				c += 'a' - 'A'
			}
			out[i] = piece{rune(c), i, i + 1, up}
		}
		return out
	}
	out := make([]piece, 0, len(s))
	caser := cases.Fold()
	var it norm.Iter
	it.InitString(norm.NFKC, s)
	waiting := 0 // pieces before it know where they end
	for !it.Done() {
		start := it.Pos()
		seg := string(it.Next())
		end := it.Pos()
		first, size := utf8.DecodeRuneInString(seg)
		up := unicode.IsUpper(first)
		if size == len(seg) && settledRune(first) {
			out = append(out, piece{unicode.ToLower(first), start, end, up})
			seg = ""
		}
		for _, r := range norm.NFKC.String(strip(norm.NFD.String(caser.String(seg)))) {
			out = append(out, piece{r, start, end, up})
			up = false
		}
		// A letter that unfolds to several comes piece by piece, and only with
		// the last does the position move on.
		for ; end > start && waiting < len(out); waiting++ {
			out[waiting].end = max(out[waiting].end, end)
		}
	}
	return out
}

// settledRune tells whether of a letter in NFKC only the case is left to fold:
// of ASCII, and of the kana, ideographs and syllables that most texts without
// spaces are written in.
func settledRune(r rune) bool {
	return r < utf8.RuneSelf || 'ぁ' <= r && r <= 'ゖ' || 'ァ' <= r && r <= 'ヺ' || '一' <= r && r <= '鿿' || '가' <= r && r <= '힣'
}

func plainASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// strip removes the marks that most people do not type: accents of Latin,
// Greek and Cyrillic, points of Hebrew and Arabic.
func strip(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 0x300 <= r && r <= 0x36f, 0x591 <= r && r <= 0x5c7, 0x64b <= r && r <= 0x65f, r == 0x670, r == 0x640:
			return -1
		case 0xfe00 <= r && r <= 0xfe0f, r == 0x200d, 0x1f3fb <= r && r <= 0x1f3ff:
			return -1 // variation selectors, joiner and skin tones of emoji
		case r == 0x200b, r == 0x200c, r == 0x2060, r == 0xfeff, r == 0xad, 0x202a <= r && r <= 0x202e, 0x2066 <= r && r <= 0x2069:
			return -1 // what cannot be seen
		}
		return r
	}, s)
}

// Fold is the folded form of a text as a string, for comparing values.
func Fold(s string) string {
	var b strings.Builder
	for _, p := range fold(s) {
		b.WriteRune(p.r)
	}
	return b.String()
}

// class tells how a rune takes part in words.
type class int

const (
	separator class = iota
	letter          // of a script that puts spaces between words
	gram            // of a script that does not
	symbol          // an emoji: a word of its own
)

var grams = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
}

func classOf(r rune) class {
	switch {
	case r < utf8.RuneSelf:
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' {
			return letter
		}
		return separator
	case r >= sectionFirst && r <= sectionLast:
		return separator // used by the index itself
	case unicode.In(r, grams...) || r == 'ー':
		return gram
	case unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r):
		return letter
	case unicode.Is(unicode.So, r):
		return symbol
	}
	return separator
}

// Tokens prepares a text: words of letters and digits; of scripts without
// spaces, the overlapping pairs and the last single letter, as Lucene's CJK
// analyser makes them; emoji; C++, C# and .NET; hashtags whole, and split at
// their capitals as well.
func Tokens(s string) []Token {
	ps := fold(s)
	out := make([]Token, 0, len(ps)/5+1)
	for i := 0; i < len(ps); {
		switch classOf(ps[i].r) {
		case letter:
			j := run(ps, i, letter)
			j = special(ps, i, j)
			if i > 0 && ps[i-1].r == '#' {
				out = camel(out, ps, i, j)
			}
			out = append(out, token(ps, i, j))
			i = j
		case gram:
			j := run(ps, i, gram)
			for k := i; k+1 < j; k++ {
				out = append(out, token(ps, k, k+2))
			}
			out = append(out, token(ps, j-1, j))
			i = j
		case symbol:
			out = append(out, token(ps, i, i+1))
			i++
		default:
			if dotNet(ps, i) {
				out = append(out, token(ps, i, i+4))
				i += 4
				continue
			}
			i++
		}
	}
	return out
}

func run(ps []piece, i int, c class) int {
	for i < len(ps) && classOf(ps[i].r) == c {
		i++
	}
	return i
}

// special takes the signs of C++ and C# (and F#, and the like) to their letter.
func special(ps []piece, i, j int) int {
	if j-i > 1 || !unicode.IsLetter(ps[i].r) || j >= len(ps) {
		return j
	}
	ends := func(k int) bool { return k >= len(ps) || classOf(ps[k].r) == separator }
	if ps[j].r == '+' && j+1 < len(ps) && ps[j+1].r == '+' && ends(j+2) {
		return j + 2
	}
	if ps[j].r == '#' && ends(j+1) {
		return j + 1
	}
	return j
}

func dotNet(ps []piece, i int) bool {
	if ps[i].r != '.' || i+4 > len(ps) || i > 0 && classOf(ps[i-1].r) != separator {
		return false
	}
	for k, r := range "net" {
		if ps[i+1+k].r != r {
			return false
		}
	}
	return i+4 == len(ps) || classOf(ps[i+4].r) != letter
}

// camel adds the parts of a hashtag that is written with capitals inside.
func camel(out []Token, ps []piece, i, j int) []Token {
	cuts := []int{i}
	for k := i + 1; k < j; k++ {
		if ps[k].upper && !ps[k-1].upper {
			cuts = append(cuts, k)
		}
	}
	if len(cuts) == 1 {
		return out
	}
	cuts = append(cuts, j)
	for k := 0; k+1 < len(cuts); k++ {
		out = append(out, token(ps, cuts[k], cuts[k+1]))
	}
	return out
}

func token(ps []piece, i, j int) Token {
	var b strings.Builder
	for _, p := range ps[i:j] {
		b.WriteRune(p.r)
	}
	return Token{Text: b.String(), Start: ps[i].start, End: ps[j-1].end}
}

// asked turns a text that somebody searches for into the tokens that it must
// match in a row. Within a row a run of a script without spaces keeps its last
// single letter, as the index has it; at the end of the row it loses it, since
// the run may go on in the post; a single letter at the end is a prefix.
func asked(s string) (tokens []string, prefix bool) {
	ts := Tokens(s)
	for _, t := range ts {
		tokens = append(tokens, t.Text)
	}
	n := len(tokens)
	if n == 0 {
		return nil, false
	}
	last := tokens[n-1]
	if r, size := utf8.DecodeRuneInString(last); size == len(last) && classOf(r) == gram {
		if n > 1 && ts[n-2].End == ts[n-1].End && utf8.RuneCountInString(tokens[n-2]) == 2 {
			return tokens[:n-1], false
		}
		return tokens, true
	}
	return tokens, false
}

// tagFold is the form in which hashtags are compared: width and case folded,
// diacritics kept.
func tagFold(s string) string {
	s = strings.ToLower(norm.NFKC.String(strings.TrimLeft(s, "#＃")))
	// Some letters unfold to several words.
	return strings.Join(strings.Fields(s), "_")
}
