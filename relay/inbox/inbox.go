// Package inbox is the way of an activity into the node: read, verify,
// authorise, decide, journal. It answers 202 only after the activity is
// durable, and whatever it refuses it refuses with a named reason.
package inbox

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"hark/activitypub"
	"hark/activitypub/remote"
	"hark/activitypub/sig"
	"hark/relay/subscription"
	"hark/storage"
)

// Journal is where accepted activities become durable.
type Journal interface {
	Append(ctx context.Context, e *storage.Entry) (bool, error)
	Seen(ctx context.Context, activityID string) (bool, error)
	SeenObject(ctx context.Context, objectKey string) (bool, error)
	AppendUnresolved(ctx context.Context, u *storage.Unresolved) (bool, error)
	CountUnresolved(ctx context.Context, via string) (int64, error)
	Bounds(ctx context.Context) (tail, head int64, err error)
}

// Subscribers keeps subscriptions.
type Subscribers interface {
	GetSubscriber(ctx context.Context, actor string) (storage.Subscriber, error)
	PutSubscription(ctx context.Context, s *storage.Subscriber, controls []storage.Control) error
}

// Directory knows who may speak.
type Directory interface {
	Blocked(host string) bool       // host or a parent domain is blocked
	Member(host string) bool        // host may publish here
	Upstream(host string) bool      // host is a relay that this one follows
	IsSubscriber(actor string) bool // actor is a subscription's own actor
	Crowded(host string) bool       // too many subscriptions from that domain already
	Joined(s storage.Subscriber)    // a subscription was made or changed
}

// Observer is told what happened; its methods return at once.
type Observer interface {
	Appended()         // the journal grew
	Unresolved()       // an object is to be fetched
	Subscribed()       // a subscription or a control message changed
	Left(actor string) // a subscription has ended; when it returns nothing more is sent
	Heard(host string) // a verified request came from that host
}

// Documents that only the general JSON-LD processor can verify, a second and
// host.
const (
	unusualRate  = 2
	unusualBurst = 20
)

// maxUnresolved bounds the Announces of one host that wait for their object.
const maxUnresolved = 2_000

// Options are all that an Inbox needs.
type Options struct {
	Identity      subscription.Identity
	Host          string // as requests name it in Host and sign it
	Scheme        string // of our addresses: "https" or "http"
	Journal       Journal
	Subscribers   Subscribers
	Keys          *Keys
	Directory     Directory
	Observer      Observer
	Approval      bool
	RelayUnlisted bool
	HostRate      float64                // requests a second and sending host
	GlobalRate    float64                // in all
	Decided       func(storage.Decision) // told of every delivery; returns at once; nil tells nobody
	Log           *slog.Logger
	Now           func() time.Time
}

// Inbox receives deliveries. It is safe for concurrent use.
type Inbox struct {
	o       Options
	admit   *admission
	joining sync.Mutex // held while a newcomer is let in
	unusual *shares    // of documents that take long to verify
	slowly  sync.Mutex // held while one of them is, so that they never take more than one core
}

// New returns an Inbox.
func New(o Options) *Inbox {
	return &Inbox{o: o, admit: newAdmission(o.HostRate, o.GlobalRate, o.Now), unusual: newShares(unusualRate, unusualBurst)}
}

// Receive judges one delivery whose body was already read within the size
// limit. It blocks until the activity is durable or refused.
func (in *Inbox) Receive(ctx context.Context, r *http.Request, peer string, body []byte) Outcome {
	started := in.o.Now()
	d := delivery{in: in, r: r, body: body, peer: peer}
	out := d.receive(ctx)
	if out.Reason.Status() >= http.StatusBadRequest {
		out.Ref = strings.ToLower(rand.Text()[:refLength])
	}
	if in.o.Decided != nil {
		in.o.Decided(d.decision(out))
	}
	attrs := []any{
		"reason", string(out.Reason), "status", out.Reason.Status(), "type", d.typ(), "actor", d.actor(),
		"via", d.via, "bytes", len(body), "took", in.o.Now().Sub(started),
	}
	if d.err != nil {
		attrs = append(attrs, "error", d.err.Error())
	}
	if out.Ref != "" {
		attrs = append(attrs, "ref", out.Ref)
	}
	level := slog.LevelDebug
	switch {
	case out.Reason == ReasonInternal:
		level = slog.LevelError
	case out.Reason.Status() >= 400:
		level = slog.LevelInfo
	}
	in.o.Log.Log(ctx, level, "inbox", attrs...)
	return out
}

