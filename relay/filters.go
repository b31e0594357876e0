package relay

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"hark/activitypub"
	"hark/classifier"
	"hark/relay/listen"
	"hark/storage"
	"hark/storage/query"
)

// Bounds of what the filters remember. Subscribers that keep up ask about the
// same newest entries; one with a backlog asks about old ones.
const (
	filterQueries  = 1_024  // filters, for an hour of arrivals each
	filterPosts    = 256    // posts with their words
	filterVerdicts = 32_768 // of one filter on one entry
	filterRead     = 2 * time.Second
)

// Why a filter kept an entry from a subscriber.
const (
	filteredNoMatch    = "no-match"
	filteredPost       = "unreadable-post"
	filteredUnreadable = "unreadable-filter"
)

// filters decides which new posts the subscribers' filters let pass. A filter
// is asked once of an entry, however many subscribers have it and however many
// of their workers ask at once.
type filters struct {
	o filterOptions

	mu       sync.Mutex // guards the making of what the caches hold
	queries  *lru.Cache[hourQuery, *filterQuery]
	posts    *lru.Cache[int64, *filterPost] // by sequence
	verdicts *lru.Cache[verdictKey, *verdict]
}

// filterOptions are all that filters need.
type filterOptions struct {
	author   func(ctx context.Context, id string) *activitypub.Actor // nil where unknown; asks nobody outside
	software func(host string) string
	judge    classifier.Classifier
	rules    func(*storage.Post) // adds the labels of the operator's rules; may be nil
	counted  func(reason string) // an entry that did not pass
	log      *slog.Logger
}

// hourQuery names a parsed filter. Relative times in it count from the hour in
// which the post arrived, so that a verdict does not depend on when a
// subscriber comes to ask for it.
type hourQuery struct {
	filter string
	hour   int64
}

type filterQuery struct {
	once sync.Once
	q    *query.Query // nil: not usable
}

type verdictKey struct {
	filter string
	seq    int64
}

type verdict struct {
	once   sync.Once
	reason string // "": it passes
}

// filterPost is the post of an entry, read and judged when a filter asks.
type filterPost struct {
	mu     sync.Mutex // guards the rest
	read   bool
	err    error
	post   *storage.Post
	tag    string          // language that its author claims
	plain  *query.Document // as it arrived
	judged *query.Document // with what the classifier finds
}

func newFilters(o filterOptions) (*filters, error) {
	queries, err := lru.New[hourQuery, *filterQuery](filterQueries)
	if err != nil {
		return nil, fmt.Errorf("filters: %w", err)
	}
	posts, err := lru.New[int64, *filterPost](filterPosts)
	if err != nil {
		return nil, fmt.Errorf("posts of filters: %w", err)
	}
	verdicts, err := lru.New[verdictKey, *verdict](filterVerdicts)
	if err != nil {
		return nil, fmt.Errorf("verdicts of filters: %w", err)
	}
	return &filters{o: o, queries: queries, posts: posts, verdicts: verdicts}, nil
}

// Allows tells whether a filter lets an entry pass. Only new posts are
// filtered: an edit, a deletion or a move may concern what the subscriber
// holds. A post that cannot be read does not pass, nor does any where the
// filter itself cannot be read any more: whoever asked for less is not sent
// everything.
func (f *filters) Allows(filter string, e *storage.Entry) bool {
	if filter == "" || e.Type != "Create" && len(e.Object) == 0 {
		return true
	}
	v := slot(f, f.verdicts, verdictKey{filter, e.Seq})
	v.once.Do(func() { v.reason = f.reason(filter, e) })
	if v.reason != "" {
		f.o.counted(v.reason)
	}
	return v.reason == ""
}

// Forget drops the posts from memory, because one of them was deleted.
func (f *filters) Forget() { f.posts.Purge() }

// slot returns what a cache holds for a key, and puts an empty one there if
// it holds nothing: all who ask at once get the same.
func slot[K comparable, V any](f *filters, cache *lru.Cache[K, *V], key K) *V {
	if v, ok := cache.Get(key); ok {
		return v
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := cache.Get(key)
	if !ok {
		v = new(V)
		cache.Add(key, v)
	}
	return v
}

func (f *filters) reason(filter string, e *storage.Entry) string {
	q := f.query(filter, e.Received)
	if q == nil {
		return filteredUnreadable
	}
	doc := f.document(e, q.Judged())
	if doc == nil {
		return filteredPost
	}
	if !q.MatchDocument(doc) {
		return filteredNoMatch
	}
	return ""
}

func (f *filters) query(filter string, received time.Time) *query.Query {
	hour := received.Truncate(time.Hour)
	fq := slot(f, f.queries, hourQuery{filter, hour.Unix()})
	fq.once.Do(func() {
		q, err := query.ParseFilter(filter, query.Options{Now: hour})
		if err != nil {
			f.o.log.Warn("a subscriber's filter cannot be used; nothing new passes it", "filter", filter, "error", err.Error())
			return
		}
		fq.q = q
	})
	return fq.q
}

// document is the post of an entry, made ready to be asked; nil if it cannot
// be read.
func (f *filters) document(e *storage.Entry, judged bool) *query.Document {
	fp := slot(f, f.posts, e.Seq)
	fp.mu.Lock()
	defer fp.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), filterRead)
	defer cancel()
	if !fp.read {
		author := func(id string) *activitypub.Actor { return f.o.author(ctx, id) }
		fp.post, fp.tag, fp.err = listen.PostOf(e, author, f.o.software)
		fp.read = true
	}
	switch {
	case fp.err != nil:
		return nil
	case judged:
		if fp.judged == nil {
			p := *fp.post // the plain one may be being read
			listen.Judge(ctx, &p, fp.tag, f.o.judge, nil, f.o.rules)
			fp.judged = query.NewDocument(&p)
		}
		return fp.judged
	case fp.plain == nil:
		fp.plain = query.NewDocument(fp.post)
	}
	return fp.plain
}

// knownAuthor is the author's document as the store has it, however old: a
// verified author's is there, and a filter does not wait for the network.
func (n *Node) knownAuthor(ctx context.Context, id string) *activitypub.Actor {
	rec, err := n.store.GetActor(ctx, id)
	if err != nil || rec.Gone {
		return nil
	}
	actor, err := activitypub.ParseActor(rec.Document)
	if err != nil {
		return nil
	}
	return actor
}
