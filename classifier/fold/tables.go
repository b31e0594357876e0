package fold

import (
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

type class uint8

const (
	classLetter class = iota
	classDrop
	classCompose
	classChar
	classEmoji
	classApostrophe
	classBreak
	classSeparator
)

// classOf says what becomes of a character beyond ASCII.
func classOf(r rune) class {
	switch {
	case r < 0x80:
		return classLetter
	case r >= 0xAC00 && r <= 0xD7A3, r >= 0x3041 && r <= 0x3096, r >= 0x30A1 && r <= 0x30FA,
		r == 0x30FC, r == 0x3005, r >= 0x4E00 && r <= 0x9FFF, r >= 0x3400 && r <= 0x4DBF,
		r >= 0x20000 && r <= 0x3FFFF, r >= 0x3131 && r <= 0x318E:
		return classChar
	case r >= 0x0E01 && r <= 0x0EFF, r >= 0x1000 && r <= 0x109F, r >= 0x1780 && r <= 0x17FF:
		return classChar // Thai, Lao, Myanmar, Khmer
	case r == 0x3099, r == 0x309A, r == 0xFF9E, r == 0xFF9F, r >= 0x1100 && r <= 0x11FF:
		return classCompose
	case invisible(r):
		return classDrop
	case r == '’', r == 'ʼ', r == '＇', r == '‘', r == '´', r == '`':
		return classApostrophe
	case strings.ContainsRune("。！？؟…।｡‼⁉", r):
		return classBreak
	case r >= 0x1F300 && r <= 0x1FAFF, r >= 0x2600 && r <= 0x27BF:
		return classEmoji
	case r >= 0x1F130 && r <= 0x1F189:
		return classLetter // letters in squares and circles
	case unicode.IsLetter(r), unicode.IsMark(r), unicode.IsNumber(r), r >= 0x24B6 && r <= 0x24E9:
		return classLetter
	}
	return classSeparator
}

// invisible says whether a character is left out: format characters, marks on
// letters, vowel signs of Arabic and Hebrew.
func invisible(r rune) bool {
	switch {
	case r >= 0x300 && r <= 0x36F, r == 0xAD, r == 0x640, r >= 0x610 && r <= 0x61C,
		r >= 0x64B && r <= 0x65F, r == 0x670, r >= 0x6D6 && r <= 0x6ED && r != 0x6DD && r != 0x6DE && r != 0x6E9,
		r >= 0x591 && r <= 0x5C7 && r != 0x5BE && r != 0x5C0 && r != 0x5C3 && r != 0x5C6,
		r >= 0x200B && r <= 0x200F, r >= 0x202A && r <= 0x202E, r >= 0x2060 && r <= 0x206F,
		r >= 0xFE00 && r <= 0xFE0F, r == 0xFEFF, r >= 0x1AB0 && r <= 0x1AFF, r >= 0x1DC0 && r <= 0x1DFF,
		r >= 0x20D0 && r <= 0x20FF, r >= 0xFE20 && r <= 0xFE2F, r >= 0xE0000 && r <= 0xE01EF,
		r == 0x180E, r == 0x115F, r == 0x1160, r == 0x3164, r == 0xFFA0:
		return true
	}
	return false
}

// tableEnd bounds the characters whose forms are kept in a table: Latin, Greek,
// Cyrillic, Hebrew, Arabic.
const tableEnd = 0x700

var forms = sync.OnceValue(func() *[tableEnd]string {
	var t [tableEnd]string
	for r := rune(0x80); r < tableEnd; r++ {
		t[r] = makeForm(r)
	}
	return &t
})

// formOf is the plain form of a letter or digit.
func formOf(r rune) string {
	if r < tableEnd {
		return forms()[r]
	}
	return makeForm(r)
}

// special holds forms that Unicode's compatibility decomposition does not give.
var special = map[rune]string{
	'ß': "ss", 'ẞ': "ss", 'æ': "ae", 'Æ': "ae", 'œ': "oe", 'Œ': "oe", 'ø': "o", 'Ø': "o", 'đ': "d", 'Đ': "d",
	'ł': "l", 'Ł': "l", 'ı': "i", 'İ': "i", 'ð': "d", 'Ð': "d", 'þ': "th", 'Þ': "th", 'ħ': "h", 'ŧ': "t",
	'ى': "ي", 'ی': "ي", 'ې': "ي", 'ک': "ك", 'ڪ': "ك", 'ة': "ه", 'ۀ': "ه", 'ە': "ه", 'ہ': "ه", 'ھ': "ه", 'ٱ': "ا", 'گ': "گ",
	'ᴀ': "a", 'ʙ': "b", 'ᴄ': "c", 'ᴅ': "d", 'ᴇ': "e", 'ꜰ': "f", 'ɢ': "g", 'ʜ': "h", 'ɪ': "i", 'ᴊ': "j", 'ᴋ': "k",
	'ʟ': "l", 'ᴍ': "m", 'ɴ': "n", 'ᴏ': "o", 'ᴘ': "p", 'ʀ': "r", 'ꜱ': "s", 'ᴛ': "t", 'ᴜ': "u", 'ᴠ': "v", 'ᴡ': "w",
	'ʏ': "y", 'ᴢ': "z", 'ɑ': "a", 'ɡ': "g", 'ɩ': "i", 'ʋ': "v",
}

func makeForm(r rune) string {
	if s, ok := special[r]; ok {
		return s
	}
	switch {
	case r >= 0x1F150 && r <= 0x1F169: // white letters in black circles
		return string('a' + r - 0x1F150)
	case r >= 0x1F170 && r <= 0x1F189: // and squares
		return string('a' + r - 0x1F170)
	}
	var b strings.Builder
	for _, p := range norm.NFKD.String(string(r)) {
		switch {
		case invisible(p):
		case special[p] != "":
			b.WriteString(special[p])
		case unicode.IsLetter(p) || unicode.IsMark(p) || unicode.IsNumber(p):
			b.WriteRune(unicode.ToLower(p))
		}
	}
	return b.String()
}

// lookalike maps small Cyrillic, Greek and Armenian letters to the Latin ones
// that they, or their capitals, look like.
var lookalike = map[rune]rune{
	'а': 'a', 'в': 'b', 'с': 'c', 'ԁ': 'd', 'е': 'e', 'є': 'e', 'ғ': 'f', 'һ': 'h', 'н': 'h', 'і': 'i', 'ј': 'j', 'к': 'k',
	'ӏ': 'l', 'м': 'm', 'п': 'n', 'о': 'o', 'р': 'p', 'ԛ': 'q', 'г': 'r', 'ѕ': 's', 'т': 't', 'у': 'y', 'ү': 'v', 'ѵ': 'v',
	'ԝ': 'w', 'х': 'x', 'з': 'e', 'и': 'n', 'я': 'r', 'ш': 'w',
	'α': 'a', 'β': 'b', 'ε': 'e', 'η': 'n', 'ι': 'i', 'κ': 'k', 'λ': 'l', 'μ': 'u', 'ν': 'v', 'ο': 'o', 'ρ': 'p', 'σ': 'o',
	'ς': 'c', 'τ': 't', 'υ': 'u', 'χ': 'x', 'γ': 'y', 'ω': 'w', 'ζ': 'z',
}
