package relay

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hark/activitypub"
	"hark/activitypub/sig"
	"hark/classifier"
	"hark/relay/neighbourhood"
	"hark/storage"
	"hark/storage/query"
	"hark/storage/sqlite"
)

// terms are clauses that are true of some posts of the corpus.
var terms = []string{
	"label:threat", "label:spam", "label:hazard", "-label:spam", "label:threat>0.3", "label:baking", "lang:en", "lang:ja", "lang:de", "-lang:en",
	"#weather", "tag:storm", "the", "rain*", `"of the"`, "cw:a*", "alt:a*", "has:image", "has:poll", "has:link", "-has:cw", "is:question", "is:reply",
	"is:sensitive", "is:bot", "is:edited", "from:@ann", "domain:127.0.0.1", "software:mastodon", "software:pleroma", "via:127.0.0.1", "after:-1d", "before:-1d",
	"during:today", "in:public", "NEAR(a the)", "media:image/*", "name:a*", "to:@bob",
}

func composedFilter(r *rand.Rand, depth int) string {
	if depth == 0 || r.IntN(3) == 0 {
		return terms[r.IntN(len(terms))]
	}
	a, b := composedFilter(r, depth-1), composedFilter(r, depth-1)
	switch r.IntN(3) {
	case 0:
		return "(" + a + " OR " + b + ")"
	case 1:
		return "-(" + a + ")"
	}
	return "(" + a + " " + b + ")"
}

