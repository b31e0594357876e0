package activitypub

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseNoteRefusesWhatIsNoPost(t *testing.T) {
	for doc, want := range map[string]error{
		`{"id":"https://a.example/1","type":"Tombstone"}`:     ErrType,
		`{"id":"https://a.example/1","type":"Person"}`:        ErrType,
		`{"id":"https://a.example/1"}`:                        ErrType,
		`{"id":"https://a.example/1","type":7}`:               ErrType,
		`{"type":"Note"}`:                                     ErrField,
		`{"id":7,"type":"Note"}`:                              ErrField,
		`{"id":"https://a.example/1","type":"Note","to":[3]}`: ErrField,
		`"https://a.example/1"`:                               ErrJSON,
	} {
		if n, err := ParseNote([]byte(doc)); !errors.Is(err, want) {
			t.Errorf("%s: %+v, %v", doc, n, err)
		}
	}
}

// Attacks A35 and A40: too much of anything is cut off, and the post is kept.
func TestParseNoteCutsOff(t *testing.T) {
	list := func(n int, format string) string {
		items := make([]string, n)
		for i := range items {
			items[i] = strings.ReplaceAll(format, "%d", fmt.Sprint(i))
		}
		return "[" + strings.Join(items, ",") + "]"
	}
	parse := func(t *testing.T, properties string) *Note {
		t.Helper()
		n, err := ParseNote([]byte(`{"id":"https://a.example/1",` + properties + `}`))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	n := parse(t, `"type":"Note","tag":`+list(1000, `{"type":"Hashtag","name":"#t%d"}`))
	if len(n.Tags) != maxTags {
		t.Errorf("%d tags", len(n.Tags))
	}
	n = parse(t, `"type":"Note","tag":`+list(1000, `{"type":"Mention","name":"@u%d","href":"https://b.example/u%d"}`))
	if len(n.Mentions) != maxMentions {
		t.Errorf("%d mentions", len(n.Mentions))
	}
	n = parse(t, `"type":"Note","attachment":`+list(1000, `{"type":"Image","url":"https://b.example/%d.png"}`))
	if len(n.Attachments) != maxAttachments {
		t.Errorf("%d attachments", len(n.Attachments))
	}
	n = parse(t, `"type":"Question","oneOf":`+list(3000, `{"name":"option %d"}`))
	if len(n.Poll) != maxPoll {
		t.Errorf("%d options", len(n.Poll))
	}
	n = parse(t, `"type":"Note","content":"`+strings.Repeat(`<a href='https://b.example/`, 1)+`'>`+strings.Repeat("日", 200_000)+`"`)
	if len(n.Text) > maxText || !utf8.ValidString(n.Text) {
		t.Errorf("text of %d bytes", len(n.Text))
	}
	var links strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&links, "<a href='https://b.example/%d'>x</a>", i)
	}
	n = parse(t, `"type":"Note","content":"`+links.String()+`"`)
	if len(n.Links) != maxLinks {
		t.Errorf("%d links", len(n.Links))
	}
	n = parse(t, `"type":"Note","to":`+list(5000, `"https://b.example/%d"`))
	if len(n.To) != maxAudience {
		t.Errorf("%d recipients", len(n.To))
	}
}

func TestMentionHandle(t *testing.T) {
	const href = "https://M.example/users/u"
	for _, c := range []struct{ name, href, want string }{
		{"@User@Other.Example", href, "user@other.example"},
		{"user@other.example", "", "user@other.example"},
		{"@user", href, "user@m.example"},
		{"user", href, "user@m.example"},
		{"@user", "", ""},
		{"", href, ""},
		{"@a b", href, ""},
		{"@user@other example", href, ""},
		{"@user@BÜCHER.example", "", "user@xn--bcher-kva.example"},
		{"@a@b@c", href, ""},
	} {
		if got := mentionHandle(c.name, c.href); got != c.want {
			t.Errorf("%q, %q: %q, want %q", c.name, c.href, got, c.want)
		}
	}
}

func TestLanguage(t *testing.T) {
	for doc, want := range map[string]string{
		`"contentMap":{"ja":"a"}`:                                        "ja",
		`"content":"b","contentMap":{"de":"a","fr":"b"}`:                 "fr",
		`"content":"c","contentMap":{"de":"a","fr":"b"}`:                 "",
		`"content":"c","contentMap":{"de":"a","fr":"b"},"language":"nl"`: "nl",
		`"nameMap":{"sv":"a"}`:                                           "sv",
		`"language":{"identifier":"pt-BR","name":"x"}`:                   "pt-BR",
		`"language":"und"`:                                               "",
		`"language":"a"`:                                                 "",
		`"language":"en_US"`:                                             "",
		`"language":"en; drop"`:                                          "",
		`"language":7`:                                                   "",
		`"@context":["x",{"@language":"ko"}]`:                            "ko",
		`"@context":{"@language":"und"}`:                                 "",
		`"contentMap":"en"`:                                              "",
		`"contentMap":{"de":"","fr":"b","nl":"c"}`:                       "fr",
		`"content":"a","contentMap":{"de":null,"fr":"b"}`:                "fr",
		`"inLanguage":"en"`:                                              "en",
		`"language":"und","inLanguage":"eo"`:                             "eo",
	} {
		n, err := ParseNote([]byte(`{"id":"https://a.example/1","type":"Note",` + doc + `}`))
		if err != nil || n.Language != want {
			t.Errorf("%s: %q, %v; want %q", doc, n.Language, err, want)
		}
	}
}

