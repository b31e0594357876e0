package query

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// everywhere are the parts of a post that a plain word is looked for in.
var everywhere = []rune{0, inWarning, inPoll, inAlt}

// bare reads up to a space, a bracket or a quote.
func (p *parser) bare() string {
	start := p.pos
	for p.pos < len(p.text) {
		r, n := utf8.DecodeRuneInString(p.text[p.pos:])
		if ends(r) {
			break
		}
		p.pos += n
	}
	return p.text[start:p.pos]
}

func (p *parser) word() Node {
	at := p.pos
	s := p.bare()
	if s == "" { // a sign that begins nothing
		_, n := utf8.DecodeRuneInString(p.text[p.pos:])
		p.pos += n
		p.dropped = true
		return nil
	}
	if name, _, ok := strings.Cut(s, ":"); ok && isName(name) && !strings.HasPrefix(s[len(name):], "://") {
		p.warn("unknown-field", at, fmt.Sprintf("%q is no field; its words were searched for", name))
	}
	stem, star := strings.CutSuffix(s, "*")
	n, ok := p.words(at, stem, star, everywhere, "")
	if !ok {
		p.dropped = true
		return nil
	}
	return p.leaf(at, n)
}

func isName(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '_' {
			return false
		}
	}
	return s != ""
}

// words makes the node of a word or phrase; false if nothing of it is a word.
func (p *parser) words(at int, s string, star bool, sections []rune, field string) (Words, bool) {
	s = settled(s)
	tokens, prefix := asked(s)
	if len(tokens) == 0 {
		return Words{}, false
	}
	if star {
		switch {
		case !plain(s):
			p.warn("prefix", at, "a prefix is the begin of one word; * was left out")
			star = false
		case len(tokens) == 1 && !prefix && classOf([]rune(s)[0]) != gram && utf8.RuneCountInString(s) < minStem:
			p.warn("prefix-short", at, fmt.Sprintf("a prefix has at least %d letters; * was left out", minStem))
			star = false
		case p.prefixes >= maxPrefixes:
			p.warn("too-many-prefixes", at, fmt.Sprintf("at most %d prefixes in a group; * was left out", maxPrefixes))
			star = false
		default:
			p.prefixes++
		}
	}
	text := `"` + s + `"`
	if plain(s) {
		text = s
	}
	if star {
		text += "*"
	}
	return Words{sections: sections, groups: [][]string{tokens}, prefix: prefix || star, text: field + text}, true
}

// settled folds a text until folding changes nothing, so that the canonical
// form parses back to itself.
func settled(s string) string {
	s = strings.Join(strings.Fields(strings.ReplaceAll(s, `"`, " ")), " ")
	for range 4 {
		next := strings.Join(strings.Fields(strings.ReplaceAll(clean(Fold(s)), `"`, " ")), " ")
		if next == s {
			break
		}
		s = next
	}
	return s
}

// plain tells whether a word needs no quotes in the canonical form.
func plain(s string) bool {
	for _, r := range s {
		if c := classOf(r); c != letter && c != gram {
			return false
		}
	}
	return s != ""
}

// quotedText reads a quoted text and whether it was closed.
func (p *parser) quotedText() string {
	at := p.pos
	p.pos++
	end := strings.IndexByte(p.text[p.pos:], '"')
	if end < 0 {
		p.warn("unclosed-quote", at, "a quote is not closed")
		s := p.text[p.pos:]
		p.pos = len(p.text)
		return s
	}
	s := p.text[p.pos : p.pos+end]
	p.pos += end + 1
	return s
}

func (p *parser) phrase() Node {
	at := p.pos
	s := p.quotedText()
	if n, ok := p.near(at, s); ok {
		if n == nil {
			p.dropped = true
			return nil
		}
		return p.leaf(at, n)
	}
	n, ok := p.words(at, s, false, everywhere, "")
	if !ok {
		p.dropped = true
		return nil
	}
	return p.leaf(at, n)
}

// near reads "a b"~5; false if no ~ follows.
func (p *parser) near(at int, s string) (Node, bool) {
	if p.pos+1 >= len(p.text) || p.text[p.pos] != '~' || !digit(p.text[p.pos+1]) {
		return nil, false
	}
	p.pos++
	within := 0
	for i := 0; i < 2 && p.pos < len(p.text) && digit(p.text[p.pos]); i++ {
		within = within*10 + int(p.text[p.pos]-'0')
		p.pos++
	}
	if within > maxNear {
		p.warn("near", at, fmt.Sprintf("near is at most %d words", maxNear))
		within = maxNear
	}
	within = max(within, 1)
	s = settled(s)
	var groups [][]string
	prefix := false
	for w := range strings.FieldsSeq(s) {
		tokens, open := asked(w)
		if len(tokens) == 0 {
			continue
		}
		groups, prefix = append(groups, tokens), open
	}
	if len(groups) < 2 {
		w, ok := p.words(at, s, false, everywhere, "")
		if !ok {
			return nil, true
		}
		return w, true
	}
	return Words{sections: everywhere, groups: groups, prefix: prefix, near: within, text: fmt.Sprintf(`"%s"~%d`, s, within)}, true
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// tagAt reads the letters of a hashtag.
func (p *parser) tagAt(at int) string {
	end := at
	for end < len(p.text) {
		r, n := utf8.DecodeRuneInString(p.text[end:])
		// The marks that hashtags may hold besides letters: observed in Mastodon 4.
		if !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) && !strings.ContainsRune("_·・\u200c", r) {
			break
		}
		end += n
	}
	return p.text[at:end]
}

func (p *parser) mention() Node {
	at := p.pos
	s := strings.TrimRight(p.bare(), ".,;:!?")
	n, ok := accountFact(s, factMention, factNamed, "", "")
	if !ok {
		p.pos = at
		return nil
	}
	n.text = strings.ToLower(s)
	return n
}
