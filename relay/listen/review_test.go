package listen

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"hark/activitypub"
	"hark/classifier"
	"hark/storage"
	"hark/storage/query"
)

// desk is a journal, an archive and everything else that a Listener needs.
type desk struct {
	mu       sync.Mutex
	entries  []storage.Entry
	posts    map[int64]storage.Post
	outcomes map[string]int
	changed  chan string
}

func (d *desk) Read(_ context.Context, after int64, limit int) ([]storage.Entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	rest := d.entries[min(int(after), len(d.entries)):]
	return rest[:min(limit, len(rest))], nil
}
func (*desk) EraseObject(context.Context, string) (int64, error)      { return 0, nil }
func (*desk) EraseOwn(context.Context, string, string) (int64, error) { return 0, nil }
func (*desk) EraseActor(context.Context, string) (int64, error)       { return 0, nil }
func (*desk) ListenCursor(context.Context) (int64, error)             { return 0, nil }
func (*desk) GetActor(context.Context, string) (storage.Actor, error) {
	return storage.Actor{}, storage.ErrNotFound
}
func (*desk) Actor(_ context.Context, id string) (*activitypub.Actor, error) {
	return &activitypub.Actor{ID: id, Username: "ann"}, nil
}

func (d *desk) Apply(_ context.Context, b storage.Batch) ([]storage.OpResult, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []storage.OpResult
	for _, op := range b.Ops {
		id := int64(len(d.posts) + 1)
		p := *op.Post
		p.ID = id
		d.posts[id] = p
		out = append(out, storage.OpResult{Applied: true, IDs: []int64{id}})
	}
	return out, nil
}

func (d *desk) Relabel(_ context.Context, p *storage.Post) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.posts[p.ID].Text != p.Text {
		return false, nil
	}
	d.posts[p.ID] = *p
	return true, nil
}

func (*desk) Stored(int)                       {}
func (*desk) Labelled(string)                  {}
func (*desk) NotStored(*storage.Entry, string) {}
func (*desk) Erased(string, string)            {}
func (d *desk) Reviewed(outcome string) {
	d.mu.Lock()
	d.outcomes[outcome]++
	d.mu.Unlock()
	d.changed <- outcome
}

func (d *desk) stored() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.posts)
}

// doubtful classifies everything as a threat that is hardly one.
type doubtful struct{}

func (doubtful) Classify(context.Context, classifier.Input) classifier.Result {
	return classifier.Result{Language: "en", Version: "first/1", Scores: []classifier.Score{{Label: classifier.Threat, Score: 0.45, Model: "first/1"}}}
}

// second finds that it is one, once it may.
type second struct {
	may  chan struct{}
	fail error
}

func (second) Version() string                        { return "second/1" }
func (second) Unsure([]classifier.Score, string) bool { return true }
func (s second) Review(ctx context.Context, _ string, scores []classifier.Score, _ string) ([]classifier.Score, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.may:
	}
	if s.fail != nil {
		return nil, s.fail
	}
	out := append([]classifier.Score(nil), scores...)
	out[0].Score, out[0].Over = 0.8, true
	return out, nil
}

