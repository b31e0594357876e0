package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hark/activitypub"
	"hark/activitypub/remote"
	"hark/activitypub/sig"
	"hark/storage"
)

// waiting is a ResolverStore in memory.
type waiting struct {
	mu   sync.Mutex // guards all
	list []storage.Unresolved
	took []string // objects, in the order in which they became entries
}

func (w *waiting) ListUnresolved(_ context.Context, due time.Time, limit int) ([]storage.Unresolved, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []storage.Unresolved
	for _, u := range w.list {
		if !u.NextAt.After(due) {
			out = append(out, u)
		}
	}
	slices.SortStableFunc(out, func(a, b storage.Unresolved) int { return a.NextAt.Compare(b.NextAt) })
	return out[:min(len(out), limit)], nil
}

func (w *waiting) change(id int64, f func(*storage.Unresolved)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.list {
		if w.list[i].ID == id {
			f(&w.list[i])
		}
	}
}

func (w *waiting) RetryUnresolved(_ context.Context, id int64, attempts int, next time.Time) error {
	w.change(id, func(u *storage.Unresolved) { u.Attempts, u.NextAt = attempts, next })
	return nil
}

func (w *waiting) DropUnresolved(_ context.Context, id int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = slices.DeleteFunc(w.list, func(u storage.Unresolved) bool { return u.ID == id })
	return nil
}

func (w *waiting) Resolve(ctx context.Context, id int64, e *storage.Entry) (bool, error) {
	w.mu.Lock()
	w.took = append(w.took, e.ObjectID)
	w.mu.Unlock()
	return true, w.DropUnresolved(ctx, id)
}

func (w *waiting) resolved() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.took)
}

// origin answers at once, except that hosts called slow never do.
type origin struct {
	mu    sync.Mutex // guards asked
	asked map[string]int
}

func (o *origin) Object(ctx context.Context, id string) (remote.Document, error) {
	host := hostOf(id)
	o.mu.Lock()
	o.asked[host]++
	o.mu.Unlock()
	if strings.HasPrefix(host, "slow") {
		select {
		case <-ctx.Done():
			return remote.Document{}, ctx.Err()
		case <-time.After(10 * time.Second):
			return remote.Document{}, errors.New("timed out")
		}
	}
	return remote.Document{URL: id, Body: fmt.Appendf(nil, `{"id":%q,"type":"Note","attributedTo":"https://%s/u","to":"as:Public","content":"x"}`, id, host)}, nil
}

func (o *origin) Actor(_ context.Context, id string) (*activitypub.Actor, []byte, error) {
	return &activitypub.Actor{ID: id, Type: "Person"}, []byte(`{"id":"` + id + `","type":"Person"}`), nil
}

func (o *origin) ActorOfKey(context.Context, string) (*activitypub.Actor, sig.Key, []byte, error) {
	return nil, sig.Key{}, nil, remote.ErrNotFound
}

// noActors is an ActorStore that forgets.
type noActors struct{}

func (noActors) GetActor(context.Context, string) (storage.Actor, error) {
	return storage.Actor{}, storage.ErrNotFound
}
func (noActors) PutActor(context.Context, *storage.Actor) error { return nil }

// open is a Directory that blocks nobody.
type open struct{ Directory }

func (open) Blocked(string) bool { return false }

// TestResolverHangingHost: a host that never answers delays its own Announces
// and nobody else's, and is not asked more than two at a time.
func TestResolverHangingHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		store, from := &waiting{}, &origin{asked: map[string]int{}}
		add := func(host string, n int) {
			for range n {
				id := int64(len(store.list) + 1)
				store.list = append(store.list, storage.Unresolved{ID: id, NextAt: now, ObjectID: fmt.Sprintf("https://%s/n/%d", host, id)})
			}
		}
		add("slow.example", 500)
		add("quick.example", 40)
		keys, err := NewKeys(noActors{}, from, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		r := NewResolver(ResolverOptions{
			Store: store, Objects: from, Keys: keys, Directory: open{}, Log: slog.New(slog.DiscardHandler), Now: time.Now,
			Appended: func() {}, Dropped: func(storage.Unresolved, Reason, error) {},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { // the test waits for it below
			defer close(done)
			r.Run(ctx)
		}()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if took := store.resolved(); len(took) != 40 {
			t.Errorf("%d of 40 were resolved while another host hangs", len(took))
		}
		from.mu.Lock()
		if n := from.asked["slow.example"]; n != resolvePerHost {
			t.Errorf("the hanging host was asked %d times at once", n)
		}
		from.mu.Unlock()
		cancel()
		<-done
	})
}
