package neighbourhood

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"hark/activitypub"
)

func TestMain(m *testing.M) {
	// A server that answers before it has read the whole request waits half a
	// second before it closes the connection.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// relay is a stand-in that keeps what arrives.
func relay(t *testing.T) (*httptest.Server, chan *http.Request) {
	t.Helper()
	got := make(chan *http.Request, 64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(s.Close)
	return s, got
}

func start(t *testing.T, o Options) *Neighbourhood {
	t.Helper()
	n, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// TestDocuments: what each kind serves reads as what it is.
func TestDocuments(t *testing.T) {
	s, _ := relay(t)
	n := start(t, Options{Relay: s.URL, Mastodon: 1, Pleroma: 1, Misskey: 1})
	for _, in := range n.Instances() {
		if _, err := in.Publish(t.Context(), Post{Entry: Corpus()[0]}); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{in.ActorURI(), in.AuthorURI(0), in.AuthorURI(1)} {
			raw, err := in.get(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			a, err := activitypub.ParseActor(raw)
			if err != nil || a.ID != id || len(a.Keys) != 1 || a.Inbox == "" {
				t.Errorf("%s: %+v, %v", in.Kind(), a, err)
			}
		}
		raw, err := in.get(t.Context(), in.lastObject())
		if err != nil {
			t.Fatal(err)
		}
		note, err := activitypub.ParseNote(raw)
		if err != nil || !note.IsPublicTo() || !strings.Contains(note.Text, "frost") || len(note.Tags) != 1 || len(note.Attachments) != 1 {
			t.Errorf("%s: %+v, %v", in.Kind(), note, err)
		}
	}
}

// TestStrict: an instance takes nothing that the relay did not sign.
func TestStrict(t *testing.T) {
	s, _ := relay(t)
	n := start(t, Options{Relay: s.URL, Mastodon: 2})
	a, b := n.Instances()[0], n.Instances()[1]
	a.n = &Neighbourhood{o: Options{Relay: b.Origin()}, client: n.client} // it now speaks to its neighbour's inbox
	for name, o := range map[string]RawOptions{
		"not the relay": {},
		"unsigned":      {Unsigned: true},
		"wrong digest":  {Digest: digestOf([]byte("else"))},
		"old":           {Date: time.Now().Add(-48 * time.Hour)},
		"uncovered":     {Covered: []string{"(request-target)", "host", "date"}},
		"other host":    {Host: "elsewhere.example"},
		"another's key": {KeyID: b.keyID()},
	} {
		before := len(b.Received())
		status, _, err := a.SendRaw(t.Context(), []byte(`{"id":"http://x/1","type":"Create","actor":"http://x/a","object":"http://x/o"}`), o)
		if err != nil {
			t.Fatal(err)
		}
		rs := b.Received()
		if len(rs) != before+1 || rs[before].Verified || rs[before].Reason == "" {
			t.Errorf("%s: answered %d, noted %+v", name, status, rs[before:])
		}
		if name != "not the relay" && status != http.StatusUnauthorized {
			t.Errorf("%s: answered %d", name, status)
		}
	}
}

// TestSubscribeGivesUp: without an answer it says who was not accepted.
func TestSubscribeGivesUp(t *testing.T) {
	s, got := relay(t)
	n := start(t, Options{Relay: s.URL, Misskey: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := n.Subscribe(ctx); err == nil || !strings.Contains(err.Error(), "not accepted") {
		t.Errorf("%v", err)
	}
	if r := <-got; r.Header.Get("Signature") == "" || r.URL.Path != "/inbox" {
		t.Errorf("%v", r)
	}
}
