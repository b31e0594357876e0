package breach

import (
	"strings"
)

// scanner goes once over a text, and looks closer where a word begins or one of
// a few signs stands.
type scanner struct {
	text  string
	most  int // findings at most
	found []Finding
	end   int // of the last finding: nothing begins within it
	url   int // end of the link that is being read
	sql   int // end of the statement that was read

	emails  []email
	hashes  []hashRun // candidates of a hash dump
	numbers []idHit   // candidates of national numbers
	missed  [idKinds]int

	lines lineState
	low   string // the text in ASCII small letters, once it is needed
	ascii bool   // whether low has nothing else

	digits [24]byte // of the number that is being read
}

// add keeps a finding; what is masked already is no secret.
func (s *scanner) add(f Finding) {
	s.end = max(s.end, f.End)
	if len(s.found) >= s.most {
		return
	}
	for k := range f.Secrets {
		if a := f.Secrets[k]; masked(s.text[a[0]:a[1]]) {
			s.addUnmasked(f)
			return
		}
	}
	s.found = append(s.found, f)
}

// addUnmasked keeps a finding without the secrets that are masked already, if
// others remain.
func (s *scanner) addUnmasked(f Finding) {
	var rest [][2]int
	for _, a := range f.Secrets {
		if !masked(s.text[a[0]:a[1]]) {
			rest = append(rest, a)
		}
	}
	if f.Secrets = rest; len(rest) > 0 {
		s.found = append(s.found, f)
	}
}

// secret adds a finding that is a secret as a whole.
func (s *scanner) secret(start, end int, rule string, weight float64, note string) {
	s.add(Finding{Start: start, End: end, Rule: rule, Weight: weight, Note: note, Secrets: [][2]int{{start, end}}})
}

// The classes of bytes.
const (
	plain = iota
	wordByte
	sign
)

var class = func() (c [256]byte) {
	for k := range 256 {
		if alnum(byte(k)) {
			c[k] = wordByte
		}
	}
	for _, b := range []byte("@-$:=\n*~;|,\t\xEF") {
		c[b] = sign
	}
	return c
}()

func (s *scanner) run() {
	t := s.text
	for i := 0; i < len(t); {
		if i < s.end {
			s.lines.skip(t, i, s.end)
			i = s.end
			continue
		}
		switch class[t[i]] {
		case wordByte:
			i = s.word(i)
		case sign:
			s.sign(i)
			i++
		default:
			i++
		}
	}
	s.line(len(t))
}

// sign looks at what a sign at i begins or joins.
func (s *scanner) sign(i int) {
	t := s.text
	switch t[i] {
	case '\n':
		s.line(i)
	case '@':
		s.address(i)
	case '-':
		s.pem(i)
		s.option(i)
	case '$':
		if i == 0 || t[i-1] != '$' {
			s.crypt(i)
		}
	case ':':
		s.lines.separators++
		if strings.HasPrefix(t[i:], "://") && i >= s.url {
			s.link(i)
			return
		}
		s.assignment(i, i+1)
	case '=':
		s.assignment(i, i+1)
	case '*':
		s.mysqlHash(i)
	case '~':
		s.azureSecret(i)
	case 0xEF:
		if strings.HasPrefix(t[i:], "：") {
			s.assignment(i, i+len("："))
		}
	default:
		s.lines.separators++
	}
}

// word looks at a run of letters and digits that begins at i and returns where
// to go on.
func (s *scanner) word(i int) int {
	t := s.text
	end := i
	var any, all byte = 0, 7 // bits: hexadecimal, digit, letter
	for end < len(t) {
		k := kinds[t[end]]
		if k == 0 {
			break
		}
		any |= k
		all &= k
		end++
	}
	if i > 0 && alnum(t[i-1]) { // the rest of a word that a finding ended in
		return end
	}
	inURL := i < s.url
	n := end - i
	if any&bitDigit != 0 && !inURL {
		switch {
		case t[i] == 'B' && n >= 14 && i > 0 && t[i-1] == '%' && s.card(i+1): // the first track
			return max(s.end, i+1)
		case all&bitDigit != 0:
			if s.number(i, end) || s.botToken(i, end) {
				return max(s.end, i+1)
			}
		case all&bitHex != 0 && n >= 32:
			s.hash(i, end)
			if s.mailchimp(i, end) {
				return max(s.end, i+1)
			}
		}
		if n > 3 && all&bitDigit == 0 && (s.iban(i) || s.mixedID(i, end) || s.wallet(i, end)) {
			return max(s.end, i+1)
		}
	}
	if s.token(i, end) {
		return max(s.end, i+1)
	}
	if n == 56 && !inURL && strings.HasPrefix(t[end:], ".onion") && onionName(low(t[i:end])) {
		s.hint(i, end+6, "onion-link", 0.9, "name of an onion service")
	}
	if any&bitDigit == 0 {
		s.plainWord(i, end)
	}
	return end
}

// plainWord looks at what a word of letters announces.
func (s *scanner) plainWord(i, end int) {
	t := s.text
	switch n := end - i; {
	case n == 5 && t[i]|0x20 == 'p' && strings.HasPrefix(t[i:], "PuTTY-User-Key-File-"):
		s.putty(i)
	case n == 6 && t[i]|0x20 == 'i' && strings.EqualFold(t[i:end], "insert"):
		s.insert(i, end)
	case n == 5 && t[i]|0x20 == 'b' && strings.EqualFold(t[i:end], "basic"):
		s.basic(i, end)
	case n >= 4 && n <= 11 && passWords[low(t[i:end])]:
		s.spoken(i, end)
	case n >= 4 && n <= 8 && (t[i]|0x20 == 's' || t[i]|0x20 == 'm' || t[i]|0x20 == 'p' || t[i]|0x20 == 'w') && seedWords[low(t[i:end])]:
		s.seed(i, end)
	}
}

// The bits of a byte in a word.
const (
	bitHex = 1 << iota
	bitDigit
	bitAny
)

var kinds = func() (k [256]byte) {
	for i := range 256 {
		c := byte(i)
		if alnum(c) {
			k[i] = bitAny
		}
		if digit(c) {
			k[i] |= bitDigit
		}
		if isHex(c) {
			k[i] |= bitHex
		}
	}
	return k
}()

// settle judges what can only be judged once the whole text is read.
func (s *scanner) settle() {
	s.settleHashes()
	s.settleCards()
	s.settleNumbers()
	s.settleLines()
	s.settleCredentials()
	s.settleContacts()
	s.settleLists()
	s.settleTalk()
}

func alnum(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}
func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }
func upper(c byte) bool  { return c >= 'A' && c <= 'Z' }
func isHex(c byte) bool  { return digit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

// low is a short text in ASCII small letters; others stay.
func low(s string) string {
	for k := range len(s) {
		if upper(s[k]) {
			b := []byte(s)
			for k := range b {
				if upper(b[k]) {
					b[k] |= 0x20
				}
			}
			return string(b)
		}
	}
	return s
}
