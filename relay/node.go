// Package relay is the node as a value: New wires the parts, Start binds and
// returns, Addr tells the port, Stop drains and is idempotent. Nothing here
// reads flags, files or signals, and two nodes may run in one process.
package relay

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hark/activitypub"
	"hark/activitypub/remote"
	"hark/activitypub/sig"
	"hark/classifier/breach"
	"hark/relay/delivery"
	"hark/relay/inbox"
	"hark/relay/listen"
	"hark/relay/server"
	"hark/relay/subscription"
	"hark/storage"
	"hark/storage/sqlite"
)

// ErrKeyChanged is returned when the actor key is not the one that the store
// was used with: every subscription would break, so the node does not start.
var ErrKeyChanged = errors.New("the actor key is not the one this store was used with")

// Node is a relay and listening node.
type Node struct {
	o        Options
	base     string // base URL
	host     string // as requests name it
	ln       net.Listener
	http     *http.Server
	store    *sqlite.Store
	client   *remote.Client
	identity subscription.Identity
	dir      *directory
	keys     *inbox.Keys
	inbox    *inbox.Inbox
	resolver *inbox.Resolver
	filters  *filters
	engine   *delivery.Engine
	listener *listen.Listener
	reviewer listen.Reviewer // nil: none
	hub      *listen.Hub
	metrics  *metrics
	ledger   *ledger
	server   *server.Server

	cancel   context.CancelFunc
	wg       sync.WaitGroup // every goroutine of the node
	reload   chan struct{}
	erased   atomic.Bool // something was deleted since the last checkpoint
	stopOnce sync.Once
	stopErr  error
}

// New checks the options, binds the address and wires the parts; nothing runs
// before Start. Whatever it opened is closed again when it fails.
func New(o Options) (*Node, error) {
	setDefaults(&o)
	n := &Node{o: o, store: o.Store, hub: listen.NewHub(), metrics: newMetrics(), reload: make(chan struct{}, 1)}
	if o.Store == nil || o.Key == nil {
		return nil, errors.New("a node needs a store and a key")
	}
	ln, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", o.Listen, err)
	}
	n.ln = ln
	if err := n.wire(); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return n, nil
}

