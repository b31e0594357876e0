package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hark/activitypub"
	"hark/activitypub/remote"
	"hark/activitypub/sig"
	"hark/storage"
)

// counted signs with a real key and counts.
type counted struct {
	sig.Signer
	mu            sync.Mutex // guards what follows
	shared, bound int
}

func (c *counted) SignShared(path string, body []byte, now time.Time) (*sig.SharedSignature, error) {
	c.mu.Lock()
	c.shared++
	c.mu.Unlock()
	return c.Signer.SignShared(path, body, now)
}

func (c *counted) SignAs(s sig.Scheme, r *http.Request, body []byte, now time.Time) error {
	c.mu.Lock()
	c.bound++
	c.mu.Unlock()
	return c.Signer.SignAs(s, r, body, now)
}

var testSigner = sync.OnceValue(func() sig.Signer {
	key, err := sig.GenerateKey()
	if err != nil {
		panic(err)
	}
	return sig.Signer{KeyID: "https://relay.example/actor#main-key", Private: key}
})

// dated signs a document with the time, so that no two are alike.
type dated struct{}

func (dated) SignLD(doc []byte, now time.Time) ([]byte, error) {
	return append(doc, now.Format(time.RFC3339)...), nil
}
func (d dated) Prove(doc []byte, now time.Time) ([]byte, error) { return d.SignLD(doc, now) }

// strict answers 401 to a shared signature where told, and notes what came.
type strict struct {
	inboxes
	refuses string // a part of the inbox that takes host-bound signatures only
	came    map[string][]string
	wrong   []string // inboxes that got a digest which is not the body's
}

func (s *strict) PostOnce(ctx context.Context, inbox string, body []byte, sign func(*http.Request) error) (resp remote.Response, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, inbox, nil)
	if err != nil {
		return resp, err
	}
	if err := sign(r); err != nil {
		return resp, err
	}
	form := "shared"
	switch {
	case strings.Contains(r.Header.Get("Signature"), " host "):
		form = "host"
	case strings.Contains(r.Header.Get("Signature-Input"), `alg="ed25519"`):
		form = "ed25519"
	}
	sum := sha256.Sum256(body)
	s.mu.Lock()
	if d := r.Header.Get("Digest"); form != "ed25519" && d != "SHA-256="+base64.StdEncoding.EncodeToString(sum[:]) {
		s.wrong = append(s.wrong, inbox)
	}
	s.came[inbox] = append(s.came[inbox], form)
	s.mu.Unlock()
	if form != "host" && s.refuses != "" && strings.Contains(inbox, s.refuses) {
		return remote.Response{Status: 401}, nil
	}
	return remote.Response{Status: 202}, nil
}

func (s *strict) Post(ctx context.Context, inbox string, body []byte, sign func(*http.Request, sig.Scheme) error) (remote.Response, error) {
	return s.PostOnce(ctx, inbox, body, func(r *http.Request) error { return sign(r, sig.SchemeCavage) })
}

func runStrict(t *testing.T, m *memory, p *strict, signer Signer, shared bool) (*Engine, func()) {
	t.Helper()
	p.came = map[string][]string{}
	e, err := New(t.Context(), Options{
		Store: m, Poster: p, Signer: signer, Observer: noEvents{}, SharedSignatures: shared, Author: dated{},
		Relay:   activitypub.RelayActor{Domain: "relay.example", BaseURL: "https://relay.example", PublicKeyPEM: "x"},
		Timeout: 10 * time.Second, Window: 4, Limit: 64, RetryMin: 2 * time.Second, RetryMax: time.Hour, GiveUpAfter: 7 * 24 * time.Hour,
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

// TestSharedSignatures: one RSA signature serves every Mastodon, the others get
// their own, and "off" means off.
func TestSharedSignatures(t *testing.T) {
	for _, on := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var subs []storage.Subscriber
			for i := range 20 {
				s := subscriber(fmt.Sprintf("m%d.example", i))
				if i >= 15 {
					s.Software = "misskey"
				}
				subs = append(subs, s)
			}
			m, p, signer := newMemory(subs...), &strict{}, &counted{Signer: testSigner()}
			e, stop := runStrict(t, m, p, signer, on)
			for i := range 3 {
				m.add(post(fmt.Sprintf("https://a.example/%d", i), 0))
			}
			e.Appended()
			time.Sleep(10 * time.Second)
			stop()
			shared, bound := 3, 3*5
			if !on {
				shared, bound = 0, 3*20
			}
			if signer.shared != shared || signer.bound != bound {
				t.Errorf("on is %v: %d shared and %d host-bound signatures, want %d and %d", on, signer.shared, signer.bound, shared, bound)
			}
			for inbox, forms := range p.came {
				if len(forms) != 3 {
					t.Errorf("%s got %v", inbox, forms)
				}
			}
		})
	}
}

