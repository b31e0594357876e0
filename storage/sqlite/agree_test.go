package sqlite

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"hark/storage"
	"hark/storage/query"
)

// agreeNow is the clock of the queries of this file.
var agreeNow = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// texts of posts and of queries come from one small stock, so that they meet.
var (
	agreeWords = rapid.SampledFrom([]string{"storm", "city", "STRASSE", "Straße", "naïve", "C++", "C#", ".NET", "don't", "foo-bar", "y:secret", "東京", "大地震", "火",
		"火災", "災", "서울역", "ภาษาไทย", "ﬁre", "İstanbul", "ﷺ", "e\u0301", "か\u3099", "👩\u200d👩\u200d👧", "🇩🇪", "a\u200bb", "\u202e", "\ue001storm", "\ue00fd=a.example", "NEAR",
		"AND", "storm*", "#BlackLives", "@bob@b.example", "https://d.example/a/b?c=d", `"`, "'", "\x00", "\xff", "x", "a", "b", "(", ")", "^storm", "text:storm", "meta : a", "{text meta}", "-storm"})
	agreeHosts = rapid.SampledFrom([]string{"a.example", "b.example", "sub.a.example", "bücher.example", "xn--bcher-kva.example", "127.0.0.1:8080", ""})
	agreeUsers = rapid.SampledFrom([]string{"ann", "Bob", "c-d", ""})
	agreeLangs = rapid.SampledFrom([]string{"en", "en-gb", "en-GB", "ja", "und", "", "pt-br"})
	agreeNames = rapid.SampledFrom([]string{"threat", "spam", "Threat", "of-interest"})
)

func phraseOf(t *rapid.T, label string, most int) string {
	return strings.Join(rapid.SliceOfN(agreeWords, 0, most).Draw(t, label), rapid.SampledFrom([]string{" ", "", "\n", "　"}).Draw(t, label+" between"))
}

// anyPost draws a post; n makes its URI.
func anyPost(t *rapid.T, n int) *storage.Post {
	moment := rapid.Custom(func(t *rapid.T) time.Time {
		return agreeNow.Add(-time.Duration(rapid.IntRange(-60, 72*60).Draw(t, "minutes")) * time.Minute)
	})
	flag := rapid.Bool()
	host, user := agreeHosts.Draw(t, "host"), agreeUsers.Draw(t, "user")
	p := &storage.Post{
		URI: fmt.Sprintf("https://%s/notes/%d", host, n), Host: host, Via: agreeHosts.Draw(t, "via"), Actor: "https://" + host + "/users/" + user,
		Handle: strings.ToLower(user + "@" + host), Name: phraseOf(t, "name", 2), Software: rapid.SampledFrom([]string{"mastodon", "Misskey", ""}).Draw(t, "software"),
		Type: rapid.SampledFrom([]string{"Note", "Question"}).Draw(t, "type"), Published: moment.Draw(t, "published"), Received: moment.Draw(t, "received"),
		Language: agreeLangs.Draw(t, "language"), Text: phraseOf(t, "text", 12), Warning: phraseOf(t, "warning", 2), Sensitive: flag.Draw(t, "sensitive"),
		Bot: flag.Draw(t, "bot"), Emojis: flag.Draw(t, "emojis"), Tags: rapid.SliceOfN(rapid.SampledFrom([]string{"storm", "東京", "naïve", "a_b"}), 0, 2).Draw(t, "tags"),
		Links: rapid.SliceOfN(rapid.SampledFrom([]string{"https://c.example/page", "https://WWW.d.example/A,b", "https://bücher.example/火?q=1", "::"}), 0, 2).Draw(t, "links"),
		Poll:  rapid.SliceOfN(agreeWords, 0, 2).Draw(t, "poll"),
	}
	if flag.Draw(t, "edited") {
		p.Edited = p.Received
	}
	if flag.Draw(t, "reply") {
		p.InReplyTo = "https://b.example/notes/1"
	}
	if flag.Draw(t, "quote") {
		p.Quote = "https://b.example/notes/2"
	}
	for range rapid.IntRange(0, 2).Draw(t, "mentions") {
		p.Mentions = append(p.Mentions, agreeUsers.Draw(t, "mentioned")+"@"+agreeHosts.Draw(t, "at"))
	}
	for range rapid.IntRange(0, 2).Draw(t, "attachments") {
		p.Attachments = append(p.Attachments, storage.Attachment{
			MediaType: rapid.SampledFrom([]string{"image/png", "Video/MP4", "image/png; q=1", "audio", ""}).Draw(t, "media type"),
			Kind:      rapid.SampledFrom([]string{"image", "video", "audio", "file"}).Draw(t, "kind"), Description: phraseOf(t, "alt", 3)})
	}
	for range rapid.IntRange(0, 3).Draw(t, "labels") {
		p.Labels = append(p.Labels, storage.Label{Name: agreeNames.Draw(t, "label"), Score: float64(rapid.IntRange(0, 4).Draw(t, "score")) / 4, Over: flag.Draw(t, "over")})
	}
	return p
}