func setDefaults(o *Options) {
	def := func(p *time.Duration, d time.Duration) {
		if *p == 0 {
			*p = d
		}
	}
	def(&o.FetchTimeout, 10*time.Second)
	def(&o.DeliveryTimeout, 10*time.Second)
	def(&o.RetryMin, 2*time.Second)
	def(&o.RetryMax, time.Hour)
	def(&o.GiveUpAfter, 7*24*time.Hour)
	def(&o.JournalRetention, 7*24*time.Hour)
	def(&o.Retention, 30*24*time.Hour)
	if o.DeliveryWindow <= 0 {
		o.DeliveryWindow = 16
	}
	if o.DeliveryLimit <= 0 {
		o.DeliveryLimit = 256
	}
	if o.MaxBody <= 0 {
		o.MaxBody = 1 << 20
	}
	if o.HostRate <= 0 {
		o.HostRate = 50
	}
	if o.GlobalRate <= 0 {
		o.GlobalRate = 1000
	}
	if o.Name == "" {
		o.Name = "Hark"
	}
	if o.Publishers == "" {
		o.Publishers = PublishersSubscribers
	}
	if o.Consent == "" {
		o.Consent = ConsentOptOut
	}
	if o.Version == "" {
		o.Version = "0"
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// wire builds the parts on the bound listener.
func (n *Node) wire() error {
	ctx := context.Background()
	o := &n.o
	n.base = strings.TrimSuffix(o.BaseURL, "/")
	if n.base == "" {
		n.base = "http://" + n.ln.Addr().String()
	}
	base, err := url.Parse(n.base)
	if err != nil || base.Host == "" || base.Path != "" {
		return fmt.Errorf("base URL %q: must be https:// and a host, nothing behind it", o.BaseURL)
	}
	n.host = base.Host
	if err := n.checkKey(ctx); err != nil {
		return err
	}
	pem, err := sig.PublicPEM(&o.Key.PublicKey)
	if err != nil {
		return fmt.Errorf("public key: %w", err)
	}
	published, err := n.published(ctx)
	if err != nil {
		return err
	}
	assertion, err := sig.AssertionKey(o.Key)
	if err != nil {
		return err
	}
	actor := activitypub.RelayActor{
		Domain: n.host, BaseURL: n.base, Name: o.Name, Summary: html.EscapeString(o.Description), PublicKeyPEM: string(pem),
		Multikey: sig.MarshalMultikey(assertion.Public().(ed25519.PublicKey)), IconURL: n.base + "/icon.png", Published: published, ManuallyApproves: o.Approval,
	}
	n.identity = subscription.Identity{Relay: actor}
	signer := &sig.Signer{KeyID: actor.KeyID(), Private: o.Key, AssertionID: actor.AssertionKeyID(), Assertion: assertion}
	n.client = remote.New(remote.Options{
		AllowPrivate: o.AllowPrivate, AllowHTTP: o.AllowHTTP, Timeout: o.FetchTimeout, Signer: signer, Now: o.Now,
		UserAgent: "hark/" + o.Version + " (+" + n.base + "/)",
	})
	n.dir = newDirectory(n.store, o.Publishers == PublishersAnyone, o.AllowPrivate, o.Upstream)
	if err := n.dir.reload(ctx); err != nil {
		return err
	}
	if n.keys, err = inbox.NewKeys(n.store, n.client, o.Now); err != nil {
		return err
	}
	maskKey, err := sig.Derive(o.Key, "hark breach masks 1")
	if err != nil {
		return fmt.Errorf("derive the key of masks: %w", err)
	}
	masker := breach.NewMasker(maskKey)
	judge, rules, err := judges(o, masker)
	if err != nil {
		return err
	}
	if n.reviewer, err = reviewer(o, judge); err != nil {
		return err
	}
	n.ledger = newLedger(n)
	n.inbox = inbox.New(inbox.Options{
		Decided:  n.ledger.note,
		Identity: n.identity, Host: n.host, Scheme: base.Scheme, Journal: n.store, Subscribers: n.store, Keys: n.keys,
		Directory: n.dir, Observer: inboxEvents{n}, Approval: o.Approval, RelayUnlisted: o.RelayUnlisted,
		HostRate: o.HostRate, GlobalRate: o.GlobalRate, Log: o.Log, Now: o.Now,
	})
	n.resolver = inbox.NewResolver(inbox.ResolverOptions{
		Store: n.store, Objects: n.client, Keys: n.keys, Directory: n.dir, RelayUnlisted: o.RelayUnlisted,
		Appended: inboxEvents{n}.Appended,
		Dropped:  n.dropped,
		Log:      o.Log, Now: o.Now,
	})
	if n.filters, err = newFilters(filterOptions{
		author: n.knownAuthor, software: n.dir.Software, judge: judge, rules: rules, log: o.Log,
		counted: func(reason string) { n.metrics.filtered.WithLabelValues(reason).Inc() },
	}); err != nil {
		return err
	}
	if n.engine, err = delivery.New(ctx, delivery.Options{
		Store: n.store, Poster: n.client, Signer: signer, Relay: actor, Observer: deliveryEvents{n},
		SharedSignatures: !o.HostBound,
		Author:           &sig.Author{KeyID: actor.KeyID(), Private: o.Key, AssertionID: actor.AssertionKeyID(), Assertion: assertion},
		Allows:           func(sub *storage.Subscriber, e *storage.Entry) bool { return n.filters.Allows(sub.Filter, e) },
		Timeout:          o.DeliveryTimeout, Window: o.DeliveryWindow, Limit: o.DeliveryLimit,
		RetryMin: o.RetryMin, RetryMax: o.RetryMax, GiveUpAfter: o.GiveUpAfter, Log: o.Log, Now: o.Now,
	}); err != nil {
		return err
	}
	if n.listener, err = listen.New(ctx, listen.Options{
		Journal: n.store, Archive: n.store, Actors: n.keys, Classifier: judge, Mask: masker.Mask, Rules: rules, Consent: listen.Level(o.Consent),
		Reviewer: n.reviewer, Reviewers: o.Transformers,
		RelayUnlisted: o.RelayUnlisted, Relay: actor.ID(), Software: n.dir.Software, Blocked: n.dir.Blocked,
		Objected: n.dir.Objected, Object: n.object, Hub: n.hub, Observer: listenEvents{n}, Log: o.Log, Now: o.Now,
	}); err != nil {
		return err
	}
	return n.wireServer()
}

// Start starts the node; it returns when the node is ready.
func (n *Node) Start(ctx context.Context) error {
	if err := n.greetAfterOutage(ctx); err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	n.cancel = cancel
	n.http = &http.Server{
		Handler:           n.server.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute, // live streams set their own
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(n.o.Log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return run },
	}
	n.wg.Go(func() {
		if err := n.engine.Run(run); err != nil {
			n.o.Log.Error("fan-out ended", "error", err.Error())
		}
	})
	n.wg.Go(func() { n.listener.Run(run) })
	n.wg.Go(func() { n.resolver.Run(run) })
	n.wg.Go(func() { n.ledger.run(run) })
	n.wg.Go(func() { n.watch(run) })
	n.wg.Go(func() { n.keepHouse(run) })
	n.wg.Go(func() { n.followUpstream(run) })
	n.wg.Go(func() {
		if err := n.http.Serve(n.ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
			n.o.Log.Error("http server ended", "error", err.Error())
		}
	})
	n.o.Log.Info("started", "address", n.Addr(), "base_url", n.base, "version", n.o.Version)
	return nil
}

// Addr is the host:port that was bound.
func (n *Node) Addr() string { return n.ln.Addr().String() }

// BaseURL is the URL under which others know the node.
func (n *Node) BaseURL() string { return n.base }

// Stop takes no new requests, finishes what is in flight until the context
// ends, and writes every cursor down. It does not close the store. Called
// again it returns what the first call returned.
func (n *Node) Stop(ctx context.Context) error {
	n.stopOnce.Do(func() { n.stopErr = n.stop(ctx) })
	return n.stopErr
}

func (n *Node) stop(ctx context.Context) error {
	n.hub.Close() // live streams end, so that the server can drain
	if n.cancel == nil {
		return n.ln.Close()
	}
	err := n.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("drain the HTTP server: %w", err), n.http.Close())
	}
	n.cancel()
	done := make(chan struct{})
	go func() { // ends with the node's own goroutines
		n.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return errors.Join(err, fmt.Errorf("stop: %w", ctx.Err()))
	}
	n.client.CloseIdle()
	if m, ok := n.reviewer.(interface{ Close() }); ok {
		m.Close()
	}
	n.o.Log.Info("stopped")
	return err
}

