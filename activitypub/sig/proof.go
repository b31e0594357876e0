package sig

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/gowebpki/jcs"
)

const (
	proofType    = "DataIntegrityProof"
	proofSuite   = "eddsa-jcs-2022"
	proofPurpose = "assertionMethod"

	// documentLifetime is how long a document's own signature is taken for
	// good. It is what Mastodon writes into "expires" since 4.7; one without an
	// expiry, or with a later one, is held to it as well, so that what was
	// deleted does not come back years later.
	documentLifetime = 48 * time.Hour
	documentSkew     = time.Hour
)

// ProofVerified is what a good integrity proof proved.
type ProofVerified struct {
	// KeyID and Owner tell who signed; the caller compares Owner with the
	// actor of the document.
	KeyID, Owner string
	// ProofValue is the signature in multibase.
	ProofValue string
	// Created is when the signer says that it was made.
	Created time.Time
	// Until is when Hark stops passing it on.
	Until time.Time
}

// SignProof adds a "proof" to an ActivityPub document, byte for byte the same
// otherwise. method is the id of the key, an assertionMethod of the actor. The
// document should name the data integrity context among its own. It returns
// ErrUnsafeDocument for a document that VerifyProof would not take either.
//
// ref: FEP-8b32; https://www.w3.org/TR/vc-di-eddsa/#eddsa-jcs-2022
func SignProof(doc []byte, method string, key ed25519.PrivateKey, created time.Time) ([]byte, error) {
	object, parts, err := canonicalParts(doc)
	if err != nil {
		return nil, fmt.Errorf("sign document: %w", err)
	}
	for _, name := range []string{"proof", "signature"} {
		if _, ok := object[name]; ok {
			return nil, fmt.Errorf("sign document: it has a %s already: %w", name, ErrUnsafeDocument)
		}
	}
	if err := checkKeyID(method); err != nil {
		return nil, fmt.Errorf("sign document: %w", err)
	}
	proof := map[string]any{
		"type": proofType, "cryptosuite": proofSuite, "proofPurpose": proofPurpose,
		"verificationMethod": method, "created": created.UTC().Format(time.RFC3339),
	}
	if c, ok := object["@context"]; ok {
		proof["@context"] = c
	}
	config, err := canonical(proof)
	if err != nil {
		return nil, fmt.Errorf("sign document: %w", err)
	}
	proof["proofValue"] = encodeMultibase(ed25519.Sign(key, proofDigest(config, parts.without("proof"))))
	member, err := json.Marshal(proof)
	if err != nil {
		return nil, fmt.Errorf("sign document: %w", err)
	}
	return appendMember(doc, len(object) > 0, "proof", member), nil
}

// VerifyProof checks the integrity proof of a document: one DataIntegrityProof
// by eddsa-jcs-2022, made for assertionMethod by a key that its owner lists
// for that. The proof covers the document as JSON, so all of it means what it
// says; a document that carries a Linked Data signature as well is refused,
// for that would be the one entry left open. The key is asked for once more,
// fresh, if the signature does not fit. It costs a few tenths of a millisecond.
//
// Errors are ErrNoSignature, ErrMalformed, ErrUnsupportedScheme,
// ErrUnsafeDocument, ErrExpired, ErrBadSignature and those of the KeyFunc.
//
// ref: FEP-8b32; https://www.w3.org/TR/vc-di-eddsa/#eddsa-jcs-2022; federation threat A16
func VerifyProof(ctx context.Context, doc []byte, keys KeyFunc, now time.Time) (ProofVerified, error) {
	return verifyProof(ctx, doc, keys, now, false)
}

// VerifyProofBeside is VerifyProof for a document that carries a Linked Data
// signature as well, as Fedify sends it: the proof was made first, over the
// document without the signature, and is checked so. The signature itself is
// not looked at, but it must be one and nothing else, so that there is nothing
// in it to be read. Because it is open to whoever passes the document on, such
// a document proves its author only where its author delivers it.
//
// ref: FEP-8b32, "Backward compatibility"
func VerifyProofBeside(ctx context.Context, doc []byte, keys KeyFunc, now time.Time) (ProofVerified, error) {
	return verifyProof(ctx, doc, keys, now, true)
}

