package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// manner is how a host answers deliveries.
type manner int32

const (
	healthy manner = iota
	hanging
	failing
	dead
	slow
	returning
)

// hangs is how long a hanging host keeps a request before it closes.
const hangs = time.Minute

// software is what a host's NodeInfo says.
type software int

const (
	mastodon software = iota
	misskey
	pleroma
)

var softwareNames = [...]struct{ name, version string }{{"mastodon", "4.5.2"}, {"misskey", "2026.10.0"}, {"pleroma", "2.9.1"}}

// host is a simulated server: a listener of its own on loopback, and
// connections that are read in turn.
type host struct {
	f        *fleet
	index    int
	software software
	manner   manner // what it will be
	addr     string // host:port
	origin   string
	followID string
	author   string // path of its author

	now      atomic.Int32 // the manner that it has
	accepted atomic.Bool  // the relay has accepted its Follow
	asked    atomic.Bool  // its NodeInfo was fetched

	mu    sync.Mutex // guards what follows
	ln    net.Listener
	conns map[net.Conn]struct{}
}

// actor is who follows the relay: the server itself.
func (h *host) actor() string { return h.origin + h.actorPath() }

func (h *host) actorPath() string {
	switch h.software {
	case misskey:
		return "/users/a9relay0actor"
	case pleroma:
		return "/relay"
	}
	return "/actor"
}

// listen opens its listener, on its address where it has one.
func (h *host) listen(ctx context.Context) error {
	ln, err := h.f.listen(ctx, h.addr)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ln = ln
	if h.addr == "" { // not on its return, when others read it
		h.addr = ln.Addr().String()
		h.origin = "http://" + h.addr
	}
	h.f.wg.Go(func() { h.serve(ln) })
	return nil
}

// shut closes its listener and connections: from now on it refuses.
func (h *host) shut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ln != nil {
		_ = h.ln.Close() // a listener that was closed before is as good
		h.ln = nil
	}
	for c := range h.conns {
		_ = c.Close() // its reader sees that it ended
	}
	clear(h.conns)
}

// serve takes connections until the listener is closed.
func (h *host) serve(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || h.f.run.Err() != nil {
				return
			}
			select { // out of descriptors, for a moment
			case <-time.After(10 * time.Millisecond):
			case <-h.f.run.Done():
			}
			continue
		}
		h.f.opened.Add(1)
		h.mu.Lock()
		if h.ln != ln {
			h.mu.Unlock()
			_ = c.Close() // it was shut meanwhile
			return
		}
		h.conns[c] = struct{}{}
		h.mu.Unlock()
		h.f.wg.Go(func() { h.talk(c) })
	}
}

// talk answers the requests of a connection.
func (h *host) talk(c net.Conn) {
	defer func() {
		_ = c.Close()
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.conns, c)
	}()
	br := bufio.NewReaderSize(c, 4096)
	var r request
	for {
		if err := r.read(br, c); err != nil {
			return
		}
		answer := h.answer(&r)
		if answer == nil {
			return
		}
		if _, err := c.Write(answer); err != nil || r.last {
			return
		}
	}
}

// The answers to deliveries, whole.
var (
	answer202 = []byte("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
	answer503 = []byte("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
	answer404 = []byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
)

// answer is the whole answer to a request; nil closes the connection.
func (h *host) answer(r *request) []byte {
	if !r.post {
		return h.document(string(r.target))
	}
	if !bytes.HasSuffix(r.target, []byte("/inbox")) {
		return answer404
	}
	switch manner(h.now.Load()) {
	case hanging:
		h.wait(hangs)
		return nil
	case failing:
		return answer503
	case slow:
		if !h.wait(h.f.o.SlowBy) {
			return nil
		}
	}
	h.f.took(h, r)
	return answer202
}

// wait tells whether the time passed before the run ended.
func (h *host) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-h.f.run.Done():
		return false
	}
}

// document answers a GET: actors and NodeInfo, as a new server of its software
// has them.
//
// ref: observed Mastodon 4.5: app/serializers/activitypub/actor_serializer.rb; FEP-f1d5
func (h *host) document(target string) []byte {
	switch target {
	case "/.well-known/nodeinfo":
		return ok("application/json", fmt.Appendf(nil, `{"links":[{"rel":"http://nodeinfo.diaspora.software/ns/schema/2.0","href":"%s/nodeinfo/2.0"}]}`, h.origin))
	case "/nodeinfo/2.0":
		h.asked.Store(true)
		s := softwareNames[h.software]
		return ok("application/json", fmt.Appendf(nil, `{"version":"2.0","software":{"name":%q,"version":%q},"protocols":["activitypub"],`+
			`"services":{"inbound":[],"outbound":[]},"openRegistrations":false,"usage":{"users":{"total":1}},"metadata":{}}`, s.name, s.version))
	case h.actorPath():
		return h.actorDocument(h.actor(), "Application", h.systemName())
	case h.author:
		return h.actorDocument(h.origin+h.author, "Person", authorName)
	}
	return answer404
}

func (h *host) systemName() string {
	switch h.software {
	case misskey:
		return "relay.actor"
	case pleroma:
		return "relay"
	}
	return h.addr
}

func (h *host) actorDocument(id, kind, name string) []byte {
	return ok("application/activity+json; charset=utf-8", fmt.Appendf(nil, `{"@context":["https://www.w3.org/ns/activitystreams","https://w3id.org/security/v1",`+
		`{"toot":"http://joinmastodon.org/ns#","discoverable":"toot:discoverable","indexable":"toot:indexable"}],`+
		`"id":%[1]q,"type":%[2]q,"preferredUsername":%[3]q,"name":%[3]q,"url":%[1]q,"discoverable":true,"indexable":true,`+
		`"inbox":"%[1]s/inbox","outbox":"%[1]s/outbox","followers":"%[1]s/followers","following":"%[1]s/following",`+
		`"endpoints":{"sharedInbox":"%[4]s/inbox"},"publicKey":{"id":"%[1]s#main-key","owner":%[1]q,"publicKeyPem":%[5]q}}`,
		id, kind, name, h.origin, h.f.pem))
}

// ok is a whole answer with a document.
func ok(contentType string, body []byte) []byte {
	head := "HTTP/1.1 " + strconv.Itoa(http.StatusOK) + " OK\r\nContent-Type: " + contentType + "\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
	return append([]byte(head), body...)
}
