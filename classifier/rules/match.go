package rules

import (
	"slices"
	"strings"
	"unicode/utf8"

	"hark/classifier/fold"
)

// hit is an atom that was found: where it begins is known by its list.
type hit struct {
	atom int32
	end  int32 // token after it
}

// found is a pattern that matched.
type found struct {
	pattern     *pattern
	first, last int // tokens, last included
	negated     bool
}

// matcher is the scratch space of one judgement.
type matcher struct {
	set   *set
	text  *fold.Text
	hits  []hit
	at    []int32 // token → first of its hits; one more than there are tokens
	found []found
	buf   []byte
	skip  [maxSkip]int32 // tokens that gaps have swallowed
	skips int
}

// maxSkip bounds how many swallowed tokens are remembered, maxFound how many
// matches: a text cannot make the judge work without end.
const (
	maxSkip   = 16
	maxFound  = 400
	maxTokens = 4000
)

// look finds the atoms of every token.
func (m *matcher) look() {
	m.hits, m.at = m.hits[:0], m.at[:0]
	tokens := m.text.Tokens
	n := min(len(tokens), maxTokens)
	joined := m.text.Joined()
	for i := range n {
		m.at = append(m.at, int32(len(m.hits)))
		t := tokens[i]
		switch t.Kind {
		case fold.URL:
			m.add("<url>", i)
			continue
		case fold.Mention:
			m.add("<mention>", i)
			continue
		case fold.Email:
			m.add("<email>", i)
			continue
		case fold.Number:
			m.number(i)
		}
		m.walk(i, int(t.Start))
		if t.Kind != fold.Word {
			continue
		}
		if c := m.text.Folded[t.Start]; c >= 0xD8 && c <= 0xDB {
			m.arabic(i)
		}
		if t.Has(fold.Odd | fold.Run) {
			m.buf = m.text.Variants(i, m.buf[:0])
			for rest := m.buf; len(rest) > 0; {
				k := slices.Index(rest, 0)
				m.walkWord(rest[:k], i, i+1)
				rest = rest[k+1:]
			}
		}
		if k := t.End - t.Start; k > 3 && m.text.Folded[t.End-1] == 's' && m.text.Folded[t.End-2] == '\'' {
			m.walkWord(m.text.Folded[t.Start:t.End-2], i, i+1)
		}
		for len(joined) > 0 && joined[0].First < i {
			joined = joined[1:]
		}
		if len(joined) > 0 && joined[0].First == i && joined[0].Last < n {
			m.walkWord(joined[0].Word, i, joined[0].Last+1)
		}
	}
	m.at = append(m.at, int32(len(m.hits)))
}

func (m *matcher) add(special string, i int) {
	m.hits = append(m.hits, hit{m.set.special[special], int32(i + 1)})
}

// number tells amounts of money and percentages.
func (m *matcher) number(i int) {
	t := m.text.Tokens[i]
	m.add("<num>", i)
	before, _ := utf8.DecodeLastRuneInString(strings.TrimSuffix(m.text.Original[:t.From], " "))
	after, _ := utf8.DecodeRuneInString(strings.TrimPrefix(m.text.Original[t.To:], " "))
	if strings.ContainsRune("$€£¥₿₩", before) || strings.ContainsRune("$€£¥₿₩円원", after) {
		m.add("<money>", i)
	}
	if after == '%' || after == '％' || after == '٪' {
		m.add("<percent>", i)
	}
}

// walk goes into the trie from the byte at, in the token i, and may go on into
// the tokens after it.
func (m *matcher) walk(i, at int) {
	tokens, folded := m.text.Tokens, m.text.Folded
	n := m.set.trie.root[folded[at]]
	cur, pos := i, at
	for n != 0 {
		pos++
		nd := &m.set.trie.nodes[n]
		end := int(tokens[cur].End)
		if nd.prefix >= 0 {
			m.hits = append(m.hits, hit{nd.prefix, int32(cur + 1)})
		}
		if pos == end {
			if nd.exact >= 0 {
				m.hits = append(m.hits, hit{nd.exact, int32(cur + 1)})
			}
			if cur++; cur >= len(tokens) || cur >= maxTokens {
				return
			}
		}
		if pos >= len(folded) {
			return
		}
		n = m.set.trie.step(n, folded[pos])
	}
}

