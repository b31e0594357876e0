package listen

import (
	"context"
	"slices"
	"sync"

	"hark/classifier"
	"hark/storage"
)

// Reviewer gives a second opinion, slowly, on posts of whose labels the classifier
// is not sure. It is safe for concurrent use.
type Reviewer interface {
	Version() string
	// Unsure tells whether it would say anything.
	Unsure(scores []classifier.Score, language string) bool
	// Review returns the scores, with its opinion in those that are in doubt.
	Review(ctx context.Context, text string, scores []classifier.Score, language string) ([]classifier.Score, error)
}

// What becomes of a post that the classifier is not sure of.
const (
	reviewChanged = "changed" // labels were given or taken away
	reviewSame    = "same"
	reviewStale   = "stale"   // edited or deleted meanwhile
	reviewDropped = "dropped" // too many were waiting: the first opinion stands
	reviewFailed  = "failed"
)

// reviewQueue bounds the posts that wait for a second opinion. Those over it keep
// the first.
const reviewQueue = 512

// doubt is a post as it was stored, and its labels before the operator's rules.
type doubt struct {
	post   *storage.Post
	scores []classifier.Score
	model  string
}

// reviews are the posts that wait for a second opinion, which is asked for beside
// the listener: however slow it is, nothing waits for it to be stored or told.
type reviews struct {
	l     *Listener
	queue chan doubt
}

// unsure keeps what the classifier said of a post, if the reviewer would say more.
func (l *Listener) unsure(r classifier.Result) *doubt {
	if l.o.Reviewer == nil || !l.o.Reviewer.Unsure(r.Scores, r.Language) {
		return nil
	}
	return &doubt{scores: r.Scores, model: r.Version}
}

// offer puts a stored post into the queue, if there is room.
func (r *reviews) offer(d doubt) {
	select {
	case r.queue <- d:
	default:
		r.l.o.Observer.Reviewed(reviewDropped)
	}
}

// run asks until the context ends.
func (r *reviews) run(ctx context.Context, workers int) {
	var wg sync.WaitGroup
	for range max(workers, 1) {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case d := <-r.queue:
					outcome := r.l.review(ctx, d)
					if ctx.Err() == nil {
						r.l.o.Observer.Reviewed(outcome)
					}
				}
			}
		})
	}
	wg.Wait()
}

// review asks for the second opinion on one post and stores it.
func (l *Listener) review(ctx context.Context, d doubt) string {
	scores, err := l.o.Reviewer.Review(ctx, inputOf(d.post, "").Text, d.scores, d.post.Language)
	if err != nil {
		if ctx.Err() == nil {
			l.o.Log.ErrorContext(ctx, "second opinion", "post", d.post.ID, "error", err.Error())
		}
		return reviewFailed
	}
	p := *d.post
	write(&p, scores, d.model+"+"+l.o.Reviewer.Version())
	if l.o.Rules != nil {
		l.o.Rules(&p)
	}
	done, err := l.o.Archive.Relabel(ctx, &p)
	switch {
	case err != nil:
		if ctx.Err() == nil {
			l.o.Log.ErrorContext(ctx, "store a second opinion", "post", p.ID, "error", err.Error())
		}
		return reviewFailed
	case !done:
		return reviewStale
	case slices.Equal(given(d.post), given(&p)):
		return reviewSame
	}
	for _, name := range given(&p) {
		if !slices.Contains(given(d.post), name) {
			l.o.Observer.Labelled(name)
		}
	}
	l.o.Hub.Publish(Event{Kind: EventUpdate, ID: p.ID, Post: &p})
	return reviewChanged
}

// given are the labels that a post carries.
func given(p *storage.Post) []string {
	var out []string
	for _, l := range p.Labels {
		if l.Over {
			out = append(out, l.Name)
		}
	}
	slices.Sort(out)
	return out
}