// SignInLink makes a one-time link to the page for the operator; it is valid
// for an hour.
func (n *Node) SignInLink(ctx context.Context) (string, error) {
	secret, token, err := NewSignIn(n.o.Now())
	if err != nil {
		return "", err
	}
	if err := n.store.AddToken(ctx, token); err != nil {
		return "", fmt.Errorf("add the sign-in token: %w", err)
	}
	return n.base + "/signin?token=" + secret, nil
}

// NewSignIn makes a one-time sign-in token of all scopes but verbatim, valid
// for an hour, and its secret.
func NewSignIn(now time.Time) (string, storage.Token, error) {
	secret := server.NewSecret()
	hash := server.HashToken(secret)
	return secret, storage.Token{
		ID: "signin-" + hex.EncodeToString(hash[:4]), Hash: hash,
		Scopes:  []storage.Scope{storage.ScopeSearch, storage.ScopeExport, storage.ScopeReview, storage.ScopeAdmin},
		Holder:  "operator",
		Purpose: "sign-in link", OneTime: true, Created: now, Expires: now.Add(time.Hour),
	}, nil
}

// checkKey refuses a key other than the one that the store knows.
func (n *Node) checkKey(ctx context.Context) error {
	der, err := x509.MarshalPKIXPublicKey(&n.o.Key.PublicKey)
	if err != nil {
		return fmt.Errorf("public key: %w", err)
	}
	sum := sha256.Sum256(der)
	mine := hex.EncodeToString(sum[:])
	known, err := n.store.GetMeta(ctx, "actor-key")
	switch {
	case errors.Is(err, storage.ErrNotFound) || err == nil && known == "":
		if err := n.store.PutMeta(ctx, "actor-key", mine); err != nil {
			return fmt.Errorf("keep the key's fingerprint: %w", err)
		}
		return nil
	case err != nil:
		return fmt.Errorf("read the key's fingerprint: %w", err)
	case known != mine:
		return fmt.Errorf("%w: put the old key back (subscribers verify with it), or start with an empty store", ErrKeyChanged)
	}
	return nil
}

// published is the day of the node's first start.
func (n *Node) published(ctx context.Context) (time.Time, error) {
	s, err := n.store.GetMeta(ctx, "published")
	if err == nil && s != "" {
		if t, err := time.Parse(time.RFC3339, s); err == nil {
			return t, nil
		}
	}
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return time.Time{}, fmt.Errorf("read the date of the first start: %w", err)
	}
	now := n.o.Now().UTC().Truncate(time.Second)
	if err := n.store.PutMeta(ctx, "published", now.Format(time.RFC3339)); err != nil {
		return time.Time{}, fmt.Errorf("keep the date of the first start: %w", err)
	}
	return now, nil
}
