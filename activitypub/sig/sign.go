package sig

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-fed/httpsig"
)

// Signer signs requests with one key. It is safe for concurrent use.
type Signer struct {
	// KeyID is the id of the key in the actor document, with its fragment:
	// Misskey and Pleroma do not find a key without it.
	KeyID string
	// Private is the key.
	Private *rsa.PrivateKey
	// AssertionID and Assertion are the id and the key of the actor's Ed25519
	// key; without them SignEd25519 fails.
	AssertionID string
	Assertion   ed25519.PrivateKey
}

// SignAs signs a request by one of the two schemes; see Sign and SignMessage.
func (s *Signer) SignAs(scheme Scheme, r *http.Request, body []byte, now time.Time) error {
	if scheme == SchemeRFC9421 {
		return s.SignMessage(r, body, now)
	}
	return s.Sign(r, body, now)
}

// SignMessage adds Signature-Input, Signature and, unless the method is GET or
// HEAD, Content-Digest to a request, replacing those that are there as well as
// a Digest. The signature is by RFC 9421 with rsa-v1_5-sha256, the algorithm
// that Mastodon takes, over @method, @target-uri and content-digest, with
// created and keyid.
//
// ref: RFC 9421 §3.1, §3.3.2; RFC 9530 §2; observed Mastodon 4.5: app/lib/signed_request.rb
func (s *Signer) SignMessage(r *http.Request, body []byte, now time.Time) error {
	if s == nil || s.Private == nil {
		return fmt.Errorf("sign request: no key")
	}
	return signMessage(r, body, now, s.KeyID, algRSAv15, func(base []byte) ([]byte, error) {
		sum := sha256.Sum256(base)
		return rsa.SignPKCS1v15(rand.Reader, s.Private, crypto.SHA256, sum[:])
	})
}

// SignEd25519 is SignMessage with the Ed25519 key, which costs a twentieth of
// an RSA signature. Few servers take it.
//
// ref: RFC 9421 §3.3.6
func (s *Signer) SignEd25519(r *http.Request, body []byte, now time.Time) error {
	if s == nil || s.Assertion == nil {
		return fmt.Errorf("sign request: no Ed25519 key")
	}
	return signMessage(r, body, now, s.AssertionID, algEd25519, func(base []byte) ([]byte, error) {
		return ed25519.Sign(s.Assertion, base), nil
	})
}

func signMessage(r *http.Request, body []byte, now time.Time, keyID, algorithm string, sign func([]byte) ([]byte, error)) error {
	for _, h := range []string{"Signature", "Signature-Input", "Digest", "Content-Digest"} {
		r.Header.Del(h)
	}
	r.Header.Set("Date", now.UTC().Format(http.TimeFormat))
	components := []component{{name: "@method", text: `"@method"`}, {name: "@target-uri", text: `"@target-uri"`}}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		sum := sha256.Sum256(body)
		r.Header.Set("Content-Digest", "sha-256=:"+encode64(sum[:])+":")
		components = append(components, component{name: "content-digest", text: `"content-digest"`})
	}
	texts := make([]string, len(components))
	for i, c := range components {
		texts[i] = c.text
	}
	// A key id is an address, which needs no escaping in a string.
	params := fmt.Sprintf(`(%s);created=%d;keyid="%s";alg="%s"`, strings.Join(texts, " "), now.Unix(), keyID, algorithm)
	scheme := r.URL.Scheme
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	plain := &http.Request{Method: r.Method, Host: host, URL: r.URL, Header: r.Header}
	m := &httpMessage{request: plain, scheme: scheme, signature: &messageSignature{components: components, params: params}}
	base, err := m.base()
	if err != nil {
		return fmt.Errorf("sign request: %w", err)
	}
	value, err := sign(base)
	if err != nil {
		return fmt.Errorf("sign request: %w", err)
	}
	r.Header.Set("Signature-Input", "sig1="+params)
	r.Header.Set("Signature", "sig1=:"+encode64(value)+":")
	return nil
}

