package delivery

import (
	"context"
	"testing"
	"time"

	"hark/storage"
)

// shelf is a journal of one entry a second, and the settings.
type shelf struct {
	start      time.Time
	tail, head int64
	meta       map[string]string
}

func (s *shelf) Bounds(context.Context) (int64, int64, error) { return s.tail, s.head, nil }
func (s *shelf) ArrivalAfter(_ context.Context, seq int64) (int64, time.Time, error) {
	if seq = max(seq+1, s.tail); seq > s.head {
		return 0, time.Time{}, storage.ErrNotFound
	}
	return seq, s.start.Add(time.Duration(seq) * time.Second), nil
}
func (s *shelf) GetMeta(_ context.Context, key string) (string, error) {
	if v, ok := s.meta[key]; ok {
		return v, nil
	}
	return "", storage.ErrNotFound
}
func (s *shelf) PutMeta(_ context.Context, key, value string) error {
	s.meta[key] = value
	return nil
}

func TestStandings(t *testing.T) {
	ctx, start := t.Context(), time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	s := &shelf{start: start, tail: 11, head: 100, meta: map[string]string{}}
	now := start.Add(200 * time.Second)
	subs := []storage.Subscriber{
		{Actor: "level", Cursor: 100, Software: "mastodon", State: storage.StateActive},
		{Actor: "behind", Cursor: 60, Software: "mastodon", SignatureForm: SignatureHost, State: storage.StateActive},
		{Actor: "beyond the tail", Cursor: 3, Software: "misskey", State: storage.StateSuspended},
		{Actor: "ahead", Cursor: 200, State: storage.StateLeft},
	}
	for i, want := range []Standing{
		{Lag: 0, Waiting: 0, Signature: SignedShared},
		{Lag: 40, Waiting: 139 * time.Second, Signature: SignedHost},
		{Lag: 97, Waiting: 189 * time.Second, Signature: SignedHost},
		{Lag: 0, Waiting: 0, Signature: SignedHost},
	} {
		all, err := Standings(ctx, s, subs, true, now)
		if err != nil {
			t.Fatal(err)
		}
		got := all[i]
		if got.Actor != subs[i].Actor || got.Lag != want.Lag || got.Waiting != want.Waiting || got.Signature != want.Signature || got.Rated {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if all, _ := Standings(ctx, s, subs, false, now); all[0].Signature != SignedHost {
		t.Error("signatures are not shared, and one is said to be")
	}
}

// TestRates: the rate is of the last ten to twenty minutes, and unknown where
// nothing recent was noted.
func TestRates(t *testing.T) {
	ctx, now := t.Context(), time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	s := &shelf{meta: map[string]string{metaLooks: "of another version"}}
	subs := []storage.Subscriber{{Actor: "a", State: storage.StateActive}, {Actor: "gone", State: storage.StateLeft}}
	rate := func() (int64, bool) {
		t.Helper()
		all, err := Standings(ctx, s, subs, true, now)
		if err != nil {
			t.Fatal(err)
		}
		if all[1].Rated {
			t.Error("who left has a rate")
		}
		return all[0].PerHour, all[0].Rated
	}
	for minute := range 60 { // one activity a second
		if err := Look(ctx, s, subs, now); err != nil {
			t.Fatal(err)
		}
		if got, known := rate(); known != (minute > 0) || known && got != 3600 {
			t.Fatalf("minute %d: %v, %v", minute, got, known)
		}
		if l, err := readLooks(ctx, s); err != nil || len(l) > 2 || now.Sub(l[0].At) > 2*lookEvery {
			t.Fatalf("minute %d: %v, %v", minute, l, err)
		}
		now = now.Add(time.Minute)
		subs[0].Health.Delivered += 60
	}
	subs[0].Health.Delivered = 5
	if _, known := rate(); known {
		t.Error("a new subscription has the rate of an old one")
	}
	subs[0].Health.Delivered = 10_000
	now = now.Add(2 * time.Hour)
	if _, known := rate(); known {
		t.Error("the rate is from before the node stood still")
	}
}
