package sig

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hark/activitypub"
)

// The key pair of the test vectors of FEP-8b32 and of the W3C's suite.
const (
	vectorPublic = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
	vectorSecret = "z3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq"
	vectorMethod = "https://server.example/users/alice#ed25519-key"
	vectorOwner  = "https://server.example/users/alice"
)

var vectorTime = time.Date(2023, 2, 24, 23, 36, 38, 0, time.UTC)

// proofVector is the signed document of fep-8b32.feature.
const proofVector = `{
  "@context": ["https://www.w3.org/ns/activitystreams", "https://w3id.org/security/data-integrity/v1"],
  "id": "https://server.example/activities/1",
  "type": "Create",
  "actor": "https://server.example/users/alice",
  "object": {
    "id": "https://server.example/objects/1", "type": "Note", "attributedTo": "https://server.example/users/alice",
    "content": "Hello world", "location": {"type": "Place", "longitude": -71.184902, "latitude": 25.273962}
  },
  "proof": {
    "@context": ["https://www.w3.org/ns/activitystreams", "https://w3id.org/security/data-integrity/v1"],
    "type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022",
    "verificationMethod": "https://server.example/users/alice#ed25519-key", "proofPurpose": "assertionMethod",
    "proofValue": "zLaewdp4H9kqtwyrLatK4cjY5oRHwVcw4gibPSUDYDMhi4M49v8pcYk3ZB6D69dNpAPbUmY8ocuJ3m9KhKJEEg7z",
    "created": "2023-02-24T23:36:38Z"
  }
}`

// olderVector has no context in its proof, as FEP-8b32 showed it at first.
const olderVector = `{"@context":["https://www.w3.org/ns/activitystreams","https://w3id.org/security/data-integrity/v1"],
 "type":"Create","actor":"https://server.example/users/alice","object":{"type":"Note","content":"Hello world"},
 "proof":{"type":"DataIntegrityProof","cryptosuite":"eddsa-jcs-2022","verificationMethod":"https://server.example/users/alice#ed25519-key",
 "proofPurpose":"assertionMethod","proofValue":"z3sXaxjKs4M3BRicwWA9peyNPJvJqxtGsDmpt1jjoHCjgeUf71TRFz56osPSfDErszyLp5Ks1EhYSgpDaNM977Rg2","created":"2023-02-24T23:36:38Z"}}`

func vectorKey(t testing.TB) (ed25519.PublicKey, ed25519.PrivateKey) {
	t.Helper()
	public, err := ParseMultikey(vectorPublic)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := decodeMultibase(vectorSecret)
	if err != nil {
		t.Fatal(err)
	}
	private := ed25519.NewKeyFromSeed(secret[2:]) // two bytes of multicodec
	if !private.Public().(ed25519.PublicKey).Equal(public) {
		t.Fatal("the two halves of the key do not fit")
	}
	return public, private
}

func vectorKeys(t testing.TB, change func(*Key)) KeyFunc {
	public, _ := vectorKey(t)
	k := Key{ID: vectorMethod, Owner: vectorOwner, Public: public, Assertion: true}
	if change != nil {
		change(&k)
	}
	return keysOf(k, nil)
}

func TestProofVectors(t *testing.T) {
	for name, doc := range map[string]string{"FEP-8b32": proofVector, "FEP-8b32, older": olderVector} {
		v, err := VerifyProof(context.Background(), []byte(doc), vectorKeys(t, nil), vectorTime)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if v.Owner != vectorOwner || v.KeyID != vectorMethod || !v.Created.Equal(vectorTime) || !v.Until.Equal(vectorTime.Add(48*time.Hour)) {
			t.Errorf("%s: %+v", name, v)
		}
	}
	// Ed25519 is deterministic: what we sign is what the document prints.
	var doc map[string]json.RawMessage
	if err := json.Unmarshal([]byte(proofVector), &doc); err != nil {
		t.Fatal(err)
	}
	want := doc["proof"]
	delete(doc, "proof")
	unsigned, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	_, private := vectorKey(t)
	signed, err := SignProof(unsigned, vectorMethod, private, vectorTime)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(signed, unsigned[:len(unsigned)-1]) {
		t.Error("the document itself was changed")
	}
	if err := json.Unmarshal(signed, &doc); err != nil {
		t.Fatal(err)
	}
	var got, wanted any
	if json.Unmarshal(doc["proof"], &got) != nil || json.Unmarshal(want, &wanted) != nil {
		t.Fatal("no JSON")
	}
	if d := cmp.Diff(wanted, got); d != "" {
		t.Error(d)
	}
}

