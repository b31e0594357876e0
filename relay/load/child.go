package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// child is a Hark in a process of its own.
type child struct {
	cmd  *exec.Cmd
	base string
	done chan error
}

// startChild runs `BINARY serve` for this machine alone and waits until it is
// ready. Settings of the environment (HARK_DELIVERY_…) reach it; those that
// would make it another node, or hold the load back, do not.
func startChild(ctx context.Context, o *Options) (*child, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	addr := ln.Addr().String()
	if err := ln.Close(); err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	cmd := exec.Command(o.Binary, "serve") //nolint:gosec // the operator's own program
	cmd.Dir = o.Dir
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if name == "HARK_CONFIG" || strings.HasPrefix(name, "HARK_SERVER_") || strings.HasPrefix(name, "HARK_STORAGE_PATH") {
			continue
		}
		cmd.Env = append(cmd.Env, v)
	}
	cmd.Env = append(cmd.Env,
		"HARK_SERVER_LISTEN="+addr, "HARK_SERVER_PUBLIC_METRICS=true", "HARK_STORAGE_PATH="+o.Dir,
		"HARK_FEDERATION_ALLOW_PRIVATE=true", "HARK_FEDERATION_ALLOW_HTTP=true", "HARK_RELAY_PUBLISHERS=anyone",
		"HARK_LIMITS_HOST_RATE=1000000", "HARK_LIMITS_GLOBAL_RATE=1000000")
	if os.Getenv("HARK_LOG_LEVEL") == "" {
		cmd.Env = append(cmd.Env, "HARK_LOG_LEVEL=error")
	}
	cmd.Stdout, cmd.Stderr = io.Discard, os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Binary, err)
	}
	c := &child{cmd: cmd, base: "http://" + addr, done: make(chan error, 1)}
	go func() { c.done <- cmd.Wait() }() // stop waits for it
	if err := c.ready(ctx); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

func (c *child) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/readyz", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-c.done:
			c.done <- err // for stop
			return errors.New("the relay ended before it was ready")
		default:
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("the relay on %s did not become ready: %w", c.base, err)
		}
	}
}

// stop ends the process, by force if it does not end by itself.
func (c *child) stop() error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		_ = c.cmd.Process.Kill() // it has ended, or cannot be asked to
	}
	select {
	case err := <-c.done:
		if err != nil {
			return fmt.Errorf("the relay ended badly: %w", err)
		}
		return nil
	case <-time.After(30 * time.Second):
	}
	_ = c.cmd.Process.Kill()
	<-c.done
	return errors.New("the relay did not stop when it was asked to")
}
