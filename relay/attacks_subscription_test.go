package relay_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"hark/activitypub"
	"hark/relay"
	"hark/storage"
)

// TestFollowAttacks (A3, A4, A31, A32): a subscription is its actor's own, and
// delivers to the actor's own origin.
func TestFollowAttacks(t *testing.T) {
	s := attacked(t, nil)
	victim := newLair(t)
	s.now(t)
	inbox := func(to any) func(map[string]any) { return func(d map[string]any) { d["inbox"] = to } }
	l := s.lair
	for _, tt := range []struct {
		name   string
		change func(map[string]any)
	}{
		{"the victim's inbox (A32)", inbox(victim.url + "/inbox")},
		{"the victim's inbox, by user name", inbox(strings.Replace(l.url, "http://", "http://"+strings.TrimPrefix(l.url, "http://")+"@", 1) + "/inbox")},
		{"another port", inbox("http://127.0.0.1:22/inbox")},
		{"another scheme", inbox(strings.Replace(l.url, "http:", "https:", 1) + "/inbox")},
		{"a file", inbox("file:///dev/null")},
		{"CR and LF (A31)", inbox(l.url + "/inbox\r\nX-Evil: 1")},
		{"NUL (A31)", inbox(l.url + "/inbox\x00")},
		{"no inbox", inbox(nil)},
		{"an inbox of numbers", inbox(7)},
		{"a list of inboxes", inbox([]string{victim.url + "/inbox", l.url + "/inbox"})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id := l.person("/"+fmt.Sprint(serial.Add(1)), tt.change)
			// An actor document that cannot be read names no key either.
			a := send(t, s.n, letter{body: activityBy("Follow", id, activitypub.Public), keyID: id + "#main-key"})
			if a.status < 400 || a.status > 401 || a.reason == "" {
				t.Errorf("answered %d %s (%.200s)", a.status, a.reason, a.text)
			}
			if strings.Contains(tt.name, "victim") {
				a.want(t, 400, "follow")
			}
			if _, err := s.store.GetSubscriber(t.Context(), id); err == nil {
				t.Error("it became a subscriber")
			}
		})
	}
	eve := l.person("/eve", nil)
	for _, tt := range []struct {
		name   string
		body   []byte
		status int
		reason string
	}{
		{"of somebody else", activityBy("Follow", eve, s.in.AuthorURI(0)), 400, "follow"},
		{"of nothing", activityBy("Follow", eve, nil), 400, "follow"},
		{"with a megabyte in it", []byte(strings.Replace(string(activityBy("Follow", eve, activitypub.Public)), `{`, `{"x":"`+strings.Repeat("x", 1_000_000)+`",`, 1)), 400, "follow"},
		{"in the victim's name", activityBy("Follow", s.in.ActorURI(), activitypub.Public), 401, "actor"},
		{"Undo of the victim's Follow (A3)", activityBy("Undo", s.in.ActorURI(), map[string]any{"type": "Follow", "actor": s.in.ActorURI(), "object": activitypub.Public}), 401, "actor"},
		{"Undo with the victim inside (A4)", activityBy("Undo", eve, map[string]any{"type": "Follow", "actor": s.in.ActorURI(), "object": activitypub.Public}), 403, "inner-actor"},
		{"Undo of what never was", activityBy("Undo", eve, map[string]any{"type": "Follow", "actor": eve, "object": activitypub.Public}), 202, "unknown"},
		{"Accept of no Follow of ours", activityBy("Accept", eve, map[string]any{"type": "Follow", "id": s.n.BaseURL() + "/activities/1", "actor": s.n.BaseURL() + "/actor", "object": eve}), 202, "unknown"},
		{"Reject of the victim's Accept", activityBy("Reject", eve, s.in.ActorURI()), 202, "unknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			send(t, s.n, letter{body: tt.body, keyID: eve + "#main-key"}).want(t, tt.status, tt.reason)
		})
	}
	s.untouched(t)
	for _, in := range s.hood.Instances() {
		if sub, err := s.store.GetSubscriber(t.Context(), in.ActorURI()); err != nil || sub.State != storage.StateActive {
			t.Errorf("the victim's subscription is %+v, %v", sub, err)
		}
	}
	if n := victim.asked(""); n != 0 {
		t.Errorf("the victim was asked %d times", n)
	}
}

