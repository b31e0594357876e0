package delivery

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"hark/storage"
)

// journalOf is a Reader in memory that counts its reads.
type journalOf struct {
	mu      sync.Mutex // guards all
	entries []storage.Entry
	reads   int
}

func (j *journalOf) Read(_ context.Context, after int64, limit int) ([]storage.Entry, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.reads++
	var out []storage.Entry
	for _, e := range j.entries {
		if e.Seq > after && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

func (j *journalOf) Bounds(context.Context) (int64, int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.entries[0].Seq, j.entries[len(j.entries)-1].Seq, nil
}

func journalFrom(seqs ...int64) *journalOf {
	j := &journalOf{}
	for _, s := range seqs {
		j.entries = append(j.entries, storage.Entry{Seq: s, ActivityID: fmt.Sprint(s), Body: []byte("{}")})
	}
	return j
}

func counting(from, to int64, hole func(int64) bool) []int64 {
	var out []int64
	for s := from; s <= to; s++ {
		if hole == nil || !hole(s) {
			out = append(out, s)
		}
	}
	return out
}

// all reads everything behind a sequence as a worker does.
func all(t *testing.T, f *feed, seq int64) []int64 {
	t.Helper()
	var out []int64
	for {
		entries, err := f.after(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) == 0 {
			return out
		}
		for _, e := range entries {
			if e.Seq <= seq {
				t.Fatalf("%d after %d", e.Seq, seq)
			}
			seq = e.Seq
			out = append(out, seq)
		}
	}
}

// TestFeedReadsEverythingOnce: whatever the journal's holes, a reader gets each
// entry once and in order, from memory, from blocks and from the store.
func TestFeedReadsEverythingOnce(t *testing.T) {
	for name, seqs := range map[string][]int64{
		"dense":       counting(1, 500, nil),
		"trimmed":     counting(301, 500, nil),
		"holes":       counting(1, 500, func(s int64) bool { return s%7 == 0 }),
		"a wide hole": counting(1, 500, func(s int64) bool { return s > 70 && s < 400 }),
		"edges":       {1, 63, 64, 65, 127, 128, 500},
	} {
		t.Run(name, func(t *testing.T) {
			j := journalFrom(seqs...)
			for _, recent := range []int64{0, 450, 500} {
				f := newFeed(j, recent)
				if err := f.pull(t.Context()); err != nil {
					t.Fatal(err)
				}
				for range 2 { // the second time from memory
					if got := all(t, f, 0); fmt.Sprint(got) != fmt.Sprint(seqs) {
						t.Fatalf("read %v, want %v", got, seqs)
					}
				}
			}
		})
	}
}

// TestFeedSharesBlocks: a hundred subscribers that lag together cost the
// store as much as one.
func TestFeedSharesBlocks(t *testing.T) {
	j := journalFrom(counting(1, 2000, nil)...)
	f := newFeed(j, 2000)
	all(t, f, 0)
	first := j.reads
	for range 100 {
		all(t, f, 0)
	}
	if more := j.reads - first; more > 3*100 { // the last block may still grow, and is read anew
		t.Errorf("%d reads for one, %d more for a hundred", first, more)
	}
}

// TestFeedForgets: what was erased leaves memory, blocks included.
func TestFeedForgets(t *testing.T) {
	j := journalFrom(counting(1, 300, nil)...)
	f := newFeed(j, 200)
	if err := f.pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	all(t, f, 0)
	for i := range j.entries {
		j.entries[i].Body, j.entries[i].Erased = nil, true
	}
	f.forget(func(*storage.Entry) bool { return true })
	for seq := int64(0); ; {
		entries, err := f.after(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) == 0 {
			break
		}
		for _, e := range entries {
			if !e.Erased || e.Body != nil {
				t.Fatalf("entry %d is remembered", e.Seq)
			}
			seq = e.Seq
		}
	}
}
