package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"hark/relay"
	"hark/relay/neighbourhood"
	"hark/storage"
	"hark/storage/query"
	"hark/storage/sqlite"
)

// The paces of the demo.
const (
	demoPosts   = 2.0                    // activities a second, in all
	demoLook    = 400 * time.Millisecond // how often the store is looked at
	demoLines   = 4.0                    // lines a second, at most
	demoSummary = 20 * time.Second       // how often the figures are printed
	demoJoin    = time.Minute            // how long the instances may take to subscribe
)

// prepareDemo sets a configuration up for the demo. A node that is known to
// the world is refused: the demo switches off what protects it.
func prepareDemo(c *Config) error {
	if !c.isLocal() || !isLoopbackListen(c.Server.Listen) {
		return usagef("--demo is for a node on this machine alone, but %s names %s, listening on %s; start it in an empty folder without a configuration",
			orText(c.file, "the environment"), c.identityURL(), c.Server.Listen)
	}
	c.Federation.AllowPrivate = true
	c.Federation.AllowHTTP = true
	if c.Log.Level == defaults().Log.Level {
		c.Log.Level = "warn" // the demo prints what happens, in words
	}
	return nil
}

func orText(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// dismissStrangers ends the subscriptions of instances of an earlier demo: they
// are gone for good, and a node that keeps trying them would only fill the
// screen.
func dismissStrangers(ctx context.Context, store *sqlite.Store) error {
	subs, err := store.ListSubscribers(ctx, storage.SubscriberFilter{})
	if err != nil {
		return err
	}
	for _, s := range subs {
		host, _, _ := strings.Cut(s.Host, ":")
		if s.State == storage.StateLeft || !isLoopbackHost(host) {
			continue
		}
		if _, err := store.SetSubscriberState(ctx, s.Actor, []storage.SubscriberState{s.State}, storage.StateLeft); err != nil {
			return err
		}
	}
	return nil
}

// newNeighbourhood starts the instances of the demo.
func newNeighbourhood(ctx context.Context, node *relay.Node, now time.Time) (*neighbourhood.Neighbourhood, error) {
	hood, err := neighbourhood.Start(ctx, neighbourhood.Options{
		Relay: node.BaseURL(), Mastodon: 4, Pleroma: 2, Misskey: 1, Secure: 1, AuthorsPerInstance: 3, Keep: 300,
		Seed: uint64(now.UnixNano()), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, fmt.Errorf("simulated instances: %w", err)
	}
	return hood, nil
}

// demo lets the instances subscribe and post until the context ends, and
// prints what happens.
func (p *program) demo(ctx context.Context, node *relay.Node, store *sqlite.Store, hood *neighbourhood.Neighbourhood) error {
	link, err := node.SignInLink(ctx)
	if err != nil {
		return err
	}
	c := p.palette()
	err = p.printf(`%s on this machine, with %d simulated instances around it.

  the relay's page   %s
  sign in and search %s
                     (works once, for an hour; `+"`hark token signin`"+` prints another)

In another terminal: hark search 'label:threat', hark subscribers list --watch.
Ctrl-C stops it.

`, c.bold("Hark runs"), len(hood.Instances()), c.link(node.BaseURL()+"/"), c.link(link))
	if err != nil {
		return err
	}
	joining, cancel := context.WithTimeout(ctx, demoJoin)
	defer cancel()
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() {
		failed = hood.Subscribe(joining)
		if failed == nil {
			failed = hood.Run(ctx, demoPosts)
		}
	})
	w := &watcher{p: p, c: c, store: store, hood: hood, states: map[string]storage.SubscriberState{}, lines: rate.NewLimiter(demoLines, 8)}
	err = w.run(ctx)
	wg.Wait()
	if ctx.Err() != nil {
		return nil // what ended it was asked for
	}
	return errors.Join(err, failed)
}

// watcher tells in words what a node does, by looking into its store.
type watcher struct {
	p      *program
	c      palette
	store  *sqlite.Store
	hood   *neighbourhood.Neighbourhood
	states map[string]storage.SubscriberState // by actor, as printed last
	newest int64                              // id of the newest post printed or passed over
	silent int                                // posts not printed, since there were too many
	lines  *rate.Limiter
}

// run prints until the context ends.
func (w *watcher) run(ctx context.Context) error {
	hits, err := w.store.Search(ctx, query.Parse("", query.Options{}), storage.Page{Limit: 1})
	if err != nil {
		return err
	}
	for _, post := range hits.Posts {
		w.newest = post.ID
	}
	look, sum := time.NewTicker(demoLook), time.NewTicker(demoSummary)
	defer look.Stop()
	defer sum.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
			err = errors.Join(w.subscribers(ctx), w.posts(ctx))
		case <-sum.C:
			err = w.summary(ctx)
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
}

// say prints a line with the time of day.
func (w *watcher) say(what, text string) error {
	return w.p.printf("%s  %s  %s\n", w.c.dim(w.p.now().Format("15:04:05")), w.c.bold(fmt.Sprintf("%-10s", what)), text)
}

// subscribers prints what changed with the subscriptions.
func (w *watcher) subscribers(ctx context.Context) error {
	subs, err := w.store.ListSubscribers(ctx, storage.SubscriberFilter{})
	if err != nil {
		return err
	}
	for _, s := range subs {
		before, known := w.states[s.Actor]
		w.states[s.Actor] = s.State
		if before == s.State || !known && s.State == storage.StateLeft {
			continue
		}
		what := string(s.State)
		switch s.State {
		case storage.StateAccepting:
			continue // the next moment it is active
		case storage.StateActive:
			what = "subscribed"
		case storage.StatePending:
			what = "waits"
		}
		if err := w.say(what, fmt.Sprintf("%s (%s)", cleanLine(s.Actor), w.kind(s))); err != nil {
			return err
		}
	}
	return nil
}

// kind names the software of a subscriber, which NodeInfo has told or the
// neighbourhood knows.
func (w *watcher) kind(s storage.Subscriber) string {
	for _, in := range w.hood.Instances() {
		if in.ActorURI() == s.Actor {
			return "like " + string(in.Kind())
		}
	}
	return cleanLine(orText(s.Software, string(s.Flavour)))
}

// posts prints the posts that came since the last look.
func (w *watcher) posts(ctx context.Context) error {
	hits, err := w.store.Search(ctx, query.Parse("sort:oldest", query.Options{}), storage.Page{Limit: 50, MinID: w.newest})
	if err != nil {
		return err
	}
	for i := range hits.Posts {
		post := &hits.Posts[i]
		w.newest = max(w.newest, post.ID)
		if !w.lines.Allow() {
			w.silent++
			continue
		}
		if err := w.say("post", w.describe(post)); err != nil {
			return err
		}
	}
	return nil
}

// describe writes a post on a line.
func (w *watcher) describe(post *storage.Post) string {
	var labels []string
	for _, l := range post.Labels {
		if l.Over {
			labels = append(labels, w.c.red(fmt.Sprintf("[%s %.2f]", cleanLine(l.Name), l.Score)))
		}
	}
	text := cleanLine(post.Text)
	if post.Warning != "" {
		text = "(" + cleanLine(post.Warning) + ") " + text
	}
	line := fmt.Sprintf("%s %s %s", w.c.dim("@"+cleanLine(post.Handle)), cleanLine(post.Language), shorten(text, 72))
	if len(labels) > 0 {
		line += " " + strings.Join(labels, " ")
	}
	return line
}

// summary prints the figures.
func (w *watcher) summary(ctx context.Context) error {
	subs, err := w.store.ListSubscribers(ctx, storage.SubscriberFilter{States: []storage.SubscriberState{storage.StateActive}})
	if err != nil {
		return err
	}
	var delivered, skipped int64
	for _, s := range subs {
		delivered, skipped = delivered+s.Health.Delivered, skipped+s.Health.Skipped
	}
	var received, refused int
	for _, in := range w.hood.Instances() {
		for _, r := range in.Received() {
			received++
			if !r.Verified {
				refused++
			}
		}
	}
	stats, err := w.store.Stats(ctx)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%d deliveries to %d subscribers (%d skipped); the instances refused %d of the last %d; %s kept, store %s",
		delivered, len(subs), skipped, refused, received, plural(stats.Posts, "post"), bytesText(stats.FileBytes))
	if w.silent > 0 {
		text += fmt.Sprintf("; %d posts came too fast to print", w.silent)
		w.silent = 0
	}
	return w.say("relayed", text)
}
