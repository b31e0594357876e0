package neighbourhood

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"hark/activitypub/wellknown"
)

// ask fetches an address without a signature.
func ask(t *testing.T, method, address, accept string) (int, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.Body.Close() != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	return resp.StatusCode, body
}

// TestDocumentsAreServed to those who ask for them as they should.
func TestDocumentsAreServed(t *testing.T) {
	s, _ := relay(t)
	n := start(t, Options{Relay: s.URL, Mastodon: 2, Pleroma: 1, Misskey: 1, Secure: 1})
	const activity = `text/html;q=0.1, application/activity+json`
	for i, in := range n.Instances() {
		secure := i == 0
		ids := map[Audience]string{}
		noted := len(in.Fetched()) // others may have asked for its key
		for _, audience := range []Audience{Public, Unlisted, Followers, Direct} {
			sent, err := in.Publish(t.Context(), Post{Entry: Corpus()[0], Audience: audience})
			if err != nil {
				t.Fatal(err)
			}
			ids[audience] = sent.ObjectID
		}
		for _, tt := range []struct {
			address, accept string
			status, secure  int
		}{
			{in.ActorURI(), activity, 200, 200},
			{in.ActorURI(), acceptedTypes, 200, 200},
			{in.ActorURI(), "text/html, */*", 406, 406},
			{in.ActorURI() + "/followers", activity, 200, 401},
			{in.AuthorURI(0), activity, 200, 401},
			{ids[Public], activity, 200, 401},
			{ids[Unlisted], activity, 200, 401},
			{ids[Followers], activity, 404, 401},
			{ids[Direct], activity, 404, 401},
			{in.Origin() + "/nothing", activity, 404, 401},
		} {
			want := tt.status
			if secure {
				want = tt.secure
			}
			if got, _ := ask(t, http.MethodGet, tt.address, tt.accept); got != want {
				t.Errorf("%s (secure %v): %s: %d, want %d", in.Kind(), secure, tt.address, got, want)
			}
		}
		if f := in.Fetched()[noted:]; len(f) != 10 || f[0].Status != 200 || f[0].KeyID != "" {
			t.Errorf("%s noted %+v", in.Kind(), f)
		}
		// A signed GET opens the secure one, too.
		if _, err := n.Instances()[3].get(t.Context(), ids[Public]); err != nil {
			t.Error(err)
		}
		if _, err := n.Instances()[3].get(t.Context(), ids[Followers]); err == nil {
			t.Error("a followers-only post is served")
		}
		if f := in.Fetched()[noted:]; f[10].KeyID != n.Instances()[3].keyID() {
			t.Errorf("%s noted %+v", in.Kind(), f[10:])
		}
		for address, want := range map[string]int{in.Origin() + "/inbox": 401, in.Origin() + "/elsewhere": 404} {
			if got, _ := ask(t, http.MethodPost, address, ""); got != want && got != 400 {
				t.Errorf("POST %s: %d", address, got)
			}
		}
		if got, _ := ask(t, http.MethodDelete, in.ActorURI(), ""); got != http.StatusMethodNotAllowed {
			t.Errorf("DELETE: %d", got)
		}
	}
}

// TestDiscovery: WebFinger and NodeInfo say who is there.
func TestDiscovery(t *testing.T) {
	s, _ := relay(t)
	n := start(t, Options{Relay: s.URL, Mastodon: 1, Pleroma: 1, Misskey: 1})
	for _, in := range n.Instances() {
		a := in.authors[0]
		for resource, id := range map[string]string{"acct:" + a.name + "@" + in.Host(): a.id, "acct:" + in.systemName() + "@" + in.Host(): in.ActorURI(), in.ActorURI(): in.ActorURI()} {
			status, body := ask(t, http.MethodGet, in.Origin()+wellknown.WebFingerPath+"?resource="+resource, "")
			w, err := wellknown.ParseWebFinger(body)
			if status != http.StatusOK || err != nil || w.Self() != id {
				t.Errorf("%s: %d %+v, %v", resource, status, w, err)
			}
		}
		if status, _ := ask(t, http.MethodGet, in.Origin()+wellknown.WebFingerPath+"?resource=acct:nobody@"+in.Host(), ""); status != http.StatusNotFound {
			t.Errorf("nobody: %d", status)
		}
		_, body := ask(t, http.MethodGet, in.Origin()+"/nodeinfo/2.0", "")
		var info struct {
			Software struct{ Name, Version string }
		}
		if err := json.Unmarshal(body, &info); err != nil || info.Software.Name != string(in.Kind()) || info.Software.Version == "" {
			t.Errorf("%+v, %v", info, err)
		}
	}
}

// TestLifeOfPosts: what is edited changes, what is deleted is no longer served,
// and an author who goes leaves nothing.
func TestLifeOfPosts(t *testing.T) {
	s, _ := relay(t)
	n := start(t, Options{Relay: s.URL, Mastodon: 1, Misskey: 1})
	for _, in := range n.Instances() {
		var ids []string
		for range 3 {
			sent, err := in.Publish(t.Context(), Post{Entry: Corpus()[0], Audience: Unlisted})
			if err != nil || sent.Status != http.StatusAccepted || sent.ActivityID == "" {
				t.Fatalf("%+v, %v", sent, err)
			}
			ids = append(ids, sent.ObjectID)
		}
		before, err := in.held(ids[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Edit(t.Context(), ids[0], "other words"); err != nil {
			t.Fatal(err)
		}
		after, err := in.held(ids[0])
		if err != nil {
			t.Fatal(err)
		}
		var a, b struct {
			To, Cc             []string
			Content, Published string
		}
		if json.Unmarshal(before.body, &a) != nil || json.Unmarshal(after.body, &b) != nil {
			t.Fatal("not JSON")
		}
		if a.To[0] != b.To[0] || a.Cc[0] != b.Cc[0] || a.Published != b.Published || a.Content == b.Content {
			t.Errorf("%s: %+v became %+v", in.Kind(), a, b)
		}
		if _, err := in.Delete(t.Context(), ids[1]); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Delete(t.Context(), ids[1]); err == nil {
			t.Error("deleted twice")
		}
		boost, err := in.Boost(t.Context(), ids[0])
		if err != nil || boost.ObjectID != ids[0] {
			t.Fatalf("%+v, %v", boost, err)
		}
		if undone, err := in.Unboost(t.Context(), boost); err != nil || undone.ActivityID == boost.ActivityID {
			t.Errorf("%+v, %v", undone, err)
		}
		if _, err := in.DeleteActor(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		for address, want := range map[string]int{ids[0]: 404, ids[1]: 404, ids[2]: 404, in.AuthorURI(0): 410, in.AuthorURI(1): 200} {
			if got, _ := ask(t, http.MethodGet, address, "application/activity+json"); got != want {
				t.Errorf("%s: %s: %d, want %d", in.Kind(), address, got, want)
			}
		}
	}
}

// TestRun posts until it is told to stop.
func TestRun(t *testing.T) {
	s, got := relay(t)
	n := start(t, Options{Relay: s.URL, Mastodon: 1, Pleroma: 1, Misskey: 1, Keep: 4})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx, 1000) }() // the test waits for it below
	for range 40 {
		<-got
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, in := range n.Instances() {
		if len(in.objects) > 4 || len(in.order) != len(in.objects) {
			t.Errorf("%s keeps %d objects, %d in order", in.Kind(), len(in.objects), len(in.order))
		}
	}
}
