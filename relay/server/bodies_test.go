package server

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestBodiesAtOnce: bodies that arrive slowly fill a network's share of the
// memory and no more; others are heard, and what was held is given back.
func TestBodiesAtOnce(t *testing.T) {
	h, n := startWith(t, func(o *Options) {
		o.BodyTimeout = 30 * time.Second
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	n.out = Outcome{Status: http.StatusAccepted, Reason: "relayed"}
	slow := func(from string) net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", strings.TrimPrefix(h.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := fmt.Fprintf(conn, "POST /inbox HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nX-Forwarded-For: %s\r\nContent-Length: 1000\r\n\r\n%s", activity, from, strings.Repeat(" ", 990)); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	post := func(from string) (int, string, string) {
		resp, body := ask(t, "POST", h.URL+"/inbox", "{"+strings.Repeat(" ", 900)+"}", "Content-Type", activity, "X-Forwarded-For", from)
		return resp.StatusCode, body, resp.Header.Get("Retry-After")
	}
	fill := func(from, reason string, status int) []net.Conn {
		t.Helper()
		var conns []net.Conn
		deadline := time.Now().Add(10 * time.Second)
		for range bodiesOfOne {
			conns = append(conns, slow(from))
		}
		for {
			got, body, retry := post(from)
			if got == status && strings.Contains(body, reason) && retry == "5" {
				return conns
			}
			if time.Now().After(deadline) {
				t.Fatalf("with a full share from %s: %d %s, Retry-After %q", from, got, body, retry)
			}
			time.Sleep(5 * time.Millisecond) // until what was sent has been read
		}
	}
	first := fill("198.51.100.1", "rate-host", http.StatusTooManyRequests)
	if got, body, _ := post("198.51.100.2"); got != http.StatusAccepted {
		t.Errorf("somebody else: %d %s", got, body)
	}
	for i := 2; i <= bodiesAtOnce/bodiesOfOne; i++ {
		fill(fmt.Sprintf("198.51.100.%d", i), "rate-host", http.StatusTooManyRequests)
	}
	if got, body, retry := post("198.51.100.77"); got != http.StatusServiceUnavailable || !strings.Contains(body, "rate-all") || retry == "" {
		t.Errorf("with no memory left: %d %s", got, body)
	}
	for _, conn := range first {
		if _, err := conn.Write([]byte(strings.Repeat(" ", 10))); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != http.StatusAccepted {
			t.Fatalf("a slow one in the end: %v, %v", resp, err)
		}
		_ = resp.Body.Close()
	}
	if got, body, _ := post("198.51.100.77"); got != http.StatusAccepted {
		t.Errorf("when there is memory again: %d %s", got, body)
	}
	if _, figures := ask(t, "GET", h.URL+"/metrics", ""); !strings.Contains(figures, `hark_inbox_unread_total{reason="rate-all"} 1`) {
		t.Error("not counted")
	}
}