// listening runs a Listener over n posts until the test ends.
func listening(t *testing.T, n int, r Reviewer, rules func(*storage.Post)) (*desk, <-chan Event) {
	t.Helper()
	d := &desk{posts: map[int64]storage.Post{}, outcomes: map[string]int{}, changed: make(chan string, 4096)}
	for i := range n {
		body, err := json.Marshal(map[string]any{
			"@context": "https://www.w3.org/ns/activitystreams", "id": fmt.Sprintf("https://a.example/c/%d", i), "type": "Create", "actor": "https://a.example/u/ann",
			"object": map[string]any{"id": fmt.Sprintf("https://a.example/n/%d", i), "type": "Note", "attributedTo": "https://a.example/u/ann",
				"to": "https://www.w3.org/ns/activitystreams#Public", "content": fmt.Sprintf("<p>post %d</p>", i), "published": "2026-01-01T00:00:00Z"},
		})
		if err != nil {
			t.Fatal(err)
		}
		d.entries = append(d.entries, storage.Entry{
			Seq: int64(i + 1), ActivityID: fmt.Sprintf("https://a.example/c/%d", i), Actor: "https://a.example/u/ann", Type: "Create", Body: body, Listen: true, Received: time.Now(),
		})
	}
	hub := NewHub()
	events, stop := hub.Listen(query.Parse("", query.Options{Now: time.Now()}))
	l, err := New(t.Context(), Options{
		Journal: d, Archive: d, Actors: d, Classifier: doubtful{}, Reviewer: r, Reviewers: 2, Rules: rules, Consent: Public, Observer: d, Hub: hub,
		Software: func(string) string { return "" }, Blocked: func(string) bool { return false }, Objected: func(string) bool { return false },
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { l.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait(); stop(); hub.Close() })
	return d, events
}

func outcome(t *testing.T, d *desk) string {
	t.Helper()
	select {
	case o := <-d.changed:
		return o
	case <-time.After(20 * time.Second):
		t.Fatal("no second opinion")
		return ""
	}
}

// TestSecondOpinion: the post is stored and told with the first opinion, then
// again with the second, and the operator's rules see that one.
func TestSecondOpinion(t *testing.T) {
	may := make(chan struct{})
	rules := func(p *storage.Post) {
		if p.Labels[0].Over {
			p.Labels = append(p.Labels, storage.Label{Name: "ours", Score: 1, Over: true, Model: "operator/1"})
		}
		p.ModelVer += "+operator/1"
	}
	d, events := listening(t, 1, second{may: may}, rules)
	first := <-events
	if first.Kind != EventPost || first.Post.Labels[0].Over || len(first.Post.Labels) != 1 {
		t.Fatalf("%+v", first.Post)
	}
	close(may)
	if o := outcome(t, d); o != reviewChanged {
		t.Fatalf("outcome %q", o)
	}
	again := <-events
	if again.Kind != EventUpdate || !again.Post.Labels[0].Over || len(again.Post.Labels) != 2 || again.Post.ModelVer != "first/1+second/1+operator/1" {
		t.Errorf("%+v", again.Post)
	}
	if p := d.posts[first.ID]; !p.Labels[0].Over || p.Text != "post 0" {
		t.Errorf("stored: %+v", p)
	}
	if first.Post.Labels[0].Over {
		t.Error("what was told first has changed")
	}
}

// TestSecondOpinionsDelayNothing: with a reviewer that hangs everything is stored
// all the same, and what does not fit into the queue keeps its first opinion.
func TestSecondOpinionsDelayNothing(t *testing.T) {
	const posts = 2*reviewQueue + 100
	d, _ := listening(t, posts, second{may: make(chan struct{})}, nil)
	deadline := time.Now().Add(30 * time.Second)
	for d.stored() < posts {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d posts stored", d.stored(), posts)
		}
		time.Sleep(5 * time.Millisecond)
	}
	for range posts - reviewQueue - 2 { // two are with the reviewers
		if o := outcome(t, d); o != reviewDropped {
			t.Fatalf("outcome %q", o)
		}
	}
}

func TestSecondOpinionFails(t *testing.T) {
	may := make(chan struct{})
	close(may)
	d, _ := listening(t, 1, second{may: may, fail: fmt.Errorf("no memory")}, nil)
	if o := outcome(t, d); o != reviewFailed {
		t.Fatalf("outcome %q", o)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.posts[1].Labels[0].Score != 0.45 {
		t.Errorf("%+v", d.posts[1].Labels)
	}
}

// TestSecondOpinionOfAnEditedPost: an opinion on words that are gone is not kept.
func TestSecondOpinionOfAnEditedPost(t *testing.T) {
	may := make(chan struct{})
	d, events := listening(t, 1, second{may: may}, nil)
	<-events
	d.mu.Lock()
	p := d.posts[1]
	p.Text = "edited"
	d.posts[1] = p
	d.mu.Unlock()
	close(may)
	if o := outcome(t, d); o != reviewStale {
		t.Fatalf("outcome %q", o)
	}
}
