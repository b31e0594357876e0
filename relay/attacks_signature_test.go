package relay_test

import (
	"crypto/hmac"
	"crypto/md5"  //nolint:gosec // an attacker's
	"crypto/sha1" //nolint:gosec // an attacker's
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestSignatureAttacks tries what is wrong with a signature through the whole
// inbox. None of it journals anything.
func TestSignatureAttacks(t *testing.T) {
	s := attacked(t, nil)
	eve := s.join(t, s.lair)
	s.now(t)
	note := func() []byte { return noteBy(eve, s.lair.url, nil) }
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	param := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Signature", strings.Replace(r.Header.Get("Signature"), old, new, 1))
		}
	}
	date := func(by time.Duration) func(*http.Request) {
		return header("Date", time.Now().Add(by).UTC().Format(http.TimeFormat))
	}
	sum512 := sha512.Sum512([]byte("x"))
	for _, tt := range []struct {
		name   string
		l      letter
		status int
		reason string
	}{
		{"no host covered", letter{covered: "(request-target) date digest"}, 401, "signature-coverage"},
		{"no date covered", letter{covered: "(request-target) host digest"}, 401, "signature-coverage"},
		{"no digest covered", letter{covered: "(request-target) host date"}, 401, "signature-coverage"},
		{"no target covered", letter{covered: "host date digest"}, 401, "signature-coverage"},
		{"covers what is not there", letter{covered: "(request-target) host date digest x-nothing"}, 401, "signature-coverage"},
		{"covers itself", letter{covered: "(request-target) host date digest signature"}, 401, "signature-malformed"},
		{"no list of covered headers", letter{after: param("headers=", "heads=")}, 401, "signature-coverage"},
		{"digest of another body", letter{before: header("Digest", "SHA-256="+digestOf([]byte("{}")))}, 401, "signature-digest"},
		{"digest missing", letter{before: func(r *http.Request) { r.Header.Del("Digest") }}, 401, "signature-coverage"},
		{"digest by MD5", letter{before: func(r *http.Request) {
			sum := md5.Sum([]byte("x")) //nolint:gosec // an attacker's
			r.Header.Set("Digest", "MD5="+base64.StdEncoding.EncodeToString(sum[:]))
		}}, 401, "signature-digest"},
		{"digest by SHA-1", letter{before: func(r *http.Request) {
			sum := sha1.Sum([]byte("x")) //nolint:gosec // an attacker's
			r.Header.Set("Digest", "SHA="+base64.StdEncoding.EncodeToString(sum[:]))
		}}, 401, "signature-digest"},
		{"digest by SHA-512 alone", letter{before: header("Digest", "SHA-512="+base64.StdEncoding.EncodeToString(sum512[:]))}, 401, "signature-digest"},
		{"two digests", letter{before: func(r *http.Request) {
			r.Header.Add("Digest", "SHA-256="+digestOf([]byte("{}")))
		}}, 401, "signature-digest"},
		{"a year old", letter{before: date(-365 * 24 * time.Hour)}, 401, "signature-date"},
		{"two hours ahead", letter{before: date(2 * time.Hour)}, 401, "signature-date"},
		{"two dates", letter{before: func(r *http.Request) { r.Header.Add("Date", r.Header.Get("Date")) }}, 401, "signature-date"},
		{"expired", letter{algorithm: "hs2019", after: param("algorithm=", fmt.Sprintf("expires=%d,algorithm=", time.Now().Add(-time.Hour).Unix()))}, 401, "signature-date"},
		{"for another host", letter{before: func(r *http.Request) { r.Host = "elsewhere.example" }}, 401, "signature-wrong"},
		{"for GET", letter{sign: func(r *http.Request) error {
			r.Method = http.MethodGet
			err := letter{keyID: eve + "#main-key"}.cavage(r)
			r.Method = http.MethodPost
			return err
		}}, 401, "signature-wrong"},
		{"for another path", letter{sign: func(r *http.Request) error {
			r.URL.Path = "/users/somebody/inbox"
			err := letter{keyID: eve + "#main-key"}.cavage(r)
			r.URL.Path = "/inbox"
			return err
		}}, 401, "signature-wrong"},
		{"for another query", letter{before: func(r *http.Request) { r.URL.RawQuery = "a=1" }, after: func(r *http.Request) { r.URL.RawQuery = "a=2" }}, 401, "signature-wrong"},
		{"algorithm none", letter{algorithm: "none"}, 401, "signature-scheme"},
		{"no algorithm", letter{after: param(`algorithm="rsa-sha256",`, "")}, 401, "signature-scheme"},
		{"RSA with SHA-1", letter{algorithm: "rsa-sha1"}, 401, "signature-scheme"},
		{"RSA with MD5", letter{algorithm: "rsa-md5"}, 401, "signature-scheme"},
		{"an HMAC whose secret is the public key", letter{algorithm: "hmac-sha256", after: func(r *http.Request) {
			mac := hmac.New(sha512.New512_256, foe().N.Bytes())
			_, _ = mac.Write([]byte("x"))
			old, _, _ := strings.Cut(r.Header.Get("Signature"), `signature="`)
			r.Header.Set("Signature", old+`signature="`+base64.StdEncoding.EncodeToString(mac.Sum(nil))+`"`)
		}}, 401, "signature-scheme"},
		{"Ed25519 said of an RSA key", letter{algorithm: "ed25519"}, 401, "signature-scheme"},
		{"keyId twice", letter{after: param("keyId=", `keyId="`+s.in.AuthorURI(0)+`#main-key",keyId=`)}, 401, "signature-malformed"},
		{"an escape in the keyId", letter{after: param("#main-key", `\"#main-key`)}, 401, "signature-malformed"},
		{"two signatures", letter{after: func(r *http.Request) { r.Header.Add("Signature", r.Header.Get("Signature")) }}, 401, "signature-malformed"},
		{"a list of signatures", letter{after: func(r *http.Request) {
			r.Header.Set("Signature", r.Header.Get("Signature")+","+r.Header.Get("Signature"))
		}}, 401, "signature-malformed"},
		{"Signature and Authorization", letter{after: func(r *http.Request) { r.Header.Set("Authorization", "Signature "+r.Header.Get("Signature")) }}, 401, "signature-malformed"},
		{"a huge signature header", letter{after: param("keyId=", `x="`+strings.Repeat("x", 20_000)+`",keyId=`)}, 401, "signature-malformed"},
		{"acct: keyId", letter{keyID: "acct:eve@" + strings.TrimPrefix(s.lair.url, "http://")}, 401, "signature-malformed"},
		{"keyId with a user name", letter{keyID: strings.Replace(eve, "http://", "http://a:b@", 1) + "#main-key"}, 401, "signature-malformed"},
		{"half of RFC 9421 beside a good signature", letter{after: header("Signature-Input", `sig1=("@method");keyid="x"`)}, 401, "signature-malformed"},
		{"not signed", letter{after: func(r *http.Request) { r.Header.Del("Signature") }}, 401, "signature-missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := tt.l
			if l.body = note(); l.keyID == "" {
				l.keyID = eve + "#main-key"
			}
			send(t, s.n, l).want(t, tt.status, tt.reason)
		})
	}
	s.untouched(t)
	// The attacker's own signature is otherwise as good as any.
	send(t, s.n, letter{body: note(), keyID: eve + "#main-key"}).want(t, 202, "relayed")
}

