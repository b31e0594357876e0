package server

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"hark/storage"
	"hark/storage/query"
)

// The script builds live hits from the elements and attributes it knows; a card
// must have no other.
func TestScriptKnowsWhatACardHas(t *testing.T) {
	script, err := os.ReadFile("assets/hark.js")
	if err != nil {
		t.Fatal(err)
	}
	known := func(list string) *regexp.Regexp {
		m := regexp.MustCompile(`var ` + list + ` = /(.*)/;`).FindSubmatch(script)
		if m == nil {
			t.Fatalf("the script has no list of %s", list)
		}
		return regexp.MustCompile(string(m[1]))
	}
	elements, attributes := known("elements"), known("attributes")
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := &storage.Post{
		ID: 7, URI: "https://m.example/7", Handle: "ann@m.example", Name: "Ann", Bot: true, InReplyTo: "https://m.example/6", Warning: "weather", Text: "storm", Software: "mastodon",
		Tags: []string{"storm"}, Poll: []string{"yes"}, Edited: time.Now(), Attachments: []storage.Attachment{{URL: "https://m.example/a.png"}, {URL: "none"}},
		Labels: []storage.Label{{Name: "hazard", Over: true, Reasons: []storage.Reason{{Text: "storm"}}}, {Name: "spam", Over: true}},
	}
	var b strings.Builder
	for _, c := range []card{newCard(p), cardWhy(p)} {
		c.Cut, c.Found = true, "storm"
		if err := s.pages.ExecuteTemplate(&b, "card", c); err != nil {
			t.Fatal(err)
		}
	}
	for z := html.NewTokenizer(strings.NewReader(b.String())); ; {
		switch z.Next() {
		case html.ErrorToken:
			return
		case html.StartTagToken, html.SelfClosingTagToken:
			tok := z.Token()
			if !elements.MatchString(tok.Data) {
				t.Errorf("a card has <%s>", tok.Data)
			}
			for _, a := range tok.Attr {
				if a.Key != "href" && !attributes.MatchString(a.Key) {
					t.Errorf("a card has <%s %s>", tok.Data, a.Key)
				}
			}
		}
	}
}

// A hit in a poll or a description does not take the place of the post's text.
func TestWhatWasFoundBesideTheText(t *testing.T) {
	for _, tt := range []struct {
		name         string
		post         storage.Post
		shown, found string
		cut          bool
	}{
		{"in the text", storage.Post{Text: "a <storm> comes"}, "a &lt;<mark>storm</mark>&gt; comes", "", false},
		{"in the poll", storage.Post{Text: "which?", Poll: []string{"a <storm>", "calm"}}, "which?", "a &lt;<mark>storm</mark>&gt;", false},
		{"in a description", storage.Post{Text: "look", Attachments: []storage.Attachment{{Description: "the storm"}}}, "look", "the <mark>storm</mark>", false},
		{"without a text", storage.Post{Poll: []string{"storm"}}, "<mark>storm</mark>", "", false},
		{"far down a long text", storage.Post{Text: strings.Repeat("calm ", 200) + "storm"}, "<mark>storm</mark>", "", true},
		{"poll of a long text", storage.Post{Text: strings.Repeat("calm ", 200), Poll: []string{"storm"}}, "calm calm", "<mark>storm</mark>", true},
	} {
		c := cardOf(&tt.post, query.Parse("storm", query.Options{}), 100)
		if !strings.Contains(string(c.Shown), tt.shown) || string(c.Found) != tt.found || c.Cut != tt.cut {
			t.Errorf("%s: %q, found %q, cut %t", tt.name, c.Shown, c.Found, c.Cut)
		}
	}
}

// slowArchive counts how often it was counted.
type slowArchive struct {
	*node
	asked int
	err   error
}

func (a *slowArchive) Stats(context.Context) (storage.Stats, error) {
	a.asked++
	return storage.Stats{Posts: int64(a.asked)}, a.err
}

// Whoever reloads a public page does not have the archive counted each time,
// and a failure is not kept.
func TestFiguresAreKeptForAWhile(t *testing.T) {
	var f figures
	a, now := &slowArchive{node: &node{}, err: errors.New("busy")}, time.Now()
	if _, _, err := f.read(t.Context(), a, now); err == nil {
		t.Error("no error")
	}
	a.err = nil
	for _, tt := range []struct {
		after time.Duration
		posts int64
	}{{0, 2}, {time.Second, 2}, {figuresAge, 3}, {figuresAge + time.Second, 3}, {-time.Hour, 4}} {
		if st, _, err := f.read(t.Context(), a, now.Add(tt.after)); err != nil || st.Posts != tt.posts {
			t.Errorf("after %v: %d, %v", tt.after, st.Posts, err)
		}
	}
}

// The two forms of the icon are the same drawing.
func TestIcon(t *testing.T) {
	b, err := iconPNG()
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil || img.Bounds().Dx() != iconSize || img.Bounds().Dy() != iconSize {
		t.Fatalf("%v, %v", img.Bounds(), err)
	}
	for at, want := range map[image.Point]color.NRGBA{
		{0, 0}: {}, {iconSize / 2, iconY}: iconInk, {iconSize / 2, iconY - 38}: iconInk, {iconSize / 2, iconY - 50}: iconGround, {iconSize / 2, iconY + 30}: iconGround,
	} {
		if got := color.NRGBAModel.Convert(img.At(at.X, at.Y)); got != want {
			t.Errorf("at %v: %v, not %v", at, got, want)
		}
	}
	if err := xml.Unmarshal(iconSVG(), new(struct{})); err != nil {
		t.Error(err)
	}
}

// What a stranger asks for does not become a name in the metrics.
func TestMetricsAreBounded(t *testing.T) {
	h, _ := start(t)
	for _, path := range []string{"/strange-1", "/api/hark/v1/strange-2", "/api/strange-3", "/post/strange-4/5", "/nodeinfo/strange-5", "/assets/strange-6", "/.well-known/strange-7"} {
		for _, method := range []string{"GET", "HEAD", "PUT", "STRANGE"} {
			ask(t, method, h.URL+path, "")
		}
	}
	if _, body := ask(t, "GET", h.URL+"/metrics", ""); strings.Contains(strings.ToLower(body), "strange") || !strings.Contains(body, `hark_http_requests_total{class="4xx",route="other"}`) {
		t.Errorf("%s", body)
	}
}
