package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"hark/relay/load"
)

// benchFlags are the flags of `hark bench relay`.
type benchFlags struct {
	o        load.Options
	shares   map[string]*share
	scenario string
	json     bool
}

// share is a flag for a part of a whole: "10%" or "0.1".
type share float64

func (s *share) String() string { return strconv.FormatFloat(float64(*s)*100, 'f', -1, 64) + "%" }
func (s *share) Type() string   { return "share" }

func (s *share) Set(text string) error {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(number, 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1) {
		return errors.New("not a share, as 10% or 0.1")
	}
	*s = share(v)
	return nil
}

// scenarios are loads made up beforehand. What they set, a flag sets
// otherwise.
var scenarios = map[string]func(o *load.Options){
	"steady": func(o *load.Options) { o.Activities, o.Rate = 500, 25 },
	"burst":  func(o *load.Options) { o.Activities, o.Subscribers = 1000, 100 },
	"sick":   func(o *load.Options) { o.Activities, o.Hanging, o.Failing = 500, 0.1, 0.1 },
	"outage": func(o *load.Options) {
		o.Activities, o.Rate, o.Returning, o.Outage, o.Grace = 400, 20, 0.2, 10*time.Second, time.Minute
	},
}

func scenarioNames() []string { return slices.Sorted(maps.Keys(scenarios)) }

// options are what the flags and the scenario ask for. set tells whether a
// flag was given.
func (f *benchFlags) options(set func(flag string) bool) (load.Options, error) {
	o := f.o
	shares := map[string]*float64{
		"hanging": &o.Hanging, "failing": &o.Failing, "dead": &o.Dead, "slow": &o.Slow, "returning": &o.Returning,
		"misskey": &o.Misskey, "pleroma": &o.Pleroma, "edits": &o.Edits,
	}
	for name, to := range shares {
		*to = float64(*f.shares[name])
	}
	if f.scenario == "" {
		return o, nil
	}
	preset, known := scenarios[f.scenario]
	if !known {
		return o, usagef("--scenario %q is none of %s", f.scenario, strings.Join(scenarioNames(), ", "))
	}
	preset(&o)
	if set("subscribers") {
		o.Subscribers = f.o.Subscribers
	}
	if set("activities") {
		o.Activities = f.o.Activities
	}
	if set("rate") {
		o.Rate = f.o.Rate
	}
	if set("outage") {
		o.Outage = f.o.Outage
	}
	if set("grace") {
		o.Grace = f.o.Grace
	}
	for name, to := range shares {
		if set(name) {
			*to = float64(*f.shares[name])
		}
	}
	return o, nil
}

// sickReport compares the same load with and without sick subscribers.
type sickReport struct {
	Well  *load.Report `json:"well"`
	Sick  *load.Report `json:"sick"`
	Ratio float64      `json:"deliveries_per_second_ratio"` // to healthy subscribers, sick against well
	Posts float64      `json:"activities_per_second_ratio"` // that reached every healthy subscriber
}

// benchSick drives the relay twice, the first time with everybody well.
func (p *program) benchSick(ctx context.Context, o load.Options, asJSON bool) error {
	well := o
	well.Hanging, well.Failing, well.Dead, well.Slow, well.Returning = 0, 0, 0, 0, 0
	var r sickReport
	var err error
	p.warnf("all subscribers are well")
	if r.Well, err = p.benchOnce(ctx, well); err != nil {
		return err
	}
	p.warnf("some subscribers are sick")
	if r.Sick, err = p.benchOnce(ctx, o); err != nil {
		return err
	}
	if r.Well.DeliveriesPerSecond > 0 && r.Sick.Seconds > 0 {
		r.Ratio = r.Sick.DeliveriesPerSecond / r.Well.DeliveriesPerSecond
		r.Posts = float64(r.Sick.Accepted) / r.Sick.Seconds / (float64(r.Well.Accepted) / r.Well.Seconds)
	}
	if asJSON {
		err = writeJSON(p.stdout, r)
	} else {
		err = p.printSick(&r)
	}
	if err == nil && r.Well.Lost+r.Sick.Lost > 0 {
		err = errShown
	}
	return err
}

func (p *program) printSick(r *sickReport) error {
	err := p.printf("All well:\n\n")
	if err == nil {
		err = p.printBench(r.Well)
	}
	if err == nil {
		err = p.printf("\nSome sick:\n\n")
	}
	if err == nil {
		err = p.printBench(r.Sick)
	}
	if err != nil {
		return err
	}
	return p.printf("\n%s\n", fmt.Sprintf("With the sick, the healthy got %.0f %% of the deliveries a second; activities reached all of them at %.0f %% of the rate.", 100*r.Ratio, 100*r.Posts))
}
