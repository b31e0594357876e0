// Package trial puts the whole program to the test from outside: a node in a
// process of its own, simulated instances around it, and a hard look at what
// it promised.
package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"hark/relay/neighbourhood"
	"hark/storage"
	"hark/storage/sqlite"
)

// CrashOptions describe a trial by kill -9.
type CrashOptions struct {
	Binary   string        // the program to run as `BINARY serve`
	Dir      string        // an empty folder for its store
	Rounds   int           // how often it is killed
	Seed     uint64        // of the moments
	Longest  time.Duration // life of a round, at most; 2 s
	Patience time.Duration // for the last deliveries; 2 min
	Progress func(round int, acknowledged int64)
	Log      *slog.Logger
}

// CrashReport is what a trial found.
type CrashReport struct {
	Rounds       int           `json:"rounds"`
	Acknowledged int64         `json:"acknowledged"`       // posts answered with 202
	Expected     int64         `json:"expected"`           // deliveries owed for them
	Undelivered  []string      `json:"undelivered"`        // "post → instance" that never arrived
	NotStored    []string      `json:"not_stored"`         // posts that the archive does not hold
	Repeated     int64         `json:"repeated"`           // deliveries that arrived more than once
	Unverified   []string      `json:"unverified"`         // deliveries that a strict server refuses, with the reason
	Refused      int64         `json:"refused_while_down"` // posts that were not acknowledged: no promise
	Took         time.Duration `json:"took_ns"`
}

// Lost tells whether a promise was broken.
func (r *CrashReport) Lost() bool {
	return len(r.Undelivered) > 0 || len(r.NotStored) > 0 || len(r.Unverified) > 0
}

// Crash starts a node, lets simulated instances post to it, kills it with
// SIGKILL at random moments and starts it again; then checks that everything
// that was answered with 202 reached every other subscriber and the archive.
// All traffic stays on loopback. It fails only if the trial itself could not
// be carried out.
func Crash(ctx context.Context, o CrashOptions) (*CrashReport, error) {
	if o.Longest == 0 {
		o.Longest = 2 * time.Second
	}
	if o.Patience == 0 {
		o.Patience = 2 * time.Minute
	}
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	c := &crash{o: o, addr: addr, base: "http://" + addr, rnd: rand.New(rand.NewPCG(o.Seed, 1)), owed: map[string]string{}}
	return c.run(ctx)
}

type crash struct {
	o    CrashOptions
	addr string
	base string
	rnd  *rand.Rand
	cmd  *exec.Cmd

	mu      sync.Mutex
	owed    map[string]string // object id → host that posted it
	refused int64
}

