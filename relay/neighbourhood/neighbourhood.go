// Package neighbourhood is a small fediverse on loopback: simulated instances
// that subscribe to a relay, post to it with real signatures, and check what
// they receive as strictly as the servers that they stand for. The demo, the
// tests and the trials use it. Nothing in it is a shortcut past the relay's
// own inbox: everything goes over HTTP.
package neighbourhood

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Kind is the software that an instance behaves like.
type Kind string

// The kinds of instances.
const (
	Mastodon Kind = "mastodon"
	Pleroma  Kind = "pleroma"
	Misskey  Kind = "misskey"
)

// Options describe a neighbourhood.
type Options struct {
	Relay              string // base URL of the relay, "http://127.0.0.1:8080"
	Mastodon           int    // how many instances of each kind
	Pleroma            int
	Misskey            int
	Secure             int // of the Mastodon instances: in secure mode, without linked data signatures
	AuthorsPerInstance int // 0: 3
	Keep               int // deliveries and objects that an instance remembers; 0: all
	Seed               uint64
	Log                *slog.Logger // nil: nothing is logged
}

// Neighbourhood is a set of running instances.
type Neighbourhood struct {
	o         Options
	client    *http.Client
	instances []*Instance
	wg        sync.WaitGroup
	cancel    context.CancelFunc
	closeOnce sync.Once

	mu  sync.Mutex // guards rnd
	rnd *rand.Rand
}

// requestTimeout bounds every request of an instance.
const requestTimeout = 15 * time.Second

// Start starts the instances, each on a port of 127.0.0.1 of its own. They run
// until Close.
func Start(ctx context.Context, o Options) (*Neighbourhood, error) {
	if o.AuthorsPerInstance <= 0 {
		o.AuthorsPerInstance = 3
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	n := &Neighbourhood{
		o: o, cancel: cancel, rnd: rand.New(rand.NewPCG(o.Seed, 2)),
		client: &http.Client{
			Timeout:       requestTimeout,
			Transport:     &http.Transport{MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	var kinds []Kind
	for kind, count := range map[Kind]int{Mastodon: o.Mastodon, Pleroma: o.Pleroma, Misskey: o.Misskey} {
		for range count {
			kinds = append(kinds, kind)
		}
	}
	n.instances = make([]*Instance, len(kinds))
	var g errgroup.Group
	secure := o.Secure
	i := 0
	for _, kind := range []Kind{Mastodon, Pleroma, Misskey} {
		for _, k := range kinds {
			if k != kind {
				continue
			}
			at, strict := i, kind == Mastodon && secure > 0
			if strict {
				secure--
			}
			i++
			g.Go(func() error {
				in, err := newInstance(run, n, kind, at, strict)
				n.instances[at] = in
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, errors.Join(fmt.Errorf("start an instance: %w", err), n.Close())
	}
	return n, nil
}

// Close stops every instance and waits for its goroutines.
func (n *Neighbourhood) Close() error {
	var err error
	n.closeOnce.Do(func() {
		n.cancel()
		for _, in := range n.instances {
			if in != nil {
				err = errors.Join(err, in.server.Close())
			}
		}
		n.wg.Wait()
		n.client.CloseIdleConnections()
	})
	return err
}

// Instances are the instances, Mastodon's first, then Pleroma's, then Misskey's.
func (n *Neighbourhood) Instances() []*Instance { return n.instances }

// Subscribe lets every instance follow the relay, and waits until each was
// accepted or the context ends.
func (n *Neighbourhood) Subscribe(ctx context.Context) error {
	var g errgroup.Group
	for _, in := range n.instances {
		g.Go(func() error { return in.Subscribe(ctx) })
	}
	return g.Wait()
}

// Run lets the instances post until the context ends, about so many
// activities a second: new posts, edits, deletions, boosts, and now and then a
// followers-only or direct one, which the relay must not pass on.
func (n *Neighbourhood) Run(ctx context.Context, perSecond float64) error {
	tick := time.NewTicker(time.Duration(float64(time.Second) / max(perSecond, 0.01)))
	defer tick.Stop()
	corpus := Corpus()
	order := n.perm(len(corpus))
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		in := n.instances[n.intn(len(n.instances))]
		if err := n.act(ctx, in, corpus[order[i%len(order)]]); err != nil && ctx.Err() == nil {
			n.o.Log.Warn("post", "instance", in.Host(), "error", err.Error())
		}
	}
}

func (n *Neighbourhood) act(ctx context.Context, in *Instance, e Entry) error {
	dice := n.intn(100)
	last := in.lastObject()
	var err error
	switch {
	case dice < 4 && last != "":
		_, err = in.Edit(ctx, last, e.Text+" (edited)")
	case dice < 7 && last != "":
		_, err = in.Delete(ctx, last)
	case dice < 10 && last != "" && in.kind != Pleroma:
		_, err = in.Boost(ctx, last)
	case dice < 12 && in.kind != Pleroma:
		_, err = in.Publish(ctx, Post{Entry: e, Audience: Followers})
	case dice < 14 && in.kind != Pleroma:
		_, err = in.Publish(ctx, Post{Entry: e, Audience: Direct})
	default:
		_, err = in.Publish(ctx, Post{Entry: e, Author: n.intn(len(in.authors))})
	}
	return err
}

func (n *Neighbourhood) intn(below int) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rnd.IntN(below)
}

func (n *Neighbourhood) perm(size int) []int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rnd.Perm(size)
}
