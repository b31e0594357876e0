package delivery

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"hark/activitypub/remote"
	"hark/activitypub/sig"
	"hark/storage"
)

// Forms of signature that a subscriber is known to need.
const (
	SignatureAuto = ""     // by its software
	SignatureHost = "host" // it refused a shared one: always bound to its host
)

const (
	// sharedFor is how long one signature serves. Mastodon takes it for five
	// minutes and more; half a minute keeps what a copy could be used for short.
	sharedFor = 30 * time.Second
	// sharedKept bounds the signatures that are remembered: those of the
	// newest activities, for some paths each.
	sharedKept = 4_096
)

// sharers is the software that takes a POST whose signature leaves the host
// open.
//
// ref: contracts/federation.md, "Signatures"; observed Mastodon 4.5:
// app/lib/signed_request.rb
var sharers = map[string]bool{"mastodon": true}

// sharedKey names a signature: of one body for one path. It is the body itself
// that counts, not the activity: an Announce that is written anew is signed
// anew.
type sharedKey struct {
	body [sha256.Size]byte // its digest
	path string
}

// sharedSlot is one signature in the making; those who want it wait for the
// one who makes it.
type sharedSlot struct {
	mu   sync.Mutex // guards made
	made *sig.SharedSignature
}

// signatures makes and remembers shared signatures.
type signatures struct {
	signer Signer
	now    func() time.Time
	slots  *lru.Cache[sharedKey, *sharedSlot]
	mu     sync.Mutex // guards the making of slots
}

func newSignatures(signer Signer, now func() time.Time) (*signatures, error) {
	slots, err := lru.New[sharedKey, *sharedSlot](sharedKept)
	if err != nil {
		return nil, fmt.Errorf("shared signatures: %w", err)
	}
	return &signatures{signer: signer, now: now, slots: slots}, nil
}

// of returns the signature of a body for a path, made within the last half
// minute.
func (s *signatures) of(key sharedKey, body []byte) (*sig.SharedSignature, error) {
	s.mu.Lock()
	slot, ok := s.slots.Get(key)
	if !ok {
		slot = &sharedSlot{}
		s.slots.Add(key, slot)
	}
	s.mu.Unlock()
	slot.mu.Lock()
	defer slot.mu.Unlock()
	now := s.now()
	if slot.made != nil && now.Sub(slot.made.Made) < sharedFor {
		return slot.made, nil
	}
	made, err := s.signer.SignShared(key.path, body, now)
	if err != nil {
		return nil, err
	}
	slot.made = made
	return made, nil
}

// quick is the software that takes RFC 9421 signatures by Ed25519, which cost
// next to nothing and are bound to their host.
var quick = map[string]bool{"hark": true}

// shares tells whether a subscriber gets shared signatures.
func (e *Engine) shares(sub *storage.Subscriber) bool {
	return e.o.SharedSignatures && sub.SignatureForm != SignatureHost && sharers[sub.Software]
}

// deliver sends an activity to a subscriber, by the cheapest signature that its
// software takes. refused tells that it took only an RSA signature that is
// bound to its host.
func (e *Engine) deliver(ctx context.Context, sub *storage.Subscriber, body []byte) (resp remote.Response, refused bool, err error) {
	send := e.cheap(sub, body)
	if send != nil {
		if resp, err = e.inSlot(ctx, send); err != nil || resp.Status != http.StatusUnauthorized {
			return resp, false, err
		}
	}
	resp, err = e.post(ctx, sub.Inbox, body)
	// Who refuses both refuses us, not the form.
	return resp, send != nil && err == nil && resp.Status >= 200 && resp.Status < 300, err
}

// cheap is a request by a signature that costs less than RSA for each, or nil
// if the subscriber is not known to take one.
func (e *Engine) cheap(sub *storage.Subscriber, body []byte) func(context.Context) (remote.Response, error) {
	switch {
	case quick[sub.Software] && sub.SignatureForm != SignatureHost:
		return func(ctx context.Context) (remote.Response, error) {
			return e.o.Poster.PostOnce(ctx, sub.Inbox, body, func(r *http.Request) error {
				return e.o.Signer.SignEd25519(r, body, e.o.Now())
			})
		}
	case e.shares(sub):
		path, ok := pathOf(sub.Inbox)
		if !ok {
			return nil
		}
		return func(ctx context.Context) (remote.Response, error) {
			shared, err := e.shared.of(sharedKey{body: sha256.Sum256(body), path: path}, body)
			if err != nil {
				return remote.Response{}, err
			}
			return e.o.Poster.PostOnce(ctx, sub.Inbox, body, func(r *http.Request) error {
				shared.Apply(r)
				return nil
			})
		}
	}
	return nil
}

// pathOf is the request target of an inbox.
func pathOf(inbox string) (string, bool) {
	u, err := url.Parse(inbox)
	if err != nil || u.Host == "" {
		return "", false
	}
	return u.RequestURI(), true
}
