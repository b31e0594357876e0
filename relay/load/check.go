package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hark/activitypub"
	"hark/activitypub/sig"
)

// checkEvery is which share of the deliveries has its signature verified: a
// verification costs as much as taking a delivery does otherwise.
const checkEvery = 100

// checker verifies the signatures of some deliveries.
type checker struct {
	relay  *target
	client *http.Client
	count  atomic.Int64

	mu      sync.Mutex // guards what follows; one sample is checked at a time
	keys    map[string]sig.Key
	checked int64
	wrong   int64
	reason  string // of the first wrong one
}

func newChecker(relay *target) *checker {
	return &checker{relay: relay, keys: map[string]sig.Key{}, client: &http.Client{
		Timeout: 10 * time.Second, Transport: &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (c *checker) close() { c.client.CloseIdleConnections() }

// sample verifies a delivery, if it is its turn.
func (c *checker) sample(h *host, r *request) {
	if c.count.Add(1)%checkEvery != 1 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked++
	if err := c.check(h, r); err != nil {
		c.wrong++
		if c.reason == "" {
			c.reason = err.Error()
		}
	}
}

func (c *checker) check(h *host, r *request) error {
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(r.head)))
	if err != nil {
		return err
	}
	if req.Header.Get("Signature-Input") != "" {
		_, err := sig.VerifyRequest(h.f.run, req, r.body, c.key, sig.Options{Host: h.addr, Scheme: "http"})
		return err
	}
	return c.checkCavage(h.f.run, req, r.body, h.addr)
}

var parameter = regexp.MustCompile(`([A-Za-z]+)="([^"]*)"`)

// checkCavage wants of a signature what Mastodon wants: the target, the body
// and the date are covered; the host need not be.
//
// ref: draft-cavage-http-signatures-12 §2.1, §2.3; observed Mastodon 4.5: app/lib/signed_request.rb
func (c *checker) checkCavage(ctx context.Context, r *http.Request, body []byte, host string) error {
	values := r.Header.Values("Signature")
	if len(values) != 1 {
		return fmt.Errorf("%d Signature headers", len(values))
	}
	params := map[string]string{}
	for _, m := range parameter.FindAllStringSubmatch(values[0], -1) {
		params[m[1]] = m[2]
	}
	value, err := base64.StdEncoding.DecodeString(params["signature"])
	if err != nil {
		return errors.New("the signature is not in base64")
	}
	if r.Host != host {
		return fmt.Errorf("a request to %q", r.Host)
	}
	sum := sha256.Sum256(body)
	if r.Header.Get("Digest") != "SHA-256="+base64.StdEncoding.EncodeToString(sum[:]) {
		return errors.New("the digest does not fit the body")
	}
	date, err := http.ParseTime(r.Header.Get("Date"))
	if err != nil || time.Since(date).Abs() > time.Hour {
		return fmt.Errorf("date %q", r.Header.Get("Date"))
	}
	covered := strings.Fields(params["headers"])
	for _, need := range []string{"(request-target)", "date", "digest"} {
		if !slices.Contains(covered, need) {
			return fmt.Errorf("%s is not covered", need)
		}
	}
	lines := make([]string, len(covered))
	for i, name := range covered {
		switch name {
		case "(request-target)":
			lines[i] = name + ": post " + r.URL.RequestURI()
		case "host":
			lines[i] = "host: " + r.Host
		default:
			lines[i] = name + ": " + strings.Join(r.Header.Values(name), ", ")
		}
	}
	key, err := c.key(ctx, params["keyId"], false)
	if err != nil {
		return err
	}
	public, isRSA := key.Public.(*rsa.PublicKey)
	if !isRSA {
		return fmt.Errorf("a key of type %T", key.Public)
	}
	sum = sha256.Sum256([]byte(strings.Join(lines, "\n")))
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], value); err != nil {
		return fmt.Errorf("the signature does not fit: %w", err)
	}
	return nil
}

// key finds a key of the relay. Whatever the id says, only the relay that is
// under measurement is asked.
func (c *checker) key(ctx context.Context, id string, fresh bool) (sig.Key, error) {
	if k, ok := c.keys[id]; ok && !fresh {
		return k, nil
	}
	u, err := url.Parse(id)
	if err != nil || u.Host == "" || len(c.keys) > 16 {
		return sig.Key{}, fmt.Errorf("key %.200q cannot be asked for", id)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.relay.base+u.EscapedPath(), nil)
	if err != nil {
		return sig.Key{}, err
	}
	req.Host = u.Host
	req.Header.Set("Accept", "application/activity+json")
	resp, err := c.client.Do(req)
	if err != nil {
		return sig.Key{}, fmt.Errorf("fetch the relay's key: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	doc, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	if err != nil {
		return sig.Key{}, fmt.Errorf("fetch the relay's key: %w", err)
	}
	actor, err := activitypub.ParseActor(doc)
	if err != nil {
		return sig.Key{}, fmt.Errorf("the relay's actor: %w", err)
	}
	k, err := sig.KeyOf(actor, id)
	if err != nil {
		return sig.Key{}, fmt.Errorf("the relay's actor: %w", err)
	}
	c.keys[id] = k
	return k, nil
}
