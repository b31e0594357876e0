package relay_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"hark/activitypub"
	"hark/relay"
)

// logged is a log that can be read while it is written.
type logged struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestLogIsEscaped (A31): nothing that a stranger writes begins a line of the
// log or moves a terminal's cursor, and no key or body is in it.
func TestLogIsEscaped(t *testing.T) {
	var log logged
	s := attacked(t, func(o *relay.Options) {
		o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	eve := s.join(t, s.lair)
	const evil = "\r\ntime=2001-01-01 level=ERROR msg=forged \x1b[31m\u202e\u2028"
	for _, typ := range []string{evil, "Create" + evil, `" level=ERROR msg=forged "`} {
		send(t, s.n, letter{body: activityBy(typ, eve, s.lair.url+"/n"), keyID: eve + "#main-key"}).want(t, 202, "type")
	}
	bad := s.lair.serve("/bad", "text/html"+"; x=\"\x1b[31m\"", evil)
	send(t, s.n, letter{body: noteBy(bad, s.lair.url, nil), keyID: bad + "#main-key"}).want(t, 401, "key-unavailable")
	send(t, s.n, letter{body: noteBy(eve, s.lair.url, func(a, _ map[string]any) { a["to"] = activitypub.Public + evil }), keyID: eve + "#main-key"}).want(t, 400, "field")
	send(t, s.n, letter{body: noteBy(eve, s.lair.url, func(_, n map[string]any) { n["content"] = "unheardofword" }), keyID: eve + "#main-key"}).want(t, 202, "relayed")
	s.settled(t)
	lines := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
	if len(lines) < 5 {
		t.Fatalf("%d lines of log", len(lines))
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "time=20") || strings.HasPrefix(line, "time=2001") || strings.ContainsAny(line, "\x1b\r\u202e\u2028") {
			t.Errorf("a line of the log is %q", line)
		}
		if strings.Contains(line, "unheardofword") || strings.Contains(line, "PRIVATE KEY") || strings.Contains(line, "signature=\"") {
			t.Errorf("the log tells too much: %s", line)
		}
	}
}
