package activitypub

import (
	"errors"
	"mime"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// addDocuments seeds a fuzz target with the documents of folders of testdata.
func addDocuments(f *testing.F, folders ...string) {
	f.Helper()
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join("testdata", folder, "*.json"))
		if err != nil || len(files) == 0 {
			f.Fatalf("no documents in %s: %v", folder, err)
		}
		for _, file := range files {
			f.Add(readFile(f, file))
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add([]byte(`{"id":"https://a.example/key","type":"CryptographicKey","owner":{"id":"https://a.example/u"},"publicKeyPem":"PEM"}`))
	f.Add([]byte(`{"id":"https://a.example/u#z6Mk","type":"Multikey","controller":"https://a.example/u","publicKeyMultibase":"z6Mk"}`))
	addDocuments(f, "actor")
	f.Fuzz(func(t *testing.T, doc []byte) {
		k, err := ParseKey(doc)
		if err != nil {
			if k != (PublicKey{}) {
				t.Fatalf("%+v beside an error", k)
			}
			return
		}
		if checkAddress(k.ID) != nil || checkAddress(k.Owner) != nil || (k.PEM == "") == (k.Multibase == "") {
			t.Fatalf("%+v", k)
		}
	})
}

func FuzzTypeOf(f *testing.F) {
	addDocuments(f, "post", "actor", "activity")
	f.Fuzz(func(t *testing.T, doc []byte) {
		id, typ, err := TypeOf(doc)
		if err != nil && id+typ != "" {
			t.Fatalf("%q, %q beside an error", id, typ)
		}
		if len(typ) > 200 || !utf8.ValidString(id) {
			t.Fatalf("id %q, type %q", id, typ)
		}
	})
}

func FuzzNormalizeHost(f *testing.F) {
	for _, s := range []string{"Example.COM.", "bücher.example:8443", "xn--bcher-kva.example", "[::1]:80", "127.0.0.1", "0x7f.1", "ａ。example", "a..b", "*.a", "xn--a-", "\u200b.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := NormalizeHost(s)
		if err != nil {
			if h != "" || !errors.Is(err, ErrIRI) {
				t.Fatalf("%q: %q, %v", s, h, err)
			}
			return
		}
		if again, err := NormalizeHost(h); err != nil || again != h {
			t.Fatalf("%q: %q is not stable: %q, %v", s, h, again, err)
		}
		if h != strings.ToLower(h) || strings.ContainsAny(h, " /?#@\\\r\n\"<>") || strings.HasSuffix(h, ".") {
			t.Fatalf("%q: %q contains what no host may", s, h)
		}
		for _, r := range h {
			if r >= utf8.RuneSelf {
				t.Fatalf("%q: %q is not ASCII", s, h)
			}
		}
	})
}

func FuzzIsActivityJSON(f *testing.F) {
	for _, s := range []string{ContentType, LDContentType, "application/json", "text/html; charset=utf-8", `application/ld+json;profile="a https://www.w3.org/ns/activitystreams"`, "application/activity+json;;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !IsActivityJSON(s) {
			return
		}
		mediaType, params, err := mime.ParseMediaType(s)
		if err != nil || mediaType != ContentType && !(mediaType == "application/ld+json" && strings.Contains(params["profile"], asNamespace)) {
			t.Fatalf("%q is taken for an ActivityPub document", s)
		}
	})
}