// anyClause draws one clause of a query, sound or not.
func anyClause(t *rapid.T) string {
	w := func() string { return agreeWords.Draw(t, "word") }
	handle := func() string { return "@" + agreeUsers.Draw(t, "user") + "@" + agreeHosts.Draw(t, "host") }
	switch rapid.IntRange(0, 21).Draw(t, "clause") {
	case 0, 1, 2:
		return w()
	case 3:
		return w() + "*"
	case 4:
		return `"` + w() + " " + w() + `"`
	case 5:
		return fmt.Sprintf(`"%s %s %s"~%d`, w(), w(), w(), rapid.IntRange(0, 12).Draw(t, "near"))
	case 6:
		return rapid.SampledFrom([]string{"#storm", "#東京", "tag:naïve,storm", "#a_b", "#ﷺ"}).Draw(t, "tag")
	case 7:
		return "from:" + handle()
	case 8:
		return "from:https://a.example/users/" + rapid.SampledFrom([]string{"ann", "Ann", "Bob"}).Draw(t, "actor")
	case 9:
		return rapid.SampledFrom([]string{"from:", "to:", "mentions:", "domain:", "domain:*.", "via:", "link:"}).Draw(t, "field") + agreeHosts.Draw(t, "host")
	case 10:
		return rapid.SampledFrom([]string{"", "to:", "mentions:"}).Draw(t, "field") + handle()
	case 11:
		return "lang:" + agreeLangs.Draw(t, "language") + "," + agreeLangs.Draw(t, "other language")
	case 12:
		return rapid.SampledFrom([]string{"has:", "not:", "is:"}).Draw(t, "field") + rapid.SampledFrom([]string{"image", "video", "audio", "media", "poll", "link",
			"alt", "noalt", "cw", "quote", "emoji", "sensitive", "reply", "edited", "bot", "question", "embed", "boost"}).Draw(t, "property")
	case 13:
		return rapid.SampledFrom([]string{"before:", "after:", "during:", "since:", "until:", "seen:", "seen:>=", "during:<"}).Draw(t, "field") +
			rapid.SampledFrom([]string{"2026-03-01", "2026-03-02T11:30", "2026", "-24h", "-90m", "today", "yesterday", "1772366400000", "2026-02..2026-03-01", "never"}).Draw(t, "time")
	case 14:
		return "label:" + agreeNames.Draw(t, "label") + rapid.SampledFrom([]string{"", ">0.5", ">=0.5", "<0.5", "<=0.5", "=0.5", ">7"}).Draw(t, "comparison")
	case 15:
		return rapid.SampledFrom([]string{"media:image/png", "media:image/*", "media:video/mp4", "software:mastodon", "software:MISSKEY"}).Draw(t, "field")
	case 16:
		return rapid.SampledFrom([]string{"url:https://c.example/p", "url:https://WWW.d.example/A", `url:"https://WWW.d.example/A,"`, "url:https://bücher.example/火"}).Draw(t, "url")
	case 17, 18:
		return rapid.SampledFrom([]string{"alt:", "cw:", "text:", "name:"}).Draw(t, "part") + w() + rapid.SampledFrom([]string{"", "*", "," + w()}).Draw(t, "rest")
	case 19:
		return rapid.SampledFrom([]string{"in:public", "in:library", "entity:cve", "place:x", "from:", "()", "AND", "((", "sort:oldest"}).Draw(t, "odd")
	}
	return rapid.SampledFrom([]string{`'; DROP TABLE post; --`, `" OR text : "storm`, `") OR (meta : "x`, `storm" NOT "city`, "NEAR(storm city)", "post_fts MATCH ?", "?1", "*", "\x00", "{text} : storm"}).Draw(t, "hostile")
}

func anyQuery(t *rapid.T, depth int) string {
	var b strings.Builder
	for i := range rapid.IntRange(1, 3).Draw(t, "clauses") {
		if i > 0 {
			b.WriteString(rapid.SampledFrom([]string{" ", " ", " OR ", " AND "}).Draw(t, "operator"))
		}
		b.WriteString(rapid.SampledFrom([]string{"", "", "-", "NOT ", "+"}).Draw(t, "sign"))
		if depth > 0 && rapid.IntRange(0, 2).Draw(t, "bracket") == 0 {
			b.WriteString("(" + anyQuery(t, depth-1) + ")")
		} else {
			b.WriteString(anyClause(t))
		}
	}
	return b.String()
}

// TestSearchAgreesWithMatch: whatever is asked of whatever posts, the store
// finds exactly those that the predicate takes, and the canonical form finds
// the same.
func TestSearchAgreesWithMatch(t *testing.T) {
	s := open(t, t.TempDir())
	defer func() { _ = s.Close() }()
	var posts []*storage.Post
	next := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		var fresh []*storage.Post
		for range rapid.IntRange(0, 4).Draw(rt, "posts") {
			if len(posts)+len(fresh) < 120 {
				fresh = append(fresh, anyPost(rt, len(posts)+len(fresh)))
			}
		}
		next++
		b := storage.Batch{Cursor: next}
		for _, p := range fresh {
			b.Ops = append(b.Ops, storage.Op{Kind: storage.OpPut, Post: p})
		}
		if _, err := s.Apply(t.Context(), b); err != nil {
			rt.Fatal(err)
		}
		posts = append(posts, fresh...)
		queries := 4
		if testing.Short() {
			queries = 1
		}
		for range queries {
			agrees(t, rt, s, posts, anyQuery(rt, 2))
		}
	})
}

// agrees asks the store and the predicate.
func agrees(t *testing.T, rt *rapid.T, s *Store, posts []*storage.Post, text string) {
	q := query.Parse(text, query.Options{Now: agreeNow})
	want := []string{}
	for _, p := range posts {
		if q.Match(p) {
			want = append(want, p.URI)
		}
	}
	slices.Sort(want)
	again := query.Parse(q.String(), query.Options{Now: agreeNow})
	for _, q := range []*query.Query{q, again} {
		hits, err := s.Search(t.Context(), q, storage.Page{Limit: 200})
		if err != nil {
			rt.Fatalf("%q: %v", text, err)
		}
		got := []string{}
		for _, p := range hits.Posts {
			got = append(got, p.URI)
		}
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			where, args := q.SQL()
			rt.Fatalf("%q as %q (-predicate +store):\n%s\n%s\n%q", text, q, d, where, args)
		}
	}
}
