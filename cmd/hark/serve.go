package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"hark/relay"
	"hark/relay/neighbourhood"
)

// stopWithin bounds how long a stopping node may finish what it began.
const stopWithin = 20 * time.Second

// serveFlags are the flags of `hark serve`.
type serveFlags struct {
	demo   bool
	listen string
}

func (p *program) serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the node",
		Long: `Serve runs the node until SIGINT or SIGTERM; it then takes no new requests and
finishes what it began, for at most 20 seconds. A second signal ends it at once,
which loses nothing that was acknowledged.

Without a configuration file the node is for this machine only, with key and
store in ./hark-data. With --demo a small simulated neighbourhood of instances
runs beside it: they subscribe, post, and verify what they receive.`,
		Example: `  hark serve --demo
  hark serve --demo --listen 127.0.0.1:8090
  hark serve --config /etc/hark/hark.toml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.serve(cmd.Context(), f) },
	}
	cmd.Flags().BoolVar(&f.demo, "demo", false, "with a simulated neighbourhood on this machine")
	cmd.Flags().StringVar(&f.listen, "listen", "", "listen on this `address` instead of the configured one")
	return cmd
}

// serve runs the node until the context ends.
func (p *program) serve(ctx context.Context, f serveFlags) (err error) {
	if p.vars["GOGC"] == "" {
		// A small server has less memory to spare than time: what is in use may
		// grow by half before it is collected, instead of doubling.
		debug.SetGCPercent(50)
	}
	c, err := p.config()
	if err != nil {
		return err
	}
	if f.listen != "" {
		c.Server.Listen = f.listen
		if faults := c.check(func(string) bool { return false }); len(faults) > 0 {
			return usageError{&ConfigError{File: c.file, Faults: faults}}
		}
	}
	if f.demo {
		if err := prepareDemo(c); err != nil {
			return err
		}
	}
	store, err := openStore(ctx, c, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	lock, err := lockStore(c.Dir())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	key, err := loadKey(ctx, c, store)
	if err != nil {
		return err
	}
	if f.demo {
		if err := dismissStrangers(ctx, store); err != nil {
			return err
		}
	}
	o := c.options()
	o.Store, o.Key = store, key
	o.Version = buildVersion().Version
	o.Log = newLogger(p.stderr, c.Log)
	node, err := relay.New(o)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s is in use by another program (or another Hark); choose a free port, as --listen %s", c.Server.Listen, otherPort(c.Server.Listen))
	case err != nil:
		return err
	}
	var hood *neighbourhood.Neighbourhood
	defer func() { // after the node, so that its last deliveries find someone
		if hood != nil {
			err = errors.Join(err, hood.Close())
		}
	}()
	defer func() { err = errors.Join(err, p.stop(ctx, node)) }()
	if err := node.Start(ctx); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	if c.BaseURL() == "" {
		if err := store.PutMeta(ctx, metaBaseURL, node.BaseURL()); err != nil {
			return err
		}
	}
	if f.demo {
		if hood, err = newNeighbourhood(ctx, node, p.now()); err != nil {
			return err
		}
		return p.demo(ctx, node, store, hood)
	}
	if c.isLocal() {
		if err := p.welcome(ctx, node, c); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}

// stop drains the node, although ctx has ended.
func (p *program) stop(ctx context.Context, node *relay.Node) error {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	if err := node.Stop(bounded); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

// welcome tells whoever runs Hark for this machine where to look.
func (p *program) welcome(ctx context.Context, node *relay.Node, c *Config) error {
	link, err := node.SignInLink(ctx)
	if err != nil {
		return err
	}
	return p.printf(`Hark runs for this machine, with key and store in %s.

  the page    %s/
  sign in     %s
              (works once, for an hour; `+"`hark token signin`"+` prints another)

To federate, prepare a node with `+"`hark init --domain …`"+`; to try it, --demo.
Ctrl-C stops it.
`, c.Dir(), node.BaseURL(), link)
}

// newLogger makes the structured log. Check has been over level and format.
func newLogger(w io.Writer, c LogConfig) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// otherPort names an address beside one that is taken.
func otherPort(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	n, aerr := strconv.Atoi(port)
	if err != nil || aerr != nil || n >= 65535 {
		return "127.0.0.1:0"
	}
	return net.JoinHostPort(host, strconv.Itoa(n+1))
}
