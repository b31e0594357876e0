package sig

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Fixed keys: making one takes a tenth of a second.
var (
	alice = sync.OnceValue(newTestKey)
	bob   = sync.OnceValue(newTestKey)
)

func newTestKey() *rsa.PrivateKey {
	k, err := GenerateKey()
	if err != nil {
		panic(err)
	}
	return k
}

const (
	testHost  = "relay.example"
	aliceID   = "https://social.example/users/alice"
	aliceKey  = aliceID + "#main-key"
	testInbox = "https://" + testHost + "/inbox"
)

var testNow = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// keysOf answers every id with one key, and counts the questions.
func keysOf(k Key, asked *[]bool) KeyFunc {
	return func(_ context.Context, id string, fresh bool) (Key, error) {
		if asked != nil {
			*asked = append(*asked, fresh)
		}
		return k, nil
	}
}

func aliceKeys() KeyFunc {
	return keysOf(Key{ID: aliceKey, Owner: aliceID, Public: &alice().PublicKey}, nil)
}

func testOptions() Options { return Options{Now: testNow, Host: testHost} }

// sent makes a request as the server side sees it.
func sent(method, target string, body []byte) *http.Request {
	r := httptest.NewRequest(method, target, bytes.NewReader(body))
	r.RequestURI = r.URL.RequestURI()
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/activity+json")
	}
	return r
}

// signedBy signs components of a request by hand, so that a test can sign what
// a Signer never would. Parameters are appended to the header as they are.
func signedBy(key *rsa.PrivateKey, r *http.Request, algorithm, components string, extra string) {
	s := &signatureHeader{components: strings.Fields(components)}
	for _, name := range []string{"created", "expires"} {
		if _, after, ok := strings.Cut(extra, name+"="); ok {
			n, _ := strconv.ParseInt(strings.SplitN(after, ",", 2)[0], 10, 64)
			if name == "created" {
				s.created, s.hasCreated = n, true
			} else {
				s.expires, s.hasExpires = n, true
			}
		}
	}
	m := &message{request: r, signature: s}
	sum := sha256.Sum256([]byte(m.signingString(m.targets()[0])))
	value, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	h := `keyId="` + aliceKey + `",`
	if algorithm != "" {
		h += `algorithm="` + algorithm + `",`
	}
	r.Header.Set("Signature", h+`headers="`+components+`",`+extra+`signature="`+base64.StdEncoding.EncodeToString(value)+`"`)
}

func digestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// ready is a POST with all headers set and no signature.
func ready(body []byte) *http.Request {
	r := sent("POST", testInbox, body)
	r.Header.Set("Date", testNow.Format(http.TimeFormat))
	r.Header.Set("Digest", "SHA-256="+digestOf(body))
	return r
}

const usual = "(request-target) host date digest content-type"

func TestSignedRequestIsVerified(t *testing.T) {
	body := []byte(`{"type":"Create"}`)
	signer := &Signer{KeyID: aliceKey, Private: alice()}
	for _, tc := range []struct {
		method, url string
		body        []byte
		covered     string
	}{
		{"POST", testInbox, body, usual},
		{"POST", "https://relay.example/inbox?a=1&b=%2F", body, usual},
		{"POST", "https://relay.example/users/%E3%81%82%2Fx/inbox", body, usual},
		{"GET", "https://relay.example/actor", nil, "(request-target) host date"},
		{"GET", "https://relay.example", nil, "(request-target) host date"},
	} {
		t.Run(tc.method+" "+tc.url, func(t *testing.T) {
			r := sent(tc.method, tc.url, tc.body)
			if err := signer.Sign(r, tc.body, testNow); err != nil {
				t.Fatal(err)
			}
			if r.Header.Get("Host") != "" {
				t.Error("Sign left a Host among the headers")
			}
			v, err := VerifyRequest(context.Background(), r, tc.body, aliceKeys(), testOptions())
			if err != nil {
				t.Fatal(err)
			}
			if v.KeyID != aliceKey || v.Owner != aliceID || v.Scheme != "cavage" {
				t.Errorf("got %+v", v)
			}
			if got := strings.Join(v.Components, " "); got != tc.covered {
				t.Errorf("covered %q, want %q", got, tc.covered)
			}
			if v.Date != "Mon, 23 Nov 2026 12:00:00 GMT" || v.Digest != r.Header.Get("Digest") || !strings.Contains(r.Header.Get("Signature"), v.Signature) {
				t.Errorf("evidence is %+v", v)
			}
		})
	}
}

