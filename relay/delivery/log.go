package delivery

import (
	"context"
	"fmt"
	"sync"

	"hark/storage"
)

// Reader reads the journal.
type Reader interface {
	Read(ctx context.Context, after int64, limit int) ([]storage.Entry, error)
	Bounds(ctx context.Context) (tail, head int64, err error)
}

// Bounds of what is kept in memory for the readers that are up to date.
const (
	recentEntries = 4_096
	recentBytes   = 32 << 20
	readBatch     = 128
)

// feed reads the journal's end once for all subscribers: whoever is up to date
// reads from memory, whoever lags from the store.
type feed struct {
	store Reader

	mu      sync.Mutex // guards what follows
	recent  []storage.Entry
	bytes   int
	head    int64
	changed chan struct{} // closed and replaced when head rises
	wake    chan struct{}
}

func newFeed(store Reader, head int64) *feed {
	return &feed{store: store, head: head, changed: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// poke tells that the journal grew.
func (f *feed) poke() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// pull reads what is new.
func (f *feed) pull(ctx context.Context) error {
	for {
		f.mu.Lock()
		head := f.head
		f.mu.Unlock()
		entries, err := f.store.Read(ctx, head, readBatch)
		if err != nil {
			return fmt.Errorf("follow the journal: %w", err)
		}
		if len(entries) == 0 {
			return nil
		}
		f.mu.Lock()
		for _, e := range entries {
			f.recent = append(f.recent, e)
			f.bytes += len(e.Body) + len(e.Object)
			f.head = e.Seq
		}
		drop := 0
		for drop < len(f.recent)-1 && (len(f.recent)-drop > recentEntries || f.bytes > recentBytes) {
			f.bytes -= len(f.recent[drop].Body) + len(f.recent[drop].Object)
			drop++
		}
		if drop > 0 {
			f.recent = append(f.recent[:0:0], f.recent[drop:]...)
		}
		close(f.changed)
		f.changed = make(chan struct{})
		f.mu.Unlock()
	}
}

// at returns the head and a channel that is closed when it rises.
func (f *feed) at() (int64, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.head, f.changed
}

// after returns entries behind a sequence, ascending; none means up to date.
func (f *feed) after(ctx context.Context, seq int64) ([]storage.Entry, error) {
	f.mu.Lock()
	if seq >= f.head {
		f.mu.Unlock()
		return nil, nil
	}
	if len(f.recent) > 0 && f.recent[0].Seq <= seq+1 {
		lo := 0
		for lo < len(f.recent) && f.recent[lo].Seq <= seq {
			lo++
		}
		hi := min(lo+readBatch, len(f.recent))
		out := f.recent[lo:hi:hi]
		f.mu.Unlock()
		return out, nil
	}
	f.mu.Unlock()
	return f.store.Read(ctx, seq, readBatch)
}

// forget drops the bytes of erased entries from memory.
func (f *feed) forget(gone func(*storage.Entry) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fresh := make([]storage.Entry, len(f.recent))
	copy(fresh, f.recent)
	for i := range fresh {
		if gone(&fresh[i]) {
			f.bytes -= len(fresh[i].Body) + len(fresh[i].Object)
			fresh[i].Body, fresh[i].Object, fresh[i].Erased = nil, nil, true
		}
	}
	f.recent = fresh
}
