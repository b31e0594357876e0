package relay_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"hark/relay"
	"hark/relay/neighbourhood"
)

// TestReplay: a cursor that an operator sets back, as another process does,
// reaches the running node; the subscriber gets again what came after it, once
// and in order, nobody else does, and its place in the store is right after.
func TestReplay(t *testing.T) {
	store, command := twoStores(t)
	n, _ := node(t, func(o *relay.Options) { o.Store, o.Consent = store, relay.ConsentPublic })
	hood := neighbours(t, n, neighbourhood.Options{Mastodon: 3})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := hood.Subscribe(ctx); err != nil {
		t.Fatal(err)
	}
	from, again, other := hood.Instances()[0], hood.Instances()[1], hood.Instances()[2]
	var ids []string
	publish := func(i int) {
		t.Helper()
		sent, err := from.Publish(ctx, neighbourhood.Post{Entry: neighbourhood.Entry{Text: fmt.Sprint("Number ", i), Lang: "en"}})
		if err != nil || sent.Status != http.StatusAccepted {
			t.Fatalf("%+v, %v", sent, err)
		}
		ids = append(ids, sent.ObjectID)
	}
	for i := range 30 {
		publish(i)
	}
	settled := level(ctx, store, hood.Instances()...)
	eventually(t, 20*time.Second, settled)
	_, head, err := store.Bounds(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := command.SetCursor(ctx, again.ActorURI(), head-20); err != nil {
		t.Fatal(err)
	}
	for i := range 5 { // traffic goes on beside it
		publish(30 + i)
	}
	eventually(t, 20*time.Second, func() string {
		if n := len(got(again, ids[29])); n != 2 {
			return fmt.Sprintf("the last one came %d times", n)
		}
		return settled()
	})
	for i, id := range ids {
		want := 1
		if i >= 10 && i < 30 {
			want = 2
		}
		if n := len(got(again, id)); n < want || n > 2 || i < 10 && n != 1 {
			t.Errorf("number %d came %d times, want %d", i, n, want)
		}
		if n := len(got(other, id)); n != 1 {
			t.Errorf("number %d came %d times to another", i, n)
		}
	}
	if sub, err := store.GetSubscriber(ctx, again.ActorURI()); err != nil || sub.Rewinds != 1 {
		t.Errorf("%d rewinds, %v", sub.Rewinds, err)
	}
}
