package sig

import (
	"encoding/json"
	"math"
	"sort"
	"strings"
	"unicode/utf8"
)

// Limits on a signed document. A Mastodon post has fewer than 300 values, an
// actor with every field under 400.
const (
	maxDocument = 1 << 20
	maxDepth    = 32
	maxValues   = 5000
	// maxAnonymous bounds the objects without an id, whose canonical labels
	// are what is dear about canonicalising; a hashtag or mention is one.
	maxAnonymous = 512
	// maxNested bounds the ones inside others of their kind: there the work
	// grows with the square. A poll's option with its vote count is one.
	maxNested = 64
	maxExact  = 1 << 53
)

// decodeDocument reads one JSON object, refusing what two readers could take
// for different documents: duplicate keys, invalid UTF-8, numbers that lose
// digits, trailing bytes.
func decodeDocument(doc []byte) (map[string]any, error) {
	if len(doc) > maxDocument {
		return nil, refuse("document of %d bytes", len(doc))
	}
	if !utf8.Valid(doc) {
		return nil, refuse("document is not UTF-8")
	}
	members, err := measure(doc)
	if err != nil {
		return nil, err
	}
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		return nil, refuse("JSON: %v", err)
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, refuse("document is not an object")
	}
	var c census
	if err := c.value(object, 0); err != nil {
		return nil, err
	}
	if c.members != members {
		return nil, refuse("duplicate key: %d of %d are left", c.members, members)
	}
	return object, nil
}

// measure counts the members of all objects, before they are decoded and of two
// with the same key only one is left: there is a colon outside of strings for
// each. Documents that are too deep, or too large to be worth decoding, end
// here. What is not JSON is for the decoder to find.
func measure(doc []byte) (members int, err error) {
	var depth, parts int
	for i := 0; i < len(doc); i++ {
		switch doc[i] {
		case '"':
			for i++; i < len(doc) && doc[i] != '"'; i++ {
				if doc[i] == '\\' {
					i++
				}
			}
		case ':':
			members++
		case ',':
			parts++
		case '{', '[':
			parts++
			depth++
		case '}', ']':
			depth--
		}
		if depth > maxDepth+1 || parts > 2*maxValues {
			return 0, refuse("more than %d values or %d levels", maxValues, maxDepth)
		}
	}
	return members, nil
}

// census counts what was decoded.
type census struct {
	values, members int
}

