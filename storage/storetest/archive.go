package storetest

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"hark/storage"
)

// Archive checks that posts are kept once, changed only by their author, and
// found.
func Archive(t *testing.T, open func(t *testing.T) ArchiveStore) {
	for name, test := range map[string]func(*testing.T, ArchiveStore){
		"Post":        wholePost,
		"Idempotent":  idempotent,
		"Atomic":      atomicBatch,
		"IDs":         risingIDs,
		"Update":      update,
		"Delete":      remove,
		"DeleteActor": removeActor,
		"LateCreate":  lateCreate,
		"Odd":         oddPosts,
		"SameBatch":   sameBatch,
		"Actors":      actors,
		"Import":      importPosts,
		"Feedback":    feedback,
		"Relabel":     relabel,
		"Expire":      expire,
		"Figures":     figures,
		"Search":      search,
		"Paging":      paging,
		"Each":        each,
		"Agree":       agree,
	} {
		t.Run(name, func(t *testing.T) { test(t, started(t, open)) })
	}
	t.Run("Reopen", func(t *testing.T) {
		s := open(t)
		apply(t, s, 5, puts(post(1, "ann", "hello"))...)
		noError(t, s.Close())
		s = started(t, open)
		if c := must[int64](t)(s.ListenCursor(t.Context())); c != 5 {
			t.Errorf("cursor %d after reopening", c)
		}
		found(t, s, "hello", 1)
	})
}

// apply commits one batch.
func apply(t *testing.T, s ArchiveStore, cursor int64, ops ...storage.Op) []storage.OpResult {
	t.Helper()
	rs := must[[]storage.OpResult](t)(s.Apply(t.Context(), storage.Batch{Ops: ops, Cursor: cursor}))
	if len(rs) != len(ops) {
		t.Fatalf("%d results for %d operations", len(rs), len(ops))
	}
	return rs
}

// applied tells which operations had an effect.
func applied(rs []storage.OpResult) (as []bool) {
	for _, r := range rs {
		as = append(as, r.Applied)
	}
	return as
}

// found checks what a search finds: the numbers of the posts, in their order.
func found(t *testing.T, s ArchiveStore, text string, want ...int) {
	t.Helper()
	hits := must[storage.Hits](t)(s.Search(t.Context(), parse(text), storage.Page{Limit: 200}))
	got := []string{}
	for _, p := range hits.Posts {
		got = append(got, p.URI)
	}
	uris := []string{}
	for _, n := range want {
		uris = append(uris, post(n, "x", "").URI)
	}
	equal(t, "search for "+text, got, uris)
}

func wholePost(t *testing.T, s ArchiveStore) {
	ctx := t.Context()
	p := post(1, "ann", "look at my cluckers")
	p.Edited, p.Sensitive, p.Bot, p.Emojis = day0.Add(time.Hour), true, true, true
	p.Warning, p.InReplyTo, p.Quote, p.Poll = "birds", "https://b.example/1", "https://b.example/2", []string{"yes", "no"}
	rs := apply(t, s, 1, puts(p)...)
	if !rs[0].Applied || len(rs[0].IDs) != 1 {
		t.Fatalf("result %+v", rs[0])
	}
	p.ID = rs[0].IDs[0]
	equal(t, "by id", must[storage.Post](t)(s.GetPost(ctx, p.ID)), *p)
	equal(t, "by URI", must[storage.Post](t)(s.GetPostByURI(ctx, p.URI)), *p)
	hits := must[storage.Hits](t)(s.Search(ctx, parse("cluckers"), storage.Page{}))
	equal(t, "by search", hits, storage.Hits{Posts: []storage.Post{*p}})
	_, err := s.GetPost(ctx, 1)
	wantError(t, err, storage.ErrNotFound)
	_, err = s.GetPostByURI(ctx, "https://a.example/notes/2")
	wantError(t, err, storage.ErrNotFound)
}

