package relay_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"hark/activitypub"
	"hark/activitypub/sig"
	"hark/relay/neighbourhood"
)

// TestOwnActivitiesAreSigned: what the relay says proves itself with the keys
// that its actor document lists: an Accept by an integrity proof, an Announce,
// which others may pass on, by a Linked Data signature.
func TestOwnActivitiesAreSigned(t *testing.T) {
	n, _ := node(t, nil)
	hood := neighbours(t, n, neighbourhood.Options{Mastodon: 1, Pleroma: 1})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := hood.Subscribe(ctx); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(n.BaseURL() + "/actor")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := io.ReadAll(resp.Body)
	if err != nil || resp.Body.Close() != nil {
		t.Fatal(err)
	}
	actor, err := activitypub.ParseActor(doc)
	if err != nil {
		t.Fatal(err)
	}
	keys := func(_ context.Context, id string, _ bool) (sig.Key, error) { return sig.KeyOf(actor, id) }
	var to, from *neighbourhood.Instance
	for _, in := range hood.Instances() {
		if in.Kind() == neighbourhood.Mastodon {
			to = in
		} else {
			from = in
		}
	}
	sent, err := from.Publish(ctx, neighbourhood.Post{Entry: neighbourhood.Corpus()[0]})
	if err != nil || sent.Status != 202 {
		t.Fatalf("%+v, %v", sent, err)
	}
	eventually(t, 10*time.Second, func() string {
		if len(got(to, sent.ObjectID)) == 0 {
			return "not relayed"
		}
		return ""
	})
	accepts, announces := 0, 0
	var announced []byte
	for _, r := range to.Received() {
		switch r.Type {
		case "Accept":
			accepts++
			if v, err := sig.VerifyProof(ctx, r.Body, keys, time.Now()); err != nil || v.Owner != actor.ID {
				t.Errorf("the Accept is not proven: %v\n%s", err, r.Body)
			}
		case "Announce":
			announces++
			if v, err := sig.VerifyLD(ctx, r.Body, keys, time.Now()); err != nil || v.Owner != actor.ID {
				t.Errorf("the Announce is not proven: %v\n%s", err, r.Body)
			}
			announced = r.Body
		}
	}
	if accepts != 1 || announces != 1 {
		t.Errorf("%d Accepts and %d Announces", accepts, announces)
	}
	// An Announce can be looked up by its id, by who knows it, and by nobody else.
	env, err := activitypub.ParseEnvelope(announced)
	if err != nil {
		t.Fatal(err)
	}
	look := func(id string) (int, []byte) {
		resp, err := http.Get(id)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.Body.Close() != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, body
	}
	if status, body := look(env.ID); status != 200 || string(body) != string(announced) {
		t.Errorf("%s: %d %s", env.ID, status, body)
	}
	for _, id := range []string{env.ID[:len(env.ID)-1] + "x", n.BaseURL() + "/announces/1", n.BaseURL() + "/announces/x-y", strings.Replace(env.ID, "/announces/", "/announces/9", 1)} {
		if status, body := look(id); status != 404 {
			t.Errorf("%s: %d %s", id, status, body)
		}
	}
}
