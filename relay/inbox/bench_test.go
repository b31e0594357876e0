package inbox

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hark/activitypub"
	"hark/activitypub/sig"
	"hark/relay/subscription"
	"hark/storage"
	"hark/storage/sqlite"
)

// benchOrigin answers with the one actor of the benchmark.
type benchOrigin struct {
	id  string
	key *rsa.PrivateKey
	ed  ed25519.PrivateKey
}

func (o *benchOrigin) document() []byte {
	pem, err := sig.PublicPEM(&o.key.PublicKey)
	if err != nil {
		return nil
	}
	return fmt.Appendf(nil, `{"id":%[1]q,"type":"Person","preferredUsername":"alice","inbox":"%[1]s/inbox",
		"publicKey":{"id":"%[1]s#main-key","owner":%[1]q,"publicKeyPem":%[2]q},
		"assertionMethod":[{"id":"%[1]s#ed","type":"Multikey","controller":%[1]q,"publicKeyMultibase":%[3]q}]}`,
		o.id, pem, sig.MarshalMultikey(o.ed.Public().(ed25519.PublicKey)))
}

func (o *benchOrigin) Actor(context.Context, string) (*activitypub.Actor, []byte, error) {
	doc := o.document()
	a, err := activitypub.ParseActor(doc)
	return a, doc, err
}

func (o *benchOrigin) ActorOfKey(_ context.Context, keyID string) (*activitypub.Actor, sig.Key, []byte, error) {
	doc := o.document()
	a, err := activitypub.ParseActor(doc)
	if err != nil {
		return nil, sig.Key{}, nil, err
	}
	key, err := sig.KeyOf(a, keyID)
	return a, key, doc, err
}

// everybody is a Directory in which everybody is a member.
type everybody struct{}

func (everybody) Blocked(string) bool       { return false }
func (everybody) Member(string) bool        { return true }
func (everybody) Upstream(string) bool      { return false }
func (everybody) IsSubscriber(string) bool  { return false }
func (everybody) Crowded(string) bool       { return false }
func (everybody) Joined(storage.Subscriber) {}

type unobserved struct{}

func (unobserved) Appended()    {}
func (unobserved) Unresolved()  {}
func (unobserved) Subscribed()  {}
func (unobserved) Left(string)  {}
func (unobserved) Heard(string) {}

// cpuTime is the CPU time that this process has used.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkInbox is an accepted Mastodon Create's whole way through the inbox:
// admission, envelope, HTTP signature, the author's own proof if it carries
// one, authority, decision, and the durable append to a real store. It reports
// the CPU time an activity takes, the store's threads included, and how many a
// second one core could accept.
//
// The bodies are signed before the clock starts, which takes some milliseconds
// each: -benchtime 3000x keeps that short. -cpuprofile tells the stages apart.
func BenchmarkInbox(b *testing.B) {
	for _, c := range []struct{ name, proof, scheme string }{
		{"plain", "", "cavage"},
		{"rfc9421", "", "rfc9421"},
		{"linked-data", "ld", "cavage"},
		{"integrity-proof", "proof", "cavage"},
	} {
		b.Run(c.name, func(b *testing.B) { benchInbox(b, c.proof, sig.Scheme(c.scheme)) })
	}
}

func benchInbox(b *testing.B, proof string, scheme sig.Scheme) {
	ctx := b.Context()
	key, err := sig.GenerateKey()
	if err != nil {
		b.Fatal(err)
	}
	ed, err := sig.AssertionKey(key)
	if err != nil {
		b.Fatal(err)
	}
	const actor, host = "https://social.example/users/alice", "relay.example"
	from := &benchOrigin{id: actor, key: key, ed: ed}
	store, err := sqlite.Open(ctx, sqlite.Options{Dir: b.TempDir(), Create: true})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	keys, err := NewKeys(store, from, time.Now)
	if err != nil {
		b.Fatal(err)
	}
	in := New(Options{
		Identity: subscription.Identity{Relay: activitypub.RelayActor{BaseURL: "https://" + host, Domain: host}},
		Host:     host, Scheme: "https", Journal: store, Subscribers: store, Keys: keys, Directory: everybody{}, Observer: unobserved{},
		HostRate: 1e9, GlobalRate: 1e9, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	template, err := os.ReadFile("../../activitypub/sig/testdata/linked/mastodon-create.json")
	if err != nil {
		b.Fatal(err)
	}
	requests := signedCreates(b, template, proof, scheme, key, ed, actor, host)
	send := func(i int) {
		r := requests[i]
		if out := in.Receive(context.Background(), r.r, "192.0.2.1", r.body); out.Reason != ReasonRelayed {
			b.Errorf("request %d: %s %s", i, out.Reason, out.Detail)
		}
	}
	send(b.N) // the key is fetched, the connections are open
	var next atomic.Int64
	before := cpuTime(b)
	b.ResetTimer()
	var wg sync.WaitGroup
	for range 32 { // an inbox serves many at once, and their appends share a commit
		wg.Go(func() {
			for i := next.Add(1) - 1; int(i) < b.N; i = next.Add(1) - 1 {
				send(int(i))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	each := (cpuTime(b) - before) / time.Duration(b.N)
	b.ReportMetric(float64(each.Microseconds()), "cpu-µs/op")
	b.ReportMetric(float64(time.Second/max(each, 1)), "accepted/s/core")
}

type signedRequest struct {
	r    *http.Request
	body []byte
}

// signedCreates makes b.N+1 different activities out of one.
func signedCreates(b *testing.B, template []byte, proof string, scheme sig.Scheme, key *rsa.PrivateKey, ed ed25519.PrivateKey, actor, host string) []signedRequest {
	out := make([]signedRequest, b.N+1)
	now := time.Now()
	var wg sync.WaitGroup
	for w := range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := w; i < len(out); i += runtime.GOMAXPROCS(0) {
				body := bytes.ReplaceAll(template, []byte("/statuses/1"), fmt.Appendf(nil, "/statuses/%d", i+1))
				var err error
				switch proof {
				case "ld":
					body, err = sig.SignLD(body, actor+"#main-key", key, now)
				case "proof":
					body, err = sig.SignProof(body, actor+"#ed", ed, now)
				}
				if err != nil {
					b.Error(err)
					return
				}
				r := httptest.NewRequest(http.MethodPost, "https://"+host+"/inbox", nil)
				r.RequestURI = "/inbox"
				r.Header.Set("Content-Type", activitypub.ContentType)
				if err := (&sig.Signer{KeyID: actor + "#main-key", Private: key}).SignAs(scheme, r, body, now); err != nil {
					b.Error(err)
					return
				}
				out[i] = signedRequest{r: r, body: body}
			}
		})
	}
	wg.Wait()
	return out
}
