// Package storetest holds what every store must pass. Each function runs a
// suite of subtests against an engine through a small interface of its own;
// together they are what the rest of Hark relies on.
//
// The open function given to a suite returns the store of the test it is
// called with: an empty one on the first call, and the same one again after
// it was closed.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hark/storage"
	"hark/storage/query"
)

// JournalStore is the journal with what waits beside it.
type JournalStore interface {
	Append(ctx context.Context, e *storage.Entry) (bool, error)
	Seen(ctx context.Context, activityID string) (bool, error)
	SeenObject(ctx context.Context, objectKey string) (bool, error)
	AppendUnresolved(ctx context.Context, u *storage.Unresolved) (bool, error)
	Resolve(ctx context.Context, unresolvedID int64, e *storage.Entry) (bool, error)
	ListUnresolved(ctx context.Context, due time.Time, limit int) ([]storage.Unresolved, error)
	RetryUnresolved(ctx context.Context, id int64, attempts int, next time.Time) error
	DropUnresolved(ctx context.Context, id int64) error
	CountUnresolved(ctx context.Context, via string) (int64, error)
	Read(ctx context.Context, after int64, limit int) ([]storage.Entry, error)
	Bounds(ctx context.Context) (tail, head int64, err error)
	ArrivalAfter(ctx context.Context, seq int64) (int64, time.Time, error)
	FirstSince(ctx context.Context, since time.Time) (int64, error)
	CountRelayed(ctx context.Context, after, upTo int64) (int64, error)
	Trim(ctx context.Context, before time.Time, upTo int64) (int64, error)
	EraseObject(ctx context.Context, objectID string) (int64, error)
	EraseOwn(ctx context.Context, objectID, actor string) (int64, error)
	EraseActor(ctx context.Context, actor string) (int64, error)
	Close() error
}

// SubscriberStore keeps subscribers, control messages, rules and settings.
type SubscriberStore interface {
	GetSubscriber(ctx context.Context, actor string) (storage.Subscriber, error)
	ListSubscribers(ctx context.Context, f storage.SubscriberFilter) ([]storage.Subscriber, error)
	PutSubscription(ctx context.Context, s *storage.Subscriber, controls []storage.Control) error
	SaveProgress(ctx context.Context, progress []storage.Progress) error
	SetSignatureForm(ctx context.Context, actor, form string) error
	SetSubscriberFilter(ctx context.Context, actor, filter string) error
	SetCursor(ctx context.Context, actor string, cursor int64) error
	SetSubscriberSoftware(ctx context.Context, actor, software, version string) error
	SetSubscriberState(ctx context.Context, actor string, from []storage.SubscriberState, to storage.SubscriberState) (bool, error)
	ListControls(ctx context.Context, due time.Time, limit int) ([]storage.Control, error)
	RetryControl(ctx context.Context, id int64, attempts int, next time.Time) error
	DeleteControl(ctx context.Context, id int64) error
	AddRule(ctx context.Context, r storage.PolicyRule) error
	DeleteRule(ctx context.Context, host string) error
	ListRules(ctx context.Context) ([]storage.PolicyRule, error)
	GetMeta(ctx context.Context, key string) (string, error)
	PutMeta(ctx context.Context, key, value string) error
	Close() error
}

// ArchiveStore keeps posts and finds them.
type ArchiveStore interface {
	ListenCursor(ctx context.Context) (int64, error)
	Apply(ctx context.Context, b storage.Batch) ([]storage.OpResult, error)
	Search(ctx context.Context, q *query.Query, p storage.Page) (storage.Hits, error)
	Count(ctx context.Context, q *query.Query, most int64) (n int64, capped bool, err error)
	Each(ctx context.Context, q *query.Query, fn func(*storage.Post) error) error
	GetPost(ctx context.Context, id int64) (storage.Post, error)
	GetPostByURI(ctx context.Context, uri string) (storage.Post, error)
	PutActor(ctx context.Context, a *storage.Actor) error
	GetActor(ctx context.Context, id string) (storage.Actor, error)
	DeleteActor(ctx context.Context, id string) error
	PutPosts(ctx context.Context, posts []storage.Post) (int64, error)
	Relabel(ctx context.Context, p *storage.Post) (bool, error)
	PutFeedback(ctx context.Context, f storage.Feedback) error
	ListFeedback(ctx context.Context, after storage.Feedback, limit int) ([]storage.Feedback, error)
	Expire(ctx context.Context, before time.Time, limit int) (int64, error)
	ListCounts(ctx context.Context, fromDay string) ([]storage.DayCount, error)
	Stats(ctx context.Context) (storage.Stats, error)
	Close() error
}

