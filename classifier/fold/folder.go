package fold

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// folder is the state of one New.
type folder struct {
	text *Text
	src  string

	in      bool // a word is open
	tok     Token
	tag     bool // within a hashtag
	brk     bool // a sentence has ended
	pause   bool // or paused
	sep     bool // something stood between
	latin   bool // the open word has Latin letters,
	other   bool // Cyrillic or Greek ones,
	letters int
	caps    int
	digits  bool
	signs   bool
	lower   bool // its last letter was a small one
	last    rune // the last folded rune of the word, and how often in a row
	repeat  int
}

func (f *folder) begin(at int, kind Kind) {
	if f.in {
		f.end(at)
	}
	if f.sep && len(f.text.Folded) > 0 {
		f.text.Folded = append(f.text.Folded, ' ')
	}
	f.tok = Token{Start: int32(len(f.text.Folded)), From: int32(at), Kind: kind}
	if f.sep || len(f.text.Tokens) == 0 {
		f.tok.Flags |= Spaced
	}
	if f.brk || len(f.text.Tokens) == 0 {
		f.tok.Flags |= Break
	}
	if f.tag {
		f.tok.Flags |= Tag
	}
	if f.pause {
		f.tok.Flags |= Pause
	}
	f.brk, f.pause, f.sep, f.in = false, false, false, true
	f.latin, f.other, f.digits, f.signs, f.lower = false, false, false, false, false
	f.letters, f.caps, f.repeat, f.last = 0, 0, 0, 0
}

// end closes the open word; at is the first byte after it.
func (f *folder) end(at int) {
	if !f.in {
		return
	}
	f.in = false
	t := &f.tok
	t.To = int32(at)
	if t.Kind == Word {
		if f.latin && f.other {
			f.unmask()
		}
		switch {
		case f.letters == 0:
			t.Kind = Number
		case f.digits || f.signs:
			t.Flags |= Odd
		}
		if f.caps >= 2 && f.caps == f.letters {
			t.Flags |= Upper
		}
	}
	t.End = int32(len(f.text.Folded))
	if t.End > t.Start {
		f.text.Tokens = append(f.text.Tokens, *t)
	} else if n := len(f.text.Folded); n > 0 && f.text.Folded[n-1] == ' ' {
		f.text.Folded = f.text.Folded[:n-1]
		f.sep = true
	}
}

// unmask turns Cyrillic and Greek letters that look like Latin ones into these,
// in a word that mixes the scripts.
func (f *folder) unmask() {
	word := string(f.text.Folded[f.tok.Start:])
	f.text.Folded = f.text.Folded[:f.tok.Start]
	for _, r := range word {
		if l, ok := lookalike[r]; ok {
			r = l
		}
		f.text.Folded = utf8.AppendRune(f.text.Folded, r)
	}
}

// put appends a folded rune to the open word.
func (f *folder) put(r rune) {
	if r == f.last {
		if f.repeat++; f.repeat >= 3 && r < 128 && f.tok.Kind == Word && isLower(r) {
			f.tok.Flags |= Run
		}
	} else {
		f.last, f.repeat = r, 1
	}
	f.text.Folded = utf8.AppendRune(f.text.Folded, r)
}

func isLower(r rune) bool { return 'a' <= r && r <= 'z' }

// ascii takes what begins with the ASCII byte at i, and returns its length.
func (f *folder) ascii(i int) int {
	c := f.src[i]
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		if n := f.link(i); n > 0 {
			return n
		}
		f.letter(i, c)
	case '0' <= c && c <= '9':
		if !f.in || f.tok.Kind != Word {
			f.begin(i, Word)
		}
		f.digits, f.lower = true, false
		f.put(rune(c))
	case c == '\'':
		f.apostrophe(i, 1)
	case c == '@':
		return f.at(i)
	case (c == '*' || c == '$' || c == '!' || c == '+') && f.in && f.letters > 0 && f.signInWord(i):
		f.signs = true
		f.put(rune(c))
	case c == '#':
		f.end(i)
		f.sep, f.tag = true, true
		return 1
	default:
		f.end(i)
		f.sep, f.tag = true, false
		if c == '\n' || (c == '.' || c == '!' || c == '?') && (i+1 == len(f.src) || f.src[i+1] <= ' ' || f.src[i+1] >= utf8.RuneSelf || f.src[i+1] == c) {
			f.brk = true
		}
		f.pause = f.pause || c == ',' || c == ';' || c == ':' || c == '(' || c == ')'
	}
	return 1
}

func (f *folder) letter(i int, c byte) {
	upper := c <= 'Z'
	if !f.in || f.tok.Kind != Word || f.tag && upper && f.lower {
		f.begin(i, Word)
	}
	f.latin, f.lower = true, !upper
	f.letters++
	if upper {
		f.caps++
		c += 'a' - 'A'
	}
	f.put(rune(c))
}

// apostrophe belongs to a word between two letters; after one or two letters
// and before three it separates, as in "l'homme".
func (f *folder) apostrophe(i, size int) {
	rest := f.src[i+size:]
	if !f.in || f.letters == 0 || rest == "" || !isASCIILetter(rest[0]) && rest[0] < utf8.RuneSelf {
		f.end(i)
		f.sep = true
		return
	}
	if f.letters <= 2 && len(rest) > 2 && rest[1] > ' ' && rest[2] > ' ' && (isASCIILetter(rest[2]) || rest[2] >= utf8.RuneSelf) {
		f.end(i)
		f.sep = true
		return
	}
	f.put('\'')
}