func verifyProof(ctx context.Context, doc []byte, keys KeyFunc, now time.Time, beside bool) (ProofVerified, error) {
	object, parts, err := canonicalParts(doc)
	if err != nil {
		return ProofVerified{}, err
	}
	if _, ok := object["signature"]; ok != beside {
		return ProofVerified{}, refuse("proof and signature together, or not")
	}
	if beside {
		if _, err := linkedOf(object["signature"]); err != nil {
			return ProofVerified{}, err
		}
	}
	p, err := readProof(object)
	if err != nil {
		return ProofVerified{}, err
	}
	created, until, err := documentTimes(p.created, p.expires, now)
	if err != nil {
		return ProofVerified{}, err
	}
	configs, err := parts.proofConfigs(p)
	if err != nil {
		return ProofVerified{}, err
	}
	rest := parts.without("proof", "signature")
	key, err := tryKeys(ctx, p.method, keys, func(public crypto.PublicKey) error {
		k, ok := public.(ed25519.PublicKey)
		if !ok || len(k) != ed25519.PublicKeySize {
			return fmt.Errorf("%s with a key that is not Ed25519: %w", proofSuite, ErrWeakKey)
		}
		for _, config := range configs {
			if ed25519.Verify(k, proofDigest(config, rest), p.signature) {
				return nil
			}
		}
		return ErrBadSignature
	})
	if err != nil {
		return ProofVerified{}, err
	}
	if !key.Assertion {
		return ProofVerified{}, fmt.Errorf("key %q is not an assertionMethod of %q: %w", p.method, key.Owner, ErrOwner)
	}
	return ProofVerified{KeyID: p.method, Owner: key.Owner, ProofValue: p.value, Created: created, Until: until}, nil
}

// proofObject is a proof taken apart.
type proofObject struct {
	method           string
	created, expires string
	value            string
	signature        []byte
	hasContext       bool
}

func readProof(object map[string]any) (*proofObject, error) {
	raw, ok := object["proof"]
	if !ok {
		return nil, fmt.Errorf("document: %w", ErrNoSignature)
	}
	m, ok := raw.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("proof is not one object: %w", ErrMalformed)
	}
	p := &proofObject{}
	var typ, suite, purpose string
	for name, to := range map[string]*string{
		"type": &typ, "cryptosuite": &suite, "proofPurpose": &purpose, "verificationMethod": &p.method,
		"created": &p.created, "expires": &p.expires, "proofValue": &p.value,
	} {
		v, present := m[name]
		if *to, ok = v.(string); present && !ok {
			return nil, fmt.Errorf("proof: %s is not a string: %w", name, ErrMalformed)
		}
	}
	if typ != proofType || suite != proofSuite {
		return nil, fmt.Errorf("proof %.40q by %.40q: %w", typ, suite, ErrUnsupportedScheme)
	}
	if purpose != proofPurpose {
		return nil, fmt.Errorf("proof made for %.40q: %w", purpose, ErrMalformed)
	}
	if err := checkKeyID(p.method); err != nil {
		return nil, err
	}
	var err error
	if p.signature, err = decodeMultibase(p.value); err != nil || len(p.signature) != ed25519.SignatureSize {
		return nil, fmt.Errorf("proofValue: %w", ErrMalformed)
	}
	_, p.hasContext = m["@context"]
	return p, nil
}