// AccessStore keeps tokens and the audit log.
type AccessStore interface {
	AddDecisions(ctx context.Context, decisions []storage.Decision) error
	ListDecisions(ctx context.Context, id string, limit int) ([]storage.Decision, error)
	ExpireDecisions(ctx context.Context, before time.Time) error
	AddToken(ctx context.Context, t storage.Token) error
	GetTokenByHash(ctx context.Context, hash []byte) (storage.Token, error)
	ConsumeToken(ctx context.Context, hash []byte, now time.Time) (storage.Token, error)
	ListTokens(ctx context.Context) ([]storage.Token, error)
	RevokeToken(ctx context.Context, id string) error
	AddAudit(ctx context.Context, e storage.AuditEntry) (storage.AuditEntry, error)
	ListAudit(ctx context.Context, after int64, limit int) ([]storage.AuditEntry, error)
	VerifyAudit(ctx context.Context) (int64, error)
	Close() error
}

// day0 is the arrival of what the suites store: in the past of every clock.
var day0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// entry makes the n-th entry of a test.
func entry(n int) *storage.Entry {
	return &storage.Entry{
		ActivityID: fmt.Sprintf("https://a.example/activities/%d", n),
		Type:       "Create",
		Actor:      "https://a.example/users/ann",
		ObjectID:   fmt.Sprintf("https://a.example/notes/%d", n),
		Via:        "a.example",
		Origin:     "a.example",
		Proof:      storage.ProofLD,
		ProofUntil: day0.Add(time.Hour),
		Relay:      true,
		Listen:     true,
		Body:       fmt.Appendf(nil, `{"id":"https://a.example/activities/%d"}`, n),
		Evidence: storage.Evidence{Scheme: "cavage", KeyID: "https://a.example/users/ann#main-key",
			Signature: "c2ln", Components: []string{"(request-target)", "host"}, Digest: "SHA-256=x", Date: "now"},
	}
}

// post makes the n-th post of a test, by the author of that name.
func post(n int, author string, text string) *storage.Post {
	return &storage.Post{
		URI:         fmt.Sprintf("https://a.example/notes/%d", n),
		URL:         fmt.Sprintf("https://a.example/@%s/%d", author, n),
		Type:        "Note",
		Actor:       "https://a.example/users/" + author,
		Handle:      author + "@a.example",
		Name:        author,
		Host:        "a.example",
		Via:         "a.example",
		Software:    "mastodon",
		Published:   day0.Add(time.Duration(n) * time.Minute),
		Received:    day0.Add(time.Duration(n) * time.Minute),
		Language:    "en",
		Text:        text,
		Tags:        []string{"storm"},
		Mentions:    []string{"bob@b.example"},
		Links:       []string{"https://c.example/page"},
		Attachments: []storage.Attachment{{URL: "https://a.example/m.png", MediaType: "image/png", Kind: "image", Description: "a chart"}},
		Labels: []storage.Label{{Name: "threat", Score: 0.75, Over: true, Model: "rules-1",
			Reasons: []storage.Reason{{Text: "x", Start: 0, End: 1, Rule: "r", Weight: 1}}}},
		ModelVer:   "rules-1",
		SimHash:    1<<63 | uint64(n),
		Consent:    "opt-out",
		Raw:        fmt.Appendf(nil, `{"type":"Create","object":{"content":%q}}`, text),
		Evidence:   storage.Evidence{Scheme: "cavage", KeyID: "k"},
		ActivityID: fmt.Sprintf("https://a.example/activities/%d", n),
	}
}

func puts(posts ...*storage.Post) (ops []storage.Op) {
	for _, p := range posts {
		ops = append(ops, storage.Op{Kind: storage.OpPut, Post: p})
	}
	return ops
}

func parse(text string) *query.Query {
	return query.Parse(text, query.Options{Now: day0.AddDate(0, 0, 1)})
}

// must fails the test on an error, and gives back the value.
func must[T any](t *testing.T) func(v T, err error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// equal compares what went in with what came out; nil and empty lists are the same.
func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}
