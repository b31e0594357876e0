package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"hark/storage"
	"hark/storage/sqlite"
)

func (p *program) subscribersReplay() *cobra.Command {
	var since string
	var dry bool
	cmd := &cobra.Command{
		Use:   "replay HOST|ACTOR --since TIME|DURATION",
		Short: "Send a subscriber again what came in since a time",
		Long: `Replay sets a subscriber's place in the journal back, for one that lost what it
had: a restored backup, a fault behind its inbox. Everything from there on goes
to it again, in order and at the rate of any backlog; a server recognises what
it has. The journal is no archive: what all subscribers have is dropped after an
hour, everything else after [storage] journal_retention; replay says from when
on it can send. The running node notices by itself.`,
		Example: `  hark subscribers replay social.example --since 45m --dry-run
  hark subscribers replay social.example --since 2d
  hark subscribers replay https://social.example/actor --since 2025-03-01T18:00:00Z`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := p.pastTime(since)
			if err != nil {
				return err
			}
			return p.withStore(cmd.Context(), false, func(_ *Config, store *sqlite.Store) error {
				subs, err := findSubscribers(cmd.Context(), store, args[0])
				if err != nil {
					return err
				}
				for _, sub := range subs {
					if err := p.replay(cmd.Context(), store, sub, from, dry); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "a `time` (2025-03-01, 2025-03-01T18:00:00Z) or how long ago (45m, 2d); required")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say what would be sent")
	return cmd
}

// pastTime reads a time, or how long ago one was. Dates are in UTC.
func (p *program) pastTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, usagef("--since is needed: a time as 2025-03-01T18:00:00Z, or how long ago, as 45m or 2d")
	}
	now := p.now()
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		t, err := time.ParseInLocation(layout, s, time.UTC)
		switch {
		case err == nil && t.After(now):
			return time.Time{}, usagef("--since %s is in the future", s)
		case err == nil:
			return t, nil
		}
	}
	d, err := parseDuration(s)
	if err != nil || d <= 0 {
		return time.Time{}, usagef("--since %q is neither a time as 2025-03-01T18:00:00Z nor how long ago, as 45m or 2d", s)
	}
	return now.Add(-time.Duration(d)), nil
}

// replay sets the cursor of a subscriber back to before the first entry that
// came in at a time or later.
func (p *program) replay(ctx context.Context, store *sqlite.Store, sub storage.Subscriber, from time.Time, dry bool) error {
	name := cleanLine(sub.Actor)
	switch sub.State {
	case storage.StateAccepting, storage.StateActive, storage.StateSuspended:
	default:
		return fmt.Errorf("%s is %s: only who is served can be sent something again", name, sub.State)
	}
	if err := p.sayGone(ctx, store, from); err != nil {
		return err
	}
	first, err := store.FirstSince(ctx, from)
	if errors.Is(err, storage.ErrNotFound) {
		return p.printf("%s: the journal holds nothing that came in since %s.\n", name, from.UTC().Format(timeForm))
	}
	if err != nil {
		return err
	}
	if first > sub.Cursor {
		return p.printf("%s: nothing to send again; what came in since %s is still to be sent.\n", name, from.UTC().Format(timeForm))
	}
	n, err := store.CountRelayed(ctx, first-1, sub.Cursor)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%d activities", n)
	if n == 1 {
		what = "1 activity"
	}
	if sub.Filter != "" {
		what += " at most (it has a filter)"
	}
	if dry {
		return p.printf("%s: %s would be sent again. Nothing was changed.\n", name, what)
	}
	if err := store.SetCursor(ctx, sub.Actor, first-1); err != nil {
		return err
	}
	if err := audit(ctx, store, "subscriber.replay", sub.Actor+" since "+from.UTC().Format(time.RFC3339), n); err != nil {
		return err
	}
	later := ""
	if sub.State != storage.StateActive {
		later = ", once it is active"
	}
	return p.printf("%s: %s will be sent again%s.\n", name, what, later)
}

// sayGone tells where the journal does not reach back to a time.
func (p *program) sayGone(ctx context.Context, store *sqlite.Store, from time.Time) error {
	tail, _, err := store.Bounds(ctx)
	if err != nil || tail <= 1 {
		return err // nothing was ever dropped
	}
	_, oldest, err := store.ArrivalAfter(ctx, tail-1)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return p.printf("The journal is empty: what came in before has been dropped.\n")
	case err != nil || !oldest.After(from):
		return err
	}
	return p.printf("The journal holds nothing from before %s; that cannot be sent again.\n", stamp(oldest, p.now()))
}
