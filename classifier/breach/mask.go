package breach

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode/utf8"
)

// A mask is "…", with a digest "…⟨9f31c2⟩" behind what is kept.
const (
	ellipsis  = "…"
	digestIn  = "⟨"
	digestOut = "⟩"
)

// digestBytes is how much of the HMAC is shown: 24 bits. Two sightings of one
// secret agree always; two different secrets out of ten thousand seen agree by
// chance in one of 1,700 comparisons with all of them, and have to have the same
// first and last characters as well. More bits would serve only who got hold of
// the key and tries lists of passwords: with 24, one digest fits about one
// password of any list of 16 millions, so that it proves no guess.
const digestBytes = 3

// Masker masks texts. With a key it adds a digest to each masked secret, by
// which two sightings of the same secret can be matched without knowing it. The
// zero Masker, and one with a key of zeros, adds none. It is safe for concurrent
// use.
type Masker struct {
	key   [32]byte
	keyed bool
}

// NewMasker returns a masker with a key of 32 random bytes. Digests of different
// keys cannot be compared.
func NewMasker(key [32]byte) Masker {
	return Masker{key: key, keyed: key != [32]byte{}}
}

// Mask masks without digests.
func Mask(text string) string { return Masker{}.Mask(text) }

// maxRounds bounds how often masked text is looked at again.
const maxRounds = 8

// Mask returns the text with every secret masked, whatever its length: first and
// last characters stay, one each of a secret of 4 to 11 characters, two from 12
// on, four from 20 on; shorter ones vanish. Texts without secrets come back as
// they are, and so does masked text. It takes linear time.
func (m Masker) Mask(text string) string {
	// Where one thing is masked, another may be seen that it hid: hence again,
	// until nothing is found.
	for range maxRounds {
		spans := secrets(scan(text, len(text)))
		if len(spans) == 0 {
			break
		}
		text = m.spans(text, 0, len(text), spans)
	}
	return text
}

// secrets are those of all findings, in their order in the text.
func secrets(found []Finding) [][2]int {
	var spans [][2]int
	for _, f := range found {
		spans = append(spans, f.Secrets...)
	}
	slices.SortFunc(spans, func(a, b [2]int) int { return a[0] - b[0] })
	return spans
}

// show is the beginning of the finding's text, with all secrets in it masked,
// those of other findings too.
func (m Masker) show(text string, f Finding, spans [][2]int) string {
	return m.Mask(clip(m.spans(text, f.Start, f.End, spans)))
}

// spans is text[from:to] with the spans in it masked, which are sorted.
func (m Masker) spans(text string, from, to int, spans [][2]int) string {
	var b strings.Builder
	b.Grow(to - from + 16)
	at := from
	for _, s := range spans {
		if s[0] >= to {
			break
		}
		if s[1] <= at {
			continue
		}
		start, end := max(s[0], at), min(s[1], to)
		b.WriteString(text[at:start])
		// The local part of an address names a person, but is no secret to match.
		m.secret(&b, text[start:end], end < len(text) && text[end] == '@')
		at = end
	}
	b.WriteString(text[at:to])
	return b.String()
}

// secret writes a masked secret.
func (m Masker) secret(b *strings.Builder, s string, bare bool) {
	keep := 0
	switch n := utf8.RuneCountInString(s); {
	case n >= 20:
		keep = 4
	case n >= 12:
		keep = 2
	case n >= 4:
		keep = 1
	}
	head, tail := 0, len(s)
	for range keep {
		_, size := utf8.DecodeRuneInString(s[head:])
		head += size
		_, size = utf8.DecodeLastRuneInString(s[:tail])
		tail -= size
	}
	b.WriteString(s[:head])
	b.WriteString(ellipsis)
	b.WriteString(s[tail:])
	if m.keyed && !bare && keep > 0 {
		b.WriteString(digestIn)
		b.WriteString(m.Digest(s))
		b.WriteString(digestOut)
	}
}

// Digest returns the digest of a secret as Mask shows it, six hexadecimal
// digits; "" without a key. Numbers have the same digest with and without
// spaces, dots and dashes.
// ref: RFC 2104 §5 (truncated output)
func (m Masker) Digest(secret string) string {
	if !m.keyed {
		return ""
	}
	h := hmac.New(sha256.New, m.key[:])
	h.Write([]byte(bareNumber(secret)))
	return hex.EncodeToString(h.Sum(nil)[:digestBytes])
}

// bareNumber drops separators from what consists of digits and capitals.
func bareNumber(s string) string {
	for k := range len(s) {
		if c := s[k]; !digit(c) && !upper(c) && c != ' ' && c != '-' && c != '.' && c != '/' {
			return s
		}
	}
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '.' || r == '/' {
			return -1
		}
		return r
	}, s)
}

// masked says whether a part was masked already.
func masked(s string) bool { return strings.Contains(s, ellipsis) }