// delivery is one request on its way.
type delivery struct {
	in   *Inbox
	r    *http.Request
	body []byte
	peer string

	env      *activitypub.Envelope
	verified sig.Verified
	via      string // host of the verified signer
	claimed  string // host that the request claims to come from
	known    bool   // the peer has spoken for that host before
	proof    storage.Proof
	until    time.Time
	err      error // for the log
}

// refLength is the length of a refusal's name: 60 bits, in base32.
const refLength = 12

// decision is what the ledger notes of the outcome.
func (d *delivery) decision(out Outcome) storage.Decision {
	n := storage.Decision{
		At: d.in.o.Now(), Ref: out.Ref, Via: d.via, Stage: storage.StageInbox, Reason: string(out.Reason), Status: out.Reason.Status(),
	}
	if d.env != nil {
		n.ActivityID, n.ObjectID, n.Actor, n.Type = d.env.ID, d.objectID(), d.env.Actor, d.env.Type
	}
	if len(n.Type) > 40 {
		n.Type = ""
	}
	n.Detail = Brief(d.err)
	return n
}

// Brief is an error's text, printable and at most 300 bytes; "" for none.
func Brief(err error) string {
	if err == nil {
		return ""
	}
	text := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(err.Error(), ""))
	for len(text) > 300 {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}

func (d *delivery) typ() string {
	if d.env == nil {
		return ""
	}
	return d.env.Type
}

func (d *delivery) actor() string {
	if d.env == nil {
		return ""
	}
	return d.env.Actor
}

func (d *delivery) fail(r Reason, err error) Outcome {
	d.err = err
	return outcome(r)
}

// receive is the whole way; cheap refusals come before dear ones.
func (d *delivery) receive(ctx context.Context) Outcome {
	in := d.in
	claimed := hostOfKey(d.r)
	out, known, ok := in.admit.take(claimed, d.peer)
	if !ok {
		return out
	}
	d.claimed, d.known = claimed, known
	if claimed != "" && in.o.Directory.Blocked(claimed) {
		return outcome(ReasonBlocked)
	}
	env, err := activitypub.ParseEnvelope(d.body)
	if err != nil {
		out := d.fail(reasonOf(err), err)
		if out.Reason == ReasonInternal {
			out = outcome(ReasonJSON)
		}
		return out
	}
	d.env = env
	actor, err := activitypub.ParseIRI(env.Actor)
	if err != nil {
		return d.fail(ReasonField, fmt.Errorf("actor: %w", err))
	}
	if in.o.Directory.Blocked(actor.Host()) {
		return outcome(ReasonBlocked)
	}
	// Deletes of actors that were never here arrive in floods from every
	// server; their keys are gone, so looking would be a fetch for each.
	if d.farewell() && !in.o.Keys.KnownActor(ctx, env.Actor) {
		return outcome(ReasonGoneActor)
	}
	if out, ok := d.verify(ctx); !ok {
		return out
	}
	in.o.Observer.Heard(d.via)
	if seen, err := in.o.Journal.Seen(ctx, d.activityID()); err != nil {
		return d.fail(ReasonInternal, err)
	} else if seen {
		return outcome(ReasonDuplicate)
	}
	return d.act(ctx, actor)
}

// verify checks the request's signature and on whose word the activity rests.
func (d *delivery) verify(ctx context.Context) (Outcome, bool) {
	in := d.in
	keys := func(ctx context.Context, keyID string, fresh bool) (sig.Key, error) {
		return in.o.Keys.key(ctx, keyID, fresh, !d.known || hostOf(keyID) != d.claimed)
	}
	options := sig.Options{Now: in.o.Now(), Host: in.o.Host, Scheme: in.o.Scheme}
	v, err := sig.VerifyRequest(ctx, d.r, d.body, keys, options)
	if err != nil && d.farewell() && (errors.Is(err, remote.ErrGone) || errors.Is(err, remote.ErrNotFound)) {
		// Who deletes an account deletes its key: the one that was known
		// decides, and without one there is nothing to delete.
		if v, err = sig.VerifyRequest(ctx, d.r, d.body, in.o.Keys.LastKey, options); errors.Is(err, sig.ErrKeyUnavailable) {
			return outcome(ReasonGoneActor), false
		}
	}
	if err != nil {
		out := d.fail(reasonOf(err), err)
		if out.Reason == ReasonRateHost {
			out.RetryAfter = 30 * time.Second
		}
		return out, false
	}
	d.verified = v
	signer, err := activitypub.ParseIRI(v.Owner)
	if err != nil {
		return d.fail(ReasonKeyOwner, err), false
	}
	d.via = signer.Host()
	if in.o.Directory.Blocked(d.via) {
		return outcome(ReasonBlocked), false
	}
	in.admit.welcome(d.via, d.peer)
	if r := Authorise(d.env, d.authority(ctx)); r != ReasonRelayed {
		if errors.Is(d.err, ErrFetchLimit) {
			return later(ReasonRateHost), false // it may be proven yet
		}
		return outcome(r), false
	}
	return Outcome{}, true
}