func idempotent(t *testing.T, s ArchiveStore) {
	ctx := t.Context()
	if c := must[int64](t)(s.ListenCursor(ctx)); c != 0 {
		t.Fatalf("cursor of an empty archive: %d", c)
	}
	b := storage.Batch{Ops: puts(post(1, "ann", "one")), Cursor: 3, Counts: []storage.DayCount{{Day: "2026-03-01", Reason: "stored", Count: 1}}}
	for range 2 {
		must[[]storage.OpResult](t)(s.Apply(ctx, b))
	}
	// One that lags behind another must not write either, whatever it brings.
	if got := applied(apply(t, s, 2, puts(post(2, "ann", "two"))...)); got[0] {
		t.Error("a batch behind the cursor was applied")
	}
	equal(t, "counts", must[[]storage.DayCount](t)(s.ListCounts(ctx, "")), b.Counts)
	if c := must[int64](t)(s.ListenCursor(ctx)); c != 3 {
		t.Errorf("cursor %d", c)
	}
	equal(t, "the same URI again", applied(apply(t, s, 4, puts(post(1, "ann", "other"))...)), []bool{false})
	found(t, s, "", 1)
	found(t, s, "other")
}

func atomicBatch(t *testing.T, s ArchiveStore) {
	ops := append(puts(post(1, "ann", "one")), storage.Op{Kind: "nonsense"})
	if _, err := s.Apply(t.Context(), storage.Batch{Ops: ops, Cursor: 9, Counts: []storage.DayCount{{Day: "2026-03-01", Reason: "x", Count: 1}}}); err == nil {
		t.Fatal("an unknown operation was taken")
	}
	if c := must[int64](t)(s.ListenCursor(t.Context())); c != 0 {
		t.Errorf("cursor %d after a failed batch", c)
	}
	if n := len(must[[]storage.DayCount](t)(s.ListCounts(t.Context(), ""))); n != 0 {
		t.Errorf("%d counts after a failed batch", n)
	}
	found(t, s, "")
}

func risingIDs(t *testing.T, s ArchiveStore) {
	var before int64
	for i := range 4 {
		p := post(i, "ann", "x")
		p.Received = day0.Add(-time.Duration(i/2) * time.Hour) // twice the same, then earlier
		if i == 2 {
			p.ID = before // in use
		}
		id := apply(t, s, int64(i+1), puts(p)...)[0].IDs[0]
		if id <= before {
			t.Errorf("id %d after %d", id, before)
		}
		if i == 0 && id>>16 != p.Received.UnixMilli() {
			t.Errorf("id %d does not begin with the arrival", id)
		}
		before = id
	}
	p := post(9, "ann", "x")
	p.ID = 1 << 62
	if id := apply(t, s, 9, puts(p)...)[0].IDs[0]; id>>16 > time.Now().Add(time.Hour).UnixMilli() {
		t.Error("an id of the far future was taken over")
	}
}

func update(t *testing.T, s ArchiveStore) {
	ctx := t.Context()
	first := post(1, "ann", "before the edit")
	id := apply(t, s, 1, puts(first)...)[0].IDs[0]
	edit := func(author, text string, edited time.Time) *storage.Post {
		p := post(1, author, text)
		p.Received, p.Edited, p.Labels = day0.AddDate(0, 0, 1), edited, nil
		return p
	}
	up := func(p *storage.Post) storage.Op { return storage.Op{Kind: storage.OpUpdate, Post: p} }
	rs := apply(t, s, 2,
		up(edit("mallory", "forged", day0.Add(time.Hour))),
		up(edit("ann", "changed text", day0.Add(2*time.Hour))),
		up(edit("ann", "older edit", day0.Add(time.Hour))),
		up(post(2, "ann", "unknown")))
	equal(t, "applied", applied(rs), []bool{false, true, false, false})
	equal(t, "ids", rs[1].IDs, []int64{id})
	want := *edit("ann", "changed text", day0.Add(2*time.Hour))
	want.ID, want.Received = id, first.Received
	equal(t, "post", must[storage.Post](t)(s.GetPost(ctx, id)), want)
	found(t, s, "changed", 1)
	found(t, s, "before")
	found(t, s, "forged")
	found(t, s, "label:threat")
}