// TestNothingBeforeTheAccept: who cannot be reached at the inbox named gets no
// fan-out, so nobody is flooded who did not ask for it.
func TestNothingBeforeTheAccept(t *testing.T) {
	s := attacked(t, nil)
	for path, status := range map[string]int{"/refuses": 403, "/broken": 500, "/redirects": 307} {
		id := s.lair.person(path, nil)
		s.lair.handle(path+"/inbox", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		})
		send(t, s.n, letter{body: activityBy("Follow", id, activitypub.Public), keyID: id + "#main-key"}).want(t, 202, "subscribed")
	}
	s.now(t)
	s.untouched(t)
	for _, path := range []string{"/refuses", "/broken", "/redirects"} {
		if sub, err := s.store.GetSubscriber(t.Context(), s.lair.url+path); err != nil || sub.State != storage.StateAccepting {
			t.Errorf("%s: %+v, %v", path, sub, err)
		}
	}
	if s.lair.asked("POST /elsewhere") != 0 {
		t.Error("a redirect of an inbox was followed")
	}
}

// TestSubdomainFlood (A33): of one registrable domain ten may subscribe; more
// need the operator. Other domains are not held up.
func TestSubdomainFlood(t *testing.T) {
	n, store := node(t, func(o *relay.Options) { o.AllowPrivate, o.AllowHTTP = false, false })
	follow := func(host string) answered {
		t.Helper()
		id := "https://" + host + "/actor"
		acquaint(t, store, id, nil)
		return send(t, n, letter{body: activityBy("Follow", id, activitypub.Public), keyID: id + "#main-key"})
	}
	for i := range 10 {
		follow(fmt.Sprintf("s%d.flood.example.co.uk", i)).want(t, 202, "subscribed")
	}
	if a := follow(fmt.Sprintf("t%d.flood.example.co.uk", serial.Add(1))); a.status != 400 || a.reason != "follow" || !strings.Contains(a.text, "Too many") {
		t.Errorf("an eleventh instance of a domain is taken: %s", a.text)
	}
	// Whoever leaves makes room for one, and is a newcomer when it returns.
	leaver := "https://s0.flood.example.co.uk/actor"
	sub, err := store.GetSubscriber(t.Context(), leaver)
	if err != nil {
		t.Fatal(err)
	}
	undo := fmt.Appendf(nil, `{"id":"%s#undo","type":"Undo","actor":%q,"object":%s}`, leaver, leaver, sub.Follow)
	send(t, n, letter{body: undo, keyID: leaver + "#main-key"}).want(t, 202, "unsubscribed")
	eventually(t, 5*time.Second, func() string { // the picture of who is there follows what was stored
		if a := follow(fmt.Sprintf("v%d.flood.example.co.uk", serial.Add(1))); a.status != 202 {
			return "there is no room for another: " + a.text
		}
		return ""
	})
	follow("s0.flood.example.co.uk").want(t, 400, "follow")
	for range 5 {
		follow(fmt.Sprintf("u%d.deep.er.flood.example.co.uk", serial.Add(1))).want(t, 400, "follow")
	}
	follow("calm.test.co.uk").want(t, 202, "subscribed")
}

