package inbox

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"hark/activitypub"
	"hark/activitypub/remote"
	"hark/activitypub/sig"
	"hark/storage"
)

// clock is a time that only moves when told.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

// TestAdmission: who floods empties its own bucket and nobody else's.
func TestAdmission(t *testing.T) {
	c := &clock{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	a := newAdmission(2, 400, c.Now) // buckets of 10, of 2,000 for all, of 500 for strangers
	a.welcome("big.example", "192.0.2.1")
	count := func(n int, host, peer string) (in int, last Reason) {
		for range n {
			out, _, ok := a.take(host, peer)
			if ok {
				in++
			} else {
				last = out.Reason
				if out.RetryAfter <= 0 {
					t.Errorf("%s without Retry-After", last)
				}
			}
		}
		return in, last
	}
	// A stranger that claims a hundred hosts has one bucket.
	taken := 0
	for i := range 100 {
		n, _ := count(1, fmt.Sprintf("h%d.example", i), "203.0.113.7")
		taken += n
	}
	if taken != 10 {
		t.Errorf("a stranger got %d requests in", taken)
	}
	// It does not matter that it claims the host of an acquaintance.
	if n, r := count(5, "big.example", "203.0.113.7"); n != 0 || r != ReasonRateHost {
		t.Errorf("%d in by the name of another, %s", n, r)
	}
	if n, _ := count(10, "big.example", "192.0.2.1"); n != 10 {
		t.Errorf("the acquaintance got %d in", n)
	}
	if n, r := count(5, "big.example", "192.0.2.1"); n != 0 || r != ReasonRateHost {
		t.Errorf("the acquaintance got %d beyond its share, %s", n, r)
	}
	// A household of IPv6 is one peer.
	six := 0
	for i := range 40 {
		n, _ := count(1, "x.example", fmt.Sprintf("2001:db8:1:2::%x", i+1))
		six += n
	}
	if six != 10 {
		t.Errorf("one /64 got %d requests in", six)
	}
	// All strangers together leave most of the node to the others.
	many := 0
	for i := range 200 {
		n, _ := count(10, "y.example", fmt.Sprintf("198.51.100.%d", i+1))
		many += n
	}
	if many > 500 {
		t.Errorf("strangers got %d of 2,000 requests in", many)
	}
	a.welcome("other.example", "192.0.2.9")
	if n, _ := count(10, "other.example", "192.0.2.9"); n != 10 {
		t.Errorf("an acquaintance got %d in after the flood of strangers", n)
	}
	c.now = c.now.Add(time.Second)
	if n, _ := count(5, "big.example", "192.0.2.1"); n != 2 {
		t.Errorf("%d in after a second", n)
	}
}

// asked counts the fetches of keys and answers with one key, or with an error.
type asked struct {
	mu    sync.Mutex // guards n
	n     int
	key   *rsa.PublicKey
	fails error
}

func (a *asked) Actor(context.Context, string) (*activitypub.Actor, []byte, error) {
	return nil, nil, remote.ErrNotFound
}

func (a *asked) ActorOfKey(_ context.Context, keyID string) (*activitypub.Actor, sig.Key, []byte, error) {
	a.mu.Lock()
	a.n++
	a.mu.Unlock()
	if a.fails != nil {
		return nil, sig.Key{}, nil, a.fails
	}
	iri, err := activitypub.ParseIRI(keyID)
	if err != nil {
		return nil, sig.Key{}, nil, err
	}
	id := string(iri.WithoutFragment())
	return &activitypub.Actor{ID: id, Type: "Person"}, sig.Key{ID: keyID, Owner: id, Public: a.key}, []byte(`{}`), nil
}

// actorsOf is an ActorStore in memory.
type actorsOf map[string]storage.Actor

func (m actorsOf) GetActor(_ context.Context, id string) (storage.Actor, error) {
	a, ok := m[id]
	if !ok {
		return a, storage.ErrNotFound
	}
	return a, nil
}
func (m actorsOf) PutActor(_ context.Context, a *storage.Actor) error { return nil }

// TestKeyFetches (A29): what key ids make the node fetch is bounded by host,
// and strangers cannot use up what the host's own deliveries need.
func TestKeyFetches(t *testing.T) {
	c := &clock{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	origin := &asked{key: &key.PublicKey}
	keys, err := NewKeys(actorsOf{}, origin, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	limited := 0
	for i := range 10_000 {
		if _, err := keys.StrangersKey(t.Context(), fmt.Sprintf("https://big.example/u/%d#main-key", i), false); errors.Is(err, ErrFetchLimit) {
			limited++
		}
	}
	if origin.n != strangerBurst || limited != 10_000-strangerBurst {
		t.Errorf("10,000 key ids by strangers made %d fetches, %d were refused", origin.n, limited)
	}
	if _, err := keys.Key(t.Context(), "https://big.example/u/new#main-key", false); err != nil {
		t.Errorf("the host's own delivery lost its key: %v", err)
	}
	if _, err := keys.StrangersKey(t.Context(), "https://small.example/u#main-key", false); err != nil {
		t.Errorf("another host lost its key: %v", err)
	}
	before := origin.n
	for range 1000 {
		if _, err := keys.Key(t.Context(), "https://big.example/u/1#main-key", true); err != nil {
			t.Fatal(err)
		}
	}
	if origin.n != before {
		t.Errorf("signatures that do not fit made %d fetches of a key that is fresh", origin.n-before)
	}
	c.now = c.now.Add(2 * time.Minute)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { _, _ = keys.Key(context.Background(), "https://big.example/u/1#main-key", true) })
	}
	wg.Wait()
	if n := origin.n - before; n != 1 {
		t.Errorf("50 at once made %d fetches", n)
	}
	origin.fails, before = remote.ErrNotFound, origin.n
	for range 100 {
		if _, err := keys.Key(t.Context(), "https://big.example/none#main-key", false); !errors.Is(err, remote.ErrNotFound) {
			t.Fatal(err)
		}
	}
	if n := origin.n - before; n != 1 {
		t.Errorf("a key that does not exist was asked for %d times", n)
	}
}

// TestLastKey: the key of an actor that is gone is the one that was known.
func TestLastKey(t *testing.T) {
	c := &clock{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := sig.PublicPEM(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	doc := fmt.Appendf(nil, `{"id":"https://a.example/u","type":"Person","publicKey":{"id":"https://a.example/u#main-key","owner":"https://a.example/u","publicKeyPem":%q}}`, pem)
	store := actorsOf{"https://a.example/u": {ID: "https://a.example/u", Document: doc, Fetched: c.now.Add(-30 * 24 * time.Hour)}}
	keys, err := NewKeys(store, &asked{fails: remote.ErrGone}, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Key(t.Context(), "https://a.example/u#main-key", false); !errors.Is(err, remote.ErrGone) {
		t.Errorf("an old key was taken for good: %v", err)
	}
	if k, err := keys.LastKey(t.Context(), "https://a.example/u#main-key", false); err != nil || !key.PublicKey.Equal(k.Public) {
		t.Errorf("%+v, %v", k, err)
	}
	if _, err := keys.LastKey(t.Context(), "https://a.example/v#main-key", false); !errors.Is(err, sig.ErrKeyUnavailable) {
		t.Errorf("a key that was never known: %v", err)
	}
}

// TestHostOfKey: the host that a request claims is read as the verifier reads
// it, whichever way it is signed; nothing else counts as a claim.
func TestHostOfKey(t *testing.T) {
	const cavage = `keyId="https://a.example/u#main-key",algorithm="rsa-sha256",headers="(request-target) host date digest",signature="AAAA"`
	for name, tt := range map[string]struct {
		header http.Header
		want   string
	}{
		"cavage":                      {http.Header{"Signature": {cavage}}, "a.example"},
		"cavage in Authorization":     {http.Header{"Authorization": {"Signature " + cavage}}, "a.example"},
		"rfc9421":                     {http.Header{"Signature-Input": {`sig1=("@method");created=1;keyid="https://a.example/u#main-key"`}, "Signature": {"sig1=:AAAA:"}}, "a.example"},
		"another parameter before it": {http.Header{"Signature": {`xkeyId="https://friend.example/u",` + cavage}}, "a.example"},
		"two signatures":              {http.Header{"Signature": {cavage, cavage}}, ""},
		"twice the parameter":         {http.Header{"Signature": {`keyId="https://friend.example/u",` + cavage}}, ""},
		"cavage behind rfc9421":       {http.Header{"Signature-Input": {`sig1=("@method")`}, "Signature": {cavage}}, ""},
		"none":                        {http.Header{}, ""},
		"acct:":                       {http.Header{"Signature": {strings.Replace(cavage, "https://a.example/u#main-key", "acct:a@a.example", 1)}}, ""},
	} {
		if got := hostOfKey(&http.Request{Header: tt.header}); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// TestServer: ports and, for strangers, subdomains do not multiply a share.
func TestServer(t *testing.T) {
	for _, tt := range []struct {
		host     string
		stranger bool
		want     string
	}{
		{"a.example", false, "a.example"},
		{"a.example:8443", false, "a.example"},
		{"x.a.example", false, "x.a.example"},
		{"x.a.example:8443", true, "a.example"},
		{"x.github.io", true, "x.github.io"},
		{"192.0.2.1:99", true, "192.0.2.1"},
		{"[2001:db8::1]:99", true, "2001:db8::1"},
		{"127.0.0.1:99", true, "127.0.0.1:99"},
	} {
		if got := server(tt.host, tt.stranger); got != tt.want {
			t.Errorf("%s, %v: %q, want %q", tt.host, tt.stranger, got, tt.want)
		}
	}
}
