package neighbourhood

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// keyDocument is the little of an actor document that a key needs.
type keyDocument struct {
	ID        string `json:"id"`
	Inbox     string `json:"inbox"`
	PublicKey struct {
		ID    string `json:"id"`
		Owner string `json:"owner"`
		PEM   string `json:"publicKeyPem"`
	} `json:"publicKey"`
}

// knownKey is somebody's key.
type knownKey struct {
	key    *rsa.PublicKey
	owner  string
	inbox  string // of its owner
	cached bool   // it was not fetched just now
}

// maxKeys bounds what an instance remembers; it then forgets all of them.
const maxKeys = 10000

// minKeyBits is the weakest key that is believed.
const minKeyBits = 2048

// key fetches a key from its origin, once unless it must be fresh, and says
// whose it is.
func (in *Instance) key(ctx context.Context, keyID string, fresh bool) (knownKey, error) {
	in.mu.Lock()
	known, ok := in.keys[keyID]
	in.mu.Unlock()
	if ok && !fresh {
		known.cached = true
		return known, nil
	}
	known, err := in.fetchKey(ctx, keyID)
	if err != nil {
		return knownKey{}, fmt.Errorf("key %q: %w", keyID, err)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.keys) >= maxKeys {
		clear(in.keys)
	}
	in.keys[keyID] = known
	return known, nil
}

func (in *Instance) fetchKey(ctx context.Context, keyID string) (knownKey, error) {
	id, _, _ := strings.Cut(keyID, "#")
	raw, err := in.get(ctx, id)
	if err != nil {
		return knownKey{}, err
	}
	var doc keyDocument
	if err := json.Unmarshal(raw, &doc); err != nil {
		return knownKey{}, fmt.Errorf("its actor: %w", err)
	}
	if doc.PublicKey.ID != keyID || doc.PublicKey.Owner != doc.ID || doc.ID != id {
		return knownKey{}, fmt.Errorf("the actor %q does not list it", doc.ID)
	}
	key, err := parsePublicKey(doc.PublicKey.PEM)
	if err != nil {
		return knownKey{}, err
	}
	return knownKey{key: key, owner: doc.ID, inbox: doc.Inbox}, nil
}

// parsePublicKey reads the PEM of a public key as actors carry it.
func parsePublicKey(text string) (*rsa.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errors.New("not the PEM of a public key")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("not a public key: %w", err)
	}
	key, isRSA := public.(*rsa.PublicKey)
	if !isRSA {
		return nil, fmt.Errorf("a %T, not an RSA key", public)
	}
	if key.N.BitLen() < minKeyBits {
		return nil, fmt.Errorf("a weak key of %d bits", key.N.BitLen())
	}
	return key, nil
}

// accepted are the media types of documents that an instance asks for.
const acceptedTypes = `application/activity+json, application/ld+json; profile="https://www.w3.org/ns/activitystreams"`

// get fetches a document with a signed GET. What is not an ActivityPub
// document is refused.
func (in *Instance) get(ctx context.Context, id string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, id, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", acceptedTypes)
	r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	if err := signRequest(r, in.keyID(), in.private, fetched); err != nil {
		return nil, err
	}
	resp, err := in.n.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", id, resp.Status)
	}
	if !isActivity(resp.Header.Get("Content-Type")) {
		return nil, fmt.Errorf("GET %s: content type %q", id, resp.Header.Get("Content-Type"))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxDocument {
		return nil, fmt.Errorf("GET %s: more than %d bytes", id, maxDocument)
	}
	return body, nil
}

// maxDocument bounds a fetched document, in bytes.
const maxDocument = 1 << 20

// isActivity tells the media types of ActivityPub.
//
// ref: ActivityPub §3.2
func isActivity(contentType string) bool {
	t, params, err := mime.ParseMediaType(contentType)
	return err == nil && (t == "application/activity+json" ||
		t == "application/ld+json" && params["profile"] == "https://www.w3.org/ns/activitystreams")
}
