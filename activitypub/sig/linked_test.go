package sig

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// samples are unsigned documents in the shape that Mastodon and Misskey give
// them, by name.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/linked/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	docs := make(map[string][]byte, len(paths))
	for _, p := range paths {
		doc, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		docs[strings.TrimSuffix(filepath.Base(p), ".json")] = doc
	}
	return docs
}

func signLD(t testing.TB, doc []byte) []byte {
	t.Helper()
	signed, err := SignLD(doc, aliceKey, alice(), testNow)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func verifyLD(doc []byte) (LDVerified, error) {
	return VerifyLD(context.Background(), doc, aliceKeys(), testNow.Add(time.Minute))
}

func TestSignedDocumentsAreVerified(t *testing.T) {
	for name, doc := range samples(t) {
		t.Run(name, func(t *testing.T) {
			signed := signLD(t, doc)
			if !bytes.HasPrefix(signed, bytes.TrimRight(bytes.TrimRight(doc, " \n}"), " \n")) {
				t.Error("signing changed the document")
			}
			v, err := verifyLD(signed)
			if err != nil {
				t.Fatal(err)
			}
			if v.KeyID != aliceKey || v.Owner != aliceID || !v.Created.Equal(testNow) || !v.Until.Equal(testNow.Add(48*time.Hour)) {
				t.Errorf("got %+v", v)
			}
			if !bytes.Contains(signed, []byte(v.SignatureValue)) {
				t.Error("signature value is not the one in the document")
			}
			if _, err := SignLD(signed, aliceKey, alice(), testNow); !errors.Is(err, ErrUnsafeDocument) {
				t.Errorf("signing twice: %v", err)
			}
		})
	}
}

// TestIndependentVector computes what is signed by hand.
//
// ref: observed Mastodon 4.5: the digest of the options, then of the document,
// both in hexadecimal, are what RSA signs
func TestIndependentVector(t *testing.T) {
	const doc = `{"@context":"https://www.w3.org/ns/activitystreams","id":"https://a.example/1","type":"Like",` +
		`"actor":"https://a.example/u","published":"2026-11-23T12:00:00Z","object":{"type":"Note","content":"a \"b\"\n"}}`
	statements := strings.Join([]string{
		`<https://a.example/1> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <https://www.w3.org/ns/activitystreams#Like> .`,
		`<https://a.example/1> <https://www.w3.org/ns/activitystreams#actor> <https://a.example/u> .`,
		`<https://a.example/1> <https://www.w3.org/ns/activitystreams#object> _:c14n0 .`,
		`<https://a.example/1> <https://www.w3.org/ns/activitystreams#published> "2026-11-23T12:00:00Z"^^<http://www.w3.org/2001/XMLSchema#dateTime> .`,
		`_:c14n0 <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <https://www.w3.org/ns/activitystreams#Note> .`,
		`_:c14n0 <https://www.w3.org/ns/activitystreams#content> "a \"b\"\n" .`, "",
	}, "\n")
	options := strings.Join([]string{
		`_:c14n0 <http://purl.org/dc/terms/created> "2026-11-23T12:00:00Z"^^<http://www.w3.org/2001/XMLSchema#dateTime> .`,
		`_:c14n0 <http://purl.org/dc/terms/creator> <` + aliceKey + `> .`,
		`_:c14n0 <https://w3id.org/security#nonce> "n1" .`, "",
	}, "\n")
	first, second := sha256.Sum256([]byte(options)), sha256.Sum256([]byte(statements))
	sum := sha256.Sum256([]byte(hex.EncodeToString(first[:]) + hex.EncodeToString(second[:])))
	value, err := rsa.SignPKCS1v15(rand.Reader, alice(), crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	signed := fmt.Sprintf(`%s,"signature":{"@context":"https://w3id.org/identity/v1","type":"RsaSignature2017","nonce":"n1","creator":%q,"created":"2026-11-23T12:00:00Z","signatureValue":%q}}`,
		strings.TrimSuffix(doc, "}"), aliceKey, base64.StdEncoding.EncodeToString(value))
	v, err := verifyLD([]byte(signed))
	if err != nil {
		t.Fatal(err)
	}
	if !v.Until.Equal(testNow.Add(48 * time.Hour)) {
		t.Errorf("without an expiry it lasts until %s", v.Until)
	}
}

// TestTampering changes every single value of a signed document.
func TestTampering(t *testing.T) {
	for _, name := range []string{"mastodon-create", "mastodon-update-person", "misskey-create"} {
		signed := signLD(t, samples(t)[name])
		var paths [][]any
		var walk func(v any, path []any)
		walk = func(v any, path []any) {
			here := append([]any(nil), path...)
			switch v := v.(type) {
			case map[string]any:
				for k, inner := range v {
					if len(path) == 0 && k == "@context" {
						continue
					}
					walk(inner, append(here, k))
				}
			case []any:
				for i, inner := range v {
					walk(inner, append(here, i))
				}
			case nil:
			default:
				paths = append(paths, here)
			}
		}
		walk(decoded(t, signed), nil)
		if len(paths) < 20 {
			t.Fatalf("%s has only %d values", name, len(paths))
		}
		for _, path := range paths {
			for what, change := range map[string]func(any) (any, bool){
				"changed": func(v any) (any, bool) {
					switch v := v.(type) {
					case string:
						return v + "x", true
					case bool:
						return !v, true
					case float64:
						return v + 1, true
					}
					return v, true
				},
				"removed": func(any) (any, bool) { return nil, false },
			} {
				tampered := edit(decoded(t, signed), path, change)
				doc, err := json.Marshal(tampered)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := verifyLD(doc); err == nil {
					t.Errorf("%s: %v %s, and still believed", name, path, what)
				}
			}
		}
	}
}

func decoded(t testing.TB, doc []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// edit applies change to the value at a path; if change says no, the value is
// taken out.
func edit(v any, path []any, change func(any) (any, bool)) any {
	switch container := v.(type) {
	case map[string]any:
		key := path[0].(string)
		if len(path) > 1 {
			container[key] = edit(container[key], path[1:], change)
		} else if next, keep := change(container[key]); keep {
			container[key] = next
		} else {
			delete(container, key)
		}
	case []any:
		i := path[0].(int)
		if len(path) > 1 {
			container[i] = edit(container[i], path[1:], change)
		} else if next, keep := change(container[i]); keep {
			container[i] = next
		} else {
			return append(container[:i:i], container[i+1:]...)
		}
	}
	return v
}

// context2 puts one more context after Activity Streams, and an entry into the
// note.
func context2(doc, address, entry string) string {
	doc = strings.Replace(doc, `"https://www.w3.org/ns/activitystreams",`, `"https://www.w3.org/ns/activitystreams","`+address+`",`, 1)
	return strings.Replace(doc, `"type": "Note",`, `"type": "Note",`+entry, 1)
}

// TestForgedMeaning is A15 to A17: documents whose canonical form may well be
// the signed one, but which say something else to a reader of JSON.
func TestForgedMeaning(t *testing.T) {
	signed := string(signLD(t, samples(t)["mastodon-create"]))
	context := func(add string) string { // one more entry of @context
		return strings.Replace(signed, `"@context": [`, `"@context": [`+add+`,`, 1)
	}
	lastContext := func(add string) string {
		return strings.Replace(signed, "\n ],\n \"id\"", ",\n "+add+"\n ],\n \"id\"", 1)
	}
	entry := func(add string) string {
		return strings.Replace(signed, `"type": "Create",`, `"type": "Create",`+add+`,`, 1)
	}
	inNote := func(add string) string {
		return strings.Replace(signed, `"type": "Note",`, `"type": "Note",`+add+`,`, 1)
	}
	for name, doc := range map[string]string{
		"unknown context":                 context(`"https://evil.example/context"`),
		"internal context":                context(`"http://127.0.0.1/context"`),
		"context of an odd type":          context(`7`),
		"context reset":                   context(`null`),
		"context imports":                 context(`{"@import":"https://evil.example/"}`),
		"vocabulary changed":              lastContext(`{"@vocab":"https://www.w3.org/ns/activitystreams#"}`),
		"language set":                    lastContext(`{"@language":"en"}`),
		"base set":                        lastContext(`{"@base":"https://evil.example/"}`),
		"content redefined":               lastContext(`{"content":"as:summary"}`),
		"content undefined":               lastContext(`{"content":null}`),
		"actor retyped":                   lastContext(`{"actor":{"@id":"as:actor"}}`),
		"content renamed":                 strings.Replace(lastContext(`{"text":"as:content"}`), `"content":`, `"text":`, 1),
		"content by its full name":        strings.Replace(signed, `"content":`, `"https://www.w3.org/ns/activitystreams#content":`, 1),
		"content by its prefix":           strings.Replace(signed, `"content":`, `"as:content":`, 1),
		"content by a new prefix":         strings.Replace(lastContext(`{"p":"https://www.w3.org/ns/activitystreams#"}`), `"content":`, `"p:content":`, 1),
		"sensitive renamed":               strings.Replace(lastContext(`{"harmless":"as:sensitive"}`), `"sensitive": `, `"harmless": `, 1),
		"sensitive as a typed string":     strings.Replace(lastContext(`{"sensitive":{"@id":"as:sensitive","@type":"xsd:boolean"}}`), `"sensitive": false`, `"sensitive": "false"`, 1),
		"quote renamed":                   strings.Replace(lastContext(`{"q":"http://fedibird.com/ns#quoteUri"}`), `"type": "Note",`, `"type": "Note","q":"https://b.example/1",`, 1),
		"type by its full name":           strings.Replace(signed, `"type": "Note"`, `"type": "as:Note"`, 1),
		"type renamed":                    strings.Replace(lastContext(`{"N":"as:Note"}`), `"type": "Note"`, `"type": "N"`, 1),
		"keyword alias":                   strings.Replace(lastContext(`{"ref":"@id"}`), `"object": {`+"\n  \"id\":", `"object": {`+"\n  \"ref\":", 1),
		"keyword itself":                  strings.Replace(signed, `"object": {`+"\n  \"id\":", `"object": {`+"\n  \"@id\":", 1),
		"value object":                    strings.Replace(signed, `"name": "#x"`, `"name": {"@value":"#x"}`, 1),
		"reverse in the context":          lastContext(`{"partOfX":{"@reverse":"as:object"}}`),
		"nest in the context":             lastContext(`{"n":"@nest"}`),
		"graph":                           entry(`"@graph":[]`),
		"included":                        entry(`"@included":[]`),
		"reverse":                         entry(`"@reverse":{}`),
		"graph of everything":             `{"@context":"https://www.w3.org/ns/activitystreams","@graph":[` + signed + `],"signature":` + signed[strings.Index(signed, `"signature":`)+12:],
		"nested context":                  inNote(`"@context":{"content":"as:summary"}`),
		"blank node id":                   inNote(`"generator":{"id":"_:b0"}`),
		"blank node reference":            inNote(`"generator":"_:b0"`),
		"blank node key":                  inNote(`"_:x":"y"`),
		"nobody may search":               inNote(`"searchableBy":[]`),
		"nobody may search, defined":      strings.Replace(lastContext(`{"searchableBy":{"@id":"http://fedibird.com/ns#searchableBy","@type":"@id"}}`), `"type": "Note",`, `"type": "Note","searchableBy":[],`, 1),
		"undefined entry":                 inNote(`"rating":5`),
		"undefined type":                  strings.Replace(signed, `"type": "Note"`, `"type": ["Note","Rating"]`, 1),
		"relative address":                strings.Replace(signed, `"cc": [`, `"cc": ["followers",`, 1),
		"bare Public":                     strings.Replace(signed, `"cc": [`, `"cc": ["Public",`, 1),
		"entry twice in one list":         strings.Replace(signed, `"cc": [`, `"cc": ["`+aliceID+`/followers",`, 1),
		"null in a list":                  strings.Replace(signed, `"cc": [`, `"cc": [null,`, 1),
		"duplicate key":                   inNote(`"content":"other"`),
		"attachment removed":              strings.Replace(signed, `"attachment"`, `"rating"`, 1),
		"language without text":           strings.Replace(signed, `"zh-CN": `, `"en":null,"zh-CN": `, 1),
		"no language":                     strings.Replace(signed, `"zh-CN": `, `"@none": `, 1),
		"type by its name in RDF":         strings.Replace(strings.Replace(signed, `"type": "Note"`, `"rdf:type":{"id":"https://www.w3.org/ns/activitystreams#Note"}`, 1), `"toot":`, `"rdf":"http://www.w3.org/1999/02/22-rdf-syntax-ns#","toot":`, 1),
		"two addresses in one":            strings.Replace(signed, `"cc": [`, `"cc": ["x:/a> <x:/b",`, 1),
		"quotation mark in an address":    strings.Replace(signed, `"cc": [`, `"cc": ["https://b.example/\"",`, 1),
		"space in a type":                 strings.Replace(signed, `"type": "Note"`, `"type": ["Note","a://b c"]`, 1),
		"hidden term":                     context2(signed, contextIntegrityV1, `"proof":"https://b.example/1",`),
		"hidden type":                     context2(signed, contextMultikey, `"generator":{"type":"Multikey"},`),
		"hidden property":                 context2(signed, contextDID, `"service":{"serviceEndpoint":"https://b.example/1"},`),
		"protected term redefined":        strings.Replace(context2(signed, contextDID, ""), `"toot":`, `"controller":"https://b.example/ns#controller","toot":`, 1),
		"hidden term redefined":           strings.Replace(context2(signed, contextMultikey, ""), `"toot":`, `"Multikey":"https://w3id.org/security#Multikey","toot":`, 1),
		"identity after Activity Streams": context2(signed, contextIdentity, ""),
		"proof beside it":                 entry(`"proof":{"type":"DataIntegrityProof"}`),
		"bytes after it":                  signed + "{}",
		"invalid UTF-8":                   strings.Replace(signed, "alt", "al\xff", 1),
		"number beyond exactness":         strings.Replace(signed, `"width": 640`, `"width": 6400000000000000000000`, 1),
		"signature in a list":             strings.Replace(strings.TrimSuffix(signed, "}"), `"signature":{`, `"signature":[{`, 1) + "]}",
		"signature with an unknown entry": strings.Replace(signed, `"creator":`, `"proofPurpose":"x","creator":`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			if doc == signed {
				t.Fatal("the test changed nothing")
			}
			if _, err := verifyLD([]byte(doc)); !errors.Is(err, ErrUnsafeDocument) && !errors.Is(err, ErrUnknownContext) && !errors.Is(err, ErrMalformed) {
				t.Fatalf("got %v", err)
			}
		})
	}
	// What changes nothing for anyone is let be.
	for name, doc := range map[string]string{
		"the same definition again": lastContext(`{"sensitive":"as:sensitive","published":{"@id":"as:published","@type":"xsd:dateTime"}}`),
		"an empty list of tags":     entry(`"tag":[]`),
		"no summary":                entry(`"summary":null`),
		"contexts of proofs":        context2(context2(context2(context2(signed, contextDID, ""), contextMultikey, ""), contextIntegrityV1, ""), contextIntegrityV2, ""),
		"a context of policies":     context2(signed, contextGoToSocial, ""),
		"a prefix in the address":   strings.ReplaceAll(signed, "https://www.w3.org/ns/activitystreams#Public", "as:Public"),
	} {
		if _, err := verifyLD([]byte(doc)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSignatureTimes(t *testing.T) {
	doc := samples(t)["mastodon-announce"]
	for _, tc := range []struct {
		name    string
		created time.Duration // from now
		want    error
	}{
		{"fresh", 0, nil},
		{"a clock half an hour ahead", 30 * time.Minute, nil},
		{"a day old", -24 * time.Hour, nil},
		{"three days old", -72 * time.Hour, ErrExpired},
		{"from the future", 2 * time.Hour, ErrExpired},
	} {
		signed, err := SignLD(doc, aliceKey, alice(), testNow.Add(tc.created))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := VerifyLD(context.Background(), signed, aliceKeys(), testNow); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.name, err, tc.want)
		}
	}
	// An expiry is covered: taking it away does not help.
	signed, err := SignLD(doc, aliceKey, alice(), testNow)
	if err != nil {
		t.Fatal(err)
	}
	v := decoded(t, signed)
	delete(v["signature"].(map[string]any), "expires")
	without, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verifyLD(without); !errors.Is(err, ErrBadSignature) {
		t.Errorf("without its expiry: %v", err)
	}
}

func TestDocumentKeys(t *testing.T) {
	signed := signLD(t, samples(t)["mastodon-announce"])
	for name, tc := range map[string]struct {
		key  Key
		want error
	}{
		"another's key":   {Key{Owner: aliceID, Public: &bob().PublicKey}, ErrBadSignature},
		"owner elsewhere": {Key{Owner: "https://evil.example/u", Public: &alice().PublicKey}, ErrOwner},
		"not RSA":         {Key{Owner: aliceID, Public: make(ed25519.PublicKey, 32)}, ErrWeakKey},
	} {
		if _, err := VerifyLD(context.Background(), signed, keysOf(tc.key, nil), testNow); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", name, err, tc.want)
		}
	}
	if _, err := verifyLD([]byte(`{"@context":"https://www.w3.org/ns/activitystreams","type":"Like"}`)); !errors.Is(err, ErrNoSignature) {
		t.Errorf("unsigned: %v", err)
	}
}

// TestUnsafeDocumentsAreCheap: canonicalising can take exponential time, so
// what would is refused, and what is let through stays quick.
func TestUnsafeDocumentsAreCheap(t *testing.T) {
	wrap := func(object string) []byte {
		return []byte(`{"@context":["https://www.w3.org/ns/activitystreams",` + manyTerms(200) + `],"id":"https://a.example/1","type":"Create","actor":"https://a.example/u","object":` + object +
			`,"signature":{"type":"RsaSignature2017","creator":"` + aliceKey + `","created":"2026-11-23T12:00:00Z","signatureValue":"c2ln"}}`)
	}
	var broom strings.Builder
	for i := range 30 {
		fmt.Fprintf(&broom, `,"p%d":{"type":"Note"}`, i)
	}
	deep := strings.Repeat(`{"type":"Note","tag":`, 30) + `{"type":"Note"}` + strings.Repeat("}", 30)
	for name, doc := range map[string][]byte{
		"twins":             wrap(`{"type":"Note","tag":[` + strings.Repeat(`{"type":"Note"},`, 11) + `{"type":"Note"}]}`),
		"two brooms":        wrap(`[{"type":"Note"` + broom.String() + `},{"type":"Note"` + broom.String() + `}]`),
		"many tags":         wrap(`[` + strings.Repeat(`{"type":"Note"},`, 499) + `{"type":"Note"}]`),
		"three chains":      wrap(`[` + deep + `,` + deep + `,` + deep + `]`),
		"long list":         wrap(`{"type":"Note","orderedItems":["https://a.example/` + strings.Repeat(`1","https://a.example/`, 50) + `1"]}`),
		"list of one thing": wrap(`{"id":"https://a.example/2","orderedItems":[` + strings.Repeat(`"https://a.example/3",`, 60) + `"https://a.example/3"]}`),
		"many values":       wrap(`[` + strings.Repeat(`"https://a.example/2",`, 6000) + `"https://a.example/2"]`),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := verifyLD(doc)
			if err == nil {
				t.Fatal("accepted")
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %s", took)
			} else {
				t.Logf("%v after %s", err, took)
			}
		})
	}
}