// TestBlockedHowever (A34): a blocked host is blocked in every spelling, with
// its subdomains, as who signs, who acts, and whose object it is.
func TestBlockedHowever(t *testing.T) {
	n, store := node(t, func(o *relay.Options) {
		o.AllowPrivate, o.Publishers = false, relay.PublishersAnyone
		for _, host := range []string{"Bücher.example.", "xn--mgbh0fb.xn--kgbechtv"} { // rules are read at the start
			if err := o.Store.AddRule(t.Context(), storage.PolicyRule{Host: normal(t, host), Action: relay.RuleBlock, Created: time.Now()}); err != nil {
				t.Fatal(err)
			}
		}
	})
	friend := "https://friend.example/actor"
	acquaint(t, store, friend, func(d map[string]any) { d["type"] = "Application" })
	for _, host := range []string{
		"bücher.example", "BÜCHER.EXAMPLE", "xn--bcher-kva.example", "XN--BCHER-KVA.Example", "bücher.example.", "xn--bcher-kva.example.",
		"bücher.example:8443", "xn--bcher-kva.example:443", "bücher。example", "bücher．example", "b\u00adücher.example", "bu\u0308cher.example", "ｂücher.example",
		"sub.bücher.example", "a.b.c.xn--bcher-kva.example:99", "مثال.إختبار", "www.مثال.إختبار",
	} {
		t.Run(host, func(t *testing.T) {
			origin := "https://" + host
			id := origin + "/users/u"
			send(t, n, letter{body: noteBy(friend, "https://friend.example", nil), keyID: ascii(t, id) + "#main-key"}).want(t, 403, "blocked")
			send(t, n, letter{body: noteBy(id, origin, nil), keyID: friend + "#main-key"}).want(t, 403, "blocked")
			send(t, n, letter{body: activityBy("Announce", friend, origin+"/n/1"), keyID: friend + "#main-key"}).want(t, 202, "object-host")
			send(t, n, letter{body: activityBy("Announce", friend, "https://u@"+host+"/n/1"), keyID: friend + "#main-key"}).want(t, 400, "field")
		})
	}
	// A name that only looks like it is another name.
	for _, host := range []string{"bucher.example", "büchеr.example", "notbücher.example", "bücher.example.org"} {
		if a := send(t, n, letter{body: noteBy("https://"+host+"/u", "https://"+host, nil), keyID: friend + "#main-key"}); a.reason != "actor" {
			t.Errorf("%s is taken for the blocked host: %s", host, a.text)
		}
	}
}

