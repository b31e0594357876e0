package load

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Run drives a relay as the options say and reports what came of it. That
// deliveries were lost is no error: the report tells. It returns when
// everything that it started has ended; memory is bounded by maxActivities and
// maxCells.
func Run(ctx context.Context, o Options) (report *Report, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.URL == "" {
		c, err := startChild(ctx, &o)
		if err != nil {
			return nil, err
		}
		defer func() {
			// Who ends the run by the keyboard ends the relay with it.
			if serr := c.stop(); ctx.Err() == nil {
				err = errors.Join(err, serr)
			}
		}()
		o.URL, o.PID = c.base, c.cmd.Process.Pid
		return drive(ctx, &o, false)
	}
	return drive(ctx, &o, true)
}

// drive does all but starting a relay. A relay that stays is left in order.
func drive(ctx context.Context, o *Options, stays bool) (report *Report, _ error) {
	relay, err := newTarget(o.URL)
	if err != nil {
		return nil, err
	}
	f, err := newFleet(ctx, o, relay)
	if err != nil {
		return nil, err
	}
	defer f.close()
	if stays {
		defer func() {
			if lerr := f.leave(context.WithoutCancel(ctx)); lerr != nil && report != nil {
				report.NotLeft = lerr.Error()
			}
		}()
	}
	began := time.Now()
	if err := f.join(ctx); err != nil {
		return nil, err
	}
	joined := time.Since(began)
	d := &drill{f: f, g: newGauge(o.PID, relay), joined: joined, statuses: map[string]int64{}}
	defer d.g.client.CloseIdleConnections()
	if d.signCost, d.verifyCost, err = rsaCost(f.key); err != nil {
		return nil, err
	}
	if err := d.prepare(ctx); err != nil {
		return nil, err
	}
	if err := d.warmUp(ctx); err != nil {
		return nil, err
	}
	return d.measure(ctx)
}

// drill is one run at work.
type drill struct {
	f                    *fleet
	g                    *gauge
	acts                 []activity
	joined               time.Duration
	signCost, verifyCost time.Duration
	returned             atomic.Uint32 // when those came back who refused; 0: nobody yet

	mu       sync.Mutex // guards statuses
	statuses map[string]int64
}

// rsaCost measures one RSA-2048 signature and verification, as medians, on the
// machine and under the load of this moment.
func rsaCost(key *rsa.PrivateKey) (sign, verify time.Duration, err error) {
	const signatures, verifications = 75, 300
	sum := sha256.Sum256([]byte("how long does this take"))
	var value []byte
	took := make([]time.Duration, signatures)
	for i := range took {
		began := time.Now()
		if value, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:]); err != nil {
			return 0, 0, fmt.Errorf("sign: %w", err)
		}
		took[i] = time.Since(began)
	}
	sign = median(took)
	took = make([]time.Duration, verifications)
	for i := range took {
		began := time.Now()
		if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], value); err != nil {
			return 0, 0, fmt.Errorf("verify: %w", err)
		}
		took[i] = time.Since(began)
	}
	return sign, median(took), nil
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// prepare writes and signs every activity, before the clock starts.
func (d *drill) prepare(ctx context.Context) error {
	o, f := d.f.o, d.f
	d.acts = make([]activity, f.warm+o.Activities)
	rnd := mathrand.New(mathrand.NewPCG(o.Seed, 5))
	now := time.Now()
	g, signing := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	var done atomic.Int64
	edits := make([]int, len(d.acts))
	for i := range d.acts {
		edits[i] = -1
		before := i - len(f.pubs)
		if before >= f.warm && edits[before] < 0 && rnd.Float64() < o.Edits {
			edits[i] = before
		}
		text := o.Texts[rnd.IntN(len(o.Texts))]
		if signing.Err() != nil {
			break
		}
		g.Go(func() (err error) {
			d.acts[i], err = f.prepare(f.pubs[i%len(f.pubs)], i, edits[i], text, now)
			if n := done.Add(1); n%500 == 0 && err == nil {
				o.progress("signed", n, int64(len(d.acts)))
			}
			return err
		})
	}
	return errors.Join(g.Wait(), ctx.Err())
}

// warmUp lets every publisher post once and waits for the deliveries, so that
// keys are known and connections open when the clock starts.
func (d *drill) warmUp(ctx context.Context) error {
	d.publish(ctx, 0, d.f.warm, 0, 0)
	if len(d.statuses) > 0 {
		return fmt.Errorf("the relay does not accept activities: %v", d.statuses)
	}
	all := d.f.group(healthy, hanging, failing, dead, slow, returning)
	return progressing(ctx, func() int64 {
		_, missing := d.f.ledger.missing(all, 0, d.f.warm, d.owed)
		return missing
	})
}

