// Package sig proves who sent a request and who wrote a document.
//
// Requests carry HTTP signatures by draft-cavage-12 or RFC 9421, documents the
// RsaSignature2017 Linked Data signatures that Mastodon and its kin attach to
// what may be forwarded, or FEP-8b32 integrity proofs. The libraries httpsig
// (the draft), httpsfv (structured fields), json-gold (canonical JSON-LD) and
// jcs (canonical JSON) do what their standards say; what these leave open is
// checked here: that the signature covers what matters,
// that the digest fits the body, that the date is fresh, that the request was
// meant for this host, and that the key is strong enough and belongs to its
// owner. Nothing in here opens a connection: keys come from a KeyFunc, and
// JSON-LD contexts from a table in this package.
//
// ref: draft-cavage-http-signatures-12
// ref: RFC 9421 (HTTP message signatures), RFC 9651 (structured fields)
// ref: RFC 3230, RFC 9530 (digests)
// ref: FEP-8b32 (integrity proofs), FEP-521a (keys), RFC 8785 (JCS)
package sig

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"time"
)

// Key is a public key and whose it is.
type Key struct {
	// ID is the key's own address, with its fragment.
	ID string
	// Owner is the id of the actor that the key belongs to. The KeyFunc has
	// checked that the actor lists the key.
	Owner string
	// Public is an *rsa.PublicKey, an ed25519.PublicKey, or an
	// *ecdsa.PublicKey on P-256 or P-384.
	Public crypto.PublicKey
	// Assertion says that the actor lists the key as an assertionMethod, so
	// that integrity proofs may be made with it.
	Assertion bool
}

// KeyFunc finds the key with an id. With fresh it must not answer from a
// cache: a signature did not fit the key that it gave before, and the key may
// have been changed. It may use the network and must respect ctx. It returns
// an error rather than a Key that it is not sure of.
type KeyFunc func(ctx context.Context, keyID string, fresh bool) (Key, error)

// Window bounds the clock of a signature. Zero fields have the defaults that
// Mastodon uses or tolerates.
type Window struct {
	// Past is how old a signature may be; 0 means 12 hours, which lets a
	// sender's queue drain after a pause without signing again.
	Past time.Duration
	// Future is how far a sender's clock may be ahead; 0 means one hour.
	Future time.Duration
	// Lifetime is how far ahead of now "expires" may lie, besides Future;
	// 0 means 24 hours, which is what Lemmy asks for.
	Lifetime time.Duration
}

// expirySkew is how long after its "expires" a signature is still taken:
// some senders give a signature only two minutes, and clocks differ.
const expirySkew = 5 * time.Minute

func (w Window) orDefault() Window {
	if w.Past <= 0 {
		w.Past = 12 * time.Hour
	}
	if w.Future <= 0 {
		w.Future = time.Hour
	}
	if w.Lifetime <= 0 {
		w.Lifetime = 24 * time.Hour
	}
	return w
}

// Options say what a request is checked against.
type Options struct {
	// Now is the time to compare dates with; zero means the present.
	Now time.Time
	// Host is the host that requests must be meant for, as in a Host header:
	// "relay.example" or "127.0.0.1:8080". Empty refuses every request.
	Host string
	// Window bounds the date.
	Window Window
	// Scheme is the scheme of our own addresses, which RFC 9421 signs: "http",
	// or "https", which "" means as well. A server behind a proxy cannot tell
	// it from the request.
	Scheme string
}

func (o Options) scheme() string {
	if o.Scheme == "" {
		return "https"
	}
	return o.Scheme
}

// Verified is what a good signature proved.
type Verified struct {
	// KeyID and Owner tell who signed.
	KeyID, Owner string
	// Scheme is the kind of signature, SchemeCavage or SchemeRFC9421.
	Scheme string
	// Signature is the signature itself, in base64.
	Signature string
	// Digest is the digest header that the signature covers, "" if there is
	// none (a GET).
	Digest string
	// Date is the covered Date header, or the covered (created) in RFC 3339.
	Date string
	// Components are the covered parts, in the order in which they are signed.
	Components []string
	// Signed is the text that the signature was made over. With it, Signature
	// and the key anyone can repeat the check.
	Signed string
}

// The reasons why a request or a document is not believed. Compare with
// errors.Is; the wrapped text says more and is meant for the log.
var (
	// ErrNoSignature is returned when there is no signature at all.
	ErrNoSignature = errors.New("no signature")
	// ErrMalformed is returned when a signature header or a signature object
	// does not have the form that its standard gives it.
	ErrMalformed = errors.New("malformed signature")
	// ErrCoverage is returned when a signature leaves open what it must cover.
	ErrCoverage = errors.New("signature does not cover enough")
	// ErrDigest is returned when the covered digest is not that of the body,
	// or is not exactly one SHA-256.
	ErrDigest = errors.New("digest does not match the body")
	// ErrDate is returned when a signature is too old, comes from the future,
	// or has expired or an expiry that is too far off.
	ErrDate = errors.New("signature is outside the time window")
	// ErrKeyUnavailable is returned when the KeyFunc gave no key. The cause is
	// wrapped beside it.
	ErrKeyUnavailable = errors.New("key of the signature is unavailable")
	// ErrOwner is returned when a key and its owner have different origins.
	ErrOwner = errors.New("key does not belong to its owner")
	// ErrWeakKey is returned when a key is too small to be trusted, too large
	// to be worth the work, or of a kind that is not supported.
	ErrWeakKey = errors.New("key is weak or unsupported")
	// ErrBadSignature is returned when a signature does not fit, with the
	// known key and with the one fetched anew.
	ErrBadSignature = errors.New("signature does not match")
	// ErrUnknownContext is returned when a document names a JSON-LD context
	// that this package does not know. Contexts are never fetched.
	ErrUnknownContext = errors.New("unknown JSON-LD context")
	// ErrUnsafeDocument is returned when a signed document could mean one
	// thing as JSON-LD and another as JSON, or would be too dear to check.
	ErrUnsafeDocument = errors.New("document is not safe to verify")
	// ErrUnusual is returned by VerifyUsualLD for a document that takes the
	// general processor to check.
	ErrUnusual = errors.New("document needs the general JSON-LD processor")
	// ErrExpired is returned when a document's signature has expired, or comes
	// from the future.
	ErrExpired = errors.New("document signature is not valid now")
)

// Narrower reasons. Each also is one of the above to errors.Is.
var (
	// ErrUnsupportedScheme is returned when a request is signed in a way that
	// is not supported: an algorithm or a component that is not known, or an
	// algorithm that the key is not for. It is an ErrMalformed.
	ErrUnsupportedScheme = fmt.Errorf("unsupported signature scheme: %w", ErrMalformed)
	// ErrHost is returned when a request was signed for another host. It is an
	// ErrBadSignature.
	ErrHost = fmt.Errorf("request is meant for another host: %w", ErrBadSignature)
)