func remove(t *testing.T, s ArchiveStore) {
	p := post(1, "ann", "to be removed")
	id := apply(t, s, 1, puts(p)...)[0].IDs[0]
	del := func(actor string) storage.Op {
		return storage.Op{Kind: storage.OpDelete, URI: p.URI, Actor: actor}
	}
	rs := apply(t, s, 2, del("https://a.example/users/mallory"), del(p.Actor), del(p.Actor))
	equal(t, "applied", applied(rs), []bool{false, true, false})
	equal(t, "ids", rs[1].IDs, []int64{id})
	found(t, s, "")
	found(t, s, "removed")
	found(t, s, "label:threat")
	equal(t, "added again", applied(apply(t, s, 3, puts(p)...)), []bool{false})
}

func removeActor(t *testing.T, s ArchiveStore) {
	ctx := t.Context()
	noError(t, s.PutActor(ctx, &storage.Actor{ID: post(1, "ann", "").Actor, Fetched: day0}))
	apply(t, s, 1, puts(post(1, "ann", "one"), post(2, "bob", "two"), post(3, "ann", "three"))...)
	gone := storage.Op{Kind: storage.OpDeleteActor, Actor: post(1, "ann", "").Actor}
	rs := apply(t, s, 2, gone, gone)
	equal(t, "applied", applied(rs), []bool{true, false})
	if len(rs[0].IDs) != 2 {
		t.Errorf("%d posts erased, want 2", len(rs[0].IDs))
	}
	found(t, s, "", 2)
	_, err := s.GetActor(ctx, gone.Actor)
	wantError(t, err, storage.ErrNotFound)
}

// oddPosts must neither be lost nor stop the listener.
func oddPosts(t *testing.T, s ArchiveStore) {
	ctx := t.Context()
	nan := post(1, "ann", "nan")
	nan.Labels[0].Score, nan.Labels[0].Reasons[0].Weight = math.NaN(), math.Inf(1)
	bytes := post(2, "ann", "bytes \xff\x00 '\"; DROP TABLE post; -- \u202e")
	twice := post(3, "ann", "twice")
	twice.Labels = []storage.Label{{Name: "spam", Score: 0.2}, {Name: "spam", Score: 0.8, Over: true}}
	bare := storage.Post{URI: post(4, "ann", "").URI}
	rs := apply(t, s, 1, puts(nan, bytes, twice, &bare, &storage.Post{Text: "no URI"})...)
	equal(t, "applied", applied(rs), []bool{true, true, true, true, false})
	if l := must[storage.Post](t)(s.GetPostByURI(ctx, nan.URI)).Labels; len(l) != 1 || l[0].Score != 0 {
		t.Errorf("labels %+v", l)
	}
	equal(t, "text", must[storage.Post](t)(s.GetPostByURI(ctx, bytes.URI)).Text, bytes.Text)
	equal(t, "both labels", must[storage.Post](t)(s.GetPostByURI(ctx, twice.URI)).Labels, twice.Labels)
	bare.ID = rs[3].IDs[0]
	equal(t, "bare post", must[storage.Post](t)(s.GetPostByURI(ctx, bare.URI)), bare)
}

func lateCreate(t *testing.T, s ArchiveStore) {
	mine, other := post(1, "ann", "mine"), post(2, "ann", "other")
	apply(t, s, 1,
		storage.Op{Kind: storage.OpDelete, URI: mine.URI, Actor: mine.Actor},
		storage.Op{Kind: storage.OpDelete, URI: other.URI, Actor: "https://a.example/users/mallory"})
	equal(t, "created after the delete", applied(apply(t, s, 2, puts(mine, other)...)), []bool{false, true})
}

// sameBatch has a post live and die within one transaction.
func sameBatch(t *testing.T, s ArchiveStore) {
	a, b, c := post(1, "ann", "apple"), post(2, "ann", "banana"), post(3, "ann", "cherry")
	b.Received = a.Received.Add(-time.Hour) // index rows are not in the order of the operations
	edited := post(2, "ann", "blueberry")
	rs := apply(t, s, 1, append(puts(a, b, c),
		storage.Op{Kind: storage.OpUpdate, Post: edited},
		storage.Op{Kind: storage.OpDelete, URI: c.URI, Actor: c.Actor},
		storage.Op{Kind: storage.OpPut, Post: c},
		storage.Op{Kind: storage.OpPut, Post: a})...)
	equal(t, "applied", applied(rs), []bool{true, true, true, true, true, false, false})
	found(t, s, "apple", 1)
	found(t, s, "blueberry", 2)
	found(t, s, "banana")
	found(t, s, "cherry")
}

