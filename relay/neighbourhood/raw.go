package neighbourhood

import (
	"bytes"
	"context"
	"crypto/rsa"
	"io"
	"net/http"
	"time"
)

// RawOptions say how SendRaw signs, and so what it breaks. The zero value signs
// properly with the instance actor's key.
type RawOptions struct {
	KeyID       string          // claim another key
	Key         *rsa.PrivateKey // sign with another key
	Digest      string          // send another digest
	Date        time.Time       // send another date
	Covered     []string        // cover other parts
	Host        string          // sign for another host
	ContentType string          // ""; application/activity+json
	Unsigned    bool
}

// SendRaw posts bytes to the relay's inbox; it returns the status and the body
// of the answer, of which 64 KiB are read.
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
