// Package storage holds the records that Hark keeps and the errors that every
// store speaks. It has no behaviour: the engines stand in sub-packages
// (sqlite), the search language in query, the export format in archive, and
// what every engine must pass in storetest.
package storage

import "time"

// Entry is one row of the journal: one accepted activity. The journal is an
// append-only log; every reader (a subscriber's delivery, the listener) is a
// cursor into it, so an entry costs one row however many readers there are.
type Entry struct {
	Seq        int64     // position, assigned by Append, rising; 0 before
	Received   time.Time // arrival, UTC, millisecond precision; never falls with Seq
	ActivityID string    // id of the activity; unique in the journal
	Type       string    // activity type: Create, Announce, Update, Delete, Undo, Move, …
	Actor      string    // id of the activity's actor
	ObjectID   string    // canonical id of the object; "" if none. Updates and Deletes share it with their Create
	ObjectKey  string    // what makes the object unique among relayed ones; "" where wrappers are not merged
	Via        string    // host that delivered it (lower case, no port unless unusual)
	Origin     string    // host of the object's (or else the activity's) id: it never gets its own post back
	Proof      Proof     // what the body carries, and so whether it may be forwarded as it is
	ProofUntil time.Time // end of the proof's validity; zero if unlimited
	Relay      bool      // to be fanned out
	Listen     bool      // to be classified and stored
	Body       []byte    // the activity, the bytes that arrived; empty once erased
	Object     []byte    // the object as fetched from its origin, for an Announce; else nil
	Evidence   Evidence
	Erased     bool // body removed by a Delete or `forget`: cursors pass over it
}

// Proof names the author's own proof that an activity's bytes carry and that
// was verified on arrival.
type Proof string

// The proofs of an activity.
const (
	ProofNone      Proof = ""          // only the HTTP delivery was signed
	ProofLD        Proof = "ld"        // RsaSignature2017
	ProofIntegrity Proof = "integrity" // FEP-8b32
	ProofBeside    Proof = "beside"    // FEP-8b32, with an RsaSignature2017 beside it that nobody has checked
)

// Evidence is what proved an activity on arrival.
type Evidence struct {
	Scheme     string   `json:"scheme,omitempty"`     // "cavage", "rfc9421", "ld", "origin" (fetched from its origin)
	KeyID      string   `json:"key_id,omitempty"`     // key that verified
	Signature  string   `json:"signature,omitempty"`  // the header (or proof value) as received
	Components []string `json:"components,omitempty"` // covered components, in order
	Digest     string   `json:"digest,omitempty"`     // digest of the body as received
	Date       string   `json:"date,omitempty"`       // date that was covered
	Signed     string   `json:"signed,omitempty"`     // the text that the signature was made over, so that anyone can check it again
}

// Unresolved is an accepted Announce whose object has not been fetched yet. It
// is durable before the 202 and leaves only by becoming an Entry or by being
// given up with a reason.
type Unresolved struct {
	ID         int64
	Received   time.Time
	ActivityID string
	Actor      string
	ObjectID   string
	Via        string
	Attempts   int
	NextAt     time.Time
	Body       []byte
	Evidence   Evidence
}

// Flavour is the dialect in which a subscriber followed (FEP-ae0c).
type Flavour string

// The two dialects of FEP-ae0c.
const (
	FlavourMastodon Flavour = "mastodon" // followed as:Public; gets forwards, or Announces
	FlavourLitePub  Flavour = "litepub"  // followed the relay actor; gets Announces, is followed back
)

// SubscriberState is where a subscription stands.
type SubscriberState string

// The states of a subscription.
const (
	StatePending   SubscriberState = "pending"   // asked; waits for the operator
	StateAccepting SubscriberState = "accepting" // admitted; the Accept is not yet delivered, so nothing is fanned out
	StateActive    SubscriberState = "active"    // the Accept was taken with a 2xx
	StateSuspended SubscriberState = "suspended" // dead for too long; resumes when it speaks again
	StateRejected  SubscriberState = "rejected"  // refused
	StateLeft      SubscriberState = "left"      // unsubscribed
)

// Subscriber is an instance (or another relay) that asked for the fan-out.
// Membership is by Host; the Actor is only who asked.
type Subscriber struct {
	Actor         string // id of the following actor: the primary key
	Host          string // host of Actor
	Inbox         string // where deliveries go; same origin as Actor
	Flavour       Flavour
	State         SubscriberState
	FollowID      string // id of its Follow
	Follow        []byte // its Follow as it arrived, echoed verbatim in Accept and Reject
	FollowBackID  string // id of our own Follow, LitePub only
	Mutual        bool   // our Follow was accepted
	Software      string // by NodeInfo: mastodon, misskey, pleroma, …; "" unknown
	Version       string // of the software, as NodeInfo gives it; "" unknown
	ActorType     string // Application, Service, Group, …
	IsRelay       bool   // a relay itself: what came from a relay never goes to it
	SignatureForm string // "" as its software takes it; "host": bound to its host, because it refused another
	Filter        string // a query of the search language; "" everything
	Cursor        int64  // sequence of the last entry it is done with
	Rewinds       int64  // how often an operator set the cursor back
	Created       time.Time
	Updated       time.Time
	Health        Health
}

