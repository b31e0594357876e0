package delivery

import (
	"math/rand/v2"
	"net/http"
	"time"

	"hark/activitypub/remote"
)

// verdict is what an answer means for the subscriber.
type verdict string

const (
	verdictTaken verdict = "taken" // 2xx
	verdictSkip  verdict = "skip"  // this one is refused for good; the next may do
	verdictRetry verdict = "retry" // its instance fails: back off as a whole
	verdictGone  verdict = "gone"  // 410: it has left
	// verdictShut is a 403: this one is refused, and if it goes on so, everything.
	verdictShut verdict = "shut"
)

// judge reads an answer. 4xx refuse this one activity, except those that speak
// of the moment, of the door or of who we are: they would refuse every other
// one as well, and skipping would lose them all.
func judge(status int) verdict {
	switch {
	case status >= 200 && status < 300:
		return verdictTaken
	case status == http.StatusGone:
		return verdictGone
	case status == http.StatusUnauthorized, status == http.StatusPaymentRequired, status == http.StatusNotFound,
		status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests:
		return verdictRetry
	case status == http.StatusForbidden:
		return verdictShut
	case status >= 400 && status < 500, status == http.StatusNotImplemented:
		return verdictSkip
	}
	return verdictRetry
}

// backoff is the wait before the next try after n failures in a row: doubling
// from min to max, with ±25 % of jitter, and never before Retry-After.
func backoff(n int, min, max time.Duration, resp remote.Response) time.Duration {
	d := max
	if n < 1 {
		n = 1
	}
	if shift := n - 1; shift < 30 && min<<shift < max && min<<shift > 0 {
		d = min << shift
	}
	d = time.Duration(float64(d) * (0.75 + rand.Float64()/2))
	if resp.RetryAfter > d {
		d = resp.RetryAfter
	}
	if limit := 24 * time.Hour; d > limit {
		d = limit
	}
	return d
}
