package language

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// script is a writing system; those with one common language name it.
type script struct {
	name   string
	tag    string // its language, where it has one
	table  *unicode.RangeTable
	weight int // how much one character says, in letters
}

const (
	latin = iota
	cyrillic
	arabic
	devanagari
	han
	kana
	hangul
	others // those after it have one language
)

var scripts = []script{
	latin:      {"latin", "", unicode.Latin, 1},
	cyrillic:   {"cyrillic", "", unicode.Cyrillic, 1},
	arabic:     {"arabic", "", unicode.Arabic, 1},
	devanagari: {"devanagari", "", unicode.Devanagari, 1},
	han:        {"han", "", unicode.Han, 3},
	kana:       {"kana", "ja", unicode.Hiragana, 3},
	hangul:     {"hangul", "ko", unicode.Hangul, 3},
	others:     {"greek", "el", unicode.Greek, 1},
	{"hebrew", "he", unicode.Hebrew, 1},
	{"thai", "th", unicode.Thai, 1},
	{"bengali", "bn", unicode.Bengali, 1},
	{"tamil", "ta", unicode.Tamil, 1},
	{"telugu", "te", unicode.Telugu, 1},
	{"gujarati", "gu", unicode.Gujarati, 1},
	{"gurmukhi", "pa", unicode.Gurmukhi, 1},
	{"kannada", "kn", unicode.Kannada, 1},
	{"malayalam", "ml", unicode.Malayalam, 1},
	{"oriya", "or", unicode.Oriya, 1},
	{"sinhala", "si", unicode.Sinhala, 1},
	{"georgian", "ka", unicode.Georgian, 1},
	{"armenian", "hy", unicode.Armenian, 1},
	{"lao", "lo", unicode.Lao, 1},
	{"khmer", "km", unicode.Khmer, 1},
	{"myanmar", "my", unicode.Myanmar, 1},
	{"ethiopic", "am", unicode.Ethiopic, 1},
	{"tibetan", "bo", unicode.Tibetan, 1},
	{"cherokee", "chr", unicode.Cherokee, 1},
	{"canadian", "iu", unicode.Canadian_Aboriginal, 1},
}

// scriptOf is the index of a letter's script, -1 if it is no letter that counts.
func scriptOf(r rune) int {
	switch {
	case r < 0x80:
		if r|0x20 >= 'a' && r|0x20 <= 'z' {
			return latin
		}
		return -1
	case r < 0x250:
		if unicode.IsLetter(r) {
			return latin
		}
		return -1
	case r >= 0x400 && r < 0x530:
		return cyrillic
	case r >= 0x600 && r < 0x780:
		if unicode.IsLetter(r) {
			return arabic
		}
		return -1
	case r >= 0x900 && r < 0x980:
		if unicode.IsDigit(r) || r == 0x964 || r == 0x965 {
			return -1
		}
		return devanagari
	case r >= 0x4E00 && r <= 0x9FFF, r >= 0x3400 && r <= 0x4DBF, r >= 0x20000 && r <= 0x3FFFF:
		return han
	case r >= 0x3041 && r <= 0x30FF:
		if r == 0x30FB || r == 0x30FC {
			return -1
		}
		return kana
	case r >= 0xAC00 && r <= 0xD7A3, r >= 0x3131 && r <= 0x318E, r >= 0x1100 && r <= 0x11FF:
		return hangul
	case r >= 0xFF66 && r <= 0xFF9D:
		return kana
	case r >= 0x1E00 && r < 0x1F00:
		return latin
	case !unicode.IsLetter(r) && !unicode.IsMark(r):
		return -1
	}
	for i := range scripts {
		if unicode.Is(scripts[i].table, r) {
			return i
		}
	}
	return -1
}

// sample is what a text shows of its language.
type sample struct {
	counts [32]int // letters by script
	weight int     // of all letters
	words  []rune  // letters in lower case, words between spaces
	runes  int
	hits   []int32 // room for the trigrams that are known
}

// samples are used again.
var samples = sync.Pool{New: func() any { return &sample{words: make([]rune, 0, 512), hits: make([]int32, 0, 512)} }}

// survey reads the letters of a text, without links, mentions, hashtags, e-mail
// addresses and shortcodes.
func survey(text string) *sample {
	s, ok := samples.Get().(*sample)
	if !ok {
		s = &sample{}
	}
	*s = sample{words: append(s.words[:0], ' '), hits: s.hits[:0]}
	for i := 0; i < len(text) && s.runes < maxLetters; {
		c := text[i]
		start := i == 0 || text[i-1] <= ' ' || text[i-1] == '('
		if start && (c == '@' || c == '#' || c == ':' || c == 'h' && (strings.HasPrefix(text[i:], "http://") || strings.HasPrefix(text[i:], "https://"))) ||
			start && addressLike(text[i:]) {
			for i < len(text) && text[i] > ' ' {
				i++
			}
			s.space()
			continue
		}
		r, n := rune(c), 1
		if c >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(text[i:])
		}
		i += n
		s.letter(r)
	}
	s.space()
	return s
}

