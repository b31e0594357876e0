// Command hark is an ActivityPub relay and listening node in one program: it
// passes the public posts that instances push to it on to all others, and
// classifies, stores and searches what it hears. This package holds the
// commands, the configuration and the wiring; what they set going stands in
// hark/relay and below.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(withSignals())
}

// withSignals runs the command line under a context that ends with the first
// SIGINT or SIGTERM. From then on the signals have their usual effect, so that
// a second one ends a program that takes too long to stop.
func withSignals() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ())
}
