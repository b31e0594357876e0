package inbox

import (
	"errors"
	"net/http"
	"time"

	"hark/activitypub"
	"hark/activitypub/remote"
	"hark/activitypub/sig"
	"hark/relay/subscription"
)

// Reason names what became of an activity. It reaches the sender, the log and
// a metric, so the set is closed: Reasons lists all.
type Reason string

// What becomes of an activity.
const (
	ReasonRelayed      Reason = "relayed"       // journaled, to be fanned out
	ReasonKept         Reason = "kept"          // journaled for the listener only
	ReasonResolving    Reason = "resolving"     // durable; its object is being fetched
	ReasonSubscribed   Reason = "subscribed"    // the Follow was taken
	ReasonPending      Reason = "pending"       // the Follow waits for the operator
	ReasonRefused      Reason = "refused"       // the operator refuses that subscriber
	ReasonUnsubscribed Reason = "unsubscribed"  //
	ReasonAnswered     Reason = "answered"      // an answer to our own Follow
	ReasonDuplicate    Reason = "duplicate"     // seen before
	ReasonNotPublic    Reason = "not-public"    // not addressed to the Public collection
	ReasonUnlisted     Reason = "unlisted"      // Public only in cc
	ReasonNotMember    Reason = "not-a-member"  // its host does not subscribe
	ReasonType         Reason = "type"          // an activity type that is not relayed
	ReasonGoneActor    Reason = "gone-actor"    // Delete of an actor that is not known here
	ReasonUnknown      Reason = "unknown"       // an Undo, Accept or Delete of something not known here
	ReasonBoostUnproof Reason = "boost-unproof" // a boost without its author's proof cannot be passed on
	ReasonObjectHost   Reason = "object-host"   // its object lives on a blocked host

	ReasonTooLarge      Reason = "too-large"
	ReasonJSON          Reason = "json"
	ReasonField         Reason = "field"
	ReasonEncoding      Reason = "encoding"
	ReasonNesting       Reason = "nesting"
	ReasonDuplicateKey  Reason = "duplicate-key"
	ReasonOrigin        Reason = "origin" // ids on another origin than the actor
	ReasonNoSignature   Reason = "signature-missing"
	ReasonMalformed     Reason = "signature-malformed"
	ReasonScheme        Reason = "signature-scheme"
	ReasonCoverage      Reason = "signature-coverage"
	ReasonDigest        Reason = "signature-digest"
	ReasonDate          Reason = "signature-date"
	ReasonBadSignature  Reason = "signature-wrong"
	ReasonKey           Reason = "key-unavailable"
	ReasonKeyOwner      Reason = "key-owner"
	ReasonWeakKey       Reason = "key-weak"
	ReasonForbiddenHost Reason = "forbidden-address"
	ReasonActor         Reason = "actor" // signed by somebody else than the actor, without the actor's proof
	ReasonBlocked       Reason = "blocked"
	ReasonFollow        Reason = "follow" // a Follow or Undo that cannot be meant
	ReasonInnerActor    Reason = "inner-actor"
	ReasonRateHost      Reason = "rate-host"
	ReasonRateAll       Reason = "rate-all"
	ReasonInternal      Reason = "internal"
	ReasonStopping      Reason = "stopping"
)

// verdict is how a reason is answered.
type verdict struct {
	status   int
	sentence string
}

