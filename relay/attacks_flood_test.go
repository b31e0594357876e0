package relay_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"hark/activitypub/sig"
	"hark/relay"
	"hark/relay/neighbourhood"
	"hark/storage"
	"hark/storage/sqlite"
)

// TestOneHostFloods (A29): who sends more than its share is asked to wait, and
// the others are heard meanwhile.
func TestOneHostFloods(t *testing.T) {
	s := attacked(t, func(o *relay.Options) { o.HostRate = 20 })
	eve := s.join(t, s.lair)
	s.now(t)
	started := time.Now()
	count := flood(t, s.n, 1000, func(int) letter {
		return letter{body: activityBy("Like", eve, s.in.Origin()+"/n/1"), keyID: eve + "#main-key"}
	})
	// Five seconds' worth at once, and twenty a second.
	if n, most := count["202 type"], 101+int(20*time.Since(started).Seconds())+1; n > most || n < 50 {
		t.Errorf("%d were let in, at most %d should", n, most)
	}
	if count["429 rate-host"]+count["202 type"] != 1000 {
		t.Errorf("answered %v", count)
	}
	s.untouched(t) // the good subscriber speaks from the same address
}

// TestStrangersFlood: those who were never verified share a quarter of the
// node, so that all of them together do not keep the subscribers out.
func TestStrangersFlood(t *testing.T) {
	s := attacked(t, func(o *relay.Options) { o.GlobalRate = 80 })
	s.now(t)
	count := flood(t, s.n, 600, func(i int) letter {
		actor := fmt.Sprintf("https://h%d.example/u", i)
		return letter{body: noteBy(actor, actor, nil), keyID: actor, after: func(r *http.Request) { r.Header.Del("Digest") }}
	})
	if count["503 rate-all"] < 300 {
		t.Errorf("answered %v", count)
	}
	s.untouched(t)
}

// TestFarewells (A24): the Deletes of actors that nobody knows cost no fetch
// and are not repeated, however many arrive.
func TestFarewells(t *testing.T) {
	s := attacked(t, nil)
	s.now(t)
	count := flood(t, s.n, 500, func(i int) letter {
		gone := fmt.Sprintf("%s/gone/%d", s.lair.url, i)
		return letter{body: activityBy("Delete", gone, gone), keyID: gone + "#main-key"}
	})
	if count["202 gone-actor"] != 500 {
		t.Errorf("answered %v", count)
	}
	if n := s.lair.asked(""); n != 0 {
		t.Errorf("%d documents were asked for", n)
	}
	// Nor does such a Delete reach anybody who is there.
	s.kept(t, 0)
	s.now(t)
	send(t, s.n, letter{body: activityBy("Delete", s.in.AuthorURI(0), s.in.AuthorURI(0)), keyID: s.lair.person("/eve", nil) + "#main-key"}).want(t, 401, "actor")
	s.untouched(t)
}

// TestTooMuchInOnePost (A35, A40): what is too much is cut off before it is
// stored; who receives the post gets the author's own bytes.
func TestTooMuchInOnePost(t *testing.T) {
	s := attacked(t, func(o *relay.Options) { o.Consent = relay.ConsentPublic })
	eve := s.join(t, s.lair)
	list := func(n int, item func(i int) map[string]any) []any {
		out := make([]any, n)
		for i := range out {
			out[i] = item(i)
		}
		return out
	}
	keep := func(change func(_, n map[string]any)) (uri string) {
		t.Helper()
		body := noteBy(eve, s.lair.url, func(a, n map[string]any) {
			change(a, n)
			uri = n["id"].(string)
		})
		send(t, s.n, letter{body: body, keyID: eve + "#main-key"}).want(t, 202, "relayed")
		s.settled(t)
		return uri
	}
	poll := keep(func(_, n map[string]any) {
		n["type"], n["oneOf"] = "Question", list(4000, func(i int) map[string]any { return map[string]any{"type": "Note", "name": fmt.Sprint("option ", i)} })
	})
	if p, err := s.store.GetPostByURI(t.Context(), poll); err != nil || len(p.Poll) == 0 || len(p.Poll) > 50 {
		t.Errorf("%d options are stored, %v", len(p.Poll), err)
	}
	long := keep(func(_, n map[string]any) {
		n["content"], n["summary"], n["language"] = strings.Repeat("word ", 80_000), strings.Repeat("x", 200_000), strings.Repeat("y", 100_000)
	})
	if p, err := s.store.GetPostByURI(t.Context(), long); err != nil || len(p.Text) > 100_000 || len(p.Warning) > 100_000 || len(p.Language) > 64 {
		t.Errorf("%d bytes of text, %d of warning, %d of language, %v", len(p.Text), len(p.Warning), len(p.Language), err)
	}
	tags := keep(func(_, n map[string]any) {
		n["tag"] = append(list(1000, func(i int) map[string]any { return map[string]any{"type": "Hashtag", "name": fmt.Sprint("#t", i)} }),
			list(1000, func(i int) map[string]any {
				return map[string]any{"type": "Mention", "name": fmt.Sprintf("@u%d@b.example", i), "href": fmt.Sprint("https://b.example/u", i)}
			})...)
	})
	if p, err := s.store.GetPostByURI(t.Context(), tags); err != nil || len(p.Tags) > 200 || len(p.Mentions) > 200 || len(p.Tags) == 0 {
		t.Errorf("%d hashtags and %d mentions are stored, %v", len(p.Tags), len(p.Mentions), err)
	}
	// Ten thousand options are more values than a document may have.
	send(t, s.n, letter{body: noteBy(eve, s.lair.url, func(_, n map[string]any) {
		n["type"], n["oneOf"] = "Question", list(10_000, func(int) map[string]any { return map[string]any{"type": "Note", "name": "x"} })
	}), keyID: eve + "#main-key"}).want(t, 413, "too-large")
}

