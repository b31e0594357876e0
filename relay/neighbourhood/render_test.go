package neighbourhood

import (
	"strings"
	"testing"
	"time"

	"hark/activitypub"
	"hark/activitypub/sig"
)

// TestHTML: each software writes a text in its own way.
func TestHTML(t *testing.T) {
	e := Entry{
		Text: "Hello @ann & co\nread https://blog.example.org/a-rather-long-address-indeed?x=1, #Kale.\n\nx@ann #other",
		Tags: []string{"Kale", "花"}, Mention: "ann",
	}
	in := &Instance{n: &Neighbourhood{}, origin: "http://h", host: "h", authors: []author{{name: "ann"}}}
	for kind, want := range map[Kind]string{
		Mastodon: `<p>Hello <span class="h-card" translate="no"><a href="http://h/@ann" class="u-url mention">@<span>ann</span></a></span> &amp; co<br />read ` +
			`<a href="https://blog.example.org/a-rather-long-address-indeed?x=1" target="_blank" rel="nofollow noopener" translate="no"><span class="invisible">https://</span>` +
			`<span class="ellipsis">blog.example.org/a-rather-long</span><span class="invisible">-address-indeed?x=1</span></a>, ` +
			`<a href="http://h/tags/kale" class="mention hashtag" rel="tag">#<span>Kale</span></a>.</p><p>x@ann <a href="http://h/tags/other" class="mention hashtag" rel="tag">#<span>other</span></a></p>` +
			`<p><a href="http://h/tags/%E8%8A%B1" class="mention hashtag" rel="tag">#<span>花</span></a></p>`,
		Pleroma: `Hello <span class="h-card"><a class="u-url mention" href="http://h/ann" rel="ugc">@<span>ann</span></a></span> &amp; co<br/>read ` +
			`<a href="https://blog.example.org/a-rather-long-address-indeed?x=1" rel="ugc">https://blog.example.org/a-rather-long-address-indeed?x=1</a>, ` +
			`<a class="hashtag" href="http://h/tag/kale" rel="tag ugc">#Kale</a>.<br/><br/>x@ann <a class="hashtag" href="http://h/tag/other" rel="tag ugc">#other</a><br/><br/>` +
			`<a class="hashtag" href="http://h/tag/%E8%8A%B1" rel="tag ugc">#花</a>`,
		Misskey: `<p><span>Hello <a href="http://h/@ann" class="u-url mention">@ann</a> &amp; co<br>read ` +
			`<a href="https://blog.example.org/a-rather-long-address-indeed?x=1">https://blog.example.org/a-rather-long-address-indeed?x=1</a>, ` +
			`<a href="http://h/tags/kale" rel="tag">#Kale</a>.<br><br>x@ann <a href="http://h/tags/other" rel="tag">#other</a><br><br>` +
			`<a href="http://h/tags/%E8%8A%B1" rel="tag">#花</a></span></p>`,
	} {
		in.kind = kind
		if got := in.htmlOf(e); got != want {
			t.Errorf("%s:\n got %s\nwant %s", kind, got, want)
		}
	}
	in.kind = Mastodon
	hostile := in.htmlOf(Entry{Text: `<script>x</script> "y" @nobody`, Link: `https://a.example/"><b>`})
	if strings.Contains(hostile, "<script") || strings.Contains(hostile, "<b>") || !strings.Contains(hostile, "@nobody") {
		t.Errorf("not escaped: %s", hostile)
	}
}

// TestEveryPostIsReadable: each post of the corpus, as each software writes it,
// is read with all its parts, and its author's signature holds.
func TestEveryPostIsReadable(t *testing.T) {
	s, _ := relay(t)
	n := start(t, Options{Relay: s.URL, Mastodon: 1, Pleroma: 1, Misskey: 1, AuthorsPerInstance: 8})
	for i, e := range append(append([]Entry{}, Corpus()...), Unsolved()...) {
		for _, in := range n.Instances() {
			p := Post{Entry: e, Author: i % 8}
			o := object{post: p, made: time.Now().UTC()}
			id := in.objectID(in.authors[p.Author])
			if _, err := in.write(id, &o, nil); err != nil {
				t.Fatal(err)
			}
			note, err := activitypub.ParseNote(o.body)
			if err != nil {
				t.Fatalf("%s: %v: %s", in.Kind(), err, e.Text)
			}
			if note.ID != id || note.AttributedTo != in.AuthorURI(p.Author) || !note.IsPublicTo() || note.Warning != e.CW ||
				len(note.Tags) != len(e.Tags) || len(note.Attachments) != len(e.Media) || len(note.Poll) != len(e.Poll) {
				t.Errorf("%s: %+v", in.Kind(), note)
			}
			if got, want := squeeze(note.Text), squeeze(e.Text); !strings.Contains(got, want) {
				t.Errorf("%s: %q became %q", in.Kind(), want, got)
			}
			if e.Mention != "" && len(note.Mentions) != 1 {
				t.Errorf("%s: mentions %v: %s", in.Kind(), note.Mentions, e.Text)
			}
			if (e.Link != "" || strings.Contains(e.Text, "https://")) && len(note.Links) != 1 {
				t.Errorf("%s: links %v: %s", in.Kind(), note.Links, e.Text)
			}
			for j, a := range note.Attachments {
				if a.URL == "" || a.MediaType != e.Media[j].Type || a.Description != e.Media[j].Description {
					t.Errorf("%s: attachment %+v", in.Kind(), a)
				}
			}
			if in.Kind() == Pleroma || i%16 != 0 { // a signature of this kind takes milliseconds
				continue
			}
			signed, err := sig.SignLD(o.body, keyOf(in.AuthorURI(p.Author)), in.private, time.Now())
			if err != nil {
				t.Fatalf("%s: %v: %s", in.Kind(), err, o.body)
			}
			if err := in.forwarded(t.Context(), &message{ID: id, Actor: in.AuthorURI(p.Author)}, signed); err != nil {
				t.Errorf("%s: %v: %s", in.Kind(), err, e.Text)
			}
		}
	}
}

// squeeze leaves the words.
func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }
