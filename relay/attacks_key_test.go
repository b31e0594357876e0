package relay_test

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"hark/activitypub"
	"hark/relay"
)

// TestKeyAttacks: a key counts only if its owner, on the key's own origin,
// lists it, in a document of the right content type, and if it is strong.
func TestKeyAttacks(t *testing.T) {
	s := attacked(t, nil)
	victim, elsewhere := s.in.AuthorURI(0), newLair(t)
	s.now(t)
	l := s.lair
	pem := string(actorDocument(l.url+"/x", &foe().PublicKey, nil))
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	l.serve("/weak", "", string(actorDocument(l.url+"/weak", &weak.PublicKey, nil)))
	l.person("/mallory", nil)
	l.person("/unlisting", func(d map[string]any) { delete(d, "publicKey") })
	l.person("/borrows", func(d map[string]any) { d["publicKey"].(map[string]any)["owner"] = l.url + "/mallory" })
	l.person("/impostor", func(d map[string]any) { d["id"] = victim })
	l.serve("/key", "", string(marshal(map[string]any{"id": l.url + "/key", "owner": victim, "type": "Key", "publicKeyPem": pem})))
	l.serve("/orphan", "", string(marshal(map[string]any{"id": l.url + "/orphan", "owner": l.url + "/unlisting", "type": "Key", "publicKeyPem": pem})))
	// What a server keeps for its users has the right bytes and the wrong type.
	for _, upload := range []string{"application/json", "text/plain", "text/html", "image/png", "application/ld+json", "application/octet-stream"} {
		path := "/media/" + strings.ReplaceAll(upload, "/", "-")
		l.serve(path, upload, string(actorDocument(l.url+path, &foe().PublicKey, nil)))
	}
	l.handle("/moves", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.url+"/moves", http.StatusFound)
	})
	elsewhere.serve("/moves", "", string(actorDocument(l.url+"/moves", &foe().PublicKey, nil)))
	l.handle("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	l.handle("/file", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "file:///etc/passwd")
		w.WriteHeader(http.StatusFound)
	})
	l.serve("/huge", "", `{"id":"`+l.url+`/huge","x":"`+strings.Repeat("x", 2<<20)+`"}`)
	l.handle("/bomb", func(w http.ResponseWriter, _ *http.Request) {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, _ = z.Write(bytes.Repeat([]byte(" "), 16<<20))
		_ = z.Close()
		w.Header().Set("Content-Type", activitypub.ContentType)
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	})

	for _, tt := range []struct {
		name, path string
		key        *rsa.PrivateKey
		reason     string
	}{
		{"1,024 bits", "/weak", weak, "key-weak"},
		{"owner lists no key (A5)", "/unlisting", nil, "key-owner"},
		{"key of another actor of the origin", "/borrows", nil, "key-owner"},
		{"document with the victim's id", "/impostor", nil, "key-owner"},
		{"key document that names the victim", "/key", nil, "key-owner"},
		{"key document whose owner does not list it", "/orphan", nil, "key-owner"},
		{"upload as JSON", "/media/application-json", nil, "key-unavailable"},
		{"upload as text", "/media/text-plain", nil, "key-unavailable"},
		{"upload as a page", "/media/text-html", nil, "key-unavailable"},
		{"upload as an image", "/media/image-png", nil, "key-unavailable"},
		{"upload as JSON-LD without the profile", "/media/application-ld+json", nil, "key-unavailable"},
		{"upload as bytes", "/media/application-octet-stream", nil, "key-unavailable"},
		{"redirected to another origin", "/moves", nil, "key-unavailable"},
		{"redirected in a circle", "/loop", nil, "key-unavailable"},
		{"redirected to a file", "/file", nil, "forbidden-address"},
		{"two MiB", "/huge", nil, "key-unavailable"},
		{"sixteen MiB, packed", "/bomb", nil, "key-unavailable"},
		{"nothing there", "/nothing", nil, "key-unavailable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id := l.url + tt.path
			keyID := id + "#main-key"
			if strings.Contains(tt.name, "key document") {
				keyID = id
			}
			send(t, s.n, letter{body: noteBy(id, l.url, nil), keyID: keyID, key: tt.key}).want(t, 401, tt.reason)
			asked := l.asked("GET ")
			// It is not asked for again at once.
			send(t, s.n, letter{body: noteBy(id, l.url, nil), keyID: keyID, key: tt.key}).want(t, 401, tt.reason)
			if more := l.asked("GET ") - asked; more != 0 {
				t.Errorf("asked %d times more for a key that is known to be bad", more)
			}
			send(t, s.n, letter{body: noteBy(victim, s.in.Origin(), nil), keyID: keyID, key: tt.key}).want(t, 401, tt.reason)
		})
	}
	if n := l.asked("GET /unlisting"); n != 2 {
		t.Errorf("an owner was asked %d times, want once for itself and once for the key document", n)
	}
	if n := l.asked("GET /loop"); n > 4 {
		t.Errorf("a redirect was followed %d times", n)
	}
	s.untouched(t)
}

