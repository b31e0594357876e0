package sig

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxSeconds is the largest time that is read, in the year 36812.
const maxSeconds = 1 << 40

// Scheme is a way of signing requests.
type Scheme string

// The schemes.
const (
	SchemeCavage  Scheme = "cavage"
	SchemeRFC9421 Scheme = "rfc9421"
)

// Other is the scheme to try when a host refuses this one.
func (s Scheme) Other() Scheme {
	if s == SchemeRFC9421 {
		return SchemeCavage
	}
	return SchemeRFC9421
}

// httpMessage is a request together with its RFC 9421 signature.
type httpMessage struct {
	request   *http.Request
	signature *messageSignature
	scheme    string // of the target: "https" or "http"
}

// verifyMessage is VerifyRequest for a request that carries Signature-Input.
//
// ref: RFC 9421 §3.2; RFC 9530
func verifyMessage(ctx context.Context, r *http.Request, body []byte, keys KeyFunc, o Options, now time.Time) (Verified, error) {
	s, err := readMessageSignature(r.Header)
	if err != nil {
		return Verified{}, err
	}
	if err := checkKeyID(s.keyID); err != nil {
		return Verified{}, err
	}
	if err := checkAlgorithmName(s.algorithm); err != nil {
		return Verified{}, err
	}
	m := &httpMessage{request: r, signature: s, scheme: o.scheme()}
	if err := m.checkCoverage(needsDigest(r, body)); err != nil {
		return Verified{}, err
	}
	if err := checkHost(r, o.Host); err != nil {
		return Verified{}, err
	}
	digest, err := m.checkDigest(body)
	if err != nil {
		return Verified{}, err
	}
	date, err := m.checkTime(now, o.Window.orDefault())
	if err != nil {
		return Verified{}, err
	}
	base, err := m.base()
	if err != nil {
		return Verified{}, err
	}
	key, err := tryKeys(ctx, s.keyID, keys, func(public crypto.PublicKey) error {
		return checkMessage(public, s.algorithm, base, s.signature)
	})
	if err != nil {
		return Verified{}, err
	}
	return Verified{
		KeyID: s.keyID, Owner: key.Owner, Scheme: string(SchemeRFC9421), Signature: s.encoded,
		Digest: digest, Date: date, Components: s.names(), Signed: string(base),
	}, nil
}

// checkCoverage wants what Mastodon wants: the method, the whole target, the
// time of signing, and of a request with content its digest. The target may
// also be covered in its parts.
//
// ref: observed Mastodon 4.5: app/lib/signed_request.rb
func (m *httpMessage) checkCoverage(needsDigest bool) error {
	s := m.signature
	if !s.covers("@method") {
		return fmt.Errorf("@method is not covered: %w", ErrCoverage)
	}
	path := s.covers("@request-target") || s.covers("@path") && (s.covers("@query") || m.request.URL.RawQuery == "")
	if !s.covers("@target-uri") && !(path && s.covers("@authority")) {
		return fmt.Errorf("@target-uri is not covered: %w", ErrCoverage)
	}
	if !s.hasCreated {
		return fmt.Errorf("no created parameter: %w", ErrCoverage)
	}
	if needsDigest && !s.covers("content-digest") {
		return fmt.Errorf("content-digest is not covered: %w", ErrCoverage)
	}
	for _, c := range s.components {
		if _, ok := m.value(c); !ok {
			return fmt.Errorf("covered component %s is missing: %w", c.text, ErrCoverage)
		}
	}
	return nil
}

// checkDigest compares the covered Content-Digest with the body: a SHA-256
// must be there, a SHA-512 beside it must fit as well, and nothing weaker is
// looked at.
//
// ref: RFC 9530 §2, §5
func (m *httpMessage) checkDigest(body []byte) (string, error) {
	if !m.signature.covers("content-digest") {
		return "", nil
	}
	return checkContentDigest(m.request.Header, body)
}

