package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hark/relay/server"
	"hark/storage"
	"hark/storage/query"
	"hark/storage/sqlite"
)

// watchFlags are the flags of `hark watch`.
type watchFlags struct {
	every  time.Duration
	span   time.Duration
	count  int
	recent int
	strict bool
	json   bool
	zone   string
}

// watchLimits are the bounds of --every.
const (
	watchOften  = 100 * time.Millisecond
	watchSeldom = time.Hour
)

func (p *program) watchCommand() *cobra.Command {
	var f watchFlags
	cmd := &cobra.Command{
		Use:   "watch [QUERY]",
		Short: "Print posts as they arrive",
		Long: `Watch prints the posts that match a query from now on, oldest first, until it is
interrupted. It reads the store directly, while the node runs. On a terminal it
prints for people, elsewhere JSON Lines, each as soon as it is there. Without a
query it shows every post.

A post is shown once, with the labels that it has when it arrives: edits,
deletions and second opinions are not shown; the live stream of the API has them.
What is watched leaves an entry in the audit log.`,
		Example: `  hark watch 'label:threat'
  hark watch '(flood OR quake) -is:bot' --recent 5
  hark watch 'label:breach>0.8' --json | jq -r .uri
  hark watch '#storm' --count 1 --for 1h && notify-send storm`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case f.every < watchOften || f.every > watchSeldom:
				return usagef("--every %v is not from %v to %v", f.every, watchOften, watchSeldom)
			case f.count < 0 || f.recent < 0 || f.recent > 200 || f.span < 0:
				return usagef("--count, --for and --recent are not below 0, and --recent is at most 200")
			}
			return p.withStore(cmd.Context(), false, func(_ *Config, store *sqlite.Store) error {
				return p.watch(cmd.Context(), store, strings.Join(args, " "), f)
			})
		},
	}
	cmd.Flags().DurationVar(&f.every, "every", time.Second, "how often it looks")
	cmd.Flags().DurationVar(&f.span, "for", 0, "end after that time; with --count that is a failure")
	cmd.Flags().IntVarP(&f.count, "count", "n", 0, "end after so many posts; 0 for never")
	cmd.Flags().IntVar(&f.recent, "recent", 0, "begin with so many posts that are there already")
	cmd.Flags().BoolVar(&f.strict, "strict", false, "fail where the query is not understood in full")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON Lines, also on a terminal")
	cmd.Flags().StringVar(&f.zone, "tz", "", "time `zone` of the dates in the query, as Europe/Berlin (default UTC)")
	return cmd
}

// watch prints what arrives until the context ends, or enough has been seen.
func (p *program) watch(ctx context.Context, store *sqlite.Store, text string, f watchFlags) error {
	q, err := p.parseQuery(text, f.zone, f.strict)
	if err != nil {
		return err
	}
	newest := *q // what arrives has one order
	newest.Sort = query.SortNewest
	if newest.Nothing() {
		return usagef("the query finds nothing")
	}
	every, err := store.Search(ctx, query.Parse("", query.Options{Now: p.now()}), storage.Page{Limit: 1})
	if err != nil {
		return err
	}
	w := &postWatch{p: p, store: store, q: &newest, f: f}
	if len(every.Posts) > 0 {
		w.last = every.Posts[0].ID
	}
	if f.recent > 0 {
		hits, err := store.Search(ctx, &newest, storage.Page{Limit: f.recent, MaxID: w.last + 1})
		if err != nil {
			return err
		}
		slices.Reverse(hits.Posts)
		if err := w.print(hits.Posts[:w.room(len(hits.Posts))]); err != nil {
			return err
		}
	}
	if f.span > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, f.span)
		defer stop()
	}
	err = w.run(ctx)
	// The context may have ended; that somebody watched is kept all the same.
	kept, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer stop()
	if auditErr := audit(kept, store, "watch", text, int64(w.seen)); auditErr != nil && err == nil {
		err = auditErr
	}
	return err
}

// postWatch is one run of `hark watch`.
type postWatch struct {
	p     *program
	store *sqlite.Store
	q     *query.Query
	f     watchFlags
	last  int64 // the newest post that was looked at
	seen  int
}

func (w *postWatch) enough() bool { return w.f.count > 0 && w.seen >= w.f.count }

func (w *postWatch) run(ctx context.Context) error {
	tick := time.NewTicker(w.f.every)
	defer tick.Stop()
	for !w.enough() {
		select {
		case <-ctx.Done():
			if w.f.count > 0 && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("%v went by and only %s came", w.f.span, plural(int64(w.seen), "post"))
			}
			return nil
		case <-tick.C:
		}
		if err := w.look(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// look prints what has come since it looked last, oldest first.
func (w *postWatch) look(ctx context.Context) error {
	var found []storage.Post
	page := storage.Page{Limit: 200, MinID: w.last}
	for {
		hits, err := w.store.Search(ctx, w.q, page)
		if err != nil {
			return err
		}
		found = append(found, hits.Posts...)
		if hits.Partial {
			w.p.warnf("the search took too long: something may be missing; `hark search` finds it")
		}
		if page.Cursor = hits.Next; hits.Next == "" {
			break
		}
	}
	if len(found) > 0 {
		w.last = found[0].ID
	}
	slices.Reverse(found)
	return w.print(found[:w.room(len(found))])
}

// room is how many of n posts may still be shown.
func (w *postWatch) room(n int) int {
	if w.f.count > 0 {
		return min(n, w.f.count-w.seen)
	}
	return n
}

// print shows posts in the order given.
func (w *postWatch) print(posts []storage.Post) error {
	asJSON := w.f.json || !isTerminal(w.p.stdout)
	for i := range posts {
		var err error
		if post := &posts[i]; asJSON {
			err = writeJSON(w.p.stdout, server.PostOf(post, w.q))
		} else {
			err = w.p.printPost(post, w.q.Snippet(post, 280), w.p.palette())
		}
		if err != nil {
			return err
		}
		w.seen++
	}
	return nil
}
