package activitypub

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// Limits bound a foreign document. A zero field means its default.
type Limits struct {
	Bytes  int // length of the document; 1 MiB; never over 1 GiB
	Depth  int // nesting of objects and lists; 64
	Values int // strings, numbers, literals, objects and lists in all; 20,000
}

func (l Limits) withDefaults() Limits {
	if l.Bytes <= 0 {
		l.Bytes = 1 << 20
	}
	l.Bytes = min(l.Bytes, 1<<30) // positions are 32 bits
	if l.Depth <= 0 {
		l.Depth = 64
	}
	if l.Values <= 0 {
		l.Values = 20_000
	}
	return l
}

type kind uint8

const (
	kindNull kind = iota
	kindFalse
	kindTrue
	kindNumber
	kindString
	kindList
	kindObject
)

// node is one JSON value: where it lies in the source and where the node after
// its whole subtree is. Children follow their parent directly.
type node struct {
	kind       kind
	escaped    bool // a string with escapes
	keyEscaped bool
	key        int32 // start of the key's text, or -1 outside an object
	keyEnd     int32
	start, end int32 // of the value, quotes and brackets included
	next       int32
}

// document is a scanned JSON document: the source and its values in order.
type document struct {
	src   []byte
	nodes []node
}

// scan checks a document against the grammar of JSON and the limits in one
// pass, linear in its length. The nodes refer into src.
//
// ref: RFC 8259; RFC 7493 §2.3 (no duplicate names)
func scan(src []byte, limits Limits) (*document, error) {
	limits = limits.withDefaults()
	switch {
	case len(src) > limits.Bytes:
		return nil, fmt.Errorf("%d bytes, %d allowed: %w", len(src), limits.Bytes, ErrTooLarge)
	case bytes.HasPrefix(src, []byte("\xef\xbb\xbf")), !utf8.Valid(src):
		return nil, ErrUTF8
	case bytes.IndexByte(src, 0) >= 0:
		return nil, ErrNUL
	}
	// A value takes about 30 bytes in real documents; a hostile one grows it.
	s := scanner{src: src, limits: limits, nodes: make([]node, 0, min(len(src)/24+8, limits.Values))}
	s.space()
	if s.peek() != '{' {
		return nil, s.fail("an object is expected")
	}
	if err := s.value(node{key: -1}, 0); err != nil {
		return nil, err
	}
	if s.space(); s.pos != len(src) {
		return nil, s.fail("something follows the object")
	}
	return &document{src: src, nodes: s.nodes}, nil
}

type scanner struct {
	src    []byte
	pos    int
	limits Limits
	nodes  []node
}

func (s *scanner) fail(why string) error {
	return fmt.Errorf("%s at byte %d: %w", why, s.pos, ErrJSON)
}

// peek returns the next byte, or 0 at the end; the source holds no NUL.
func (s *scanner) peek() byte {
	if s.pos < len(s.src) {
		return s.src[s.pos]
	}
	return 0
}

