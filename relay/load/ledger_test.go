package load

import "testing"

// TestTally holds what is counted as lost, out of order and late.
func TestTally(t *testing.T) {
	type cell struct{ subscriber, activity, at int }
	const subscribers, publisher = 3, 2 // the last subscriber publishes
	acts := []activity{{publisher: publisher, edits: -1}, {publisher: publisher, edits: -1}, {publisher: publisher, edits: 0}, {publisher: publisher, edits: -1}}
	owed := func(s, a int) bool { return acts[a].publisher != s }
	all := []cell{{0, 0, 100}, {0, 1, 110}, {0, 2, 120}, {0, 3, 130}, {1, 0, 100}, {1, 1, 110}, {1, 2, 120}, {1, 3, 130}}
	tests := []struct {
		name                              string
		arrived                           []cell
		refused                           int // activity; -1: none
		owed, lost, violations, overtaken int64
		last                              uint32
	}{
		{"all in order", all, -1, 8, 0, 0, 0, 130},
		{"nothing", nil, -1, 8, 8, 0, 0, 0},
		{"one is lost", all[:7], -1, 8, 1, 0, 0, 130},
		{"what was refused is not owed", all[:7], 3, 6, 0, 0, 0, 120},
		{"an edit before its post", []cell{{0, 0, 100}, {0, 1, 110}, {0, 2, 90}, {0, 3, 130}, {1, 0, 100}, {1, 1, 110}, {1, 2, 120}, {1, 3, 130}}, -1, 8, 0, 1, 0, 130},
		{"an edit without its post", all[1:], -1, 8, 1, 1, 0, 130},
		{"a post after a later one", []cell{{0, 0, 100}, {0, 1, 140}, {0, 2, 120}, {0, 3, 130}, {1, 0, 100}, {1, 1, 110}, {1, 2, 120}, {1, 3, 130}}, -1, 8, 0, 0, 1, 140},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLedger(subscribers, len(acts))
			for i := range acts {
				if i != tt.refused {
					l.accepted[i].Store(uint32(50 + i))
				}
			}
			for _, c := range tt.arrived {
				l.arrived[c.subscriber*len(acts)+c.activity].Store(uint32(c.at))
			}
			var got tally
			l.count(&got, []int{0, 1, 2}, 0, acts, owed)
			if got.owed != tt.owed || got.lost != tt.lost || got.violations != tt.violations || got.overtaken != tt.overtaken || got.last != tt.last {
				t.Errorf("got owed %d, lost %d, violations %d, overtaken %d, last %d", got.owed, got.lost, got.violations, got.overtaken, got.last)
			}
			if got.arrived != got.owed-got.lost || got.latency.count != got.arrived {
				t.Errorf("got %d arrived with %d latencies", got.arrived, got.latency.count)
			}
		})
	}
}

func TestArriveTwice(t *testing.T) {
	l := newLedger(2, 2)
	l.arrive(1, 0)
	at := l.at(1, 0)
	l.arrive(1, 0)
	l.arrive(1, 1)
	if l.seen.Load() != 2 || l.repeated.Load() != 1 || at == 0 || l.at(1, 0) != at || l.at(0, 0) != 0 {
		t.Errorf("seen %d, repeated %d, at %d then %d", l.seen.Load(), l.repeated.Load(), at, l.at(1, 0))
	}
}
