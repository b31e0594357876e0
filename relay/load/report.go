package load

import (
	"time"
)

// Report is what a run found. Times are in the unit that their name says.
type Report struct {
	Relay       string  `json:"relay"`
	Subscribers int     `json:"subscribers"`
	Healthy     int     `json:"healthy"`
	Hanging     int     `json:"hanging"`
	Failing     int     `json:"failing"`
	Dead        int     `json:"dead"`
	Slow        int     `json:"slow"`
	Returning   int     `json:"returning"`
	Publishers  int     `json:"publishers"`
	Joined      float64 `json:"joined_in_seconds"` // all subscribers, until the relay knew their software
	Proofs      bool    `json:"linked_data_signatures"`
	BodyBytes   int     `json:"body_bytes"` // of an activity, on average

	Posted            int64            `json:"posted"`
	Accepted          int64            `json:"accepted"`
	Refused           map[string]int64 `json:"refused,omitempty"` // by status
	AcceptedPerSecond float64          `json:"accepted_per_second"`
	Answer            Latency          `json:"answer"` // from the post to its 202

	Seconds             float64  `json:"seconds"`    // from the first post to the last delivery to the healthy
	Deliveries          int64    `json:"deliveries"` // to healthy subscribers, each activity once
	DeliveriesPerSecond float64  `json:"deliveries_per_second"`
	Latency             Latency  `json:"latency"`         // from the 202 to the delivery, healthy subscribers
	Returned            *Latency `json:"returned"`        // the same, of those that refused and came back
	Backlog             int64    `json:"backlog"`         // deliveries that they had missed when they came back
	CaughtUp            float64  `json:"caught_up_after"` // seconds after their return until they had them

	Owed       int64 `json:"owed"`
	Lost       int64 `json:"lost"` // accepted, owed to one who is well (again), and never delivered
	Duplicates int64 `json:"duplicates"`
	Violations int64 `json:"order_violations"` // edits before what they edit
	Overtaken  int64 `json:"overtaken"`        // posts after a later one of the same author
	Unknown    int64 `json:"unknown_activities"`

	Connections int64 `json:"connections"` // that the relay opened after the clock had started

	Signatures Signatures `json:"signatures"`
	SignMicros float64    `json:"rsa_sign_us"`   // one RSA-2048 signature, here and now
	CheckMicro float64    `json:"rsa_verify_us"` // one verification

	NotLeft string `json:"not_left,omitempty"` // why subscribers could not leave a relay that stays

	Usage        *Usage  `json:"relay_usage"` // null: unknown
	GeneratorCPU float64 `json:"generator_cpu_seconds"`
}

// Latency is a distribution of times, in milliseconds.
type Latency struct {
	P50 float64 `json:"p50_ms"`
	P90 float64 `json:"p90_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

// Signatures tell of the deliveries whose signature was verified.
type Signatures struct {
	Checked int64  `json:"checked"`
	Wrong   int64  `json:"wrong"`
	Reason  string `json:"reason,omitempty"` // of the first wrong one
}

// Usage is what the relay's process used between the first post and the rest
// after the last delivery.
type Usage struct {
	CPUSeconds        float64 `json:"cpu_seconds"`
	MicrosPerAccepted float64 `json:"cpu_us_per_accepted"`
	MicrosPerDelivery float64 `json:"cpu_us_per_delivery"` // deliveries that subscribers took
	RSS               int64   `json:"rss_bytes"`
	RSSPeak           int64   `json:"rss_peak_bytes"`
	Heap              int64   `json:"heap_bytes,omitempty"` // 0: unknown
	HeapPeak          int64   `json:"heap_peak_bytes,omitempty"`
}

func (h *histogram) latency() Latency {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return Latency{P50: ms(h.quantile(0.5)), P90: ms(h.quantile(0.9)), P99: ms(h.quantile(0.99)), Max: float64(h.max) / 1000}
}

// report counts. start is when the clock started.
func (d *drill) report(start uint32, before, after usage) *Report {
	f, o, led := d.f, d.f.o, d.f.ledger
	r := &Report{
		Relay: o.URL, Subscribers: o.Subscribers, Healthy: len(f.group(healthy)), Hanging: len(f.group(hanging)), Failing: len(f.group(failing)),
		Dead: len(f.group(dead)), Slow: len(f.group(slow)), Returning: len(f.group(returning)), Publishers: len(f.pubs), Joined: d.joined.Seconds(), Proofs: o.Proofs,
		Refused: d.statuses, SignMicros: micros(d.signCost), CheckMicro: micros(d.verifyCost),
		Duplicates: led.repeated.Load(), Unknown: led.unknown.Load(),
	}
	var answers histogram
	var last uint32
	var size int64
	for i := f.warm; i < len(d.acts); i++ {
		size += int64(d.acts[i].size)
		at := led.posted[i].Load()
		if at == 0 {
			continue
		}
		r.Posted++
		if taken := led.accepted[i].Load(); taken > 0 {
			r.Accepted++
			answers.add(between(at, taken))
			last = max(last, taken)
		}
	}
	r.BodyBytes = int(size / int64(len(d.acts)-f.warm))
	r.Answer = answers.latency()
	r.AcceptedPerSecond = rate(r.Accepted, between(start, last))
	well := &tally{}
	led.count(well, f.group(healthy), f.warm, d.acts, d.owed)
	span := between(start, max(last, well.last))
	r.Seconds, r.Deliveries, r.DeliveriesPerSecond, r.Latency = span.Seconds(), well.arrived, rate(well.arrived, span), well.latency.latency()
	back, others := &tally{}, &tally{}
	if r.Returning > 0 {
		led.count(back, f.group(returning), f.warm, d.acts, d.owed)
		l := back.latency.latency()
		r.Returned = &l
		returned, backlog := d.returned.Load(), &tally{}
		led.count(backlog, f.group(returning), f.warm, d.acts, func(s, i int) bool { return led.accepted[i].Load() < returned && d.owed(s, i) })
		r.Backlog, r.CaughtUp = backlog.owed, max(0, between(returned, backlog.last).Seconds())
	}
	led.count(others, f.group(slow), f.warm, d.acts, d.owed)
	r.Owed, r.Lost = well.owed+back.owed, well.lost+back.lost
	r.Violations = well.violations + back.violations
	r.Overtaken = well.overtaken + back.overtaken
	d.f.checks.mu.Lock()
	r.Signatures = Signatures{Checked: f.checks.checked, Wrong: f.checks.wrong, Reason: f.checks.reason}
	d.f.checks.mu.Unlock()
	if after.cpuKnown {
		cpu := after.cpu - before.cpu
		r.Usage = &Usage{
			CPUSeconds: cpu.Seconds(), MicrosPerAccepted: each(cpu, r.Accepted), MicrosPerDelivery: each(cpu, well.arrived+back.arrived+others.arrived),
			RSS: after.rss, RSSPeak: after.rssPeak, Heap: after.heap, HeapPeak: after.heapPeak,
		}
	}
	return r
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

func rate(n int64, in time.Duration) float64 {
	if in <= 0 {
		return 0
	}
	return float64(n) / in.Seconds()
}

func each(d time.Duration, n int64) float64 {
	if n == 0 {
		return 0
	}
	return micros(d) / float64(n)
}
