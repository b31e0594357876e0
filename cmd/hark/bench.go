package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"hark/relay/load"
	"hark/relay/neighbourhood"
)

func (p *program) benchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure a relay",
		Long: `Bench drives a relay with simulated instances on this machine and measures what
it takes and what it loses.`,
		Example: `  hark bench relay --subscribers 100 --activities 1000`,
	}
	cmd.AddCommand(p.benchRelay())
	return cmd
}

func (p *program) benchRelay() *cobra.Command {
	f := benchFlags{shares: map[string]*share{}}
	cmd := &cobra.Command{
		Use:   "relay",
		Short: "Drive a relay with simulated instances, and report speed, cost and losses",
		Long: `Relay lets simulated instances on this machine follow a relay and post to it,
and reports how much it accepts and delivers, how late, at what price in CPU and
memory, and what it loses, repeats or puts out of order. It fails if anything
was lost.

Scenarios: steady posts at a steady rate; burst posts 1,000 activities at once;
sick runs the same load with all subscribers well, then with 10 % hanging and
10 % failing, and compares; outage lets 20 % of the subscribers refuse for a
while and return: everything must reach them.

Without --url it starts a Hark in a process of its own, with a store in a folder
that it makes and removes; settings in the environment, as
HARK_DELIVERY_SHARED_SIGNATURES=off, reach that Hark. With --url it drives any
relay that can reach this machine's loopback addresses over http; name its
process with --pid to have its CPU and memory measured.`,
		Example: `  hark bench relay --subscribers 100 --activities 1000
  hark bench relay --scenario sick
  hark bench relay --rate 50 --duration 1m --json
  hark bench relay --url http://127.0.0.1:8080/inbox --pid 4711`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.bench(cmd.Context(), &f, cmd.Flags().Changed) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.scenario, "scenario", "", "a `load` made up beforehand, which other flags change: "+strings.Join(scenarioNames(), ", "))
	flags.StringVar(&f.o.URL, "url", "", "inbox or base `URL` of a relay that runs already")
	flags.IntVar(&f.o.PID, "pid", 0, "the `process` of that relay, on this machine")
	flags.StringVar(&f.o.Dir, "dir", "", "put the store of the Hark that is started into this empty `folder`, and leave it there")
	flags.IntVar(&f.o.Subscribers, "subscribers", 100, "how many instances follow the relay")
	flags.IntVar(&f.o.Publishers, "publishers", 10, "how many of them post (and hosts beside them, if they are fewer)")
	flags.IntVar(&f.o.Activities, "activities", 1000, "how many activities they post in all, at most")
	flags.Float64Var(&f.o.Rate, "rate", 0, "activities a second in all; 0: as fast as they are accepted")
	flags.DurationVar(&f.o.Duration, "duration", 0, "stop posting after this time; 0: when all are posted")
	for _, s := range []struct{ name, of, use string }{
		{"hanging", "0%", "of the subscribers take requests and do not answer"},
		{"failing", "0%", "of the subscribers answer 503"},
		{"dead", "0%", "of the subscribers refuse connections"},
		{"slow", "0%", "of the subscribers answer late (see --slow-by)"},
		{"returning", "0%", "of the subscribers refuse connections at first (see --outage)"},
		{"misskey", "0%", "of the subscribers are Misskey"},
		{"pleroma", "0%", "of the subscribers are Pleroma; the others are Mastodon"},
		{"edits", "10%", "of the activities edit the one before"},
	} {
		v := new(share)
		if err := v.Set(s.of); err != nil {
			panic(err) // the table above
		}
		f.shares[s.name] = v
		flags.Var(v, s.name, s.use)
	}
	flags.DurationVar(&f.o.SlowBy, "slow-by", 2*time.Second, "how late the slow ones answer")
	flags.DurationVar(&f.o.Outage, "outage", 10*time.Second, "how long the returning ones refuse")
	flags.DurationVar(&f.o.Grace, "grace", 30*time.Second, "how long deliveries may come after the last activity was accepted")
	flags.BoolVar(&f.o.Proofs, "ld-signatures", true, "activities carry their author's linked data signature, as Mastodon's do")
	flags.Uint64Var(&f.o.Seed, "seed", 1, "of the choice of texts and of who is sick")
	flags.BoolVar(&f.json, "json", false, "print the report as JSON")
	return cmd
}

// bench drives a relay as the flags say, once or, to compare, twice.
func (p *program) bench(ctx context.Context, f *benchFlags, set func(flag string) bool) error {
	o, err := f.options(set)
	if err != nil {
		return err
	}
	for _, e := range neighbourhood.Corpus() {
		if e.Lang == "en" && e.CW == "" {
			o.Texts = append(o.Texts, e.Text)
		}
	}
	if f.scenario == "sick" {
		return p.benchSick(ctx, o, f.json)
	}
	report, err := p.benchOnce(ctx, o)
	if err != nil {
		return err
	}
	if f.json {
		err = writeJSON(p.stdout, report)
	} else {
		err = p.printBench(report)
	}
	if err == nil && report.Lost > 0 {
		err = errShown
	}
	return err
}

