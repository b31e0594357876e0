package sig

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
)

// maxLookalikes bounds the steps taken to tell nodes apart that look alike at
// first hand. Four pictures with the same focal point take sixteen.
const maxLookalikes = 256

type digest [sha256.Size]byte

func (d *digest) hex() string { return hex.EncodeToString(d[:]) }

// labeller gives the nodes without a name the names that the canonical form
// wants: in the order of the hashes of what is said about them, and where
// those are equal, of what is said about their neighbours.
//
// ref: URDNA2015, RDF Dataset Canonicalization §4.4 to §4.8
type labeller struct {
	*writer
	hashes []digest // of what is said about a node at first hand, by node
	issued int
	steps  int
}

// label names the nodes. It fails if two of them cannot be told apart without
// trying every order of them, or not at all.
func (w *writer) label() bool {
	order := make([]int, 0, 16)
	for i := range w.nodes {
		if w.nodes[i].label == "" {
			order = append(order, i)
		}
	}
	if len(order) == 0 {
		return true
	}
	l := &labeller{writer: w, hashes: make([]digest, len(w.nodes))}
	l.hashFirst(order)
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(l.hashes[a][:], l.hashes[b][:]) })
	var alike [][]int
	for from := 0; from < len(order); {
		to := from + 1
		for to < len(order) && l.hashes[order[to]] == l.hashes[order[from]] {
			to++
		}
		if to-from > 1 {
			alike = append(alike, order[from:to])
		} else {
			l.issue(order[from])
		}
		from = to
	}
	for _, group := range alike {
		if !l.separate(group) {
			return false
		}
	}
	return true
}

func (l *labeller) issue(node int) {
	if l.nodes[node].label == "" {
		l.nodes[node].label = "_:c14n" + strconv.Itoa(l.issued)
		l.issued++
	}
}

// hashFirst hashes, for every given node, the sorted statements about it.
func (l *labeller) hashFirst(nodes []int) {
	var (
		text  = make([]byte, 0, 2<<10)
		ends  []int
		lines [][]byte
		sum   = sha256.New()
	)
	for _, i := range nodes {
		text, ends, lines = text[:0], ends[:0], lines[:0]
		for s := range l.about(i) {
			text = l.appendSeen(text, s, i)
			ends = append(ends, len(text))
		}
		from := 0
		for _, to := range ends {
			lines = append(lines, text[from:to])
			from = to
		}
		slices.SortFunc(lines, bytes.Compare)
		sum.Reset()
		for _, line := range lines {
			sum.Write(line)
		}
		sum.Sum(l.hashes[i][:0])
	}
}

// about yields the statements that a node is in.
func (w *writer) about(i int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		if parent := w.nodes[i].parent; parent >= 0 && !yield(parent) {
			return
		}
		for s := w.nodes[i].first; s >= 0; s = w.statements[s].next {
			if !yield(s) {
				return
			}
		}
	}
}

// appendSeen writes a statement as one of its nodes sees it: itself as _:a,
// another node without a name as _:z.
func (w *writer) appendSeen(dst []byte, number, from int) []byte {
	s := w.statements[number]
	seen := func(i int) string {
		switch {
		case i == from:
			return "_:a"
		case w.nodes[i].label == "":
			return "_:z"
		}
		return w.nodes[i].label
	}
	dst = append(dst, seen(s.subject)...)
	dst = append(dst, w.text[s.from:s.to]...)
	if s.object >= 0 {
		dst = append(dst, seen(s.object)...)
		dst = append(dst, " .\n"...)
	}
	return dst
}

// separate names nodes that look alike at first hand, in the order of hashes
// that take in their neighbours.
func (l *labeller) separate(group []int) bool {
	type path struct {
		hash  digest
		order []int
	}
	paths := make([]path, 0, len(group))
	for _, i := range group {
		if l.nodes[i].label != "" {
			continue
		}
		p := path{order: []int{i}}
		var ok bool
		if p.hash, ok = l.hashFar(i, &p.order); !ok {
			return false
		}
		paths = append(paths, p)
	}
	slices.SortFunc(paths, func(a, b path) int { return bytes.Compare(a.hash[:], b.hash[:]) })
	for i, p := range paths {
		if i > 0 && p.hash == paths[i-1].hash {
			return false
		}
	}
	for _, p := range paths {
		for _, i := range p.order {
			l.issue(i)
		}
	}
	return true
}

// neighbour is a node without an address next to another one.
type neighbour struct {
	hash digest // of its place and what it is known as
	node int
}

// hashFar hashes what a node's neighbours are known as, and theirs. order
// lists the nodes met so far, whose place in it is a name for the time being.
func (l *labeller) hashFar(i int, order *[]int) (sum digest, ok bool) {
	if l.steps++; l.steps > maxLookalikes {
		return sum, false
	}
	var around []neighbour
	for number := range l.about(i) {
		s := l.statements[number]
		if s.object < 0 {
			continue
		}
		other, position := s.object, "o"
		if other == i {
			other, position = s.subject, "s"
		}
		if !l.anonymous(other) {
			continue
		}
		// The text of a statement that leads to a node is its predicate
		// between two blanks.
		predicate := bytes.TrimSpace(l.text[s.from:s.to])
		known := l.known(other, *order)
		if known == "" {
			known = l.hashes[other].hex()
		}
		around = append(around, neighbour{
			hash: sha256.Sum256(slices.Concat([]byte(position), predicate, []byte(known))), node: other,
		})
	}
	slices.SortFunc(around, func(a, b neighbour) int { return bytes.Compare(a.hash[:], b.hash[:]) })
	var text []byte
	for n, a := range around {
		if n > 0 && a.hash == around[n-1].hash {
			return sum, false // every order of the two would have to be tried
		}
		text = append(text, a.hash.hex()...)
		known := l.known(a.node, *order)
		if known != "" {
			text = append(text, known...)
			continue
		}
		*order = append(*order, a.node)
		known = l.known(a.node, *order)
		beyond, ok := l.hashFar(a.node, order)
		if !ok {
			return sum, false
		}
		text = append(text, known...)
		text = append(text, known...)
		text = append(text, '<')
		text = append(text, beyond.hex()...)
		text = append(text, '>')
	}
	return sha256.Sum256(text), true
}

// anonymous tells whether a node has no address.
func (w *writer) anonymous(i int) bool {
	label := w.nodes[i].label
	return label == "" || label[0] == '_'
}

// known returns the name of a node, for good or for the time being.
func (l *labeller) known(i int, order []int) string {
	if label := l.nodes[i].label; label != "" {
		return label
	}
	if place := slices.Index(order, i); place >= 0 {
		return "_:b" + strconv.Itoa(place)
	}
	return ""
}
