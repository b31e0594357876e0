package inbox

import (
	"math"
	"net/netip"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// admission shares the node out among those who knock. The host that a request
// comes from is only claimed at this point, so nobody may empty a bucket by
// naming somebody else:
//
//   - Acquaintances, peers from which a request of that host has been verified,
//     have a bucket for the host.
//   - Strangers have a bucket for their address, whatever they claim, and all
//     of them together a quarter of the node.
type admission struct {
	all       *rate.Limiter
	strangers *rate.Limiter
	each      float64
	now       func() time.Time

	mu    sync.Mutex // guards hosts and known
	hosts *lru.Cache[string, *rate.Limiter]
	known *lru.Cache[string, struct{}]
}

const (
	admissionHosts = 16_384
	acquaintances  = 65_536
	strangersShare = 4 // one of four parts
)

func newAdmission(each, all float64, now func() time.Time) *admission {
	hosts, err := lru.New[string, *rate.Limiter](admissionHosts)
	if err != nil { // only for a size that is not positive
		hosts = nil
	}
	known, err := lru.New[string, struct{}](acquaintances)
	if err != nil {
		known = nil
	}
	return &admission{
		all: rate.NewLimiter(rate.Limit(all), burst(all)), strangers: rate.NewLimiter(rate.Limit(all/strangersShare), burst(all/strangersShare)),
		each: each, now: now, hosts: hosts, known: known,
	}
}

// burst lets a bucket hold five seconds' worth.
func burst(perSecond float64) int { return int(math.Max(1, math.Ceil(5*perSecond))) }

// network is what an address counts as: a household or a server has a whole
// /64 of IPv6.
func network(peer string) string {
	a, err := netip.ParseAddr(peer)
	if err != nil {
		return peer
	}
	a = a.Unmap()
	if a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

// take lets one request in, or says why not. known tells that the peer has
// spoken for the host before.
func (a *admission) take(host, peer string) (out Outcome, known, ok bool) {
	now, from := a.now(), network(peer)
	a.mu.Lock()
	if _, known = a.known.Get(host + "|" + from); !known {
		host = ""
	} else {
		from = ""
	}
	key := host + "|" + from
	l, ok := a.hosts.Get(key)
	if !ok {
		l = rate.NewLimiter(rate.Limit(a.each), burst(a.each))
		a.hosts.Add(key, l)
	}
	a.mu.Unlock()
	if !l.AllowN(now, 1) {
		return later(ReasonRateHost), known, false
	}
	if !known && !a.strangers.AllowN(now, 1) || !a.all.AllowN(now, 1) {
		return later(ReasonRateAll), known, false
	}
	return Outcome{}, known, true
}

// welcome makes a peer an acquaintance of a host that it was verified for.
func (a *admission) welcome(host, peer string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known.Add(host+"|"+network(peer), struct{}{})
}

func later(r Reason) Outcome {
	out := outcome(r)
	out.RetryAfter = 5 * time.Second
	return out
}
