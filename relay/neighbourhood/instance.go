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
	"strconv"
	"strings"
	"sync"
	"time"

	"hark/activitypub/wellknown"
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
	docs    map[string][]byte // actors by path; fixed after the start

	mu         sync.Mutex // guards what follows
	objects    map[string]object
	order      []string // ids of live objects, oldest first
	keys       map[string]knownKey
	received   []Received
	behaviour  func(*http.Request) (int, time.Duration, http.Header)
	follow     json.RawMessage
	followID   string
	relayInbox string
	accepted   bool
	rejected   bool
	mutual     bool
	changed    chan struct{} // closed and replaced when one of the three changes
	counter    int
}

// author is somebody who posts.
type author struct {
	id, name, display, bio string
	indexable              *bool
}

// object is a post that the instance serves.
type object struct {
	body   []byte
	author int
	public bool
	made   time.Time
	entry  Entry
}

// people are the authors of every instance, in turn: most say nothing about
// being searched, one says yes, two say no.
var people = []author{
	{name: "ann", display: "Ann Ferris", bio: "Bread, bicycles, and the sea."},
	{name: "haruto", display: "春人", bio: "写真と電車が好きです。"},
	{name: "jonas", display: "Jonas Weidner", bio: "Schreibt über Wetter und Bahn."},
	{name: "lucia", display: "Lucía Paredes", bio: "Periodista local.", indexable: truth(true)},
	{name: "samir", display: "سمير", bio: "أخبار المدينة."},
	{name: "minji", display: "민지", bio: "커피와 책."},
	{name: "quiet", display: "Quiet Quentin", bio: "Please leave my posts out. #nobot"},
	{name: "hidden", display: "Hilde", bio: "Not for search engines.", indexable: truth(false)},
}

func truth(b bool) *bool { return &b }

func newInstance(run context.Context, n *Neighbourhood, kind Kind, at int, secure bool) (*Instance, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
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
		docs: map[string][]byte{}, objects: map[string]object{}, keys: map[string]knownKey{}, changed: make(chan struct{}),
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

func (in *Instance) authorPath(name string, i int) string {
	if in.kind == Misskey {
		return "/users/a" + strconv.Itoa(i) + name
	}
	return "/users/" + name
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
		return in.origin + "/users/relay"
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

func (in *Instance) unique() string {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.counter++
	var b [6]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:]) + strconv.Itoa(in.counter)
}

func (in *Instance) lastObject() string {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.order) == 0 {
		return ""
	}
	return in.order[len(in.order)-1]
}

// describe writes the actor documents.
func (in *Instance) describe() error {
	system := map[string]any{
		"type": "Application", "preferredUsername": strings.TrimPrefix(strings.TrimPrefix(in.ActorURI(), in.origin), "/"),
		"manuallyApprovesFollowers": in.kind == Mastodon,
	}
	switch in.kind {
	case Pleroma:
		system["preferredUsername"] = "relay"
	case Misskey:
		system["type"], system["preferredUsername"] = "Service", "relay.actor"
	default:
		system["preferredUsername"] = in.host
	}
	if err := in.describeActor(in.ActorURI(), system); err != nil {
		return err
	}
	for _, a := range in.authors {
		doc := map[string]any{
			"type": "Person", "preferredUsername": a.name, "name": a.display, "summary": "<p>" + a.bio + "</p>",
			"url": in.origin + "/@" + a.name, "published": "2023-04-01T00:00:00Z", "discoverable": true,
		}
		if a.indexable != nil {
			doc["indexable"] = *a.indexable
		}
		if err := in.describeActor(a.id, doc); err != nil {
			return err
		}
	}
	return nil
}

func (in *Instance) describeActor(id string, doc map[string]any) error {
	doc["@context"] = contextOf(in.kind)
	doc["id"] = id
	doc["inbox"], doc["outbox"], doc["followers"] = id+"/inbox", id+"/outbox", id+"/followers"
	doc["endpoints"] = map[string]any{"sharedInbox": in.origin + "/inbox"}
	doc["publicKey"] = map[string]any{"id": keyOf(id), "owner": id, "publicKeyPem": in.pem}
	body, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("actor document: %w", err)
	}
	in.docs[strings.TrimPrefix(id, in.origin)] = body
	return nil
}

// software is what its NodeInfo says.
func (in *Instance) software() (name, version string) {
	switch in.kind {
	case Pleroma:
		return "pleroma", "2.9.1"
	case Misskey:
		return "misskey", "2026.10.0"
	}
	return "mastodon", "4.5.2"
}

