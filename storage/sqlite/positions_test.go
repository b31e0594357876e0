package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"hark/storage"
)

// TestFirstSince compares the search with a look at every entry, in journals
// with holes and with many arrivals in one millisecond.
func TestFirstSince(t *testing.T) {
	ctx := t.Context()
	base := time.UnixMilli(1767268800000).UTC()
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 1))
		now := base
		s, err := Open(ctx, Options{Dir: t.TempDir(), Create: true, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.FirstSince(ctx, base); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("an empty journal: %v", err)
		}
		for i := range 40 {
			now = now.Add(time.Duration(r.IntN(3)) * time.Second)
			e := &storage.Entry{ActivityID: fmt.Sprint("https://a.example/", i), Type: "Create", Relay: r.IntN(4) > 0, Body: []byte("{}")}
			if _, err := s.Append(ctx, e); err != nil {
				t.Fatal(err)
			}
		}
		holes := func(ctx context.Context, x *tx) error {
			for range 12 {
				if _, err := x.exec(ctx, "DELETE FROM journal WHERE seq = ?", 1+r.Int64N(40)); err != nil {
					return err
				}
			}
			return nil
		}
		if err := s.journal.w.do(ctx, holes); err != nil {
			t.Fatal(err)
		}
		all, err := s.Read(ctx, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		for since := base.Add(-time.Second); since.Before(now.Add(2 * time.Second)); since = since.Add(500 * time.Millisecond) {
			var want, count int64
			for i := range all {
				if want == 0 && !all[i].Received.Before(since) {
					want = all[i].Seq
				}
				if want != 0 && all[i].Relay && all[i].Seq <= 30 {
					count++
				}
			}
			got, err := s.FirstSince(ctx, since)
			if got != want || (want == 0) != errors.Is(err, storage.ErrNotFound) {
				t.Fatalf("seed %d, since %s: %d, %v, want %d", seed, since, got, err, want)
			}
			if want == 0 {
				continue
			}
			if n, err := s.CountRelayed(ctx, got-1, 30); n != count || err != nil {
				t.Errorf("seed %d: %d relayed, %v, want %d", seed, n, err, count)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
