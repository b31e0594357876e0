package transformer

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Bounds of what is tokenised. Hostile texts come as far as here.
const (
	maxRunes = 8192 // of a text; a model that takes 512 tokens sees less
	maxWord  = 256  // bytes of a word; longer ones are cut in pieces
	maxVocab = 2 << 20
)

// tokenizer turns a text into the numbers of a model's vocabulary, as tokenizer.json
// says. Special tokens are never read from a text, only put around it. Our own,
// because the libraries at hand end the process where a text surprises them.
//
// ref: https://huggingface.co/docs/tokenizers/components
type tokenizer struct {
	normal  []func(string) string
	split   []func([]string) []string
	pieces  pieces
	before  []int64
	after   []int64
	largest int64 // number of the vocabulary
}

// pieces cuts a word into pieces of a vocabulary.
type pieces interface {
	cut(word string, out []int64) []int64
}

// part is a node of tokenizer.json: what it is, and what some kinds of it need.
type part struct {
	Type         string  `json:"type"`
	Normalizers  []*part `json:"normalizers"`
	Pretoken     []*part `json:"pretokenizers"`
	Processors   []*part `json:"processors"`
	Lowercase    bool    `json:"lowercase"`
	CleanText    bool    `json:"clean_text"`
	Chinese      bool    `json:"handle_chinese_chars"`
	StripAccents *bool   `json:"strip_accents"`
	PrefixSpace  *bool   `json:"add_prefix_space"`
	Prepend      string  `json:"prepend_scheme"`
	Replacement  string  `json:"replacement"`
	Prefix       string  `json:"prepend"`
	Content      string  `json:"content"`
	Pattern      struct {
		String string `json:"String"`
	} `json:"pattern"`
	UseRegex *bool             `json:"use_regex"`
	Sep      []json.RawMessage `json:"sep"`
	Cls      []json.RawMessage `json:"cls"`
	Single   []struct {
		Special *struct {
			ID string `json:"id"`
		} `json:"SpecialToken"`
		Sequence *struct {
			ID string `json:"id"`
		} `json:"Sequence"`
	} `json:"single"`
	Specials map[string]struct {
		IDs []int64 `json:"ids"`
	} `json:"special_tokens"`
}

