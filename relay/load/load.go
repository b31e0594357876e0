// Package load drives a relay as hard as a fediverse would and measures what
// comes of it: subscribers that answer, hang, fail or refuse, publishers that
// post Mastodon's activities, and a ledger of which arrived where and when. It
// stays cheap itself, so that on few cores the relay has them; nothing in it
// asks for more of a relay than its inbox.
package load

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// ErrOptions is returned when options make no sense; what it wraps says which.
var ErrOptions = errors.New("load")

// The sizes beyond which a run is refused rather than eating the machine's
// memory: an activity is kept signed, at about 4 KiB, and a cell of the ledger
// is 4 bytes for each activity and subscriber.
const (
	maxSubscribers = 20_000
	maxPublishers  = 1_000
	maxActivities  = 200_000
	maxCells       = 100_000_000
)

// Options describe a run. Shares are of the subscribers, from 0 to 1.
type Options struct {
	URL    string // inbox or base URL of the relay; "": Binary is started as a relay of its own
	PID    int    // of the process at URL; 0: unknown, its /metrics are asked for CPU and memory
	Binary string // a Hark, started as `BINARY serve` where URL is empty
	Dir    string // an empty folder for its store, where URL is empty

	Subscribers int
	Publishers  int           // the first healthy subscribers, and hosts that only post where those are fewer
	Activities  int           // at most
	Rate        float64       // activities a second in all; 0: each publisher posts again when its last was answered
	Duration    time.Duration // ends posting; 0: when all activities are posted

	Hanging   float64       // take a request and do not answer for a minute
	Failing   float64       // answer 503
	Dead      float64       // refuse connections
	Slow      float64       // answer after SlowBy
	SlowBy    time.Duration // 2 s
	Returning float64       // refuse connections from the start for Outage, then answer
	Outage    time.Duration // 10 s

	Misskey float64 // shares of the subscribers that are Misskey or Pleroma; the others are Mastodon
	Pleroma float64

	Proofs bool          // activities carry their author's linked data signature, as Mastodon's do
	Edits  float64       // share of the activities that edit the one before; only with Proofs
	Grace  time.Duration // how long after the last 202 and the end of Outage deliveries may come; 30 s
	Texts  []string      // of the posts; one of its own if empty
	Seed   uint64        // of the choice of texts

	Progress func(Progress) // called now and then from one goroutine; may be nil
}

// Progress tells how far a run is.
type Progress struct {
	Phase string // what is done, in words
	Done  int64
	Total int64
}

func (o *Options) progress(phase string, done, total int64) {
	if o.Progress != nil {
		o.Progress(Progress{Phase: phase, Done: done, Total: total})
	}
}

// check sets the defaults and refuses what makes no sense.
func (o *Options) check() error {
	if o.SlowBy == 0 {
		o.SlowBy = 2 * time.Second
	}
	if o.Outage == 0 {
		o.Outage = 10 * time.Second
	}
	if o.Grace == 0 {
		o.Grace = 30 * time.Second
	}
	if !o.Proofs {
		o.Edits = 0 // nobody could believe them
	}
	if len(o.Texts) == 0 {
		o.Texts = []string{"The ferry is late again, so we sat on the quay and watched the gulls steal somebody's chips."}
	}
	switch {
	case o.Subscribers < 0 || o.Subscribers > maxSubscribers:
		return fmt.Errorf("%w: %d subscribers; up to %d can be simulated", ErrOptions, o.Subscribers, maxSubscribers)
	case o.Publishers < 1 || o.Publishers > maxPublishers:
		return fmt.Errorf("%w: %d publishers; from 1 to %d can be simulated", ErrOptions, o.Publishers, maxPublishers)
	case o.Activities < 1 || o.Activities > maxActivities:
		return fmt.Errorf("%w: %d activities; from 1 to %d fit into memory", ErrOptions, o.Activities, maxActivities)
	case o.Subscribers*o.Activities > maxCells:
		return fmt.Errorf("%w: %d activities to %d subscribers; up to %d deliveries fit into memory", ErrOptions, o.Activities, o.Subscribers, maxCells)
	case o.Rate < 0 || math.IsNaN(o.Rate) || math.IsInf(o.Rate, 0):
		return fmt.Errorf("%w: %v activities a second", ErrOptions, o.Rate)
	case o.Duration < 0 || o.SlowBy < 0 || o.Outage < 0 || o.Grace < 0:
		return fmt.Errorf("%w: a negative duration", ErrOptions)
	case o.Duration+o.Outage+o.Grace > longestRun:
		return fmt.Errorf("%w: a run takes at most %s", ErrOptions, longestRun)
	case o.URL == "" && (o.Binary == "" || o.Dir == ""):
		return fmt.Errorf("%w: neither the URL of a relay nor a program to start as one", ErrOptions)
	}
	for name, share := range map[string]float64{
		"hanging": o.Hanging, "failing": o.Failing, "dead": o.Dead, "slow": o.Slow, "returning": o.Returning,
		"misskey": o.Misskey, "pleroma": o.Pleroma, "edits": o.Edits,
	} {
		if !(share >= 0 && share <= 1) {
			return fmt.Errorf("%w: the share %s is %v, which is not from 0 to 1", ErrOptions, name, share)
		}
	}
	if o.Hanging+o.Failing+o.Dead+o.Slow+o.Returning > 1+1e-9 || o.Misskey+o.Pleroma > 1+1e-9 {
		return fmt.Errorf("%w: the shares of the subscribers sum up to more than all of them", ErrOptions)
	}
	return nil
}