// walkWord looks for a whole word that is another reading of the tokens from i
// up to end.
func (m *matcher) walkWord(word []byte, i, end int) {
	if len(word) == 0 {
		return
	}
	n := m.set.trie.root[word[0]]
	for pos := 1; n != 0; pos++ {
		nd := &m.set.trie.nodes[n]
		if nd.prefix >= 0 {
			m.hits = append(m.hits, hit{nd.prefix, int32(end)})
		}
		if pos == len(word) {
			if nd.exact >= 0 {
				m.hits = append(m.hits, hit{nd.exact, int32(end)})
			}
			return
		}
		n = m.set.trie.step(n, word[pos])
	}
}

// arabic looks for the word without the particles that are written together with
// it: and, so; in, to, as, will; the article.
func (m *matcher) arabic(i int) {
	t := m.text.Tokens[i]
	w := m.text.Folded[t.Start:t.End]
	const least = 6 // bytes that must stay: three letters
	if len(w) >= 2+least && (has(w, "و") || has(w, "ف")) {
		w = w[2:]
		m.walkWord(w, i, i+1)
	}
	for _, p := range []string{"بال", "كال", "ال", "لل", "ب", "ل", "ك", "س"} {
		if has(w, p) && len(w) >= len(p)+least {
			m.walkWord(w[len(p):], i, i+1)
			break
		}
	}
}

func has(w []byte, prefix string) bool {
	return len(w) >= len(prefix) && string(w[:len(prefix)]) == prefix
}

// run finds the patterns of a table of set.byFirst.
func (m *matcher) run(table [][]int32) {
	m.found = m.found[:0]
	tokens := m.text.Tokens
	for i := range len(m.at) - 1 {
		for _, h := range m.hits[m.at[i]:m.at[i+1]] {
			for _, pi := range table[h.atom] {
				p := &m.set.patterns[pi]
				if len(m.found) >= maxFound {
					return
				}
				if p.start && !tokens[i].Has(fold.Break) || !p.inside && m.midWord(i) {
					continue
				}
				m.skips = 0
				end, ok := m.rest(p, 1, int(h.end))
				if !ok {
					continue
				}
				m.found = append(m.found, found{pattern: p, first: i, last: end - 1, negated: m.negated(i)})
			}
		}
	}
}

// midWord says whether a Hangul syllable stands within a word.
func (m *matcher) midWord(i int) bool {
	t := m.text.Tokens[i]
	if t.Kind != fold.Char || t.Has(fold.Spaced) {
		return false
	}
	return hangul(m.text.Bytes(i)) && i > 0 && hangul(m.text.Bytes(i-1))
}

func hangul(b []byte) bool {
	r, _ := utf8.DecodeRune(b)
	return r >= 0xAC00 && r <= 0xD7A3
}

// rest matches the elements from e on at the token at.
func (m *matcher) rest(p *pattern, e, at int) (int, bool) {
	if e == len(p.elements) {
		return at, true
	}
	el := &p.elements[e]
	if el.atoms == nil { // a gap, or one token of any kind
		least, most := 0, el.gap
		if el.gap == 0 {
			least, most = 1, 1
		}
		mark := m.skips
		for n := 0; n <= most; n++ {
			if n >= least {
				if end, ok := m.rest(p, e+1, at+n); ok {
					return end, true
				}
			}
			k := at + n
			if k >= len(m.at)-1 || m.text.Tokens[k].Has(fold.Break) {
				break
			}
			if m.skips < maxSkip {
				m.skip[m.skips] = int32(k)
				m.skips++
			}
		}
		m.skips = mark
		return 0, false
	}
	if at < len(m.at)-1 && !m.text.Tokens[at].Has(fold.Break) {
		for _, h := range m.hits[m.at[at]:m.at[at+1]] {
			if _, ok := slices.BinarySearch(el.atoms, h.atom); ok {
				if end, ok := m.rest(p, e+1, int(h.end)); ok {
					return end, true
				}
			}
		}
	}
	if el.optional {
		return m.rest(p, e+1, at)
	}
	return 0, false
}

// negated says whether a negation stands up to two tokens before the match, in
// the same breath, or in one of its gaps.
func (m *matcher) negated(first int) bool {
	for k := first - 1; k >= 0 && k >= first-2 && !m.text.Tokens[k+1].Has(fold.Break|fold.Pause); k-- {
		if m.isNot(k) {
			return true
		}
	}
	for _, k := range m.skip[:m.skips] {
		if m.isNot(int(k)) {
			return true
		}
	}
	return false
}

func (m *matcher) isNot(k int) bool {
	for _, h := range m.hits[m.at[k]:m.at[k+1]] {
		if m.set.not[h.atom] {
			return true
		}
	}
	return false
}
