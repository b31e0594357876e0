package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hark/storage"
)

func TestPace(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	p := newPace(16)
	for range 100 {
		p.good(now, 20*time.Millisecond, p.window, 10)
	}
	if p.window != 16 {
		t.Errorf("a quick subscriber that is kept busy has a window of %d", p.window)
	}
	for range 3 {
		p.good(now, 2*time.Second, p.window, 10)
	}
	if p.window >= 10 {
		t.Errorf("a subscriber that gets slow keeps a window of %d", p.window)
	}
	one := newPace(16)
	for range 100 {
		one.good(now, 2*time.Millisecond, one.window, 1000)
	}
	if one.window != 1 {
		t.Errorf("one of a crowd, near by, has a window of %d", one.window)
	}
	remote := newPace(16)
	for range 100 {
		remote.good(now, 200*time.Millisecond, remote.window, 1000)
	}
	if remote.window != 10 {
		t.Errorf("one of a crowd, far away, has a window of %d", remote.window)
	}
	p.bad()
	if p.window != 1 {
		t.Errorf("window %d after a failure", p.window)
	}
	for range 3 {
		p.good(now, 20*time.Millisecond, p.window, 10)
	}
	if p.window != 4 {
		t.Errorf("window %d after three good answers", p.window)
	}
	p.rested(now.Add(idleAfter))
	if p.window != 4 {
		t.Errorf("window %d after a short rest", p.window)
	}
	p.rested(now.Add(idleAfter + 1))
	if p.window != firstWindow {
		t.Errorf("window %d after a long rest", p.window)
	}
	idle := newPace(16)
	for range 100 {
		idle.good(now, 20*time.Millisecond, 1, 10)
	}
	if idle.window > 2 {
		t.Errorf("a subscriber with nothing to do has a window of %d", idle.window)
	}
	far := newPace(16)
	for range 100 {
		far.good(now, 400*time.Millisecond, far.window, 10)
	}
	if far.window != 16 {
		t.Errorf("one that is far away, but steady, has a window of %d", far.window)
	}
}

// TestHangingTakeNobodysPlace: many that hang at once do not hold up the one
// that answers, though they are more than there are places.
func TestHangingTakeNobodysPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		subs := []storage.Subscriber{subscriber("healthy.example")}
		for i := range 30 {
			subs = append(subs, subscriber(fmt.Sprintf("hangs%d.example", i)))
		}
		m := newMemory(subs...)
		p := &inboxes{answer: func(inbox, _ string, _ int) (int, time.Duration) {
			if inbox == "https://healthy.example/inbox" {
				return 202, 5 * time.Millisecond
			}
			return 202, time.Hour
		}}
		e, stop := run(t, m, p) // eight places
		for i := range 40 {
			m.add(post(fmt.Sprintf("https://a.example/%d", i), 0))
		}
		e.Appended()
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if n := len(p.got("https://healthy.example/inbox")); n != 40 {
			t.Errorf("the healthy one got %d of 40 while the others hang", n)
		}
		stop()
	})
}

// TestBacklogIsPaced: what is old is sent at a bounded rate, what is new is not
// held up by it at another subscriber.
func TestBacklogIsPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lagging, fresh := subscriber("back.example"), subscriber("fresh.example")
		fresh.Cursor = 1000
		m := newMemory(lagging, fresh)
		for i := range 1000 {
			e := post(fmt.Sprintf("https://a.example/%d", i), 0)
			e.Received = time.Now().Add(-24 * time.Hour)
			m.add(e)
		}
		p := &inboxes{answer: func(string, string, int) (int, time.Duration) { return 202, time.Millisecond }}
		e, stop := run(t, m, p)
		e.Appended()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if n := len(p.got("https://back.example/inbox")); n < 300 || n > 420 {
			t.Errorf("%d of the backlog in three seconds", n)
		}
		n := post("https://a.example/new", 0)
		n.Received = time.Now()
		m.add(n)
		e.Appended()
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		if got := p.got("https://fresh.example/inbox"); len(got) != 1 {
			t.Errorf("the other one got %v", got)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		got := p.got("https://back.example/inbox")
		if at := slices.Index(got, "https://a.example/new#0"); len(got) != 1001 || at < 1001-4 {
			t.Errorf("%d arrived in the end, the new one as the %d.", len(got), at+1)
		}
		stop()
	})
}

// unkept is a store whose cursors cannot be written for a while.
type unkept struct {
	*memory
	broken atomic.Bool
}

func (u *unkept) SaveProgress(ctx context.Context, ps []storage.Progress) error {
	if u.broken.Load() {
		return errors.New("disk full")
	}
	return u.memory.SaveProgress(ctx, ps)
}

// TestWindowBoundsWhatIsSentAgain: while the store does not take cursors no
// more than a window is delivered beyond what it knows, and when it takes them
// again everything goes on.
func TestWindowBoundsWhatIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(subscriber("b.example"))
		p := &inboxes{answer: func(string, string, int) (int, time.Duration) { return 202, time.Millisecond }}
		u := &unkept{memory: m}
		u.broken.Store(true)
		e, stop := runOn(t, u, p)
		for i := range 50 {
			m.add(post(fmt.Sprintf("https://a.example/%d", i), 0))
		}
		e.Appended()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := len(p.got("https://b.example/inbox")); n != 4 {
			t.Errorf("%d delivered that the store does not know of; the window is 4", n)
		}
		u.broken.Store(false)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		got := p.got("https://b.example/inbox")
		slices.Sort(got)
		if len(got) != 50 || len(slices.Compact(got)) != 50 {
			t.Errorf("%d delivered", len(got))
		}
		stop()
	})
}
