package transformer

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// words are what stands between white space; with signs, every sign is a word.
func words(s string, signs bool, out []string) []string {
	from := -1
	for i, r := range s {
		switch {
		case unicode.IsSpace(r):
			if from >= 0 {
				out = append(out, s[from:i])
			}
			from = -1
		case signs && sign(r):
			if from >= 0 {
				out = append(out, s[from:i])
			}
			out = append(out, s[i:i+utf8.RuneLen(r)])
			from = -1
		case from < 0:
			from = i
		}
	}
	if from >= 0 {
		out = append(out, s[from:])
	}
	return out
}

// sign tells whether BERT takes a character for punctuation: also ASCII symbols.
func sign(r rune) bool {
	return r > ' ' && r < 0x7f && !(r >= '0' && r <= '9') && !(r >= 'a' && r <= 'z') && !(r >= 'A' && r <= 'Z') || unicode.IsPunct(r)
}

func signsApart(s string, out []string) []string {
	from := 0
	for i, r := range s {
		if sign(r) {
			if i > from {
				out = append(out, s[from:i])
			}
			from = i + utf8.RuneLen(r)
			out = append(out, s[i:from])
		}
	}
	if from < len(s) {
		out = append(out, s[from:])
	}
	return out
}

// wordsAndSigns are runs of letters, digits and underscores, and runs of anything
// else, without white space.
func wordsAndSigns(s string, out []string) []string {
	kind := func(r rune) int {
		switch {
		case unicode.IsSpace(r):
			return 0
		case r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r):
			return 1
		}
		return 2
	}
	from, last := 0, 0
	for i, r := range s {
		if k := kind(r); k != last {
			if last != 0 {
				out = append(out, s[from:i])
			}
			from, last = i, k
		}
	}
	if last != 0 {
		out = append(out, s[from:])
	}
	return out
}

// gptWords are the words of GPT-2 and RoBERTa: contractions; letters, digits or
// signs, each with one space before; white space, of which the last one goes to
// what follows.
func gptWords(s string, out []string) []string {
	kind := func(r rune) int {
		switch {
		case unicode.IsSpace(r):
			return 0
		case unicode.IsLetter(r):
			return 1
		case unicode.IsNumber(r):
			return 2
		}
		return 3
	}
	for len(s) > 0 {
		if n := contraction(s); n > 0 {
			out, s = append(out, s[:n]), s[n:]
			continue
		}
		r, w := utf8.DecodeRuneInString(s)
		at := 0
		if r == ' ' && len(s) > 1 {
			if next, _ := utf8.DecodeRuneInString(s[1:]); kind(next) != 0 {
				at, r = 1, next
				_, w = utf8.DecodeRuneInString(s[1:])
			}
		}
		k, end := kind(r), at+w
		for end < len(s) {
			r, w := utf8.DecodeRuneInString(s[end:])
			if kind(r) != k {
				break
			}
			end += w
		}
		if k == 0 && end < len(s) {
			// The last of the white space belongs to the word that follows.
			if _, last := utf8.DecodeLastRuneInString(s[:end]); end > last {
				end -= last
			}
		}
		out, s = append(out, s[:end]), s[end:]
	}
	return out
}

func contraction(s string) int {
	for _, c := range []string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"} {
		if strings.HasPrefix(s, c) {
			return len(c)
		}
	}
	return 0
}

// byteLetters writes every byte as the printable character that byte-level
// vocabularies use for it.
func byteLetters(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(byteLetter[s[i]])
	}
	return b.String()
}

var byteLetter = func() (t [256]rune) {
	next := rune(256)
	for i := range t {
		if i >= '!' && i <= '~' || i >= 0xa1 && i <= 0xac || i >= 0xae {
			t[i] = rune(i)
		} else {
			t[i] = next
			next++
		}
	}
	return t
}()

var errVocab = errors.New("the model of the tokenizer has no usable vocabulary")