// TestSomebodyElsesWord: a good key proves its owner and nobody else.
func TestSomebodyElsesWord(t *testing.T) {
	s := attacked(t, nil)
	eve := s.join(t, s.lair)
	mallory := s.lair.person("/mallory", nil)
	victim, origin := s.in.AuthorURI(0), s.in.Origin()
	s.now(t)
	upper := strings.Replace(victim, "http://", "HTTP://", 1)
	for _, tt := range []struct {
		name, keyID string
		body        []byte
		status      int
		reason      string
	}{
		{"actor on another host (A1)", eve, noteBy(victim, origin, nil), 401, "actor"},
		{"actor next door (A2)", mallory, noteBy(eve, s.lair.url, nil), 401, "actor"},
		{"actor in other letters", eve, noteBy(upper, origin, nil), 401, "actor"},
		{"victim's key id, attacker's key", victim, noteBy(victim, origin, nil), 401, "signature-wrong"},
		{"activity id on the victim's host (A23)", eve, noteBy(eve, origin, func(_, n map[string]any) { n["id"] = s.lair.url + "/n/own" }), 403, "origin"},
		{"object id on the victim's host (A23)", eve, noteBy(eve, s.lair.url, func(_, n map[string]any) { n["id"] = origin + "/n/1" }), 403, "origin"},
		{"object attributed to the victim", eve, noteBy(eve, s.lair.url, func(_, n map[string]any) { n["attributedTo"] = victim }), 401, "actor"},
		{"object by the neighbour", eve, noteBy(eve, s.lair.url, func(_, n map[string]any) { n["attributedTo"] = mallory }), 401, "actor"},
		{"object with an actor of its own", eve, noteBy(eve, s.lair.url, func(_, n map[string]any) { n["actor"] = victim }), 401, "actor"},
		{"two actors", eve, noteBy(eve, s.lair.url, func(a, _ map[string]any) { a["actor"] = []string{eve, victim} }), 400, "field"},
		{"two objects", eve, noteBy(eve, s.lair.url, func(a, n map[string]any) { a["object"] = []any{n, map[string]any{"id": origin + "/n/1"}} }), 400, "field"},
		{"victim's profile", eve, activityBy("Update", eve, map[string]any{"id": victim, "type": "Person", "inbox": eve + "/inbox"}), 403, "origin"},
		{"neighbour's profile", eve, activityBy("Update", eve, map[string]any{"id": mallory, "type": "Person", "inbox": eve + "/inbox"}), 401, "actor"},
		{"Move of the victim", eve, activityBy("Move", eve, victim), 401, "actor"},
		{"Move of the neighbour", eve, activityBy("Move", eve, mallory), 401, "actor"},
		{"Delete of the victim", eve, activityBy("Delete", eve, victim), 403, "origin"},
		{"Delete in the victim's name", eve, activityBy("Delete", victim, origin+"/n/1"), 401, "actor"},
		{"Undo of the victim's Follow (A3)", eve, activityBy("Undo", s.in.ActorURI(), map[string]any{"type": "Follow", "actor": s.in.ActorURI(), "object": activitypub.Public}), 401, "actor"},
		{"inner actor is the victim (A4)", eve, activityBy("Undo", eve, map[string]any{"type": "Follow", "actor": s.in.ActorURI(), "object": activitypub.Public}), 403, "inner-actor"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			send(t, s.n, letter{body: tt.body, keyID: tt.keyID + "#main-key"}).want(t, tt.status, tt.reason)
		})
	}
	s.untouched(t)
}

// flood sends many letters at once and counts the answers by reason.
func flood(t *testing.T, n *relay.Node, letters int, write func(i int) letter) map[string]int {
	t.Helper()
	var mu sync.Mutex
	count := map[string]int{}
	var wg sync.WaitGroup
	next := counted(letters)
	for range 16 {
		wg.Go(func() {
			for i := range next {
				a, err := trySend(t.Context(), n, write(i))
				if err != nil {
					t.Error(err)
					continue
				}
				if a.status == http.StatusTooManyRequests && a.retry == "" {
					t.Error("429 without Retry-After")
				}
				mu.Lock()
				count[fmt.Sprintf("%d %s", a.status, a.reason)]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return count
}

// counted is a closed channel that holds 0 to n-1.
func counted(n int) <-chan int {
	c := make(chan int, n)
	for i := range n {
		c <- i
	}
	close(c)
	return c
}

// TestManyKeys (A29): as many key ids of one host as one likes do not make
// Hark ask that host for as many documents.
func TestManyKeys(t *testing.T) {
	s := attacked(t, nil)
	victim := newLair(t)
	s.now(t)
	value := "c2lnbmF0dXJl" // what it says is looked at last
	sign := func(keyID string) func(*http.Request) error {
		return func(r *http.Request) error {
			r.Header.Set("Signature", fmt.Sprintf(`keyId="%s",algorithm="rsa-sha256",headers="(request-target) host date digest",signature="%s"`, keyID, value))
			return nil
		}
	}
	started := time.Now()
	count := flood(t, s.n, 2000, func(i int) letter {
		actor := fmt.Sprintf("%s/users/%d", victim.url, i)
		return letter{body: noteBy(actor, victim.url, nil), sign: sign(actor + "#main-key")}
	})
	// Forty at once and four a second, the word of a stranger being all there is.
	if most, n := 42+int(5*time.Since(started).Seconds()), victim.asked(""); n > most || n == 0 {
		t.Errorf("%d requests reached the host, at most %d should", n, most)
	}
	if count["429 rate-host"] < 1000 || count["401 key-unavailable"] == 0 {
		t.Errorf("answered %v", count)
	}
	// One key id, however often, is asked for once.
	before := victim.asked("")
	other := newLair(t)
	flood(t, s.n, 200, func(int) letter {
		actor := other.url + "/users/one"
		return letter{body: noteBy(actor, other.url, nil), sign: sign(actor + "#main-key")}
	})
	if n := other.asked(""); n != 1 {
		t.Errorf("one key was asked for %d times", n)
	}
	if victim.asked("") != before {
		t.Error("the first host was asked again")
	}
	s.untouched(t)
}
