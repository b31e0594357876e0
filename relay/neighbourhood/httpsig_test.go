package neighbourhood

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hark/activitypub/sig"
)

// request is a POST as it arrives at an instance's inbox.
func request(in *Instance, body []byte) *http.Request {
	r := httptest.NewRequest(http.MethodPost, in.Origin()+"/inbox", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/activity+json")
	r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	r.Header.Set("Digest", digestOf(body))
	return r
}

// TestTwoImplementationsAgree: what one signs, the other believes.
func TestTwoImplementationsAgree(t *testing.T) {
	s, _ := relay(t)
	n := start(t, Options{Relay: s.URL, Mastodon: 1, Pleroma: 1, Misskey: 1})
	a := n.Instances()[0]
	body := []byte(`{"id":"http://a.example/1"}`)
	for _, b := range n.Instances() {
		r := request(b, body)
		r.Header.Del("Date")
		r.Header.Del("Digest")
		signer := sig.Signer{KeyID: a.keyID(), Private: a.private}
		if err := signer.Sign(r, body, time.Now()); err != nil {
			t.Fatal(err)
		}
		if id, err := b.checkRequest(t.Context(), r, body); err != nil || id != a.keyID() {
			t.Errorf("%s refuses what sig signed: %q, %v", b.Kind(), id, err)
		}
		r = request(b, body)
		if err := signRequest(r, a.keyID(), a.private, posted); err != nil {
			t.Fatal(err)
		}
		v, err := sig.VerifyRequest(t.Context(), r, body, func(ctx context.Context, keyID string, fresh bool) (sig.Key, error) {
			known, err := b.key(ctx, keyID, fresh)
			return sig.Key{ID: keyID, Owner: known.owner, Public: known.key}, err
		}, sig.Options{Host: b.Host()})
		if err != nil || v.KeyID != a.keyID() || v.Owner != a.ActorURI() {
			t.Errorf("sig refuses what %s signed: %+v, %v", a.Kind(), v, err)
		}
	}
}

// TestChecks: each kind refuses what its software refuses.
func TestChecks(t *testing.T) {
	s, _ := relay(t)
	n := start(t, Options{Relay: s.URL, Mastodon: 2, Pleroma: 1, Misskey: 1})
	a := n.Instances()[0]
	body := []byte(`{"id":"http://a.example/1"}`)
	unbound := []string{"(request-target)", "date", "digest"}
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	tests := []struct {
		name    string
		keyID   string
		covered []string
		before  func(*http.Request) // it is signed
		after   func(*http.Request)
		refuses string // "": taken; by Mastodon if others is given
		others  string
	}{
		{name: "proper"},
		{name: "not bound to the host", covered: unbound, others: "host is not covered"},
		{name: "another host", after: func(r *http.Request) { r.Host = "elsewhere.example" }, refuses: "host"},
		{name: "no target", covered: []string{"host", "date", "digest"}, refuses: "(request-target) is not covered"},
		{name: "no digest", covered: fetched, refuses: "digest is not covered"},
		{name: "no date", covered: []string{"(request-target)", "host", "digest"}, refuses: "neither date"},
		{name: "missing header covered", covered: append([]string{"cache-control"}, posted...), refuses: "covered and missing"},
		{name: "two hours old", before: set("Date", time.Now().Add(-2*time.Hour).UTC().Format(http.TimeFormat)), refuses: "does not hold"},
		{name: "two hours ahead", before: set("Date", time.Now().Add(2*time.Hour).UTC().Format(http.TimeFormat)), refuses: "does not hold"},
		{name: "an hour old", before: set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))},
		{name: "SHA-512 only", before: set("Digest", "SHA-512=AAAA"), refuses: "digest"},
		{name: "two digests", before: func(r *http.Request) { r.Header.Add("Digest", "SHA-256=AAAA") }, refuses: "digest"},
		{name: "another path", after: func(r *http.Request) { r.URL.Path = "/users/ann/inbox" }, refuses: "does not fit"},
		{name: "another date", after: set("Date", time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)), refuses: "does not fit"},
		{name: "another's key", keyID: n.Instances()[1].keyID(), refuses: "does not fit"},
		{name: "unknown key", keyID: n.Instances()[1].ActorURI() + "#other", refuses: "does not list it"},
		{name: "keyId without a fragment", keyID: n.Instances()[1].ActorURI(), refuses: "does not list it", others: "no fragment"},
		{name: "no such actor", keyID: n.Instances()[1].Origin() + "/nobody#main-key", refuses: "404"},
		{name: "two signatures", after: func(r *http.Request) { r.Header.Add("Signature", r.Header.Get("Signature")) }, refuses: "2 Signature headers"},
		{name: "none", after: func(r *http.Request) { r.Header.Del("Signature") }, refuses: "0 Signature headers"},
	}
	for _, tt := range tests {
		for _, b := range n.Instances()[1:] {
			r := request(b, body)
			if tt.before != nil {
				tt.before(r)
			}
			keyID, covered := a.keyID(), posted
			if tt.keyID != "" {
				keyID = tt.keyID
			}
			if tt.covered != nil {
				covered = tt.covered
			}
			if err := signRequest(r, keyID, a.private, covered); err != nil && tt.refuses != "covered and missing" {
				t.Fatal(err)
			}
			if tt.refuses == "covered and missing" {
				r.Header.Set("Cache-Control", "x")
				if err := signRequest(r, keyID, a.private, covered); err != nil {
					t.Fatal(err)
				}
				r.Header.Del("Cache-Control")
			}
			if tt.after != nil {
				tt.after(r)
			}
			want := tt.refuses
			if b.Kind() != Mastodon && tt.others != "" {
				want = tt.others
			}
			_, err := b.checkRequest(t.Context(), r, body)
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s: %s: %v, want %q", tt.name, b.Kind(), err, want)
			}
		}
	}
}

