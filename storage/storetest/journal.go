package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hark/storage"
)

// Journal checks the journal: appends are durable, ordered and relayed once,
// and a reader that follows the sequence misses nothing.
func Journal(t *testing.T, open func(t *testing.T) JournalStore) {
	for name, test := range map[string]func(*testing.T, func(*testing.T) JournalStore){
		"Durable":        durable,
		"Duplicates":     duplicates,
		"Ordering":       ordering,
		"Unresolved":     unresolved,
		"UnresolvedList": unresolvedList,
		"Trim":           trim,
		"Erase":          erase,
		"Closed":         closed,
		"Cancelled":      cancelled,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

// started opens the store and closes it when the test ends.
func started[S interface{ Close() error }](t *testing.T, open func(*testing.T) S) S {
	t.Helper()
	s := open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func durable(t *testing.T, open func(*testing.T) JournalStore) {
	ctx := t.Context()
	s := open(t)
	e := entry(1)
	e.Object = []byte(`{"id":"https://a.example/notes/1"}`)
	if !must[bool](t)(s.Append(ctx, e)) {
		t.Fatal("a new entry was not added")
	}
	if e.Seq <= 0 || e.Received.IsZero() || e.Received.Location() != time.UTC {
		t.Fatalf("sequence %d, received %v", e.Seq, e.Received)
	}
	u := &storage.Unresolved{ActivityID: "https://b.example/announce", Actor: "https://b.example/actor",
		ObjectID: "https://c.example/1", Via: "b.example", Body: []byte("{}"), Evidence: e.Evidence}
	if !must[bool](t)(s.AppendUnresolved(ctx, u)) {
		t.Fatal("a new announce was not added")
	}
	noError(t, s.Close())

	s = started(t, open)
	equal(t, "entries after reopening", must[[]storage.Entry](t)(s.Read(ctx, 0, 10)), []storage.Entry{*e})
	equal(t, "announces after reopening", must[[]storage.Unresolved](t)(s.ListUnresolved(ctx, time.Now(), 10)), []storage.Unresolved{*u})
	if must[bool](t)(s.Append(ctx, entry(1))) {
		t.Fatal("the duplicate was not recognised after reopening")
	}
}

func duplicates(t *testing.T, open func(*testing.T) JournalStore) {
	ctx := t.Context()
	s := started(t, open)
	steps := []struct {
		name, activity, key string
		added               bool
	}{
		{"new", "a1", "", true},
		{"same activity", "a1", "", false},
		{"same activity with a key", "a1", "o1", false},
		{"new object", "a2", "o1", true},
		{"the object in another wrapper", "a3", "o1", false},
		{"that wrapper again", "a3", "", false},
		{"an activity with the name of the object", "o1", "", true},
		{"an object with the name of an activity", "a4", "a1", true},
	}
	var added int
	for _, st := range steps {
		e := entry(1)
		e.ActivityID, e.ObjectKey = st.activity, st.key
		if got := must[bool](t)(s.Append(ctx, e)); got != st.added {
			t.Errorf("%s: added %v, want %v", st.name, got, st.added)
		}
		if st.added {
			added++
		} else if e.Seq != 0 {
			t.Errorf("%s: got sequence %d", st.name, e.Seq)
		}
	}
	if n := len(must[[]storage.Entry](t)(s.Read(ctx, 0, 100))); n != added {
		t.Errorf("%d entries, want %d", n, added)
	}
	for id, want := range map[string]bool{"a1": true, "a3": true, "a9": false} {
		if got := must[bool](t)(s.Seen(ctx, id)); got != want {
			t.Errorf("Seen(%q) = %v", id, got)
		}
	}
	for key, want := range map[string]bool{"o1": true, "a1": true, "a2": false} {
		if got := must[bool](t)(s.SeenObject(ctx, key)); got != want {
			t.Errorf("SeenObject(%q) = %v", key, got)
		}
	}
	if _, err := s.Append(ctx, &storage.Entry{Body: []byte("{}")}); err == nil {
		t.Error("an entry without an activity id was taken")
	}
}

// ordering has writers append while a reader follows by sequence alone.
func ordering(t *testing.T, open func(*testing.T) JournalStore) {
	const writers, each = 8, 60
	ctx := t.Context()
	s := started(t, open)
	var wg sync.WaitGroup
	defer wg.Wait()
	var running atomic.Int32
	running.Store(writers)
	acked := make([][]int64, writers)
	errs := make(chan error, writers)
	for w := range writers {
		wg.Go(func() {
			defer running.Add(-1)
			for i := range each {
				e := entry(i)
				e.ActivityID = fmt.Sprintf("https://w%d.example/%d", w, i)
				if i%10 == 9 { // one in ten is a duplicate and must not disturb its neighbours
					e.ActivityID = fmt.Sprintf("https://w%d.example/%d", w, i-1)
				}
				added, err := s.Append(ctx, e)
				if err != nil || added == (i%10 == 9) {
					errs <- fmt.Errorf("append %d of writer %d: added %v, %w", i, w, added, err)
					return
				}
				if added {
					acked[w] = append(acked[w], e.Seq)
				}
			}
		})
	}
	seen := make(map[int64]time.Time)
	var cursor int64
	var last time.Time
	follow := func() int {
		page := must[[]storage.Entry](t)(s.Read(ctx, cursor, 50))
		for _, e := range page {
			if e.Seq <= cursor || e.Received.Before(last) {
				t.Fatalf("sequence %d after %d, arrival %v after %v", e.Seq, cursor, e.Received, last)
			}
			cursor, last = e.Seq, e.Received
			seen[e.Seq] = e.Received
		}
		return len(page)
	}
	for running.Load() > 0 {
		follow()
	}
	wg.Wait()
	for follow() > 0 {
	}
	select {
	case err := <-errs:
		t.Fatal(err)
	default:
	}
	n := 0
	for w, seqs := range acked {
		var before int64
		for _, seq := range seqs {
			n++
			if _, ok := seen[seq]; !ok {
				t.Errorf("the reader missed sequence %d", seq)
			}
			if seq <= before {
				t.Errorf("writer %d got sequence %d after %d", w, seq, before)
			}
			before = seq
		}
	}
	if want := writers * each * 9 / 10; n != want || len(seen) != want {
		t.Errorf("%d acknowledged, %d read, want %d", n, len(seen), want)
	}
}

func unresolved(t *testing.T, open func(*testing.T) JournalStore) {
	ctx := t.Context()
	s := started(t, open)
	announce := func(id string) *storage.Unresolved {
		u := &storage.Unresolved{ActivityID: id, Actor: "https://b.example/actor", ObjectID: "https://c.example/1", Via: "b.example", Body: []byte("{}")}
		if !must[bool](t)(s.AppendUnresolved(ctx, u)) {
			t.Fatalf("announce %s was not added", id)
		}
		return u
	}
	resolved := func(u *storage.Unresolved) *storage.Entry {
		e := entry(1)
		e.ActivityID, e.ObjectKey, e.Type = u.ActivityID, u.ObjectID, "Announce"
		return e
	}
	first, second := announce("https://b.example/a1"), announce("https://b.example/a2")
	if must[bool](t)(s.AppendUnresolved(ctx, &storage.Unresolved{ActivityID: first.ActivityID})) {
		t.Error("the same announce was added twice")
	}
	if must[bool](t)(s.Append(ctx, resolved(first))) {
		t.Error("an announce that waits was appended past its row")
	}
	if !must[bool](t)(s.Seen(ctx, first.ActivityID)) {
		t.Error("an announce that waits is not seen")
	}
	e := resolved(first)
	if !must[bool](t)(s.Resolve(ctx, first.ID, e)) || e.Seq == 0 {
		t.Error("the mark of its own arrival kept the announce out")
	}
	if must[bool](t)(s.Resolve(ctx, second.ID, resolved(second))) {
		t.Error("the object was relayed twice")
	}
	_, err := s.Resolve(ctx, first.ID, resolved(first))
	wantError(t, err, storage.ErrNotFound)
	if n := must[int64](t)(s.CountUnresolved(ctx, "")); n != 0 {
		t.Errorf("%d announces left", n)
	}
	if n := len(must[[]storage.Entry](t)(s.Read(ctx, 0, 10))); n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
}

func unresolvedList(t *testing.T, open func(*testing.T) JournalStore) {
	ctx := t.Context()
	s := started(t, open)
	var ids []int64
	for i, via := range []string{"b.example", "b.example", "c.example"} {
		u := &storage.Unresolved{ActivityID: fmt.Sprintf("a%d", i), Via: via, NextAt: day0.Add(time.Duration(i) * time.Minute), Body: []byte("{}")}
		must[bool](t)(s.AppendUnresolved(ctx, u))
		ids = append(ids, u.ID)
	}
	if n := must[int64](t)(s.CountUnresolved(ctx, "b.example")); n != 2 {
		t.Errorf("%d of b.example, want 2", n)
	}
	noError(t, s.RetryUnresolved(ctx, ids[0], 3, day0.Add(time.Hour)))
	noError(t, s.DropUnresolved(ctx, ids[1]))
	noError(t, s.DropUnresolved(ctx, ids[1]))
	due := must[[]storage.Unresolved](t)(s.ListUnresolved(ctx, day0.Add(2*time.Minute), 10))
	if len(due) != 1 || due[0].ID != ids[2] {
		t.Errorf("due: %+v", due)
	}
	later := must[[]storage.Unresolved](t)(s.ListUnresolved(ctx, day0.Add(time.Hour), 10))
	if len(later) != 2 || later[1].ID != ids[0] || later[1].Attempts != 3 {
		t.Errorf("due later: %+v", later)
	}
	if one := must[[]storage.Unresolved](t)(s.ListUnresolved(ctx, day0.Add(time.Hour), 1)); len(one) != 1 {
		t.Errorf("limit of 1 gave %d", len(one))
	}
}

func trim(t *testing.T, open func(*testing.T) JournalStore) {
	ctx := t.Context()
	s := started(t, open)
	if tail, head, err := s.Bounds(ctx); err != nil || head != 0 || tail != 1 {
		t.Fatalf("bounds of an empty journal: %d, %d, %v", tail, head, err)
	}
	var seqs []int64
	for i := range 5 {
		e := entry(i)
		must[bool](t)(s.Append(ctx, e))
		seqs = append(seqs, e.Seq)
	}
	later := time.Now().Add(time.Hour)
	if n := must[int64](t)(s.Trim(ctx, time.Now().Add(-time.Hour), seqs[4])); n != 0 {
		t.Errorf("%d young entries trimmed", n)
	}
	if n := must[int64](t)(s.Trim(ctx, later, seqs[1])); n != 2 {
		t.Errorf("%d entries trimmed, want 2", n)
	}
	if tail, head, err := s.Bounds(ctx); err != nil || tail != seqs[2] || head != seqs[4] {
		t.Errorf("bounds %d, %d, %v", tail, head, err)
	}
	for must[int64](t)(s.Trim(ctx, later, seqs[4])) > 0 {
	}
	tail, head, err := s.Bounds(ctx)
	if err != nil || head != seqs[4] || tail != head+1 {
		t.Errorf("bounds after trimming everything: %d, %d, %v", tail, head, err)
	}
	noError(t, s.Close())
	s = started(t, open)
	e := entry(9)
	must[bool](t)(s.Append(ctx, e))
	if e.Seq <= head {
		t.Errorf("sequence %d given again (head was %d)", e.Seq, head)
	}
	if must[bool](t)(s.Append(ctx, entry(0))) {
		t.Error("a trimmed activity was taken again")
	}
}

func erase(t *testing.T, open func(*testing.T) JournalStore) {
	ctx := t.Context()
	s := started(t, open)
	const bob = "https://b.example/users/bob"
	add := func(n int, change func(*storage.Entry)) {
		e := entry(n)
		change(e)
		if !must[bool](t)(s.Append(ctx, e)) {
			t.Fatalf("entry %d was not added", n)
		}
	}
	note1 := entry(1).ObjectID
	add(1, func(e *storage.Entry) {})
	add(2, func(e *storage.Entry) { e.Type, e.ObjectID = "Update", note1 })
	add(3, func(e *storage.Entry) { e.Type, e.ObjectID = "Delete", note1 })
	add(4, func(e *storage.Entry) { e.Actor = bob })
	add(5, func(e *storage.Entry) { e.Actor, e.Type = bob, "Undo" })
	add(6, func(e *storage.Entry) {
		e.Type, e.Object = "Announce", []byte(`{"id":"https://b.example/1","attributedTo":["`+bob+`"]}`)
	})
	add(7, func(e *storage.Entry) {
		e.Type, e.Object = "Announce", []byte(`{"id":"https://c.example/1","attributedTo":"https://c.example/carl","tag":{"href":"`+bob+`"}}`)
	})
	if n := must[int64](t)(s.EraseOwn(ctx, note1, bob)); n != 0 {
		t.Errorf("%d entries of another's object erased", n)
	}
	if n := must[int64](t)(s.EraseOwn(ctx, entry(4).ObjectID, bob)); n != 1 {
		t.Errorf("%d entries of an own object erased, want 1", n)
	}
	if n := must[int64](t)(s.EraseObject(ctx, note1)); n != 2 {
		t.Errorf("%d entries of the object erased, want 2", n)
	}
	if n := must[int64](t)(s.EraseActor(ctx, bob)); n != 1 {
		t.Errorf("%d entries of the actor erased, want the one left", n)
	}
	if n := must[int64](t)(s.EraseActor(ctx, bob)); n != 0 {
		t.Errorf("%d entries erased the second time", n)
	}
	want := map[int]bool{1: true, 2: true, 4: true, 6: true}
	all := must[[]storage.Entry](t)(s.Read(ctx, 0, 10))
	if len(all) != 7 {
		t.Fatalf("%d entries, want all 7", len(all))
	}
	for i, e := range all {
		if e.Erased != want[i+1] || e.Erased != (e.Body == nil) || e.Erased && e.Object != nil {
			t.Errorf("entry %d: erased %v, body %q, object %q", i+1, e.Erased, e.Body, e.Object)
		}
	}
}

func closed(t *testing.T, open func(*testing.T) JournalStore) {
	s := open(t)
	noError(t, s.Close())
	noError(t, s.Close())
	_, err := s.Append(t.Context(), entry(1))
	wantError(t, err, storage.ErrClosed)
	_, err = s.Read(t.Context(), 0, 1)
	wantError(t, err, storage.ErrClosed)
}

func cancelled(t *testing.T, open func(*testing.T) JournalStore) {
	s := started(t, open)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Append(ctx, entry(1))
	wantError(t, err, context.Canceled)
	if !must[bool](t)(s.Append(t.Context(), entry(1))) {
		t.Error("a withdrawn append left its mark")
	}
}
