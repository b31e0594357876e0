package relay_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hark/activitypub"
	"hark/activitypub/sig"
	"hark/relay"
	"hark/relay/neighbourhood"
	"hark/storage"
	"hark/storage/sqlite"
)

// The tests in the files attacks_*_test.go are the rows of docs/security.md
// that are shown through a whole node. What attacks is not a neighbour: it
// signs by hand, serves what it likes and counts who asks.

// foe is the attacker's key. One serves all tests: making keys takes time.
var foe = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// lair is a server of the attacker on loopback.
type lair struct {
	url string

	mu    sync.Mutex // guards what follows
	pages map[string]http.HandlerFunc
	hits  []string // "GET /path" of every request, in order
}

func newLair(t *testing.T) *lair {
	t.Helper()
	l := &lair{pages: map[string]http.HandlerFunc{}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		l.hits = append(l.hits, r.Method+" "+r.URL.Path)
		h := l.pages[r.URL.Path]
		l.mu.Unlock()
		switch {
		case h != nil:
			h(w, r)
		case r.Method == http.MethodPost:
			w.WriteHeader(http.StatusAccepted)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	l.url = s.URL
	return l
}

// asked counts the requests whose method and path begin like that.
func (l *lair) asked(prefix string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, h := range l.hits {
		if strings.HasPrefix(h, prefix) {
			n++
		}
	}
	return n
}

func (l *lair) handle(path string, h http.HandlerFunc) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pages[path] = h
	return l.url + path
}

// serve answers a path with a text; "" is the content type of ActivityPub.
func (l *lair) serve(path, contentType, body string) string {
	if contentType == "" {
		contentType = activitypub.ContentType
	}
	return l.handle(path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, body)
	})
}

// person serves an actor with the attacker's key and returns its id.
func (l *lair) person(path string, change func(map[string]any)) string {
	return l.serve(path, "", string(actorDocument(l.url+path, &foe().PublicKey, change)))
}

func actorDocument(id string, key *rsa.PublicKey, change func(map[string]any)) []byte {
	pem, err := sig.PublicPEM(key)
	if err != nil {
		panic(err)
	}
	doc := map[string]any{
		"@context": "https://www.w3.org/ns/activitystreams", "id": id, "type": "Person", "preferredUsername": "eve",
		"inbox": id + "/inbox", "publicKey": map[string]any{"id": id + "#main-key", "owner": id, "publicKeyPem": string(pem)},
	}
	if change != nil {
		change(doc)
	}
	body, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return body
}

// acquaint lets the node know an actor with the attacker's key as though it
// had been fetched, so that hosts can be tried that do not exist.
func acquaint(t *testing.T, store *sqlite.Store, id string, change func(map[string]any)) {
	t.Helper()
	rec := storage.Actor{ID: id, Document: actorDocument(id, &foe().PublicKey, change), Fetched: time.Now()}
	if iri, err := activitypub.ParseIRI(id); err == nil {
		rec.Host = iri.Host()
	}
	if err := store.PutActor(t.Context(), &rec); err != nil {
		t.Fatal(err)
	}
}

// letter is a delivery; the zero value of a field is what a good one has.
type letter struct {
	body      []byte
	keyID     string
	key       *rsa.PrivateKey           // foe
	algorithm string                    // rsa-sha256
	covered   string                    // as Mastodon's
	before    func(*http.Request)       // changes the request, and then it is signed
	sign      func(*http.Request) error // instead of signing by draft-cavage
	after     func(*http.Request)       // changes what was signed
}

// answered is what the node said.
type answered struct {
	status int
	reason string
	retry  string // Retry-After
	text   string
}

func digestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// signedLetter makes a request by draft-cavage, with nothing but crypto/rsa.
func signedLetter(ctx context.Context, n *relay.Node, l letter) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, n.BaseURL()+"/inbox", bytes.NewReader(l.body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", activitypub.ContentType)
	r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	r.Header.Set("Digest", "SHA-256="+digestOf(l.body))
	if l.before != nil {
		l.before(r)
	}
	host := r.Host
	if l.sign == nil {
		l.sign = l.cavage
	}
	if err := l.sign(r); err != nil {
		return nil, err
	}
	if r.Host = host; l.after != nil {
		l.after(r)
	}
	return r, nil
}

func (l letter) cavage(r *http.Request) error {
	covered := l.covered
	if covered == "" {
		covered = "(request-target) host date digest content-type"
	}
	lines := []string{}
	for _, name := range strings.Fields(covered) {
		value := strings.Join(r.Header.Values(name), ", ")
		switch name {
		case "(request-target)":
			value = strings.ToLower(r.Method) + " " + r.URL.RequestURI()
		case "host":
			value = r.Host
		}
		lines = append(lines, name+": "+value)
	}
	key, algorithm := l.key, l.algorithm
	if key == nil {
		key = foe()
	}
	if algorithm == "" {
		algorithm = "rsa-sha256"
	}
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	value, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		return err
	}
	r.Header.Set("Signature", fmt.Sprintf(`keyId="%s",algorithm="%s",headers="%s",signature="%s"`, l.keyID, algorithm, covered, base64.StdEncoding.EncodeToString(value)))
	return nil
}