// TestProofWithoutContext: Fedify signs the options with the document's
// context and sends the proof without.
func TestProofWithoutContext(t *testing.T) {
	const doc = `{"@context":"https://www.w3.org/ns/activitystreams","id":"https://server.example/a/1","type":"Like","actor":"https://server.example/users/alice"}`
	_, private := vectorKey(t)
	signed, err := SignProof([]byte(doc), vectorMethod, private, vectorTime)
	if err != nil {
		t.Fatal(err)
	}
	without := strings.Replace(string(signed), `"proof":{"@context":"https://www.w3.org/ns/activitystreams",`, `"proof":{`, 1)
	if without == string(signed) {
		t.Fatalf("no context in %s", signed)
	}
	if _, err := VerifyProof(context.Background(), []byte(without), vectorKeys(t, nil), vectorTime); err != nil {
		t.Error(err)
	}
}

// TestProofAttacks (A16): none of these is proven.
func TestProofAttacks(t *testing.T) {
	replace := func(pairs ...string) string {
		out := strings.NewReplacer(pairs...).Replace(proofVector)
		if out == proofVector {
			t.Fatalf("%q changes nothing", pairs)
		}
		return out
	}
	another, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	at := vectorTime
	for _, tt := range []struct {
		name string
		doc  string
		key  func(*Key)
		now  time.Time
		want error
	}{
		{"another text", replace("Hello world", "Hello World"), nil, at, ErrBadSignature},
		{"another author", replace(`"actor": "https://server.example/users/alice"`, `"actor": "https://server.example/users/mallory"`), nil, at, ErrBadSignature},
		{"an entry added", replace(`"type": "Create"`, `"type": "Create", "searchableBy": []`), nil, at, ErrBadSignature},
		{"an entry removed", replace(`"id": "https://server.example/activities/1",`, ``), nil, at, ErrBadSignature},
		{"context substituted in both", replace("data-integrity/v1", "data-integrity/v2"), nil, at, ErrBadSignature},
		{"context substituted in the document", strings.Replace(proofVector, "data-integrity/v1", "data-integrity/v2", 1), nil, at, ErrUnsafeDocument},
		{"context added to the document", strings.Replace(proofVector, `data-integrity/v1"]`, `data-integrity/v1", {"content": "as:summary"}]`, 1), nil, at, ErrUnsafeDocument},
		{"wrong purpose", replace("assertionMethod", "authentication"), nil, at, ErrMalformed},
		{"no purpose", replace(`"proofPurpose": "assertionMethod",`, ``), nil, at, ErrMalformed},
		{"another type", replace("DataIntegrityProof", "Ed25519Signature2020"), nil, at, ErrUnsupportedScheme},
		{"another suite", replace("eddsa-jcs-2022", "eddsa-rdfc-2022"), nil, at, ErrUnsupportedScheme},
		{"another owner's method", proofVector, func(k *Key) { k.Owner = "https://elsewhere.example/users/bob" }, at, ErrOwner},
		{"not an assertion method", proofVector, func(k *Key) { k.Assertion = false }, at, ErrOwner},
		{"another key", proofVector, func(k *Key) { k.Public = another }, at, ErrBadSignature},
		{"an RSA key", proofVector, func(k *Key) { k.Public = &alice().PublicKey }, at, ErrWeakKey},
		{"a did:key", replace("https://server.example/users/alice#ed25519-key", "did:key:"+vectorPublic), nil, at, ErrMalformed},
		{"proof and signature together", replace(`"type": "Create"`, `"type": "Create", "signature": {"type": "RsaSignature2017"}`), nil, at, ErrUnsafeDocument},
		{"two proofs", replace(`"proof": {`, `"proof": [{}, {`, "\"created\": \"2023-02-24T23:36:38Z\"\n  }", "\"created\": \"2023-02-24T23:36:38Z\"\n  }]"), nil, at, ErrMalformed},
		{"proof is a text", replace(`"proof": {`, `"proof": "x", "other": {`), nil, at, ErrMalformed},
		{"no proof", replace(`"proof": {`, `"other": {`), nil, at, ErrNoSignature},
		{"expired", proofVector, nil, at.Add(49 * time.Hour), ErrExpired},
		{"expires", replace(`"proofPurpose"`, `"expires": "2023-02-24T23:40:00Z", "proofPurpose"`), nil, at.Add(time.Hour), ErrExpired},
		{"from the future", proofVector, nil, at.Add(-2 * time.Hour), ErrExpired},
		{"no time", replace(`,
    "created": "2023-02-24T23:36:38Z"`, ``), nil, at, ErrMalformed},
		{"a key twice", replace(`"type": "Create"`, `"type": "Create", "type": "Delete"`), nil, at, ErrUnsafeDocument},
		{"a number that readers round", replace(`-71.184902`, `90071992547409931`), nil, at, ErrUnsafeDocument},
		{"a lone surrogate", replace("Hello world", `Hello \ud800 world`), nil, at, ErrUnsafeDocument},
		{"a value that is too short", replace("zLaewdp4H9kqtwyrLatK4cjY5oRHwVcw4gibPSUDYDMhi4M49v8pcYk3ZB6D69dNpAPbUmY8ocuJ3m9KhKJEEg7z", "zLaewdp4"), nil, at, ErrMalformed},
		{"a value that is no base58", replace("zLaewdp4H9kq", "z0OIlwdp4H9kq"), nil, at, ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := VerifyProof(context.Background(), []byte(tt.doc), vectorKeys(t, tt.key), tt.now); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestMultikey(t *testing.T) {
	public, _ := vectorKey(t)
	if MarshalMultikey(public) != vectorPublic {
		t.Error(MarshalMultikey(public))
	}
	if k, err := ParseMultikey("u7QGwDY2Tjn93PVFWWq02piP1NE9_XRlg-c8-jhJiDqKBDw"); err != nil || !k.Equal(public) {
		t.Errorf("base64url: %v", err)
	}
	for _, bad := range []string{"", "z", "f00", "z6Mk", vectorPublic + "1", "z" + strings.Repeat("1", 500), "z11111111111111111111111111111111111", "u" + strings.Repeat("A", 46)} {
		if _, err := ParseMultikey(bad); !errors.Is(err, ErrWeakKey) {
			t.Errorf("%.60q: %v", bad, err)
		}
	}
	for _, b := range [][]byte{{}, {0}, {0, 0, 1}, {255}, bytes.Repeat([]byte{0xab}, 64)} {
		if got, err := decodeMultibase(encodeMultibase(b)); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%x became %x, %v", b, got, err)
		}
	}
}

// TestKeyOf: a key is its actor's only if the actor lists it as its own.
func TestKeyOf(t *testing.T) {
	doc := `{"id":"https://a.example/u","type":"Person","publicKey":{"id":"https://a.example/u#main-key","owner":"https://a.example/u","publicKeyPem":` + quotedPEM(t, alice()) + `},
	"assertionMethod":[{"id":"https://a.example/u#ed","type":"Multikey","controller":"https://a.example/u","publicKeyMultibase":"` + vectorPublic + `"},
	{"id":"https://a.example/u#theirs","type":"Multikey","controller":"https://a.example/v","publicKeyMultibase":"` + vectorPublic + `"},
	{"id":"https://a.example/u#weak","type":"Multikey","controller":"https://a.example/u","publicKeyMultibase":"zabc"},
	{"id":"https://a.example/u#main-key","type":"Multikey","controller":"https://a.example/u","publicKeyMultibase":"` + vectorPublic + `"}, "https://a.example/u#linked"]}`
	actor, err := activitypub.ParseActor([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]struct {
		err       error
		assertion bool
	}{
		"#main-key": {nil, false}, "#ed": {nil, true}, "#theirs": {ErrOwner, false},
		"#weak": {ErrWeakKey, false}, "#linked": {ErrOwner, false}, "#none": {ErrOwner, false},
	} {
		k, err := KeyOf(actor, "https://a.example/u"+id)
		if !errors.Is(err, want.err) || k.Assertion != want.assertion {
			t.Errorf("%s: %+v, %v", id, k, err)
		}
	}
	if key, err := activitypub.ParseKey([]byte(`{"id":"https://a.example/k","type":"Multikey","controller":"https://a.example/u","publicKeyMultibase":"zabc"}`)); err != nil || key.Owner != "https://a.example/u" {
		t.Errorf("%+v, %v", key, err)
	}
}

func TestAssertionKey(t *testing.T) {
	a, err := AssertionKey(alice())
	if err != nil {
		t.Fatal(err)
	}
	again, err := AssertionKey(alice())
	if err != nil || !a.Equal(again) {
		t.Error("the derived key changes")
	}
	b, err := AssertionKey(bob())
	if err != nil || a.Equal(b) {
		t.Error("two actors share a key")
	}
}

// FuzzVerifyProof: nothing makes the verifier panic, and nothing but the
// document that was signed is proven.
func FuzzVerifyProof(f *testing.F) {
	f.Add([]byte(proofVector))
	f.Add([]byte(olderVector))
	f.Add([]byte(`{"@context":[],"proof":{"type":"DataIntegrityProof"}}`))
	want, _, err := canonicalParts([]byte(proofVector))
	if err != nil {
		f.Fatal(err)
	}
	older, _, err := canonicalParts([]byte(olderVector))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if _, err := VerifyProof(context.Background(), doc, vectorKeys(t, nil), vectorTime); err != nil {
			return
		}
		got, _, err := canonicalParts(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range []map[string]any{got, want, older} {
			delete(o, "proof")
		}
		if !cmp.Equal(got, want) && !cmp.Equal(got, older) {
			t.Errorf("proven: %s", doc)
		}
	})
}

// FuzzParseMultikey: a key that is read is written back as the same key.
func FuzzParseMultikey(f *testing.F) {
	f.Add(vectorPublic)
	f.Add("u7QGwDY2Tjn93PVFWWq02piP1NE9_XRlg-c8-jhJiDqKBDw")
	f.Fuzz(func(t *testing.T, s string) {
		k, err := ParseMultikey(s)
		if err != nil {
			return
		}
		if again, err := ParseMultikey(MarshalMultikey(k)); err != nil || !again.Equal(k) {
			t.Errorf("%q: %v", s, err)
		}
	})
}

// quotedPEM is a public key in PEM as a JSON string.
func quotedPEM(t *testing.T, key *rsa.PrivateKey) string {
	t.Helper()
	text, err := PublicPEM(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestProofBesideSignature: what Fedify sends is proven by its proof, if the
// signature beside it is a signature and nothing more.
func TestProofBesideSignature(t *testing.T) {
	with := func(signature string) []byte {
		return []byte(strings.Replace(proofVector, `"type": "Create"`, `"signature": `+signature+`, "type": "Create"`, 1))
	}
	const good = `{"type":"RsaSignature2017","creator":"https://server.example/users/alice#main-key","created":"2023-02-24T23:36:38Z","signatureValue":"c2ln"}`
	if v, err := VerifyProofBeside(context.Background(), with(good), vectorKeys(t, nil), vectorTime); err != nil || v.Owner != vectorOwner {
		t.Errorf("%+v, %v", v, err)
	}
	for name, doc := range map[string][]byte{
		"without a signature":   []byte(proofVector),
		"a text":                with(`"x"`),
		"more in the signature": with(strings.Replace(good, `"type"`, `"content":"read me","type"`, 1)),
		"an object in it":       with(strings.Replace(good, `"c2ln"`, `{"a":"b"}`, 1)),
		"another type":          with(strings.Replace(good, "RsaSignature2017", "Note", 1)),
		"another text":          bytes.Replace(with(good), []byte("Hello world"), []byte("Hello World"), 1),
		"two signatures":        bytes.Replace(with(good), []byte(`"id": "https://server.example/activities/1"`), []byte(`"signature": {}`), 1),
	} {
		if _, err := VerifyProofBeside(context.Background(), doc, vectorKeys(t, nil), vectorTime); err == nil {
			t.Errorf("%s is proven", name)
		}
	}
}
