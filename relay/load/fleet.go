package load

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"hark/activitypub"
	"hark/activitypub/sig"
)

// The times that joining and a request may take. A relay may look at all its
// subscribers for each one that joins.
const (
	joinWithin   = 2 * time.Minute
	joinEach     = 200 * time.Millisecond // more for every subscriber
	leaveWithin  = 10 * time.Second
	requestLimit = time.Minute
)

// Ports are taken from below those that systems give to outgoing connections:
// a host that refuses for a while finds its own again.
//
// ref: RFC 6335 §6; observed Linux: net.ipv4.ip_local_port_range
const (
	firstPort = 10_000
	lastPort  = 32_000
)

// fleet are the simulated hosts of a run: subscribers, then hosts that only
// post. They share one key: what a relay does with a key costs the same.
type fleet struct {
	o       *Options
	relay   *target
	key     *rsa.PrivateKey
	pem     string
	numbers numbers
	ledger  *ledger
	checks  *checker
	warm    int // that many activities come before the clock starts
	hosts   []*host
	pubs    []*host // of hosts

	run    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu   sync.Mutex // guards port
	port int

	rejected atomic.Int64
	opened   atomic.Int64 // connections from the relay
}

// newFleet starts the hosts. They run until close.
func newFleet(ctx context.Context, o *Options, relay *target) (*fleet, error) {
	key, err := sig.GenerateKey()
	if err != nil {
		return nil, err
	}
	pem, err := sig.PublicPEM(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	rnd := rand.New(rand.NewPCG(o.Seed, 3))
	f := &fleet{
		o: o, relay: relay, key: key, pem: string(pem), warm: o.Publishers, checks: newChecker(relay), run: run, cancel: cancel,
		port: firstPort + rand.IntN(lastPort-firstPort),
	}
	f.numbers = newNumbers(time.Now(), f.warm+o.Activities)
	f.ledger = newLedger(o.Subscribers, f.warm+o.Activities)
	manners := spread(rnd, o.Subscribers, []float64{o.Hanging, o.Failing, o.Dead, o.Slow, o.Returning})
	kinds := spread(rnd, o.Subscribers, []float64{o.Misskey, o.Pleroma})
	for i := range o.Subscribers {
		h := &host{f: f, index: i, manner: manner(manners[i]), software: software(kinds[i])}
		f.hosts = append(f.hosts, h)
		// Pleroma publishes otherwise, and so does Misskey.
		if h.manner == healthy && h.software == mastodon && len(f.pubs) < o.Publishers {
			f.pubs = append(f.pubs, h)
		}
	}
	for len(f.pubs) < o.Publishers {
		h := &host{f: f, index: len(f.hosts)}
		f.hosts, f.pubs = append(f.hosts, h), append(f.pubs, h)
	}
	for _, h := range f.hosts {
		h.author, h.conns = "/users/"+authorName, map[net.Conn]struct{}{}
		if err := h.listen(ctx); err != nil {
			f.close()
			return nil, err
		}
	}
	return f, nil
}

// spread deals shares of n out at random: 0 for the rest, then 1 for the first
// share and so on. A share that is not 0 has at least one.
func spread(rnd *rand.Rand, n int, shares []float64) []int {
	out := make([]int, n)
	order, next := rnd.Perm(n), 0
	for i, share := range shares {
		count := int(math.Round(share * float64(n)))
		if share > 0 {
			count = max(count, 1)
		}
		for ; count > 0 && next < n; count-- {
			out[order[next]] = i + 1
			next++
		}
	}
	return out
}

// listen opens an address, or one of its choice where it is "".
func (f *fleet) listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	if addr != "" {
		return lc.Listen(ctx, "tcp", addr)
	}
	for range lastPort - firstPort {
		f.mu.Lock()
		f.port++
		if f.port >= lastPort {
			f.port = firstPort
		}
		port := f.port
		f.mu.Unlock()
		ln, err := lc.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		switch {
		case err == nil:
			return ln, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, syscall.EMFILE):
			return nil, fmt.Errorf("listen for a simulated host: %w", err)
		}
	}
	return nil, errors.New("listen for a simulated host: no port from " + strconv.Itoa(firstPort) + " to " + strconv.Itoa(lastPort) + " is free")
}

// group are the subscribers of these manners.
func (f *fleet) group(manners ...manner) []int {
	var out []int
	for _, h := range f.hosts[:f.o.Subscribers] {
		for _, m := range manners {
			if h.manner == m {
				out = append(out, h.index)
			}
		}
	}
	return out
}

