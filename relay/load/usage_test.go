package load

import (
	"maps"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const rest = " S 1 2 3 4 5 6 7 8 9 10 250 150 0 0 20 0 9 0 100"
	for name, tt := range map[string]struct {
		raw  string
		want time.Duration
		ok   bool
	}{
		"plain":          {"42 (hark)" + rest, 4 * time.Second, true},
		"a hostile name": {"42 (a) S 1 (b)" + rest, 4 * time.Second, true},
		"cut off":        {"42 (hark) S 1 2", 0, false},
		"no numbers":     {"42 (hark) S 1 2 3 4 5 6 7 8 9 10 x y 0 0", 0, false},
		"nothing":        {"", 0, false},
	} {
		if got, err := parseStat([]byte(tt.raw)); got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%s: got %s, %v", name, got, err)
		}
	}
}

func TestParseStatus(t *testing.T) {
	rss, peak := parseStatus([]byte("Name:\thark\nVmHWM:\t   2048 kB\nVmRSS:\t   1024 kB\nThreads:\t9\n"))
	if rss != 1<<20 || peak != 2<<20 {
		t.Errorf("got %d and %d", rss, peak)
	}
}

func TestParseMetrics(t *testing.T) {
	got := parseMetrics(strings.NewReader("# HELP x y\nprocess_cpu_seconds_total 1.5\nhark_inbox_total{reason=\"a b\"} 3\nbad\nheap 2e+06\nbad number\n"))
	if want := map[string]float64{"process_cpu_seconds_total": 1.5, "heap": 2e6}; !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestOwnUsage(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc")
	}
	if _, err := procCPU(os.Getpid()); err != nil {
		t.Error(err)
	}
}
