// Package remote is the client for what others publish and receive: it fetches
// objects, actors and keys, reads NodeInfo, and posts to inboxes.
//
// Every address comes from strangers, so every connection is checked at the
// moment when it is made, against the address that the name resolved to. A
// document counts only if it comes from the origin of its id, says so itself,
// and has the content type of ActivityPub.
//
// ref: FEP-fe34; ActivityPub §3.2, §7
package remote

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"hark/activitypub/sig"
)

const (
	defaultTimeout = 10 * time.Second
	defaultMaxBody = 1 << 20
	// maxConnsPerHost bounds what one slow host can hold; maxIdlePerHost keeps
	// enough connections for a fan-out to go on without new handshakes, and
	// maxIdle what thousands of subscribers may cost in memory, some 20 KB each.
	maxConnsPerHost = 16
	maxIdlePerHost  = 8
	maxIdle         = 8192
	maxHeaderBytes  = 32 << 10
	// sessionsKept is for how many hosts a TLS session is remembered, which
	// makes a new connection to them cheap.
	sessionsKept = 4_096
)

// Options configure a Client. The zero value is the safe one.
type Options struct {
	// AllowPrivate lets connections go to loopback and private addresses. For
	// tests and the demo.
	AllowPrivate bool
	// AllowHTTP lets http addresses be used beside https.
	AllowHTTP bool
	// UserAgent names the node: "hark/1.0 (+https://relay.example/)".
	UserAgent string
	// Timeout bounds a whole exchange with its redirects; 0 means 10 s.
	Timeout time.Duration
	// MaxBody is the largest document in bytes, unpacked; 0 means 1 MiB.
	MaxBody int64
	// Signer signs GETs of ActivityPub documents, by the scheme that a host
	// takes; nil leaves them unsigned, which servers in secure mode refuse.
	Signer *sig.Signer
	// Now is the clock for signatures and Retry-After; nil is time.Now.
	Now func() time.Time
}

// Client fetches and posts. It is safe for concurrent use; its connections are
// shared by all uses.
type Client struct {
	o      Options
	http   *http.Client
	knocks *knocks
}

// New makes a client. Proxies of the environment are not used: behind one the
// address check would see the proxy and nothing else.
func New(o Options) *Client {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.MaxBody <= 0 {
		o.MaxBody = defaultMaxBody
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.UserAgent == "" {
		o.UserAgent = "hark"
	}
	dialer := &net.Dialer{Timeout: o.Timeout, KeepAlive: 30 * time.Second}
	if !o.AllowPrivate {
		dialer.Control = guard
	}
	return &Client{o: o, knocks: newKnocks(), http: &http.Client{
		Transport: &http.Transport{
			DialContext:            newNames(net.DefaultResolver, o.Now).dial(dialer),
			TLSClientConfig:        &tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(sessionsKept), MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
			MaxConnsPerHost:        maxConnsPerHost,
			MaxIdleConnsPerHost:    maxIdlePerHost,
			MaxIdleConns:           maxIdle,
			IdleConnTimeout:        90 * time.Second,
			TLSHandshakeTimeout:    o.Timeout,
			ResponseHeaderTimeout:  o.Timeout,
			MaxResponseHeaderBytes: maxHeaderBytes,
		},
		// Redirects are followed by get, which signs each request anew, and
		// never by Post.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// CloseIdle closes the connections that are not in use.
func (c *Client) CloseIdle() { c.http.CloseIdleConnections() }

// limited bounds an exchange in time.
func (c *Client) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.o.Timeout)
}
