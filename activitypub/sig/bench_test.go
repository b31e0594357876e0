package sig

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"net/http"
	"testing"
)

var benchBody = []byte(`{"@context":"https://www.w3.org/ns/activitystreams","type":"Create","actor":"` + aliceID + `"}`)

func BenchmarkSign(b *testing.B) {
	signer := &Signer{KeyID: aliceKey, Private: alice()}
	r := sent("POST", testInbox, benchBody)
	for b.Loop() {
		if err := signer.Sign(r, benchBody, testNow); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyMessage is the check of an RFC 9421 signature, by the two
// algorithms that servers use.
func BenchmarkVerifyMessage(b *testing.B) {
	b.Run("rsa", func(b *testing.B) {
		r := sent("POST", testInbox, benchBody)
		if err := (&Signer{KeyID: aliceKey, Private: alice()}).SignMessage(r, benchBody, testNow); err != nil {
			b.Fatal(err)
		}
		keys := aliceKeys()
		for b.Loop() {
			if _, err := VerifyRequest(context.Background(), r, benchBody, keys, testOptions()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ed25519", func(b *testing.B) {
		private, err := AssertionKey(alice())
		if err != nil {
			b.Fatal(err)
		}
		r := sent("POST", testInbox, benchBody)
		sum := sha256.Sum256(benchBody)
		r.Header.Set("Content-Digest", "sha-256=:"+encode64(sum[:])+":")
		params := fmt.Sprintf(messageInput, testNow.Unix())
		s, err := readMessageSignature(http.Header{"Signature-Input": {"sig1=" + params}, "Signature": {"sig1=:AAAA:"}})
		if err != nil {
			b.Fatal(err)
		}
		base, err := (&httpMessage{request: r, signature: s, scheme: "https"}).base()
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Signature-Input", "sig1="+params)
		r.Header.Set("Signature", "sig1=:"+encode64(ed25519.Sign(private, base))+":")
		keys := keysOf(Key{ID: aliceKey, Owner: aliceID, Public: private.Public()}, nil)
		for b.Loop() {
			if _, err := VerifyRequest(context.Background(), r, benchBody, keys, testOptions()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkVerifyProof is the check of an integrity proof on a Mastodon Create.
func BenchmarkVerifyProof(b *testing.B) {
	_, private := vectorKey(b)
	signed, err := SignProof(samples(b)["mastodon-create"], vectorMethod, private, vectorTime)
	if err != nil {
		b.Fatal(err)
	}
	keys := vectorKeys(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := VerifyProof(context.Background(), signed, keys, vectorTime); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyRSA is the arithmetic that every stage above contains.
func BenchmarkVerifyRSA(b *testing.B) {
	sum := sha256.Sum256(benchBody)
	signature, err := rsa.SignPKCS1v15(rand.Reader, alice(), crypto.SHA256, sum[:])
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := checkArithmetic(&alice().PublicKey, benchBody, signature); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyRequest(b *testing.B) {
	r := sent("POST", testInbox, benchBody)
	if err := (&Signer{KeyID: aliceKey, Private: alice()}).Sign(r, benchBody, testNow); err != nil {
		b.Fatal(err)
	}
	keys := aliceKeys()
	for b.Loop() {
		if _, err := VerifyRequest(context.Background(), r, benchBody, keys, testOptions()); err != nil {
			b.Fatal(err)
		}
	}
}
