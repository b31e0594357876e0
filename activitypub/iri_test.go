package activitypub

import (
	"errors"
	"strings"
	"testing"
)

func TestParseIRI(t *testing.T) {
	good := []struct{ in, want, host string }{
		{"https://example.com", "https://example.com", "example.com"},
		{"HTTPS://Example.COM:443/Users/A?b=C#d", "https://example.com/Users/A?b=C#d", "example.com"},
		{"http://example.com:80/", "http://example.com/", "example.com"},
		{"https://example.com:8443/x", "https://example.com:8443/x", "example.com:8443"},
		{"http://127.0.0.1:08080/inbox", "http://127.0.0.1:8080/inbox", "127.0.0.1:8080"},
		{"https://example.com./a", "https://example.com/a", "example.com"},
		{"https://bücher.example/ä", "https://xn--bcher-kva.example/ä", "xn--bcher-kva.example"},
		{"https://XN--BCHER-KVA.example", "https://xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"https://ｅｘａｍｐｌｅ．com/", "https://example.com/", "example.com"},
		{"http://[::1]:3000/actor", "http://[::1]:3000/actor", "[::1]:3000"},
		{"http://[0:0::1]/", "http://[::1]/", "[::1]"},
		{"https://under_score.example/", "https://under_score.example/", "under_score.example"},
		{"https://example.com?x", "https://example.com?x", "example.com"},
		{"https://example.com/a:b@c//d", "https://example.com/a:b@c//d", "example.com"},
		{Public, Public, "www.w3.org"},
	}
	for _, c := range good {
		got, err := ParseIRI(c.in)
		if err != nil || string(got) != c.want || got.Host() != c.host {
			t.Errorf("ParseIRI(%q) = %q, host %q, %v; want %q, host %q", c.in, got, got.Host(), err, c.want, c.host)
		}
	}
	bad := []string{
		"", " ", "example.com", "//example.com/a", "ftp://example.com", "javascript:alert(1)", "acct:a@example.com",
		"https:", "https://", "https:///path", "https:example.com", "https://user@example.com/", "https://user:pw@example.com/", "https://@example.com/",
		"https://example.com/a b", "https://example.com/\n", "https://example.com/\r\nX: y", "https://example.com/\x00", "https://example.com/\x7f",
		"https://example.com/\u0085", "https://example.com/\u2028", "https://example.com/\"", "https://example.com\\@evil.example/", "https://example.com/<b>",
		"https://exa mple.com/", "https://example.com:99999/", "https://example.com:0/", "https://example.com:x/", "https://a..b/", "https://.a/", "https://-\xff/",
		"https://[::1/", "https://[fe80::1%25eth0]/", "https://a%41.example/", "https://" + strings.Repeat("a", 64) + ".example/", "https://example.com/" + strings.Repeat("a", MaxIRI),
		"https://xn--a.example/", "https://ex!ample.com/", "https://a,b/",
	}
	for _, s := range bad {
		if got, err := ParseIRI(s); !errors.Is(err, ErrIRI) {
			t.Errorf("ParseIRI(%q) = %q, %v; want ErrIRI", s, got, err)
		}
	}
}

func TestIRIParts(t *testing.T) {
	i, err := ParseIRI("https://Example.com:444/actor?x#main-key")
	if err != nil {
		t.Fatal(err)
	}
	if got := i.Origin(); got != "https://example.com:444" {
		t.Errorf("Origin = %q", got)
	}
	if got := i.WithoutFragment(); got != "https://example.com:444/actor?x" {
		t.Errorf("WithoutFragment = %q", got)
	}
	if IRI("nonsense").Host() != "" || IRI("nonsense").Origin() != "" {
		t.Error("parts of what is no address are not empty")
	}
}

func TestSameOrigin(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"https://a.example/x", "https://A.example:443/y#z", true},
		{"https://bücher.example/", "https://xn--bcher-kva.example/", true},
		{"https://a.example/", "http://a.example/", false},
		{"https://a.example/", "https://a.example:444/", false},
		{"https://a.example/", "https://b.a.example/", false},
		{"https://a.example/", "https://a.example@b.example/", false},
		{"", "", false},
		{"Public", "Public", false},
	} {
		if got := SameOrigin(c.a, c.b); got != c.want {
			t.Errorf("SameOrigin(%q, %q) = %v", c.a, c.b, got)
		}
	}
}

