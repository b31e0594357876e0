package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
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
			if got == http.StatusAccepted {
				// Our own request may have taken the place of one of them.
				conns = append(conns, slow(from))
			}
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
	finished := 0
	for _, conn := range first {
		_, _ = conn.Write([]byte(strings.Repeat(" ", 10))) // one that was refused is closed already
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			continue
		}
		if resp.StatusCode == http.StatusAccepted {
			finished++
		}
		_ = resp.Body.Close()
	}
	if finished != bodiesOfOne {
		t.Errorf("%d of the slow ones were heard in the end", finished)
	}
	if got, body, _ := post("198.51.100.77"); got != http.StatusAccepted {
		t.Errorf("when there is memory again: %d %s", got, body)
	}
	if _, figures := ask(t, "GET", h.URL+"/metrics", ""); !strings.Contains(figures, `hark_inbox_unread_total{reason="rate-all"} 1`) {
		t.Error("not counted")
	}
}

// TestFormsAreSmall: nobody has a form of megabytes, or files, taken in.
func TestFormsAreSmall(t *testing.T) {
	h, n := start(t)
	big := strings.Repeat("x", maxForm+1)
	form := "application/x-www-form-urlencoded"
	files := "--x\r\nContent-Disposition: form-data; name=\"token\"; filename=\"f\"\r\n\r\n" + strings.Repeat("x", 1000) + "\r\n--x--\r\n"
	for _, tt := range []struct {
		name, path, contentType, body string
		status                        int
		reason                        string
	}{
		{"a large form", "/signin", form, "token=" + big, 413, "too-large"},
		{"files", "/signin", `multipart/form-data; boundary=x`, files, 415, "content-type"},
		{"files, in capitals", "/signin", ` Multipart/Form-Data; boundary=x`, files, 415, "content-type"},
		{"a large form for the operator", "/admin/rules", form, "host=" + big, 413, "too-large"},
		{"a large document for the operator", "/api/hark/v1/subscribers/accept", "application/json", `{"actor":"` + big + `"}`, 413, "too-large"},
		{"a body where there is nothing to send", "/search", form, big, 413, "too-large"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, body := ask(t, "POST", h.URL+tt.path, tt.body, "Content-Type", tt.contentType)
			if resp.StatusCode != tt.status || !strings.Contains(body, `"reason":"`+tt.reason+`"`) {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		})
	}
	// A form whose length is not said is read as far as it may be long.
	endless := &countingReader{most: 32 << 20}
	r, err := http.NewRequest(http.MethodPost, h.URL+"/signin", endless)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", form)
	resp, err := http.DefaultClient.Do(r)
	if err == nil {
		_ = resp.Body.Close()
		if resp.StatusCode < 400 {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
	if endless.n.Load() >= endless.most {
		t.Error("all of an endless form was read")
	}
	if len(n.audited) != 0 {
		t.Errorf("%+v", n.audited)
	}
}

// countingReader is a form of as many bytes as are read of it, up to most.
type countingReader struct {
	n    atomic.Int64
	most int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	if c.n.Load() >= c.most {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = 'x'
	}
	c.n.Add(int64(len(p)))
	return len(p), nil
}
