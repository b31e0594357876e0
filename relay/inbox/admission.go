package inbox

import (
	"math"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// admission is a token bucket for the node and one for each sending host. The
// host is only claimed at this point, so the bucket is that of the claim and
// the peer together: nobody empties somebody else's.
type admission struct {
	all  *rate.Limiter
	each float64
	now  func() time.Time

	mu    sync.Mutex // guards hosts
	hosts *lru.Cache[string, *rate.Limiter]
}

const admissionHosts = 16_384

func newAdmission(each, all float64, now func() time.Time) *admission {
	hosts, err := lru.New[string, *rate.Limiter](admissionHosts)
	if err != nil { // only for a size that is not positive
		hosts = nil
	}
	return &admission{all: rate.NewLimiter(rate.Limit(all), burst(all)), each: each, now: now, hosts: hosts}
}

// burst lets a bucket hold five seconds' worth.
func burst(perSecond float64) int { return int(math.Max(1, math.Ceil(5*perSecond))) }

func (a *admission) take(host, peer string) (Outcome, bool) {
	now := a.now()
	key := host + "|" + peer
	a.mu.Lock()
	l, ok := a.hosts.Get(key)
	if !ok {
		l = rate.NewLimiter(rate.Limit(a.each), burst(a.each))
		a.hosts.Add(key, l)
	}
	a.mu.Unlock()
	if !l.AllowN(now, 1) {
		out := outcome(ReasonRateHost)
		out.RetryAfter = 5 * time.Second
		return out, false
	}
	if !a.all.AllowN(now, 1) {
		out := outcome(ReasonRateAll)
		out.RetryAfter = 5 * time.Second
		return out, false
	}
	return Outcome{}, true
}