// A blocked host stays blocked however it is spelt.
func TestNormalizeHost(t *testing.T) {
	for in, want := range map[string]string{
		"Evil.Example":             "evil.example",
		"evil.example.":            "evil.example",
		"evil.example:8443":        "evil.example",
		"EVIL.example.:443":        "evil.example",
		"straße.example":           "xn--strae-oqa.example",
		"STRASSE.example":          "strasse.example",
		"xn--strae-oqa.example":    "xn--strae-oqa.example",
		"evil。example":             "evil.example",
		"evil.example。":            "evil.example",
		"日本.example":               "xn--wgv71a.example",
		"127.0.0.1:80":             "127.0.0.1",
		"[2001:DB8::1]:443":        "[2001:db8::1]",
		"2001:db8:0::1":            "[2001:db8::1]",
		"localhost":                "localhost",
		"_matrix.evil.example":     "_matrix.evil.example",
		"\u200bevil.example":       "evil.example",
		"e\u00advil.example":       "evil.example",
		"ｅｖｉｌ．ｅｘａｍｐｌｅ":             "evil.example",
		"xn--n3h.example":          "xn--n3h.example",
		"a.b.c.d.e.f.evil.example": "a.b.c.d.e.f.evil.example",
	} {
		got, err := NormalizeHost(in)
		if err != nil || got != want {
			t.Errorf("NormalizeHost(%q) = %q, %v; want %q", in, got, err, want)
		}
		if again, err := NormalizeHost(got); err != nil || again != got {
			t.Errorf("NormalizeHost(%q) = %q, %v: not stable", got, again, err)
		}
	}
	for _, in := range []string{"", ".", "..", "a..b", "a b", "a/b", "a:b", "a@b", "[::1", "::1]", "[127.0.0.1]", "fe80::1%eth0", strings.Repeat("a.", 200), "*.example"} {
		if got, err := NormalizeHost(in); !errors.Is(err, ErrIRI) {
			t.Errorf("NormalizeHost(%q) = %q, %v; want ErrIRI", in, got, err)
		}
	}
}

func TestIsPublic(t *testing.T) {
	for s, want := range map[string]bool{
		Public: true, "as:Public": true, "Public": true,
		"": false, "public": false, "https://www.w3.org/ns/activitystreams#public": false, "http://www.w3.org/ns/auth/acl#AuthenticatedAgent": false,
	} {
		if IsPublic(s) != want {
			t.Errorf("IsPublic(%q) = %v", s, !want)
		}
	}
}

func TestIsActivityJSON(t *testing.T) {
	for s, want := range map[string]bool{
		ContentType:   true,
		LDContentType: true,
		"application/activity+json; charset=utf-8": true,
		"Application/Activity+JSON":                true,
		`application/ld+json;profile="http://www.w3.org/ns/json-ld#compacted https://www.w3.org/ns/activitystreams"`: true,
		"application/ld+json": false,
		`application/ld+json; profile="https://www.w3.org/ns/activitystreams2"`: false,
		"application/json":             false,
		"text/html":                    false,
		"":                             false,
		"application/activity+json; =": false,
	} {
		if IsActivityJSON(s) != want {
			t.Errorf("IsActivityJSON(%q) = %v", s, !want)
		}
	}
}

func FuzzParseIRI(f *testing.F) {
	for _, s := range []string{"https://example.com/a#b", "HTTP://[::1]:80", "https://bücher.example:0443/?x", "https://a%C3%A4.example", "https://xn--a", "https://a\u3002b\u3002/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		i, err := ParseIRI(s)
		if err != nil {
			if !errors.Is(err, ErrIRI) {
				t.Fatalf("%q: %v is not ErrIRI", s, err)
			}
			return
		}
		if again, err := ParseIRI(string(i)); err != nil || again != i {
			t.Fatalf("%q: %q is not stable: %q, %v", s, i, again, err)
		}
		if strings.ContainsAny(string(i), " \r\n\t\x00\"<>\\") {
			t.Fatalf("%q: %q contains what no address may", s, i)
		}
		host, err := NormalizeHost(i.Host())
		if err != nil {
			t.Fatalf("%q: host %q: %v", s, i.Host(), err)
		}
		if !strings.HasPrefix(i.Host(), host) {
			t.Fatalf("%q: host %q normalises to %q", s, i.Host(), host)
		}
	})
}