func actors(t *testing.T, s ArchiveStore) {
	ctx := t.Context()
	a := storage.Actor{ID: "https://a.example/users/ann", Host: "a.example", Handle: "ann@a.example", Name: "Ann", Document: []byte(`{"id":"x"}`), Fetched: day0}
	noError(t, s.PutActor(ctx, &a))
	equal(t, "actor", must[storage.Actor](t)(s.GetActor(ctx, a.ID)), a)
	a.Gone, a.Document = true, nil
	equal(t, "applied", applied(apply(t, s, 1, storage.Op{Kind: storage.OpPutActor, Record: &a})), []bool{true})
	equal(t, "actor", must[storage.Actor](t)(s.GetActor(ctx, a.ID)), a)
	noError(t, s.DeleteActor(ctx, a.ID))
	noError(t, s.DeleteActor(ctx, a.ID))
	_, err := s.GetActor(ctx, a.ID)
	wantError(t, err, storage.ErrNotFound)
}

func importPosts(t *testing.T, s ArchiveStore) {
	ctx := t.Context()
	gone := post(1, "ann", "gone")
	apply(t, s, 1, append(puts(gone), storage.Op{Kind: storage.OpDelete, URI: gone.URI, Actor: gone.Actor})...)
	kept := post(2, "ann", "kept id")
	kept.ID = kept.Received.UnixMilli()<<16 | 7
	free := post(3, "ann", "no id")
	posts := []storage.Post{*gone, *kept, *free, *post(2, "ann", "again")}
	if n := must[int64](t)(s.PutPosts(ctx, posts)); n != 2 {
		t.Errorf("%d posts imported, want 2", n)
	}
	if n := must[int64](t)(s.PutPosts(ctx, posts)); n != 0 {
		t.Errorf("%d posts imported the second time", n)
	}
	found(t, s, "kept", 2)
	if got := must[storage.Post](t)(s.GetPostByURI(ctx, kept.URI)).ID; got != kept.ID {
		t.Errorf("id %d, want %d", got, kept.ID)
	}
	if got := must[storage.Post](t)(s.GetPostByURI(ctx, free.URI)).ID; got>>16 != free.Received.UnixMilli() {
		t.Errorf("id %d does not begin with the arrival", got)
	}
	if c := must[int64](t)(s.ListenCursor(ctx)); c != 1 {
		t.Errorf("the import moved the cursor to %d", c)
	}
}

func expire(t *testing.T, s ArchiveStore) {
	ctx := t.Context()
	for n := range 5 {
		apply(t, s, int64(n+1), puts(post(n, "ann", "word"))...)
	}
	if n := must[int64](t)(s.Expire(ctx, day0.Add(3*time.Minute), 2)); n != 2 {
		t.Errorf("%d posts expired, want 2", n)
	}
	if n := must[int64](t)(s.Expire(ctx, day0.Add(3*time.Minute), 2)); n != 1 {
		t.Errorf("%d posts expired, want 1", n)
	}
	found(t, s, "word", 4, 3)
}

func figures(t *testing.T, s ArchiveStore) {
	ctx := t.Context()
	day := func(d, reason string, n int64) storage.DayCount {
		return storage.DayCount{Day: d, Reason: reason, Count: n}
	}
	b := storage.Batch{Ops: puts(post(1, "ann", "x"), post(2, "ann", "y")), Cursor: 1,
		Counts: []storage.DayCount{day("2026-03-02", "stored", 2), day("2026-03-01", "nobot", 1), day("2026-03-02", "stored", 1)}}
	must[[]storage.OpResult](t)(s.Apply(ctx, b))
	b = storage.Batch{Cursor: 2, Counts: []storage.DayCount{day("2026-03-02", "nobot", 5), day("2026-03-02", "stored", 1)}}
	must[[]storage.OpResult](t)(s.Apply(ctx, b))
	equal(t, "counts", must[[]storage.DayCount](t)(s.ListCounts(ctx, "2026-03-02")),
		[]storage.DayCount{day("2026-03-02", "nobot", 5), day("2026-03-02", "stored", 4)})
	st := must[storage.Stats](t)(s.Stats(ctx))
	if st.Posts != 2 || !st.Oldest.Equal(day0.Add(time.Minute)) || !st.Newest.Equal(day0.Add(2*time.Minute)) || st.FileBytes <= 0 {
		t.Errorf("stats %+v", st)
	}
}