func checkContentDigest(h http.Header, body []byte) (string, error) {
	d, err := dictionary(h, "Content-Digest")
	if err != nil {
		return "", fmt.Errorf("%w: %w", err, ErrDigest)
	}
	has256 := false
	for _, name := range d.Names() {
		member, _ := d.Get(name)
		given, ok := bytesOf(member)
		switch name {
		case "sha-256":
			sum := sha256.Sum256(body)
			ok = ok && subtle.ConstantTimeCompare(given, sum[:]) == 1
			has256 = true
		case "sha-512":
			sum := sha512.Sum512(body)
			ok = ok && subtle.ConstantTimeCompare(given, sum[:]) == 1
		default:
			return "", fmt.Errorf("content-digest by %.40q: %w", name, ErrDigest)
		}
		if !ok {
			return "", fmt.Errorf("content-digest %s does not fit: %w", name, ErrDigest)
		}
	}
	if !has256 {
		return "", fmt.Errorf("content-digest without sha-256: %w", ErrDigest)
	}
	return strings.Join(h.Values("Content-Digest"), ", "), nil
}

func (m *httpMessage) checkTime(now time.Time, w Window) (string, error) {
	t := time.Unix(m.signature.created, 0).UTC()
	if err := inWindow(t, now, w); err != nil {
		return "", fmt.Errorf("created %s: %w", t.Format(time.RFC3339), err)
	}
	if m.signature.hasExpires {
		e := time.Unix(m.signature.expires, 0).UTC()
		if now.After(e.Add(expirySkew)) || e.After(now.Add(w.Lifetime+w.Future)) {
			return "", fmt.Errorf("expires %s: %w", e.Format(time.RFC3339), ErrDate)
		}
	}
	return t.Format(time.RFC3339), nil
}

// base writes the signature base.
//
// ref: RFC 9421 §2.5
func (m *httpMessage) base() ([]byte, error) {
	var b strings.Builder
	b.Grow(512)
	for _, c := range m.signature.components {
		v, ok := m.value(c)
		if !ok || strings.ContainsAny(v, "\r\n") {
			return nil, fmt.Errorf("component %s: %w", c.text, ErrCoverage)
		}
		b.WriteString(c.text)
		b.WriteString(": ")
		b.WriteString(v)
		b.WriteByte('\n')
	}
	b.WriteString(`"@signature-params": `)
	b.WriteString(m.signature.params)
	return []byte(b.String()), nil
}

// value returns what a component stands for; ok is false if the request does
// not have it.
//
// ref: RFC 9421 §2.1, §2.2
func (m *httpMessage) value(c component) (string, bool) {
	switch c.name {
	case "@method":
		return m.request.Method, true
	case "@scheme":
		return m.scheme, true
	case "@authority":
		return m.authority(), true
	case "@target-uri":
		return m.scheme + "://" + m.authority() + m.target(), true
	case "@request-target":
		return m.target(), true
	case "@path":
		path, _, _ := strings.Cut(m.target(), "?")
		return path, true
	case "@query":
		_, query, _ := strings.Cut(m.target(), "?")
		return "?" + query, true
	case "@query-param":
		return m.queryParam(c.param)
	}
	return m.field(c)
}