// TestReplayedLater (A9, A10): what was taken down is taken once within the
// window, and never after it, whoever sends it again.
func TestReplayedLater(t *testing.T) {
	s := attacked(t, nil)
	eve := s.join(t, s.lair)
	l := letter{body: noteBy(eve, s.lair.url, nil), keyID: eve + "#main-key"}
	r, err := signedLetter(t.Context(), s.n, l)
	if err != nil {
		t.Fatal(err)
	}
	again := letter{body: l.body, sign: func(to *http.Request) error {
		to.Header = r.Header.Clone()
		return nil
	}}
	send(t, s.n, again).want(t, 202, "relayed")
	s.settled(t)
	s.now(t)
	for range 3 {
		send(t, s.n, again).want(t, 202, "duplicate")
	}
	// Signed anew it is still the same activity.
	send(t, s.n, l).want(t, 202, "duplicate")
	old := letter{body: noteBy(eve, s.lair.url, nil), keyID: l.keyID, before: func(r *http.Request) {
		r.Header.Set("Date", time.Now().Add(-13*time.Hour-time.Minute).UTC().Format(http.TimeFormat))
	}}
	send(t, s.n, old).want(t, 401, "signature-date")
	s.untouched(t)
}

// TestWrongDoors: addresses of the inbox that are not quite it, or that the
// signature was not made for.
func TestWrongDoors(t *testing.T) {
	s := attacked(t, nil)
	eve := s.join(t, s.lair)
	s.now(t)
	for _, tt := range []struct {
		path   string
		status int
	}{
		{"/inbox/", 404}, {"//inbox", 404}, {"/Inbox", 404}, {"/actor/inbox", 404}, {"/inbox%00", 404}, {"/inbox%0d%0aX:%20y", 404}, {"/./inbox", 404}, {"/actor", 405},
	} {
		l := letter{body: noteBy(eve, s.lair.url, nil), keyID: eve + "#main-key", before: func(r *http.Request) {
			u, err := url.Parse(s.n.BaseURL() + tt.path)
			if err != nil {
				t.Fatal(err)
			}
			r.URL = u
		}}
		if a := send(t, s.n, l); a.status != tt.status || a.reason == "" {
			t.Errorf("%s: answered %d %s (%.200s), want %d", tt.path, a.status, a.reason, a.text, tt.status)
		}
	}
	s.untouched(t)
}
