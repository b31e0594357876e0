package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"hark/storage"
	"hark/storage/query"
)

// agree checks that a search finds exactly the posts that the query's own
// predicate, which alerts and streams use, takes: over mixed posts, for
// every operator and for many of them put together at random.
func agree(t *testing.T, s ArchiveStore) {
	r := rand.New(rand.NewPCG(7, 11))
	var posts []*storage.Post
	var documents []*query.Document
	for n := range 60 {
		posts = append(posts, mixed(r, n))
		documents = append(documents, query.NewDocument(posts[n]))
	}
	apply(t, s, 1, puts(posts...)...)
	queries := slices.Clone(operators)
	for range 80 {
		queries = append(queries, composed(r, 3))
	}
	hits := 0
	for _, text := range queries {
		q := parse(text)
		want := []string{}
		for i, p := range posts {
			if q.MatchDocument(documents[i]) {
				want = append(want, p.URI)
			}
		}
		got := []string{}
		for _, p := range must[storage.Hits](t)(s.Search(t.Context(), q, storage.Page{Limit: 200})).Posts {
			got = append(got, p.URI)
		}
		slices.Sort(got)
		slices.Sort(want)
		equal(t, "search and predicate for "+text, got, want)
		if len(got) > 0 {
			hits++
		}
	}
	if hits < len(queries)/4 {
		t.Errorf("only %d of %d queries found anything: the test proves little", hits, len(queries))
	}
}

// words are what the mixed posts are made of.
var words = []string{"storm", "city", "Straße", "naïve", "C++", "C#", ".NET", "don't", "foo-bar", "y:secret", "東京", "大地震", "火災", "서울", "ภาษาไทย",
	"مرحبا", "😀", "x86", "O'Neill", "NEAR", "AND", "look", "at", "my", "cluckers", "https://d.example/a/b?c=d", "#Tag", "@bob@b.example", "\"quoted\"", "star*"}

// operators has every operator at least once.
var operators = []string{
	"storm", "storm city", `"storm city"`, `"look at"`, `"storm city"~5`, "sto*", "st*", "-storm", "storm -city", "+storm", "storm OR city", "(storm OR city) look",
	"NOT storm city", "strasse", "STRASSE", "naive", "C++", "c#", ".net", "don't", "foo-bar", "y:secret", "東京", "地震", "火", "서울", "ภาษา", "مرحبا", "😀",
	"#storm", "#STORM", "-#cats", "@bob@b.example", "@bob", "from:ann", "from:ann@a.example", "from:a.example", "from:https://a.example/users/ann", "-from:ann",
	"to:bob@b.example", "mentions:bob", "domain:a.example", "domain:*.example", "via:a.example", "software:mastodon", "lang:en", "lang:ja,en", "language:und", "lang:en-GB",
	"has:image", "has:media", "has:video", "has:audio", "has:poll", "has:link", "has:alt", "has:noalt", "has:cw", "has:quote", "has:emoji", "-has:media", "not:bot",
	"is:sensitive", "is:reply", "is:bot", "is:edited", "is:question", "is:quote", "before:2026-03-01T12:30", "after:2026-03-01", "during:2026-03-01", "seen:2026-03-01",
	"seen:2026-02-01..2026-03-01", "tag:storm", "tag:storm,cats", "link:c.example", "link:example", "url:https://c.example/p", "alt:chart", "cw:city", "text:storm", "name:ann",
	"label:threat", "label:threat>0.5", "label:threat<=0.5", "label:spam>=0.25", "-label:threat", "label:threat,spam", "media:image/png", "media:image/*", "in:public", "in:library",
	"lang:en -storm sort:oldest", "storm sort:relevance", "label:threat sort:score", "from:", "((((", `"unclosed storm`, "'; DROP TABLE post; --", `a" OR "b`, "storm* city*",
}

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

func some(r *rand.Rand, most int, from []string) (picked []string) {
	for range r.IntN(most + 1) {
		picked = append(picked, pick(r, from))
	}
	return picked
}

// mixed makes a post of parts chosen at random.
func mixed(r *rand.Rand, n int) *storage.Post {
	coin := func() bool { return r.IntN(3) == 0 }
	host := pick(r, []string{"a.example", "b.example", "sub.a.example"})
	author := pick(r, []string{"ann", "bob", "carl"})
	p := post(n, author, strings.Join(some(r, 14, words), " "))
	p.Host, p.Handle, p.Actor = host, author+"@"+host, "https://"+host+"/users/"+author
	p.Via, p.Software = pick(r, []string{host, "c.example"}), pick(r, []string{"mastodon", "misskey", ""})
	p.Published = day0.Add(time.Duration(r.IntN(3000)-1500) * time.Minute)
	p.Language = pick(r, []string{"en", "ja", "de", "und", "en-GB", ""})
	p.Warning = strings.Join(some(r, 2, words), " ")
	p.Sensitive, p.Bot, p.Emojis = coin(), coin(), coin()
	p.Tags = some(r, 2, []string{"storm", "cats", "東京"})
	p.Mentions = some(r, 2, []string{"bob@b.example", "ann@a.example"})
	p.Links = some(r, 2, []string{"https://c.example/page", "https://www.d.example/", "https://c.example/%E7%81%AB?q=1#x"})
	p.Poll = some(r, 2, words)
	p.Attachments, p.Labels = nil, nil
	for i, d := range some(r, 2, []string{"", "a chart", "storm over the city"}) {
		p.Attachments = append(p.Attachments, storage.Attachment{URL: "https://a.example/m", MediaType: []string{"image/png", "video/mp4"}[i], Kind: []string{"image", "video"}[i], Description: d})
	}
	for i, name := range some(r, 2, []string{"threat", "spam"}) {
		score := float64(r.IntN(5)) / 4
		p.Labels = append(p.Labels, storage.Label{Name: name, Score: score, Over: score >= 0.5, Model: fmt.Sprint("judge-", i)})
	}
	if coin() {
		p.InReplyTo = "https://b.example/notes/1"
	}
	if coin() {
		p.Quote = "https://b.example/notes/2"
	}
	if coin() {
		p.Edited = p.Published.Add(time.Hour)
	}
	if coin() {
		p.Type = "Question"
	}
	return p
}

// composed puts operators and words together, to a depth.
func composed(r *rand.Rand, depth int) string {
	if depth == 0 || r.IntN(4) == 0 {
		return pick(r, []string{pick(r, operators), pick(r, words), pick(r, words)})
	}
	parts := make([]string, 1+r.IntN(3))
	for i := range parts {
		parts[i] = pick(r, []string{"", "", "-"}) + "(" + composed(r, depth-1) + ")"
	}
	return strings.Join(parts, pick(r, []string{" ", " OR "}))
}