// farewell tells whether the activity is an actor's Delete of itself.
func (d *delivery) farewell() bool {
	return d.env.Type == "Delete" && d.env.ObjectID == d.env.Actor
}

// authority finds on whose word the activity rests: the signer's of the
// request, or its actor's where the body proves it. A proof that fails, or is
// somebody else's, leaves the request's own signature: the activity then is not
// forwarded but announced.
func (d *delivery) authority(ctx context.Context) Authority {
	a := Authority{Signer: d.verified.Owner}
	now := d.in.o.Now()
	// Whoever delivers chooses whose keys the proof names.
	trusted := d.in.o.Directory.Member(d.via) || d.in.o.Directory.Upstream(d.via)
	keys := func(ctx context.Context, keyID string, fresh bool) (sig.Key, error) {
		return d.in.o.Keys.key(ctx, keyID, fresh, !trusted && hostOf(keyID) != d.via)
	}
	if a.Signer == d.env.Actor && !trusted && !d.in.o.Directory.Member(hostOf(d.env.Actor)) {
		return a // what a stranger says is not forwarded, so its proof decides nothing
	}
	switch {
	case d.env.HasLDSignature && d.env.HasIntegrityProof:
		// Neither speaks for its author in another's hands; from its own it
		// may be passed on to those who take the proof.
		if a.Signer != d.env.Actor {
			d.err = fmt.Errorf("proof and signature together: %w", sig.ErrUnsafeDocument)
			break
		}
		p, err := sig.VerifyProofBeside(ctx, d.body, keys, now)
		if err != nil {
			d.err = fmt.Errorf("integrity proof: %w", err)
		} else if p.Owner == d.env.Actor {
			d.proof, d.until = storage.ProofBeside, p.Until
		}
	case d.env.HasLDSignature:
		p, err := d.verifyLD(ctx, keys, trusted)
		if err != nil {
			d.err = fmt.Errorf("linked data signature: %w", err)
		} else if p.Owner == d.env.Actor {
			a.Proof, a.Prover, d.proof, d.until = storage.ProofLD, p.Owner, storage.ProofLD, p.Until
		}
	case d.env.HasIntegrityProof:
		p, err := sig.VerifyProof(ctx, d.body, keys, now)
		if err != nil {
			d.err = fmt.Errorf("integrity proof: %w", err)
		} else if p.Owner == d.env.Actor {
			a.Proof, a.Prover, d.proof, d.until = storage.ProofIntegrity, p.Owner, storage.ProofIntegrity, p.Until
		}
	}
	return a
}

// verifyLD checks a linked data signature. Documents out of the ordinary take a
// hundred times as long as the usual ones, so strangers are not let try them,
// and each member only now and then.
func (d *delivery) verifyLD(ctx context.Context, keys sig.KeyFunc, trusted bool) (sig.LDVerified, error) {
	now := d.in.o.Now()
	p, err := sig.VerifyUsualLD(ctx, d.body, keys, now)
	if !errors.Is(err, sig.ErrUnusual) || !trusted || !d.in.unusual.allow(d.via, now) {
		return p, err
	}
	d.in.slowly.Lock()
	defer d.in.slowly.Unlock()
	return sig.VerifyLD(ctx, d.body, keys, now)
}

// activityID is the id under which duplicates are found. Few activities have
// none; their bytes name them.
func (d *delivery) activityID() string {
	if d.env.ID != "" {
		return d.env.ID
	}
	sum := sha256.Sum256(d.body)
	return "urn:sha256:" + hex.EncodeToString(sum[:])
}

