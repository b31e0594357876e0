package relay_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"hark/relay"
	"hark/relay/neighbourhood"
)

// TestBadInput: each is refused with a sentence and a reason, nothing is
// stored, and nothing reaches anybody.
func TestBadInput(t *testing.T) {
	n, store := node(t, nil)
	hood := neighbours(t, n, neighbourhood.Options{Mastodon: 2})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := hood.Subscribe(ctx); err != nil {
		t.Fatal(err)
	}
	in, other := hood.Instances()[0], hood.Instances()[1]
	strange, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	author := in.AuthorURI(0)
	own := neighbourhood.RawOptions{KeyID: author + "#main-key"}
	create := func(actor, object string) []byte {
		return fmt.Appendf(nil, `{"@context":"https://www.w3.org/ns/activitystreams","id":"%[1]s/a/%[3]d","type":"Create","actor":%[2]q,"to":"https://www.w3.org/ns/activitystreams#Public",
			"object":{"id":%[4]q,"type":"Note","attributedTo":%[2]q,"to":"https://www.w3.org/ns/activitystreams#Public","content":"badinput"}}`,
			in.Origin(), actor, time.Now().UnixNano(), object)
	}
	good := func() []byte { return create(author, in.Origin()+"/n/"+fmt.Sprint(time.Now().UnixNano())) }
	with := func(change func(*neighbourhood.RawOptions)) neighbourhood.RawOptions {
		o := own
		change(&o)
		return o
	}
	deep := []byte(`{"type":"Create","actor":"` + author + `","object":` + strings.Repeat(`{"a":`, 10000) + `1` + strings.Repeat(`}`, 10001))
	tests := []struct {
		name   string
		body   []byte
		o      neighbourhood.RawOptions
		status int
		reason string
	}{
		{"unsigned", good(), with(func(o *neighbourhood.RawOptions) { o.Unsigned = true }), 401, "signature-missing"},
		{"wrong signature", good(), with(func(o *neighbourhood.RawOptions) { o.Key = strange }), 401, "signature-wrong"},
		{"wrong digest", good(), with(func(o *neighbourhood.RawOptions) {
			o.Digest = "SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
		}), 401, "signature-digest"},
		{"digest not covered (A7)", good(), with(func(o *neighbourhood.RawOptions) { o.Covered = []string{"(request-target)", "host", "date"} }), 401, "signature-coverage"},
		{"only date covered (A7)", good(), with(func(o *neighbourhood.RawOptions) { o.Covered = []string{"date"} }), 401, "signature-coverage"},
		{"date of 2001 (A9)", good(), with(func(o *neighbourhood.RawOptions) { o.Date = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC) }), 401, "signature-date"},
		{"two hours ahead (A9)", good(), with(func(o *neighbourhood.RawOptions) { o.Date = time.Now().Add(2 * time.Hour) }), 401, "signature-date"},
		{"signed for another host (A11)", good(), with(func(o *neighbourhood.RawOptions) { o.Host = "elsewhere.example" }), 401, "signature-wrong"},
		{"foreign actor (A1)", create(other.AuthorURI(0), other.Origin()+"/n/1"), own, 401, "actor"},
		{"actor next door (A2)", create(in.AuthorURI(0)+"x", in.Origin()+"/n/1"), own, 401, "actor"},
		{"object elsewhere (A23)", create(author, other.Origin()+"/n/1"), own, 403, "origin"},
		{"key on another origin", good(), with(func(o *neighbourhood.RawOptions) { o.KeyID = other.AuthorURI(0) + "#main-key" }), 401, "signature-wrong"},
		{"key that nobody lists (A5)", good(), with(func(o *neighbourhood.RawOptions) { o.KeyID = author + "#other-key" }), 401, "key-owner"},
		{"too large", bytes.Repeat([]byte("x"), 1<<20+1), own, 413, "too-large"},
		{"too deep", deep, own, 400, "nesting"},
		{"not JSON", []byte(`{"type":`), own, 400, "json"},
		{"not an object", []byte(`[1,2]`), own, 400, "json"},
		{"not UTF-8", []byte("{\"type\":\"Create\",\"actor\":\"" + author + "\xff\"}"), own, 400, "encoding"},
		{"a key twice", []byte(`{"type":"Create","type":"Delete","actor":"` + author + `"}`), own, 400, "duplicate-key"},
		{"number as id", []byte(`{"id":7,"type":"Create","actor":"` + author + `"}`), own, 400, "field"},
		{"no actor", []byte(`{"id":"http://x.example/1","type":"Create"}`), own, 400, "field"},
		{"acct: keyId (A14)", good(), with(func(o *neighbourhood.RawOptions) { o.KeyID = "acct:ann@x.example" }), 401, "signature-malformed"},
		{"form content type", good(), with(func(o *neighbourhood.RawOptions) { o.ContentType = "application/x-www-form-urlencoded" }), 415, "content-type"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, answer, err := in.SendRaw(ctx, tt.body, tt.o)
			if err != nil {
				t.Fatal(err)
			}
			var p struct{ Reason, Detail, Title string }
			if err := json.Unmarshal([]byte(answer), &p); err != nil {
				t.Fatalf("answer %d %q: %v", status, answer, err)
			}
			if status != tt.status || p.Reason != tt.reason || p.Detail == "" {
				t.Errorf("answered %d %+v, want %d %s", status, p, tt.status, tt.reason)
			}
		})
	}
	if _, head, err := store.Bounds(ctx); err != nil || head != 0 {
		t.Errorf("the journal has %d entries, %v", head, err)
	}
	if st, err := store.Stats(ctx); err != nil || st.Posts != 0 {
		t.Errorf("%d posts were stored, %v", st.Posts, err)
	}
	for _, r := range other.Received() {
		if r.Form != neighbourhood.FormControl {
			t.Errorf("%s reached another subscriber", r.Type)
		}
	}
	resp, err := http.Get(n.BaseURL() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), `hark_inbox_total{reason="signature-digest"} 1`) {
		t.Error("the refusals are not counted by reason")
	}
}

