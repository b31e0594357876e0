package query

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// parser reads the text once, from left to right.
type parser struct {
	o        Options
	q        *Query
	text     string
	pos      int
	clauses  int
	prefixes int  // in the current group of alternatives
	dropped  bool // something was typed that holds no word
}

func (p *parser) warn(code string, at int, text string) {
	if len(p.q.Warnings) < maxClauses {
		p.q.Warnings = append(p.q.Warnings, Warning{Code: code, At: at, Text: text})
	}
}

func (p *parser) space() {
	for p.pos < len(p.text) {
		r, n := utf8.DecodeRuneInString(p.text[p.pos:])
		if !unicode.IsSpace(r) && !unicode.IsControl(r) {
			return
		}
		p.pos += n
	}
}

// keyword takes an upper-case operator that stands alone.
func (p *parser) keyword(word string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.text[p.pos:], word)
	if r, _ := utf8.DecodeRuneInString(rest); !ok || rest != "" && !ends(r) {
		return false
	}
	p.pos += len(word)
	return true
}

// ends tells whether a rune ends a word that is not quoted.
func ends(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || r == '(' || r == ')' || r == '"'
}

func (p *parser) peekKeyword(word string) bool {
	at := p.pos
	ok := p.keyword(word)
	p.pos = at
	return ok
}

func (p *parser) or(depth int) Node {
	before := p.prefixes
	p.prefixes = 0
	defer func() { p.prefixes = before }()
	var parts Or
	for {
		at := p.pos
		n := p.and(depth)
		if n != nil {
			parts = append(parts, n)
		}
		again := p.keyword("OR")
		if n == nil && (again || len(parts) > 0) {
			p.warn("dangling-operator", at, "OR stands beside nothing")
		}
		if !again {
			break
		}
	}
	switch len(parts) {
	case 0:
		return nil
	case 1:
		return parts[0]
	}
	return flatOr(parts)
}

func flatOr(parts Or) Node {
	var out Or
	for _, n := range parts {
		if inner, ok := n.(Or); ok {
			out = append(out, inner...)
		} else {
			out = append(out, n)
		}
	}
	return out
}

func (p *parser) and(depth int) Node {
	var parts And
	joined := -1 // where an AND stands that waits for what follows
	dangling := func() {
		if joined >= 0 {
			p.warn("dangling-operator", joined, "AND stands beside nothing")
			joined = -1
		}
	}
	for {
		p.space()
		if p.pos >= len(p.text) || p.peekKeyword("OR") {
			dangling()
			break
		}
		if p.text[p.pos] == ')' {
			if depth > 0 {
				dangling()
				break
			}
			p.warn("stray-bracket", p.pos, "a bracket closes that never opened")
			p.pos++
			continue
		}
		if at := p.pos; p.keyword("AND") {
			dangling()
			if joined = at; len(parts) == 0 {
				dangling()
			}
			continue
		}
		joined = -1
		if n := p.unary(depth); n != nil {
			if inner, ok := n.(And); ok {
				parts = append(parts, inner...)
			} else {
				parts = append(parts, n)
			}
		}
	}
	switch len(parts) {
	case 0:
		return nil
	case 1:
		return parts[0]
	}
	return parts
}

func (p *parser) unary(depth int) Node {
	not := false
	for {
		if p.keyword("NOT") {
			p.space()
			if p.pos >= len(p.text) || p.text[p.pos] == ')' {
				p.warn("dangling-operator", p.pos, "NOT stands before nothing")
				return nil
			}
			not = !not
			continue
		}
		p.space()
		if p.pos+1 < len(p.text) && (p.text[p.pos] == '-' || p.text[p.pos] == '+') && p.startsClause() && p.startsPrimary(p.pos+1) {
			if p.text[p.pos] == '-' {
				not = !not
			}
			p.pos++
			continue
		}
		break
	}
	n := p.primary(depth)
	if n == nil || !not {
		return n
	}
	if inner, ok := n.(Not); ok {
		return inner.Node
	}
	return Not{n}
}

// startsClause tells whether the reader stands where a clause may begin: the
// hyphen within #foo-bar leaves nothing out.
func (p *parser) startsClause() bool {
	r, n := utf8.DecodeLastRuneInString(p.text[:p.pos])
	return n == 0 || unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("(+-", r)
}

// startsPrimary tells whether something that may be left out stands there.
func (p *parser) startsPrimary(at int) bool {
	r, _ := utf8.DecodeRuneInString(p.text[at:])
	return !unicode.IsSpace(r) && r != ')'
}

func (p *parser) primary(depth int) Node {
	p.space()
	at := p.pos
	if at >= len(p.text) {
		return nil
	}
	switch c := p.text[at]; {
	case c == '(':
		return p.bracket(depth)
	case c == '"':
		return p.phrase()
	case c == '#':
		if tag := p.tagAt(at + 1); tag != "" {
			p.pos = at + 1 + len(tag)
			folded := tagFold(tag)
			return p.leaf(at, Fact{any: []string{fact(factTag, folded)}, text: "#" + folded})
		}
	case c == '@':
		if n := p.mention(); n != nil {
			return p.leaf(at, n)
		}
	}
	if name, rest := p.fieldAt(at); name != "" {
		return p.field(at, name, rest)
	}
	return p.word()
}

func (p *parser) bracket(depth int) Node {
	at := p.pos
	p.pos++
	if depth >= maxDepth {
		p.warn("too-deep", at, fmt.Sprintf("brackets nest deeper than %d; this one was left out", maxDepth))
		p.skipBracket()
		return nil
	}
	n := p.or(depth + 1)
	p.dropped = p.dropped || n == nil
	p.space()
	if p.pos < len(p.text) && p.text[p.pos] == ')' {
		p.pos++
	} else {
		p.warn("unclosed-bracket", at, "a bracket is not closed")
	}
	return n
}

// skipBracket passes over a bracket that is too deep.
func (p *parser) skipBracket() {
	for open := 1; p.pos < len(p.text) && open > 0; p.pos++ {
		switch p.text[p.pos] {
		case '(':
			open++
		case ')':
			open--
		}
	}
}

// leaf counts a clause.
func (p *parser) leaf(at int, n Node) Node {
	p.clauses++
	if p.clauses == maxClauses+1 {
		p.warn("too-many-clauses", at, fmt.Sprintf("only the first %d clauses were read", maxClauses))
	}
	if p.clauses > maxClauses {
		return nil
	}
	if w, ok := n.(Words); ok {
		p.q.words = append(p.q.words, w)
	}
	return n
}
