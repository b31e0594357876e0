package sig

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"

	"github.com/piprate/json-gold/ld"
)

const (
	linkedType = "RsaSignature2017"
)

// LDVerified is what a good Linked Data signature proved.
type LDVerified struct {
	// KeyID and Owner tell who signed; the caller compares Owner with the
	// actor of the document.
	KeyID, Owner string
	// SignatureValue is the signature in base64.
	SignatureValue string
	// Created is when the signer says that it was made.
	Created time.Time
	// Until is when others stop taking it: do not forward it afterwards.
	Until time.Time
}

// SignLD adds a "signature" to an ActivityPub document, byte for byte the same
// otherwise. creator is the id of the key. The signature expires two days
// after created. Errors are ErrUnknownContext and ErrUnsafeDocument for a
// document that VerifyLD would not accept either.
//
// ref: observed Mastodon 4.7: app/lib/activitypub/linked_data_signature.rb
func SignLD(doc []byte, creator string, key *rsa.PrivateKey, created time.Time) ([]byte, error) {
	object, err := decodeDocument(doc)
	if err != nil {
		return nil, fmt.Errorf("sign document: %w", err)
	}
	if _, ok := object["signature"]; ok {
		return nil, fmt.Errorf("sign document: it is signed already: %w", ErrUnsafeDocument)
	}
	if err := checkKeyID(creator); err != nil {
		return nil, fmt.Errorf("sign document: %w", err)
	}
	s := linkedSignature{
		Type: linkedType, Creator: creator,
		Created: created.UTC().Format(time.RFC3339),
		Expires: created.Add(documentLifetime).UTC().Format(time.RFC3339),
	}
	digest, keep, err := documentDigest(object, false)
	if err != nil {
		return nil, fmt.Errorf("sign document: %w", err)
	}
	keep() // what we write ourselves comes again
	signed := sha256.Sum256([]byte(s.digest() + digest))
	value, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, signed[:])
	if err != nil {
		return nil, fmt.Errorf("sign document: %w", err)
	}
	s.SignatureValue = base64.StdEncoding.EncodeToString(value)
	member, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("sign document: %w", err)
	}
	return appendMember(doc, len(object) > 0, "signature", member), nil
}

// VerifyLD checks the RsaSignature2017 of a document. Before any cryptography
// the document must be one that means the same as JSON and as JSON-LD, with
// every entry covered by the signature; see ErrUnsafeDocument. The key is
// asked for only then, and once more, fresh, if the signature does not fit.
// No context is ever fetched.
//
// What servers commonly sign costs one to two tenths of a millisecond, RSA
// included, and half a millisecond more when its @context is a new one. A
// document of that size that is out of the ordinary costs one to one and a half
// milliseconds; see fastHash.
//
// ref: FEP-ae0c; federation threats A15 to A17
func VerifyLD(ctx context.Context, doc []byte, keys KeyFunc, now time.Time) (LDVerified, error) {
	return verifyLinked(ctx, doc, keys, now, false)
}

// VerifyUsualLD is VerifyLD for what servers commonly sign. For a document that
// needs the general JSON-LD processor, which may take a tenth of a second, it
// returns ErrUnusual before the key is asked for.
func VerifyUsualLD(ctx context.Context, doc []byte, keys KeyFunc, now time.Time) (LDVerified, error) {
	return verifyLinked(ctx, doc, keys, now, true)
}

func verifyLinked(ctx context.Context, doc []byte, keys KeyFunc, now time.Time, usual bool) (LDVerified, error) {
	object, err := decodeDocument(doc)
	if err != nil {
		return LDVerified{}, err
	}
	s, err := readLinked(object)
	if err != nil {
		return LDVerified{}, err
	}
	created, until, err := s.times(now)
	if err != nil {
		return LDVerified{}, err
	}
	value, err := base64.StdEncoding.Strict().DecodeString(s.SignatureValue)
	if err != nil {
		return LDVerified{}, fmt.Errorf("signatureValue: %w", ErrMalformed)
	}
	delete(object, "signature")
	digest, keep, err := documentDigest(object, usual)
	if err != nil {
		return LDVerified{}, err
	}
	signed := []byte(s.digest() + digest)
	key, err := tryKeys(ctx, s.Creator, keys, func(public crypto.PublicKey) error {
		if _, ok := public.(*rsa.PublicKey); !ok {
			return fmt.Errorf("%s with a key that is not RSA: %w", linkedType, ErrWeakKey)
		}
		return checkArithmetic(public, signed, value)
	})
	if err != nil {
		return LDVerified{}, err
	}
	keep()
	return LDVerified{KeyID: s.Creator, Owner: key.Owner, SignatureValue: s.SignatureValue, Created: created, Until: until}, nil
}

// linkedSignature is the "signature" object, in the order in which it is
// written.
type linkedSignature struct {
	Type           string `json:"type"`
	Creator        string `json:"creator"`
	Created        string `json:"created"`
	Expires        string `json:"expires,omitempty"`
	Domain         string `json:"domain,omitempty"`
	Nonce          string `json:"nonce,omitempty"`
	SignatureValue string `json:"signatureValue"`
}

// readLinked takes the signature object apart. Only entries whose meaning is
// known, and covered or irrelevant, are let through.
func readLinked(object map[string]any) (*linkedSignature, error) {
	raw, ok := object["signature"]
	if !ok {
		return nil, fmt.Errorf("document: %w", ErrNoSignature)
	}
	if _, ok := object["proof"]; ok {
		return nil, refuse("proof and signature together")
	}
	return linkedOf(raw)
}