// ObjectKey is the key under which an object is relayed once, however many
// wrappers announce it.
func ObjectKey(objectID string) string { return "object " + objectID }

func (d *delivery) act(ctx context.Context, actor activitypub.IRI) Outcome {
	in, env := d.in, d.env
	var existing *storage.Subscriber
	if sub, err := in.o.Subscribers.GetSubscriber(ctx, env.Actor); err == nil {
		existing = &sub
	} else if !errors.Is(err, storage.ErrNotFound) {
		return d.internal(err)
	}
	f := Facts{
		Proof:         d.proof,
		Member:        in.o.Directory.Member(actor.Host()) || in.o.Directory.Upstream(d.via),
		Wrapper:       in.o.Directory.IsSubscriber(env.Actor),
		Unfollows:     env.Type == "Undo" && subscription.Unfollows(env, existing),
		RelayUnlisted: in.o.RelayUnlisted,
		Relay:         in.o.Identity.Relay.ID(),
	}
	if env.Type == "Announce" && !f.Wrapper {
		// A category of NodeBB or a service publishes for its instance too.
		if doc, err := in.o.Keys.Actor(ctx, env.Actor); err == nil {
			f.Wrapper = doc.Type != "Person"
		}
	}
	objectHost := actor.Host()
	if iri, err := activitypub.ParseIRI(d.objectID()); err == nil {
		objectHost = iri.Host()
		f.ObjectBlocked = in.o.Directory.Blocked(objectHost)
	} else if env.Type == "Announce" && d.objectID() != "" {
		// What cannot be read cannot be held against the blocks.
		return d.fail(ReasonField, fmt.Errorf("object: %w", err))
	}
	if env.Type == "Delete" || env.Type == "Update" {
		known, err := in.o.Journal.SeenObject(ctx, ObjectKey(env.ObjectID))
		if err != nil {
			return d.internal(err)
		}
		f.Known = known
	}
	action, reason := Decide(env, f)
	switch action {
	case ActFollow:
		return d.follow(ctx, actor, existing)
	case ActUnfollow:
		return d.unfollow(ctx, existing)
	case ActAnswer:
		return d.answer(ctx, existing)
	case ActResolve:
		return d.resolve(ctx, reason)
	case ActRelay:
		return d.append(ctx, objectHost, reason, true, true)
	case ActForward:
		return d.append(ctx, objectHost, reason, true, false)
	case ActKeep:
		return d.append(ctx, objectHost, reason, false, true)
	}
	return outcome(reason)
}

// objectID is the id of what the activity is about.
func (d *delivery) objectID() string {
	if d.env.Type == "Announce" {
		return Announced(d.env)
	}
	return d.env.ObjectID
}

func (d *delivery) evidence() storage.Evidence {
	v := d.verified
	return storage.Evidence{
		Scheme: v.Scheme, KeyID: v.KeyID, Signature: v.Signature,
		Components: v.Components, Digest: v.Digest, Date: v.Date, Signed: v.Signed,
	}
}

func (d *delivery) append(ctx context.Context, origin string, reason Reason, relay, listen bool) Outcome {
	env := d.env
	e := storage.Entry{
		ActivityID: d.activityID(), Type: env.Type, Actor: env.Actor, ObjectID: env.ObjectID,
		Via: d.via, Origin: origin, Proof: d.proof, ProofUntil: d.until,
		Relay: relay, Listen: listen, Body: d.body, Evidence: d.evidence(),
	}
	if env.Type == "Create" {
		e.ObjectKey = ObjectKey(env.ObjectID)
	}
	added, err := d.in.o.Journal.Append(ctx, &e)
	if err != nil {
		return d.internal(err)
	}
	if !added {
		return outcome(ReasonDuplicate)
	}
	d.in.o.Observer.Appended()
	return outcome(reason)
}

func (d *delivery) internal(err error) Outcome {
	if errors.Is(err, storage.ErrClosed) || errors.Is(err, context.Canceled) {
		out := d.fail(ReasonStopping, err)
		out.RetryAfter = time.Minute
		return out
	}
	return d.fail(ReasonInternal, err)
}

