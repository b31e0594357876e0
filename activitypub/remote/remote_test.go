package remote

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"hark/activitypub"
	"hark/activitypub/sig"
)

func TestMain(m *testing.M) {
	// A server that answers before it has read the whole request waits half a
	// second before it closes the connection.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

var testNow = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := sig.GenerateKey()
	if err != nil {
		panic(err)
	}
	return k
})

// site is a server on loopback; its handlers know its address as base.
func site(t *testing.T, routes map[string]handler) string {
	t.Helper()
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	for pattern, h := range routes {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { h(s.URL, w, r) })
	}
	return s.URL
}

type handler = func(base string, w http.ResponseWriter, r *http.Request)

// answers sends a text as ActivityPub; BASE in it stands for the server.
func answers(text string) handler {
	return func(base string, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", activitypub.ContentType)
		_, _ = io.WriteString(w, strings.ReplaceAll(text, "BASE", base))
	}
}

func status(code int) handler {
	return func(_ string, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func redirects(to string) handler {
	return func(base string, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.ReplaceAll(to, "BASE", base), http.StatusFound)
	}
}

func local(t *testing.T, o Options) *Client {
	t.Helper()
	o.AllowPrivate, o.AllowHTTP = true, true
	o.Now = func() time.Time { return testNow }
	c := New(o)
	t.Cleanup(c.CloseIdle)
	return c
}

func TestObject(t *testing.T) {
	const note = `{"id":"BASE/note","type":"Note"}`
	other := site(t, map[string]handler{
		"/note": answers(`{"id":"BASE/note","type":"Note"}`),
		"/back": func(_ string, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
		},
	})
	typed := func(contentType string) handler {
		return func(base string, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = io.WriteString(w, strings.ReplaceAll(note, "BASE", base))
		}
	}
	base := site(t, map[string]handler{
		"/note": answers(note),
		"/ld": func(base string, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", activitypub.LDContentType)
			fmt.Fprintf(w, `{"id":"%s/ld"}`, base)
		},
		"/html":     typed("text/html"),
		"/json":     typed("application/json"),
		"/plain-ld": typed("application/ld+json"),
		"/untyped": func(_ string, w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			_, _ = io.WriteString(w, note)
		},
		"/twice": func(_ string, w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{activitypub.ContentType, "text/html"}
			_, _ = io.WriteString(w, note)
		},
		"/other-id": answers(note),
		"/no-id":    answers(`{"type":"Note"}`),
		"/broken":   answers(`{"id":`),
		"/gone":     status(410),
		"/missing":  status(404),
		"/secret":   status(401),
		"/empty":    status(204),
		"/big":      answers(`{"id":"BASE/big","x":"` + strings.Repeat("x", 4096) + `"}`),
		"/endless": func(_ string, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", activitypub.ContentType)
			for {
				if _, err := w.Write(make([]byte, 512)); err != nil {
					return
				}
			}
		},
		"/bomb": func(base string, w http.ResponseWriter, _ *http.Request) {
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			fmt.Fprintf(z, `{"id":"%s/bomb","x":"%s"}`, base, strings.Repeat("x", 1<<20))
			_ = z.Close()
			w.Header().Set("Content-Type", activitypub.ContentType)
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed.Bytes())
		},
		"/moved":       redirects("/moved2"),
		"/moved2":      redirects("BASE/moved3"),
		"/moved3":      redirects("/moved4"),
		"/moved4":      redirects("/note"),
		"/to-note":     redirects("/note"),
		"/loop":        redirects("/loop"),
		"/nowhere":     status(302),
		"/password":    redirects("http://u:p@" + "127.0.0.1/note"),
		"/ftp":         redirects("ftp://127.0.0.1/note"),
		"/away":        redirects(other + "/note"),
		"/around":      redirects(other + "/back?to=BASE/note-around"),
		"/note-around": answers(`{"id":"BASE/around","type":"Note"}`),
	})
	c := local(t, Options{MaxBody: 2048})
	for path, want := range map[string]error{
		"/note": nil, "/note#fragment": nil, "/ld": nil, "/around": nil,
		"/html": ErrContentType, "/json": ErrContentType, "/plain-ld": ErrContentType, "/untyped": ErrContentType, "/twice": ErrContentType,
		"/other-id": ErrMismatch, "/no-id": ErrMismatch, "/broken": activitypub.ErrJSON,
		"/gone": ErrGone, "/missing": ErrNotFound, "/secret": ErrStatus(401), "/empty": ErrStatus(204),
		"/big": ErrTooLarge, "/endless": ErrTooLarge, "/bomb": ErrTooLarge,
		"/moved": ErrRedirect, "/loop": ErrRedirect, "/nowhere": ErrRedirect, "/password": ErrRedirect, "/ftp": ErrRedirect,
		"/moved2": ErrMismatch, "/to-note": ErrMismatch, "/away": ErrMismatch,
	} {
		t.Run(path, func(t *testing.T) {
			doc, err := c.Object(context.Background(), base+path)
			if !errors.Is(err, want) {
				t.Fatalf("got %v, want %v", err, want)
			}
			if err == nil && (len(doc.Body) == 0 || !strings.HasPrefix(doc.URL, base) || doc.ContentType == "") {
				t.Errorf("got %+v", doc)
			}
			text := Public(err)
			if (text == "") != (err == nil) || strings.Contains(text, "127.0.0.1") {
				t.Errorf("a peer would read %q", text)
			}
		})
	}
	// Three redirects are followed, and the end is judged by its own id.
	if _, err := c.activity(context.Background(), base+"/moved2", maxActor); err != nil {
		t.Error(err)
	}
}