func (c *census) value(v any, depth int) error {
	if c.values++; c.values > maxValues || depth > maxDepth {
		return refuse("more than %d values or %d levels", maxValues, maxDepth)
	}
	switch v := v.(type) {
	case float64:
		if math.Abs(v) > maxExact {
			return refuse("number %g", v)
		}
	case map[string]any:
		c.members += len(v)
		for _, inner := range v {
			if err := c.value(inner, depth+1); err != nil {
				return err
			}
		}
	case []any:
		for _, inner := range v {
			if err := c.value(inner, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// walker checks that every entry of a document is covered by a signature over
// its canonical form, and that the form says what the JSON says. It counts the
// statements that must come out, so that an entry which the processor drops
// for a reason not foreseen here shows as a difference.
type walker struct {
	vocabulary *vocabulary
	statements int
	anonymous  int
	nested     int
}

// object checks one object. inside tells that its parent has no id either.
func (w *walker) object(o map[string]any, inside bool) error {
	_, named := o["id"]
	if !named {
		if w.anonymous++; w.anonymous > maxAnonymous {
			return refuse("more than %d objects without an id", maxAnonymous)
		}
		if inside {
			if w.nested++; w.nested > maxNested {
				return refuse("more than %d nested objects without an id", maxNested)
			}
		}
	}
	for key, v := range o {
		if err := w.entry(key, v, !named); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) entry(key string, v any, anonymous bool) error {
	switch key {
	case "id":
		id, ok := v.(string)
		if !ok || !w.vocabulary.address(id) || id == "as:Public" {
			return refuse("id %.80v", v)
		}
		return nil
	case "type":
		return w.types(v)
	}
	d, ok := w.vocabulary.property(key)
	if !ok {
		return refuse("%.80q is not covered, the context does not define it", key)
	}
	container := ""
	if len(d.Container) > 0 {
		container = d.Container[0]
	}
	switch container {
	case "@language":
		return w.languageMap(key, v)
	case "@list":
		return w.list(key, v, d.Type, anonymous)
	}
	if blank(v) {
		return w.blank(key)
	}
	items, ok := v.([]any)
	if !ok {
		return w.item(key, v, d.Type, anonymous)
	}
	if anonymous && twins(items) {
		return refuse("%.80q holds objects that cannot be told apart", key)
	}
	for _, item := range items {
		if err := w.item(key, item, d.Type, anonymous); err != nil {
			return err
		}
	}
	return nil
}

// blank reports whether a value leaves no trace in the canonical form, so that
// anyone could add or remove it.
func blank(v any) bool {
	items, ok := v.([]any)
	return v == nil || ok && len(items) == 0
}

// consent are the properties for which saying nothing is not the same as
// nothing being said.
var consent = map[string]bool{"searchableBy": true, "indexable": true, "discoverable": true}

func (w *walker) blank(key string) error {
	if consent[key] {
		return refuse("empty %q is not covered", key)
	}
	return nil
}

func (w *walker) types(v any) error {
	items, ok := v.([]any)
	if !ok {
		items = []any{v}
	}
	for _, item := range items {
		name, ok := item.(string)
		if !ok || !w.vocabulary.typeName(name) {
			return refuse("type %.80v is not covered, the context does not define it", item)
		}
		w.statements++
	}
	return nil
}

func (w *walker) item(key string, v any, typ string, anonymous bool) error {
	switch v := v.(type) {
	case map[string]any:
		w.statements++
		return w.object(v, anonymous)
	case string:
		if typ == "@id" && !w.vocabulary.address(v) {
			return refuse("%.80q: %.80q is not an address", key, v)
		}
	case float64, bool:
		if typ == "@id" {
			return refuse("%.80q is not an address", key)
		}
	default: // null or an array inside an array
		return refuse("%.80q holds %.20v", key, v)
	}
	w.statements++
	return nil
}

func (w *walker) list(key string, v any, typ string, anonymous bool) error {
	if v == nil {
		return w.blank(key)
	}
	items, ok := v.([]any)
	if !ok {
		items = []any{v}
	}
	w.statements += 1 + len(items) // the list itself, and what comes next
	w.anonymous += len(items)      // every place in a list is a node
	w.nested += len(items)
	if w.anonymous > maxAnonymous || w.nested > maxNested {
		return refuse("%.80q is too long a list", key)
	}
	for _, item := range items {
		if err := w.item(key, item, typ, true); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) languageMap(key string, v any) error {
	if v == nil {
		return w.blank(key)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return refuse("%.80q is not a map of languages", key)
	}
	for tag, text := range m {
		if _, ok := text.(string); !ok || !languageTag(tag) {
			return refuse("%.80q: language %.40q", key, tag)
		}
		w.statements++
	}
	return nil
}

// languageTag reports whether s has the form of a BCP 47 tag.
func languageTag(s string) bool {
	for i, part := range strings.Split(s, "-") {
		if part == "" || len(part) > 8 {
			return false
		}
		for j := 0; j < len(part); j++ {
			c := part[j] | 0x20
			if letter := c >= 'a' && c <= 'z'; !letter && (i == 0 || part[j] < '0' || part[j] > '9') {
				return false
			}
		}
	}
	return true
}

// twins reports whether two objects without an id look alike from where they
// stand. Several of them under a parent without an id make canonicalising try
// every order of them.
func twins(items []any) bool {
	seen := make(map[string]bool)
	for _, item := range items {
		o, ok := item.(map[string]any)
		if !ok {
			continue
		}
		if _, named := o["id"]; named {
			continue
		}
		f := fingerprint(o)
		if seen[f] {
			return true
		}
		seen[f] = true
	}
	return false
}

// fingerprint writes the values of an object that are seen without looking
// into the objects that it holds.
func fingerprint(o map[string]any) string {
	keys := make([]string, 0, len(o))
	for k := range o {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	flat := make([]any, 0, 2*len(o))
	for _, k := range keys {
		flat = append(flat, k, flatten(o[k]))
	}
	text, err := json.Marshal(flat)
	if err != nil {
		return ""
	}
	return string(text)
}

func flatten(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if id, ok := v["id"]; ok {
			return id
		}
		return "{}"
	case []any:
		flat := make([]any, len(v))
		for i, item := range v {
			flat[i] = flatten(item)
		}
		return flat
	}
	return v
}
