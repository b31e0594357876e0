package sig

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
)

// vectorRequests are the messages of RFC 9421 §B.2, §B.4 and §4.3.
var vectorRequests = map[string]string{
	"test": "POST /foo?param=Value&Pet=dog HTTP/1.1\r\nHost: example.com\r\nDate: Tue, 20 Apr 2021 02:07:55 GMT\r\n" +
		"Content-Type: application/json\r\nContent-Digest: sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:\r\n" +
		"Content-Length: 18\r\n\r\n{\"hello\": \"world\"}",
	"transform": "GET /demo?name1=Value1&Name2=value2 HTTP/1.1\r\nHost: example.org\r\nDate: Fri, 15 Jul 2022 14:24:55 GMT\r\n" +
		"Accept: application/json\r\nAccept: */*\r\n\r\n",
	"proxy": "POST /foo?param=Value&Pet=dog HTTP/1.1\r\nHost: origin.host.internal.example\r\nDate: Tue, 20 Apr 2021 02:07:56 GMT\r\n" +
		"Content-Type: application/json\r\nContent-Length: 18\r\nForwarded: for=192.0.2.123;host=example.com;proto=https\r\n" +
		"Content-Digest: sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:\r\n\r\n{\"hello\": \"world\"}",
}

func rfcKeys(t *testing.T) map[string]crypto.PublicKey {
	t.Helper()
	rest, err := os.ReadFile("testdata/rfc9421/keys.pem")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]crypto.PublicKey{}
	for len(bytes.TrimSpace(rest)) > 0 {
		name, _, _ := strings.Cut(strings.TrimSpace(string(rest)), " ")
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			t.Fatal("no key after " + name)
		}
		key, err := ParsePublicPEM(pem.EncodeToMemory(block))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		keys[name] = key
	}
	return keys
}

func parsedRequest(t *testing.T, text string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestMessageVectors: the signature bases and signatures that RFC 9421 prints.
func TestMessageVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/rfc9421/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	keys, seen := rfcKeys(t), 0
	for _, block := range strings.Split(string(text), "\n\n") {
		v, base := map[string]string{}, []string{}
		for _, line := range strings.Split(block, "\n") {
			name, value, ok := strings.Cut(line, ": ")
			switch {
			case !ok || strings.HasPrefix(line, "#"):
			case name == "base":
				base = append(base, value)
			default:
				v[name] = value
			}
		}
		if v["name"] == "" {
			continue
		}
		seen++
		t.Run(v["name"], func(t *testing.T) {
			_, params, _ := strings.Cut(v["input"], "=")
			want := strings.Join(append(base, `"@signature-params": `+params), "\n")
			_, encoded, _ := strings.Cut(v["signature"], ":")
			h := http.Header{"Signature-Input": {v["input"]}, "Signature": {v["signature"]}}
			got, signature := []byte(want), []byte(nil)
			if v["request"] == "none" {
				// A response, which Hark never reads: its arithmetic only.
				if signature, err = base64.StdEncoding.DecodeString(strings.TrimSuffix(encoded, ":")); err != nil {
					t.Fatal(err)
				}
				if _, err := readMessageSignature(h); !errors.Is(err, ErrUnsupportedScheme) {
					t.Errorf("@status in a request: %v", err)
				}
			} else {
				s, err := readMessageSignature(h)
				if err != nil {
					t.Fatal(err)
				}
				m := &httpMessage{request: parsedRequest(t, vectorRequests[v["request"]]), signature: s, scheme: "https"}
				if got, err = m.base(); err != nil {
					t.Fatal(err)
				}
				signature = s.signature
			}
			if string(got) != want {
				t.Fatalf("signature base\n%s\nwant\n%s", got, want)
			}
			if err := checkMessage(keys[v["key"]], v["alg"], got, signature); err != nil {
				t.Error(err)
			}
			if err := checkMessage(keys[v["key"]], v["alg"], append(got, ' '), signature); !errors.Is(err, ErrBadSignature) {
				t.Errorf("another base: %v", err)
			}
			for name, key := range keys {
				if name != v["key"] && checkMessage(key, "", got, signature) == nil {
					t.Errorf("%s fits as well", name)
				}
			}
		})
	}
	if seen != 7 {
		t.Errorf("%d vectors", seen)
	}
}

