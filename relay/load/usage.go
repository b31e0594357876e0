package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ticksASecond is the unit of /proc/PID/stat.
//
// ref: proc_pid_stat(5): USER_HZ, which is 100 on every Linux that Go runs on
const ticksASecond = 100

// usage is what a process has used. Zero is unknown.
type usage struct {
	cpu                 time.Duration
	rss, rssPeak        int64 // bytes
	heap, heapPeak      int64 // bytes in use by Go's heap
	cpuKnown, heapKnown bool
}

// procCPU is the CPU time of a process, in steps of 10 ms.
func procCPU(pid int) (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseStat(raw)
}

// parseStat reads /proc/PID/stat. The name in it may hold anything.
func parseStat(raw []byte) (time.Duration, error) {
	_, rest, ok := bytes.Cut(raw[max(0, bytes.LastIndexByte(raw, ')')):], []byte(")"))
	fields := strings.Fields(string(rest))
	if !ok || len(fields) < 13 {
		return 0, errors.New("the process's figures cannot be read")
	}
	var sum int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("the process's figures: %w", err)
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticksASecond, nil
}

// parseStatus reads the memory of /proc/PID/status, in bytes.
func parseStatus(raw []byte) (rss, peak int64) {
	for line := range strings.Lines(string(raw)) {
		name, value, _ := strings.Cut(line, ":")
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "VmRSS":
			rss = kib << 10
		case "VmHWM":
			peak = kib << 10
		}
	}
	return rss, peak
}

// parseMetrics finds plain figures in the text format of Prometheus.
func parseMetrics(r io.Reader) map[string]float64 {
	out := map[string]float64{}
	for s := bufio.NewScanner(r); s.Scan(); {
		name, value, ok := strings.Cut(s.Text(), " ")
		if !ok || len(name) > 64 || strings.ContainsAny(name, "{#") || len(out) > 1000 {
			continue
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			out[name] = v
		}
	}
	return out
}

// gauge watches the relay's process: by its number where that is known, and by
// its metrics where it shows them to everybody.
type gauge struct {
	pid    int
	relay  *target
	client *http.Client

	mu   sync.Mutex // guards last
	last usage
}

func newGauge(pid int, relay *target) *gauge {
	return &gauge{pid: pid, relay: relay, client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}}
}

// read asks for the figures of now.
func (g *gauge) read(ctx context.Context) usage {
	g.mu.Lock()
	defer g.mu.Unlock()
	u := &g.last
	figures := g.metrics(ctx)
	if v, ok := figures["go_memstats_heap_inuse_bytes"]; ok {
		u.heap, u.heapPeak, u.heapKnown = int64(v), max(u.heapPeak, int64(v)), true
	}
	if cpu, err := procCPU(g.pid); g.pid > 0 && err == nil {
		u.cpu, u.cpuKnown = cpu, true
		if raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.pid)); err == nil {
			u.rss, u.rssPeak = parseStatus(raw)
		}
		return *u
	}
	if v, ok := figures["process_cpu_seconds_total"]; ok {
		u.cpu, u.cpuKnown = time.Duration(v*float64(time.Second)), true
	}
	if v, ok := figures["process_resident_memory_bytes"]; ok {
		u.rss, u.rssPeak = int64(v), max(u.rssPeak, int64(v))
	}
	return *u
}

// metrics asks the relay; what it does not show is left out.
func (g *gauge) metrics(ctx context.Context) map[string]float64 {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.relay.base+"/metrics", nil)
	if err != nil {
		return nil
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return nil
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil
	}
	return parseMetrics(io.LimitReader(resp.Body, 1<<20))
}

// watch reads the figures every second until the context ends, for their
// peaks.
func (g *gauge) watch(ctx context.Context) {
	for pause(ctx, time.Second) == nil {
		g.read(ctx)
	}
}

const (
	settleStep   = 100 * time.Millisecond
	settleWithin = 15 * time.Second
	settleShare  = 0.1 // of a core
)

// settle waits until the relay rests: what it puts off until later is part of
// its price.
func (g *gauge) settle(ctx context.Context) usage {
	before, deadline := g.read(ctx), time.Now().Add(settleWithin)
	step := max(settleStep, time.Duration(float64(time.Second)/ticksASecond/settleShare))
	for quiet := 0; quiet < 2 && before.cpuKnown && time.Now().Before(deadline); {
		if pause(ctx, step) != nil {
			break
		}
		now := g.read(ctx)
		if float64(now.cpu-before.cpu) <= settleShare*float64(step) {
			quiet++
		} else {
			quiet = 0
		}
		before = now
	}
	return before
}
