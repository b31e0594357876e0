package delivery

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hark/activitypub"
	"hark/activitypub/remote"
	"hark/activitypub/sig"
	"hark/storage"
)

// memory is a journal and a list of subscribers, enough for the engine.
type memory struct {
	mu       sync.Mutex
	entries  []storage.Entry
	tail     int64
	subs     map[string]storage.Subscriber
	controls map[int64]storage.Control
	nextID   int64
}

func newMemory(subs ...storage.Subscriber) *memory {
	m := &memory{subs: map[string]storage.Subscriber{}, controls: map[int64]storage.Control{}, tail: 1}
	for _, s := range subs {
		m.subs[s.Actor] = s
	}
	return m
}

func (m *memory) add(e storage.Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e.Seq = int64(len(m.entries)) + 1
	m.entries = append(m.entries, e)
}

func (m *memory) Read(_ context.Context, after int64, limit int) ([]storage.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []storage.Entry
	for _, e := range m.entries {
		if e.Seq > after && e.Seq >= m.tail && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

func (m *memory) Bounds(context.Context) (int64, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tail, int64(len(m.entries)), nil
}

func (m *memory) ListSubscribers(_ context.Context, f storage.SubscriberFilter) ([]storage.Subscriber, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []storage.Subscriber
	for _, s := range m.subs {
		if len(f.States) == 0 || slices.Contains(f.States, s.State) {
			out = append(out, s)
		}
	}
	return out, nil
}

func (m *memory) GetSubscriber(_ context.Context, actor string) (storage.Subscriber, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.subs[actor]
	if !ok {
		return s, storage.ErrNotFound
	}
	return s, nil
}

func (m *memory) PutSubscription(_ context.Context, s *storage.Subscriber, controls []storage.Control) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.subs[s.Actor] = *s
	for _, c := range controls {
		m.nextID++
		c.ID = m.nextID
		m.controls[c.ID] = c
	}
	return nil
}

func (m *memory) SetSignatureForm(_ context.Context, actor, form string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.subs[actor]
	s.SignatureForm = form
	m.subs[actor] = s
	return nil
}

func (m *memory) SetSubscriberSoftware(_ context.Context, actor, software, version string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.subs[actor]
	s.Software, s.Version = software, version
	m.subs[actor] = s
	return nil
}

func (m *memory) SetSubscriberState(_ context.Context, actor string, from []storage.SubscriberState, to storage.SubscriberState) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.subs[actor]
	if !slices.Contains(from, s.State) {
		return false, nil
	}
	s.State = to
	m.subs[actor] = s
	return true, nil
}

func (m *memory) SaveProgress(_ context.Context, ps []storage.Progress) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range ps {
		s := m.subs[p.Actor]
		s.Cursor, s.Health = max(s.Cursor, p.Cursor), p.Health
		m.subs[p.Actor] = s
	}
	return nil
}

func (m *memory) ListControls(_ context.Context, due time.Time, limit int) ([]storage.Control, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []storage.Control
	for _, c := range m.controls {
		if !c.NextAt.After(due) && len(out) < limit {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b storage.Control) int { return int(a.ID - b.ID) })
	return out, nil
}

func (m *memory) RetryControl(_ context.Context, id int64, attempts int, next time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.controls[id]
	c.Attempts, c.NextAt = attempts, next
	m.controls[id] = c
	return nil
}

func (m *memory) DeleteControl(_ context.Context, id int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.controls, id)
	return nil
}

// inboxes answers as each test wants and remembers what it took.
type inboxes struct {
	mu     sync.Mutex
	taken  map[string][]string
	tries  map[string]int
	answer func(inbox, body string, try int) (int, time.Duration)
}

func (p *inboxes) Post(ctx context.Context, inbox string, body []byte, sign func(*http.Request, sig.Scheme) error) (remote.Response, error) {
	return p.PostOnce(ctx, inbox, body, func(r *http.Request) error { return sign(r, sig.SchemeCavage) })
}

func (p *inboxes) PostOnce(ctx context.Context, inbox string, body []byte, sign func(*http.Request) error) (remote.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, inbox, nil)
	if err != nil {
		return remote.Response{}, err
	}
	if err := sign(r); err != nil {
		return remote.Response{}, err
	}
	p.mu.Lock()
	p.tries[inbox]++
	try := p.tries[inbox]
	p.mu.Unlock()
	status, delay := p.answer(inbox, string(body), try)
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return remote.Response{}, ctx.Err()
	}
	if status < 300 {
		p.mu.Lock()
		p.taken[inbox] = append(p.taken[inbox], string(body))
		p.mu.Unlock()
	}
	return remote.Response{Status: status}, nil
}

func (p *inboxes) NodeInfo(context.Context, string) (string, string, error) {
	return "mastodon", "4.5.0", nil
}

func (p *inboxes) got(inbox string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.taken[inbox])
}

type noSignature struct{}

