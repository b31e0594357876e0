package remote

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// book is a resolver that answers from a table and counts.
type book struct {
	mu    sync.Mutex // guards all
	names map[string][]netip.Addr
	asked int
}

func (b *book) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	a, ok := b.names[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return a, nil
}

func TestNamesAreRemembered(t *testing.T) {
	now := testNow
	b := &book{names: map[string][]netip.Addr{"a.example": {netip.MustParseAddr("192.0.2.1")}}}
	n := newNames(b, func() time.Time { return now })
	look := func(host string, want int) {
		t.Helper()
		_, err := n.lookup(t.Context(), host)
		if (err == nil) != (host == "a.example") || b.asked != want {
			t.Errorf("%s: asked %d times, want %d, %v", host, b.asked, want, err)
		}
	}
	look("a.example", 1)
	look("a.example", 1)
	look("none.example", 2)
	look("none.example", 2)
	now = now.Add(namesFailed)
	look("none.example", 3)
	look("a.example", 3)
	now = now.Add(namesFor)
	look("a.example", 4)
	n.forget("a.example")
	look("a.example", 5)
	if a, err := n.lookup(t.Context(), "192.0.2.9"); err != nil || len(a) != 1 || b.asked != 5 {
		t.Errorf("an address was looked up: %v, %v", a, err)
	}
	var wg sync.WaitGroup
	n.forget("a.example")
	for range 50 {
		wg.Go(func() { _, _ = n.lookup(context.Background(), "a.example") })
	}
	wg.Wait()
	if b.asked > 7 {
		t.Errorf("50 at once asked %d times", b.asked-5)
	}
}

// TestDialTriesAddresses: an address that refuses is followed by the next, one
// that is inside is never connected to, and a failure forgets the name.
func TestDialTriesAddresses(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b := &book{names: map[string][]netip.Addr{
		"two.example":    {netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1")},
		"inside.example": {netip.MustParseAddr("127.0.0.1")},
	}}
	n := newNames(b, time.Now)
	conn, err := n.dial(&net.Dialer{Timeout: time.Second})(t.Context(), "tcp", "two.example:"+port)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	guarded := n.dial(&net.Dialer{Timeout: time.Second, Control: guard})
	if _, err := guarded(t.Context(), "tcp", "inside.example:"+port); !errors.Is(err, ErrForbiddenAddress) {
		t.Errorf("inside: %v", err)
	}
	// The name of a rebinding attack: first outside, then inside.
	b.names["rebind.example"] = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	before := b.asked
	for range 2 {
		if _, err := guarded(t.Context(), "tcp", "rebind.example:"+port); !errors.Is(err, ErrForbiddenAddress) {
			t.Errorf("rebound: %v", err)
		}
	}
	if b.asked-before != 2 {
		t.Errorf("a name that failed was asked for %d times in two attempts", b.asked-before)
	}
}
