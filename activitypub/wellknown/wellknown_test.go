package wellknown

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"hark/activitypub"
)

func TestWebFinger(t *testing.T) {
	doc, err := WebFinger("acct:relay@relay.example", "https://relay.example/actor", "https://relay.example/")
	if err != nil {
		t.Fatal(err)
	}
	want := `{"subject":"acct:relay@relay.example","aliases":["https://relay.example/actor","https://relay.example/"],` +
		`"links":[{"rel":"self","type":"application/activity+json","href":"https://relay.example/actor"},` +
		`{"rel":"http://webfinger.net/rel/profile-page","type":"text/html","href":"https://relay.example/"}]}`
	if string(doc) != want {
		t.Errorf("got  %s\nwant %s", doc, want)
	}
	d, err := ParseWebFinger(doc)
	if err != nil || d.Self() != "https://relay.example/actor" || d.Subject != "acct:relay@relay.example" {
		t.Errorf("read back: %+v, %v", d, err)
	}
	for _, c := range [][3]string{
		{"relay@relay.example", "https://relay.example/actor", ""},
		{"acct:relay", "https://relay.example/actor", ""},
		{"acct:relay@relay.example", "/actor", ""},
		{"acct:relay@relay.example", "https://relay.example/actor", "page"},
	} {
		if doc, err := WebFinger(c[0], c[1], c[2]); err == nil {
			t.Errorf("%q: %s", c, doc)
		}
	}
}

func TestParseWebFinger(t *testing.T) {
	for doc, want := range map[string]string{
		`{"subject":"acct:a@b.example","links":[{"rel":"self","type":"application/activity+json","href":"https://b.example/a"}]}`:                                                                                                        "https://b.example/a",
		`{"links":[{"rel":"http://ostatus.org/schema/1.0/subscribe","template":"https://b.example/{uri}"},{"rel":"self","type":"application/ld+json; profile=\"https://www.w3.org/ns/activitystreams\"","href":"https://b.example/a"}]}`: "https://b.example/a",
		`{"subject":"acct:a@b.example","links":[{"rel":"self","type":"text/html","href":"https://b.example/a"}]}`:                                                                                                                        "",
		`{"subject":"acct:a@b.example","links":[7,{"rel":"self","type":"application/activity+json","href":"javascript:1"}],"aliases":"x","properties":null}`:                                                                             "",
		`{"subject":"acct:a@b.example"}`: "",
	} {
		d, err := ParseWebFinger([]byte(doc))
		if err != nil || d.Self() != want {
			t.Errorf("%s: %+v, %v", doc, d, err)
		}
	}
	for doc, want := range map[string]error{
		"":                ErrMalformed,
		"[]":              ErrMalformed,
		"{}":              ErrMalformed,
		`{"subject":7}`:   ErrMalformed,
		`{"links":"all"}`: ErrMalformed,
		`{"subject":"` + strings.Repeat("a", MaxDocument) + `"}`: ErrTooLarge,
		strings.Repeat("[", 100_000):                             ErrMalformed,
	} {
		if d, err := ParseWebFinger([]byte(doc)); !errors.Is(err, want) {
			t.Errorf("%.40s: %+v, %v", doc, d, err)
		}
	}
}

func TestAccount(t *testing.T) {
	for in, want := range map[string]string{
		"acct:relay@relay.example": "relay|relay.example",
		"acct:Relay@RELAY.example": "relay|relay.example",
		"@relay@relay.example":     "relay|relay.example",
		"relay@bücher.example":     "relay|xn--bcher-kva.example",
	} {
		user, host, err := Account(in)
		if err != nil || user+"|"+host != want {
			t.Errorf("%q: %q, %q, %v", in, user, host, err)
		}
	}
	for in, want := range map[string]error{
		"": ErrMalformed, "relay": ErrMalformed, "acct:@relay.example": ErrMalformed, "https://relay.example/@relay": ErrMalformed,
		"acct:a@b@c": activitypub.ErrIRI, "acct:a@": activitypub.ErrIRI,
	} {
		if user, host, err := Account(in); !errors.Is(err, want) {
			t.Errorf("%q: %q, %q, %v", in, user, host, err)
		}
	}
}

func TestNodeInfo(t *testing.T) {
	info := Info{
		Version: "1.2.3", Repository: "https://code.example/hark", Homepage: "https://hark.example",
		OpenRegistrations: true, LocalPosts: 0, Metadata: map[string]any{"subscribers": 7},
	}
	for version, want := range map[string]string{
		"2.0": `{"version":"2.0","software":{"name":"hark","version":"1.2.3"},"protocols":["activitypub"],"services":{"inbound":[],"outbound":[]},` +
			`"openRegistrations":true,"usage":{"users":{"total":0,"activeHalfyear":0,"activeMonth":0},"localPosts":0},"metadata":{"subscribers":7}}`,
		"2.1": `{"version":"2.1","software":{"name":"hark","version":"1.2.3","repository":"https://code.example/hark","homepage":"https://hark.example"},"protocols":["activitypub"],"services":{"inbound":[],"outbound":[]},` +
			`"openRegistrations":true,"usage":{"users":{"total":0,"activeHalfyear":0,"activeMonth":0},"localPosts":0},"metadata":{"subscribers":7}}`,
	} {
		doc, err := NodeInfo(version, info)
		if err != nil || string(doc) != want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", version, err, doc, want)
		}
		s, err := ParseNodeInfo(doc)
		if want := (NodeSoftware{"hark", "1.2.3"}); err != nil || s != want {
			t.Errorf("read back: %+v, %v", s, err)
		}
	}
	doc, err := NodeInfo("2.1", Info{Version: "1"})
	if err != nil || !strings.Contains(string(doc), `"metadata":{}`) || strings.Contains(string(doc), "repository") {
		t.Errorf("%s, %v", doc, err)
	}
	for _, version := range []string{"", "1.0", "2.2"} {
		if doc, err := NodeInfo(version, info); !errors.Is(err, ErrMalformed) {
			t.Errorf("version %q: %s, %v", version, doc, err)
		}
	}
	if doc, err := NodeInfo("2.0", Info{}); !errors.Is(err, ErrMalformed) {
		t.Errorf("no program version: %s, %v", doc, err)
	}
	if doc, err := NodeInfo("2.0", Info{Version: "1", Metadata: map[string]any{"f": func() {}}}); err == nil {
		t.Errorf("a function as metadata: %s", doc)
	}
}