// verdicts answers every reason. 202 means understood, wanted or not; 401 and
// 403 are kept for failures of authentication and for blocked hosts, since
// Mastodon repeats after a 401 and drops for good after other 4xx.
//
// ref: contracts/federation.md, "Answers, retries, death".
var verdicts = map[Reason]verdict{
	ReasonRelayed:      {202, "Accepted and durable; it will be relayed."},
	ReasonKept:         {202, "Accepted and durable."},
	ReasonResolving:    {202, "Accepted and durable; its object is being fetched from its origin."},
	ReasonSubscribed:   {202, "The subscription is accepted; the Accept is on its way."},
	ReasonPending:      {202, "The subscription waits for the operator's approval."},
	ReasonRefused:      {202, "The operator of this relay refuses this subscription; the Reject is on its way."},
	ReasonUnsubscribed: {202, "The subscription has ended."},
	ReasonAnswered:     {202, "Understood."},
	ReasonDuplicate:    {202, "Seen before; it is relayed once."},
	ReasonNotPublic:    {202, "Only activities addressed to the Public collection are relayed or kept; this one was dropped."},
	ReasonUnlisted:     {202, "Public only in cc is not relayed here; it was dropped."},
	ReasonNotMember:    {202, "The host of its actor does not subscribe to this relay; it was dropped."},
	ReasonType:         {202, "This type of activity is not relayed; it was dropped."},
	ReasonGoneActor:    {202, "That actor is not known here; there is nothing to delete."},
	ReasonUnknown:      {202, "Nothing known here matches it; nothing was changed."},
	ReasonBoostUnproof: {202, "A boost without its author's own signature cannot be passed on; it was dropped."},
	ReasonObjectHost:   {202, "Its object lives on a host that is blocked here; it was dropped."},

	ReasonTooLarge:      {http.StatusRequestEntityTooLarge, "The body is larger than this relay takes."},
	ReasonJSON:          {400, "The body is not a JSON object."},
	ReasonField:         {400, "A required property is missing or has the wrong form."},
	ReasonEncoding:      {400, "The body is not valid UTF-8, or holds a NUL or a byte order mark."},
	ReasonNesting:       {400, "The body is nested too deeply or has too many values."},
	ReasonDuplicateKey:  {400, "An object of the body has the same key twice."},
	ReasonOrigin:        {403, "The activity or its object lives on another origin than its actor."},
	ReasonNoSignature:   {401, "The request carries no HTTP signature."},
	ReasonMalformed:     {401, "The HTTP signature cannot be read."},
	ReasonScheme:        {401, "This HTTP signature scheme or algorithm is not understood here."},
	ReasonCoverage:      {401, "The signature must cover (request-target), host, date or (created), and digest."},
	ReasonDigest:        {401, "The digest does not fit the body, or is not one SHA-256 value."},
	ReasonDate:          {401, "The date of the request is outside the accepted window."},
	ReasonBadSignature:  {401, "The HTTP signature does not fit the request and the key."},
	ReasonKey:           {401, "The key that signed could not be fetched."},
	ReasonKeyOwner:      {401, "The key's document and its owner do not agree, or stand on different origins."},
	ReasonWeakKey:       {401, "The key is too weak or of a kind not understood here."},
	ReasonForbiddenHost: {401, "The key lives at an address that this relay does not reach."},
	ReasonActor:         {401, "The request was signed by somebody else than the activity's actor, and carries no valid proof by its actor."},
	ReasonBlocked:       {403, "This host is blocked by the operator of the relay."},
	ReasonFollow:        {400, "The Follow cannot be taken."},
	ReasonInnerActor:    {403, "The actor of the embedded activity differs from the actor of the Undo."},
	ReasonRateHost:      {429, "Too many requests from this host; try again later."},
	ReasonRateAll:       {503, "The relay is overloaded; try again later."},
	ReasonInternal:      {500, "Internal error; try again later."},
	ReasonStopping:      {503, "The relay is stopping; try again in a minute."},
}

// Reasons lists every reason there is.
func Reasons() []Reason {
	out := make([]Reason, 0, len(verdicts))
	for r := range verdicts {
		out = append(out, r)
	}
	return out
}

// Status is the HTTP status with which the reason is answered.
func (r Reason) Status() int {
	if v, ok := verdicts[r]; ok {
		return v.status
	}
	return http.StatusInternalServerError
}

// Sentence says the reason in words for the sender.
func (r Reason) Sentence() string { return verdicts[r].sentence }

// Outcome is the answer to one delivery.
type Outcome struct {
	Reason     Reason
	Ref        string        // names a refusal, for whoever asks why
	Detail     string        // a sentence for the sender; Reason.Sentence() where nothing more is known
	RetryAfter time.Duration // for 429 and 503
}

func outcome(r Reason) Outcome { return Outcome{Reason: r, Detail: r.Sentence()} }

// reasonOf maps an error of the lower rooms to its reason.
func reasonOf(err error) Reason {
	for _, m := range errorReasons {
		if errors.Is(err, m.err) {
			return m.reason
		}
	}
	return ReasonInternal
}

var errorReasons = []struct {
	err    error
	reason Reason
}{
	{ErrFetchLimit, ReasonRateHost},
	{sig.ErrNoSignature, ReasonNoSignature},
	{sig.ErrUnsupportedScheme, ReasonScheme}, // before ErrMalformed, of which it is a kind
	{sig.ErrMalformed, ReasonMalformed},
	{sig.ErrCoverage, ReasonCoverage},
	{sig.ErrDigest, ReasonDigest},
	{sig.ErrDate, ReasonDate},
	{sig.ErrExpired, ReasonDate},
	{sig.ErrWeakKey, ReasonWeakKey},
	{sig.ErrOwner, ReasonKeyOwner},
	{remote.ErrForbiddenAddress, ReasonForbiddenHost},
	{sig.ErrKeyUnavailable, ReasonKey},
	// Below the key: what is wrong with a fetched document is not the body's.
	{activitypub.ErrTooLarge, ReasonTooLarge},
	{activitypub.ErrUTF8, ReasonEncoding},
	{activitypub.ErrNUL, ReasonEncoding}, // before ErrJSON, of which it is a kind
	{activitypub.ErrDepth, ReasonNesting},
	{activitypub.ErrDuplicateKey, ReasonDuplicateKey},
	{activitypub.ErrField, ReasonField},
	{activitypub.ErrJSON, ReasonJSON},
	{sig.ErrBadSignature, ReasonBadSignature},
}

// refusalOutcome maps a refusal of the subscription dialects to its outcome.
func refusalOutcome(r subscription.Refusal) Outcome {
	reason := ReasonFollow
	switch r {
	case subscription.RefuseInnerActor:
		reason = ReasonInnerActor
	case subscription.RefuseUnknownFollow:
		reason = ReasonUnknown
	}
	return Outcome{Reason: reason, Detail: r.Sentence()}
}