// The fallback line of a quotation is dropped, and nothing else can hide
// behind it.
func TestQuoteLine(t *testing.T) {
	const link = `<a href='https://b.example/1'>https://b.example/1</a>`
	for content, want := range map[string]string{
		`<p class='quote-inline'>RE: ` + link + `</p><p>hello</p>`:       "hello",
		`<p>hello</p><p>RE: ` + link + `</p>`:                            "hello",
		`RE: ` + link:                                                    "",
		`<p class='quote-inline'>bad words ` + link + `</p><p>hello</p>`: "bad words https://b.example/1\n\nhello",
		`<p>hello</p><p>RT: ` + link + `</p>`:                            "hello",
		`<p>hello<br>QT: ` + link + `</p>`:                               "hello",
		`<p>PRE: ` + link + `</p>`:                                       "PRE: https://b.example/1",
	} {
		n, err := ParseNote([]byte(`{"id":"https://a.example/1","type":"Note","quoteUrl":"https://b.example/1","content":"` + content + `"}`))
		if err != nil || n.Text != want {
			t.Errorf("%s: %q, %v", content, n.Text, err)
		}
	}
}

func TestAttachmentForms(t *testing.T) {
	for doc, want := range map[string]string{
		`{"type":"Document","mediaType":"IMAGE/PNG; q=1","url":"https://b.example/1","name":"d"}`: "[{https://b.example/1 image/png image d}]",
		`{"type":"Image","href":"https://b.example/1","summary":"d"}`:                             "[{https://b.example/1  image d}]",
		`{"type":"Document","url":[{"href":"https://b.example/1","mediaType":"audio/mpeg"}]}`:     "[{https://b.example/1 audio/mpeg audio }]",
		`"https://b.example/1"`: "[{https://b.example/1  file }]",
		`{"type":"Link","mediaType":"image/gif","href":"https://b.example/1"}`:   "[{https://b.example/1 image/gif image }]",
		`{"type":"Document","mediaType":"bad type","url":"https://b.example/1"}`: "[{https://b.example/1  file }]",
		`{"type":"Image","url":"javascript:alert(1)"}`:                           "[]",
		`{"type":"PropertyValue","url":"https://b.example/1"}`:                   "[]",
		`7`: "[]",
	} {
		n, err := ParseNote([]byte(`{"id":"https://a.example/1","type":"Note","attachment":` + doc + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(n.Attachments); got != want {
			t.Errorf("%s: %s, want %s", doc, got, want)
		}
	}
}

// agreeOnAuthor checks that the envelope around a post and the post name the
// same author: the envelope's is the one whose authority is checked.
func agreeOnAuthor(t *testing.T, object []byte, n *Note) {
	t.Helper()
	e, err := ParseEnvelope([]byte(`{"type":"Create","actor":"https://a.example/u","object":` + string(object) + `}`))
	if err == nil && (e.ObjectActor != n.AttributedTo || e.ObjectType != n.Type || e.ObjectID != n.ID) {
		t.Fatalf("envelope: %q %q %q, post: %q %q %q", e.ObjectActor, e.ObjectType, e.ObjectID, n.AttributedTo, n.Type, n.ID)
	}
}

func TestEnvelopeAndPostAgreeOnAuthor(t *testing.T) {
	for _, author := range []string{
		`"attributedTo":"https://a.example/u"`,
		`"actor":"https://a.example/u","attributedTo":"https://a.example/victim"`,
		`"actor":null,"attributedTo":"https://b.example/victim"`,
		`"actor":{"id":"https://a.example/u"},"attributedTo":{"type":"Person","id":"https://b.example/victim"}`,
		`"attributedTo":["acct:u@a.example","https://b.example/1","https://b.example/2"]`,
		`"attributedTo":[{"type":"Group","id":"https://b.example/1"},{"type":"Person","id":"https://b.example/2"}]`,
		`"attributedTo":[]`,
	} {
		for _, typ := range []string{`"Note"`, `["Note"]`, `["x","Note","Person"]`} {
			doc := []byte(`{"id":"https://a.example/1","type":` + typ + `,` + author + `}`)
			n, err := ParseNote(doc)
			if err != nil {
				t.Fatal(err)
			}
			agreeOnAuthor(t, doc, n)
		}
	}
}

// A summary that only repeats the title is no warning, and neither is one that
// nobody can see; a title beside a text that begins like it stays.
func TestTitleAndSummary(t *testing.T) {
	for doc, want := range map[string]string{
		`"type":"Note","summary":"\u200b","content":"x"`:                                                          "|x",
		`"type":"Note","summary":" \u00a0","content":"x"`:                                                         "|x",
		`"type":"Note","summary":"<p>cw</p>","content":"x"`:                                                       "cw|x",
		`"type":"Page","sensitive":true,"name":"A long enough title here","summary":"A long enough title… #a #b"`: "|A long enough title here",
		`"type":"Page","sensitive":true,"name":"Title","summary":"Title #a"`:                                      "|Title",
		`"type":"Page","sensitive":true,"name":"Title","summary":"blood"`:                                         "blood|Title",
		`"type":"Page","name":"Title","summary":"an excerpt"`:                                                     "|Title\n\nan excerpt",
		`"type":"Article","name":"The dredger","content":"<p>The dredger came.</p>"`:                              "|The dredger\n\nThe dredger came.",
		`"type":"Article","name":"The dredger","content":"<h1>The dredger</h1><p>came.</p>"`:                      "|The dredger\n\ncame.",
		`"type":"Article","name":"Tom &amp; Jerry &#8217;"`:                                                       "|Tom & Jerry ’",
		`"type":"Event","name":"E","startTime":"soon","location":"Hall"`:                                          "|E\n\nHall",
		`"type":"Event","startTime":"2026-01-02T03:04:05-05:00","location":[{"name":"Hall","address":"Hall"}]`:    "|2026-01-02 03:04 -05:00, Hall",
		`"type":"Event","startTime":"2026-01-02T03:04:05Z"`:                                                       "|2026-01-02 03:04 UTC",
		`"type":"Note","startTime":"2026-01-02T03:04:05Z","content":"x"`:                                          "|x",
	} {
		n, err := ParseNote([]byte(`{"id":"https://a.example/1",` + doc + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := n.Warning + "|" + n.Text; got != want {
			t.Errorf("%s: %q, want %q", doc, got, want)
		}
	}
}

// Attack A40: strings are cut off as lists are.
func TestParseNoteCutsOffStrings(t *testing.T) {
	long := strings.Repeat("日", 30_000)
	n, err := ParseNote([]byte(`{"id":"https://a.example/1","type":"Question","name":"` + long + `","language":"` + long + `","oneOf":[{"name":"` + long +
		`"}],"tag":[{"type":"Hashtag","name":"#` + long + `"},{"type":"Mention","name":"@` + long + `@a.example"}],"inReplyTo":"https://a.example/` + long +
		`","attachment":[{"type":"Image","url":"https://a.example/i","mediaType":"image/` + long + `","name":"` + long + `"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct{ got, most int }{
		"text": {len(n.Text), maxName}, "language": {len(n.Language), 0}, "option": {len(n.Poll[0]), maxOption}, "tag": {len(n.Tags[0]), 255},
		"mentions": {len(n.Mentions), 0}, "reply": {len(n.InReplyTo), 0},
		"description": {len(n.Attachments[0].Description), maxDescription}, "media type": {len(n.Attachments[0].MediaType), 0},
	} {
		if c.got > c.most {
			t.Errorf("%s of %d, at most %d", what, c.got, c.most)
		}
	}
}

func FuzzParseNote(f *testing.F) {
	addDocuments(f, "post", "left")
	f.Fuzz(func(t *testing.T, doc []byte) {
		n, err := ParseNote(doc)
		if err != nil {
			return
		}
		if _, err := ParseIRI(n.ID); err != nil || !postTypes[n.Type] {
			t.Fatalf("id %q, type %q", n.ID, n.Type)
		}
		if len(n.Text) > maxText || len(n.Tags) > maxTags || len(n.Mentions) > maxMentions || len(n.Links) > maxLinks ||
			len(n.Attachments) > maxAttachments || len(n.Poll) > maxPoll {
			t.Fatal("not cut off")
		}
		for _, s := range []string{n.URL, n.Quote, n.InReplyTo} {
			if s != "" && cutID(s) == "" {
				t.Fatalf("%q is not an address", s)
			}
		}
		for _, o := range append(n.Poll, n.Tags...) {
			if o == "" || len(o) > maxOption {
				t.Fatalf("option or tag of %d bytes", len(o))
			}
		}
		agreeOnAuthor(t, doc, n)
		for _, s := range append([]string{n.Text, n.Warning, n.Language, n.Quote, n.InReplyTo, n.URL}, n.Tags...) {
			if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
				t.Fatalf("unclean text %q", s)
			}
		}
		for _, a := range n.Attachments {
			if _, err := ParseIRI(a.URL); err != nil {
				t.Fatalf("attachment %q", a.URL)
			}
		}
	})
}

func BenchmarkParseNote(b *testing.B) {
	doc := readFile(b, "testdata/post/mastodon-note.json")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseNote(doc); err != nil {
			b.Fatal(err)
		}
	}
}