// authority is the host in lower case, without the default port.
func (m *httpMessage) authority() string {
	host := strings.ToLower(m.request.Host)
	if m.scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

// target is the request target in origin form.
func (m *httpMessage) target() string {
	t := m.request.RequestURI
	if !strings.HasPrefix(t, "/") {
		t = m.request.URL.RequestURI()
	}
	return t
}

// queryParam returns the only value of a parameter, encoded as the standard
// says.
//
// ref: RFC 9421 §2.2.8
func (m *httpMessage) queryParam(name string) (string, bool) {
	_, query, _ := strings.Cut(m.target(), "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", false
	}
	for k, v := range values {
		if percentEncoded(k) == name && len(v) == 1 {
			return percentEncoded(v[0]), true
		}
	}
	return "", false
}

// percentEncoded escapes a form value with %20 for a space.
func percentEncoded(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// field returns the value of a header, its lines joined.
//
// ref: RFC 9421 §2.1, §2.1.3
func (m *httpMessage) field(c component) (string, bool) {
	values := m.request.Header.Values(c.name)
	switch {
	case c.name == "host":
		values = []string{m.request.Host}
	case len(values) == 0 && c.name == "content-length" && m.request.ContentLength >= 0:
		values = []string{fmt.Sprint(m.request.ContentLength)}
	case len(values) == 0:
		return "", false
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = strings.TrimSpace(v)
		if c.binary {
			out[i] = ":" + encode64([]byte(out[i])) + ":"
		}
	}
	return strings.Join(out, ", "), true
}

// Algorithms of RFC 9421 §3.3 that are verified. Those with a shared secret
// prove nothing to a stranger.
const (
	algRSAv15     = "rsa-v1_5-sha256"
	algRSAPSS     = "rsa-pss-sha512"
	algEd25519    = "ed25519"
	algECDSAP256  = "ecdsa-p256-sha256"
	algECDSAP384  = "ecdsa-p384-sha384"
	pssSaltLength = 64
)

func checkAlgorithmName(name string) error {
	switch name {
	case "", algRSAv15, algRSAPSS, algEd25519, algECDSAP256, algECDSAP384:
		return nil
	}
	return fmt.Errorf("algorithm %.40q: %w", name, ErrUnsupportedScheme)
}

// checkMessage checks the arithmetic. The key decides which algorithms are
// possible; the name only chooses among those, so that nobody makes one kind
// of key be used as another. It returns ErrBadSignature or
// ErrUnsupportedScheme.
//
// ref: RFC 9421 §3.3, §7.3.6
func checkMessage(public crypto.PublicKey, algorithm string, base, signature []byte) error {
	fits := false
	switch k := public.(type) {
	case *rsa.PublicKey:
		switch algorithm {
		case "", algRSAv15:
			return checkArithmetic(public, base, signature)
		case algRSAPSS:
			sum := sha512.Sum512(base)
			fits = rsa.VerifyPSS(k, crypto.SHA512, sum[:], signature, &rsa.PSSOptions{SaltLength: pssSaltLength, Hash: crypto.SHA512}) == nil
		default:
			return fmt.Errorf("algorithm %q with an RSA key: %w", algorithm, ErrUnsupportedScheme)
		}
	case ed25519.PublicKey:
		if algorithm != "" && algorithm != algEd25519 {
			return fmt.Errorf("algorithm %q with an Ed25519 key: %w", algorithm, ErrUnsupportedScheme)
		}
		return checkArithmetic(public, base, signature)
	case *ecdsa.PublicKey:
		switch {
		case k.Curve == elliptic.P256() && (algorithm == "" || algorithm == algECDSAP256):
			sum := sha256.Sum256(base)
			fits = verifyECDSA(k, sum[:], signature)
		case k.Curve == elliptic.P384() && (algorithm == "" || algorithm == algECDSAP384):
			sum := sha512.Sum384(base)
			fits = verifyECDSA(k, sum[:], signature)
		default:
			return fmt.Errorf("algorithm %q with an ECDSA key: %w", algorithm, ErrUnsupportedScheme)
		}
	}
	if !fits {
		return ErrBadSignature
	}
	return nil
}

// verifyECDSA takes a signature as r and s, one after the other.
func verifyECDSA(k *ecdsa.PublicKey, sum, signature []byte) bool {
	size := (k.Curve.Params().BitSize + 7) / 8
	if len(signature) != 2*size {
		return false
	}
	r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
	return ecdsa.Verify(k, sum, r, s)
}

func encode64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// checkHost compares the host that a request names with our own.
func checkHost(r *http.Request, want string) error {
	if want == "" {
		return fmt.Errorf("no host of our own is configured: %w", ErrHost)
	}
	got := r.Host
	if _, _, err := net.SplitHostPort(want); err != nil {
		// The configured host has no port, so the default ports are the same.
		got = strings.TrimSuffix(strings.TrimSuffix(got, ":443"), ":80")
	}
	if !strings.EqualFold(got, want) {
		return fmt.Errorf("host %q: %w", r.Host, ErrHost)
	}
	return nil
}

// needsDigest tells whether a request must prove its body.
func needsDigest(r *http.Request, body []byte) bool {
	return len(body) > 0 || r.Method != http.MethodGet && r.Method != http.MethodHead
}