// ServeHTTP is its HTTP surface.
func (in *Instance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		if r.URL.Path != "/inbox" && !strings.HasSuffix(r.URL.Path, "/inbox") {
			http.NotFound(w, r)
			return
		}
		in.inbox(w, r)
		return
	}
	switch r.URL.Path {
	case wellknown.WebFingerPath:
		in.webFinger(w, r)
		return
	case wellknown.NodeInfoPath:
		serve(w, "application/json", fmt.Appendf(nil, `{"links":[{"rel":"http://nodeinfo.diaspora.software/ns/schema/2.0","href":"%s/nodeinfo/2.0"}]}`, in.origin))
		return
	case "/nodeinfo/2.0":
		name, version := in.software()
		serve(w, "application/json", fmt.Appendf(nil, `{"version":"2.0","software":{"name":%q,"version":%q},"protocols":["activitypub"],"services":{"inbound":[],"outbound":[]},"openRegistrations":false,"usage":{"users":{"total":%d}},"metadata":{}}`, name, version, len(in.authors)))
		return
	}
	if in.secure && r.URL.Path != "/actor" {
		if _, err := in.checkRequest(r.Context(), r, nil); err != nil {
			http.Error(w, "secure mode: "+err.Error(), http.StatusUnauthorized)
			return
		}
	}
	if doc, ok := in.docs[r.URL.Path]; ok {
		serve(w, "application/activity+json; charset=utf-8", doc)
		return
	}
	in.mu.Lock()
	o, ok := in.objects[in.origin+r.URL.Path]
	in.mu.Unlock()
	if !ok || !o.public {
		http.NotFound(w, r)
		return
	}
	serve(w, "application/activity+json; charset=utf-8", o.body)
}

func serve(w http.ResponseWriter, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(body)
}

func (in *Instance) webFinger(w http.ResponseWriter, r *http.Request) {
	for _, a := range in.authors {
		if r.URL.Query().Get("resource") != "acct:"+a.name+"@"+in.host {
			continue
		}
		doc, err := wellknown.WebFinger("acct:"+a.name+"@"+in.host, a.id, in.origin+"/@"+a.name)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		serve(w, wellknown.WebFingerContentType, doc)
		return
	}
	http.NotFound(w, r)
}

// Subscribe follows the relay as its software does, and waits until it was
// accepted (Pleroma: until the relay's Follow back was accepted too), refused,
// or the context ends.
func (in *Instance) Subscribe(ctx context.Context) error {
	id := in.origin + "/" + in.unique()
	object := "https://www.w3.org/ns/activitystreams#Public"
	follow := map[string]any{"@context": contextOf(in.kind), "type": "Follow", "actor": in.ActorURI()}
	switch in.kind {
	case Pleroma:
		object = in.n.o.Relay + "/actor"
		follow["to"], follow["state"], follow["cc"], follow["bto"] = []string{object}, "pending", []string{}, []string{}
		id = in.origin + "/activities/" + in.unique()
	case Misskey:
		id = in.origin + "/activities/follow-relay/" + in.unique()
	}
	follow["id"], follow["object"] = id, object
	body, err := json.Marshal(follow)
	if err != nil {
		return err
	}
	in.mu.Lock()
	in.follow, in.followID, in.accepted, in.rejected, in.mutual = body, id, false, false, false
	in.mu.Unlock()
	sent, err := in.deliver(ctx, body, in.keyID())
	if err != nil {
		return fmt.Errorf("%s: follow: %w", in.host, err)
	}
	if sent.Status != http.StatusAccepted {
		return fmt.Errorf("%s: follow: %d %s", in.host, sent.Status, sent.Body)
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

// Unsubscribe undoes the Follow.
func (in *Instance) Unsubscribe(ctx context.Context) error {
	in.mu.Lock()
	follow := in.follow
	in.mu.Unlock()
	body, err := json.Marshal(map[string]any{
		"@context": contextOf(in.kind), "id": in.origin + "/" + in.unique(), "type": "Undo", "actor": in.ActorURI(), "object": follow,
	})
	if err != nil {
		return err
	}
	sent, err := in.deliver(ctx, body, in.keyID())
	if err == nil && sent.Status != http.StatusAccepted {
		err = fmt.Errorf("%s: undo: %d %s", in.host, sent.Status, sent.Body)
	}
	return err
}

// deliver posts to the relay's inbox, properly signed.
func (in *Instance) deliver(ctx context.Context, body []byte, keyID string) (Sent, error) {
	status, answer, err := in.SendRaw(ctx, body, RawOptions{KeyID: keyID})
	return Sent{Status: status, Body: answer}, err
}
