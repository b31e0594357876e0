package relay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hark/relay"
	"hark/relay/inbox"
	"hark/relay/neighbourhood"
	"hark/storage"
)

// TestEveryReasonIsNamed walks all reasons: each has a status, a sentence, and
// a place in the metric before it ever occurs.
func TestEveryReasonIsNamed(t *testing.T) {
	n, _ := node(t, nil)
	resp, err := http.Get(n.BaseURL() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.Body.Close() != nil {
		t.Fatal(err)
	}
	for _, r := range inbox.Reasons() {
		if r.Sentence() == "" || r.Status() < 200 || r.Status() > 599 {
			t.Errorf("%s: status %d, %q", r, r.Status(), r.Sentence())
		}
		if !bytes.Contains(text, []byte(`hark_inbox_total{reason="`+string(r)+`"}`)) {
			t.Errorf("%s is not counted", r)
		}
	}
}

// TestExplain: what was refused is explained by the name that the sender got,
// by its activity, its object and its actor; what was taken by whom it reached.
func TestExplain(t *testing.T) {
	n, store := node(t, nil)
	hood := neighbours(t, n, neighbourhood.Options{Mastodon: 2, Misskey: 1, AuthorsPerInstance: 8})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := hood.Subscribe(ctx); err != nil {
		t.Fatal(err)
	}
	in := hood.Instances()[0]
	author := in.AuthorURI(0)
	explain := func(id string) *relay.Explanation {
		t.Helper()
		var x *relay.Explanation
		eventually(t, 5*time.Second, func() string { // decisions are written in batches
			var err error
			if x, err = relay.Explain(ctx, store, id, time.Hour, time.Now()); err != nil {
				return err.Error()
			}
			return ""
		})
		return x
	}
	body := func(i int, to string) []byte {
		return fmt.Appendf(nil, `{"@context":"https://www.w3.org/ns/activitystreams","id":"%[1]s/a/%[2]d","type":"Create","actor":%[3]q,"to":%[4]q,
			"object":{"id":"%[1]s/n/%[2]d","type":"Note","attributedTo":%[3]q,"to":%[4]q,"content":"x"}}`, in.Origin(), i, author, to)
	}
	public := "https://www.w3.org/ns/activitystreams#Public"
	for i, tt := range []struct {
		o      neighbourhood.RawOptions
		to     string
		status int
		reason string
	}{
		{neighbourhood.RawOptions{KeyID: author + "#main-key", Unsigned: true}, public, 401, "signature-missing"},
		{neighbourhood.RawOptions{KeyID: author + "#main-key", Covered: []string{"date"}}, public, 401, "signature-coverage"},
		{neighbourhood.RawOptions{KeyID: author + "#main-key", Date: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)}, public, 401, "signature-date"},
		{neighbourhood.RawOptions{KeyID: author + "#other"}, public, 401, "key-owner"},
		{neighbourhood.RawOptions{KeyID: in.AuthorURI(1) + "#main-key"}, public, 401, "actor"},
		{neighbourhood.RawOptions{KeyID: author + "#main-key"}, author + "/followers", 202, "not-public"},
	} {
		status, answer, err := in.SendRaw(ctx, body(i, tt.to), tt.o)
		if err != nil || status != tt.status {
			t.Fatalf("%s: %d %s, %v", tt.reason, status, answer, err)
		}
		var p struct{ Reason, Instance string }
		if err := json.Unmarshal([]byte(answer), &p); err != nil || p.Reason != tt.reason {
			t.Fatalf("%s: %s, %v", tt.reason, answer, err)
		}
		ids := []string{fmt.Sprintf("%s/a/%d", in.Origin(), i), fmt.Sprintf("%s/n/%d", in.Origin(), i)}
		if status >= 400 {
			if !strings.HasPrefix(p.Instance, "urn:hark:refusal:") {
				t.Errorf("%s: the refusal has no name: %s", tt.reason, answer)
			}
			ids = append(ids, p.Instance)
		}
		for _, id := range ids {
			x := explain(id)
			if len(x.Decisions) != 1 || x.Decisions[0].Reason != tt.reason || x.Decisions[0].Status != tt.status || x.Decisions[0].Says == "" || len(x.Taken) != 0 {
				t.Errorf("%s by %s: %+v", tt.reason, id, x)
			}
			if text := x.Text(); !strings.Contains(text, tt.reason) || strings.Contains(text, "BEGIN") {
				t.Errorf("%s: %s", tt.reason, text)
			}
		}
	}
	if x := explain(author); len(x.Decisions) != 6 {
		t.Errorf("%d decisions about the author", len(x.Decisions))
	}
	// What was taken: to whom it went, in which form, and what is kept of it.
	sent, err := in.Publish(ctx, neighbourhood.Post{Entry: neighbourhood.Corpus()[0]})
	if err != nil || sent.Status != 202 {
		t.Fatalf("%+v, %v", sent, err)
	}
	eventually(t, 10*time.Second, func() string {
		x, err := relay.Explain(ctx, store, sent.ObjectID, time.Hour, time.Now())
		if err != nil {
			return err.Error()
		}
		if x.Post == nil || len(x.Taken) != 1 || len(x.Taken[0].Subscribers) != 3 {
			return fmt.Sprintf("%+v", x)
		}
		forms := []string{}
		for _, s := range x.Taken[0].Subscribers {
			if !s.Done {
				return s.Subscriber + " is behind"
			}
			forms = append(forms, string(s.Form))
		}
		if slices.Sort(forms); !slices.Equal(forms, []string{"forward", "forward", "pass"}) {
			return fmt.Sprint(forms)
		}
		return ""
	})
	// What was relayed and not kept: why.
	quiet := slices.IndexFunc([]int{0, 1, 2, 3, 4, 5, 6, 7}, func(i int) bool { return strings.HasSuffix(in.AuthorURI(i), "hidden") })
	sent, err = in.Publish(ctx, neighbourhood.Post{Entry: neighbourhood.Corpus()[1], Author: quiet})
	if err != nil || sent.Status != 202 {
		t.Fatalf("%+v, %v", sent, err)
	}
	eventually(t, 10*time.Second, func() string {
		x, err := relay.Explain(ctx, store, sent.ObjectID, time.Hour, time.Now())
		if err != nil || len(x.Decisions) != 1 || x.Decisions[0].Stage != storage.StageListen || !strings.Contains(x.Text(), "does not want to be searched") {
			return fmt.Sprintf("%+v, %v", x, err)
		}
		return ""
	})
	if _, err := relay.Explain(ctx, store, "https://nobody.example/1", time.Hour, time.Now()); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("nothing: %v", err)
	}
	// Who is forgotten is not explained any more.
	if _, err := store.Forget(ctx, author, "", ""); err != nil {
		t.Fatal(err)
	}
	if x, err := relay.Explain(ctx, store, author, time.Hour, time.Now()); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("%+v, %v", x, err)
	}
}