func (noSignature) SignEd25519(*http.Request, []byte, time.Time) error { return nil }
func (noSignature) SignShared(path string, _ []byte, now time.Time) (*sig.SharedSignature, error) {
	return &sig.SharedSignature{Path: path, Made: now}, nil
}
func (noSignature) SignAs(sig.Scheme, *http.Request, []byte, time.Time) error { return nil }

type noEvents struct{}

func (noEvents) Delivered(string, Form, time.Duration) {}
func (noEvents) Failed(string, int)                    {}
func (noEvents) Skipped(string, string)                {}
func (noEvents) Changed()                              {}

func subscriber(host string) storage.Subscriber {
	return storage.Subscriber{Actor: "https://" + host + "/actor", Host: host, Inbox: "https://" + host + "/inbox", Flavour: storage.FlavourMastodon, Software: "mastodon", State: storage.StateActive}
}

// post is the i-th change of an object, as a forward.
func post(object string, i int) storage.Entry {
	return storage.Entry{
		ActivityID: fmt.Sprintf("%s#%d", object, i), Type: "Update", Actor: "https://a.example/u", ObjectID: object,
		Via: "a.example", Origin: "a.example", Relay: true, Proof: storage.ProofLD, Body: fmt.Appendf(nil, "%s#%d", object, i),
	}
}

// run starts an engine in a bubble of fake time; the returned function stops it.
func run(t *testing.T, m *memory, p *inboxes) (*Engine, func()) {
	t.Helper()
	return runOn(t, m, p)
}

func runOn(t *testing.T, m Store, p *inboxes) (*Engine, func()) {
	t.Helper()
	p.taken, p.tries = map[string][]string{}, map[string]int{}
	e, err := New(t.Context(), Options{
		Store: m, Poster: p, Signer: noSignature{}, Observer: noEvents{},
		Relay:   activitypub.RelayActor{Domain: "relay.example", BaseURL: "https://relay.example", PublicKeyPEM: "x"},
		Timeout: 10 * time.Second, Window: 4, Limit: 8, RetryMin: 2 * time.Second, RetryMax: time.Hour, GiveUpAfter: 7 * 24 * time.Hour,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { // the returned function waits for it
		defer close(done)
		_ = e.Run(ctx)
	}()
	return e, func() {
		cancel()
		<-done
	}
}

func TestOneObjectStaysInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(subscriber("b.example"))
		p := &inboxes{answer: func(_, body string, _ int) (int, time.Duration) {
			// The earlier, the slower: what is not held back overtakes.
			return 202, time.Duration(100-10*int(body[len(body)-1]-'0')) * time.Millisecond
		}}
		e, stop := run(t, m, p)
		for i := range 8 {
			m.add(post("https://a.example/1", i))
			m.add(post("https://a.example/2", i))
		}
		e.Appended()
		time.Sleep(time.Minute)
		stop()
		for _, object := range []string{"https://a.example/1", "https://a.example/2"} {
			var mine []string
			for _, b := range p.got("https://b.example/inbox") {
				if b[:len(object)] == object {
					mine = append(mine, b)
				}
			}
			if len(mine) != 8 || !slices.IsSorted(mine) {
				t.Errorf("%s arrived as %v", object, mine)
			}
		}
		if got := m.subs["https://b.example/actor"].Cursor; got != 16 {
			t.Errorf("cursor %d, want 16", got)
		}
	})
}

func TestSickDoNotHurtTheHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(subscriber("well.example"), subscriber("down.example"), subscriber("hangs.example"))
		well := time.Now().Add(2 * time.Hour)
		p := &inboxes{answer: func(inbox, _ string, _ int) (int, time.Duration) {
			switch {
			case inbox == "https://well.example/inbox" || time.Now().After(well):
				return 202, time.Millisecond
			case inbox == "https://down.example/inbox":
				return 503, time.Millisecond
			}
			return 202, time.Hour // longer than the timeout
		}}
		e, stop := run(t, m, p)
		for i := range 20 {
			m.add(post(fmt.Sprintf("https://a.example/%02d", i), 0))
		}
		e.Appended()
		time.Sleep(5 * time.Second)
		if n := len(p.got("https://well.example/inbox")); n != 20 {
			t.Errorf("the healthy one has %d of 20", n)
		}
		time.Sleep(5 * time.Hour)
		stop()
		for _, host := range []string{"down.example", "hangs.example"} {
			got := p.got("https://" + host + "/inbox")
			if len(got) != 20 {
				t.Errorf("%s got %d of 20 when it was back", host, len(got))
			}
			s := m.subs["https://"+host+"/actor"]
			if s.Health.Failures != 0 || s.Health.Delivered != 20 || s.Cursor != 20 {
				t.Errorf("%s: %+v, cursor %d", host, s.Health, s.Cursor)
			}
		}
		if tries := p.tries["https://down.example/inbox"]; tries > 60 {
			t.Errorf("the one that was down was asked %d times in two hours", tries-20)
		}
	})
}

func TestRefusedForGoodIsSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(subscriber("b.example"))
		p := &inboxes{answer: func(_, body string, _ int) (int, time.Duration) {
			if body == "https://a.example/1#0" {
				return 422, 0
			}
			return 202, 0
		}}
		e, stop := run(t, m, p)
		for i := range 3 {
			m.add(post(fmt.Sprintf("https://a.example/%d", i), 0))
		}
		e.Appended()
		time.Sleep(10 * time.Second)
		stop()
		s := m.subs["https://b.example/actor"]
		if len(p.got(s.Inbox)) != 2 || s.Health.Skipped != 1 || s.Cursor != 3 || s.Health.LastSkip == "" {
			t.Errorf("got %v; %+v, cursor %d", p.got(s.Inbox), s.Health, s.Cursor)
		}
	})
}

func TestDeadIsSuspendedAndResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(subscriber("b.example"))
		alive := false
		var mu sync.Mutex
		p := &inboxes{answer: func(string, string, int) (int, time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			if alive {
				return 202, 0
			}
			return 502, 0
		}}
		e, stop := run(t, m, p)
		m.add(post("https://a.example/1", 0))
		e.Appended()
		time.Sleep(8 * 24 * time.Hour)
		if s, _ := m.GetSubscriber(t.Context(), "https://b.example/actor"); s.State != storage.StateSuspended {
			t.Fatalf("after eight days of failure it is %s", s.State)
		}
		tries := p.tries["https://b.example/inbox"]
		time.Sleep(24 * time.Hour)
		if p.tries["https://b.example/inbox"] != tries {
			t.Error("a suspended subscriber is still asked")
		}
		mu.Lock()
		alive = true
		mu.Unlock()
		e.Heard("b.example")
		time.Sleep(time.Minute)
		stop()
		s := m.subs["https://b.example/actor"]
		if s.State != storage.StateActive || len(p.got(s.Inbox)) != 1 {
			t.Errorf("heard of again it is %s and has %v", s.State, p.got(s.Inbox))
		}
	})
}

// TestTalkingWhileFailing: a host whose authors post while its inbox fails is
// asked about once a minute, not with every post.
func TestTalkingWhileFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(subscriber("b.example"))
		p := &inboxes{answer: func(string, string, int) (int, time.Duration) { return 503, 0 }}
		e, stop := run(t, m, p)
		m.add(post("https://a.example/1", 0))
		e.Appended()
		for range 3600 {
			time.Sleep(time.Second)
			e.Heard("b.example")
		}
		stop()
		if n := p.tries["https://b.example/inbox"]; n < 30 || n > 75 {
			t.Errorf("asked %d times in an hour", n)
		}
	})
}

func TestGoneLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(subscriber("b.example"))
		p := &inboxes{answer: func(string, string, int) (int, time.Duration) { return 410, 0 }}
		e, stop := run(t, m, p)
		m.add(post("https://a.example/1", 0))
		e.Appended()
		time.Sleep(time.Minute)
		stop()
		if s := m.subs["https://b.example/actor"]; s.State != storage.StateLeft {
			t.Errorf("after 410 it is %s", s.State)
		}
	})
}

func TestNothingBeforeTheAcceptWasTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := subscriber("b.example")
		s.State, s.Software = storage.StateAccepting, ""
		m := newMemory(s)
		up := time.Now().Add(time.Minute)
		p := &inboxes{answer: func(string, string, int) (int, time.Duration) {
			if time.Now().Before(up) {
				return 500, 0
			}
			return 202, 0
		}}
		if err := m.PutSubscription(t.Context(), &s, []storage.Control{{Actor: s.Actor, Inbox: s.Inbox, Kind: storage.ControlAccept, Body: []byte("accept"), Created: time.Now()}}); err != nil {
			t.Fatal(err)
		}
		e, stop := run(t, m, p)
		m.add(post("https://a.example/1", 0))
		e.Appended()
		time.Sleep(time.Hour)
		stop()
		if got := p.got(s.Inbox); len(got) != 2 || got[0] != "accept" {
			t.Errorf("it got %v", got)
		}
		if after := m.subs[s.Actor]; after.State != storage.StateActive || after.Software != "mastodon" || len(m.controls) != 0 {
			t.Errorf("%+v, %d control messages left", after, len(m.controls))
		}
	})
}

func TestGapIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(subscriber("b.example"))
		p := &inboxes{answer: func(string, string, int) (int, time.Duration) { return 202, 0 }}
		for i := range 10 {
			m.add(post(fmt.Sprintf("https://a.example/%d", i), 0))
		}
		m.tail = 7 // six entries are trimmed
		_, stop := run(t, m, p)
		time.Sleep(time.Minute)
		stop()
		s := m.subs["https://b.example/actor"]
		if s.Health.Gaps != 6 || len(p.got(s.Inbox)) != 4 || s.Cursor != 10 {
			t.Errorf("gaps %d, got %v, cursor %d", s.Health.Gaps, p.got(s.Inbox), s.Cursor)
		}
	})
}