// benchOnce drives the relay once; where it is a Hark of our own, a fresh one.
func (p *program) benchOnce(ctx context.Context, o load.Options) (report *load.Report, err error) {
	if o.URL == "" {
		if o.Binary, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("find this program: %w", err)
		}
		if o.Dir == "" {
			if o.Dir, err = os.MkdirTemp("", "hark-bench-"); err != nil {
				return nil, err
			}
			defer func() { err = errors.Join(err, os.RemoveAll(o.Dir)) }()
		}
	}
	o.Progress = p.benchProgress()
	if report, err = load.Run(ctx, o); errors.Is(err, load.ErrOptions) {
		err = usageError{err}
	}
	return report, err
}

// benchEvery is how often a line of progress is printed.
const benchEvery = 2 * time.Second

// benchProgress prints how far it is, a line now and then.
func (p *program) benchProgress() func(load.Progress) {
	var mu sync.Mutex // guards last
	last := p.now()
	return func(pr load.Progress) {
		mu.Lock()
		defer mu.Unlock()
		if now := p.now(); now.Sub(last) >= benchEvery {
			last = now
			p.warnf("%s %d of %d", pr.Phase, pr.Done, pr.Total)
		}
	}
}

// printBench prints a report for people.
func (p *program) printBench(r *load.Report) error {
	verdict := "Nothing that was accepted is lost."
	if r.Lost > 0 {
		verdict = fmt.Sprintf("%d of %d deliveries are lost.", r.Lost, r.Owed)
	}
	if err := p.printf("%s\n", verdict); err != nil {
		return err
	}
	ms := func(l load.Latency) string {
		return fmt.Sprintf("p50 %.1f ms, p90 %.1f ms, p99 %.1f ms, max %.1f ms", l.P50, l.P90, l.P99, l.Max)
	}
	rows := [][]string{
		{"relay", r.Relay},
		{"subscribers", fmt.Sprintf("%s; they joined in %.1f s", benchCrowd(r), r.Joined)},
		{"activities", fmt.Sprintf("%d posted by %d publishers, %d bytes each, %d accepted", r.Posted, r.Publishers, r.BodyBytes, r.Accepted)},
		{"accepted", fmt.Sprintf("%.0f a second; answered after %s", r.AcceptedPerSecond, ms(r.Answer))},
		{"delivered", fmt.Sprintf("%d in %.2f s: %.0f a second", r.Deliveries, r.Seconds, r.DeliveriesPerSecond)},
		{"latency", ms(r.Latency) + ", from the 202"},
	}
	if r.Returned != nil {
		rows = append(rows, []string{"returned", fmt.Sprintf("%d deliveries were waiting for them, the last of which came %.1f s after their return", r.Backlog, r.CaughtUp)})
	}
	rows = append(rows,
		[]string{"lost", fmt.Sprintf("%d of %d", r.Lost, r.Owed)},
		[]string{"duplicates", fmt.Sprint(r.Duplicates)},
		[]string{"order", fmt.Sprintf("%d edits before their post, %d posts after a later one of their author", r.Violations, r.Overtaken)},
		[]string{"signatures", strings.TrimSpace(fmt.Sprintf("%d verified, %d wrong %s", r.Signatures.Checked, r.Signatures.Wrong, r.Signatures.Reason))},
	)
	rows = append(rows, []string{"connections", fmt.Sprintf("%d opened by the relay", r.Connections)})
	for status, n := range r.Refused {
		rows = append(rows, []string{"refused", fmt.Sprintf("%d with %s", n, status)})
	}
	if r.NotLeft != "" {
		rows = append(rows, []string{"left behind", "the simulated subscribers could not leave: " + r.NotLeft})
	}
	if u := r.Usage; u != nil {
		rows = append(rows,
			[]string{"relay's CPU", fmt.Sprintf("%.2f s: %.0f µs for each accepted activity, %.0f µs for each delivery", u.CPUSeconds, u.MicrosPerAccepted, u.MicrosPerDelivery)},
			[]string{"relay's memory", fmt.Sprintf("%s at the end, %s at most; heap %s, %s at most", bytesText(u.RSS), bytesText(u.RSSPeak), bytesText(u.Heap), bytesText(u.HeapPeak))})
	}
	rows = append(rows, []string{"RSA-2048 here", fmt.Sprintf("%.0f µs for a signature, %.0f µs for a verification", r.SignMicros, r.CheckMicro)})
	return table(p.stdout, rows)
}

// benchCrowd says who the subscribers were.
func benchCrowd(r *load.Report) string {
	text := fmt.Sprintf("%d: %d well", r.Subscribers, r.Healthy)
	for _, g := range []struct {
		n    int
		what string
	}{{r.Hanging, "hanging"}, {r.Failing, "failing"}, {r.Dead, "dead"}, {r.Slow, "slow"}, {r.Returning, "returning"}} {
		if g.n > 0 {
			text += fmt.Sprintf(", %d %s", g.n, g.what)
		}
	}
	return text
}