// documentTimes reads created and expires of a document's own signature and
// holds them against now.
func documentTimes(made, end string, now time.Time) (created, until time.Time, err error) {
	created, err = time.Parse(time.RFC3339, made)
	if err != nil {
		return created, until, fmt.Errorf("created %.40q: %w", made, ErrMalformed)
	}
	if created.After(now.Add(documentSkew)) {
		return created, until, fmt.Errorf("created %s, in the future: %w", made, ErrExpired)
	}
	until = created.Add(documentLifetime)
	if end != "" {
		expires, err := time.Parse(time.RFC3339, end)
		if err != nil {
			return created, until, fmt.Errorf("expires %.40q: %w", end, ErrMalformed)
		}
		if expires.Before(until) {
			until = expires
		}
	}
	if now.After(until) {
		return created, until, fmt.Errorf("expired %s: %w", until.UTC().Format(time.RFC3339), ErrExpired)
	}
	return created, until, nil
}

// proofDigest is what is signed.
func proofDigest(config, doc []byte) []byte {
	c, d := sha256.Sum256(config), sha256.Sum256(doc)
	return append(c[:], d[:]...)
}

// member is an entry of a canonical object: name and value as they are
// written.
type member struct {
	name       string
	key, value []byte
}

type members []member

// canonicalParts decodes a document strictly and returns its entries in their
// canonical form and order.
//
// ref: RFC 8785
func canonicalParts(doc []byte) (map[string]any, members, error) {
	object, err := decodeDocument(doc)
	if err != nil {
		return nil, nil, err
	}
	text, err := jcs.Transform(doc)
	if err != nil {
		return nil, nil, refuse("canonical JSON: %v", err)
	}
	parts, err := membersOf(text)
	return object, parts, err
}

func canonical(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return jcs.Transform(text)
}

// membersOf takes a canonical object apart.
func membersOf(text []byte) (members, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, refuse("not an object")
	}
	var out members
	for d.More() {
		from := d.InputOffset()
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, refuse("JSON: %v", err)
		}
		m := member{name: name, key: bytes.TrimLeft(text[from:d.InputOffset()], ",")}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, refuse("JSON: %v", err)
		}
		m.value = raw
		out = append(out, m)
	}
	if _, err := d.Token(); err != nil && err != io.EOF {
		return nil, refuse("JSON: %v", err)
	}
	return out, nil
}

// get returns the value of an entry, or nil.
func (m members) get(name string) []byte {
	for i := range m {
		if m[i].name == name {
			return m[i].value
		}
	}
	return nil
}

// without writes the object without some entries. What was sorted stays so.
func (m members) without(names ...string) []byte {
	out := []byte{'{'}
	for i := range m {
		if slices.Contains(names, m[i].name) {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, m[i].key...)
		out = append(out, ':')
		out = append(out, m[i].value...)
	}
	return append(out, '}')
}

// proofConfigs are the proof's options as they may have been signed. A proof
// that names its own @context must name the document's, or somebody could
// have given the signed JSON another meaning. One without may have been signed
// as it stands, as FEP-8b32 shows it, or with the document's context in its
// place, as the W3C's algorithm and Fedify do and then leave it out. Either
// way the document's context is covered with the document.
func (m members) proofConfigs(p *proofObject) ([][]byte, error) {
	proof, err := membersOf(m.get("proof"))
	if err != nil {
		return nil, err
	}
	context := m.get("@context")
	config := proof.without("proofValue")
	if p.hasContext {
		if !bytes.Equal(proof.get("@context"), context) {
			return nil, refuse("proof with another @context than its document")
		}
		return [][]byte{config}, nil
	}
	if context == nil {
		return [][]byte{config}, nil
	}
	with := append([]byte(`{"@context":`), context...)
	if len(config) > 2 {
		with = append(with, ',')
	}
	return [][]byte{config, append(with, config[1:]...)}, nil
}

// appendMember puts an entry at the end of a JSON object.
func appendMember(doc []byte, comma bool, name string, value []byte) []byte {
	body := bytes.TrimSuffix(bytes.TrimRight(doc, " \t\r\n"), []byte("}"))
	out := make([]byte, 0, len(body)+len(name)+len(value)+8)
	out = append(out, body...)
	if comma {
		out = append(out, ',')
	}
	out = append(out, '"')
	out = append(out, name...)
	out = append(out, '"', ':')
	out = append(out, value...)
	return append(out, '}')
}