// parseTokenizer reads tokenizer.json. What it does not know is an error: a text
// that is cut otherwise than in training gets nonsense for an answer.
func parseTokenizer(b []byte) (*tokenizer, error) {
	var doc struct {
		Normalizer *part           `json:"normalizer"`
		Pre        *part           `json:"pre_tokenizer"`
		Post       *part           `json:"post_processor"`
		Model      json.RawMessage `json:"model"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	t := &tokenizer{}
	if err := t.normalizer(doc.Normalizer, 0); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	if err := t.splitter(doc.Pre, 0); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	if err := t.around(doc.Post, 0); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	var err error
	if t.pieces, t.largest, err = parsePieces(doc.Model); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	for _, id := range append(append([]int64(nil), t.before...), t.after...) {
		if id < 0 || id > maxVocab {
			return nil, fmt.Errorf("tokenizer.json: the special token %d is out of range", id)
		}
		t.largest = max(t.largest, id)
	}
	return t, nil
}

// maxNesting bounds sequences within sequences.
const maxNesting = 8

func (t *tokenizer) normalizer(p *part, depth int) error {
	if p == nil {
		return nil
	}
	if depth > maxNesting {
		return fmt.Errorf("normalizers are nested deeper than %d", maxNesting)
	}
	add := func(f func(string) string) { t.normal = append(t.normal, f) }
	switch p.Type {
	case "Sequence":
		for _, n := range p.Normalizers {
			if err := t.normalizer(n, depth+1); err != nil {
				return err
			}
		}
	case "BertNormalizer":
		strip := p.Lowercase
		if p.StripAccents != nil {
			strip = *p.StripAccents
		}
		q := *p
		add(func(s string) string { return bertNormal(s, q.CleanText, q.Chinese) })
		if strip {
			add(stripAccents)
		}
		if p.Lowercase {
			add(strings.ToLower)
		}
	case "Lowercase":
		add(strings.ToLower)
	case "StripAccents":
		add(stripMarks)
	case "NFC":
		add(norm.NFC.String)
	case "NFD":
		add(norm.NFD.String)
	case "NFKC", "Nmt":
		add(norm.NFKC.String)
	case "NFKD":
		add(norm.NFKD.String)
	case "Precompiled":
		// The tables of SentencePiece are NFKC, with white space made one kind and
		// control characters gone.
		add(func(s string) string { return bertNormal(norm.NFKC.String(s), true, false) })
	case "Strip":
		add(strings.TrimSpace)
	case "Prepend":
		prefix := p.Prefix
		add(func(s string) string { return prefix + s })
	case "Replace":
		from, to := p.Pattern.String, p.Content
		if from == "" { // a regular expression, in practice that for runs of spaces
			add(func(s string) string { return strings.Join(strings.Fields(s), " ") })
			break
		}
		add(func(s string) string { return strings.ReplaceAll(s, from, to) })
	default:
		return fmt.Errorf("the normalizer %q is not known", p.Type)
	}
	return nil
}

// bertNormal makes white space one kind, drops what cannot be seen and puts spaces
// around ideographs.
func bertNormal(s string, clean, chinese bool) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case clean && (r == 0 || r == utf8.RuneError):
		case clean && (r == '\t' || r == '\n' || r == '\r' || unicode.Is(unicode.Zs, r)):
			b.WriteByte(' ')
		case clean && (unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r)):
		case chinese && unicode.Is(unicode.Unified_Ideograph, r):
			b.WriteByte(' ')
			b.WriteRune(r)
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func stripAccents(s string) string { return stripMarks(norm.NFD.String(s)) }

func stripMarks(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, s)
}

func (t *tokenizer) splitter(p *part, depth int) error {
	if p == nil {
		return nil
	}
	if depth > maxNesting {
		return fmt.Errorf("pre-tokenizers are nested deeper than %d", maxNesting)
	}
	each := func(f func(string, []string) []string) {
		t.split = append(t.split, func(in []string) (out []string) {
			for _, s := range in {
				out = f(s, out)
			}
			return out
		})
	}
	switch p.Type {
	case "Sequence":
		for _, n := range p.Pretoken {
			if err := t.splitter(n, depth+1); err != nil {
				return err
			}
		}
	case "BertPreTokenizer":
		each(func(s string, out []string) []string { return words(s, true, out) })
	case "WhitespaceSplit":
		each(func(s string, out []string) []string { return words(s, false, out) })
	case "Whitespace":
		each(func(s string, out []string) []string { return wordsAndSigns(s, out) })
	case "Punctuation":
		each(func(s string, out []string) []string { return signsApart(s, out) })
	case "ByteLevel":
		prefix, regex := p.PrefixSpace == nil || *p.PrefixSpace, p.UseRegex == nil || *p.UseRegex
		t.split = append(t.split, func(in []string) (out []string) {
			for i, s := range in {
				if prefix && i == 0 && s != "" && !strings.HasPrefix(s, " ") {
					s = " " + s
				}
				list := []string{s}
				if regex {
					list = gptWords(s, nil)
				}
				for _, w := range list {
					out = append(out, byteLetters(w))
				}
			}
			return out
		})
	case "Metaspace":
		sign := p.Replacement
		if sign == "" {
			sign = "▁"
		}
		prefix := p.Prepend != "never" && (p.PrefixSpace == nil || *p.PrefixSpace)
		each(func(s string, out []string) []string {
			if prefix && s != "" && !strings.HasPrefix(s, " ") {
				s = " " + s
			}
			from := 0
			for i := range s {
				if s[i] == ' ' && i > from {
					out = append(out, strings.ReplaceAll(s[from:i], " ", sign))
					from = i
				}
			}
			if from < len(s) {
				out = append(out, strings.ReplaceAll(s[from:], " ", sign))
			}
			return out
		})
	default:
		return fmt.Errorf("the pre-tokenizer %q is not known", p.Type)
	}
	return nil
}

// around reads which special tokens stand around one text.
func (t *tokenizer) around(p *part, depth int) error {
	if p == nil {
		return nil
	}
	if depth > maxNesting {
		return fmt.Errorf("post-processors are nested deeper than %d", maxNesting)
	}
	number := func(pair []json.RawMessage) (int64, error) {
		var id int64
		if len(pair) != 2 {
			return 0, fmt.Errorf("the post-processor %q lacks a token", p.Type)
		}
		if err := json.Unmarshal(pair[1], &id); err != nil {
			return 0, fmt.Errorf("the post-processor %q: %w", p.Type, err)
		}
		return id, nil
	}
	switch p.Type {
	case "Sequence":
		for _, n := range p.Processors {
			if err := t.around(n, depth+1); err != nil {
				return err
			}
		}
	case "BertProcessing", "RobertaProcessing":
		cls, err := number(p.Cls)
		if err != nil {
			return err
		}
		sep, err := number(p.Sep)
		if err != nil {
			return err
		}
		t.before, t.after = []int64{cls}, []int64{sep}
	case "TemplateProcessing":
		list := &t.before
		t.before, t.after = nil, nil
		for _, s := range p.Single {
			switch {
			case s.Sequence != nil:
				list = &t.after
			case s.Special != nil:
				special, ok := p.Specials[s.Special.ID]
				if !ok {
					return fmt.Errorf("the special token %q is not explained", s.Special.ID)
				}
				*list = append(*list, special.IDs...)
			}
		}
	case "ByteLevel": // about places in the text
	default:
		return fmt.Errorf("the post-processor %q is not known", p.Type)
	}
	return nil
}

// encode returns at most most numbers, the special tokens among them.
func (t *tokenizer) encode(text string, most int) []int64 {
	text = strings.ToValidUTF8(text, "")
	n := 0
	for i := range text {
		if n == maxRunes {
			text = text[:i]
			break
		}
		n++
	}
	for _, f := range t.normal {
		text = f(text)
	}
	list := []string{text}
	for _, f := range t.split {
		list = f(list)
	}
	room := max(most-len(t.before)-len(t.after), 0)
	var body []int64
	for _, word := range list {
		for len(word) > 0 && len(body) < room {
			cut := len(word)
			if cut > maxWord {
				for cut = maxWord; cut > 0 && !utf8.RuneStart(word[cut]); cut-- {
				}
			}
			body = t.pieces.cut(word[:cut], body)
			word = word[cut:]
		}
	}
	out := append([]int64(nil), t.before...)
	out = append(out, body[:min(len(body), room)]...)
	return append(out, t.after...)
}
