package activitypub

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestTextOfHTML(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"empty", "", ""},
		{"no markup keeps its lines", "a\nb\r\nc", "a\nb\nc"},
		{"entities", "Tom &amp; Jerry &lt;3 &#8217;n&nbsp;&euro;", "Tom & Jerry <3 ’n €"},
		{"white space", "<p>  a \n b\t<b> c</b>d </p>\n", "a b cd"},
		{"paragraphs", "<p>a</p><p>b</p>", "a\n\nb"},
		{"line breaks", "a<br>b<br/>c<br /><br>d<br><br><br><br>e", "a\nb\nc\n\nd\n\ne"},
		{"inline elements join", "un<em>believ</em>able<wbr>!", "unbelievable!"},
		{"unclosed", "<p>a<p>b<div>c", "a\n\nb\nc"},
		{"comments, processing", "a<!-- b --><!doctype html><?php x ?>c", "ac"},
		{"script and style", "a<script>b<p>c</script><style>p{}</style>d", "ad"},
		{"script without end", "a<script>b", "a"},
		{"an empty script swallows nothing", "a<script></script>b<style/>c", "ab"},
		{"hidden words are read", "a<svg>b</svg><template>c</template><select>d", "abcd"},
		{"list", "x<ul><li>a</li><li>b</li></ul>y", "x\n\n- a\n- b\n\ny"},
		{"numbered, nested", "<ol><li>a<ul><li>b<li>c</ul></li><li>d</li></ol>", "1. a\n  - b\n  - c\n2. d"},
		{"item with paragraph", "<ul><li><p>a</p><p>b</p></li><li></li><li><p>c</p></li></ul>", "- a\nb\n- c"},
		{"quotation", "<blockquote><p>a<br>b</p><blockquote>c</blockquote></blockquote>d", "> a\n> b\n\n> > c\n\nd"},
		{"preformatted", "<pre>a\n  b\n\nc</pre>", "a\n  b\n\nc"},
		{"table", "<table><tr><th>a</th><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"},
		{"picture", `<p>a<img alt=":cat:">b<img></p>`, "a :cat: b"},
		{"ruby", "<ruby>漢字<rp>(</rp><rt>かんじ</rt><rp>)</rp></ruby>", "漢字(かんじ)"},
		{"control characters", "a\u0001b<p>\u0085c\u007f</p>", "ab\n\nc"},

		{"Mastodon link", `<a href="https://e.example/a/b"><span class="invisible">https://</span><span class="ellipsis">e.example/a</span><span class="invisible">/b</span></a>`, "https://e.example/a/b"},
		{"elided link", `<a href="https://e.example/a/long/path">e.example/a/lo…</a>`, "https://e.example/a/long/path"},
		{"link elided in the middle", `<a href="https://www.e.example/a/long/path">https://e.example/a...path</a>`, "https://www.e.example/a/long/path"},
		{"bare host", `<a href="https://e.example/">e.example</a>`, "https://e.example/"},
		{"decoded link", `<a href="https://e.example/%E6%97%A5">https://e.example/日</a>`, "https://e.example/%E6%97%A5"},
		{"IDN link", `<a href="https://xn--bcher-kva.example/">https://bücher.example/</a>`, "https://xn--bcher-kva.example/"},
		{"named link", `see <a href="https://e.example/a">here</a>!`, "see here (https://e.example/a)!"},
		{"deceiving link", `<a href="https://evil.example/">https://bank.example/</a>`, "https://bank.example/ (https://evil.example/)"},
		{"deceiving elision", `<a href="https://bank.example.evil.example/">bank.example…</a>`, "bank.example… (https://bank.example.evil.example/)"},
		{"link around a picture", `<a href="https://e.example/a"><img></a>b`, "b"},
		{"no address", `<a href="javascript:alert(1)">a</a> <a>b</a> <a href="/rel">c</a>`, "a b c"},
		{"unclosed links", `<a href="https://e.example/1">x<a href="https://e.example/2">y`, "x (https://e.example/1)y (https://e.example/2)"},
		{"mention", `<span class="h-card"><a href="https://m.example/@u" class="u-url mention">@<span>u</span></a></span> hi`, "@u hi"},
		{"hashtag", `<a href="https://m.example/tags/x" class="mention hashtag" rel="tag">#<span>x</span></a>`, "#x"},
		{"WordPress hashtag", `<a rel="tag" href="https://m.example/tags/x">#x</a>`, "#x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := TextOfHTML(c.in); got != c.want {
				t.Errorf("%q\n got %q\nwant %q", c.in, got, c.want)
			}
		})
	}
}

// A hostile page costs time in proportion to its length and nothing more.
func TestTextOfHTMLIsBounded(t *testing.T) {
	for name, in := range map[string]string{
		"deep nesting":   strings.Repeat("<div>", 200_000) + "x",
		"deep lists":     strings.Repeat("<ul><li>x", 100_000),
		"quotations":     strings.Repeat("<blockquote>x", 80_000),
		"anchors":        strings.Repeat(`<a href="https://e.example/`+strings.Repeat("a", 50)+`">x`, 12_000),
		"elided anchors": strings.Repeat(`<a href="https://e.example/abcdef">e.example/…</a>`, 20_000),
		"attributes":     "<p " + strings.Repeat("a=b ", 250_000) + ">x",
		"angle brackets": strings.Repeat("<", 1_000_000),
		"entities":       strings.Repeat("&amp", 250_000),
		"breaks":         strings.Repeat("<br>", 250_000) + "x",
		"text":           strings.Repeat("日本", 170_000),
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			got := TextOfHTML(in)
			if d := time.Since(begin); d > 3*time.Second {
				t.Errorf("took %v", d)
			}
			if len(got) > maxText || !utf8.ValidString(got) {
				t.Errorf("%d bytes, valid %v", len(got), utf8.ValidString(got))
			}
		})
	}
}

func TestPlainLinks(t *testing.T) {
	got := plainLinks("see https://a.example/x_(y), (http://b.example/?q=1). https:// httpx http://c.example\u3002 <https://d.example/> https://a.example/x_(y)!")
	want := "https://a.example/x_(y) http://b.example/?q=1 http://c.example https://d.example/"
	if strings.Join(got, " ") != want {
		t.Errorf("got %q", got)
	}
}

func FuzzTextOfHTML(f *testing.F) {
	f.Add(`<p>a <a href="https://e.example/a"><span class="invisible">https://</span>e.example/…</a></p>`)
	f.Add("<ul><li>a<ol><li><p>b</ul><blockquote>c<pre> d\n\n</pre>")
	f.Add("<script>a</script><style/>&lt;&#0;&nbsp;<img alt='x'>")
	f.Fuzz(func(t *testing.T, s string) {
		got, links := textAndLinks(s, nil)
		if len(got) > maxText || len(links) > maxLinks {
			t.Fatalf("%d bytes, %d links", len(got), len(links))
		}
		if utf8.ValidString(s) && !utf8.ValidString(got) {
			t.Fatalf("invalid UTF-8 of %q: %q", s, got)
		}
		if strings.ContainsAny(got, "\x00\x01\x1b\r") || strings.TrimSpace(got) != got {
			t.Fatalf("unclean text of %q: %q", s, got)
		}
		for _, l := range links {
			if _, err := ParseIRI(l); err != nil {
				t.Fatalf("link %q: %v", l, err)
			}
		}
	})
}