func search(t *testing.T, s ArchiveStore) {
	ctx := t.Context()
	plain := post(2, "bob", "a storm over the city")
	plain.Labels, plain.Tags = nil, nil
	apply(t, s, 1, puts(post(1, "ann", "the storm is here"), plain, post(3, "ann", "quiet day in the city"))...)
	found(t, s, "", 3, 2, 1)
	found(t, s, "storm city", 2)
	found(t, s, "city", 3, 2)
	found(t, s, `"the city"`, 3, 2)
	found(t, s, "city -storm", 3)
	found(t, s, "label:threat", 3, 1)
	found(t, s, "city label:threat", 3)
	found(t, s, "from:", []int{}...)
	for text, want := range map[string]int64{"": 3, "city": 2, "nowhere": 0, "from:": 0} {
		if n, capped, err := s.Count(ctx, parse(text), 10); err != nil || n != want || capped {
			t.Errorf("count of %q: %d, %v, %v", text, n, capped, err)
		}
	}
	if n, capped, err := s.Count(ctx, parse(""), 2); err != nil || n != 2 || !capped {
		t.Errorf("capped count: %d, %v, %v", n, capped, err)
	}
}

func paging(t *testing.T, s ArchiveStore) {
	ctx := t.Context()
	const n = 25
	var ops []storage.Op
	for i := range n {
		p := post(i, "ann", "word")
		p.Published = day0.Add(time.Duration(i%3) * time.Minute) // many alike: the key must tell them apart
		ops = append(ops, puts(p)...)
	}
	apply(t, s, 1, ops...)
	for _, text := range []string{"word", "", "word order:oldest", "word sort:relevance", "label:threat sort:score", "word sort:seen"} {
		var uris []string
		page := storage.Page{Limit: 7}
		for range n {
			hits := must[storage.Hits](t)(s.Search(ctx, parse(text), page))
			for _, p := range hits.Posts {
				uris = append(uris, p.URI)
			}
			if page.Cursor = hits.Next; page.Cursor == "" {
				break
			}
		}
		seen := make(map[string]bool)
		for _, u := range uris {
			seen[u] = true
		}
		if len(uris) != n || len(seen) != n {
			t.Errorf("%q: %d hits on all pages, %d different, want %d", text, len(uris), len(seen), n)
		}
	}
	all := must[storage.Hits](t)(s.Search(ctx, parse("word"), storage.Page{Limit: n})).Posts
	within := must[storage.Hits](t)(s.Search(ctx, parse("word"), storage.Page{MaxID: all[3].ID, MinID: all[8].ID})).Posts
	equal(t, "between two ids", within, all[4:8])
	if _, err := s.Search(ctx, parse("word"), storage.Page{Cursor: "nonsense"}); err == nil {
		t.Error("a cursor of somebody's own making was taken")
	}
}

func each(t *testing.T, s ArchiveStore) {
	ctx := t.Context()
	const n = 230
	var ops []storage.Op
	for i := range n {
		ops = append(ops, puts(post(i, "ann", fmt.Sprintf("word even%d", i%2)))...)
	}
	apply(t, s, 1, ops...)
	var before int64
	count := 0
	noError(t, s.Each(ctx, parse("even0"), func(p *storage.Post) error {
		if p.ID <= before {
			t.Fatalf("id %d after %d", p.ID, before)
		}
		before = p.ID
		count++
		if count == 1 { // writing goes on while a reader reads
			apply(t, s, 2, puts(post(n, "ann", "late"))...)
		}
		return nil
	}))
	if count != n/2 {
		t.Errorf("%d posts, want %d", count, n/2)
	}
	stop := errors.New("stop")
	wantError(t, s.Each(ctx, parse(""), func(*storage.Post) error { return stop }), stop)
	noError(t, s.Each(ctx, parse("from:"), func(*storage.Post) error { return stop }))
}

