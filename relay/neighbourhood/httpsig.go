package neighbourhood

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// HTTP signatures are made and checked here once more, with crypto/rsa alone:
// what signs and checks the relay's requests must not be the code under test.
//
// ref: draft-cavage-http-signatures-12 §2.1, §2.3, §2.5

// clockSkew is how far a request's date may be off.
const clockSkew = 12 * time.Hour

// posted are the parts of a POST that Mastodon covers.
var posted = []string{"(request-target)", "host", "date", "content-type", "digest"}

// fetched are the parts of a GET that are covered.
var fetched = []string{"(request-target)", "host", "date"}

func digestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return "SHA-256=" + base64.StdEncoding.EncodeToString(sum[:])
}

// signingString is what a signature covers.
func signingString(r *http.Request, covered []string) string {
	lines := make([]string, len(covered))
	for i, name := range covered {
		v := ""
		switch name {
		case "(request-target)":
			v = strings.ToLower(r.Method) + " " + r.URL.RequestURI()
		case "host":
			v = r.Host
		default:
			v = strings.Join(r.Header.Values(name), ", ")
		}
		lines[i] = name + ": " + v
	}
	return strings.Join(lines, "\n")
}

// signRequest signs a request that has all its headers.
func signRequest(r *http.Request, keyID string, key *rsa.PrivateKey, covered []string) error {
	sum := sha256.Sum256([]byte(signingString(r, covered)))
	value, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	r.Header.Set("Signature", fmt.Sprintf(`keyId="%s",algorithm="rsa-sha256",headers="%s",signature="%s"`,
		keyID, strings.Join(covered, " "), base64.StdEncoding.EncodeToString(value)))
	return nil
}

var parameter = regexp.MustCompile(`([a-zA-Z]+)="([^"]*)"`)

// checkRequest verifies a request as a strict server does and returns the id of
// the key that signed.
func (in *Instance) checkRequest(ctx context.Context, r *http.Request, body []byte) (string, error) {
	headers := r.Header.Values("Signature")
	if len(headers) != 1 {
		return "", fmt.Errorf("%d Signature headers", len(headers))
	}
	params := map[string]string{}
	for _, m := range parameter.FindAllStringSubmatch(headers[0], -1) {
		params[m[1]] = m[2]
	}
	keyID := params["keyId"]
	if a := params["algorithm"]; a != "rsa-sha256" && a != "hs2019" {
		return keyID, fmt.Errorf("algorithm %q", a)
	}
	covered := strings.Fields(params["headers"])
	need := []string{"(request-target)", "host", "date"}
	if r.Method == http.MethodPost {
		need = append(need, "digest")
	}
	for _, name := range need {
		if !slices.Contains(covered, name) {
			return keyID, fmt.Errorf("%s is not covered", name)
		}
	}
	if r.Host != in.host {
		return keyID, fmt.Errorf("host %q", r.Host)
	}
	date, err := http.ParseTime(r.Header.Get("Date"))
	if err != nil || time.Since(date).Abs() > clockSkew {
		return keyID, fmt.Errorf("date %q", r.Header.Get("Date"))
	}
	if r.Method == http.MethodPost && r.Header.Get("Digest") != digestOf(body) {
		return keyID, errors.New("the digest does not fit the body")
	}
	if in.kind != Mastodon && !strings.Contains(keyID, "#") {
		return keyID, errors.New("keyId has no fragment")
	}
	key, _, err := in.key(ctx, keyID)
	if err != nil {
		return keyID, err
	}
	value, err := base64.StdEncoding.DecodeString(params["signature"])
	if err != nil {
		return keyID, err
	}
	sum := sha256.Sum256([]byte(signingString(r, covered)))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], value); err != nil {
		return keyID, fmt.Errorf("signature: %w", err)
	}
	return keyID, nil
}

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

// key fetches a key from its origin, once, and says whose it is.
func (in *Instance) key(ctx context.Context, keyID string) (*rsa.PublicKey, string, error) {
	in.mu.Lock()
	known, ok := in.keys[keyID]
	in.mu.Unlock()
	if ok {
		return known.key, known.owner, nil
	}
	id, _, _ := strings.Cut(keyID, "#")
	raw, err := in.get(ctx, id)
	if err != nil {
		return nil, "", fmt.Errorf("key %s: %w", keyID, err)
	}
	var doc keyDocument
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, "", fmt.Errorf("key %s: %w", keyID, err)
	}
	if doc.PublicKey.ID != keyID || doc.PublicKey.Owner != doc.ID || doc.ID != id {
		return nil, "", fmt.Errorf("the actor of key %s does not list it", keyID)
	}
	block, _ := pem.Decode([]byte(doc.PublicKey.PEM))
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, "", fmt.Errorf("key %s is not PEM of a public key", keyID)
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, "", fmt.Errorf("key %s: %w", keyID, err)
	}
	key, isRSA := public.(*rsa.PublicKey)
	if !isRSA {
		return nil, "", fmt.Errorf("key %s is a %T", keyID, public)
	}
	in.mu.Lock()
	in.keys[keyID] = knownKey{key, doc.ID}
	in.mu.Unlock()
	return key, doc.ID, nil
}

type knownKey struct {
	key   *rsa.PublicKey
	owner string
}

// get fetches a document with a signed GET.
func (in *Instance) get(ctx context.Context, id string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, id, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", `application/activity+json, application/ld+json; profile="https://www.w3.org/ns/activitystreams"`)
	r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	if err := signRequest(r, in.keyID(), in.private, fetched); err != nil {
		return nil, err
	}
	resp, err := in.n.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", id, resp.Status)
	}
	return body, nil
}

// RawOptions say how SendRaw signs, and so what it breaks. The zero value signs
// properly with the instance actor's key.
type RawOptions struct {
	KeyID       string          // claim another key
	Key         *rsa.PrivateKey // sign with another key
	Digest      string          // send another digest
	Date        time.Time       // send another date
	Covered     []string        // cover other parts
	Host        string          // sign for another host
	ContentType string
	Unsigned    bool
}

// SendRaw posts bytes to the relay's inbox; it returns the status and the body
// of the answer.
func (in *Instance) SendRaw(ctx context.Context, body []byte, o RawOptions) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, in.n.o.Relay+"/inbox", bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	contentType, date, digest, keyID, key, covered := o.ContentType, o.Date, o.Digest, o.KeyID, o.Key, o.Covered
	if contentType == "" {
		contentType = "application/activity+json"
	}
	if date.IsZero() {
		date = time.Now()
	}
	if digest == "" {
		digest = digestOf(body)
	}
	if keyID == "" {
		keyID = in.keyID()
	}
	if key == nil {
		key = in.private
	}
	if covered == nil {
		covered = posted
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Date", date.UTC().Format(http.TimeFormat))
	r.Header.Set("Digest", digest)
	if !o.Unsigned {
		host := r.Host
		if o.Host != "" {
			r.Host = o.Host
		}
		if err := signRequest(r, keyID, key, covered); err != nil {
			return 0, "", err
		}
		r.Host = host
	}
	resp, err := in.n.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode, string(answer), err
}