// TestSharedSignatureRefused: a 401 leads to a host-bound signature at once,
// and is remembered, also after a restart.
func TestSharedSignatureRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(subscriber("a1.example"), subscriber("strict.example"))
		p, signer := &strict{refuses: "strict"}, &counted{Signer: testSigner()}
		e, stop := runStrict(t, m, p, signer, true)
		for i := range 3 {
			m.add(post("https://a.example/1", i)) // one object: one after the other
		}
		e.Appended()
		time.Sleep(time.Second)
		synctest.Wait()
		if got := fmt.Sprint(p.came["https://strict.example/inbox"]); got != "[shared host host host]" {
			t.Errorf("the strict one got %s", got)
		}
		if got := fmt.Sprint(p.came["https://a1.example/inbox"]); got != "[shared shared shared]" {
			t.Errorf("the other got %s", got)
		}
		stop()
		if f := m.subs["https://strict.example/actor"].SignatureForm; f != SignatureHost {
			t.Errorf("remembered %q", f)
		}
		m.add(post("https://a.example/1", 3))
		_, stop = runStrict(t, m, p, signer, true)
		time.Sleep(time.Second)
		stop()
		if got := fmt.Sprint(p.came["https://strict.example/inbox"]); got != "[host]" {
			t.Errorf("after a restart the strict one got %s", got)
		}
	})
}

// TestAnnounceWrittenAnew: an Announce that has to be written again, here
// because something was erased, is signed again: its bytes are others.
func TestAnnounceWrittenAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := subscriber("first.example"), subscriber("second.example")
		m, p := newMemory(first), &strict{}
		e, stop := runStrict(t, m, p, &counted{Signer: testSigner()}, true)
		entry := post("https://a.example/1", 0)
		entry.Type, entry.ObjectKey, entry.Proof = "Create", "object https://a.example/1", storage.ProofNone
		m.add(entry)
		e.Appended()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		e.Erase(func(*storage.Entry) bool { return false })
		if err := m.PutSubscription(t.Context(), &second, nil); err != nil {
			t.Fatal(err)
		}
		e.Reload()
		time.Sleep(2 * time.Second)
		stop()
		if len(p.wrong) > 0 || len(p.came) != 2 {
			t.Errorf("%d inboxes reached, digests that do not fit: %v", len(p.came), p.wrong)
		}
	})
}

// TestSharedSignatureAges: after half a minute a new one is made.
func TestSharedSignatureAges(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	signer := &counted{Signer: testSigner()}
	s, err := newSignatures(signer, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	key := sharedKey{body: sha256.Sum256([]byte("x")), path: "/inbox"}
	for range 3 {
		if _, err := s.of(key, []byte("x")); err != nil {
			t.Fatal(err)
		}
		now = now.Add(14 * time.Second)
	}
	if signer.shared != 1 {
		t.Errorf("%d signatures within half a minute", signer.shared)
	}
	now = now.Add(2 * time.Second)
	made, err := s.of(key, []byte("x"))
	if err != nil || signer.shared != 2 || made.Made != now {
		t.Errorf("%d signatures, the last of %s, %v", signer.shared, made.Made, err)
	}
	// It verifies, at the host that it was not made for.
	r, err := http.NewRequest(http.MethodPost, "https://any.example/inbox", nil)
	if err != nil {
		t.Fatal(err)
	}
	made.Apply(r)
	if h := r.Header.Get("Signature"); !strings.Contains(h, `headers="(request-target) date digest"`) || r.Header.Get("Digest") == "" || r.Header.Get("Date") == "" {
		t.Errorf("%v", r.Header)
	}
}

// TestAnnounced: an Announce is found by its whole name, while its object may be
// told of.
func TestAnnounced(t *testing.T) {
	m := newMemory()
	post := storage.Entry{ActivityID: "https://a.example/c/1", Type: "Create", ObjectID: "https://a.example/n/1", ObjectKey: "n1", Origin: "a.example", Via: "a.example", Relay: true, Body: []byte("{}"), Received: time.Unix(1, 0)}
	update, quiet, erased := post, post, post
	update.ObjectKey = ""
	quiet.Relay = false
	erased.Erased = true
	for _, e := range []storage.Entry{post, update, quiet, erased} {
		m.add(e)
	}
	e, stop := run(t, m, &inboxes{})
	defer stop()
	name := announceName(&m.entries[0])
	body, err := e.Announced(t.Context(), name)
	if err != nil || !strings.Contains(string(body), `"https://relay.example/announces/`+name+`"`) || !strings.Contains(string(body), post.ObjectID) {
		t.Errorf("%s, %v", body, err)
	}
	for _, wrong := range []string{"", "1", "1-", name[:len(name)-1], "0" + name[1:], "-" + name, "99999999999999999999-0",
		announceName(&m.entries[1]), announceName(&m.entries[2]), announceName(&m.entries[3]), "5" + name[1:]} {
		if body, err := e.Announced(t.Context(), wrong); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("%q: %s, %v", wrong, body, err)
		}
	}
}