// TestFiltersAgreeWithTheArchive: what a filter says of an entry is what its
// query says of the post that the listener stored of it, for posts of every
// kind of server, pushed and announced.
func TestFiltersAgreeWithTheArchive(t *testing.T) {
	store, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir(), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	key, err := sig.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(Options{
		Store: store, Key: key, Listen: "127.0.0.1:0", AllowPrivate: true, AllowHTTP: true, HostRate: 1000, GlobalRate: 10000, Consent: ConsentPublic,
		Rules: []Rule{{Name: "bread", Query: "loaves OR bread OR oven", Label: "baking", Score: 0.9}}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := n.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Stop(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()
	hood, err := neighbourhood.Start(ctx, neighbourhood.Options{Relay: n.BaseURL(), Seed: 1, Mastodon: 2, Secure: 1, Pleroma: 1, Misskey: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hood.Close() }()
	if err := hood.Subscribe(ctx); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { // what the hosts run is known to both sides
		return !slices.ContainsFunc(hood.Instances(), func(in *neighbourhood.Instance) bool { return n.dir.Software(in.Host()) == "" })
	})
	corpus := slices.Concat(neighbourhood.Corpus(), neighbourhood.Unsolved())
	step := len(corpus)/100 + 1
	posted := 0
	for i := 0; i < len(corpus); i += step {
		in := hood.Instances()[posted%len(hood.Instances())]
		sent, err := in.Publish(ctx, neighbourhood.Post{Entry: corpus[i], Author: posted})
		if err != nil || sent.Status != 202 {
			t.Fatalf("%s: %+v, %v", in.Host(), sent, err)
		}
		posted++
	}
	until(t, func() bool {
		_, head, err := store.Bounds(ctx)
		cursor, err2 := store.ListenCursor(ctx)
		return err == nil && err2 == nil && head >= int64(posted) && cursor == head
	})
	entries, err := store.Read(ctx, 0, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	asked := slices.Clone(terms)
	for range 200 {
		asked = append(asked, composedFilter(r, 3))
	}
	checked, passed, announced := 0, map[string]int{}, 0
	for i := range entries {
		e := &entries[i]
		if len(e.Object) > 0 {
			announced++
		} else if e.Type != "Create" {
			continue
		}
		p, err := store.GetPostByURI(ctx, e.ObjectID)
		if err != nil {
			t.Fatalf("%s: %v", e.ObjectID, err)
		}
		for _, filter := range asked {
			q, err := query.ParseFilter(filter, query.Options{Now: e.Received.Truncate(time.Hour)})
			want := err == nil && q.Match(&p)
			if got := n.filters.Allows(filter, e); got != want {
				t.Errorf("%q of %q (%s, %v): %v, the archive says %v", filter, p.Text, p.Language, p.Labels, got, want)
			}
			if checked++; want {
				passed[filter]++
			}
		}
	}
	t.Logf("%d verdicts, %d of %d filters let something pass, %d announced", checked, len(passed), len(asked), announced)
	if len(passed) < len(asked)/3 || announced == 0 || passed["label:baking"] == 0 && passed["label:threat"] == 0 || passed["lang:ja"] == 0 {
		t.Errorf("too little was tried: %d of %d filters let something pass", len(passed), len(asked))
	}
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited half a minute in vain")
		}
	}
}

// counting is a classifier that counts how often it is asked.
type counting struct{ asked atomic.Int64 }

func (c *counting) Classify(_ context.Context, in classifier.Input) classifier.Result {
	c.asked.Add(1)
	return classifier.Result{Language: in.Language, Version: "none"}
}

func someFilters(t *testing.T, judge classifier.Classifier) (*filters, *sync.Map) {
	t.Helper()
	var counts sync.Map
	f, err := newFilters(filterOptions{
		author: func(context.Context, string) *activitypub.Actor { return nil }, software: func(string) string { return "" },
		judge: judge, log: slog.New(slog.DiscardHandler),
		counted: func(reason string) {
			n, _ := counts.LoadOrStore(reason, new(atomic.Int64))
			n.(*atomic.Int64).Add(1)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return f, &counts
}

func created(seq int64, text string) *storage.Entry {
	id := fmt.Sprintf("https://a.example/n/%d", seq)
	return &storage.Entry{Seq: seq, Type: "Create", Actor: "https://a.example/u/ann", ObjectID: id, Relay: true, Received: time.Now(),
		Body: fmt.Appendf(nil, `{"type":"Create","id":"%s/c","actor":"https://a.example/u/ann","object":{"type":"Note","id":%q,"attributedTo":"https://a.example/u/ann","content":%q,"contentMap":{"en":%q}}}`, id, id, text, text)}
}

// TestFiltersAreAskedOnce: a thousand subscribers with one filter cost one
// evaluation, and the classifier is asked only by filters that need it.
func TestFiltersAreAskedOnce(t *testing.T) {
	judge := &counting{}
	f, counts := someFilters(t, judge)
	e := created(1, "a storm")
	if !f.Allows("storm", e) || f.Allows("calm", e) || judge.asked.Load() != 0 {
		t.Errorf("asked %d times for words", judge.asked.Load())
	}
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			filter := []string{"lang:en -label:spam", "label:spam"}[i%2]
			if f.Allows(filter, e) != (i%2 == 0) {
				t.Errorf("%q is wrong", filter)
			}
		})
	}
	wg.Wait()
	if n := judge.asked.Load(); n != 1 {
		t.Errorf("the classifier was asked %d times", n)
	}
	if n, _ := counts.Load(filteredNoMatch); n.(*atomic.Int64).Load() != 501 {
		t.Errorf("%v counted, want 501", n)
	}
	f.Forget()
	if f.posts.Len() != 0 || f.Allows("label:spam", e) || judge.asked.Load() != 1 {
		t.Error("a verdict does not outlive the post")
	}
}

// TestFiltersOfOthers: what changes something always passes; what cannot be
// read never does, and says why.
func TestFiltersOfOthers(t *testing.T) {
	f, counts := someFilters(t, &counting{})
	for _, kind := range []string{"Update", "Delete", "Undo", "Move", "Announce"} {
		if !f.Allows("nothing like it", &storage.Entry{Seq: 1, Type: kind, Received: time.Now(), Body: []byte("{}")}) {
			t.Errorf("a %s does not pass", kind)
		}
	}
	good := created(2, "a storm")
	bad := created(3, "")
	bad.Body = []byte(`{"type":"Create","object":"https://a.example/n/3"}`)
	for _, tt := range []struct {
		filter string
		e      *storage.Entry
		reason string
	}{
		{"", good, ""}, {"", bad, ""}, {"storm", good, ""}, {"calm", good, filteredNoMatch}, {"storm", bad, filteredPost}, {"-storm", bad, filteredPost},
		{"place:kyoto", good, filteredUnreadable}, {"(", good, filteredUnreadable}, {strings.Repeat("x", 2000), good, filteredUnreadable},
	} {
		counts.Clear()
		if got := f.Allows(tt.filter, tt.e); got != (tt.reason == "") {
			t.Errorf("%.20q of %d: %v", tt.filter, tt.e.Seq, got)
		}
		if _, counted := counts.Load(tt.reason); tt.reason != "" && !counted {
			t.Errorf("%.20q of %d is not counted as %s", tt.filter, tt.e.Seq, tt.reason)
		}
	}
	// A backlog is judged as it would have been on the day: a filter that only
	// leaves out does not become one of the last 24 hours.
	old := created(4, "a storm")
	old.Received = time.Now().AddDate(0, 0, -6)
	if !f.Allows("-calm", old) || !f.Allows("after:-1d storm", old) {
		t.Error("an old entry is judged by today's clock")
	}
}
