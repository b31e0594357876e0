package query

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// value is one value of a field.
type value struct {
	text   string
	quoted bool
	op     string // a comparison before it
	at     int
}

// reader turns a value of a field into a node; nil means that it was unusable
// and a warning was given.
type reader func(p *parser, name string, v value) Node

// fields are the fields that are known, by their lower-case names.
var fields map[string]reader

func init() { // a map literal would refer to itself through the parser
	fields = map[string]reader{
		"from": account(factHandle, factUser, factActor, factHost), "to": mentioned, "mentions": mentioned,
		"domain": domain, "via": host(factVia), "software": oneFact(factSoftware), "source": unsupported,
		"language": language, "lang": language,
		"has": oneOf(factHas, hasValues), "is": oneOf(factIs, isValues), "not": negated,
		"before": when, "after": when, "during": when, "until": when, "since": when, "seen": when,
		"in":  scope,
		"tag": tag, "link": host(factLink), "url": prefix,
		"alt": part(inAlt), "cw": part(inWarning), "text": part(0), "name": part(inName),
		"label": label, "entity": unsupported, "place": unsupported, "cluster": unsupported,
		"media": media, "sort": order, "order": order,
	}
}

// compared are the fields whose values may follow a comparison.
var compared = []string{"before", "after", "during", "until", "since", "seen", "cluster"}

var (
	hasValues = []string{"image", "video", "audio", "media", "poll", "link", "alt", "noalt", "cw", "quote", "emoji"}
	isValues  = []string{"sensitive", "reply", "edited", "bot", "question", "quote"}
	// later are values whose data is not kept yet.
	later = []string{"embed", "entity", "place", "boost", "pinned", "reviewed"}
)

// fieldAt tells which known field begins at an offset, and where its value does.
func (p *parser) fieldAt(at int) (name string, rest int) {
	colon := strings.IndexByte(p.text[at:], ':')
	if colon < 1 || colon > 12 {
		return "", 0
	}
	name = strings.ToLower(p.text[at : at+colon])
	if _, ok := fields[name]; !ok {
		return "", 0
	}
	return name, at + colon + 1
}

// field reads the values of a field; a comma between them means or.
func (p *parser) field(at int, name string, rest int) Node {
	p.pos = rest
	var values []value
	for {
		v, ok := p.value()
		if ok {
			values = append(values, v)
		}
		if p.pos >= len(p.text) || p.text[p.pos] != ',' {
			break
		}
		p.pos++
	}
	if len(values) == 0 {
		p.warn("empty-value", at, fmt.Sprintf("%s: has no value; it was left out", name))
		p.dropped = true
		return nil
	}
	var nodes Or
	for _, v := range values {
		if n := p.fieldValue(name, v); n != nil {
			nodes = append(nodes, n)
		}
	}
	switch len(nodes) {
	case 0:
		return nil
	case 1:
		return nodes[0]
	}
	return nodes
}

// fieldValue reads one value of a field; nil if it is none, or no clause.
func (p *parser) fieldValue(name string, v value) Node {
	warned := len(p.q.Warnings)
	var n Node
	if v.op != "" && !slices.Contains(compared, name) {
		p.bad(name, v, "to be compared")
	} else {
		n = fields[name](p, name, v)
	}
	if n == nil {
		p.dropped = p.dropped || len(p.q.Warnings) > warned
		return nil
	}
	return p.leaf(v.at, n)
}

// value reads one value: a comparison, then a quoted text or what goes up to a
// space, a bracket or a comma.
func (p *parser) value() (value, bool) {
	v := value{at: p.pos}
	for _, op := range []string{">=", "<=", ">", "<", "="} {
		if strings.HasPrefix(p.text[p.pos:], op) {
			v.op = op
			p.pos += len(op)
			break
		}
	}
	if p.pos < len(p.text) && p.text[p.pos] == '"' {
		v.text, v.quoted = p.quotedText(), true
		return v, strings.TrimSpace(v.text) != ""
	}
	at := p.pos
	s := p.bare()
	if i := strings.IndexByte(s, ','); i >= 0 {
		s = s[:i]
		p.pos = at + i
	}
	v.text = s
	return v, s != ""
}

