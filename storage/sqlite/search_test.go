package sqlite

import (
	"context"
	"fmt"
	"testing"
	"time"

	"hark/storage"
	"hark/storage/query"
)

// TestDeadline has searches run out of time: they answer with what they have,
// while a caller who gives up gets an error.
func TestDeadline(t *testing.T) {
	s := open(t, t.TempDir())
	defer func() { _ = s.Close() }()
	var ops []storage.Op
	for n := range 10 {
		at := time.UnixMilli(1767268800000 + int64(n)*86_400_000) // so far apart that each is a step of its own
		ops = append(ops, storage.Op{Kind: storage.OpPut, Post: &storage.Post{URI: fmt.Sprint(n), Text: "word", Received: at}})
	}
	if _, err := s.Apply(t.Context(), storage.Batch{Ops: ops, Cursor: 1}); err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	q := query.Parse("word", query.Options{})
	for _, o := range []order{newest, oldest} {
		hits, err := s.byArrival(t.Context(), over, q, storage.Page{}, cursor{order: o}, 5)
		if err != nil || !hits.Partial || len(hits.Posts) != 0 || hits.Next != "" {
			t.Errorf("%s: %+v, %v", o, hits, err)
		}
	}
	for _, o := range []order{relevance, score} {
		hits, err := s.ranked(t.Context(), over, q, storage.Page{}, cursor{order: o}, 5)
		if err != nil || !hits.Partial || len(hits.Posts) != 0 {
			t.Errorf("%s: %+v, %v", o, hits, err)
		}
	}
	// A search that broke off goes on where it stood.
	w := s.walk(q, storage.Page{})
	page, err := w.posts(t.Context(), 3)
	if err != nil || len(page) != 1 {
		t.Fatalf("first step: %d posts, %v", len(page), err)
	}
	c := cursor{order: newest, id: w.reached(nil)}
	hits, err := s.Search(t.Context(), q, storage.Page{Cursor: c.String()})
	if err != nil || len(hits.Posts) != 9 || hits.Partial || hits.Posts[0].URI != "8" {
		t.Errorf("the rest: %d posts, %v", len(hits.Posts), err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Search(gone, q, storage.Page{}); err == nil {
		t.Error("a cancelled search gave no error")
	}
	if _, _, err := s.Count(gone, q, 10); err == nil {
		t.Error("a cancelled count gave no error")
	}
}