// feedback: the last word of a token counts, everything is listed once however
// short the pages, and what was said of a post goes with it.
func feedback(t *testing.T, s ArchiveStore) {
	ctx := t.Context()
	a, b := post(1, "ann", "one"), post(2, "ann", "two")
	apply(t, s, 1, puts(a, b)...)
	first := must[storage.Post](t)(s.GetPostByURI(ctx, a.URI)).ID
	second := must[storage.Post](t)(s.GetPostByURI(ctx, b.URI)).ID
	said := []storage.Feedback{
		{Post: first, Label: "hate", Holds: true, Token: "k1", At: day0, Score: 0.4, Model: "m/1"},
		{Post: first, Label: "hate", Holds: false, Token: "k2", At: day0, Score: 0.4, Model: "m/1"},
		{Post: first, Label: "spam", Holds: false, Token: "k1", At: day0, Score: 0.9, Model: "m/1"},
		{Post: second, Label: "hate", Holds: false, Token: "k1", At: day0, Score: 0.7, Model: "m/1"},
	}
	for _, f := range said {
		f.Holds = !f.Holds
		noError(t, s.PutFeedback(ctx, f))
		f.Holds = !f.Holds
		noError(t, s.PutFeedback(ctx, f))
	}
	var listed []storage.Feedback
	for after := (storage.Feedback{}); ; after = listed[len(listed)-1] {
		page := must[[]storage.Feedback](t)(s.ListFeedback(ctx, after, 3))
		if listed = append(listed, page...); len(page) < 3 {
			break
		}
	}
	equal(t, "feedback", listed, said)
	wantError(t, s.PutFeedback(ctx, storage.Feedback{Post: 12345, Label: "hate", Token: "k1"}), storage.ErrNotFound)
	apply(t, s, 2, storage.Op{Kind: storage.OpDelete, URI: a.URI, Actor: a.Actor})
	equal(t, "feedback after the deletion", must[[]storage.Feedback](t)(s.ListFeedback(ctx, storage.Feedback{}, 0)), said[3:])
}

// relabel: a post gets other labels, is found by them and no longer by the old
// ones; not if it was edited or deleted meanwhile.
func relabel(t *testing.T, s ArchiveStore) {
	ctx := t.Context()
	p := post(1, "ann", "fire in the harbour")
	p.Labels, p.ModelVer = []storage.Label{{Name: "hazard", Score: 0.6, Over: true, Model: "m/1"}}, "m/1"
	apply(t, s, 1, puts(p)...)
	old := must[storage.Post](t)(s.GetPostByURI(ctx, p.URI))
	found := func(word string) int {
		return len(must[storage.Hits](t)(s.Search(ctx, parse(word), storage.Page{})).Posts)
	}
	other := old
	other.Labels, other.ModelVer = []storage.Label{{Name: "attack", Score: 0.8, Over: true, Model: "m/1+second"}}, "m/1+second"
	equal(t, "relabelled", must[bool](t)(s.Relabel(ctx, &other)), true)
	equal(t, "post", must[storage.Post](t)(s.GetPost(ctx, old.ID)), other)
	equal(t, "found by the old label", found("label:hazard"), 0)
	equal(t, "found by the new label", found("label:attack"), 1)
	equal(t, "found by its text", found("harbour"), 1)

	edited := *p
	edited.Text, edited.Edited = "no fire in the harbour", day0.Add(time.Hour)
	apply(t, s, 2, storage.Op{Kind: storage.OpUpdate, Post: &edited})
	equal(t, "relabelled after an edit", must[bool](t)(s.Relabel(ctx, &other)), false)
	equal(t, "labels after the edit", must[storage.Post](t)(s.GetPost(ctx, old.ID)).Labels, p.Labels)
	apply(t, s, 3, storage.Op{Kind: storage.OpDelete, URI: p.URI, Actor: p.Actor})
	equal(t, "relabelled after the deletion", must[bool](t)(s.Relabel(ctx, &other)), false)
}