func normal(t *testing.T, host string) string {
	t.Helper()
	h, err := activitypub.NormalizeHost(host)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// ascii is an address as it can stand in a header.
func ascii(t *testing.T, address string) string {
	t.Helper()
	iri, err := activitypub.ParseIRI(address)
	if err != nil {
		t.Fatal(err)
	}
	return string(iri)
}

// TestNodeInfoAttacks (A37): a NodeInfo that hangs, never ends or leads
// elsewhere keeps nobody from publishing, and its host from nothing.
func TestNodeInfoAttacks(t *testing.T) {
	s := attacked(t, nil)
	hang := make(chan struct{})
	defer close(hang)
	hanging, endless, internal := newLair(t), newLair(t), newLair(t)
	asked := make(chan struct{}, 1)
	hanging.handle("/.well-known/nodeinfo", func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	written := make(chan int, 1)
	endless.handle("/.well-known/nodeinfo", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		n, chunk := 0, []byte(`{"links":["`+strings.Repeat("x", 64<<10))
		for n < 50<<20 {
			m, err := w.Write(chunk)
			if n += m; err != nil {
				break
			}
		}
		written <- n
	})
	internal.serve("/.well-known/nodeinfo", "application/json", `{"links":[{"rel":"http://nodeinfo.diaspora.software/ns/schema/2.0","href":"`+s.lair.url+`/secrets"}]}`)
	id := hanging.person("/service", nil)
	send(t, s.n, letter{body: activityBy("Follow", id, activitypub.Public), keyID: id + "#main-key"}).want(t, 202, "subscribed")
	<-asked
	s.now(t)
	s.untouched(t) // while it hangs
	if sub, err := s.store.GetSubscriber(t.Context(), id); err != nil || sub.State != storage.StateActive || sub.Software != "" {
		t.Errorf("who hangs is %s, runs %q, %v", sub.State, sub.Software, err)
	}
	hang <- struct{}{}
	s.join(t, endless)
	if n := <-written; n > 20<<20 {
		t.Errorf("%d bytes were taken", n)
	}
	s.join(t, internal)
	if s.lair.asked("GET /secrets") != 0 {
		t.Error("NodeInfo led to another origin")
	}
}

// TestInternalAddresses (A18): whatever names an address inside, nothing is
// connected to, and the answer says no more than that.
func TestInternalAddresses(t *testing.T) {
	n, store := node(t, func(o *relay.Options) { o.AllowPrivate, o.Publishers = false, relay.PublishersAnyone })
	inside := newLair(t)
	port := inside.url[strings.LastIndexByte(inside.url, ':'):]
	hosts := []string{
		"127.0.0.1", "127.1.2.3", "localhost", "localhost.", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
		"[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[fe80::1]", "[fec0::1]", "[fd00:ec2::254]",
		"10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "100.100.100.200", "169.254.169.254", "192.0.0.192", "198.18.0.1", "168.63.129.16", "224.0.0.1", "255.255.255.255",
		"2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "127.1", "127.0.0.1.", "１２７.0.0.1", "127。0。0。1", "⑫７.0.0.1",
	}
	for _, host := range hosts {
		t.Run(host, func(t *testing.T) {
			id := "http://" + host + port + "/u"
			if iri, err := activitypub.ParseIRI(id); err == nil {
				id = string(iri)
			}
			a := send(t, n, letter{body: noteBy(id, strings.TrimSuffix(id, "/u"), nil), keyID: id + "#main-key"})
			if a.status != 401 && a.status != 400 || a.reason != "forbidden-address" && a.reason != "signature-malformed" && a.reason != "field" {
				t.Errorf("answered %d %s (%.200s)", a.status, a.reason, a.text)
			}
		})
	}
	friend := "https://friend.example/actor"
	acquaint(t, store, friend, func(d map[string]any) { d["type"] = "Application" })
	for i, host := range hosts[:6] {
		send(t, n, letter{body: activityBy("Announce", friend, fmt.Sprintf("http://%s%s/o/%d", host, port, i)), keyID: friend + "#main-key"}).want(t, 202, "resolving")
	}
	eventually(t, 10*time.Second, func() string {
		if have := metric(t, n, `hark_announces_dropped_total{reason="unknown"}`); have != "6" {
			return have + " of 6 Announces of internal objects are dropped"
		}
		return ""
	})
	for _, host := range []string{"127.0.0.1" + port, "localhost" + port} {
		id := "http://" + host + "/follower"
		acquaint(t, store, id, nil)
		send(t, n, letter{body: activityBy("Follow", id, activitypub.Public), keyID: id + "#main-key"}).want(t, 202, "subscribed")
	}
	eventually(t, 10*time.Second, func() string {
		controls, err := store.ListControls(context.WithoutCancel(t.Context()), time.Now().Add(time.Hour), 10)
		if err != nil {
			return err.Error()
		}
		for _, c := range controls {
			if c.Attempts == 0 {
				return "the Accept was not tried"
			}
		}
		return ""
	})
	if n := inside.asked(""); n != 0 {
		t.Errorf("the address inside was asked %d times", n)
	}
	if st, err := store.Stats(t.Context()); err != nil || st.Posts != 0 {
		t.Errorf("%d posts, %v", st.Posts, err)
	}
}

// TestNamesInPeoplesEyes (A31, A36): what a stranger calls itself reaches
// neither a header nor a page as it is.
func TestNamesInPeoplesEyes(t *testing.T) {
	s := attacked(t, func(o *relay.Options) { o.Consent = relay.ConsentPublic })
	s.join(t, s.lair)
	evil := "<script>alert(1)</script>\u202e\u200b\r\nX: y"
	id := s.lair.person("/names", func(d map[string]any) { d["preferredUsername"], d["name"], d["summary"] = evil, evil, evil })
	body := noteBy(id, s.lair.url, func(_, n map[string]any) {
		n["content"], n["summary"] = "<script>alert(1)</script>visible \u202etext", evil
	})
	send(t, s.n, letter{body: body, keyID: id + "#main-key"}).want(t, 202, "relayed")
	s.settled(t)
	var doc struct{ Object struct{ ID string } }
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	p, err := s.store.GetPostByURI(t.Context(), doc.Object.ID)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(p.Text, "<script>") || strings.Contains(p.Text, "alert") || !strings.Contains(p.Text, "visible") {
		t.Errorf("the text is %q", p.Text)
	}
	if strings.ContainsAny(p.Handle, "<>\r\n \u202e") {
		t.Errorf("the handle is %q", p.Handle)
	}
}