// bad warns of a value and gives nil.
func (p *parser) bad(name string, v value, want string) Node {
	p.warn("bad-value", v.at, fmt.Sprintf("%s: %q is not %s; it was left out", name, v.text, want))
	return nil
}

// unsupported is a field whose data is not kept: it is true of no post.
func unsupported(p *parser, name string, v value) Node {
	p.warn("unsupported", v.at, fmt.Sprintf("%s: cannot be searched for yet; it finds nothing", name))
	return None{text: written(name, v.op+v.text)}
}

// written is a value in the canonical form.
func written(name, s string) string {
	if s == "" || strings.ContainsFunc(s, ends) || strings.Contains(s, ",") || strings.HasPrefix(s, "<") || strings.HasPrefix(s, ">") || strings.HasPrefix(s, "=") {
		return name + `:"` + s + `"`
	}
	return name + ":" + s
}

// hostOf brings a host into one form; "" if it is none.
func hostOf(s string) string {
	s = strings.TrimSuffix(strings.ToLower(strings.TrimSpace(s)), ".")
	if a, err := idna.Lookup.ToASCII(s); err == nil {
		s = a
	}
	if s == "" || strings.ContainsAny(s, "/@?#\"\\ *") {
		return ""
	}
	return s
}

// accountFact reads @user, user@host, @user@host, a host or a URI. Kinds that
// are empty are not understood.
func accountFact(s, handle, user, actor, host string) (Fact, bool) {
	at := strings.HasPrefix(s, "@")
	bare := strings.ToLower(strings.TrimPrefix(s, "@"))
	name, domain, both := strings.Cut(bare, "@")
	switch {
	case actor != "" && isAddress(s):
		return Fact{any: []string{exactFact(actor, s)}}, true
	case both && name != "" && hostOf(domain) != "" && isUser(name):
		return Fact{any: []string{fact(handle, name+"@"+hostOf(domain))}}, true
	case at && !both && isUser(name):
		return Fact{any: []string{fact(user, name)}}, true
	case host != "" && !at && !both && strings.ContainsAny(bare, ".:") && hostOf(bare) != "":
		return Fact{any: []string{fact(host, hostOf(bare))}}, true
	}
	return Fact{}, false
}

func isAddress(s string) bool {
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
}

func isUser(s string) bool {
	return s != "" && !strings.ContainsAny(s, `/:?#"\,()`)
}

func account(handle, user, actor, host string) reader {
	return func(p *parser, name string, v value) Node {
		n, ok := accountFact(v.text, handle, user, actor, host)
		if !ok {
			return p.bad(name, v, "@user@host, a host or an actor's address")
		}
		if n.text = written(name, strings.ToLower(v.text)); isAddress(v.text) {
			n.text = written(name, v.text) // where case counts
		}
		return n
	}
}

func mentioned(p *parser, name string, v value) Node {
	return account(factMention, factNamed, "", factMentHost)(p, name, v)
}

func domain(p *parser, name string, v value) Node {
	kind, h := factHost, v.text
	if rest, ok := strings.CutPrefix(h, "*."); ok {
		kind, h = factDomain, rest
	}
	clean := hostOf(h)
	if clean == "" {
		return p.bad(name, v, "a host or *.host")
	}
	text := clean
	if kind == factDomain {
		text = "*." + clean
	}
	return Fact{any: []string{fact(kind, clean)}, text: written(name, text)}
}

func host(kind string) reader {
	return func(p *parser, name string, v value) Node {
		h := hostOf(strings.TrimPrefix(v.text, "*."))
		if h == "" {
			return p.bad(name, v, "a host")
		}
		return Fact{any: []string{fact(kind, h)}, text: written(name, h)}
	}
}

func oneFact(kind string) reader {
	return func(_ *parser, name string, v value) Node {
		s := strings.ToLower(v.text)
		return Fact{any: []string{fact(kind, s)}, text: written(name, s)}
	}
}

// language falls back: en-GB finds en as well, en finds every English.
func language(p *parser, name string, v value) Node {
	s := strings.ToLower(strings.ReplaceAll(v.text, "_", "-"))
	for _, r := range s {
		if r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return p.bad(name, v, "a language tag as en or pt-BR")
		}
	}
	any := []string{fact(factLanguage, s)}
	if primary, _, ok := strings.Cut(s, "-"); ok {
		// The plain tag only: en-GB does not find en-US.
		any = append(any, fact(factLanguage, primary+"-!"))
	}
	return Fact{any: any, text: written("lang", s)}
}