// TestChangedKey: an instance that knows an old key asks once for the new one.
func TestChangedKey(t *testing.T) {
	s, _ := relay(t)
	n := start(t, Options{Relay: s.URL, Mastodon: 2})
	a, b := n.Instances()[0], n.Instances()[1]
	b.keys[a.keyID()] = knownKey{key: &b.private.PublicKey, owner: a.ActorURI()}
	body := []byte(`{}`)
	r := request(b, body)
	if err := signRequest(r, a.keyID(), a.private, posted); err != nil {
		t.Fatal(err)
	}
	if _, err := b.checkRequest(t.Context(), r, body); err != nil {
		t.Error(err)
	}
}

func TestParseSignature(t *testing.T) {
	good := `keyId="http://a.example/u#k",algorithm="hs2019",created=1700000000,headers="(request-target) Host",signature="AAAA"`
	s, err := parseSignature(good)
	if err != nil || s.keyID != "http://a.example/u#k" || s.created != 1700000000 || strings.Join(s.covered, " ") != "(request-target) host" || len(s.value) != 3 {
		t.Errorf("%+v, %v", s, err)
	}
	for name, h := range map[string]string{
		"empty":         "",
		"no keyId":      `signature="AAAA"`,
		"no signature":  `keyId="a"`,
		"not base64":    `keyId="a",signature="?"`,
		"twice":         `keyId="a",keyId="b",signature="AAAA"`,
		"open quote":    `keyId="a,signature=`,
		"no comma":      `keyId="a" signature="AAAA"`,
		"last comma":    `keyId="a",signature="AAAA",`,
		"unquoted":      `keyId=a,signature="AAAA"`,
		"control":       "keyId=\"a\r\nb\",signature=\"AAAA\"",
		"created":       `keyId="a",created="soon",signature="AAAA"`,
		"covered twice": `keyId="a",headers="date date",signature="AAAA"`,
		"too long":      `keyId="` + strings.Repeat("a", maxSignature) + `",signature="AAAA"`,
	} {
		if s, err := parseSignature(h); err == nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// FuzzParseSignature: no header breaks the parser, and what it takes is sound.
func FuzzParseSignature(f *testing.F) {
	f.Add(`keyId="a",algorithm="rsa-sha256",headers="(request-target) host date digest",signature="AAAA"`)
	f.Add(`keyId="a",created=1,expires=2,signature="AAAA"`)
	f.Add(`keyId="a`)
	f.Fuzz(func(t *testing.T, h string) {
		s, err := parseSignature(h)
		if err != nil {
			return
		}
		if s.keyID == "" || len(s.value) == 0 || strings.ContainsAny(s.keyID, "\r\n\"") {
			t.Errorf("%q: %+v", h, s)
		}
		text, err := s.signingString(httptest.NewRequest(http.MethodPost, "/inbox", nil))
		if err == nil && strings.Count(text, "\n") != max(0, len(s.covered)-1) {
			t.Errorf("%q: %d parts covered, signed is %q", h, len(s.covered), text)
		}
	})
}
