package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"hark/classifier/train"
	"hark/storage"
	"hark/storage/sqlite"
)

// TestFeedbackExport: what people said becomes lines to learn from, one for each
// post; where they disagree nothing is said.
func TestFeedbackExport(t *testing.T) {
	dir := t.TempDir()
	store, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var posts []storage.Post
	for _, text := range []string{"first <b>", "second", "third"} {
		posts = append(posts, storage.Post{URI: "https://a.example/" + text, Actor: "https://a.example/ann", Handle: "ann@a.example", Host: "a.example",
			Type: "Note", Published: day, Received: day, Language: "en", Text: text})
	}
	if n, err := store.PutPosts(t.Context(), posts); err != nil || n != 3 {
		t.Fatal(n, err)
	}
	ids := map[string]int64{}
	for _, p := range posts {
		got, err := store.GetPostByURI(t.Context(), p.URI)
		if err != nil {
			t.Fatal(err)
		}
		ids[p.Text] = got.ID
	}
	for _, f := range []storage.Feedback{
		{Post: ids["first <b>"], Label: "hate", Holds: false, Token: "a"},
		{Post: ids["first <b>"], Label: "spam", Holds: true, Token: "a"},
		{Post: ids["second"], Label: "hate", Holds: true, Token: "a"},
		{Post: ids["second"], Label: "hate", Holds: false, Token: "b"},
		{Post: ids["third"], Label: "theft", Holds: true, Token: "a"},
	} {
		if err := store.PutFeedback(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"feedback", "export"}, strings.NewReader(""), &out, &errs, []string{"HARK_STORAGE_PATH=" + dir}); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	got, err := train.ReadLines(&out, train.Filter{Split: train.Train})
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	if e := got[0]; e.Text != "first <b>" || e.Labels["hate"] != 0 || e.Labels["spam"] != 1 || len(e.Labels) != 2 || e.Lang != "en" {
		t.Errorf("%+v", e)
	}
	if e := got[1]; e.Text != "third" || e.Labels["theft"] != 1 {
		t.Errorf("%+v", e)
	}
}
