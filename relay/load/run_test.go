package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// stubRelay knows nothing but Follow, Undo and passing on; it checks and signs
// nothing. It tells the figures of a run from a relay that is known to fail.
type stubRelay struct {
	lose, repeat int // every such delivery; 0: none
	swap         bool

	mu        sync.Mutex // guards what follows
	followers []string
	held      []byte // an activity that waits for the next one, to be overtaken
	count     int
	undone    int
	wg        sync.WaitGroup
}

func (s *stubRelay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var m struct{ ID, Type, Actor string }
	if r.URL.Path != "/somewhere" || err != nil || json.Unmarshal(body, &m) != nil || r.Header.Get("Signature") == "" {
		http.NotFound(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
	switch m.Type {
	case "Follow":
		s.followers = append(s.followers, m.Actor)
		s.wg.Go(func() { send(m.Actor, []byte(`{"type":"Accept","object":"`+m.ID+`"}`)) })
	case "Undo":
		s.undone++
		s.followers = slices.DeleteFunc(s.followers, func(f string) bool { return f == m.Actor })
	default:
		bodies := [][]byte{body}
		if s.swap {
			bodies = append(bodies, s.held)
			s.held = nil
			if m.Type == "Create" {
				bodies, s.held = bodies[1:], body
			}
		}
		for _, b := range bodies {
			s.pass(b, m.Actor)
		}
	}
}

// pass hands an activity to everybody but the host that it came from.
func (s *stubRelay) pass(body []byte, actor string) {
	for _, f := range s.followers {
		if body == nil || strings.HasPrefix(actor, strings.TrimSuffix(f, "/actor")+"/") {
			continue
		}
		s.count++
		times := 1
		if s.lose > 0 && s.count%s.lose == 0 {
			times = 0
		}
		if s.repeat > 0 && s.count%s.repeat == 0 {
			times = 2
		}
		for range times {
			send(f, body)
		}
	}
}

func send(actor string, body []byte) {
	if resp, err := http.Post(actor+"/inbox", "application/activity+json", bytes.NewReader(body)); err == nil {
		_ = resp.Body.Close()
	}
}

func startStub(t *testing.T, s *stubRelay) string {
	t.Helper()
	srv := httptest.NewServer(s)
	t.Cleanup(func() {
		srv.Close()
		s.wg.Wait()
		http.DefaultClient.CloseIdleConnections()
	})
	return srv.URL + "/somewhere"
}

func TestRunFindsFaults(t *testing.T) {
	base := Options{Subscribers: 5, Publishers: 2, Activities: 20, Proofs: true, Grace: 300 * time.Millisecond}
	tests := []struct {
		name   string
		relay  *stubRelay
		change func(*Options)
		check  func(r *Report) bool
	}{
		{"a relay without fault but its missing signatures", &stubRelay{}, nil, func(r *Report) bool {
			return r.Lost == 0 && r.Owed == 80 && r.Deliveries == 80 && r.Duplicates == 0 && r.Violations == 0 && r.Signatures.Wrong == r.Signatures.Checked
		}},
		{"loses", &stubRelay{lose: 10}, nil, func(r *Report) bool { return r.Lost > 4 && r.Lost < 12 && r.Deliveries == r.Owed-r.Lost }},
		{"repeats", &stubRelay{repeat: 4}, nil, func(r *Report) bool { return r.Lost == 0 && r.Duplicates > 10 }},
		{"lets edits overtake their posts", &stubRelay{swap: true}, func(o *Options) { o.Publishers, o.Edits = 1, 1 }, func(r *Report) bool {
			return r.Violations > 0
		}},
		{"some are sick", &stubRelay{}, func(o *Options) { o.Failing, o.Dead, o.Edits = 0.2, 0.2, 0 }, func(r *Report) bool {
			return r.Lost == 0 && r.Healthy == 3 && r.Failing == 1 && r.Dead == 1 && r.Owed == 40
		}},
		{"does not try again", &stubRelay{}, func(o *Options) { o.Returning, o.Outage = 0.4, time.Second }, func(r *Report) bool {
			return r.Lost == 40 && r.Returning == 2
		}},
		{"nobody listens", &stubRelay{}, func(o *Options) { o.Subscribers = 0 }, func(r *Report) bool { return r.Accepted == 20 && r.Owed == 0 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := base
			o.URL = startStub(t, tt.relay)
			if tt.change != nil {
				tt.change(&o)
			}
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if !tt.check(r) || r.Accepted != 20 || r.SignMicros <= 0 || r.CheckMicro <= 0 {
				t.Errorf("got %+v", r)
			}
			if tt.relay.undone != o.Subscribers || len(tt.relay.followers) != 0 {
				t.Errorf("%d of %d left; still there: %v", tt.relay.undone, o.Subscribers, tt.relay.followers)
			}
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := Options{URL: startStub(t, &stubRelay{}), Subscribers: 3, Publishers: 1, Activities: 1000, Rate: 1}
	o.Progress = func(p Progress) {
		if p.Phase == "delivered" || p.Phase == "signed" {
			cancel()
		}
	}
	if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestOptions(t *testing.T) {
	good := Options{URL: "http://127.0.0.1:1", Subscribers: 10, Publishers: 1, Activities: 10}
	tests := []struct {
		name   string
		change func(*Options)
		ok     bool
	}{
		{"good", func(*Options) {}, true},
		{"no subscribers", func(o *Options) { o.Subscribers = 0 }, true},
		{"fewer than none", func(o *Options) { o.Subscribers = -1 }, false},
		{"no publisher", func(o *Options) { o.Publishers = 0 }, false},
		{"no activity", func(o *Options) { o.Activities = 0 }, false},
		{"too many", func(o *Options) { o.Subscribers, o.Activities = maxSubscribers, maxActivities }, false},
		{"all of them sick", func(o *Options) { o.Hanging, o.Failing = 0.5, 0.5 }, true},
		{"more than all of them", func(o *Options) { o.Hanging, o.Failing = 0.6, 0.5 }, false},
		{"a negative share", func(o *Options) { o.Dead = -0.1 }, false},
		{"too long", func(o *Options) { o.Outage = 12 * time.Hour }, false},
		{"a negative rate", func(o *Options) { o.Rate = -1 }, false},
		{"no relay", func(o *Options) { o.URL = "" }, false},
	}
	for _, tt := range tests {
		o := good
		tt.change(&o)
		if err := o.check(); (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrOptions) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

func TestTarget(t *testing.T) {
	tests := []struct {
		address, dial, host, inbox string
		ok                         bool
	}{
		{"http://127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1:8080", "/inbox", true},
		{"https://relay.example/", "relay.example:443", "relay.example", "/inbox", true},
		{"http://relay.example/tags/sea/inbox", "relay.example:80", "relay.example", "/tags/sea/inbox", true},
		{"http://[::1]:80/inbox", "[::1]:80", "[::1]:80", "/inbox", true},
		{"relay.example", "", "", "", false},
		{"ftp://relay.example", "", "", "", false},
		{"http://user@relay.example", "", "", "", false},
		{"http://relay.example/inbox?x=1", "", "", "", false},
		{"http://", "", "", "", false},
	}
	for _, tt := range tests {
		got, err := newTarget(tt.address)
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.address, err)
		}
		if tt.ok && (got.dial != tt.dial || got.host != tt.host || got.inbox != tt.inbox) {
			t.Errorf("%s: got %+v", tt.address, got)
		}
	}
}
