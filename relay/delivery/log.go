package delivery

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"hark/storage"
)

// Reader reads the journal.
type Reader interface {
	Read(ctx context.Context, after int64, limit int) ([]storage.Entry, error)
	Bounds(ctx context.Context) (tail, head int64, err error)
}

// Bounds of what is kept in memory. The newest entries serve all subscribers
// that are up to date; blocks of older ones serve those that lag, who after an
// outage tend to lag together.
const (
	recentEntries = 4_096
	recentBytes   = 32 << 20
	readBatch     = 128
	blockEntries  = 64
	blocks        = 64 // 4,096 entries, some 12 MB
)

// feed reads the journal once for all subscribers.
type feed struct {
	store Reader

	mu      sync.Mutex // guards what follows
	recent  []storage.Entry
	bytes   int
	head    int64
	changed chan struct{} // closed and replaced when head rises
	wake    chan struct{}

	older  *lru.Cache[int64, []storage.Entry] // by block
	erased atomic.Int64                       // counts forget, so that a read that began before it is not kept
	flight singleflight.Group
}

func newFeed(store Reader, head int64) *feed {
	older, err := lru.New[int64, []storage.Entry](blocks)
	if err != nil {
		older = nil // only for a size below one
	}
	return &feed{store: store, head: head, changed: make(chan struct{}), wake: make(chan struct{}, 1), older: older}
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
		f.shrink()
		close(f.changed)
		f.changed = make(chan struct{})
		f.mu.Unlock()
	}
}

// shrink drops the oldest entries, a quarter beyond what must go, so that the
// rest is not moved for every new one.
func (f *feed) shrink() {
	if len(f.recent) <= recentEntries && f.bytes <= recentBytes {
		return
	}
	drop := 0
	for drop < len(f.recent)-1 && (len(f.recent)-drop > recentEntries*3/4 || f.bytes > recentBytes*3/4) {
		f.bytes -= len(f.recent[drop].Body) + len(f.recent[drop].Object)
		drop++
	}
	f.recent = slices.Clone(f.recent[drop:])
}

// at returns the head and a channel that is closed when it rises.
func (f *feed) at() (int64, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.head, f.changed
}

// after returns entries behind a sequence, ascending; none means up to date.
// They are shared and must not be changed.
func (f *feed) after(ctx context.Context, seq int64) ([]storage.Entry, error) {
	f.mu.Lock()
	head := f.head
	if seq >= head {
		f.mu.Unlock()
		return nil, nil
	}
	if len(f.recent) > 0 && f.recent[0].Seq <= seq+1 {
		lo := behind(f.recent, seq)
		hi := min(lo+readBatch, len(f.recent))
		out := f.recent[lo:hi:hi]
		f.mu.Unlock()
		return out, nil
	}
	f.mu.Unlock()
	return f.block(ctx, seq, head)
}

// behind returns the index of the first entry behind a sequence.
func behind(entries []storage.Entry, seq int64) int {
	i, found := slices.BinarySearchFunc(entries, seq, func(e storage.Entry, seq int64) int {
		switch {
		case e.Seq < seq:
			return -1
		case e.Seq > seq:
			return 1
		}
		return 0
	})
	if found {
		i++
	}
	return i
}

// block returns entries behind a sequence from the block of the next one. The
// last blocks before the head may still grow and are read anew.
func (f *feed) block(ctx context.Context, seq, head int64) ([]storage.Entry, error) {
	n := (seq + 1) / blockEntries
	if entries, ok := f.older.Get(n); ok {
		if i := behind(entries, seq); i < len(entries) {
			return entries[i:], nil
		}
	}
	erased := f.erased.Load()
	v, err, _ := f.flight.Do(fmt.Sprint(n), func() (any, error) {
		return f.store.Read(context.WithoutCancel(ctx), n*blockEntries-1, blockEntries)
	})
	if err != nil {
		return nil, err
	}
	entries := v.([]storage.Entry)
	i := behind(entries, seq)
	if i == len(entries) {
		// The journal has a hole here; what lies behind it is read directly.
		return f.store.Read(ctx, seq, blockEntries)
	}
	if last := entries[len(entries)-1].Seq; last < head && len(entries) == blockEntries && f.erased.Load() == erased {
		f.older.Add(n, entries)
	}
	return entries[i:], nil
}

// forget drops the bytes of erased entries from memory.
func (f *feed) forget(gone func(*storage.Entry) bool) {
	f.erased.Add(1)
	f.older.Purge()
	f.mu.Lock()
	defer f.mu.Unlock()
	fresh := slices.Clone(f.recent)
	for i := range fresh {
		if gone(&fresh[i]) {
			f.bytes -= len(fresh[i].Body) + len(fresh[i].Object)
			fresh[i].Body, fresh[i].Object, fresh[i].Erased = nil, nil, true
		}
	}
	f.recent = fresh
}