// TestMessageTransformations: what may happen to a request on its way, and
// what may not.
//
// ref: RFC 9421 §B.4
func TestMessageTransformations(t *testing.T) {
	const signed = `Signature-Input: transform=("@method" "@path" "@authority" "accept");created=1618884473;keyid="test-key-ed25519"` + "\r\n" +
		"Signature: transform=:ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==:\r\n\r\n"
	key := rfcKeys(t)["test-key-ed25519"]
	for name, tt := range map[string]struct {
		head string
		good bool
	}{
		"as signed":           {"GET /demo?name1=Value1&Name2=value2 HTTP/1.1\r\nHost: example.org\r\nDate: Fri, 15 Jul 2022 14:24:55 GMT\r\nAccept: application/json\r\nAccept: */*\r\n", true},
		"a field added":       {"GET /demo?name1=Value1&Name2=value2&param=added HTTP/1.1\r\nHost: example.org\r\nDate: Fri, 15 Jul 2022 14:24:55 GMT\r\nAccept: application/json\r\nAccept: */*\r\nAccept-Language: en-US,en;q=0.5\r\n", true},
		"a date removed":      {"GET /demo?name1=Value1&Name2=value2 HTTP/1.1\r\nHost: example.org\r\nReferer: https://developer.example.org/demo\r\nAccept: application/json, */*\r\n", true},
		"moved and collapsed": {"GET /demo?name1=Value1&Name2=value2 HTTP/1.1\r\nAccept:      application/json\r\nAccept:   */*\r\nDate: Fri, 15 Jul 2022 14:24:55 GMT\r\nHost: example.org:443\r\n", true},
		"another method":      {"POST /demo?name1=Value1&Name2=value2 HTTP/1.1\r\nHost: example.com\r\nAccept: application/json\r\nAccept: */*\r\n", false},
		"other order":         {"GET /demo?name1=Value1&Name2=value2 HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\nAccept: application/json\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := parsedRequest(t, tt.head+signed)
			s, err := readMessageSignature(r.Header)
			if err != nil {
				t.Fatal(err)
			}
			base, err := (&httpMessage{request: r, signature: s, scheme: "https"}).base()
			if err != nil {
				t.Fatal(err)
			}
			if err := checkMessage(key, "", base, s.signature); (err == nil) != tt.good {
				t.Errorf("good is %v, got %v", tt.good, err)
			}
		})
	}
}

