package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"
)

const (
	// namesKept is how many hosts' addresses are remembered, namesFor how long:
	// short enough that a server that moves is followed within a minute.
	namesKept   = 8_192
	namesFor    = time.Minute
	namesFailed = 5 * time.Second
	// maxAddresses bounds how many addresses of one name are tried.
	maxAddresses = 4
)

// resolver looks names up.
type resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// names remembers what names resolve to, so that a fan-out to a thousand hosts
// does not ask a name server a thousand times a minute. The addresses are
// still checked at each connection.
type names struct {
	resolver resolver
	now      func() time.Time
	known    *lru.Cache[string, name]
	flight   singleflight.Group
}

type name struct {
	addresses []netip.Addr
	err       error
	until     time.Time
}

func newNames(r resolver, now func() time.Time) *names {
	known, err := lru.New[string, name](namesKept)
	if err != nil {
		return nil // only for a size below one
	}
	return &names{resolver: r, now: now, known: known}
}

func (n *names) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	if known, ok := n.known.Get(host); ok && n.now().Before(known.until) {
		return known.addresses, known.err
	}
	type answer struct {
		addresses []netip.Addr
		err       error
	}
	c := n.flight.DoChan(host, func() (any, error) {
		// Whoever waits beside us must not lose the answer because we hang up.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), defaultTimeout)
		defer cancel()
		addresses, err := n.resolver.LookupNetIP(ctx, "ip", host)
		if err == nil && len(addresses) == 0 {
			err = &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
		}
		keep := namesFor
		if err != nil {
			keep = namesFailed
		}
		n.known.Add(host, name{addresses: addresses, err: err, until: n.now().Add(keep)})
		return answer{addresses, err}, nil
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-c:
		a := r.Val.(answer)
		return a.addresses, a.err
	}
}

// forget drops a name, so that the next connection asks for it anew.
func (n *names) forget(host string) { n.known.Remove(host) }

// dial connects to the first address of a host that answers. After a failure
// the name is asked for anew: it may have moved.
func (n *names) dial(dialer *net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("address %q: %w", address, err)
		}
		addresses, err := n.lookup(ctx, host)
		if err != nil {
			return nil, err
		}
		addresses = addresses[:min(len(addresses), maxAddresses)]
		var failed error
		for i, a := range addresses {
			conn, err := dialOne(ctx, dialer, network, net.JoinHostPort(a.Unmap().String(), port), len(addresses)-i)
			if err == nil {
				return conn, nil
			}
			if failed == nil || errors.Is(failed, ErrForbiddenAddress) {
				failed = err
			}
			if ctx.Err() != nil {
				break
			}
		}
		n.forget(host)
		return nil, failed
	}
}

// dialOne gives an address its share of the time that is left.
func dialOne(ctx context.Context, dialer *net.Dialer, network, address string, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	return dialer.DialContext(ctx, network, address)
}
