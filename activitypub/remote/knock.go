package remote

import (
	"net/http"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"hark/activitypub"
	"hark/activitypub/sig"
)

const (
	knockHosts = 8_192
	// knockPause is how long a host that refused both schemes is not asked
	// with the second one again: it refuses who we are, not how we sign.
	knockPause = time.Hour
)

// knocks remembers by host which signature scheme it takes. A host that was
// never asked gets the draft's, which every server in use understands. It
// guards itself.
type knocks struct {
	mu    sync.Mutex // guards hosts
	hosts *lru.Cache[string, knock]
}

type knock struct {
	scheme  sig.Scheme
	refused time.Time // when it last refused both; zero if never
}

func newKnocks() *knocks {
	hosts, err := lru.New[string, knock](knockHosts)
	if err != nil {
		return nil // only for a size below one
	}
	return &knocks{hosts: hosts}
}

// of returns the scheme to begin with, and whether the other may be tried.
func (k *knocks) of(host string, now time.Time) (scheme sig.Scheme, again bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	known, ok := k.hosts.Get(host)
	if !ok {
		return sig.SchemeCavage, true
	}
	return known.scheme, now.Sub(known.refused) >= knockPause
}

// accepted notes the scheme that a host took.
func (k *knocks) accepted(host string, scheme sig.Scheme) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if known, ok := k.hosts.Peek(host); ok && known.scheme == scheme && known.refused.IsZero() {
		return
	}
	if scheme == sig.SchemeCavage {
		k.hosts.Remove(host) // what is the rule needs no note
		return
	}
	k.hosts.Add(host, knock{scheme: scheme})
}

// refused notes that a host took neither scheme.
func (k *knocks) refused(host string, scheme sig.Scheme, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.hosts.Add(host, knock{scheme: scheme, refused: now})
}

// signed makes a signed request by the scheme that its host last took and,
// where the answer may be a no to the scheme, once more by the other. send
// makes the request and returns the status, or an error if there was none.
//
// A GET may be repeated after 400, 401 and 403: NodeBB answers 400 to a scheme
// that it does not know, others 403. A POST is repeated after an explicit 401
// only; its activity's id makes a repetition harmless.
func (c *Client) signed(method string, iri activitypub.IRI, send func(sig.Scheme) (status int, err error)) error {
	host, now := iri.Host(), c.o.Now()
	scheme, again := c.knocks.of(host, now)
	status, err := send(scheme)
	if err != nil || !refusedScheme(method, status) {
		if err == nil && status < 300 {
			c.knocks.accepted(host, scheme)
		}
		return err
	}
	if !again {
		return nil
	}
	first := scheme
	status, err = send(scheme.Other())
	switch {
	case err != nil:
		return err
	case refusedScheme(method, status):
		c.knocks.refused(host, first, now)
	case status < 300:
		c.knocks.accepted(host, scheme.Other())
	}
	return nil
}

// refusedScheme tells whether a status may mean that the signature scheme is
// not understood.
func refusedScheme(method string, status int) bool {
	switch status {
	case http.StatusUnauthorized:
		return true
	case http.StatusBadRequest, http.StatusForbidden:
		return method == http.MethodGet
	}
	return false
}
