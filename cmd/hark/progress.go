package main

import (
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress is a bar on standard error, for people who wait. Where nobody looks
// it does nothing.
type progress struct {
	bar *progressbar.ProgressBar
}

// progress makes a bar with the rate and the time left; a total of -1 is
// unknown, and shows only the rate.
func (p *program) progress(what string, total int64) *progress {
	if !isTerminal(p.stderr) || p.vars["TERM"] == "dumb" {
		return &progress{}
	}
	return &progress{bar: progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(p.stderr),
		progressbar.OptionSetDescription(what),
		progressbar.OptionSetItsString("posts"),
		progressbar.OptionShowIts(),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetWidth(30),
		progressbar.OptionClearOnFinish(),
	)}
}

// set moves the bar. That a terminal cannot be written to is no reason to
// stop the work that the bar only shows.
func (b *progress) set(n int64) {
	if b.bar != nil {
		_ = b.bar.Set64(n)
	}
}

// done removes the bar.
func (b *progress) done() {
	if b.bar != nil {
		_ = b.bar.Clear()
	}
}