func TestNodeInfoLinks(t *testing.T) {
	doc := NodeInfoLinks("https://relay.example")
	if !json.Valid(doc) {
		t.Fatalf("%s", doc)
	}
	href, err := ParseNodeInfoLinks(doc)
	if err != nil || href != NodeInfoURL("https://relay.example", "2.1") {
		t.Errorf("%q, %v", href, err)
	}
	const rel = `"rel":"http://nodeinfo.diaspora.software/ns/schema/`
	for doc, want := range map[string]string{
		`{"links":[{` + rel + `1.0","href":"https://a.example/1"},{` + rel + `2.0","href":"https://a.example/2"}]}`: "https://a.example/2",
		`{"links":[{` + rel + `2.1","href":"file:///etc/passwd"},{` + rel + `2.0","href":"https://a.example/2"}]}`:  "https://a.example/2",
		`{"links":[null,"x",{` + rel + `2.0","href":"https://a.example/2"}]}`:                                       "https://a.example/2",
	} {
		if href, err := ParseNodeInfoLinks([]byte(doc)); err != nil || href != want {
			t.Errorf("%s: %q, %v", doc, href, err)
		}
	}
	for _, doc := range []string{"", "null", "{}", `{"links":{}}`, `{"links":[{` + rel + `9.9","href":"https://a.example/"}]}`} {
		if href, err := ParseNodeInfoLinks([]byte(doc)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %q, %v", doc, href, err)
		}
	}
}

func TestParseNodeInfo(t *testing.T) {
	for doc, want := range map[string]NodeSoftware{
		`{"version":"2.0","software":{"name":"Mastodon","version":"4.5.0+glitch"},"usage":{"users":{"total":"many"}}}`: {"mastodon", "4.5.0+glitch"},
		`{"software":{"name":"misskey","version":13}}`:                                                                 {"misskey", ""},
		`{"software":{"name":"a b<script>\n","version":"1\u0000\r\n é 2"}}`:                                            {"abscript", "1  2"},
		`{"software":{"name":"` + strings.Repeat("a", 200) + `"}}`:                                                     {strings.Repeat("a", 64), ""},
	} {
		if s, err := ParseNodeInfo([]byte(doc)); err != nil || s != want {
			t.Errorf("%s: %+v, %v", doc, s, err)
		}
	}
	for doc, want := range map[string]error{
		"": ErrMalformed, "{}": ErrMalformed, `{"software":"mastodon"}`: ErrMalformed, `{"software":{"name":"日本"}}`: ErrMalformed,
		`{"x":"` + strings.Repeat("a", MaxDocument) + `"}`: ErrTooLarge,
	} {
		if s, err := ParseNodeInfo([]byte(doc)); !errors.Is(err, want) {
			t.Errorf("%.40s: %+v, %v", doc, s, err)
		}
	}
}

func FuzzParseWebFinger(f *testing.F) {
	f.Add([]byte(`{"subject":"acct:a@b.example","aliases":["x",1],"links":[{"rel":"self","type":"application/activity+json","href":"https://b.example/a"},null]}`))
	f.Add([]byte(`{"subject":null,"links":{}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		d, err := ParseWebFinger(doc)
		if err != nil {
			return
		}
		if len(d.Links) > maxList || len(d.Aliases) > maxList {
			t.Fatal("not cut off")
		}
		if self := d.Self(); self != "" {
			if _, err := activitypub.ParseIRI(self); err != nil {
				t.Fatalf("self %q", self)
			}
		}
	})
}

func FuzzParseNodeInfo(f *testing.F) {
	f.Add([]byte(`{"version":"2.0","software":{"name":"mastodon","version":"4.5.0"}}`))
	f.Add([]byte(`{"links":[{"rel":"http://nodeinfo.diaspora.software/ns/schema/2.0","href":"https://a.example/2"}]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		if s, err := ParseNodeInfo(doc); err == nil {
			if s.Name == "" || len(s.Name) > 64 || len(s.Version) > 64 || strings.ContainsAny(s.Name+s.Version, "\r\n\x00") {
				t.Fatalf("%+v", s)
			}
		}
		if href, err := ParseNodeInfoLinks(doc); err == nil {
			if _, err := activitypub.ParseIRI(href); err != nil {
				t.Fatalf("href %q", href)
			}
		}
	})
}