func oneOf(kind string, known []string) reader {
	return func(p *parser, name string, v value) Node {
		s := strings.ToLower(v.text)
		if slices.Contains(later, s) {
			return unsupported(p, name, v)
		}
		if !slices.Contains(known, s) {
			return p.bad(name, v, "one of "+strings.Join(known, ", "))
		}
		return Fact{any: []string{fact(kind, s)}, text: name + ":" + s}
	}
}

// negated reads not:, the opposite of has: and is:.
func negated(p *parser, name string, v value) Node {
	s := strings.ToLower(v.text)
	switch {
	case slices.Contains(isValues, s):
		return Not{Fact{any: []string{fact(factIs, s)}, text: "is:" + s}}
	case slices.Contains(hasValues, s):
		return Not{Fact{any: []string{fact(factHas, s)}, text: "has:" + s}}
	case slices.Contains(later, s):
		return unsupported(p, name, v)
	}
	return p.bad(name, v, "one of "+strings.Join(append(slices.Clone(isValues), hasValues...), ", "))
}

func scope(p *parser, name string, v value) Node {
	switch strings.ToLower(v.text) {
	case "public", "all":
		return All{text: "in:public"}
	case "library":
		p.warn("in-library", v.at, "in:library finds nothing here: nobody has a library")
		return None{text: "in:library"}
	}
	return p.bad(name, v, "public")
}

func tag(p *parser, name string, v value) Node {
	s := tagFold(v.text)
	if s == "" || strings.ContainsAny(s, " \"") {
		return p.bad(name, v, "a hashtag")
	}
	return Fact{any: []string{fact(factTag, s)}, text: written("tag", s)}
}

func prefix(p *parser, name string, v value) Node {
	if !isAddress(v.text) {
		return p.bad(name, v, "the begin of an address, with https://")
	}
	return Prefix{prefix: v.text, text: written(name, v.text)}
}

func part(section rune) reader {
	return func(p *parser, name string, v value) Node {
		stem, star := v.text, false
		if !v.quoted {
			stem, star = strings.CutSuffix(v.text, "*")
		}
		n, ok := p.words(v.at, stem, star, []rune{section}, name+":")
		if !ok {
			return p.bad(name, v, "a word")
		}
		return n
	}
}

// label reads threat, threat>0.8 and the like. Alone a label means: over its
// threshold.
func label(p *parser, name string, v value) Node {
	i := strings.IndexAny(v.text, "<>=")
	if v.op != "" || i == 0 {
		return p.bad(name, v, "a label, as threat or threat>0.8")
	}
	if i < 0 {
		s := strings.ToLower(v.text)
		if !isLabel(s) {
			return p.bad(name, v, "a label, as threat or threat>0.8")
		}
		return Fact{any: []string{fact(factLabel, s)}, text: written(name, s)}
	}
	s, op, number := strings.ToLower(v.text[:i]), v.text[i:i+1], v.text[i+1:]
	if strings.HasPrefix(number, "=") && op != "=" {
		op, number = op+"=", number[1:]
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(f) || f < 0 || f > 1 || !isLabel(s) {
		return p.bad(name, v, "a label and a score from 0 to 1, as threat>0.8")
	}
	return Score{label: s, op: op, value: f, text: name + ":" + s + op + strconv.FormatFloat(f, 'g', -1, 64)}
}

func isLabel(s string) bool {
	for _, r := range s {
		if r != '-' && r != '_' && r != '.' && (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

func media(p *parser, name string, v value) Node {
	s := strings.ToLower(v.text)
	major, minor, ok := strings.Cut(s, "/")
	if !ok || major == "" || minor == "" || strings.ContainsAny(s, " \"") {
		return p.bad(name, v, "a media type, as image/png or image/*")
	}
	return Fact{any: []string{fact(factMedia, s)}, text: written(name, s)}
}

func order(p *parser, name string, v value) Node {
	s := Sort(strings.ToLower(v.text))
	switch s {
	case SortNewest, SortOldest, SortRelevance, SortSeen, SortScore:
		p.q.Sort = s
		return nil
	}
	return p.bad(name, v, "newest, oldest, seen, relevance or score")
}