// addressLike says whether a word holds an @, as addresses do.
func addressLike(s string) bool {
	for k := 0; k < len(s) && k < 64 && s[k] > ' '; k++ {
		if s[k] == '@' && k > 0 {
			return true
		}
	}
	return false
}

func (s *sample) letter(r rune) {
	k := scriptOf(r)
	if k < 0 {
		if r != '\'' && r != '’' && r != 0x200C && r != 0x200D && !unicode.IsMark(r) {
			s.space()
		} else if r == '\'' || r == '’' {
			s.words = append(s.words, '\'')
		}
		return
	}
	s.counts[k]++
	s.weight += scripts[k].weight
	s.runes++
	s.words = append(s.words, unicode.ToLower(r))
}

func (s *sample) space() {
	if s.words[len(s.words)-1] != ' ' {
		s.words = append(s.words, ' ')
	}
}

// dominant is the script of most of the text, and its share.
func (s *sample) dominant() (int, float64) {
	best, most, total := -1, 0, 0
	for k := range scripts {
		n := s.counts[k] * scripts[k].weight
		if k == han || k == kana {
			n = (s.counts[han] + s.counts[kana]) * 3
			if k == kana {
				continue
			}
		}
		total += n
		if n > most {
			best, most = k, n
		}
	}
	if best < 0 {
		return -1, 0
	}
	return best, float64(most) / float64(total)
}

// onlyByScript is the language of a short text in a script that has only one.
func (s *sample) onlyByScript() (string, bool) {
	k, _ := s.dominant()
	if k == han && s.counts[kana] > 0 {
		return "ja", true
	}
	if k < 0 || scripts[k].tag == "" {
		return "", false
	}
	return scripts[k].tag, true
}

// guess is the likeliest language of a text that is long enough.
func (s *sample) guess(author string) (string, float64) {
	k, share := s.dominant()
	if k < 0 {
		return Unknown, 0
	}
	if k == han {
		tag, sure := s.chinese(author)
		return tag, sure * share
	}
	if tag := scripts[k].tag; tag != "" {
		switch {
		case tag == "he" && s.contains("װױײ"):
			tag = "yi"
		case tag == "bn" && s.contains("ৰৱ"):
			tag = "as"
		}
		return tag, share
	}
	tag, sure := model().guess(s, k, author)
	return tag, sure * share
}

// chinese tells Japanese from Chinese: kana, or characters that only one of the
// two writes so.
func (s *sample) chinese(author string) (string, float64) {
	h, k := s.counts[han], s.counts[kana]
	if k > 0 && (k*12 >= h || author == "ja") {
		return "ja", 1
	}
	ja, zh := 0, 0
	for _, r := range s.words {
		switch {
		case r < 0x3400:
		case strings.ContainsRune(onlyJapanese, r):
			ja++
		case strings.ContainsRune(onlyChinese, r):
			zh++
		}
	}
	switch {
	case ja > zh:
		return "ja", 0.8
	case zh > 0:
		return "zh", 0.95
	}
	return "zh", 0.65
}

// Characters that Japan simplified in its own way or made itself, and characters
// that are common in Chinese and not used in Japanese.
const (
	onlyJapanese = "気対発検円広図売応実桜沢浜辺剣込峠働畑枠駅駆関係気県亜圧囲壱悪拡戦権済歳黒姫渋様続転帰仮価団伝労"
	onlyChinese  = "这个们吗呢吧你她它没说时会对还样让给过为么两从来见问间门东车马鸟鱼龙们這個們嗎妳沒說時對還樣讓給過為麼兩從來見問間門東車馬鳥魚龍啊哪谁誰很那他把被是的了在我也都就要去能想"
)

func (s *sample) contains(chars string) bool {
	for _, r := range s.words {
		if strings.ContainsRune(chars, r) {
			return true
		}
	}
	return false
}

// plausible says whether a language can be written as the text is.
func (s *sample) plausible(tag string) bool {
	if tag == Unknown {
		return false
	}
	k, _ := s.dominant()
	if k == han {
		return tag == "ja" || tag == "zh" || tag == "ko" || tag == "yue" || tag == "wuu" || tag == "nan" || tag == "lzh"
	}
	if k >= 0 && scripts[k].tag == tag {
		return true
	}
	for i, sc := range scripts {
		if sc.tag == tag && i != k {
			return false // it has a script of its own, which is not this one
		}
	}
	if sc, ok := model().scriptOf[tag]; ok {
		return sc == k || tag == "sr" && (k == latin || k == cyrillic)
	}
	return tag != "zh"
}