func (d *delivery) resolve(ctx context.Context, reason Reason) Outcome {
	if seen, err := d.in.o.Journal.SeenObject(ctx, ObjectKey(d.objectID())); err != nil {
		return d.internal(err)
	} else if seen {
		return outcome(ReasonDuplicate)
	}
	n, err := d.in.o.Journal.CountUnresolved(ctx, d.via)
	if err != nil {
		return d.internal(err)
	}
	if n >= maxUnresolved {
		out := outcome(ReasonRateHost)
		out.RetryAfter = time.Minute
		return out
	}
	u := storage.Unresolved{
		Received: d.in.o.Now(), ActivityID: d.activityID(), Actor: d.env.Actor, ObjectID: d.objectID(),
		Via: d.via, NextAt: d.in.o.Now(), Body: d.body, Evidence: d.evidence(),
	}
	added, err := d.in.o.Journal.AppendUnresolved(ctx, &u)
	if err != nil {
		return d.internal(err)
	}
	if !added {
		return outcome(ReasonDuplicate)
	}
	d.in.o.Observer.Unresolved()
	return outcome(reason)
}

func (d *delivery) follow(ctx context.Context, actor activitypub.IRI, existing *storage.Subscriber) Outcome {
	in := d.in
	fresh := existing == nil || existing.State == storage.StateLeft
	if fresh && in.o.Directory.Crowded(actor.Host()) {
		return crowded()
	}
	doc, err := in.o.Keys.Actor(ctx, d.env.Actor)
	if err != nil {
		return d.fail(ReasonKey, err)
	}
	_, head, err := in.o.Journal.Bounds(ctx)
	if err != nil {
		return d.internal(err)
	}
	sub, controls, refusal, err := in.o.Identity.Follow(subscription.Request{
		Envelope: d.env, Body: d.body, Actor: doc, Existing: existing,
		Approval: in.o.Approval, Head: head, Now: in.o.Now(),
	})
	if err != nil {
		return d.internal(err)
	}
	if refusal != subscription.RefuseNone {
		return refusalOutcome(refusal)
	}
	if fresh {
		// One newcomer after the other, so that a burst is counted as well.
		in.joining.Lock()
		defer in.joining.Unlock()
		if in.o.Directory.Crowded(actor.Host()) {
			return crowded()
		}
	}
	if err := in.o.Subscribers.PutSubscription(ctx, sub, controls); err != nil {
		return d.internal(err)
	}
	in.o.Directory.Joined(*sub)
	in.o.Log.InfoContext(ctx, "follow", "actor", sub.Actor, "host", sub.Host, "flavour", string(sub.Flavour), "state", string(sub.State))
	in.o.Observer.Subscribed()
	switch sub.State {
	case storage.StatePending:
		return outcome(ReasonPending)
	case storage.StateRejected:
		return outcome(ReasonRefused)
	}
	return outcome(ReasonSubscribed)
}

func crowded() Outcome {
	return Outcome{Reason: ReasonFollow, Detail: "Too many instances of this domain subscribe already; ask the operator of the relay."}
}

func (d *delivery) unfollow(ctx context.Context, existing *storage.Subscriber) Outcome {
	in := d.in
	sub, controls, refusal, err := in.o.Identity.Undo(d.env, existing, in.o.Now())
	if err != nil {
		return d.internal(err)
	}
	if refusal != subscription.RefuseNone {
		return refusalOutcome(refusal)
	}
	if err := in.o.Subscribers.PutSubscription(ctx, sub, controls); err != nil {
		return d.internal(err)
	}
	in.o.Observer.Left(sub.Actor)
	in.o.Log.InfoContext(ctx, "unfollow", "actor", sub.Actor, "host", sub.Host)
	in.o.Observer.Subscribed()
	return outcome(ReasonUnsubscribed)
}

func (d *delivery) answer(ctx context.Context, existing *storage.Subscriber) Outcome {
	sub, refusal := d.in.o.Identity.Answer(d.env, existing, d.in.o.Now())
	if refusal != subscription.RefuseNone {
		return refusalOutcome(refusal)
	}
	if err := d.in.o.Subscribers.PutSubscription(ctx, sub, nil); err != nil {
		return d.internal(err)
	}
	d.in.o.Observer.Subscribed()
	return outcome(ReasonAnswered)
}

// hostOfKey is the host that a request claims to come from, for admission only:
// nothing is believed of it before the signature was verified.
func hostOfKey(r *http.Request) string { return hostOf(sig.ClaimedKeyID(r.Header)) }