// signInWord says whether a sign stands for a letter: letters before and after
// it, at most three signs in a row.
func (f *folder) signInWord(i int) bool {
	for k := i + 1; k < len(f.src) && k <= i+3; k++ {
		switch c := f.src[k]; {
		case isASCIILetter(c):
			return true
		case c != '*' && c != '$' && c != '!':
			return false
		}
	}
	return false
}

func isASCIILetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isASCIIWord(c byte) bool   { return isASCIILetter(c) || c >= '0' && c <= '9' || c == '_' }

// link takes a whole link that begins at i, if one does.
func (f *folder) link(i int) int {
	c := f.src[i] | 0x20
	if f.in || c != 'h' && c != 'w' {
		return 0
	}
	s := f.src[i:]
	if !hasFoldPrefix(s, "http://") && !hasFoldPrefix(s, "https://") && !hasFoldPrefix(s, "www.") {
		return 0
	}
	n := 0
	for n < len(s) && s[n] > ' ' && s[n] != '"' && s[n] != '<' && s[n] != '>' && s[n] < utf8.RuneSelf {
		n++
	}
	f.begin(i, URL)
	for k := range n {
		c := s[k]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		f.text.Folded = append(f.text.Folded, c)
	}
	f.end(i + n)
	f.sep, f.tag = true, false
	return n
}

func hasFoldPrefix(s, prefix string) bool {
	if len(s) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != prefix[i] {
			return false
		}
	}
	return true
}

// at is a mention, the middle of an e-mail address, or a sign for a letter.
func (f *folder) at(i int) int {
	n, dot := 1, false
	for i+n < len(f.src) && (isASCIIWord(f.src[i+n]) || (f.src[i+n] == '.' || f.src[i+n] == '-' || f.src[i+n] == '@') && i+n+1 < len(f.src) && isASCIIWord(f.src[i+n+1])) {
		dot = dot || f.src[i+n] == '.'
		n++
	}
	switch {
	case f.in && f.tok.Kind == Word && n > 1 && dot:
		f.tok.Kind = Email
		f.text.Folded = append(f.text.Folded, f.src[i:i+n]...)
		f.end(i + n)
		f.sep = true
		return n
	case f.in && f.tok.Kind == Word && f.letters > 0 && i+1 < len(f.src) && isASCIILetter(f.src[i+1]):
		f.signs = true
		f.put('@')
		return 1
	case !f.in && n > 1:
		f.begin(i, Mention)
		f.text.Folded = append(f.text.Folded, f.src[i:i+n]...)
		f.end(i + n)
		f.sep = true
		return n
	}
	f.end(i)
	f.sep = true
	return 1
}

func (f *folder) run() {
	for i := 0; i < len(f.src); {
		if f.src[i] < utf8.RuneSelf {
			i += f.ascii(i)
			continue
		}
		r, n := utf8.DecodeRuneInString(f.src[i:])
		f.rune(i, n, r)
		i += n
	}
	f.end(len(f.src))
}

// rune takes one character beyond ASCII.
func (f *folder) rune(i, n int, r rune) {
	switch class := classOf(r); class {
	case classDrop:
	case classCompose:
		f.compose(i, n, r)
	case classChar:
		f.begin(i, Char)
		f.put(r)
		f.end(i + n)
	case classEmoji:
		f.begin(i, Emoji)
		f.put(r)
		f.end(i + n)
	case classApostrophe:
		f.apostrophe(i, n)
	case classBreak:
		f.end(i)
		f.sep, f.brk, f.tag = true, true, false
	case classSeparator:
		f.end(i)
		f.sep, f.tag = true, false
		f.pause = f.pause || strings.ContainsRune("،؛、，：；（）–—", r)
	default:
		f.foldLetter(i, n, r)
	}
}

// foldLetter takes a letter or digit that has a plainer form.
func (f *folder) foldLetter(i, n int, r rune) {
	form := formOf(r)
	first, _ := utf8.DecodeRuneInString(form)
	if first == utf8.RuneError {
		return
	}
	if c := classOf(first); c == classChar {
		f.begin(i, Char)
		f.text.Folded = append(f.text.Folded, form...)
		f.end(i + n)
		return
	}
	upper := unicode.IsUpper(r)
	if !f.in || f.tok.Kind != Word || f.tag && upper && f.lower {
		f.begin(i, Word)
	}
	f.lower = !upper
	for _, p := range form {
		switch {
		case unicode.IsDigit(p):
			f.digits = true
		case p < utf8.RuneSelf || unicode.Is(unicode.Latin, p):
			f.latin = true
			f.letters++
		case unicode.IsLetter(p):
			f.other = f.other || p >= 0x370 && p < 0x530
			f.letters++
		}
		f.put(p)
	}
	if upper {
		f.caps++
	}
}

// compose joins a mark or jamo to the character before it.
func (f *folder) compose(i, n int, r rune) {
	if r == 0xFF9E || r == 0xFF9F { // the marks of halfwidth katakana
		r += 0x3099 - 0xFF9E
	}
	if k := len(f.text.Tokens); !f.in && !f.sep && k > 0 && f.text.Tokens[k-1].Kind == Char {
		t := &f.text.Tokens[k-1]
		whole := norm.NFC.String(string(f.text.Folded[t.Start:t.End]) + string(r))
		if utf8.RuneCountInString(whole) == 1 {
			f.text.Folded = append(f.text.Folded[:t.Start], whole...)
			t.End, t.To = int32(len(f.text.Folded)), int32(i+n)
			return
		}
	}
	if unicode.Is(unicode.Mn, r) {
		return
	}
	f.begin(i, Char)
	f.put(r)
	f.end(i + n)
}
