package sig

import (
	"context"
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