// TestPrivateAddressIsNotFetched: with the default configuration an actor on a
// private address is refused without a request to it.
func TestPrivateAddressIsNotFetched(t *testing.T) {
	n, _ := node(t, func(o *relay.Options) { o.AllowPrivate = false })
	hood := neighbours(t, n, neighbourhood.Options{Mastodon: 1})
	in := hood.Instances()[0]
	asked := make(chan struct{}, 1)
	in.SetBehaviour(func(*http.Request) (int, time.Duration, http.Header) {
		asked <- struct{}{}
		return 0, 0, nil
	})
	status, answer, err := in.SendRaw(t.Context(), fmt.Appendf(nil, `{"id":"%s/f","type":"Follow","actor":%q,"object":"https://www.w3.org/ns/activitystreams#Public"}`, in.Origin(), in.ActorURI()), neighbourhood.RawOptions{})
	if err != nil || status != 401 || !strings.Contains(answer, "forbidden-address") {
		t.Errorf("%d %s, %v", status, answer, err)
	}
	if len(asked) != 0 {
		t.Error("the private address was asked")
	}
}

// TestReplayIsRelayedOnce (A10), and a stranger's activity is not (A22).
func TestReplayIsRelayedOnce(t *testing.T) {
	n, store := node(t, nil)
	hood := neighbours(t, n, neighbourhood.Options{Mastodon: 3})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stranger, in, to := hood.Instances()[0], hood.Instances()[1], hood.Instances()[2]
	for _, s := range []*neighbourhood.Instance{in, to} {
		if err := s.Subscribe(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if sent, err := stranger.Publish(ctx, neighbourhood.Post{Entry: neighbourhood.Corpus()[0]}); err != nil || sent.Status != 202 || !strings.Contains(sent.Body, "not-a-member") {
		t.Errorf("a stranger's post: %+v, %v", sent, err)
	}
	sent, err := in.Publish(ctx, neighbourhood.Post{Entry: neighbourhood.Corpus()[0]})
	if err != nil || sent.Status != 202 {
		t.Fatalf("%+v, %v", sent, err)
	}
	eventually(t, 10*time.Second, func() string {
		if len(got(to, sent.ObjectID)) == 0 {
			return "not relayed"
		}
		return ""
	})
	body := got(to, sent.ObjectID)[0].Body
	status, answer, err := in.SendRaw(ctx, body, neighbourhood.RawOptions{KeyID: in.AuthorURI(0) + "#main-key"})
	if err != nil || status != 202 || !strings.Contains(answer, "duplicate") {
		t.Errorf("replay: %d %s, %v", status, answer, err)
	}
	if _, head, err := store.Bounds(ctx); err != nil || head != 1 {
		t.Errorf("%d entries, %v", head, err)
	}
}

// TestConsent: an author who says no is relayed, counted, and not kept; one
// who blocks the relay is forgotten.
func TestConsent(t *testing.T) {
	n, store := node(t, nil)
	hood := neighbours(t, n, neighbourhood.Options{Mastodon: 2, AuthorsPerInstance: 8})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := hood.Subscribe(ctx); err != nil {
		t.Fatal(err)
	}
	in, to := hood.Instances()[0], hood.Instances()[1]
	var last neighbourhood.Sent
	kept := map[string]bool{}
	for i := range 8 {
		sent, err := in.Publish(ctx, neighbourhood.Post{Entry: neighbourhood.Corpus()[i], Author: i})
		if err != nil || sent.Status != 202 {
			t.Fatalf("%+v, %v", sent, err)
		}
		name := in.AuthorURI(i)
		kept[sent.ObjectID] = !strings.HasSuffix(name, "quiet") && !strings.HasSuffix(name, "hidden")
		last = sent
	}
	eventually(t, 20*time.Second, func() string {
		if len(got(to, last.ObjectID)) == 0 {
			return "not relayed"
		}
		cursor, err := store.ListenCursor(ctx)
		if _, head, _ := store.Bounds(ctx); err != nil || cursor < head {
			return "not listened"
		}
		return ""
	})
	for id, want := range kept {
		if _, err := store.GetPostByURI(ctx, id); (err == nil) != want {
			t.Errorf("%s: kept %v, want %v", id, err == nil, want)
		}
		if len(got(to, id)) != 1 {
			t.Errorf("%s was not relayed", id)
		}
	}
	counts, err := store.ListCounts(ctx, "2000-01-01")
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]int64{}
	for _, c := range counts {
		by[c.Reason] += c.Count
	}
	if by["profile-#nobot"] != 1 || by["not-indexable"] != 1 {
		t.Errorf("counted %v", by)
	}
	block := fmt.Appendf(nil, `{"@context":"https://www.w3.org/ns/activitystreams","id":"%s/block/1","type":"Block","actor":%q,"object":"%s/actor"}`, in.Origin(), in.AuthorURI(0), n.BaseURL())
	if status, answer, err := in.SendRaw(ctx, block, neighbourhood.RawOptions{KeyID: in.AuthorURI(0) + "#main-key"}); err != nil || status != 202 {
		t.Fatalf("%d %s, %v", status, answer, err)
	}
	eventually(t, 10*time.Second, func() string {
		found := 0
		for id := range kept {
			if p, err := store.GetPostByURI(ctx, id); err == nil && p.Actor == in.AuthorURI(0) {
				found++
			}
		}
		if found > 0 {
			return "the post of an author who blocked the relay is kept"
		}
		return ""
	})
	if rules, err := store.ListRules(ctx); err != nil || len(rules) != 1 || rules[0].Action != relay.RuleObjected {
		t.Errorf("%+v, %v", rules, err)
	}
}

// post sends a form and returns the status.
func post(url, form string) (int, error) {
	resp, err := http.Post(url, "application/x-www-form-urlencoded", strings.NewReader(form))
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}
