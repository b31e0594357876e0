package sig

import (
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/piprate/json-gold/ld"
)

const (
	// maxPlainIRI is below the length at which the general processor stops
	// taking an address for one.
	maxPlainIRI = 2000
	// knownOrigins is how many origins are remembered.
	knownOrigins = 1024
)

// term is what fastHash needs to know about a property.
type term struct {
	predicate string // with its brackets
	ending    string // of strings, from the closing quote on
	typed     bool   // ending holds for other values too
	address   bool   // strings are addresses
	double    bool   // numbers are doubles
	list      bool
	language  bool
}

// ends returns how a value that is not a string ends.
func (t *term) ends(untyped string) string {
	if t.typed {
		return t.ending
	}
	return untyped
}

// writableTerms lists the properties of a context that fastHash can write.
func writableTerms(active *ld.Context) map[string]*term {
	terms := make(map[string]*term, len(active.TermDefinitions))
	for name, d := range active.TermDefinitions {
		if d == nil {
			continue
		}
		if t, ok := writableTerm(d); ok {
			terms[name] = t
		}
	}
	return terms
}

func writableTerm(d *ld.TermDefinition) (*term, bool) {
	if d.Reverse || d.HasContext || d.Nest != "" || d.Index != "" || d.HasDirection || d.HasLanguage ||
		len(d.Container) > 1 || !plainIRI(d.ID) {
		return nil, false
	}
	t := &term{predicate: "<" + d.ID + ">", ending: `"`}
	if len(d.Container) == 1 {
		switch d.Container[0] {
		case "@list":
			t.list = true
		case "@language":
			t.language = true
		case "@set":
		default:
			return nil, false
		}
	}
	switch {
	case d.Type == "":
	case d.Type == "@id":
		t.address = true
	case strings.HasPrefix(d.Type, nsRDF), !plainIRI(d.Type):
		return nil, false // texts with a language, JSON: they have their own rules
	default:
		t.typed = true
		t.double = d.Type == ld.XSDDouble
		if d.Type != ld.XSDString {
			t.ending = `"^^<` + d.Type + `>`
		}
	}
	return t, true
}

// writable finds what fastHash needs to know about a key of an object.
func (v *vocabulary) writable(key string) (*term, bool) {
	if t, ok := v.terms[key]; ok {
		return t, true
	}
	d, ok := v.property(key)
	if !ok {
		return nil, false
	}
	return writableTerm(&d)
}

// writableType finds the address that a value of "type" stands for, with its
// brackets.
func (v *vocabulary) writableType(name string) (string, bool) {
	if t, ok := v.terms[name]; ok {
		return t.predicate, true
	}
	id, err := v.active.ExpandIri(name, false, true, nil, nil)
	if err != nil || !plainIRI(id) {
		return "", false
	}
	return "<" + id + ">", true
}

// originCache remembers which origins the general processor takes for good: it
// asks a regular expression, for every address anew. It guards itself.
var originCache = sync.OnceValue(func() *lru.Cache[string, bool] {
	c, err := lru.New[string, bool](knownOrigins)
	if err != nil {
		return nil // only for a size below one
	}
	return c
})

// plainIRI reports whether an address is written into a statement as it is,
// and not dropped by the general processor: an address of the web whose origin
// it knows to be good, or one such as "tag:…" or "urn:…", in characters that
// need no escaping. It says no when in doubt.
func plainIRI(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || len(s) > maxPlainIRI {
		return false
	}
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case c <= ' ', c > '~', c == '"', c == '<', c == '>', c == '\\', c == '^', c == '`', c == '{', c == '|', c == '}':
			return false
		case c == '%' && (i+2 >= len(rest) || !hexDigit(rest[i+1]) || !hexDigit(rest[i+2])):
			return false
		}
	}
	if scheme != "http" && scheme != "https" {
		return opaque(scheme, rest)
	}
	authority, ok := strings.CutPrefix(rest, "//")
	if !ok {
		return false
	}
	if end := strings.IndexAny(authority, "/?#"); end >= 0 {
		authority = authority[:end]
	}
	if strings.Contains(authority, "@") {
		return false
	}
	return goodOrigin(s[:len(scheme)+len("://")+len(authority)])
}

// opaque reports whether an address without an authority can be told by its
// form to be absolute.
func opaque(scheme, rest string) bool {
	for i := 0; i < len(scheme); i++ {
		if c := scheme[i]; c < 'a' || c > 'z' {
			return false
		}
	}
	return scheme != "" && rest != "" && rest[0] != '/'
}

func goodOrigin(origin string) bool {
	good, known := originCache().Get(origin)
	if !known {
		good = ld.IsURL(origin)
		originCache().Add(strings.Clone(origin), good)
	}
	return good
}

func hexDigit(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}
