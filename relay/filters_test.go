package relay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"hark/relay"
	"hark/relay/neighbourhood"
)

// TestFiltersPerSubscriber: three subscribers beside the sender, two of them
// with a filter, get what they asked for; edits and deletions reach them all.
func TestFiltersPerSubscriber(t *testing.T) {
	n, store := node(t, func(o *relay.Options) { o.Consent = relay.ConsentPublic })
	hood := neighbours(t, n, neighbourhood.Options{Mastodon: 2, Pleroma: 1, Misskey: 1})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := hood.Subscribe(ctx); err != nil {
		t.Fatal(err)
	}
	in := hood.Instances()
	from, all, weather, english := in[0], in[1], in[2], in[3]
	for actor, filter := range map[string]string{weather.ActorURI(): "#weather", english.ActorURI(): "lang:en -#weather"} {
		if err := store.SetSubscriberFilter(ctx, actor, filter); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, 10*time.Second, func() string { // the node notices by itself
		subs, err := from.Publish(ctx, neighbourhood.Post{Entry: neighbourhood.Entry{Text: "Ping.", Lang: "de"}})
		if err != nil || subs.Status != http.StatusAccepted {
			t.Fatalf("%+v, %v", subs, err)
		}
		eventually(t, 10*time.Second, reached(all, subs.ObjectID))
		if len(got(weather, subs.ObjectID))+len(got(english, subs.ObjectID)) > 0 {
			return "the filters are not in force"
		}
		return ""
	})

	posts := []neighbourhood.Entry{
		{Text: "Rain until noon, then sun. #weather", Lang: "en", Tags: []string{"weather"}},
		{Text: "A quiet morning at the lake.", Lang: "en"},
		{Text: "Regen bis Mittag. #weather", Lang: "de", Tags: []string{"weather"}},
		{Text: "Ein stiller Morgen am See.", Lang: "de"},
	}
	ids := make([]string, len(posts))
	for i, e := range posts {
		sent, err := from.Publish(ctx, neighbourhood.Post{Entry: e})
		if err != nil || sent.Status != http.StatusAccepted {
			t.Fatalf("%q: %+v, %v", e.Text, sent, err)
		}
		ids[i] = sent.ObjectID
	}
	eventually(t, 10*time.Second, reached(all, ids...))
	eventually(t, 10*time.Second, reached(weather, ids[0], ids[2]))
	eventually(t, 10*time.Second, reached(english, ids[1]))
	eventually(t, 10*time.Second, func() string { // whoever is done with all was not sent the rest
		_, head, err := store.Bounds(ctx)
		if err != nil {
			return err.Error()
		}
		for _, s := range []*neighbourhood.Instance{weather, english} {
			if sub, err := store.GetSubscriber(ctx, s.ActorURI()); err != nil || sub.Cursor < head {
				return fmt.Sprintf("%s is at %d of %d: %v", s.Host(), sub.Cursor, head, err)
			}
		}
		return ""
	})
	for i, want := range [][2]int{{1, 0}, {0, 1}, {1, 0}, {0, 0}} {
		if w, e := len(got(weather, ids[i])), len(got(english, ids[i])); w != want[0] || e != want[1] {
			t.Errorf("%q reached them %d and %d times, want %v", posts[i].Text, w, e, want)
		}
	}

	// What a subscriber may hold is changed there, whatever its filter says.
	sent, err := from.Edit(ctx, ids[3], "Ein lauter Morgen am See.")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, reached(english, sent.ObjectID))
	if sent, err = from.Delete(ctx, ids[0]); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, reached(english, sent.ObjectID))
	resp, err := http.Get(n.BaseURL() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil || !strings.Contains(string(page), `hark_delivery_filtered_total{reason="no-match"}`) {
		t.Errorf("what the filters kept is not counted: %v", err)
	}
}

// reached says which objects have not reached an instance.
func reached(in *neighbourhood.Instance, objects ...string) func() string {
	return func() string {
		for _, o := range objects {
			if len(got(in, o)) == 0 {
				return fmt.Sprintf("%s has not reached %s", o, in.Host())
			}
		}
		return ""
	}
}
