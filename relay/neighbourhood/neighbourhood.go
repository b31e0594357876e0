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
	"runtime"
	"slices"
	"strings"
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
	KeyBits            int          // of every instance's RSA key; 0: 2048, which is the least that others believe
	Client             *http.Client // nil: one of its own; it must not follow redirects
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
	if o.KeyBits == 0 {
		o.KeyBits = 2048
	}
	if o.Client == nil {
		o.Client = &http.Client{
			Timeout:       requestTimeout,
			Transport:     &http.Transport{MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	n := &Neighbourhood{
		o: o, client: o.Client, cancel: cancel, rnd: rand.New(rand.NewPCG(o.Seed, 2)),
		instances: make([]*Instance, o.Mastodon+o.Pleroma+o.Misskey),
	}
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0)) // making keys is work
	for i := range n.instances {
		kind := Misskey
		switch {
		case i < o.Mastodon:
			kind = Mastodon
		case i < o.Mastodon+o.Pleroma:
			kind = Pleroma
		}
		g.Go(func() (err error) {
			n.instances[i], err = newInstance(run, n, kind, i, kind == Mastodon && i < o.Secure)
			return err
		})
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
				err = errors.Join(err, in.close())
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
// activities a second, from the corpus and from what is unsolved of it: new
// posts, replies, edits, deletions, boosts and boosts taken back, and now and
// then a followers-only or direct one, which a real server would not push and
// the relay must not pass on. It returns nil when the context ends; a delivery
// that fails is logged.
func (n *Neighbourhood) Run(ctx context.Context, perSecond float64) error {
	tick := time.NewTicker(time.Duration(float64(time.Second) / max(perSecond, 0.01)))
	defer tick.Stop()
	posts := slices.Concat(Corpus(), Unsolved())
	order := n.perm(len(posts))
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		in := n.instances[n.intn(len(n.instances))]
		if err := n.act(ctx, in, posts[order[i%len(order)]]); err != nil && ctx.Err() == nil {
			n.o.Log.Warn("post", "instance", in.Host(), "error", err.Error())
		}
	}
}

// act lets an instance do something, mostly to post.
func (n *Neighbourhood) act(ctx context.Context, in *Instance, e Entry) error {
	dice, a := n.intn(100), n.intn(len(in.authors))
	last, others := in.lastObject(), n.instances[n.intn(len(n.instances))].lastObject()
	var err error
	switch {
	case dice < 4 && last != "":
		err = n.edit(ctx, in, last)
	case dice < 7 && last != "":
		_, err = in.Delete(ctx, last)
	case dice < 11 && others != "" && in.kind != Pleroma:
		err = n.boost(ctx, in, others, dice == 10)
	case dice < 13 && in.kind != Pleroma:
		_, err = in.Publish(ctx, Post{Entry: e, Author: a, Audience: Followers})
	case dice < 15 && in.kind != Pleroma:
		_, err = in.Publish(ctx, Post{Entry: e, Author: a, Audience: Direct})
	case dice < 18:
		_, err = in.Publish(ctx, Post{Entry: e, Author: a, ReplyTo: others})
	case dice < 21 && in.kind == Mastodon:
		_, err = in.Publish(ctx, Post{Entry: e, Author: a, NoProof: true})
	default:
		_, err = in.Publish(ctx, Post{Entry: e, Author: a})
	}
	return err
}

// editMark is what people write below what they changed.
const editMark = "\n\nEdit: a typo."

func (n *Neighbourhood) edit(ctx context.Context, in *Instance, id string) error {
	o, err := in.held(id)
	if err != nil {
		return err
	}
	_, err = in.Edit(ctx, id, strings.TrimSuffix(o.post.Entry.Text, editMark)+editMark)
	return err
}

func (n *Neighbourhood) boost(ctx context.Context, in *Instance, id string, undone bool) error {
	sent, err := in.Boost(ctx, id)
	if err == nil && undone {
		_, err = in.Unboost(ctx, sent)
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