// parsePieces reads the model of tokenizer.json, and the largest number in it.
func parsePieces(raw json.RawMessage) (pieces, int64, error) {
	var m struct {
		Type    string            `json:"type"`
		Vocab   json.RawMessage   `json:"vocab"`
		Unknown *string           `json:"unk_token"`
		UnkID   *int64            `json:"unk_id"`
		Prefix  *string           `json:"continuing_subword_prefix"`
		Most    int               `json:"max_input_chars_per_word"`
		Merges  []json.RawMessage `json:"merges"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, 0, fmt.Errorf("model: %w", err)
	}
	if m.Type == "Unigram" {
		return parseUnigram(m.Vocab, m.UnkID)
	}
	vocab := map[string]int64{}
	if err := json.Unmarshal(m.Vocab, &vocab); err != nil {
		return nil, 0, fmt.Errorf("vocabulary: %w", err)
	}
	largest := int64(-1)
	for _, id := range vocab {
		if id < 0 || id > maxVocab {
			return nil, 0, errVocab
		}
		largest = max(largest, id)
	}
	if largest < 0 {
		return nil, 0, errVocab
	}
	unknown := int64(-1)
	if m.Unknown != nil {
		if id, ok := vocab[*m.Unknown]; ok {
			unknown = id
		}
	}
	switch m.Type {
	case "WordPiece", "":
		prefix := "##"
		if m.Prefix != nil {
			prefix = *m.Prefix
		}
		if unknown < 0 {
			return nil, 0, fmt.Errorf("%w: no token stands for what is unknown", errVocab)
		}
		if m.Most <= 0 {
			m.Most = 100
		}
		return wordPiece{vocab, prefix, unknown, m.Most}, largest, nil
	case "BPE":
		b := pairs{vocab: vocab, rank: map[[2]string]int{}, unknown: unknown}
		for i, raw := range m.Merges {
			var pair [2]string
			var list []string
			var text string
			if json.Unmarshal(raw, &list) == nil && len(list) == 2 {
				pair = [2]string(list)
			} else if json.Unmarshal(raw, &text) == nil && strings.Count(text, " ") == 1 {
				pair[0], pair[1], _ = strings.Cut(text, " ")
			} else {
				return nil, 0, fmt.Errorf("merge %d is no pair", i)
			}
			if _, there := b.rank[pair]; !there {
				b.rank[pair] = i
			}
		}
		return b, largest, nil
	}
	return nil, 0, fmt.Errorf("the model %q is not known", m.Type)
}

// wordPiece takes the longest piece of the vocabulary again and again; a word that
// does not come out is unknown as a whole.
//
// ref: Wu et al. 2016, https://arxiv.org/abs/1609.08144, section 4.1.
type wordPiece struct {
	vocab   map[string]int64
	prefix  string
	unknown int64
	most    int // characters
}

func (w wordPiece) cut(word string, out []int64) []int64 {
	if utf8.RuneCountInString(word) > w.most {
		return append(out, w.unknown)
	}
	start := len(out)
	for from := 0; from < len(word); {
		end := len(word)
		id, found := int64(0), false
		for end > from {
			piece := word[from:end]
			if from > 0 {
				piece = w.prefix + piece
			}
			if id, found = w.vocab[piece]; found {
				break
			}
			_, n := utf8.DecodeLastRuneInString(word[from:end])
			end -= n
		}
		if !found {
			return append(out[:start], w.unknown)
		}
		out = append(out, id)
		from = end
	}
	return out
}

// pairs joins the neighbours that were joined first in training, until none is left
// to join.
//
// ref: Sennrich, Haddow and Birch 2016, https://arxiv.org/abs/1508.07909.
type pairs struct {
	vocab   map[string]int64
	rank    map[[2]string]int
	unknown int64
}

func (b pairs) cut(word string, out []int64) []int64 {
	var parts []string
	for _, r := range word {
		parts = append(parts, string(r))
	}
	for len(parts) > 1 {
		best, at := math.MaxInt, -1
		for i := range len(parts) - 1 {
			if rank, ok := b.rank[[2]string{parts[i], parts[i+1]}]; ok && rank < best {
				best, at = rank, i
			}
		}
		if at < 0 {
			break
		}
		parts[at] += parts[at+1]
		parts = slices.Delete(parts, at+1, at+2)
	}
	for _, p := range parts {
		if id, ok := b.vocab[p]; ok {
			out = append(out, id)
		} else if b.unknown >= 0 {
			out = append(out, b.unknown)
		}
	}
	return out
}

// unigram chooses the pieces that together are the most probable.
//
// ref: Kudo 2018, https://arxiv.org/abs/1804.10959.
type unigram struct {
	vocab   map[string]int64
	score   []float64
	unknown int64
	low     float64 // of a character that is in no piece
	longest int     // bytes of a piece
}

func parseUnigram(raw json.RawMessage, unknown *int64) (pieces, int64, error) {
	var list [][2]any
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, 0, fmt.Errorf("vocabulary: %w", err)
	}
	if len(list) == 0 || len(list) > maxVocab || unknown == nil || *unknown < 0 || *unknown >= int64(len(list)) {
		return nil, 0, errVocab
	}
	u := unigram{vocab: make(map[string]int64, len(list)), unknown: *unknown}
	least := math.Inf(1)
	for i, e := range list {
		piece, ok := e[0].(string)
		score, number := e[1].(float64)
		if !ok || !number {
			return nil, 0, errVocab
		}
		u.vocab[piece] = int64(i)
		u.score = append(u.score, score)
		u.longest = max(u.longest, len(piece))
		least = min(least, score)
	}
	u.low = least - 10
	return u, int64(len(list) - 1), nil
}

func (u unigram) cut(word string, out []int64) []int64 {
	n := len(word)
	best := make([]float64, n+1)
	from := make([]int, n+1)
	ids := make([]int64, n+1)
	for i := 1; i <= n; i++ {
		best[i] = math.Inf(-1)
	}
	for i := 0; i < n; {
		_, w := utf8.DecodeRuneInString(word[i:])
		for end := i + w; end <= n && end-i <= max(u.longest, w); {
			id, ok := u.vocab[word[i:end]]
			score := u.low
			if ok && id != u.unknown {
				score = u.score[id]
			} else if end > i+w {
				score = math.Inf(-1)
			} else {
				id = u.unknown
			}
			if s := best[i] + score; s > best[end] {
				best[end], from[end], ids[end] = s, i, id
			}
			if end == n {
				break
			}
			_, next := utf8.DecodeRuneInString(word[end:])
			end += next
		}
		i += w
	}
	start := len(out)
	for end := n; end > 0; end = from[end] {
		// Neighbours that are unknown are one.
		if len(out) > start && ids[end] == u.unknown && out[len(out)-1] == u.unknown {
			continue
		}
		out = append(out, ids[end])
	}
	slices.Reverse(out[start:])
	return out
}
