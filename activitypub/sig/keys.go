package sig

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"hark/activitypub"
)

const (
	keyBits    = 2048
	minRSABits = 2048
	maxRSABits = 8192
	// maxPEM bounds what is given to the PEM and ASN.1 parsers: an 8192-bit
	// key takes 1.5 kB.
	maxPEM = 16 << 10
)

// GenerateKey makes a new RSA key of 2048 bits, the size that every server of
// the fediverse takes.
func GenerateKey() (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	return key, nil
}

// MarshalPrivatePEM writes a private key as PKCS #8 in PEM.
func MarshalPrivatePEM(key *rsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("marshal private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// ParsePrivatePEM reads a private RSA key, PKCS #8 or PKCS #1, in PEM. It
// returns ErrWeakKey for a key that others would not accept.
func ParsePrivatePEM(data []byte) (*rsa.PrivateKey, error) {
	block, err := onePEM(data)
	if err != nil {
		return nil, fmt.Errorf("parse private key: %w", err)
	}
	var parsed any
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("parse private key: unexpected PEM block %q", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("parse private key: %w", err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("parse private key: not RSA: %w", ErrWeakKey)
	}
	if err := checkStrength(&key.PublicKey); err != nil {
		return nil, fmt.Errorf("parse private key: %w", err)
	}
	return key, nil
}

// PublicPEM writes a public key as SPKI in PEM ("BEGIN PUBLIC KEY"), the form
// that publicKeyPem has.
func PublicPEM(public crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("marshal public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// ParsePublicPEM reads a publicKeyPem: SPKI, or the PKCS #1 form that a few
// servers publish. The result is an *rsa.PublicKey of 2048 to 8192 bits, an
// ed25519.PublicKey, or an *ecdsa.PublicKey on P-256 or P-384; other keys are
// ErrWeakKey.
func ParsePublicPEM(data []byte) (crypto.PublicKey, error) {
	block, err := onePEM(data)
	if err != nil {
		return nil, fmt.Errorf("parse public key: %w", err)
	}
	var public crypto.PublicKey
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return nil, fmt.Errorf("parse public key: unexpected PEM block %q", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("parse public key: %w", err)
	}
	if err := checkStrength(public); err != nil {
		return nil, fmt.Errorf("parse public key: %w", err)
	}
	return public, nil
}

var errPEM = errors.New("not one PEM block")

func onePEM(data []byte) (*pem.Block, error) {
	if len(data) > maxPEM {
		return nil, errPEM
	}
	block, rest := pem.Decode(data)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errPEM
	}
	return block, nil
}

// checkStrength refuses keys that prove nothing or whose use is unsafe. An
// Ed25519 key of another length would make crypto/ed25519 panic.
func checkStrength(public crypto.PublicKey) error {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if k == nil || k.N == nil {
			return fmt.Errorf("empty RSA key: %w", ErrWeakKey)
		}
		if n := k.N.BitLen(); n < minRSABits || n > maxRSABits {
			return fmt.Errorf("RSA key of %d bits: %w", n, ErrWeakKey)
		}
		if k.E < 3 || k.E%2 == 0 {
			return fmt.Errorf("RSA exponent %d: %w", k.E, ErrWeakKey)
		}
		return nil
	case ed25519.PublicKey:
		if len(k) != ed25519.PublicKeySize {
			return fmt.Errorf("Ed25519 key of %d bytes: %w", len(k), ErrWeakKey)
		}
		return nil
	case *ecdsa.PublicKey:
		// Only RFC 9421 knows these, and only on the two curves that it names.
		if k == nil || k.Curve != elliptic.P256() && k.Curve != elliptic.P384() {
			return fmt.Errorf("ECDSA key on another curve than P-256 and P-384: %w", ErrWeakKey)
		}
		return nil
	}
	return fmt.Errorf("key of type %T: %w", public, ErrWeakKey)
}

// checkKey refuses a key that is not the one asked for, that is weak, or whose
// owner lives on another origin.
//
// ref: FEP-fe34
func checkKey(k Key, keyID string) error {
	if k.ID != "" && k.ID != keyID {
		return fmt.Errorf("key %q was given for %q: %w", k.ID, keyID, ErrOwner)
	}
	if !activitypub.SameOrigin(keyID, k.Owner) {
		return fmt.Errorf("key %q of owner %q: %w", keyID, k.Owner, ErrOwner)
	}
	if err := checkStrength(k.Public); err != nil {
		return fmt.Errorf("key %q: %w", keyID, err)
	}
	return nil
}

// checkKeyID refuses ids that are not plain web addresses. acct: ids exist,
// but no server that federates needs them.
func checkKeyID(id string) error {
	if _, err := activitypub.ParseIRI(id); err != nil {
		return fmt.Errorf("key id: %w: %w", err, ErrMalformed)
	}
	return nil
}