// send delivers a letter to the inbox.
func send(t *testing.T, n *relay.Node, l letter) answered {
	t.Helper()
	a, err := trySend(t.Context(), n, l)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func trySend(ctx context.Context, n *relay.Node, l letter) (answered, error) {
	r, err := signedLetter(ctx, n, l)
	if err != nil {
		return answered{}, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return answered{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return answered{}, err
	}
	var p struct{ Reason string }
	_ = json.Unmarshal(text, &p) // an answer without a reason fails where it is compared
	return answered{resp.StatusCode, p.Reason, resp.Header.Get("Retry-After"), string(text)}, nil
}

// want compares an answer.
func (a answered) want(t *testing.T, status int, reason string) {
	t.Helper()
	if a.status != status || a.reason != reason {
		t.Errorf("answered %d %s (%.300s), want %d %s", a.status, a.reason, a.text, status, reason)
	}
}

var serial atomic.Int64

// noteBy is a public Create of a Note, whose ids are on the origin given.
func noteBy(actor, origin string, change func(activity, note map[string]any)) []byte {
	k := serial.Add(1)
	note := map[string]any{
		"id": fmt.Sprintf("%s/n/%d", origin, k), "type": "Note", "attributedTo": actor, "to": activitypub.Public,
		"content": "<p>nothing of the kind</p>", "published": time.Now().UTC().Format(time.RFC3339),
	}
	activity := map[string]any{
		"@context": "https://www.w3.org/ns/activitystreams", "id": fmt.Sprintf("%s/a/%d", origin, k), "type": "Create", "actor": actor,
		"to": activitypub.Public, "object": note,
	}
	if change != nil {
		change(activity, note)
	}
	return marshal(activity)
}

// activityBy is any other activity, addressed to the public.
func activityBy(typ, actor string, object any) []byte {
	origin := actor
	if iri, err := activitypub.ParseIRI(actor); err == nil {
		origin = iri.Origin()
	}
	return marshal(map[string]any{
		"@context": "https://www.w3.org/ns/activitystreams", "id": fmt.Sprintf("%s/a/%d", origin, serial.Add(1)),
		"type": typ, "actor": actor, "to": activitypub.Public, "object": object,
	})
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// scene is a node with subscribers that are what they seem, and an attacker.
type scene struct {
	n     *relay.Node
	store *sqlite.Store
	hood  *neighbourhood.Neighbourhood
	in    *neighbourhood.Instance // publishes
	to    *neighbourhood.Instance // listens
	lair  *lair
	head  int64
	posts int64
}

func attacked(t *testing.T, change func(*relay.Options)) *scene {
	t.Helper()
	s := &scene{lair: newLair(t)}
	s.n, s.store = node(t, change)
	s.hood = neighbours(t, s.n, neighbourhood.Options{Mastodon: 2, AuthorsPerInstance: 2})
	s.in, s.to = s.hood.Instances()[0], s.hood.Instances()[1]
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.hood.Subscribe(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

// join lets the attacker's server subscribe, as anybody may.
func (s *scene) join(t *testing.T, l *lair) string {
	t.Helper()
	id := l.person("/service", func(d map[string]any) { d["type"] = "Application" })
	send(t, s.n, letter{body: activityBy("Follow", id, activitypub.Public), keyID: id + "#main-key"}).want(t, 202, "subscribed")
	eventually(t, 10*time.Second, func() string {
		if sub, err := s.store.GetSubscriber(t.Context(), id); err != nil || sub.State != storage.StateActive {
			return "the attacker's subscription is not active"
		}
		return ""
	})
	return id
}

// now notes what is there; untouched wants it unchanged.
func (s *scene) now(t *testing.T) {
	t.Helper()
	s.head, s.posts = s.figures(t)
}

func (s *scene) figures(t *testing.T) (head, posts int64) {
	t.Helper()
	_, head, err := s.store.Bounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	st, err := s.store.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return head, st.Posts
}

// untouched: nothing was journaled since, so nothing can be stored or fanned
// out; a post that is sent last is the next thing that arrives.
func (s *scene) untouched(t *testing.T) {
	t.Helper()
	if head, posts := s.figures(t); head != s.head || posts != s.posts {
		t.Errorf("the journal grew from %d to %d, the posts from %d to %d", s.head, head, s.posts, posts)
	}
	before := len(s.to.Received())
	sent, err := s.in.Publish(t.Context(), neighbourhood.Post{Entry: neighbourhood.Corpus()[0]})
	if err != nil || sent.Status != http.StatusAccepted {
		t.Fatalf("a good post: %+v, %v", sent, err)
	}
	eventually(t, 10*time.Second, func() string {
		if len(got(s.to, sent.ObjectID)) == 0 {
			return "a good post does not arrive"
		}
		return ""
	})
	if after := s.to.Received(); len(after) != before+1 {
		for _, r := range after[before:] {
			t.Errorf("%s %s reached another subscriber", r.Type, r.ObjectID)
		}
	}
}

// settled waits until the listener has read the whole journal and every
// subscriber has got it.
func (s *scene) settled(t *testing.T) {
	t.Helper()
	eventually(t, 20*time.Second, func() string {
		cursor, err := s.store.ListenCursor(t.Context())
		if head, _ := s.figures(t); err != nil || cursor < head {
			return "the listener is behind"
		}
		subs, err := s.store.ListSubscribers(t.Context(), storage.SubscriberFilter{States: []storage.SubscriberState{storage.StateActive}})
		for _, sub := range subs {
			if head, _ := s.figures(t); err != nil || sub.Cursor < head {
				return sub.Actor + " is behind"
			}
		}
		return ""
	})
}