func TestHTTPSNeverBecomesHTTP(t *testing.T) {
	c := local(t, Options{})
	if _, err := c.follow("https://a.example/1", "http://a.example/1"); !errors.Is(err, ErrRedirect) {
		t.Errorf("got %v", err)
	}
	if iri, err := c.follow("http://a.example/1", "https://a.example/1#x"); err != nil || iri != "https://a.example/1#x" {
		t.Errorf("got %q, %v", iri, err)
	}
}

func TestPrivateAddressesAreRefused(t *testing.T) {
	var hits atomic.Int32
	base := site(t, map[string]handler{
		"/": func(string, http.ResponseWriter, *http.Request) { hits.Add(1) },
	})
	c := New(Options{AllowHTTP: true})
	t.Cleanup(c.CloseIdle)
	for _, address := range []string{base + "/note", strings.Replace(base, "127.0.0.1", "localhost", 1) + "/note"} {
		if _, err := c.Object(context.Background(), address); !errors.Is(err, ErrForbiddenAddress) {
			t.Errorf("get %s: %v", address, err)
		}
		if _, err := c.Post(context.Background(), address, nil, nil); !errors.Is(err, ErrForbiddenAddress) {
			t.Errorf("post %s: %v", address, err)
		}
	}
	if hits.Load() > 0 {
		t.Errorf("the server was reached %d times", hits.Load())
	}
	if text := Public(fmt.Errorf("x: %w", ErrForbiddenAddress)); !strings.Contains(text, "not one that may be requested") {
		t.Errorf("a peer would read %q", text)
	}
}

func TestEveryGetIsSigned(t *testing.T) {
	const keyID = "https://relay.example/actor#main-key"
	var mu sync.Mutex
	var seen []string
	check := func(_ string, w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		v, err := sig.VerifyRequest(r.Context(), r, nil, func(context.Context, string, bool) (sig.Key, error) {
			return sig.Key{ID: keyID, Owner: "https://relay.example/actor", Public: &testKey().PublicKey}, nil
		}, sig.Options{Now: testNow, Host: r.Host})
		if err != nil {
			t.Errorf("%s: %v", r.URL, err)
		}
		seen = append(seen, r.URL.Path+" "+v.KeyID)
		if got := r.Header.Get("Accept"); !strings.Contains(got, activitypub.ContentType) || !strings.Contains(got, "application/ld+json; profile=") {
			t.Errorf("Accept: %q", got)
		}
		if got := r.UserAgent(); got != "hark/1 (+https://relay.example/)" {
			t.Errorf("User-Agent: %q", got)
		}
	}
	base := site(t, map[string]handler{
		"/a": func(base string, w http.ResponseWriter, r *http.Request) {
			check(base, w, r)
			redirects("/b?x=%2F")(base, w, r)
		},
		"/b": func(base string, w http.ResponseWriter, r *http.Request) {
			check(base, w, r)
			answers(`{"id":"BASE/a"}`)(base, w, r)
		},
	})
	c := local(t, Options{UserAgent: "hark/1 (+https://relay.example/)", Signer: &sig.Signer{KeyID: keyID, Private: testKey()}})
	if _, err := c.Object(context.Background(), base+"/a"); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 2 {
		t.Errorf("saw %v", seen)
	}
}

func TestTimeout(t *testing.T) {
	release := make(chan struct{})
	slow := func(_ string, w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}
	base := site(t, map[string]handler{
		"/silent": slow,
		"/drip": func(base string, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", activitypub.ContentType)
			_, _ = io.WriteString(w, `{"id":`)
			_ = http.NewResponseController(w).Flush()
			slow(base, w, r)
		},
	})
	t.Cleanup(func() { close(release) })
	c := local(t, Options{Timeout: 100 * time.Millisecond})
	for _, path := range []string{"/silent", "/drip"} {
		_, err := c.Object(context.Background(), base+path)
		if err == nil {
			t.Fatalf("%s answered", path)
		}
		if text := Public(err); text != "The origin did not answer in time." {
			t.Errorf("%s: a peer would read %q for %v", path, text, err)
		}
	}
	if _, err := c.Post(context.Background(), base+"/silent", []byte("{}"), nil); err == nil {
		t.Error("the post was answered")
	}
}