func (s *scanner) space() {
	for s.pos < len(s.src) {
		switch s.src[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// value scans one value; n carries its key. The recursion is bounded by the
// depth limit.
func (s *scanner) value(n node, depth int) error {
	if len(s.nodes) >= s.limits.Values {
		return fmt.Errorf("over %d values: %w", s.limits.Values, ErrValues)
	}
	at := len(s.nodes)
	n.start = int32(s.pos)
	s.nodes = append(s.nodes, n)
	var err error
	var k kind
	var escaped bool
	switch c := s.peek(); {
	case c == '{':
		k, err = kindObject, s.object(at, depth+1)
	case c == '[':
		k, err = kindList, s.list(depth+1)
	case c == '"':
		k = kindString
		escaped, err = s.text()
	case c == '-' || c >= '0' && c <= '9':
		k, err = kindNumber, s.number()
	case c == 't':
		k, err = kindTrue, s.literal("true")
	case c == 'f':
		k, err = kindFalse, s.literal("false")
	case c == 'n':
		k, err = kindNull, s.literal("null")
	default:
		err = s.fail("a value is expected")
	}
	if err != nil {
		return err
	}
	m := &s.nodes[at]
	m.kind, m.escaped, m.end, m.next = k, escaped, int32(s.pos), int32(len(s.nodes))
	return nil
}

func (s *scanner) object(at, depth int) error {
	if depth > s.limits.Depth {
		return fmt.Errorf("over %d levels: %w", s.limits.Depth, ErrDepth)
	}
	s.pos++
	s.space()
	count := 0
	if s.peek() == '}' {
		s.pos++
		return nil
	}
	for {
		n, err := s.key()
		if err != nil {
			return err
		}
		if err := s.value(n, depth); err != nil {
			return err
		}
		count++
		s.space()
		switch s.peek() {
		case ',':
			s.pos++
			s.space()
		case '}':
			s.pos++
			return s.unique(at, count)
		default:
			return s.fail("a comma or closing brace is expected")
		}
	}
}

// key scans `"name":` and the space after it.
func (s *scanner) key() (node, error) {
	if s.peek() != '"' {
		return node{}, s.fail("a property name is expected")
	}
	start := s.pos + 1
	escaped, err := s.text()
	if err != nil {
		return node{}, err
	}
	n := node{key: int32(start), keyEnd: int32(s.pos - 1), keyEscaped: escaped}
	s.space()
	if s.peek() != ':' {
		return node{}, s.fail("a colon is expected")
	}
	s.pos++
	s.space()
	return n, nil
}

func (s *scanner) list(depth int) error {
	if depth > s.limits.Depth {
		return fmt.Errorf("over %d levels: %w", s.limits.Depth, ErrDepth)
	}
	s.pos++
	s.space()
	if s.peek() == ']' {
		s.pos++
		return nil
	}
	for {
		if err := s.value(node{key: -1}, depth); err != nil {
			return err
		}
		s.space()
		switch s.peek() {
		case ',':
			s.pos++
			s.space()
		case ']':
			s.pos++
			return nil
		default:
			return s.fail("a comma or closing bracket is expected")
		}
	}
}

// text scans a string with its quotes and reports whether it has escapes.
func (s *scanner) text() (escaped bool, err error) {
	s.pos++
	for s.pos < len(s.src) {
		switch c := s.src[s.pos]; {
		case c == '"':
			s.pos++
			return escaped, nil
		case c == '\\':
			escaped = true
			if err := s.escape(); err != nil {
				return true, err
			}
		case c < ' ':
			return escaped, s.fail("control character in a string")
		default:
			s.pos++
		}
	}
	return escaped, s.fail("unfinished string")
}

func (s *scanner) escape() error {
	s.pos++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return nil
	case 'u':
		r, ok := hex4(s.src, s.pos+1)
		if !ok {
			return s.fail("bad escape")
		}
		if r == 0 {
			return ErrNUL
		}
		s.pos += 5
		return nil
	}
	return s.fail("bad escape")
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	switch {
	case s.peek() == '0':
		s.pos++
	case !s.digits():
		return s.fail("bad number")
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return s.fail("bad number")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return s.fail("bad number")
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.pos
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.pos++
	}
	return s.pos > start
}

func (s *scanner) literal(word string) error {
	if !bytes.HasPrefix(s.src[s.pos:], []byte(word)) {
		return s.fail("a value is expected")
	}
	s.pos += len(word)
	return nil
}

// unique refuses an object with two equal keys. Few keys are compared in
// pairs, which is cheaper than hashing them; many go through a set, so that
// the work stays linear.
func (s *scanner) unique(at, count int) error {
	const few = 12
	if count > few {
		return s.uniqueInSet(at, count)
	}
	var keys [few][]byte
	i := at + 1
	for k := range count {
		n := &s.nodes[i]
		keys[k] = keyText(s.src, n)
		for _, other := range keys[:k] {
			if bytes.Equal(other, keys[k]) {
				return fmt.Errorf("%s: %w", quoteShort(string(other)), ErrDuplicateKey)
			}
		}
		i = int(n.next)
	}
	return nil
}

func (s *scanner) uniqueInSet(at, count int) error {
	seen := make(map[string]struct{}, count)
	i := at + 1
	for range count {
		n := &s.nodes[i]
		key := string(keyText(s.src, n))
		if _, ok := seen[key]; ok {
			return fmt.Errorf("%s: %w", quoteShort(key), ErrDuplicateKey)
		}
		seen[key] = struct{}{}
		i = int(n.next)
	}
	return nil
}

// keyText returns a key's text without its escapes.
func keyText(src []byte, n *node) []byte {
	raw := src[n.key:n.keyEnd]
	if n.keyEscaped {
		return unescape(raw)
	}
	return raw
}