// owed tells whether a subscriber is to get an activity: not its own, and
// Pleroma, which knows relays as senders of Announces, no edits.
func (d *drill) owed(subscriber, act int) bool {
	a := &d.acts[act]
	return a.publisher != subscriber && (a.edits < 0 || d.f.hosts[subscriber].software != pleroma)
}

// publish posts the activities from first to before end, each publisher its
// own in turn over one connection.
func (d *drill) publish(ctx context.Context, first, end int, perSecond float64, duration time.Duration) {
	var wg sync.WaitGroup
	began := time.Now()
	var posted atomic.Int64
	for p := range d.f.pubs {
		wg.Go(func() {
			l := &line{relay: d.f.relay}
			defer l.close()
			for i := first; i < end; i++ {
				if i%len(d.f.pubs) != p {
					continue
				}
				if perSecond > 0 {
					due := began.Add(time.Duration(float64(i-first) / perSecond * float64(time.Second)))
					if pause(ctx, time.Until(due)) != nil {
						return
					}
				}
				if ctx.Err() != nil || duration > 0 && time.Since(began) > duration {
					return
				}
				d.post(ctx, l, i)
				if n := posted.Add(1); n%100 == 0 {
					d.f.o.progress("posted", n, int64(end-first))
				}
			}
		})
	}
	wg.Wait()
}

func (d *drill) post(ctx context.Context, l *line, i int) {
	led := d.f.ledger
	led.posted[i].Store(led.now())
	status, _, err := l.post(ctx, d.acts[i].raw)
	if err == nil && status >= 200 && status < 300 {
		led.accepted[i].Store(led.now())
		return
	}
	what := strconv.Itoa(status)
	if err != nil {
		what = "no answer"
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.statuses[what]++
}

// measure lets those who are to be sick fall ill, starts the clock, posts, and
// waits for what is owed.
func (d *drill) measure(ctx context.Context) (*Report, error) {
	f, o := d.f, d.f.o
	for _, h := range f.hosts[:o.Subscribers] {
		h.now.Store(int32(h.manner))
		if h.manner == dead || h.manner == returning {
			h.shut()
		}
	}
	watching, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	before := d.g.read(ctx)
	opened := f.opened.Load()
	own, _ := procCPU(os.Getpid()) // 0 where there is no /proc: unknown
	start := f.ledger.now()
	wg.Go(func() { d.g.watch(watching) })
	back := make(chan error, 1)
	if away := f.group(returning); len(away) > 0 {
		wg.Go(func() {
			if pause(watching, o.Outage) == nil {
				err := f.comeBack(watching, away)
				d.returned.Store(f.ledger.now())
				back <- err
			}
		})
	} else {
		back <- nil
	}
	d.publish(ctx, f.warm, len(d.acts), o.Rate, o.Duration)
	select {
	case err := <-back:
		if err != nil {
			return nil, err
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := d.await(ctx); err != nil {
		return nil, err
	}
	ownAfter, _ := procCPU(os.Getpid())
	stop()
	wg.Wait()
	after := d.g.settle(ctx)
	r := d.report(start, before, after)
	r.GeneratorCPU, r.Connections = (ownAfter - own).Seconds(), f.opened.Load()-opened
	return r, nil
}

// comeBack lets hosts listen again that refused.
func (f *fleet) comeBack(ctx context.Context, away []int) error {
	for _, i := range away {
		h := f.hosts[i]
		h.now.Store(int32(healthy))
		if err := h.listen(ctx); err != nil {
			return fmt.Errorf("a simulated host returns: %w", err)
		}
	}
	return nil
}

// await waits until everything that is owed has arrived, or the grace is over.
func (d *drill) await(ctx context.Context) error {
	f := d.f
	waitFor := f.group(healthy, returning)
	deadline := time.Now().Add(f.o.Grace)
	for seen := int64(-1); time.Now().Before(deadline); {
		if now := f.ledger.seen.Load(); now != seen {
			seen = now
			owed, missing := f.ledger.missing(waitFor, f.warm, len(d.acts), d.owed)
			if missing == 0 {
				return nil
			}
			f.o.progress("delivered", owed-missing, owed)
			// Counting takes the longer the more there is to count.
			if err := pause(ctx, time.Duration(owed)*100*time.Nanosecond); err != nil {
				return err
			}
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
