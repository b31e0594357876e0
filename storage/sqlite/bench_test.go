package sqlite

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hark/storage"
	"hark/storage/query"
)

// BenchmarkAppend has many senders append at once, as the inbox does.
func BenchmarkAppend(b *testing.B) {
	s := open(b, b.TempDir())
	defer func() { _ = s.Close() }()
	body := []byte(strings.Repeat("x", 3000))
	var n atomic.Int64
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			id := fmt.Sprintf("https://a.example/activities/%d", n.Add(1))
			e := &storage.Entry{ActivityID: id, Type: "Create", Actor: "https://a.example/users/ann", ObjectID: id + "/o", ObjectKey: id + "/o",
				Via: "a.example", Origin: "a.example", Relay: true, Listen: true, Body: body}
			if added, err := s.Append(context.Background(), e); err != nil || !added {
				b.Errorf("append: %v, %v", added, err)
				return
			}
		}
	})
}

// synthetic makes a post of some thirty words, of which "common" stands in
// every second one and the others follow Zipf's law.
func synthetic(n int, words *rand.Zipf) *storage.Post {
	var text strings.Builder
	if n%2 == 0 {
		text.WriteString("common ")
	}
	for range 30 {
		fmt.Fprintf(&text, "w%d ", words.Uint64())
	}
	at := time.UnixMilli(1767268800000 + int64(n)*100)
	uri := fmt.Sprintf("https://h%d.example/notes/%d", n%500, n)
	p := &storage.Post{URI: uri, Type: "Note", Actor: fmt.Sprintf("https://h%d.example/users/u%d", n%500, n%5000),
		Handle: fmt.Sprintf("u%d@h%d.example", n%5000, n%500), Host: fmt.Sprintf("h%d.example", n%500), Via: "a.example",
		Published: at, Received: at, Language: "en", Text: text.String(), Consent: "opt-out", ActivityID: uri + "/activity"}
	p.Raw = fmt.Appendf(nil, `{"id":%q,"object":{"id":%q,"content":%q}}`, p.ActivityID, uri, p.Text)
	if n%50 == 0 {
		p.Labels = []storage.Label{{Name: "threat", Score: float64(n%97) / 97, Over: true, Model: "rules-1"}}
	}
	return p
}

func fill(b *testing.B, s *Store, from, n int) {
	b.Helper()
	words := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, 20000)
	const batch = 500
	for ; n > 0; n -= batch {
		var ops []storage.Op
		for i := range min(batch, n) {
			ops = append(ops, storage.Op{Kind: storage.OpPut, Post: synthetic(from+i, words)})
		}
		from += len(ops)
		if _, err := s.Apply(context.Background(), storage.Batch{Ops: ops, Cursor: int64(from)}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkApply stores posts, 500 a batch; one operation is one post.
func BenchmarkApply(b *testing.B) {
	s := open(b, b.TempDir())
	defer func() { _ = s.Close() }()
	b.ResetTimer()
	fill(b, s, 1, b.N)
}

// BenchmarkSearch finds the newest twenty among 50,000 posts.
func BenchmarkSearch(b *testing.B) {
	s := open(b, b.TempDir())
	defer func() { _ = s.Close() }()
	fill(b, s, 1, 50000)
	for _, text := range []string{"common", "w1 w2", "w15000", "common -w1", "label:threat", "common sort:relevance", "common from:h7.example", "nowhere", ""} {
		b.Run(strings.ReplaceAll(text, " ", "_"), func(b *testing.B) {
			q := query.Parse(text, query.Options{Now: time.UnixMilli(1767268800000).AddDate(0, 0, 1)})
			for b.Loop() {
				if _, err := s.Search(context.Background(), q, storage.Page{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
