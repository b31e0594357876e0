package sig

import (
	"crypto"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"

	"hark/activitypub"
)

// maxMultibase bounds an encoded key or proof value. An Ed25519 signature
// takes 89 characters.
const maxMultibase = 256

// ed25519Prefix is the multicodec of an Ed25519 public key, as a varint.
//
// ref: https://www.w3.org/TR/cid-1.0/#Multikey
var ed25519Prefix = []byte{0xed, 0x01}

// ParseMultikey reads a publicKeyMultibase of an Ed25519 key, in base58 ("z")
// or base64url ("u"). Other keys, and what is no key, are ErrWeakKey.
//
// ref: FEP-521a
func ParseMultikey(s string) (ed25519.PublicKey, error) {
	raw, err := decodeMultibase(s)
	if err != nil {
		return nil, fmt.Errorf("multikey: %w: %w", err, ErrWeakKey)
	}
	key, ok := strings.CutPrefix(string(raw), string(ed25519Prefix))
	if !ok || len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("multikey of %d bytes is not an Ed25519 key: %w", len(raw), ErrWeakKey)
	}
	return ed25519.PublicKey(key), nil
}

// MarshalMultikey writes an Ed25519 key as a publicKeyMultibase in base58.
//
// ref: FEP-521a
func MarshalMultikey(key ed25519.PublicKey) string {
	return encodeMultibase(append(append([]byte(nil), ed25519Prefix...), key...))
}

// AssertionKey derives the Ed25519 key with which a node signs documents from
// the RSA key of its actor, so that there is one secret to keep, and a node
// that is restored from it is the same node.
//
// ref: RFC 5869
func AssertionKey(key *rsa.PrivateKey) (ed25519.PrivateKey, error) {
	seed, err := Derive(key, "hark assertion key 1")
	if err != nil {
		return nil, fmt.Errorf("derive assertion key: %w", err)
	}
	return ed25519.NewKeyFromSeed(seed[:]), nil
}

// Derive derives a secret of 32 bytes from the RSA key of an actor. Secrets of
// different purposes tell nothing of each other, nor of the key.
//
// ref: RFC 5869
func Derive(key *rsa.PrivateKey, purpose string) (secret [32]byte, err error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return secret, err
	}
	b, err := hkdf.Key(sha256.New, der, nil, purpose, len(secret))
	if err != nil {
		return secret, err
	}
	copy(secret[:], b)
	return secret, nil
}

// KeyOf takes the key of that id from the actor that lists it, as a publicKey
// or as an assertionMethod. It returns ErrOwner if the actor does not list it
// as its own, ErrWeakKey, or an error of reading it.
//
// ref: FEP-fe34, FEP-521a; federation threat A5
func KeyOf(actor *activitypub.Actor, keyID string) (Key, error) {
	listed, ok := actor.KeyByID(keyID)
	if !ok || listed.Owner != "" && listed.Owner != actor.ID {
		return Key{}, fmt.Errorf("actor %q does not list key %q as its own: %w", actor.ID, keyID, ErrOwner)
	}
	key := Key{ID: keyID, Owner: actor.ID, Assertion: listed.Assertion}
	var err error
	if listed.Multibase != "" {
		var public ed25519.PublicKey
		public, err = ParseMultikey(listed.Multibase)
		key.Public = crypto.PublicKey(public)
	} else {
		key.Public, err = ParsePublicPEM([]byte(listed.PEM))
	}
	if err != nil {
		return Key{}, err
	}
	return key, nil
}

// decodeMultibase reads base58btc and base64url without padding.
//
// ref: https://www.w3.org/TR/cid-1.0/#multibase-0
func decodeMultibase(s string) ([]byte, error) {
	if s == "" || len(s) > maxMultibase {
		return nil, fmt.Errorf("multibase of %d characters", len(s))
	}
	switch s[0] {
	case 'z':
		return decodeBase58(s[1:])
	case 'u':
		return base64.RawURLEncoding.Strict().DecodeString(s[1:])
	}
	return nil, fmt.Errorf("multibase %q is not known", s[:1])
}

func encodeMultibase(b []byte) string { return "z" + encodeBase58(b) }

const base58Digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

func decodeBase58(s string) ([]byte, error) {
	n, base := new(big.Int), big.NewInt(58)
	for i := 0; i < len(s); i++ {
		digit := strings.IndexByte(base58Digits, s[i])
		if digit < 0 {
			return nil, fmt.Errorf("character %q is not base58", s[i])
		}
		n.Add(n.Mul(n, base), big.NewInt(int64(digit)))
	}
	zeros := len(s) - len(strings.TrimLeft(s, "1"))
	return append(make([]byte, zeros), n.Bytes()...), nil
}

func encodeBase58(b []byte) string {
	n, base, digit := new(big.Int).SetBytes(b), big.NewInt(58), new(big.Int)
	var out []byte
	for n.Sign() > 0 {
		n.DivMod(n, base, digit)
		out = append(out, base58Digits[digit.Int64()])
	}
	for i := 0; i < len(b) && b[i] == 0; i++ {
		out = append(out, '1')
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return string(out)
}