func (c *crash) run(ctx context.Context) (*CrashReport, error) {
	started := time.Now()
	if err := c.start(ctx); err != nil {
		return nil, err
	}
	defer c.kill()
	hood, err := neighbourhood.Start(ctx, neighbourhood.Options{
		Relay: c.base, Mastodon: 4, Pleroma: 2, Misskey: 1, AuthorsPerInstance: 2, Seed: c.o.Seed, Log: c.o.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("simulated instances: %w", err)
	}
	defer func() { _ = hood.Close() }()
	joined, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := hood.Subscribe(joined); err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	for round := 1; round <= c.o.Rounds; round++ {
		if err := c.round(ctx, hood); err != nil {
			return nil, fmt.Errorf("round %d: %w", round, err)
		}
		if c.o.Progress != nil {
			c.o.Progress(round, int64(len(c.owed)))
		}
	}
	report := &CrashReport{Rounds: c.o.Rounds, Acknowledged: int64(len(c.owed)), Refused: c.refused}
	c.settle(ctx, hood, report)
	if err := c.stop(ctx); err != nil {
		return nil, err
	}
	if err := c.inspect(ctx, report); err != nil {
		return nil, err
	}
	report.Took = time.Since(started)
	return report, nil
}

// round lets every instance post until the node is killed, and starts it again.
func (c *crash) round(ctx context.Context, hood *neighbourhood.Neighbourhood) error {
	posting, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for i, in := range hood.Instances() {
		wg.Go(func() { c.post(posting, in, i) })
	}
	life := c.o.Longest/8 + time.Duration(c.rnd.Int64N(int64(c.o.Longest*7/8)))
	timer := time.NewTimer(life)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	c.kill()
	stop()
	wg.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return c.start(ctx)
}

func (c *crash) post(ctx context.Context, in *neighbourhood.Instance, n int) {
	corpus := neighbourhood.Corpus()
	for i := n; ctx.Err() == nil; i++ {
		sent, err := in.Publish(ctx, neighbourhood.Post{Entry: corpus[i%len(corpus)]})
		c.mu.Lock()
		if err == nil && sent.Status == http.StatusAccepted {
			c.owed[sent.ObjectID] = in.Host()
		} else {
			c.refused++
		}
		c.mu.Unlock()
		pause := time.NewTimer(25 * time.Millisecond) // below the node's rate limit for one host
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
		pause.Stop()
	}
}

// settle waits until everything owed has arrived, or patience ends.
func (c *crash) settle(ctx context.Context, hood *neighbourhood.Neighbourhood, report *CrashReport) {
	deadline := time.Now().Add(c.o.Patience)
	for {
		report.Undelivered, report.Expected, report.Repeated, report.Unverified = c.missing(hood)
		if len(report.Undelivered) == 0 || time.Now().After(deadline) || ctx.Err() != nil {
			return
		}
		pause := time.NewTimer(300 * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
		pause.Stop()
	}
}

func (c *crash) missing(hood *neighbourhood.Neighbourhood) (missing []string, expected, repeated int64, unverified []string) {
	for _, in := range hood.Instances() {
		got := map[string]int64{}
		for _, r := range in.Received() {
			if r.ObjectID == "" || r.Type != "Create" && r.Type != "Announce" {
				continue
			}
			if !r.Verified {
				unverified = append(unverified, fmt.Sprintf("%s at %s: %s", r.ObjectID, in.Host(), r.Reason))
				continue
			}
			got[r.ObjectID]++
		}
		c.mu.Lock()
		for object, host := range c.owed {
			if host == in.Host() {
				continue
			}
			expected++
			n := got[object]
			if n == 0 {
				missing = append(missing, object+" → "+in.Host())
			}
			repeated += max(0, n-1)
		}
		c.mu.Unlock()
	}
	slices.Sort(missing)
	return missing, expected, repeated, unverified
}

// inspect looks every acknowledged post up in the archive of the stopped node.
// Authors who say no in their profile are counted and not kept.
func (c *crash) inspect(ctx context.Context, report *CrashReport) error {
	store, err := sqlite.Open(ctx, sqlite.Options{Dir: c.o.Dir})
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	defer func() { _ = store.Close() }()
	for object := range c.owed {
		_, err := store.GetPostByURI(ctx, object)
		if errors.Is(err, storage.ErrNotFound) {
			report.NotStored = append(report.NotStored, object)
		} else if err != nil {
			return fmt.Errorf("look %q up: %w", object, err)
		}
	}
	slices.Sort(report.NotStored)
	return nil
}

// start runs the program and waits until it is ready.
func (c *crash) start(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, c.o.Binary, "serve") //nolint:gosec // the operator names the program
	cmd.Dir = c.o.Dir
	cmd.Env = append(os.Environ(),
		"HARK_SERVER_LISTEN="+c.addr, "HARK_STORAGE_PATH="+c.o.Dir, "HARK_CONSENT_LEVEL=public",
		"HARK_FEDERATION_ALLOW_PRIVATE=true", "HARK_FEDERATION_ALLOW_HTTP=true",
		"HARK_DELIVERY_RETRY_MIN=200ms", "HARK_DELIVERY_RETRY_MAX=2s", "HARK_LOG_LEVEL=error")
	cmd.Stdout, cmd.Stderr = io.Discard, os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", c.o.Binary, err)
	}
	c.cmd = cmd
	ready, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ready, http.MethodGet, c.base+"/readyz", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		pause := time.NewTimer(20 * time.Millisecond)
		select {
		case <-pause.C:
		case <-ready.Done():
			pause.Stop()
			c.kill()
			return fmt.Errorf("the node on %s did not become ready: %w", c.addr, ready.Err())
		}
	}
}

func (c *crash) kill() {
	if c.cmd == nil || c.cmd.Process == nil {
		return
	}
	_ = c.cmd.Process.Signal(syscall.SIGKILL)
	_ = c.cmd.Wait()
	c.cmd = nil
}

// stop ends the node as its operator would.
func (c *crash) stop(ctx context.Context) error {
	if c.cmd == nil {
		return nil
	}
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the node: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- c.cmd.Wait() }() // ends with the process, which is killed below at the latest
	select {
	case err := <-done:
		c.cmd = nil
		if err != nil {
			return fmt.Errorf("the node did not stop cleanly: %w", err)
		}
		return nil
	case <-time.After(40 * time.Second):
	case <-ctx.Done():
	}
	_ = c.cmd.Process.Kill()
	<-done
	c.cmd = nil
	return errors.New("the node did not stop on SIGTERM")
}

// freeAddress finds a port of loopback that is free, and stays the node's over
// all rounds: it is part of its identity.
func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	addr := ln.Addr().String()
	return addr, ln.Close()
}