// manyTerms defines p0 to pN as addresses.
func manyTerms(n int) string {
	terms := make(map[string]any, n)
	for i := range n {
		terms[fmt.Sprintf("p%d", i)] = map[string]string{"@id": fmt.Sprintf("https://a.example/ns#p%d", i), "@type": "@id"}
	}
	text, err := json.Marshal(terms)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// TestHosts: the JSON-LD library drops statements about addresses that it does
// not like, which would make the document unprovable.
func TestHosts(t *testing.T) {
	for _, origin := range []string{
		"https://a.example", "https://a-b.c-d.example:8443", "http://127.0.0.1:8080", "http://localhost:3000",
		"https://xn--bcher-kva.example", "https://münchen.example", "https://1.example", "https://very.long.name.of.a.host.example",
	} {
		doc := []byte(`{"@context":"https://www.w3.org/ns/activitystreams","id":"` + origin + `/1","type":"Like","actor":"` + origin + `/u/@a?b=c&d=(e)%20#f","object":"` + origin + `/2"}`)
		if _, err := SignLD(doc, aliceKey, alice(), testNow); err != nil {
			t.Errorf("%s: %v", origin, err)
		}
	}
}

// TestConcurrentVerification shares one parsed context between goroutines.
func TestConcurrentVerification(t *testing.T) {
	signed := signLD(t, samples(t)["misskey-create"])
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				if _, err := verifyLD(signed); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// FuzzVerifyLD: nothing panics, every refusal has a reason, and nothing is
// accepted that was not signed.
func FuzzVerifyLD(f *testing.F) {
	for _, doc := range samples(f) {
		f.Add(append(bytes.TrimSuffix(bytes.TrimSpace(doc), []byte("}")),
			`,"signature":{"type":"RsaSignature2017","creator":"`+aliceKey+`","created":"2026-11-23T12:00:00Z","signatureValue":"c2ln"}}`...))
	}
	f.Add([]byte(`{"@context":["https://www.w3.org/ns/activitystreams",{"a":"@id"}],"signature":{}}`))
	// The test knows one key: another creator is refused as another owner.
	reasons := []error{ErrNoSignature, ErrMalformed, ErrUnknownContext, ErrUnsafeDocument, ErrExpired, ErrBadSignature, ErrOwner}
	f.Fuzz(func(t *testing.T, doc []byte) {
		_, err := verifyLD(doc)
		for _, r := range reasons {
			if errors.Is(err, r) {
				return
			}
		}
		t.Fatalf("got %v", err)
	})
}