func TestActorOfKey(t *testing.T) {
	pem, err := sig.PublicPEM(&testKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := os.ReadFile("testdata/rsa1024.pem")
	if err != nil {
		t.Fatal(err)
	}
	quoted := func(b []byte) string { return strings.ReplaceAll(string(b), "\n", `\n`) }
	actor := func(path, keyID, owner, text string) handler {
		return answers(`{"id":"BASE` + path + `","type":"Person","inbox":"BASE` + path + `/inbox","preferredUsername":"u",
			"publicKey":{"id":"` + keyID + `","owner":"` + owner + `","publicKeyPem":"` + text + `"}}`)
	}
	key := func(id, owner string) handler {
		return answers(`{"id":"` + id + `","type":"Key","owner":"` + owner + `","publicKeyPem":"` + quoted(pem) + `"}`)
	}
	other := site(t, map[string]handler{
		"/u": actor("/u", "BASE/u#main-key", "BASE/u", quoted(pem)),
	})
	base := site(t, map[string]handler{
		"/mastodon":      actor("/mastodon", "BASE/mastodon#main-key", "BASE/mastodon", quoted(pem)),
		"/gts":           actor("/gts", "BASE/gts/main-key", "BASE/gts", quoted(pem)),
		"/gts/main-key":  answers(`{"id":"BASE/gts","type":"Person","preferredUsername":"u","publicKey":{"id":"BASE/gts/main-key","owner":"BASE/gts","publicKeyPem":"x"}}`),
		"/split":         actor("/split", "BASE/split/key", "BASE/split", quoted(pem)),
		"/split/key":     key("BASE/split/key", "BASE/split"),
		"/unlisted/key":  key("BASE/unlisted/key", "BASE/mastodon"),
		"/foreign/key":   key("BASE/foreign/key", other+"/u"),
		"/renamed/key":   key("BASE/split/key", "BASE/split"),
		"/foreign-actor": answers(`{"id":"` + other + `/u","type":"Person","inbox":"` + other + `/u/inbox"}`),
		"/others-key":    actor("/others-key", "BASE/others-key#main-key", "BASE/mastodon", quoted(pem)),
		"/weak":          actor("/weak", "BASE/weak#main-key", "BASE/weak", quoted(weak)),
		"/noise":         actor("/noise", "BASE/noise#main-key", "BASE/noise", "hello"),
		"/note":          answers(`{"id":"BASE/note","type":"Note"}`),
		"/orphan/key":    key("BASE/orphan/key", "BASE/nobody"),
		"/gone":          status(410),
		"/elsewhere":     redirects(other + "/u"),
	})
	c := local(t, Options{})
	for _, tc := range []struct {
		keyID, owner string
		want         error
	}{
		{"/mastodon#main-key", "/mastodon", nil},
		{"/gts/main-key", "/gts", nil},
		{"/split/key", "/split", nil},
		{"/mastodon#other-key", "", sig.ErrOwner},
		{"/unlisted/key", "", sig.ErrOwner},
		{"/foreign/key", "", sig.ErrOwner},
		{"/foreign-actor#main-key", "", sig.ErrOwner},
		{"/others-key#main-key", "", sig.ErrOwner},
		{"/renamed/key", "", ErrMismatch},
		{"/elsewhere#main-key", "", ErrMismatch},
		{"/weak#main-key", "", sig.ErrWeakKey},
		{"/noise#main-key", "", sig.ErrKeyUnavailable},
		{"/note#main-key", "", activitypub.ErrType},
		{"/orphan/key", "", ErrNotFound},
		{"/gone#main-key", "", ErrGone},
	} {
		t.Run(tc.keyID, func(t *testing.T) {
			actor, key, body, err := c.ActorOfKey(context.Background(), base+tc.keyID)
			if !errors.Is(err, tc.want) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
			if err != nil {
				return
			}
			if actor.ID != base+tc.owner || key.Owner != actor.ID || key.ID != base+tc.keyID || !testKey().PublicKey.Equal(key.Public) {
				t.Errorf("got actor %q, key %+v", actor.ID, key)
			}
			if again, err := activitypub.ParseActor(body); err != nil || again.ID != actor.ID || again.Inbox == "" {
				t.Errorf("the document is not the actor's: %v", err)
			}
		})
	}
}

func TestPost(t *testing.T) {
	var mu sync.Mutex
	var hits []string
	base := site(t, map[string]handler{
		"/": func(base string, w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			mu.Lock()
			hits = append(hits, r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Type")+" "+string(body)+" "+r.Header.Get("X-Signed"))
			mu.Unlock()
			switch r.URL.Path {
			case "/busy":
				w.Header().Set("Retry-After", "120")
				w.WriteHeader(429)
			case "/moved":
				http.Redirect(w, r, "/inbox", http.StatusTemporaryRedirect)
			case "/verbose":
				w.WriteHeader(403)
				_, _ = io.WriteString(w, "no\x00\x1b[31m,\r\n\tplease "+strings.Repeat("é", 4000))
			default:
				w.WriteHeader(202)
			}
		},
	})
	c := local(t, Options{})
	for path, want := range map[string]Response{
		"/inbox":   {Status: 202},
		"/busy":    {Status: 429, RetryAfter: 2 * time.Minute},
		"/moved":   {Status: 307},
		"/verbose": {Status: 403},
	} {
		got, err := c.Post(context.Background(), base+path, []byte(`{"a":1}`), func(r *http.Request, _ sig.Scheme) error {
			r.Header.Set("X-Signed", "yes")
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got.Status != want.Status || got.RetryAfter != want.RetryAfter || got.Took <= 0 || len(got.Body) > maxExcerpt {
			t.Errorf("%s: got %+v", path, got)
		}
		if path == "/verbose" && !strings.HasPrefix(got.Body, "no[31m, please é") {
			t.Errorf("excerpt is %q", got.Body)
		}
	}
	if len(hits) != 4 {
		t.Errorf("%d requests: %v", len(hits), hits)
	}
	for _, h := range hits {
		if !strings.HasSuffix(h, activitypub.ContentType+` {"a":1} yes`) {
			t.Errorf("request was %q", h)
		}
	}
	refused := errors.New("no key")
	if _, err := c.Post(context.Background(), base+"/inbox", nil, func(*http.Request, sig.Scheme) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
}

func TestConnectionsAreKept(t *testing.T) {
	var mu sync.Mutex
	peers := make(map[string]bool)
	base := site(t, map[string]handler{
		"/": func(_ string, w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			peers[r.RemoteAddr] = true
			mu.Unlock()
			_, _ = io.WriteString(w, strings.Repeat("x", 2000))
		},
	})
	c := local(t, Options{})
	for range 10 {
		if _, err := c.Post(context.Background(), base, []byte("{}"), nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(peers) != 1 {
		t.Errorf("10 posts took %d connections", len(peers))
	}
}

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "30": 30 * time.Second, " 30 ": 30 * time.Second, "-5": 0, "soon": 0, "1.5": 0,
		"86400": 24 * time.Hour, "999999": 24 * time.Hour, "99999999999999999999": 0,
		testNow.Add(time.Hour).Format(http.TimeFormat):        time.Hour,
		testNow.Add(-time.Hour).Format(http.TimeFormat):       0,
		testNow.Add(9000 * time.Hour).Format(http.TimeFormat): 24 * time.Hour,
	} {
		if got := retryAfter(value, testNow); got != want {
			t.Errorf("%q: got %s, want %s", value, got, want)
		}
	}
}

func TestNodeInfo(t *testing.T) {
	plain := func(text string) handler {
		return func(base string, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_, _ = io.WriteString(w, strings.ReplaceAll(text, "BASE", base))
		}
	}
	const index = `{"links":[{"rel":"http://nodeinfo.diaspora.software/ns/schema/2.0","href":"BASE/nodeinfo/2.0"}]}`
	const info = `{"version":"2.0","software":{"name":"Mastodon","version":"4.5.0"}}`
	good := site(t, map[string]handler{
		"/.well-known/nodeinfo": plain(index), "/nodeinfo/2.0": plain(info),
	})
	c := local(t, Options{})
	name, version, err := c.NodeInfo(context.Background(), good+"/")
	if err != nil || name != "mastodon" || version != "4.5.0" {
		t.Fatalf("got %q %q %v", name, version, err)
	}
	for what, tc := range map[string]struct {
		routes map[string]handler
		want   error
	}{
		"elsewhere": {map[string]handler{
			"/.well-known/nodeinfo": plain(strings.ReplaceAll(index, "BASE", good)),
		}, ErrMismatch},
		"a page": {map[string]handler{
			"/.well-known/nodeinfo": func(_ string, w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		}, ErrContentType},
		"none": {map[string]handler{}, ErrNotFound},
		"50 MB": {map[string]handler{
			"/.well-known/nodeinfo": plain(index), "/nodeinfo/2.0": plain(`{"x":"` + strings.Repeat("x", maxNodeInfo) + `"}`),
		}, ErrTooLarge},
		"redirected": {map[string]handler{
			"/.well-known/nodeinfo": redirects(good + "/.well-known/nodeinfo"),
		}, nil},
	} {
		if _, _, err := c.NodeInfo(context.Background(), site(t, tc.routes)); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", what, err, tc.want)
		}
	}
}
