package inbox

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/net/publicsuffix"
	"golang.org/x/time/rate"
)

// shares gives everybody of a name a token bucket of the same size.
type shares struct {
	perSecond float64
	burst     int

	mu      sync.Mutex // guards buckets
	buckets *lru.Cache[string, *rate.Limiter]
}

const sharesKept = 4_096

func newShares(perSecond float64, burst int) *shares {
	buckets, err := lru.New[string, *rate.Limiter](sharesKept)
	if err != nil {
		buckets = nil // only for a size below one
	}
	return &shares{perSecond: perSecond, burst: burst, buckets: buckets}
}

// allow takes one from the name's bucket.
func (s *shares) allow(name string, now time.Time) bool {
	s.mu.Lock()
	l, ok := s.buckets.Get(name)
	if !ok {
		l = rate.NewLimiter(rate.Limit(s.perSecond), s.burst)
		s.buckets.Add(name, l)
	}
	s.mu.Unlock()
	return l.AllowN(now, 1)
}

// server is what a host counts as when it is asked for something: without its
// port, and for strangers without its subdomain, or both could be varied to
// have it asked without end. On a loopback address the ports are different
// servers.
func server(host string, stranger bool) string {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if a, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		if a.IsLoopback() {
			return host
		}
		return name
	}
	if stranger {
		if d, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil {
			return d
		}
	}
	return name
}
