package sig

import (
	"bytes"
	"crypto/sha256"
	"math"
	"slices"
	"strconv"

	"github.com/piprate/json-gold/ld"
)

// How literals of the three kinds of JSON value end when the property has no
// type, and the names that lists are made of.
const (
	endBoolean = `"^^<` + nsXSD + `boolean>`
	endInteger = `"^^<` + nsXSD + `integer>`
	endDouble  = `"^^<` + nsXSD + `double>`

	rdfType  = "<" + nsRDF + "type>"
	rdfFirst = "<" + nsRDF + "first>"
	rdfRest  = "<" + nsRDF + "rest>"
	rdfNil   = "<" + nsRDF + "nil>"
)

// fastHash does for common documents what canonicalHash does for all, without
// the general processor: in an object that the walker has let through, one
// entry is one statement, so the statements can be written down directly. ok
// is false when anything is the least unusual; then the general processor
// decides. Where ok is true both give the same.
//
// ref: JSON-LD 1.1 API, Deserialize JSON-LD to RDF; RDF 1.1 N-Quads
func fastHash(v *vocabulary, object map[string]any) (sum [sha256.Size]byte, lines int, ok bool) {
	w := &writer{
		vocabulary: v,
		text:       make([]byte, 0, 8<<10),
		nodes:      make([]node, 0, 32),
		statements: make([]statement, 0, 96),
	}
	if !w.object(w.node(object), object) || len(w.statements) == 0 || !w.label() {
		return sum, 0, false
	}
	return w.sum()
}

// writer collects the statements of one document.
type writer struct {
	vocabulary *vocabulary
	text       []byte // predicates and objects, one after the other
	nodes      []node
	statements []statement
}

// node is a subject: an address, or nameless until label gives it a name.
type node struct {
	label  string // with its brackets, "" while a node has no name
	first  int    // its latest statement, -1 for none
	parent int    // the statement that leads to it, -1 for none
}

// statement is one line. Only its nodes without a name are still to be filled
// in.
type statement struct {
	subject  int // of nodes
	object   int // of nodes, -1 if the text holds the object
	from, to int // of text
	next     int // the subject's previous statement, -1 for none
}

// node adds the node of an object. An id that cannot be written as it is makes
// the label "<>", which object refuses.
func (w *writer) node(o map[string]any) int {
	label := ""
	if id, named := o["id"]; named {
		label = "<>"
		if s, ok := id.(string); ok && plainIRI(s) {
			label = "<" + s + ">"
		}
	}
	w.nodes = append(w.nodes, node{label: label, first: -1, parent: -1})
	return len(w.nodes) - 1
}

// begin starts a statement; the caller appends the object to the text and
// calls end, or calls link.
func (w *writer) begin(subject int, predicate string) {
	s := statement{subject: subject, object: -1, from: len(w.text), next: w.nodes[subject].first}
	w.nodes[subject].first = len(w.statements)
	w.statements = append(w.statements, s)
	w.text = append(w.text, ' ')
	w.text = append(w.text, predicate...)
	w.text = append(w.text, ' ')
}

func (w *writer) end(object string) {
	w.text = append(w.text, object...)
	w.text = append(w.text, " .\n"...)
	w.statements[len(w.statements)-1].to = len(w.text)
}

// link ends a statement with a node.
func (w *writer) link(object int) {
	if label := w.nodes[object].label; label != "" {
		w.end(label)
		return
	}
	last := len(w.statements) - 1
	w.statements[last].object, w.statements[last].to = object, len(w.text)
	w.nodes[object].parent = last
}

// object writes what is said about a node. All methods below report whether
// they could.
func (w *writer) object(subject int, o map[string]any) bool {
	if w.nodes[subject].label == "<>" {
		return false
	}
	for key, v := range o {
		switch key {
		case "id":
			continue
		case "type":
			if !w.types(subject, v) {
				return false
			}
			continue
		}
		t, ok := w.vocabulary.writable(key)
		if !ok || !w.entry(subject, t, v) {
			return false
		}
	}
	return true
}

func (w *writer) types(subject int, v any) bool {
	switch v := v.(type) {
	case string:
		label, ok := w.vocabulary.writableType(v)
		if ok {
			w.begin(subject, rdfType)
			w.end(label)
		}
		return ok
	case []any:
		for _, item := range v {
			name, ok := item.(string)
			if !ok || !w.types(subject, name) {
				return false
			}
		}
		return len(v) > 0
	}
	return false
}