// Sign adds Date, Digest (unless the method is GET or HEAD) and Signature to a
// request, replacing those that are there. The signature covers
// (request-target), host, date, and with a body digest and content-type. It is
// bound to this host, path and second. It costs about a millisecond.
//
// ref: draft-cavage-http-signatures-12
func (s *Signer) Sign(r *http.Request, body []byte, now time.Time) error {
	if s == nil || s.Private == nil {
		return fmt.Errorf("sign request: no key")
	}
	r.Header.Set("Date", now.UTC().Format(http.TimeFormat))
	for _, h := range []string{"Signature", "Signature-Input", "Digest", "Content-Digest"} {
		r.Header.Del(h)
	}
	covered := []string{requestTarget, "host", "date"}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		sum := sha256.Sum256(body)
		r.Header.Set("Digest", "SHA-256="+base64.StdEncoding.EncodeToString(sum[:]))
		covered = append(covered, "digest")
		if r.Header.Get("Content-Type") != "" {
			covered = append(covered, "content-type")
		}
	}
	signature, err := s.header(r, covered)
	if err != nil {
		return fmt.Errorf("sign request: %w", err)
	}
	r.Header.Set("Signature", signature)
	return nil
}

// SharedSignature is a signature of one body that serves for every POST to a
// path, whatever the host. It is immutable and may be used concurrently.
type SharedSignature struct {
	// Path is the request target that was signed, Made when.
	Path string
	Made time.Time

	date, digest, signature string
}

// SignShared signs a POST of a body to a path over (request-target), date and
// digest, which is what Mastodon asks for, and leaves the host open: a fan-out
// to many inboxes of the same path then costs one RSA signature instead of one
// each. Whoever receives such a request could send it to another inbox of the
// same path. There it says what it says everywhere: a public activity, which
// proves its own author or is an Announce that only subscribers honour, once.
//
// ref: draft-cavage-http-signatures-12 §2.3; observed Mastodon 4.5: app/lib/signed_request.rb
func (s *Signer) SignShared(path string, body []byte, now time.Time) (*SharedSignature, error) {
	r := &http.Request{
		Method: http.MethodPost, Host: "shared.invalid", Header: http.Header{},
		URL: &url.URL{Path: "/"},
	}
	u, err := url.ParseRequestURI(path)
	if err != nil {
		return nil, fmt.Errorf("sign request: %w", err)
	}
	if s == nil || s.Private == nil {
		return nil, fmt.Errorf("sign request: no key")
	}
	r.URL = u
	sum := sha256.Sum256(body)
	out := &SharedSignature{
		Path: path, Made: now, date: now.UTC().Format(http.TimeFormat),
		digest: "SHA-256=" + base64.StdEncoding.EncodeToString(sum[:]),
	}
	r.Header.Set("Date", out.date)
	r.Header.Set("Digest", out.digest)
	if out.signature, err = s.header(r, []string{requestTarget, "date", "digest"}); err != nil {
		return nil, fmt.Errorf("sign request: %w", err)
	}
	return out, nil
}

// Apply puts the signature on a request for its path.
func (s *SharedSignature) Apply(r *http.Request) {
	for _, h := range []string{"Signature-Input", "Content-Digest"} {
		r.Header.Del(h)
	}
	r.Header.Set("Date", s.date)
	r.Header.Set("Digest", s.digest)
	r.Header.Set("Signature", s.signature)
}

// header makes the Signature header over the given components, all of which
// the request has.
func (s *Signer) header(r *http.Request, covered []string) (string, error) {
	signer, _, err := httpsig.NewSigner([]httpsig.Algorithm{httpsig.RSA_SHA256}, httpsig.DigestSha256, covered, httpsig.Signature, 0)
	if err != nil {
		return "", err
	}
	// The library signs the unescaped path and wants Host among the headers,
	// where net/http does not want it: it works on a copy.
	h := make(http.Header, len(covered)+1)
	for _, c := range covered {
		if v := r.Header.Values(c); len(v) > 0 {
			h[http.CanonicalHeaderKey(c)] = v
		}
	}
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	h.Set("Host", host)
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	plain := &http.Request{
		Method: r.Method, Host: host, Header: h,
		URL: &url.URL{Path: path, RawQuery: r.URL.RawQuery},
	}
	// The digest is set already, so no body is given.
	if err := signer.SignRequest(s.Private, s.KeyID, plain, nil); err != nil {
		return "", err
	}
	// The library always writes hs2019. The old name says the same for RSA,
	// Mastodon sends it, and servers exist that know no other.
	return strings.Replace(h.Get("Signature"), `algorithm="hs2019"`, `algorithm="rsa-sha256"`, 1), nil
}