// join lets every subscriber follow the relay and waits until all were
// accepted, and then until the relay has asked what they run, if it does.
func (f *fleet) join(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, joinWithin+time.Duration(f.o.Subscribers)*joinEach)
	defer cancel()
	if err := f.tell(ctx, f.follow); err != nil {
		return fmt.Errorf("follow the relay: %w", err)
	}
	subscribers := f.hosts[:f.o.Subscribers]
	accepted := func() (n int) {
		for _, h := range subscribers {
			if h.accepted.Load() {
				n++
			}
		}
		return n
	}
	for n := accepted(); n < len(subscribers); n = accepted() {
		f.o.progress("subscribed", int64(n), int64(len(subscribers)))
		if f.rejected.Load() > 0 {
			return fmt.Errorf("the relay rejected %d of %d subscribers", f.rejected.Load(), len(subscribers))
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("the relay accepted %d of %d subscribers: %w", n, len(subscribers), err)
		}
	}
	return progressing(ctx, func() (n int64) {
		for _, h := range subscribers {
			if !h.asked.Load() {
				n++
			}
		}
		return n
	})
}

// progressing waits until nothing is left, or until what is left has not
// become less for a second: then it will not, and the run goes on without.
func progressing(ctx context.Context, left func() int64) error {
	for least, since := left(), time.Now(); least > 0 && time.Since(since) < time.Second; {
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
		if n := left(); n < least {
			least, since = n, time.Now()
		}
	}
	return nil
}

// leave takes every Follow back.
func (f *fleet) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, leaveWithin+time.Duration(f.o.Subscribers)*joinEach/10)
	defer cancel()
	return f.tell(ctx, func(h *host) any {
		return map[string]any{
			"@context": "https://www.w3.org/ns/activitystreams", "id": h.followID + "/undo", "type": "Undo", "actor": h.actor(), "object": f.follow(h),
		}
	})
}

// tell posts what each subscriber says to the relay.
func (f *fleet) tell(ctx context.Context, says func(*host) any) error {
	g, ctx := errgroup.WithContext(ctx)
	const lines = 4
	next := atomic.Int64{}
	for range lines {
		g.Go(func() error {
			l := &line{relay: f.relay}
			defer l.close()
			for {
				i := int(next.Add(1)) - 1
				if i >= f.o.Subscribers {
					return nil
				}
				f.o.progress("subscribing", int64(i), int64(f.o.Subscribers))
				h := f.hosts[i]
				if err := f.say(ctx, l, h, says(h)); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

// say posts an activity of a host's own actor, and wants it taken.
func (f *fleet) say(ctx context.Context, l *line, h *host, doc any) error {
	body, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	raw, err := f.sign(body, h.actor()+"#main-key", time.Now())
	if err != nil {
		return err
	}
	status, answer, err := l.post(ctx, raw)
	if err == nil && (status < 200 || status > 299) {
		err = fmt.Errorf("%d %.300s", status, strings.TrimSpace(string(answer)))
	}
	return err
}

// follow is the Follow that a host's software sends to a relay.
//
// ref: observed Mastodon 4.5: app/models/relay.rb; Misskey 2025:
// RelayService.ts; Pleroma 2.9: lib/pleroma/web/activity_pub/relay.ex
func (f *fleet) follow(h *host) any {
	object, path := activitypub.Public, "/"
	doc := map[string]any{"@context": "https://www.w3.org/ns/activitystreams", "type": "Follow", "actor": h.actor()}
	switch h.software {
	case misskey:
		path = "/activities/follow-relay/"
	case pleroma:
		object, path = f.relay.base+"/actor", "/activities/"
		doc["to"], doc["cc"] = []string{object}, []string{}
	}
	h.followID = h.origin + path + strconv.FormatInt(f.numbers.base, 16)
	doc["id"], doc["object"] = h.followID, object
	return doc
}

// took takes a delivery into account.
func (f *fleet) took(h *host, r *request) {
	if h.index < f.o.Subscribers {
		if i, ok := f.numbers.find(r.body); ok {
			f.ledger.arrive(h.index, i)
			f.checks.sample(h, r)
			return
		}
	}
	var m struct{ Type string }
	if json.Unmarshal(r.body, &m) != nil {
		f.ledger.unknown.Add(1)
		return
	}
	switch m.Type {
	case "Accept":
		h.accepted.Store(true)
	case "Reject":
		f.rejected.Add(1)
	case "Follow": // Pleroma is followed back, and accepts
		body := json.RawMessage(append([]byte(nil), r.body...))
		f.wg.Go(func() {
			ctx, cancel := context.WithTimeout(f.run, requestLimit)
			defer cancel()
			l := &line{relay: f.relay}
			defer l.close()
			// A relay that is not believed here asks again, or says so itself.
			_ = f.say(ctx, l, h, map[string]any{
				"@context": "https://www.w3.org/ns/activitystreams", "id": h.origin + "/activities/accept", "type": "Accept", "actor": h.actor(),
				"object": body, "to": []string{f.relay.base + "/actor"}, "cc": []string{},
			})
		})
	default:
		f.ledger.unknown.Add(1)
	}
}

// close stops every host and waits for its goroutines.
func (f *fleet) close() {
	f.cancel()
	for _, h := range f.hosts {
		h.shut()
	}
	f.wg.Wait()
	f.checks.close()
}

// pause waits, unless the context ends before.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