// Health is how deliveries to a subscriber fare.
type Health struct {
	LastSuccess  time.Time // last 2xx; zero if never
	LastError    string    // last failure in words; "" if none since
	LastErrorAt  time.Time
	FailingSince time.Time // begin of the present series of failures; zero when well
	Failures     int       // failures in that series
	RetryAt      time.Time // not before; zero when well
	Delivered    int64     // activities accepted with a 2xx
	Skipped      int64     // activities it refused for good
	Gaps         int64     // entries it never got because the journal no longer held them
	LastSkip     string    // reason of the last skip
	LastActivity time.Time // last signed request from it
}

// ControlKind is the kind of a control message.
type ControlKind string

// The control messages that Hark sends.
const (
	ControlAccept ControlKind = "accept" // its delivery makes the subscriber active
	ControlReject ControlKind = "reject"
	ControlFollow ControlKind = "follow" // the follow back of a LitePub subscriber
	ControlUndo   ControlKind = "undo"   // undoes our own Follow
	ControlGreet  ControlKind = "greet"  // the Accept again, after an outage
)

// Control is a control message that still has to be delivered. It is written
// in one transaction with the change of the subscriber that caused it.
type Control struct {
	ID       int64 // assigned by the store
	Actor    string
	Inbox    string
	Kind     ControlKind
	Body     []byte
	Attempts int
	NextAt   time.Time
	Created  time.Time
}

// Progress is what delivery writes back for one subscriber. The state is not
// part of it: a flush never undoes what an operator changed meanwhile.
type Progress struct {
	Actor   string
	Cursor  int64
	Rewinds int64 // of the record that the cursor goes on from
	Health  Health
}

// SubscriberFilter selects subscribers; zero values select all.
type SubscriberFilter struct {
	States []SubscriberState
	Host   string
}

// Actor is a remote actor document, cached.
type Actor struct {
	ID       string
	Host     string
	Handle   string // user@host
	Name     string
	Document []byte // as fetched
	Fetched  time.Time
	Gone     bool // its origin answered 404 or 410
}

// Post is one stored post.
type Post struct {
	ID          int64     // (arrival in unix ms << 16) | sequence; rises with arrival
	URI         string    // id of the object; unique
	URL         string    // page for people; may be empty
	Type        string    // Note, Article, Question, Video, …
	Actor       string    // id of the author
	Handle      string    // user@host of the author, lower case
	Name        string    // display name of the author
	Host        string    // host of the object
	Via         string    // host that delivered it
	Software    string    // of the author's instance, "" unknown
	Published   time.Time // by the author, clamped to not after Received + 5 min
	Received    time.Time
	Edited      time.Time // zero if never
	Language    string    // BCP 47, lower-case primary tag; "und" unknown
	Text        string    // plain text
	Warning     string    // content warning
	Sensitive   bool
	InReplyTo   string
	Quote       string
	Bot         bool
	Tags        []string // hashtags without '#', folded
	Mentions    []string // user@host, lower case
	Links       []string // absolute URLs, without tags and mentions
	Attachments []Attachment
	Poll        []string // option texts; nil if no poll
	Emojis      bool     // carries custom emoji
	Labels      []Label  // every label with its score, also those under their threshold
	ModelVer    string   // of what labelled it
	SimHash     uint64
	Consent     string // which rule let it in
	Raw         []byte // the activity (or fetched object) as it arrived
	Evidence    Evidence
	ActivityID  string
}

// Attachment is a medium of a post; never downloaded.
type Attachment struct {
	URL         string `json:"url"`
	MediaType   string `json:"media_type,omitempty"`
	Kind        string `json:"kind"` // image, video, audio, file
	Description string `json:"description,omitempty"`
}

// Label is a classifier's judgement on a post.
type Label struct {
	Name    string   `json:"name"`
	Score   float64  `json:"score"` // in [0, 1]
	Over    bool     `json:"over"`  // at or over its threshold
	Model   string   `json:"model"` // which judge, with its version
	Reasons []Reason `json:"reasons,omitempty"`
}

// Reason is a part of the text that weighed in a label.
type Reason struct {
	Text   string  `json:"text"`           // the part, masked where it is a secret
	Start  int     `json:"start"`          // byte offsets in the classified text
	End    int     `json:"end"`            //
	Rule   string  `json:"rule"`           // detector, rule or feature
	Weight float64 `json:"weight"`         // negative: counter-evidence
	Note   string  `json:"note,omitempty"` // in words
}