// ring starts nodes each of which follows the next one, the last the first. All
// of them are bound before the first one speaks.
func ring(t *testing.T, size int) []*relay.Node {
	t.Helper()
	addrs := reserved(t, size)
	nodes, stores := make([]*relay.Node, size), make([]*sqlite.Store, size)
	for i := range nodes {
		store, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir(), Create: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		stores[i] = store
		key, err := sig.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		nodes[i], err = relay.New(relay.Options{
			Store: store, Key: key, Listen: addrs[i], Upstream: []string{"http://" + addrs[(i+1)%size] + "/inbox"},
			AllowPrivate: true, AllowHTTP: true, HostRate: 1000, GlobalRate: 10000, Classifier: believing{},
			RetryMin: 50 * time.Millisecond, RetryMax: time.Second, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			if err := nodes[i].Stop(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	for _, n := range nodes {
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, 20*time.Second, func() string {
		for i, n := range nodes {
			if sub, err := stores[(i+1)%size].GetSubscriber(t.Context(), n.BaseURL()+"/actor"); err != nil || sub.State != storage.StateActive {
				return "the ring is not closed"
			}
		}
		return ""
	})
	return nodes
}

// TestRings (A28): in rings of two and of three relays every object reaches
// every subscriber once, and comes back to nobody.
func TestRings(t *testing.T) {
	for _, size := range []int{2, 3} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			nodes := ring(t, size)
			var all []*neighbourhood.Instance
			for _, n := range nodes {
				hood := neighbours(t, n, neighbourhood.Options{Mastodon: 1, Pleroma: 1})
				if err := hood.Subscribe(t.Context()); err != nil {
					t.Fatal(err)
				}
				all = append(all, hood.Instances()...)
			}
			var objects []string
			from := map[string]*neighbourhood.Instance{}
			for i, in := range all {
				sent, err := in.Publish(t.Context(), neighbourhood.Post{Entry: neighbourhood.Corpus()[i]})
				if err != nil || sent.Status != http.StatusAccepted {
					t.Fatalf("%+v, %v", sent, err)
				}
				objects = append(objects, sent.ObjectID)
				from[sent.ObjectID] = in
			}
			eventually(t, 30*time.Second, func() string {
				for _, o := range objects {
					for _, in := range all {
						if in != from[o] && len(got(in, o)) == 0 {
							return fmt.Sprintf("%s never reached %s (%s)", o, in.Host(), in.Kind())
						}
					}
				}
				return ""
			})
			eventually(t, 10*time.Second, func() string { return stillGrowing(all) })
			for _, o := range objects {
				for _, in := range all {
					want := 1
					if in == from[o] {
						want = 0
					}
					if n := len(got(in, o)); n != want {
						t.Errorf("%s reached %s %d times, want %d", o, in.Host(), n, want)
					}
				}
			}
		})
	}
}

// TestKeysByTheWordOfOthers (A29): whatever is claimed beside the key id, a
// stranger has a stranger's share; and however many proofs a subscriber's own
// activities are sent with, one host is asked two hundred times at once and
// twenty times a second at most.
func TestKeysByTheWordOfOthers(t *testing.T) {
	s := attacked(t, nil)
	eve := s.join(t, s.lair)
	s.now(t)
	for name, write := range map[string]func(actor, origin string) letter{
		"an acquaintance is named first": func(actor, origin string) letter {
			return letter{body: noteBy(actor, origin, nil), sign: func(r *http.Request) error {
				r.Header.Set("Signature", fmt.Sprintf(`xkeyId="%s#main-key",keyId="%s#main-key",algorithm="rsa-sha256",headers="(request-target) host date digest",signature="c2ln"`, eve, actor))
				return nil
			}}
		},
		"proofs by many actors": func(actor, origin string) letter {
			return letter{keyID: eve + "#main-key", body: noteBy(actor, origin, func(a, _ map[string]any) {
				a["signature"] = map[string]any{"type": "RsaSignature2017", "creator": actor + "#main-key", "created": time.Now().UTC().Format(time.RFC3339), "signatureValue": "c2ln"}
			})}
		},
	} {
		t.Run(name, func(t *testing.T) {
			victim := newLair(t)
			started := time.Now()
			count := flood(t, s.n, 600, func(i int) letter { return write(fmt.Sprintf("%s/users/%d", victim.url, i), victim.url) })
			most := 202 + int(21*time.Since(started).Seconds())
			if name == "an acquaintance is named first" { // what is behind it is a stranger
				most = 42 + int(5*time.Since(started).Seconds())
			}
			if n := victim.asked(""); n > most || n == 0 {
				t.Errorf("%d requests reached the host, at most %d should", n, most)
			}
			if count["202 relayed"] != 0 {
				t.Errorf("answered %v", count)
			}
		})
	}
	s.untouched(t)
}

// reserved are addresses on loopback that were free a moment ago.
func reserved(t *testing.T, n int) []string {
	t.Helper()
	out := make([]string, n)
	for i := range out {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = ln.Close() }()
		out[i] = ln.Addr().String()
	}
	return out
}

// stillGrowing tells whether anything arrived anywhere within a moment.
func stillGrowing(all []*neighbourhood.Instance) string {
	count := func() (n int) {
		for _, in := range all {
			n += len(in.Received())
		}
		return n
	}
	before := count()
	time.Sleep(200 * time.Millisecond) // something that should not arrive cannot be waited for
	if count() != before {
		return "posts still arrive"
	}
	return ""
}
