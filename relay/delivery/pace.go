package delivery

import "time"

const (
	// oldAfter is how old an entry is that counts as backlog.
	oldAfter = time.Minute
	// firstWindow is where every subscriber begins, and begins again when it
	// had nothing to do for a while: if its server hangs by now, that takes one
	// place and not many.
	firstWindow = 1
	idleAfter   = 10 * time.Second
	// slack is by how much an answer may take longer than the quickest ones
	// before it counts as a sign of load.
	slack = 250 * time.Millisecond
	// enough is how many deliveries a second all subscribers together need at
	// most, and enoughEach what one of them is given in any case: more in flight
	// than that takes would only cost connections.
	enough     = 50_000
	enoughEach = 50
	// mostAlways is the window that is allowed however quick the answers are,
	// where there are few subscribers; with many they would get in each other's
	// way.
	mostAlways = 4
	crowd      = 512
)

// pace is how many requests a subscriber has in flight: one more for each good
// answer while it is kept busy, a quarter less when its answers get slow, one
// after a failure.
type pace struct {
	window, most int
	quick        time.Duration // of the quickest answers of late; 0 if none yet
	last         time.Time     // of the last answer
}

func newPace(most int) pace { return pace{window: min(firstWindow, most), most: most} }

// rested is called before the first request after a rest.
func (p *pace) rested(now time.Time) {
	if now.Sub(p.last) > idleAfter {
		p.window = min(p.window, firstWindow)
	}
}

// good notes an answer. busy is how many were in flight.
// subscribers is among how many the work is shared out.
func (p *pace) good(now time.Time, took time.Duration, busy, subscribers int) {
	p.last = now
	switch {
	case p.quick == 0 || took < p.quick:
		p.quick = took
	default:
		p.quick += (took - p.quick) / 1024 // what was quick once may not be for ever
	}
	switch {
	case took > 3*p.quick+slack:
		p.window = max(1, p.window-max(1, p.window/4))
	case busy >= p.window:
		p.window = min(p.most, p.limit(subscribers), p.window+1)
	}
}

func (p *pace) bad() { p.window = 1 }

// limit is the largest window that is of use.
func (p *pace) limit(subscribers int) int {
	n := max(1, subscribers)
	always := max(1, min(mostAlways, crowd/n))
	perSecond := max(enoughEach, enough/n)
	return max(always, int(p.quick.Seconds()*float64(perSecond)))
}