func TestSignTwiceReplaces(t *testing.T) {
	signer := &Signer{KeyID: aliceKey, Private: alice()}
	r := sent("POST", testInbox, []byte("a"))
	for _, body := range []string{"a", "b"} {
		if err := signer.Sign(r, []byte(body), testNow); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := VerifyRequest(context.Background(), r, []byte("b"), aliceKeys(), testOptions()); err != nil {
		t.Fatal(err)
	}
}

// TestForgeries is the part of the threat list that a signature answers.
func TestForgeries(t *testing.T) {
	body := []byte(`{"type":"Create"}`)
	seconds := func(d time.Duration) string { return strconv.FormatInt(testNow.Add(d).Unix(), 10) }
	for _, tc := range []struct {
		name string
		make func(r *http.Request) // signs r
		body string                // "": the signed one
		want error                 // nil: accepted
	}{
		{"as Mastodon sends it", func(r *http.Request) { signedBy(alice(), r, "rsa-sha256", usual, "") }, "", nil},
		{"as GoToSocial sends it", func(r *http.Request) { signedBy(alice(), r, "hs2019", "(request-target) host date digest", "") }, "", nil},
		{"created instead of date", func(r *http.Request) {
			r.Header.Del("Date")
			signedBy(alice(), r, "hs2019", "(request-target) host (created) (expires) digest", "created="+seconds(20*time.Second)+",expires="+seconds(time.Minute)+",")
		}, "", nil},
		{"Authorization instead of Signature", func(r *http.Request) {
			signedBy(alice(), r, "rsa-sha256", usual, "")
			r.Header.Set("Authorization", "Signature "+r.Header.Get("Signature"))
			r.Header.Del("Signature")
		}, "", nil},
		{"spaces after commas", func(r *http.Request) {
			signedBy(alice(), r, "rsa-sha256", usual, "")
			r.Header.Set("Signature", strings.ReplaceAll(r.Header.Get("Signature"), `",`, `" , `))
		}, "", nil},
		{"content-digest instead of digest", func(r *http.Request) {
			r.Header.Del("Digest")
			r.Header.Set("Content-Digest", "sha-256=:"+digestOf(body)+":")
			signedBy(alice(), r, "rsa-sha256", "(request-target) host date content-digest", "")
		}, "", nil},
		{"target without its query", func(r *http.Request) {
			signedBy(alice(), r, "rsa-sha256", usual, "")
			r.RequestURI = "/inbox?from=somewhere"
		}, "", nil},
		{"explicit default port", func(r *http.Request) { r.Host += ":443"; signedBy(alice(), r, "rsa-sha256", usual, "") }, "", nil},
		{"eleven hours old", func(r *http.Request) {
			r.Header.Set("Date", testNow.Add(-11*time.Hour).Format(http.TimeFormat))
			signedBy(alice(), r, "rsa-sha256", usual, "")
		}, "", nil},

		{"no signature", func(*http.Request) {}, "", ErrNoSignature},
		{"A7 only date", func(r *http.Request) { signedBy(alice(), r, "rsa-sha256", "date", "") }, "", ErrCoverage},
		{"A7 no digest", func(r *http.Request) { signedBy(alice(), r, "rsa-sha256", "(request-target) host date", "") }, "", ErrCoverage},
		{"A7 no target", func(r *http.Request) { signedBy(alice(), r, "rsa-sha256", "host date digest", "") }, "", ErrCoverage},
		{"A7 no host", func(r *http.Request) { signedBy(alice(), r, "rsa-sha256", "(request-target) date digest", "") }, "", ErrCoverage},
		{"A7 no time", func(r *http.Request) { signedBy(alice(), r, "rsa-sha256", "(request-target) host digest", "") }, "", ErrCoverage},
		{"covered header is not there", func(r *http.Request) { signedBy(alice(), r, "rsa-sha256", usual+" x-nothing", "") }, "", ErrCoverage},
		{"A8 body changed", func(r *http.Request) { signedBy(alice(), r, "rsa-sha256", usual, "") }, "other", ErrDigest},
		{"A8 body and digest changed", func(r *http.Request) {
			signedBy(alice(), r, "rsa-sha256", usual, "")
			r.Header.Set("Digest", "SHA-256="+digestOf([]byte("other")))
		}, "other", ErrBadSignature},
		{"A8 digest missing", func(r *http.Request) { r.Header.Del("Digest"); signedBy(alice(), r, "rsa-sha256", usual, "") }, "", ErrCoverage},
		{"A8 SHA-512 only", func(r *http.Request) {
			r.Header.Set("Digest", "SHA-512="+digestOf(body))
			signedBy(alice(), r, "rsa-sha256", usual, "")
		}, "", ErrDigest},
		{"A8 two values in one", func(r *http.Request) {
			r.Header.Set("Digest", r.Header.Get("Digest")+",SHA-512=AAAA")
			signedBy(alice(), r, "rsa-sha256", usual, "")
		}, "", ErrDigest},
		{"A8 two headers", func(r *http.Request) {
			r.Header.Add("Digest", r.Header.Get("Digest"))
			signedBy(alice(), r, "rsa-sha256", usual, "")
		}, "", ErrDigest},
		{"A9 date of 2001", func(r *http.Request) {
			r.Header.Set("Date", "Mon, 01 Jan 2001 00:00:00 GMT")
			signedBy(alice(), r, "rsa-sha256", usual, "")
		}, "", ErrDate},
		{"A9 two hours ahead", func(r *http.Request) {
			r.Header.Set("Date", testNow.Add(2*time.Hour).Format(http.TimeFormat))
			signedBy(alice(), r, "rsa-sha256", usual, "")
		}, "", ErrDate},
		{"A9 thirteen hours old", func(r *http.Request) {
			r.Header.Set("Date", testNow.Add(-13*time.Hour).Format(http.TimeFormat))
			signedBy(alice(), r, "rsa-sha256", usual, "")
		}, "", ErrDate},
		{"A9 not a date", func(r *http.Request) {
			r.Header.Set("Date", "yesterday")
			signedBy(alice(), r, "rsa-sha256", usual, "")
		}, "", ErrDate},
		{"A9 expired", func(r *http.Request) {
			signedBy(alice(), r, "hs2019", usual, "expires="+seconds(-10*time.Minute)+",")
		}, "", ErrDate},
		{"A9 expires in thirty days", func(r *http.Request) {
			signedBy(alice(), r, "hs2019", usual, "expires="+seconds(720*time.Hour)+",")
		}, "", ErrDate},
		{"A9 created two hours ahead", func(r *http.Request) {
			signedBy(alice(), r, "hs2019", "(request-target) host (created) digest", "created="+seconds(2*time.Hour)+",")
		}, "", ErrDate},
		{"created changed", func(r *http.Request) {
			signedBy(alice(), r, "hs2019", "(request-target) host (created) digest", "created="+seconds(0)+",")
			r.Header.Set("Signature", strings.Replace(r.Header.Get("Signature"), seconds(0), seconds(time.Second), 1))
		}, "", ErrBadSignature},
		{"A11 another host", func(r *http.Request) { r.Host = "other.example"; signedBy(alice(), r, "rsa-sha256", usual, "") }, "", ErrHost},
		{"A11 host changed", func(r *http.Request) {
			r.Host = "other.example"
			signedBy(alice(), r, "rsa-sha256", usual, "")
			r.Host = testHost
		}, "", ErrBadSignature},
		{"A12 signed for GET", func(r *http.Request) {
			r.Method = "GET"
			signedBy(alice(), r, "rsa-sha256", usual, "")
			r.Method = "POST"
		}, "", ErrBadSignature},
		{"A12 another path", func(r *http.Request) {
			signedBy(alice(), r, "rsa-sha256", usual, "")
			r.RequestURI = "/users/bob/inbox"
		}, "", ErrBadSignature},
		{"A12 another query", func(r *http.Request) {
			r.RequestURI = "/inbox?a=1"
			signedBy(alice(), r, "rsa-sha256", usual, "")
			r.RequestURI = "/inbox?a=2"
		}, "", ErrBadSignature},
		{"A13 RFC 9421 beside good cavage", func(r *http.Request) {
			signedBy(alice(), r, "rsa-sha256", usual, "")
			r.Header.Set("Signature-Input", `sig1=("@method");keyid="x"`)
		}, "", ErrMalformed},
		{"A14 no algorithm", func(r *http.Request) { signedBy(alice(), r, "", usual, "") }, "", ErrUnsupportedScheme},
		{"A14 unknown algorithm", func(r *http.Request) { signedBy(alice(), r, "hmac-sha256", usual, "") }, "", ErrUnsupportedScheme},
		{"A14 repeated header", func(r *http.Request) {
			signedBy(alice(), r, "rsa-sha256", usual, "")
			r.Header.Add("Signature", r.Header.Get("Signature"))
		}, "", ErrMalformed},
		{"A14 Signature and Authorization", func(r *http.Request) {
			signedBy(alice(), r, "rsa-sha256", usual, "")
			r.Header.Set("Authorization", "Signature "+r.Header.Get("Signature"))
		}, "", ErrMalformed},
		{"A14 array", func(r *http.Request) {
			signedBy(alice(), r, "rsa-sha256", usual, "")
			r.Header.Set("Signature", r.Header.Get("Signature")+","+r.Header.Get("Signature"))
		}, "", ErrMalformed},
		{"A14 acct key", func(r *http.Request) {
			signedBy(alice(), r, "rsa-sha256", usual, "")
			r.Header.Set("Signature", strings.Replace(r.Header.Get("Signature"), aliceKey, "acct:alice@social.example", 1))
		}, "", ErrMalformed},
		{"created under rsa-sha256", func(r *http.Request) {
			signedBy(alice(), r, "rsa-sha256", "(request-target) host (created) digest", "created="+seconds(0)+",")
		}, "", ErrMalformed},
		{"another's key", func(r *http.Request) { signedBy(bob(), r, "rsa-sha256", usual, "") }, "", ErrBadSignature},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := ready(body)
			tc.make(r)
			got := body
			if tc.body != "" {
				got = []byte(tc.body)
			}
			_, err := VerifyRequest(context.Background(), r, got, aliceKeys(), testOptions())
			if !errors.Is(err, tc.want) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestForgeriesNeverReachTheKey(t *testing.T) {
	r := ready([]byte("x"))
	signedBy(alice(), r, "rsa-sha256", "date", "")
	var asked []bool
	_, err := VerifyRequest(context.Background(), r, []byte("x"), keysOf(Key{}, &asked), testOptions())
	if err == nil || len(asked) > 0 {
		t.Fatalf("err %v, key asked %d times", err, len(asked))
	}
}

func TestHostMustBeConfigured(t *testing.T) {
	r := ready(nil)
	signedBy(alice(), r, "rsa-sha256", usual, "")
	o := testOptions()
	o.Host = ""
	if _, err := VerifyRequest(context.Background(), r, nil, aliceKeys(), o); err == nil {
		t.Fatal("accepted without a host of our own")
	}
}

func TestKeys(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	unreachable := errors.New("host is down")
	good := Key{ID: aliceKey, Owner: aliceID, Public: &alice().PublicKey}
	stale := Key{ID: aliceKey, Owner: aliceID, Public: &bob().PublicKey}
	for _, tc := range []struct {
		name  string
		keys  KeyFunc
		want  error
		asked int
	}{
		{"good", keysOf(good, nil), nil, 1},
		{"rotated", func(_ context.Context, _ string, fresh bool) (Key, error) {
			if fresh {
				return good, nil
			}
			return stale, nil
		}, nil, 2},
		{"wrong twice", keysOf(stale, nil), ErrBadSignature, 2},
		{"unavailable", func(context.Context, string, bool) (Key, error) { return Key{}, unreachable }, ErrKeyUnavailable, 1},
		{"the cause is kept", func(context.Context, string, bool) (Key, error) { return Key{}, unreachable }, unreachable, 1},
		{"gone when asked again", func(_ context.Context, _ string, fresh bool) (Key, error) {
			if fresh {
				return Key{}, unreachable
			}
			return stale, nil
		}, ErrBadSignature, 2},
		{"owner elsewhere", keysOf(Key{ID: aliceKey, Owner: "https://evil.example/users/alice", Public: good.Public}, nil), ErrOwner, 1},
		{"another key", keysOf(Key{ID: aliceID + "#other", Owner: aliceID, Public: good.Public}, nil), ErrOwner, 1},
		{"weak", keysOf(Key{Owner: aliceID, Public: &weak.PublicKey}, nil), ErrWeakKey, 1},
		{"no key", keysOf(Key{Owner: aliceID}, nil), ErrWeakKey, 1},
		{"short Ed25519", keysOf(Key{Owner: aliceID, Public: ed25519.PublicKey("short")}, nil), ErrWeakKey, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := ready([]byte("x"))
			signedBy(alice(), r, "rsa-sha256", usual, "")
			asked := 0
			_, err := VerifyRequest(context.Background(), r, []byte("x"), func(ctx context.Context, id string, fresh bool) (Key, error) {
				asked++
				return tc.keys(ctx, id, fresh)
			}, testOptions())
			if !errors.Is(err, tc.want) || asked != tc.asked {
				t.Fatalf("got %v after %d questions, want %v after %d", err, asked, tc.want, tc.asked)
			}
		})
	}
}

func TestEd25519(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, components := range []string{"(request-target) host date digest", "(request-target) host (created) digest"} {
		r := ready([]byte("x"))
		s := &signatureHeader{components: strings.Fields(components), created: testNow.Unix(), hasCreated: true}
		m := &message{request: r, signature: s}
		r.Header.Set("Signature", `keyId="`+aliceKey+`",algorithm="hs2019",created=`+strconv.FormatInt(s.created, 10)+
			`,headers="`+components+`",signature="`+base64.StdEncoding.EncodeToString(ed25519.Sign(private, []byte(m.signingString("/inbox"))))+`"`)
		keys := keysOf(Key{Owner: aliceID, Public: public}, nil)
		if _, err := VerifyRequest(context.Background(), r, []byte("x"), keys, testOptions()); err != nil {
			t.Errorf("%s: %v", components, err)
		}
	}
}

// TestDraftVectors checks our reading of the draft with its own examples. Their
// key has 1024 bits, which VerifyRequest refuses.
//
// ref: draft-cavage-http-signatures-12 appendix C
func TestDraftVectors(t *testing.T) {
	// The strength check is what the first assertion is about, so the key is
	// read around it.
	const key = `-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDCFENGw33yGihy92pDjZQhl0C3
6rPJj+CvfSC8+q28hxA161QFNUd13wuCTUcq0Qd2qsBe/2hFyc2DCJJg0h1L78+6
Z4UMR7EOcpfdUE9Hf3m/hs+FUR45uBJeDK1HSFHD8bHKD6kv8FPGfJTotc+2xjJw
oYi+1hqp1fIekaxsyQIDAQAB
-----END PUBLIC KEY-----`
	if _, err := ParsePublicPEM([]byte(key)); !errors.Is(err, ErrWeakKey) {
		t.Fatalf("key of 1024 bits: %v", err)
	}
	public := parseWithoutCheck(t, key)
	r := sent("POST", "https://example.com/foo?param=value&pet=dog", []byte(`{"hello": "world"}`))
	r.Header.Set("Date", "Sun, 05 Jan 2014 21:31:40 GMT")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Digest", "SHA-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=")
	r.Header.Set("Content-Length", "18")
	for components, encoded := range map[string]string{
		"date":                       "SjWJWbWN7i0wzBvtPl8rbASWz5xQW6mcJmn+ibttBqtifLN7Sazz6m79cNfwwb8DMJ5cou1s7uEGKKCs+FLEEaDV5lp7q25WqS+lavg7T8hc0GppauB6hbgEKTwblDHYGEtbGmtdHgVCk9SuS13F0hZ8FD0k/5OxEPXe5WozsbM=",
		"(request-target) host date": "qdx+H7PHHDZgy4y/Ahn9Tny9V3GP6YgBPyUXMmoxWtLbHpUnXS2mg2+SbrQDMCJypxBLSPQR2aAjn7ndmw2iicw3HMbe8VfEdKFYRqzic+efkb3nndiv/x1xSHDJWeSWkx3ButlYSuBskLu6kd9Fswtemr3lgdDEmn04swr2Os0=",
		"(request-target) host date content-type digest content-length": "vSdrb+dS3EceC9bcwHSo4MlyKS59iFIrhgYkz8+oVLEEzmYZZvRs8rgOp+63LEM3v+MFHB32NfpB2bEKBIvB1q52LaEUHFv120V01IL+TAD48XaERZFukWgHoBTLMhYS2Gb51gWxpeIq8knRmPnYePbF5MOkR0Zkly4zKH7s1dE=",
	} {
		signature, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			t.Fatal(err)
		}
		m := &message{request: r, signature: &signatureHeader{components: strings.Fields(components), signature: signature, encoded: encoded}}
		if err := m.verify(public); err != nil {
			t.Errorf("%s: by the library: %v", components, err)
		}
		if err := checkArithmetic(public, []byte(m.signingString(r.RequestURI)), signature); err != nil {
			t.Errorf("%s: by our own signing string: %v", components, err)
		}
	}
}