// Feedback is what somebody said of a label of a post.
type Feedback struct {
	Post  int64
	Label string
	Holds bool   // the label is right for the post
	Token string // id of who said it
	At    time.Time
	Score float64 // of the label at that time, 0 where it had none
	Model string  // version of what judged
}

// Scope is what a token may do.
type Scope string

// The scopes of tokens.
const (
	ScopeSearch   Scope = "search"
	ScopeExport   Scope = "export"
	ScopeVerbatim Scope = "verbatim"
	ScopeReview   Scope = "review"
	ScopeAdmin    Scope = "admin"
)

// Token is an access token or a sign-in link; only the SHA-256 of its secret is kept.
type Token struct {
	ID       string // short public id
	Hash     []byte // SHA-256 of the secret
	Scopes   []Scope
	Holder   string
	Purpose  string
	OneTime  bool // a sign-in link: consumed by its first use
	Session  bool // a browser session
	Created  time.Time
	Expires  time.Time // zero: never
	LastUsed time.Time
	Revoked  bool
}

// AuditEntry is one line of the append-only, hash-chained audit log.
type AuditEntry struct {
	Seq     int64
	At      time.Time
	Token   string // id of the token, or "cli"
	Action  string // search, stream, export, view, token.add, subscriber.accept, …
	Subject string // the query, the actor, …
	Count   int64  // results
	Prev    []byte // hash of the entry before
	Hash    []byte // SHA-256 over the fields and Prev
}

// PolicyRule blocks or allows a host.
type PolicyRule struct {
	Host    string // normalised; covers its subdomains
	Action  string // "block" or "allow"
	Reason  string
	Created time.Time
}

// DayCount is a count of what was not stored (or stored), by day.
type DayCount struct {
	Day    string // YYYY-MM-DD, UTC
	Reason string // consent or policy reason; "stored"
	Count  int64
}

// OpKind is the kind of an Op.
type OpKind string

// The operations of the listener on the archive.
const (
	OpPut         OpKind = "put"          // add a post; no effect if its URI is known
	OpUpdate      OpKind = "update"       // replace the post of that URI if the Actor is its author; else, if unknown, no effect
	OpDelete      OpKind = "delete"       // erase the post of that URI if the Actor is its author
	OpDeleteActor OpKind = "delete-actor" // erase everything of that actor
	OpPutActor    OpKind = "put-actor"    // refresh a cached actor
)

// Op is one change that the listener makes to the archive. The changes of a
// batch are applied in their order and in one transaction with the cursor.
type Op struct {
	Kind   OpKind
	Post   *Post  // OpPut, OpUpdate
	URI    string // OpDelete
	Actor  string // OpDelete, OpDeleteActor: on whose behalf
	Record *Actor // OpPutActor
}

// OpResult tells what an Op did.
type OpResult struct {
	Applied bool
	IDs     []int64 // ids of the posts added, replaced or erased
}

// Batch is what the listener commits at once.
type Batch struct {
	Ops    []Op
	Cursor int64      // sequence of the last journal entry covered
	Counts []DayCount // added to the counts kept
}

// Page asks for a page of hits by key, never by offset.
type Page struct {
	Limit  int    // 1 to 200; 0 means 20
	Cursor string // opaque, from Hits.Next; "" the first page
	MaxID  int64  // only ids below; 0 none
	MinID  int64  // only ids above; 0 none
}

// Hits is a page of search results.
type Hits struct {
	Posts   []Post
	Next    string // cursor of the next page; "" when this was the last
	Partial bool   // the deadline passed: only the newest part was looked at
}

// Forgotten is the receipt of an erasure.
type Forgotten struct {
	Posts   int64
	Actors  int64
	Entries int64 // journal bodies erased
}

// Stats are figures of the archive.
type Stats struct {
	Posts     int64
	Oldest    time.Time
	Newest    time.Time
	FileBytes int64
	Journal   int64 // entries kept
	Head      int64
}

// Stage is where on its way a delivery met a decision.
type Stage string

// The stages.
const (
	StageInbox   Stage = "inbox"   // answered to the sender
	StageResolve Stage = "resolve" // its object was to be fetched
	StageListen  Stage = "listen"  // relayed, but not kept
)

// Decision is why a delivery was refused, dropped or not kept.
type Decision struct {
	At         time.Time
	Ref        string // that the sender was given, "" if none
	ActivityID string // "" if it cannot be told, as the next two
	ObjectID   string
	Actor      string
	Type       string // of the activity
	Via        string // host that delivered it, as far as that was verified
	Stage      Stage
	Reason     string
	Status     int    // answered; 0 behind the inbox
	Detail     string // the fault in words, at most 300 bytes
}
