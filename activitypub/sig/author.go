package sig

import (
	"crypto/ed25519"
	"crypto/rsa"
	"time"
)

// Author signs the documents of one actor. It is safe for concurrent use.
type Author struct {
	// KeyID is the id of the RSA key, AssertionID that of the Ed25519 key
	// among the actor's assertionMethods.
	KeyID, AssertionID string
	// Private and Assertion are the keys; see AssertionKey.
	Private   *rsa.PrivateKey
	Assertion ed25519.PrivateKey
}

// SignLD adds a Linked Data signature; see the function of that name.
func (a *Author) SignLD(doc []byte, now time.Time) ([]byte, error) {
	return SignLD(doc, a.KeyID, a.Private, now)
}

// Prove adds an integrity proof; see SignProof.
func (a *Author) Prove(doc []byte, now time.Time) ([]byte, error) {
	return SignProof(doc, a.AssertionID, a.Assertion, now)
}
