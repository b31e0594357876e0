package server

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// Bounds of what deliveries hold in memory while they arrive and are judged,
// in bodies of the largest size. One network has a quarter of it, so that slow
// bodies from there leave room for the others.
const (
	bodiesAtOnce  = 64
	bodiesOfOne   = bodiesAtOnce / 4
	bodiesRetryIn = 5 * time.Second
)

// bodies share out the memory for bodies. Its zero value has room for nothing.
type bodies struct {
	mu   sync.Mutex // guards what follows
	left int64
	each int64
	by   map[string]int64 // what a network holds
}

func newBodies(largest int64) *bodies {
	return &bodies{left: bodiesAtOnce * largest, each: bodiesOfOne * largest, by: map[string]int64{}}
}

// take sets memory aside; the reason says whose share is used up, and is ""
// when it was given. What was taken has to be given back.
func (b *bodies) take(network string, n int64) (reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.by[network]+n > b.each:
		return "rate-host"
	case n > b.left:
		return "rate-all"
	}
	b.left -= n
	b.by[network] += n
	return ""
}

func (b *bodies) give(network string, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += n
	if b.by[network] -= n; b.by[network] <= 0 {
		delete(b.by, network)
	}
}

// arriving reads a delivery's body and sets aside memory for what has come so
// far: a length that is only claimed costs nobody anything.
type arriving struct {
	from    io.Reader
	bodies  *bodies
	network string
	held    int64
}

// noRoom is returned by Read when there is no memory left; it is the reason.
type noRoom string

func (n noRoom) Error() string { return string(n) }

func (a *arriving) Read(p []byte) (int, error) {
	n, err := a.from.Read(p)
	if reason := a.bodies.take(a.network, int64(n)); reason != "" {
		return 0, noRoom(reason)
	}
	a.held += int64(n)
	return n, err
}

// done gives everything back.
func (a *arriving) done() {
	a.bodies.give(a.network, a.held)
	a.held = 0
}

// crowded is the refusal where there is no room.
func crowded(why noRoom) *Problem {
	if why == "rate-host" {
		return problem(http.StatusTooManyRequests, string(why), "Too much from this host is arriving at once; try again later.")
	}
	return problem(http.StatusServiceUnavailable, string(why), "The relay is overloaded; try again later.")
}