// TestContentDigestVectors: what RFC 9530 prints.
//
// ref: RFC 9530 §B.1, §B.2, §D
func TestContentDigestVectors(t *testing.T) {
	for _, tt := range []struct {
		name, body, header string
		want               error
	}{
		{"sha-256", "{\"hello\": \"world\"}\n", "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:", nil},
		{"empty", "", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:", nil},
		{"both", "{\"hello\": \"world\"}\n", "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:, sha-512=:" + sha512Of("{\"hello\": \"world\"}\n") + ":", nil},
		{"both, one wrong", "{\"hello\": \"world\"}\n", "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:, sha-512=:AAAA:", ErrDigest},
		{"sha-512 only (A8)", `{"hello": "world"}`, "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:", ErrDigest},
		{"md5 beside it", "{\"hello\": \"world\"}\n", "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:, md5=:sQqNsWTgdUEFt6mb5y4/5Q==:", ErrDigest},
		{"sha only", `{}`, "sha=:07CavjDP4u3/TungoUHJO/Wzr4c=:", ErrDigest},
		{"twice", "{\"hello\": \"world\"}\n", "sha-256=:AAAA:, sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:", ErrDigest},
		{"a string", "", `sha-256="47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="`, ErrDigest},
		{"another body", "x", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:", ErrDigest},
	} {
		if _, err := checkContentDigest(http.Header{"Content-Digest": {tt.header}}, []byte(tt.body)); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

func sha512Of(s string) string {
	sum := sha512.Sum512([]byte(s))
	return encode64(sum[:])
}

const messageInput = `("@method" "@target-uri" "content-digest");created=%d;keyid="` + aliceKey + `"`

// signedMessage signs a request by RFC 9421 with any input, so that a test can
// sign what a Signer never would.
func signedMessage(t *testing.T, r *http.Request, body, params string, sign func(base []byte) []byte) {
	t.Helper()
	sum := sha256.Sum256([]byte(body))
	if r.Header.Get("Content-Digest") == "" {
		r.Header.Set("Content-Digest", "sha-256=:"+encode64(sum[:])+":")
	}
	h := http.Header{"Signature-Input": {"sig1=" + params}, "Signature": {"sig1=:AAAA:"}}
	base := []byte("x")
	if s, err := readMessageSignature(h); err == nil {
		if base, err = (&httpMessage{request: r, signature: s, scheme: "https"}).base(); err != nil {
			base = []byte("x")
		}
	}
	r.Header.Set("Signature-Input", "sig1="+params)
	r.Header.Set("Signature", "sig1=:"+encode64(sign(base))+":")
}

func rsaSigner(t *testing.T, key *rsa.PrivateKey, hash crypto.Hash) func([]byte) []byte {
	return func(base []byte) []byte {
		h := hash.New()
		h.Write(base)
		out, err := rsa.SignPKCS1v15(rand.Reader, key, hash, h.Sum(nil))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// TestVerifyMessage: every algorithm with the key that it is for, and the ways
// in which servers write the target.
func TestVerifyMessage(t *testing.T) {
	edPublic, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecSign := func(k *ecdsa.PrivateKey, hash crypto.Hash) func([]byte) []byte {
		return func(base []byte) []byte {
			h := hash.New()
			h.Write(base)
			r, s, err := ecdsa.Sign(rand.Reader, k, h.Sum(nil))
			if err != nil {
				t.Fatal(err)
			}
			size := (k.Curve.Params().BitSize + 7) / 8
			out := make([]byte, 2*size)
			r.FillBytes(out[:size])
			s.FillBytes(out[size:])
			return out
		}
	}
	pss := func(base []byte) []byte {
		sum := sha512.Sum512(base)
		out, err := rsa.SignPSS(rand.Reader, alice(), crypto.SHA512, sum[:], &rsa.PSSOptions{SaltLength: 64})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	v15 := rsaSigner(t, alice(), crypto.SHA256)
	usual := fmt.Sprintf(messageInput, testNow.Unix())
	parts := func(list string) string {
		return fmt.Sprintf(`(%s);created=%d;keyid="%s"`, list, testNow.Unix(), aliceKey)
	}
	const body = `{"type":"Create"}`
	for _, tt := range []struct {
		name   string
		public crypto.PublicKey
		params string
		sign   func([]byte) []byte
		want   error
	}{
		{"RSA, no algorithm", &alice().PublicKey, usual, v15, nil},
		{"RSA", &alice().PublicKey, usual + `;alg="rsa-v1_5-sha256"`, v15, nil},
		{"RSA-PSS", &alice().PublicKey, usual + `;alg="rsa-pss-sha512"`, pss, nil},
		{"Ed25519", edPublic, usual + `;alg="ed25519"`, func(b []byte) []byte { return ed25519.Sign(edPrivate, b) }, nil},
		{"Ed25519, no algorithm", edPublic, usual, func(b []byte) []byte { return ed25519.Sign(edPrivate, b) }, nil},
		{"P-256", &p256.PublicKey, usual + `;alg="ecdsa-p256-sha256"`, ecSign(p256, crypto.SHA256), nil},
		{"P-384", &p384.PublicKey, usual + `;alg="ecdsa-p384-sha384"`, ecSign(p384, crypto.SHA384), nil},
		{"the target in parts", &alice().PublicKey, parts(`"@method" "@authority" "@path" "@query" "content-digest"`), v15, nil},
		{"the request target", &alice().PublicKey, parts(`"@method" "@authority" "@request-target" "content-digest" "date" "host"`), v15, nil},
		{"more parameters", &alice().PublicKey, usual + `;expires=` + fmt.Sprint(testNow.Unix()+300) + `;nonce="n";tag="activitypub"`, v15, nil},
		{"a field as bytes", &alice().PublicKey, parts(`"@method" "@target-uri" "content-digest" "content-type";bs`), v15, nil},
		{"PSS called v1.5", &alice().PublicKey, usual + `;alg="rsa-v1_5-sha256"`, pss, ErrBadSignature},
		{"RSA called Ed25519", &alice().PublicKey, usual + `;alg="ed25519"`, v15, ErrUnsupportedScheme},
		{"Ed25519 called RSA", edPublic, usual + `;alg="rsa-v1_5-sha256"`, func(b []byte) []byte { return ed25519.Sign(edPrivate, b) }, ErrUnsupportedScheme},
		{"P-256 called P-384", &p256.PublicKey, usual + `;alg="ecdsa-p384-sha384"`, ecSign(p256, crypto.SHA256), ErrUnsupportedScheme},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := sent("POST", testInbox, []byte(body))
			r.Header.Set("Date", testNow.Format(http.TimeFormat))
			signedMessage(t, r, body, tt.params, tt.sign)
			v, err := VerifyRequest(context.Background(), r, []byte(body), keysOf(Key{ID: aliceKey, Owner: aliceID, Public: tt.public}, nil), testOptions())
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err == nil && (v.Scheme != "rfc9421" || v.Owner != aliceID || v.Components[0] != "@method" || !strings.Contains(v.Signed, "@signature-params") || v.Digest == "") {
				t.Errorf("%+v", v)
			}
		})
	}
}

// TestVerifyMessageAttacks (A7 to A9, A11 to A14 by RFC 9421).
func TestVerifyMessageAttacks(t *testing.T) {
	const body = `{"type":"Create"}`
	v15 := rsaSigner(t, alice(), crypto.SHA256)
	with := func(list string, created int64, more string) string {
		return fmt.Sprintf(`(%s);created=%d;keyid="%s"%s`, list, created, aliceKey, more)
	}
	now := testNow.Unix()
	const all = `"@method" "@target-uri" "content-digest"`
	sign := func(params string) func(*testing.T, *http.Request) {
		return func(t *testing.T, r *http.Request) { signedMessage(t, r, body, params, v15) }
	}
	then := func(params string, change func(*http.Request)) func(*testing.T, *http.Request) {
		return func(t *testing.T, r *http.Request) {
			signedMessage(t, r, body, params, v15)
			change(r)
		}
	}
	for _, tt := range []struct {
		name string
		make func(*testing.T, *http.Request)
		body string // sent instead
		want error
	}{
		{"A7 no digest covered", sign(with(`"@method" "@target-uri"`, now, "")), "", ErrCoverage},
		{"A7 no method covered", sign(with(`"@target-uri" "content-digest"`, now, "")), "", ErrCoverage},
		{"A7 no target covered", sign(with(`"@method" "content-digest"`, now, "")), "", ErrCoverage},
		{"A7 only the authority", sign(with(`"@method" "@authority" "content-digest"`, now, "")), "", ErrCoverage},
		{"A7 the path without its query", func(t *testing.T, r *http.Request) {
			r.URL.RawQuery, r.RequestURI = "as=admin", "/inbox?as=admin"
			signedMessage(t, r, body, with(`"@method" "@authority" "@path" "content-digest"`, now, ""), v15)
		}, "", ErrCoverage},
		{"A7 nothing covered", sign(with("", now, "")), "", ErrCoverage},
		{"A7 no created", sign(fmt.Sprintf(`(%s);keyid="%s"`, all, aliceKey)), "", ErrCoverage},
		{"A7 covers what is not there", sign(with(all+` "x-forwarded"`, now, "")), "", ErrCoverage},
		{"A8 another body", sign(with(all, now, "")), `{"type":"Delete"}`, ErrDigest},
		{"A8 another body and digest", then(with(all, now, ""), func(r *http.Request) {
			sum := sha256.Sum256([]byte(`{"type":"Delete"}`))
			r.Header.Set("Content-Digest", "sha-256=:"+encode64(sum[:])+":")
		}), `{"type":"Delete"}`, ErrBadSignature},
		{"A8 digest of the draft instead", sign(with(`"@method" "@target-uri" "digest"`, now, "")), "", ErrCoverage},
		{"A9 an old one", sign(with(all, now-86400*365, "")), "", ErrDate},
		{"A9 two hours ahead", sign(with(all, now+7200, "")), "", ErrDate},
		{"A9 expired", sign(with(all, now-3600, fmt.Sprintf(";expires=%d", now-1800))), "", ErrDate},
		{"A9 for thirty days", sign(with(all, now, fmt.Sprintf(";expires=%d", now+30*86400))), "", ErrDate},
		{"A9 a negative time", sign(with(all, -5, "")), "", ErrMalformed},
		{"A9 a time of text", sign(fmt.Sprintf(`(%s);created="now";keyid="%s"`, all, aliceKey)), "", ErrMalformed},
		{"A11 for another host", then(with(all, now, ""), func(r *http.Request) { r.Host = "elsewhere.example" }), "", ErrHost},
		{"A11 signed for another host", func(t *testing.T, r *http.Request) {
			r.Host = "elsewhere.example"
			signedMessage(t, r, body, with(all, now, ""), v15)
			r.Host = testHost
		}, "", ErrBadSignature},
		{"A12 for another path", then(with(all, now, ""), func(r *http.Request) { r.URL.Path, r.RequestURI = "/other", "/other" }), "", ErrBadSignature},
		{"A12 for another method", then(with(all, now, ""), func(r *http.Request) { r.Method = http.MethodPut }), "", ErrBadSignature},
		{"A12 for http", func(t *testing.T, r *http.Request) {
			h := http.Header{"Signature-Input": {"sig1=" + with(all, now, "")}, "Signature": {"sig1=:AAAA:"}}
			s, err := readMessageSignature(h)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256([]byte(body))
			r.Header.Set("Content-Digest", "sha-256=:"+encode64(sum[:])+":")
			base, err := (&httpMessage{request: r, signature: s, scheme: "http"}).base()
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Signature-Input", "sig1="+with(all, now, ""))
			r.Header.Set("Signature", "sig1=:"+encode64(v15(base))+":")
		}, "", ErrBadSignature},
		{"A13 bad beside good cavage", func(t *testing.T, r *http.Request) {
			if err := (&Signer{KeyID: aliceKey, Private: alice()}).Sign(r, []byte(body), testNow); err != nil {
				t.Fatal(err)
			}
			r.Header.Add("Signature-Input", "sig1="+with(all, now, ""))
			r.Header.Add("Signature", "sig1=:AAAA:")
		}, "", ErrMalformed},
		{"A13 only an input beside good cavage", func(t *testing.T, r *http.Request) {
			if err := (&Signer{KeyID: aliceKey, Private: alice()}).Sign(r, []byte(body), testNow); err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Signature-Input", "sig1="+with(all, now, ""))
		}, "", ErrMalformed},
		{"A13 wrong, with good cavage in Authorization", func(t *testing.T, r *http.Request) {
			if err := (&Signer{KeyID: aliceKey, Private: alice()}).Sign(r, []byte(body), testNow); err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Signature "+r.Header.Get("Signature"))
			signedMessage(t, r, body, with(all, now, ""), rsaSigner(t, bob(), crypto.SHA256))
		}, "", ErrBadSignature},
		{"A14 two signatures", then(with(all, now, ""), func(r *http.Request) {
			r.Header.Add("Signature-Input", "sig2="+with(all, now, ""))
			r.Header.Add("Signature", "sig2=:AAAA:")
		}), "", ErrMalformed},
		{"A14 one label twice", then(with(all, now, ""), func(r *http.Request) { r.Header.Add("Signature", "sig1=:AAAA:") }), "", ErrMalformed},
		{"A14 one label twice on a line", then(with(all, now, ""), func(r *http.Request) {
			r.Header.Set("Signature", "sig1=:AAAA:, "+r.Header.Get("Signature"))
		}), "", ErrMalformed},
		{"A14 another label", then(with(all, now, ""), func(r *http.Request) {
			r.Header.Set("Signature", strings.Replace(r.Header.Get("Signature"), "sig1", "sig2", 1))
		}), "", ErrMalformed},
		{"A14 no signature", then(with(all, now, ""), func(r *http.Request) { r.Header.Del("Signature") }), "", ErrMalformed},
		{"A14 an item as input", then(with(all, now, ""), func(r *http.Request) { r.Header.Set("Signature-Input", `sig1="x"`) }), "", ErrMalformed},
		{"A14 a component twice", sign(with(all+` "@method"`, now, "")), "", ErrMalformed},
		{"A14 acct: key", sign(fmt.Sprintf(`(%s);created=%d;keyid="acct:alice@social.example"`, all, now)), "", ErrMalformed},
		{"A14 no key", sign(fmt.Sprintf(`(%s);created=%d`, all, now)), "", ErrMalformed},
		{"A14 a huge header", then(with(all, now, ""), func(r *http.Request) {
			r.Header.Set("Signature-Input", r.Header.Get("Signature-Input")+`;tag="`+strings.Repeat("x", 9000)+`"`)
		}), "", ErrMalformed},
		{"a shared secret", sign(with(all, now, `;alg="hmac-sha256"`)), "", ErrUnsupportedScheme},
		{"SHA-1", sign(with(all, now, `;alg="rsa-v1_5-sha1"`)), "", ErrUnsupportedScheme},
		{"SHA-1 unnamed", func(t *testing.T, r *http.Request) {
			signedMessage(t, r, body, with(all, now, ""), rsaSigner(t, alice(), crypto.SHA1))
		}, "", ErrBadSignature},
		{"a response's component", sign(with(all+` "@status"`, now, "")), "", ErrUnsupportedScheme},
		{"another message's component", sign(with(all+` "date";req`, now, "")), "", ErrUnsupportedScheme},
		{"its own signature covered", sign(with(all+` "signature"`, now, "")), "", ErrMalformed},
		{"upper case", sign(with(all+` "Date"`, now, "")), "", ErrMalformed},
		{"another's key", func(t *testing.T, r *http.Request) {
			signedMessage(t, r, body, with(all, now, ""), rsaSigner(t, bob(), crypto.SHA256))
		}, "", ErrBadSignature},
		{"a parameter changed", then(with(all, now, ""), func(r *http.Request) {
			r.Header.Set("Signature-Input", r.Header.Get("Signature-Input")+`;tag="x"`)
		}), "", ErrBadSignature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := sent("POST", testInbox, []byte(body))
			tt.make(t, r)
			got := body
			if tt.body != "" {
				got = tt.body
			}
			if _, err := VerifyRequest(context.Background(), r, []byte(got), aliceKeys(), testOptions()); !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// TestSignAs: what is signed by either scheme verifies, and signing again by
// the other leaves nothing of the first behind.
func TestSignAs(t *testing.T) {
	signer, body := &Signer{KeyID: aliceKey, Private: alice()}, []byte(`{"type":"Follow"}`)
	for _, method := range []string{"POST", "GET"} {
		r := sent(method, testInbox+"?a=b%20c", nil)
		sentBody := body
		if method == "GET" {
			sentBody = nil
		}
		for _, scheme := range []Scheme{SchemeCavage, SchemeRFC9421, SchemeCavage} {
			if err := signer.SignAs(scheme, r, sentBody, testNow); err != nil {
				t.Fatal(err)
			}
			v, err := VerifyRequest(context.Background(), r, sentBody, aliceKeys(), testOptions())
			if err != nil || v.Scheme != string(scheme) {
				t.Errorf("%s %s: %v %+v", method, scheme, err, v)
			}
		}
		if r.Header.Get("Signature-Input") != "" || r.Header.Get("Content-Digest") != "" {
			t.Error("the other scheme's headers are left behind")
		}
	}
	private, err := AssertionKey(alice())
	if err != nil {
		t.Fatal(err)
	}
	r := sent("POST", testInbox, body)
	quick := &Signer{AssertionID: aliceID + "#ed", Assertion: private}
	if err := quick.SignEd25519(r, body, testNow); err != nil {
		t.Fatal(err)
	}
	keys := keysOf(Key{ID: aliceID + "#ed", Owner: aliceID, Public: private.Public()}, nil)
	if v, err := VerifyRequest(context.Background(), r, body, keys, testOptions()); err != nil || v.KeyID != aliceID+"#ed" {
		t.Errorf("Ed25519: %v %+v", err, v)
	}
	if err := signer.SignEd25519(r, body, testNow); err == nil {
		t.Error("signed without a key")
	}
	if SchemeCavage.Other() != SchemeRFC9421 || SchemeRFC9421.Other() != SchemeCavage {
		t.Error("the other scheme is not the other")
	}
}

// FuzzMessageSignature: no header makes the parser panic, and what it takes it
// writes back as it was covered.
func FuzzMessageSignature(f *testing.F) {
	f.Add(`sig1=("@method" "@target-uri" "content-digest");created=1618884473;keyid="https://a.example/k";alg="ed25519"`, "sig1=:AAAA:", "sha-256=:AAAA:")
	f.Add(`sig1=("@query-param";name="Pet" "x";bs);created=1`, "sig1=:AAAA:", "sha-256=:AAAA:, sha-512=:AA==:")
	f.Add(`a=(),b=()`, "a=:AA==:,b=:AA==:", "")
	f.Fuzz(func(t *testing.T, input, signature, digest string) {
		r := sent("POST", testInbox+"?a=b", []byte("x"))
		r.Header.Set("Signature-Input", input)
		r.Header.Set("Signature", signature)
		r.Header.Set("Content-Digest", digest)
		if s, err := readMessageSignature(r.Header); err == nil {
			if len(s.components) > maxComponents || len(s.signature) == 0 || !strings.HasPrefix(s.params, "(") {
				t.Errorf("%+v", s)
			}
			again, err := readMessageSignature(http.Header{"Signature-Input": {s.label + "=" + s.params}, "Signature": {signature}})
			if err != nil || again.params != s.params {
				t.Errorf("%q was read as %q: %v", input, s.params, err)
			}
		}
		if _, err := VerifyRequest(context.Background(), r, []byte("x"), aliceKeys(), testOptions()); err == nil {
			t.Error("verified")
		}
	})
}
