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
	"hark/storage/sqlite"
)

// TestFiltersPerSubscriber: three subscribers beside the sender, two of them
// with a filter, get what they asked for; edits and deletions reach them all.
func TestFiltersPerSubscriber(t *testing.T) {
	store, command := twoStores(t)
	n, _ := node(t, func(o *relay.Options) { o.Store, o.Consent = store, relay.ConsentPublic })
	hood := neighbours(t, n, neighbourhood.Options{Mastodon: 2, Pleroma: 1, Misskey: 1})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := hood.Subscribe(ctx); err != nil {
		t.Fatal(err)
	}
	in := hood.Instances()
	from, all, weather, english := in[0], in[1], in[2], in[3]
	for actor, filter := range map[string]string{weather.ActorURI(): "#weather", english.ActorURI(): "lang:en -#weather"} {
		if err := command.SetSubscriberFilter(ctx, actor, filter); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, 10*time.Second, func() string { // the node notices by itself
		sent, err := from.Publish(ctx, neighbourhood.Post{Entry: neighbourhood.Entry{Text: "Ping.", Lang: "de"}})
		if err != nil || sent.Status != http.StatusAccepted {
			t.Fatalf("%+v, %v", sent, err)
		}
		eventually(t, 10*time.Second, level(ctx, store, in...))
		if len(got(weather, sent.ObjectID))+len(got(english, sent.ObjectID)) > 0 {
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
	eventually(t, 10*time.Second, level(ctx, store, in...))
	for i, want := range [][3]int{{1, 1, 0}, {1, 0, 1}, {1, 1, 0}, {1, 0, 0}} {
		if g := [3]int{len(got(all, ids[i])), len(got(weather, ids[i])), len(got(english, ids[i]))}; g != want {
			t.Errorf("%q reached them %v times, want %v", posts[i].Text, g, want)
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

// twoStores opens a store twice: for a node, and as a command does beside it.
func twoStores(t *testing.T) (node, command *sqlite.Store) {
	t.Helper()
	dir := t.TempDir()
	open := func() *sqlite.Store {
		s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir, Create: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
	return open(), open()
}

// level says which instance is not done with the journal: who is was sent all
// that it is sent of it.
func level(ctx context.Context, store *sqlite.Store, in ...*neighbourhood.Instance) func() string {
	return func() string {
		_, head, err := store.Bounds(ctx)
		if err != nil {
			return err.Error()
		}
		for _, i := range in {
			if sub, err := store.GetSubscriber(ctx, i.ActorURI()); err != nil || sub.Cursor < head {
				return fmt.Sprintf("%s is at %d of %d: %v", i.Host(), sub.Cursor, head, err)
			}
		}
		return ""
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
