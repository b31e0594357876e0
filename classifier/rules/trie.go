package rules

import "sort"

// trie holds the folded atoms of all rules. It is walked from the beginning of
// every token.
type trie struct {
	root  [256]int32 // node of the first byte, 0: none
	nodes []node
	edges []edge
}

type node struct {
	first, count int32 // edges
	exact        int32 // atom that ends here, -1: none
	prefix       int32 // atom that may go on, -1: none
}

type edge struct {
	b  byte
	to int32
}

// atom is a word or character string that rules ask for.
type atom struct {
	text   string
	prefix bool // the word may go on
}

func newTrie(atoms []atom) *trie {
	t := &trie{nodes: []node{{exact: -1, prefix: -1}}}
	order := make([]int, len(atoms))
	for i := range order {
		order[i] = i
	}
	sort.Slice(order, func(i, k int) bool { return atoms[order[i]].text < atoms[order[k]].text })
	type job struct{ node, depth, from, to int }
	// The edges of one node lie side by side: breadth first over sorted atoms.
	jobs := []job{{0, 0, 0, len(order)}}
	for len(jobs) > 0 {
		j := jobs[0]
		jobs = jobs[1:]
		at := j.from
		for at < j.to && len(atoms[order[at]].text) == j.depth {
			if a := order[at]; atoms[a].prefix {
				t.nodes[j.node].prefix = int32(a)
			} else {
				t.nodes[j.node].exact = int32(a)
			}
			at++
		}
		t.nodes[j.node].first = int32(len(t.edges))
		for at < j.to {
			b := atoms[order[at]].text[j.depth]
			end := at
			for end < j.to && atoms[order[end]].text[j.depth] == b {
				end++
			}
			child := len(t.nodes)
			t.nodes = append(t.nodes, node{exact: -1, prefix: -1})
			t.edges = append(t.edges, edge{b, int32(child)})
			t.nodes[j.node].count++
			jobs = append(jobs, job{child, j.depth + 1, at, end})
			at = end
		}
	}
	for _, e := range t.edges[t.nodes[0].first : t.nodes[0].first+t.nodes[0].count] {
		t.root[e.b] = e.to
	}
	return t
}

// step goes on from a node by one byte; 0: nowhere.
func (t *trie) step(n int32, b byte) int32 {
	nd := &t.nodes[n]
	edges := t.edges[nd.first : nd.first+nd.count]
	for len(edges) > 8 {
		mid := len(edges) / 2
		if edges[mid].b <= b {
			edges = edges[mid:]
		} else {
			edges = edges[:mid]
		}
	}
	for _, e := range edges {
		if e.b == b {
			return e.to
		}
	}
	return 0
}
