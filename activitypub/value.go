package activitypub

import (
	"iter"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// value is one value of a scanned document. The zero value is an absent one;
// every method may be called on it.
type value struct {
	doc *document
	at  int
}

func (d *document) root() value { return value{d, 0} }

func (v value) node() *node { return &v.doc.nodes[v.at] }

func (v value) is(k kind) bool { return v.doc != nil && v.node().kind == k }

// present reports whether the value exists and is not null.
func (v value) present() bool { return v.doc != nil && v.node().kind != kindNull }

// raw returns the value's bytes as they stand in the source.
func (v value) raw() []byte {
	if v.doc == nil {
		return nil
	}
	n := v.node()
	return v.doc.src[n.start:n.end:n.end]
}

// get returns the property of that name of an object. The name is ASCII.
func (v value) get(name string) value {
	if !v.is(kindObject) {
		return value{}
	}
	for i, end := v.at+1, int(v.node().next); i < end; i = int(v.doc.nodes[i].next) {
		n := &v.doc.nodes[i]
		raw := v.doc.src[n.key:n.keyEnd]
		if n.keyEscaped && equalEscaped(raw, name) || string(raw) == name {
			return value{v.doc, i}
		}
	}
	return value{}
}

// properties yields the names and values of an object, in order.
func (v value) properties() iter.Seq2[string, value] {
	return func(yield func(string, value) bool) {
		if !v.is(kindObject) {
			return
		}
		for i, end := v.at+1, int(v.node().next); i < end; i = int(v.doc.nodes[i].next) {
			if !yield(string(keyText(v.doc.src, &v.doc.nodes[i])), value{v.doc, i}) {
				return
			}
		}
	}
}

// items yields the elements of a list, or a single value as a list of one;
// nulls are left out. JSON-LD makes no difference between the two.
func (v value) items() iter.Seq[value] {
	return func(yield func(value) bool) {
		if !v.is(kindList) {
			if v.present() {
				yield(v)
			}
			return
		}
		for i, end := v.at+1, int(v.node().next); i < end; i = int(v.doc.nodes[i].next) {
			if e := (value{v.doc, i}); e.present() && !yield(e) {
				return
			}
		}
	}
}

// first returns the first element of a list, or the value itself.
func (v value) first() value {
	for e := range v.items() {
		return e
	}
	return value{}
}

// str returns a string's text, or "" for any other value.
func (v value) str() string {
	if !v.is(kindString) {
		return ""
	}
	n := v.node()
	raw := v.doc.src[n.start+1 : n.end-1]
	if n.escaped {
		return string(unescape(raw))
	}
	return string(raw)
}

// truth returns a boolean, and whether the value is one.
func (v value) truth() (b, ok bool) {
	return v.is(kindTrue), v.is(kindTrue) || v.is(kindFalse)
}

// id returns what identifies a value: a string itself, the id of an object,
// the href of a Link; of a list the first. "" if there is none.
func (v value) id() string {
	e := v.first()
	if e.is(kindObject) {
		if id := e.get("id"); id.present() {
			return id.str()
		}
		return e.get("href").str()
	}
	return e.str()
}

// time returns an xsd:dateTime, or the zero time for anything else.
func (v value) time() time.Time {
	s := v.str()
	if len(s) < len("2006-01-02") || len(s) > 40 {
		return time.Time{}
	}
	// RFC3339 also reads fractions of a second. A missing zone means UTC, as
	// XML Schema leaves it open and every server that omits it runs in UTC.
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			if y := t.UTC().Year(); y < 1 || y > 9999 {
				return time.Time{}
			}
			return t.UTC()
		}
	}
	return time.Time{}
}

// hasType reports whether the value's type is, or lists, one of the names.
func (v value) hasType(names ...string) bool { return v.lists("type", names...) }

// lists reports whether a property is, or lists, one of the strings.
func (v value) lists(property string, names ...string) bool {
	for e := range v.get(property).items() {
		s := e.str()
		for _, want := range names {
			if s == want {
				return true
			}
		}
	}
	return false
}

// hex4 reads four hexadecimal digits.
func hex4(src []byte, at int) (rune, bool) {
	if at+4 > len(src) {
		return 0, false
	}
	var r rune
	for _, c := range src[at : at+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// equalEscaped reports whether an escaped key spells an ASCII name. It copies
// nothing, so that an object of many escaped keys costs no more than another.
func equalEscaped(raw []byte, name string) bool {
	if len(raw) > 6*len(name) {
		return false
	}
	at := 0
	for i := 0; i < len(raw); i++ {
		c := rune(raw[i])
		if c == '\\' {
			i++
			switch c = rune(raw[i]); c {
			case 'b', 'f', 'n', 'r', 't':
				return false // no name has control characters
			case 'u':
				c, _ = hex4(raw, i+1)
				i += 4
			}
		}
		if at >= len(name) || c != rune(name[at]) {
			return false
		}
		at++
	}
	return at == len(name)
}

// unescape resolves the escapes of a string that the scanner has accepted. A
// lone surrogate, which cut-off texts of JavaScript servers contain, becomes
// U+FFFD.
func unescape(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			continue
		}
		i++
		switch c := raw[i]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, _ := hex4(raw, i+1)
			i += 4
			if utf16.IsSurrogate(r) {
				var low rune
				if i+2 < len(raw) && raw[i+1] == '\\' && raw[i+2] == 'u' {
					low, _ = hex4(raw, i+3)
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
		}
	}
	return out
}
