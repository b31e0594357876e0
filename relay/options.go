package relay

import (
	"crypto/rsa"
	"log/slog"
	"net/netip"
	"time"

	"hark/classifier"
	"hark/classifier/transformer"
	"hark/storage/sqlite"
)

// Publishers says whose posts are relayed and kept.
type Publishers string

// The values of Publishers.
const (
	PublishersSubscribers Publishers = "subscribers" // hosts with an active subscription
	PublishersAnyone      Publishers = "anyone"      // everybody whose signature holds and whom no rule blocks
)

// Consent is the level of consent that storing asks of an author.
type Consent string

// The levels of consent.
const (
	ConsentOptIn  Consent = "opt-in"  // only authors who said yes
	ConsentOptOut Consent = "opt-out" // everybody but authors who said no
	ConsentPublic Consent = "public"  // every public post
)

// Rule is an operator's rule: posts that match the query get the label.
type Rule struct {
	Name  string  // shown as the reason
	Query string  // in the search language; a warning in it refuses the start
	Label string  // one of classifier.Labels or a name of the operator's own
	Score float64 // in (0, 1]
}

// Options are all that a Node is made from. Zero values mean the defaults
// named beside each field.
type Options struct {
	Store *sqlite.Store   // open; the caller closes it after Stop
	Key   *rsa.PrivateKey // the relay actor's; it must stay the same for the store's whole life

	Listen  string // host:port to bind; port 0 picks one
	BaseURL string // "https://relay.example"; empty: http:// and the bound address
	Version string // of the program

	Name        string // shown to people; "Hark"
	Description string
	Contact     string // e-mail or URL of the operator

	Publishers    Publishers // PublishersSubscribers
	Approval      bool       // Follows wait for the operator
	RelayUnlisted bool       // quiet public (Public only in cc) is relayed and kept
	Upstream      []string   // inbox or actor URLs of relays that Hark itself follows

	AllowPrivate bool // requests may leave for private and loopback addresses
	AllowHTTP    bool // http: is as good as https:
	FetchTimeout time.Duration

	DeliveryTimeout time.Duration // of one POST; 10 s
	HostBound       bool          // every request is signed for its host alone, at the price of an RSA signature each
	DeliveryWindow  int           // activities in flight to one subscriber at most; 16
	DeliveryLimit   int           // requests in flight in all; 256
	RetryMin        time.Duration // first back-off; 2 s
	RetryMax        time.Duration // longest back-off; 1 h
	GiveUpAfter     time.Duration // dead that long: suspended; 7 days

	JournalRetention time.Duration // entries older than that go, whoever waits; 7 days
	Retention        time.Duration // of stored posts; 30 days; negative: for ever
	Consent          Consent       // ConsentOptOut

	MaxBody       int64   // bytes of an inbox body; 1 MiB
	HostRate      float64 // accepted requests a second and sending host; 50
	GlobalRate    float64 // in all; 1,000
	PublicMetrics bool    // /metrics without a token
	TrustProxies  []netip.Prefix

	Classifier classifier.Classifier // nil: the built-in ensemble
	Thresholds map[string]float64    // label → threshold
	Weights    string                // file of the classifier; "" for the built-in one
	Rules      []Rule
	// Transformer is asked about posts of whose labels the classifier is not sure;
	// without a Dir nobody is. Its Thresholds are set by the node.
	Transformer  transformer.Options
	Transformers int // how many posts it is asked about at a time; 1

	Log *slog.Logger // slog.Default()
	Now func() time.Time
}
