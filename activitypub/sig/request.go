package sig

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-fed/httpsig"
)

// VerifyRequest checks the signature of a request whose body has been read
// into body. It answers in the order of price: form, coverage, host, digest
// and date before the key is asked for. When the signature does not fit, the
// key is asked for once more, fresh, and the check repeated if it changed.
//
// A request that carries Signature-Input is judged by RFC 9421 and by nothing
// else, whatever stands beside it: a forger must not choose the weaker scheme.
//
// Covered must be, by the draft, (request-target), host and one of date and
// (created); by RFC 9421 @method, @target-uri (or @authority with the parts of
// the target) and created; with a body or a method other than GET and HEAD
// also digest or content-digest. The caller compares Owner with the actor of
// what the body says.
//
// Errors are the sentinels of this package, wrapped with what was wrong. The
// request is not changed.
//
// ref: draft-cavage-http-signatures-12 §2.3, §2.5; RFC 9421 §3.2
func VerifyRequest(ctx context.Context, r *http.Request, body []byte, keys KeyFunc, o Options) (Verified, error) {
	now := o.Now
	if now.IsZero() {
		now = time.Now()
	}
	if len(r.Header.Values("Signature-Input")) > 0 {
		return verifyMessage(ctx, r, body, keys, o, now)
	}
	s, err := readSignature(r.Header)
	if err != nil {
		return Verified{}, err
	}
	m := &message{request: r, signature: s}
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
	key, err := tryKeys(ctx, s.keyID, keys, m.verify)
	if err != nil {
		return Verified{}, err
	}
	return Verified{
		KeyID: s.keyID, Owner: key.Owner, Scheme: string(SchemeCavage), Signature: s.encoded,
		Digest: digest, Date: date, Components: s.components, Signed: m.signingString(m.target),
	}, nil
}

// tryKeys runs check with the key of an id, and once more with a fresh one if
// the signature did not fit.
func tryKeys(ctx context.Context, keyID string, keys KeyFunc, check func(crypto.PublicKey) error) (Key, error) {
	key, err := keyFor(ctx, keyID, keys, false)
	if err != nil {
		return Key{}, err
	}
	err = check(key.Public)
	if err == nil || !errors.Is(err, ErrBadSignature) {
		return key, err
	}
	fresh, keyErr := keyFor(ctx, keyID, keys, true)
	if keyErr != nil {
		return Key{}, fmt.Errorf("%w; fetching the key again: %w", err, keyErr)
	}
	if equalKeys(key.Public, fresh.Public) {
		return Key{}, err
	}
	return fresh, check(fresh.Public)
}

func keyFor(ctx context.Context, keyID string, keys KeyFunc, fresh bool) (Key, error) {
	key, err := keys(ctx, keyID, fresh)
	if err != nil {
		return Key{}, fmt.Errorf("key %q: %w: %w", keyID, ErrKeyUnavailable, err)
	}
	return key, checkKey(key, keyID)
}

