package server

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxLimiters is how many of whom a set of limiters knows; past that all begin
// anew, so that strangers cannot fill the memory.
const maxLimiters = 10_000

// limiters hold each of many to one rate.
type limiters struct {
	perMinute, burst int

	mu sync.Mutex // guards of
	of map[string]*rate.Limiter
}

func newLimiters(perMinute, burst int) *limiters {
	return &limiters{perMinute: perMinute, burst: burst, of: map[string]*rate.Limiter{}}
}

// allow takes one from whom it names, if there is one left.
func (l *limiters) allow(name string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.of) >= maxLimiters {
		clear(l.of)
	}
	one, ok := l.of[name]
	if !ok {
		one = rate.NewLimiter(rate.Limit(float64(l.perMinute)/60), l.burst)
		l.of[name] = one
	}
	return one.AllowN(now, 1)
}

func (s *Server) client(r *http.Request) netip.Addr { return ClientAddr(r, s.o.TrustedProxies) }

// ClientAddr is the address that a request comes from: that of the connection
// or, behind trusted proxies, the last in X-Forwarded-For that is none of
// them. It is the zero Addr where the connection has no address.
func ClientAddr(r *http.Request, proxies []netip.Prefix) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	addr, _ := netip.ParseAddr(host)
	addr = addr.Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && within(addr, proxies); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap()
	}
	return addr
}

func within(a netip.Addr, prefixes []netip.Prefix) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// network is what counts as one asker: an IPv4 address, or the /64 that one
// household or machine has of IPv6.
func network(a netip.Addr) string {
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