func (w *writer) entry(subject int, t *term, v any) bool {
	if v == nil {
		return true // says nothing
	}
	items, several := v.([]any)
	switch {
	case t.language:
		return w.languages(subject, t, v)
	case t.list && several:
		return w.list(subject, t, items)
	case t.list:
		return w.list(subject, t, []any{v})
	case !several:
		return w.item(subject, t.predicate, t, v)
	}
	for _, item := range items {
		if !w.item(subject, t.predicate, t, item) {
			return false
		}
	}
	return true
}

// item writes one value of a property, or the one in a place of a list.
func (w *writer) item(subject int, predicate string, t *term, v any) bool {
	w.begin(subject, predicate)
	switch v := v.(type) {
	case map[string]any:
		child := w.node(v)
		w.link(child)
		return w.object(child, v)
	case string:
		switch {
		case !t.address:
			w.literal(v)
			w.end(t.ending)
		case v == "as:Public":
			w.end("<" + nsAS + "Public>")
		case plainIRI(v):
			w.text = append(w.text, '<')
			w.text = append(w.text, v...)
			w.end(">")
		default:
			return false
		}
		return true
	case bool:
		w.text = append(w.text, '"')
		w.text = strconv.AppendBool(w.text, v)
		w.end(t.ends(endBoolean))
		return !t.address
	case float64:
		return !t.address && w.number(t, v)
	}
	return false
}

// number writes whole numbers as such unless the property wants a double, and
// others with an exponent. Minus zero is left to the general processor, which
// takes it for equal to zero and yet writes it differently.
func (w *writer) number(t *term, f float64) bool {
	if math.Abs(f) > maxExact || math.IsNaN(f) || f == 0 && math.Signbit(f) {
		return false
	}
	w.text = append(w.text, '"')
	if whole := f == math.Trunc(f); whole && !t.double {
		w.text = strconv.AppendInt(w.text, int64(f), 10)
		w.end(t.ends(endInteger))
		return true
	}
	w.text = append(w.text, ld.GetCanonicalDouble(f)...)
	w.end(t.ends(endDouble))
	return true
}

// literal writes a string up to its closing quote.
func (w *writer) literal(s string) {
	w.text = append(w.text, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		var escaped string
		switch s[i] {
		case '\\':
			escaped = `\\`
		case '"':
			escaped = `\"`
		case '\n':
			escaped = `\n`
		case '\r':
			escaped = `\r`
		case '\t':
			escaped = `\t`
		default:
			continue
		}
		w.text = append(w.text, s[from:i]...)
		w.text = append(w.text, escaped...)
		from = i + 1
	}
	w.text = append(w.text, s[from:]...)
}

// languages writes a map from a language to text. Tags are lower case in the
// canonical form.
func (w *writer) languages(subject int, t *term, v any) bool {
	m, ok := v.(map[string]any)
	if !ok {
		return false
	}
	for tag, v := range m {
		text, ok := v.(string)
		if !ok || !languageTag(tag) {
			return false
		}
		w.begin(subject, t.predicate)
		w.literal(text)
		w.text = append(w.text, `"@`...)
		for i := 0; i < len(tag); i++ {
			c := tag[i]
			if c >= 'A' && c <= 'Z' {
				c |= 0x20
			}
			w.text = append(w.text, c)
		}
		w.end("")
	}
	return true
}

// list writes an ordered list: a node for every place, which says what is
// there and what comes next.
func (w *writer) list(subject int, t *term, items []any) bool {
	w.begin(subject, t.predicate)
	for _, item := range items {
		place := w.node(nil)
		w.link(place)
		if !w.item(place, rdfFirst, t, item) {
			return false
		}
		w.begin(place, rdfRest)
	}
	w.end(rdfNil)
	return true
}

// sum hashes the sorted lines. It fails if two of them are equal, which the
// general processor has its own way with.
func (w *writer) sum() (sum [sha256.Size]byte, lines int, ok bool) {
	text := make([]byte, 0, 2*len(w.text))
	ends := make([]int, len(w.statements))
	for i, s := range w.statements {
		text = append(text, w.nodes[s.subject].label...)
		text = append(text, w.text[s.from:s.to]...)
		if s.object >= 0 {
			text = append(text, w.nodes[s.object].label...)
			text = append(text, " .\n"...)
		}
		ends[i] = len(text)
	}
	sorted := make([][]byte, len(ends))
	from := 0
	for i, to := range ends {
		sorted[i] = text[from:to]
		from = to
	}
	slices.SortFunc(sorted, bytes.Compare)
	h := sha256.New()
	for i, line := range sorted {
		if i > 0 && bytes.Equal(line, sorted[i-1]) {
			return sum, 0, false
		}
		h.Write(line)
	}
	h.Sum(sum[:0])
	return sum, len(sorted), true
}