// linkedOf reads the signature object itself.
func linkedOf(raw any) (*linkedSignature, error) {
	m, ok := raw.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("document signature is not an object: %w", ErrMalformed)
	}
	s := &linkedSignature{}
	fields := map[string]*string{
		"type": &s.Type, "creator": &s.Creator, "created": &s.Created, "expires": &s.Expires,
		"domain": &s.Domain, "nonce": &s.Nonce, "signatureValue": &s.SignatureValue,
	}
	for k, v := range m {
		if k == "@context" || k == "id" {
			continue // replaced, and left out, by signer and verifier alike
		}
		field, known := fields[k]
		text, ok := v.(string)
		if !known || !ok || !plainText(text) {
			return nil, fmt.Errorf("document signature: entry %.80q: %w", k, ErrMalformed)
		}
		*field = text
	}
	if s.Type != linkedType {
		return nil, fmt.Errorf("document signature of type %.80q: %w", s.Type, ErrMalformed)
	}
	if s.SignatureValue == "" {
		return nil, fmt.Errorf("document signature without a value: %w", ErrMalformed)
	}
	return s, checkKeyID(s.Creator)
}

// plainText admits what needs no escaping in N-Quads.
func plainText(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != "" && len(s) <= 4096
}

// times reads created and expires and holds them against now.
func (s *linkedSignature) times(now time.Time) (created, until time.Time, err error) {
	return documentTimes(s.Created, s.Expires, now)
}

// digest hashes the signature's own options. Their canonical form under the
// identity context is short enough to write down: one anonymous node, its
// statements sorted.
//
// ref: https://w3id.org/identity/v1
func (s *linkedSignature) digest() string {
	var b strings.Builder
	statement := func(predicate, object string) {
		b.WriteString("_:c14n0 <" + predicate + "> " + object + " .\n")
	}
	statement(nsDC+"created", `"`+s.Created+`"^^<`+nsXSD+`dateTime>`)
	statement(nsDC+"creator", "<"+s.Creator+">")
	if s.Domain != "" {
		statement(nsSec+"domain", `"`+s.Domain+`"`)
	}
	if s.Expires != "" {
		statement(nsSec+"expiration", `"`+s.Expires+`"^^<`+nsXSD+`dateTime>`)
	}
	if s.Nonce != "" {
		statement(nsSec+"nonce", `"`+s.Nonce+`"`)
	}
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:])
}

// documentDigest checks an unsigned document and hashes its canonical form. It
// removes @context from the object.
func documentDigest(object map[string]any, usual bool) (digest string, keep func(), err error) {
	raw, ok := object["@context"]
	if !ok {
		return "", nil, refuse("document without @context")
	}
	v, keep, err := parseVocabulary(raw)
	if err != nil {
		return "", nil, err
	}
	delete(object, "@context")
	if _, ok := object["type"]; !ok {
		return "", nil, refuse("document without a type")
	}
	w := &walker{vocabulary: v}
	if err := w.object(object, false); err != nil {
		return "", nil, err
	}
	sum, lines, ok := fastHash(v, object)
	if !ok {
		if usual {
			return "", nil, fmt.Errorf("%w: %w", ErrUnusual, ErrUnsafeDocument)
		}
		if sum, lines, err = generalHash(v, object); err != nil {
			return "", nil, err
		}
	}
	if lines != w.statements {
		return "", nil, refuse("%d entries make %d statements", w.statements, lines)
	}
	return hex.EncodeToString(sum[:]), keep, nil
}

// generalHash is canonicalHash, its panics caught.
func generalHash(v *vocabulary, object map[string]any) (sum [sha256.Size]byte, lines int, err error) {
	h, err := guarded(func() (*statementHash, error) { return canonicalHash(v, object) })
	if err != nil {
		return sum, 0, err
	}
	h.hash.Sum(sum[:0])
	return sum, h.lines, nil
}

// canonicalHash is the general way, and decides what the canonical form is: it
// expands a document, turns it into statements, labels the anonymous nodes by
// URDNA2015 and hashes the sorted statements.
func canonicalHash(v *vocabulary, object map[string]any) (*statementHash, error) {
	options := processorOptions()
	api := ld.NewJsonLdApi()
	expanded, err := api.Expand(v.active, "", object, options, false, nil)
	if err != nil {
		return nil, fmt.Errorf("expand: %w", err)
	}
	statements, err := api.ToRDF([]any{expanded}, options)
	if err != nil {
		return nil, fmt.Errorf("to statements: %w", err)
	}
	if len(statements.Graphs) != 1 {
		return nil, errors.New("more than one graph")
	}
	labelled := ld.NewNormalisationAlgorithm(ld.AlgorithmURDNA2015)
	labelled.Normalize(statements)
	sorted := &ld.RDFDataset{Graphs: map[string][]*ld.Quad{"@default": labelled.Quads()}}
	sum := &statementHash{hash: sha256.New()}
	return sum, (&ld.NQuadRDFSerializer{}).SerializeTo(sum, sorted)
}

// statementHash hashes lines and counts the different ones. The serialiser
// writes one statement at a time, sorted.
type statementHash struct {
	hash  hash.Hash
	lines int
	last  string
}

func (s *statementHash) Write(line []byte) (int, error) {
	if text := string(line); text != s.last || s.lines == 0 {
		s.lines++
		s.last = text
	}
	return s.hash.Write(line)
}
