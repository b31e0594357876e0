package neighbourhood

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"hark/activitypub"
)

// Instance is one simulated server. Its authors share its key under key ids of
// their own: making an RSA key for each would only cost time.
type Instance struct {
	n       *Neighbourhood
	kind    Kind
	secure  bool // answers only signed GETs, adds no linked data signatures
	run     context.Context
	server  *http.Server
	origin  string // http://127.0.0.1:port
	host    string
	private *rsa.PrivateKey
	pem     string
	authors []author
	docs    map[string][]byte // actors and their collections by path; fixed after the start

	open   sync.RWMutex // held for reading by every request at work, so that Close can wait for them
	closed bool         // guarded by open

	mu        sync.Mutex // guards what follows
	objects   map[string]object
	order     []string // their ids, oldest first
	keys      map[string]knownKey
	received  []Received
	behaviour func(*http.Request) (int, time.Duration, http.Header)
	follow    json.RawMessage
	followID  string
	gone      map[string]bool // paths of actors that were deleted
	fetches   []Fetch
	accepted  bool
	rejected  bool
	mutual    bool
	changed   chan struct{} // closed and replaced when one of the three changes
	snowflake int64         // the last number of number
}

func newInstance(run context.Context, n *Neighbourhood, kind Kind, at int, secure bool) (*Instance, error) {
	key, err := rsa.GenerateKey(rand.Reader, n.o.KeyBits)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	ln, err := (&net.ListenConfig{}).Listen(run, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	in := &Instance{
		n: n, kind: kind, secure: secure, run: run, private: key, host: ln.Addr().String(), origin: "http://" + ln.Addr().String(),
		pem:  string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		docs: map[string][]byte{}, objects: map[string]object{}, keys: map[string]knownKey{}, gone: map[string]bool{}, changed: make(chan struct{}),
	}
	for i := range n.o.AuthorsPerInstance {
		a := people[(at+i)%len(people)]
		a.id = in.origin + in.authorPath(a.name, i)
		in.authors = append(in.authors, a)
	}
	if err := in.describe(); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	in.server = &http.Server{Handler: in, ReadHeaderTimeout: 10 * time.Second}
	n.wg.Go(func() { _ = in.server.Serve(ln) })
	return in, nil
}

// close stops listening and waits for the requests at work, which the end of
// the run context cuts short.
func (in *Instance) close() error {
	err := in.server.Close()
	in.open.Lock()
	defer in.open.Unlock()
	in.closed = true
	return err
}

// Kind is the software that it behaves like.
func (in *Instance) Kind() Kind { return in.kind }

// Host is its host and port.
func (in *Instance) Host() string { return in.host }

// Origin is http:// and Host.
func (in *Instance) Origin() string { return in.origin }

// ActorURI is the actor that subscribes: Mastodon's instance actor, Pleroma's
// relay, a system account of Misskey.
func (in *Instance) ActorURI() string {
	switch in.kind {
	case Pleroma:
		return in.origin + "/relay"
	case Misskey:
		return in.origin + "/users/a9relay0actor"
	}
	return in.origin + "/actor"
}

// AuthorURI is the i-th author's actor.
func (in *Instance) AuthorURI(i int) string { return in.authors[i%len(in.authors)].id }

func (in *Instance) keyID() string { return keyOf(in.ActorURI()) }

func keyOf(actor string) string { return actor + "#main-key" }

// Received are the deliveries to its inbox so far, oldest first.
func (in *Instance) Received() []Received {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.received)
}

// SetBehaviour lets it answer deliveries otherwise: a status other than 0 is
// answered at once, after the delay. Nil is well-behaved.
func (in *Instance) SetBehaviour(f func(*http.Request) (status int, delay time.Duration, header http.Header)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.behaviour = f
}

// unique is an id that no other object of the instance has.
func (in *Instance) unique() string {
	if in.kind == Pleroma {
		return uuid()
	}
	return hex.EncodeToString(random(8))
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, as crypto/rand says
	return b
}

// Subscribe follows the relay as its software does, and waits until it was
// accepted (Pleroma: until the relay's Follow back was accepted too), refused,
// or the context ends.
//
// ref: observed Mastodon 4.5: app/models/relay.rb; Misskey 2025:
// RelayService.ts; Pleroma 2.9: lib/pleroma/web/activity_pub/relay.ex
func (in *Instance) Subscribe(ctx context.Context) error {
	id := in.origin + "/" + uuid()
	object := activitypub.Public
	follow := map[string]any{"type": "Follow", "actor": in.ActorURI()}
	switch in.kind {
	case Pleroma:
		object = in.n.o.Relay + "/actor"
		follow["to"], follow["state"], follow["cc"], follow["bto"] = []string{object}, "pending", []string{}, []string{}
		id = in.origin + "/activities/" + uuid()
	case Misskey:
		id = in.origin + "/activities/follow-relay/" + in.unique()
	}
	follow["id"], follow["object"] = id, object
	body, err := json.Marshal(in.withContext(follow))
	if err != nil {
		return fmt.Errorf("%s: follow: %w", in.host, err)
	}
	in.mu.Lock()
	in.follow, in.followID, in.accepted, in.rejected, in.mutual = body, id, false, false, false
	in.mu.Unlock()
	if err := in.control(ctx, "follow", body); err != nil {
		return err
	}
	for {
		in.mu.Lock()
		done, refused, changed := in.accepted && (in.kind != Pleroma || in.mutual), in.rejected, in.changed
		in.mu.Unlock()
		switch {
		case refused:
			return fmt.Errorf("%s: the relay refused", in.host)
		case done:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s: not accepted: %w", in.host, ctx.Err())
		}
	}
}

// Unsubscribe undoes the Follow, which stands in the Undo as it was sent.
func (in *Instance) Unsubscribe(ctx context.Context) error {
	in.mu.Lock()
	follow, id := in.follow, in.followID
	in.mu.Unlock()
	if follow == nil {
		return fmt.Errorf("%s: undo: it never followed", in.host)
	}
	undo := map[string]any{"id": in.origin + "/" + uuid(), "type": "Undo", "actor": in.ActorURI(), "object": follow}
	switch in.kind {
	case Pleroma:
		undo["id"], undo["to"], undo["cc"] = in.origin+"/activities/"+uuid(), []string{in.n.o.Relay + "/actor"}, []string{}
	case Misskey:
		undo["id"], undo["published"] = id+"/undo", time.Now().UTC().Format(time.RFC3339)
	}
	body, err := json.Marshal(in.withContext(undo))
	if err != nil {
		return fmt.Errorf("%s: undo: %w", in.host, err)
	}
	return in.control(ctx, "undo", body)
}

// control delivers what the instance's own actor says, and wants it taken.
func (in *Instance) control(ctx context.Context, what string, body []byte) error {
	sent, err := in.deliver(ctx, body, in.keyID())
	if err == nil && (sent.Status < 200 || sent.Status > 299) {
		err = fmt.Errorf("%d %s", sent.Status, sent.Body)
	}
	if err != nil {
		return fmt.Errorf("%s: %s: %w", in.host, what, err)
	}
	return nil
}

// tell wakes whoever waits for the state of the subscription. The caller holds
// the lock.
func (in *Instance) tell() {
	close(in.changed)
	in.changed = make(chan struct{})
}

// deliver posts to the relay's inbox, properly signed.
func (in *Instance) deliver(ctx context.Context, body []byte, keyID string) (Sent, error) {
	status, answer, err := in.SendRaw(ctx, body, RawOptions{KeyID: keyID})
	return Sent{Status: status, Body: answer}, err
}