func equalKeys(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// message is a request together with its parsed signature.
type message struct {
	request   *http.Request
	signature *signatureHeader
	target    string // the request target that fitted, once verified
}

func (m *message) checkCoverage(needsDigest bool) error {
	s := m.signature
	for _, c := range []string{requestTarget, "host"} {
		if !s.covers(c) {
			return fmt.Errorf("%s is not covered: %w", c, ErrCoverage)
		}
	}
	if !s.covers("date") && !s.covers(createdPart) {
		return fmt.Errorf("neither date nor (created) is covered: %w", ErrCoverage)
	}
	if needsDigest && !s.covers("digest") && !s.covers("content-digest") {
		return fmt.Errorf("digest is not covered: %w", ErrCoverage)
	}
	for _, c := range s.components {
		if _, ok := m.value(c); !ok {
			return fmt.Errorf("covered header %q is missing: %w", c, ErrCoverage)
		}
	}
	return nil
}

// checkDigest compares every covered digest with the body and returns the
// header that proved it.
func (m *message) checkDigest(body []byte) (string, error) {
	var proof string
	if m.signature.covers("content-digest") {
		v, err := checkContentDigest(m.request.Header, body)
		if err != nil {
			return "", err
		}
		proof = v
	}
	if m.signature.covers("digest") {
		v, err := m.single("Digest")
		if err != nil {
			return "", fmt.Errorf("%w: %w", err, ErrDigest)
		}
		name, encoded, _ := strings.Cut(v, "=")
		if !strings.EqualFold(name, "SHA-256") || !sameDigest(encoded, body) {
			return "", fmt.Errorf("digest %.80q: %w", v, ErrDigest)
		}
		proof = v
	}
	return proof, nil
}

// sameDigest is false for everything that is not exactly one base64 SHA-256 of
// body; a second value after a comma does not decode.
func sameDigest(encoded string, body []byte) bool {
	given, err := base64.StdEncoding.Strict().DecodeString(encoded)
	sum := sha256.Sum256(body)
	return err == nil && subtle.ConstantTimeCompare(given, sum[:]) == 1
}

// checkTime holds every covered time against the window and returns the date
// that proves freshness.
func (m *message) checkTime(now time.Time, w Window) (string, error) {
	s := m.signature
	var proof string
	if s.covers(createdPart) {
		t := time.Unix(s.created, 0).UTC()
		if err := inWindow(t, now, w); err != nil {
			return "", fmt.Errorf("created %s: %w", t.Format(time.RFC3339), err)
		}
		proof = t.Format(time.RFC3339)
	}
	if s.covers("date") {
		v, err := m.single("Date")
		if err != nil {
			return "", fmt.Errorf("%w: %w", err, ErrDate)
		}
		t, err := http.ParseTime(v)
		if err != nil {
			return "", fmt.Errorf("date %.40q: %w", v, ErrDate)
		}
		if err := inWindow(t, now, w); err != nil {
			return "", fmt.Errorf("date %q: %w", v, err)
		}
		proof = v
	}
	// An expiry that is not covered could have been taken away, but never
	// makes a signature good that would not be good without it.
	if s.hasExpires {
		t := time.Unix(s.expires, 0).UTC()
		if now.After(t.Add(expirySkew)) || t.After(now.Add(w.Lifetime+w.Future)) {
			return "", fmt.Errorf("expires %s: %w", t.Format(time.RFC3339), ErrDate)
		}
	}
	return proof, nil
}

func inWindow(t, now time.Time, w Window) error {
	if t.Before(now.Add(-w.Past)) || t.After(now.Add(w.Future)) {
		return ErrDate
	}
	return nil
}

// single returns the value of a header that must occur exactly once.
func (m *message) single(name string) (string, error) {
	v := m.request.Header.Values(name)
	if len(v) != 1 {
		return "", fmt.Errorf("%d values of %s", len(v), name)
	}
	return strings.Trim(v[0], " \t"), nil
}

// value returns what stands for a covered component in the signing string.
// Values of a repeated header are joined as the draft says.
func (m *message) value(component string) (string, bool) {
	switch component {
	case requestTarget:
		return "", true // depends on the candidate, see targets
	case createdPart:
		return strconv.FormatInt(m.signature.created, 10), m.signature.hasCreated
	case expiresPart:
		return strconv.FormatInt(m.signature.expires, 10), m.signature.hasExpires
	case "host":
		return m.request.Host, m.request.Host != ""
	}
	values := m.request.Header.Values(component)
	if len(values) == 0 && component == "content-length" && m.request.ContentLength >= 0 {
		return strconv.FormatInt(m.request.ContentLength, 10), true
	}
	trimmed := make([]string, len(values))
	for i, v := range values {
		trimmed[i] = strings.TrimSpace(v)
	}
	return strings.Join(trimmed, ", "), len(values) > 0
}

// targets returns the request targets that the signature may have been made
// over: the one requested, and the path alone, which is what Mastodon signed
// before 4.3 whatever the query.
func (m *message) targets() []string {
	target := m.request.RequestURI
	if !strings.HasPrefix(target, "/") {
		// Not parsed by a server, or in absolute form.
		target = m.request.URL.RequestURI()
	}
	path, _, query := strings.Cut(target, "?")
	if query {
		return []string{target, path}
	}
	return []string{target}
}

// verify checks the arithmetic with one key: nil or ErrBadSignature.
func (m *message) verify(public crypto.PublicKey) error {
	for _, target := range m.targets() {
		if m.fits(public, target) {
			m.target = target
			return nil
		}
	}
	return ErrBadSignature
}

func (m *message) fits(public crypto.PublicKey, target string) bool {
	// The library compares created and expires with its own clock and a margin
	// of ten seconds; those signatures are checked without it.
	if m.signature.covers(createdPart) || m.signature.covers(expiresPart) {
		return checkArithmetic(public, []byte(m.signingString(target)), m.signature.signature) == nil
	}
	algorithm := httpsig.RSA_SHA256
	if _, ok := public.(ed25519.PublicKey); ok {
		algorithm = httpsig.ED25519
	}
	v, err := httpsig.NewVerifier(m.plain(target))
	return err == nil && v.Verify(public, algorithm) == nil
}

// plain makes a request that the library reads correctly. It would unescape
// the path, split a key id at its commas and not take spaces between the
// parameters, so it gets a header written anew, and only what is covered.
func (m *message) plain(target string) *http.Request {
	path, query, _ := strings.Cut(target, "?")
	h := make(http.Header, len(m.signature.components)+1)
	for _, c := range m.signature.components {
		if v, ok := m.value(c); ok && c != requestTarget {
			h.Set(c, v)
		}
	}
	h.Set("Signature", `keyId="key",algorithm="hs2019",headers="`+
		strings.Join(m.signature.components, " ")+`",signature="`+m.signature.encoded+`"`)
	return &http.Request{
		Method: m.request.Method,
		Host:   m.request.Host,
		URL:    &url.URL{Path: path, RawQuery: query},
		Header: h,
	}
}

// signingString writes what is signed.
//
// ref: draft-cavage-http-signatures-12 §2.3
func (m *message) signingString(target string) string {
	var b strings.Builder
	for i, c := range m.signature.components {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(c)
		b.WriteString(": ")
		if c == requestTarget {
			b.WriteString(strings.ToLower(m.request.Method))
			b.WriteByte(' ')
			b.WriteString(target)
			continue
		}
		v, _ := m.value(c)
		b.WriteString(v)
	}
	return b.String()
}

// checkArithmetic verifies RSA PKCS #1 v1.5 over SHA-256, which is what hs2019
// means in the fediverse for RSA keys, or Ed25519. It returns ErrBadSignature.
func checkArithmetic(public crypto.PublicKey, signed, signature []byte) error {
	switch k := public.(type) {
	case *rsa.PublicKey:
		sum := sha256.Sum256(signed)
		if rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], signature) == nil {
			return nil
		}
	case ed25519.PublicKey:
		if len(k) == ed25519.PublicKeySize && ed25519.Verify(k, signed, signature) {
			return nil
		}
	}
	return ErrBadSignature
}
