package activitypub

import (
	"fmt"
	"strings"
	"time"
)

// Bounds on what is taken from an actor document. More is cut off, not refused.
const (
	maxActorKeys   = 16
	maxActorFields = 64
	maxActorTags   = 64
	maxActorLists  = 64
	maxName        = 1024 // bytes
)

// actorTypes are the types of those who act.
//
// ref: ActivityStreams 2.0 Vocabulary §3.2
var actorTypes = map[string]bool{
	"Application": true, "Group": true, "Organization": true, "Person": true, "Service": true,
}

// PublicKey is a key as an actor document lists it, not yet parsed.
type PublicKey struct {
	ID    string
	Owner string // the actor that it belongs to; "" if the document does not say
	PEM   string // SPKI or PKCS #1; "" if Multibase is given
	// Multibase is an Ed25519 key as FEP-521a writes it; "" if PEM is given.
	Multibase string
	// Assertion says that the key stands among the actor's assertionMethods.
	Assertion bool
}

// Field is a row of a profile's table, as plain text.
type Field struct {
	Name  string
	Value string
}

// Actor is what Hark takes from an actor document: who it is, where it
// receives, its keys, and what it says about being found.
type Actor struct {
	ID       string
	Type     string // Person, Service, Application, Group or Organization
	Username string // preferredUsername
	Name     string // display name, plain text
	Summary  string // profile text, plain
	URL      string // page for people; "" if none

	Inbox       string
	SharedInbox string
	Outbox      string
	Followers   string
	Keys        []PublicKey

	Indexable       *bool    // FEP-5feb; nil if not said
	Discoverable    *bool    // nil if not said
	SignInRequired  bool     // posts are only for who has signed in (Misskey)
	SearchableBy    []string // FEP-268d, collections as they are written
	HasSearchableBy bool     // searchableBy is present, be it empty

	Fields    []Field
	Tags      []string // hashtags of the profile, without '#'
	Published time.Time
	Bot       bool   // a Service or an Application
	MovedTo   string // its new id; "" if it has not moved
}

// ParseActor reads an actor document under the default Limits. An id, which is
// an address, and the type of an actor are required; everything else may be
// missing (GoToSocial answers unsigned requests with no more than a key).
//
// It returns ErrType if the document is of another type, else the errors of
// ParseEnvelope.
func ParseActor(doc []byte) (*Actor, error) {
	d, err := scan(doc, Limits{})
	if err != nil {
		return nil, fmt.Errorf("read actor: %w", err)
	}
	a, err := actorOf(d.root())
	if err != nil {
		return nil, fmt.Errorf("read actor: %w", err)
	}
	return a, nil
}

func actorOf(v value) (*Actor, error) {
	r := reader{}
	a := &Actor{
		ID:          r.address(v, "id"),
		Type:        knownType(v),
		Username:    cutText(v.get("preferredUsername").str(), maxName),
		Name:        titleOf(v),
		Inbox:       r.optional(v.get("inbox"), "inbox"),
		SharedInbox: r.optional(v.get("endpoints").get("sharedInbox"), "endpoints.sharedInbox"),
		Outbox:      r.optional(v.get("outbox"), "outbox"),
		Followers:   r.optional(v.get("followers"), "followers"),
		URL:         pageOf(v.get("url")),
		Published:   v.get("published").time(),
		MovedTo:     cutID(v.get("movedTo").id()),
	}
	if r.err != nil {
		return nil, r.err
	}
	if !actorTypes[a.Type] {
		return nil, fmt.Errorf("%s is not an actor: %w", quoteShort(a.Type), ErrType)
	}
	a.Bot = a.Type == "Service" || a.Type == "Application"
	a.Summary = TextOfHTML(naturalText(v, "summary"))
	a.Keys = allKeysOf(v)
	a.Indexable, a.Discoverable = optionalTruth(v.get("indexable")), optionalTruth(v.get("discoverable"))
	if noindex, _ := v.get("noindex").truth(); noindex {
		// Sharkey and its kin. Its default is false, which says nothing.
		a.Indexable = new(bool)
	}
	a.SignInRequired, _ = v.get("_misskey_requireSigninToViewContents").truth()
	a.HasSearchableBy = v.get("searchableBy").present()
	for c := range v.get("searchableBy").items() {
		if id := c.id(); checkAddress(id) == nil && len(a.SearchableBy) < maxActorLists {
			a.SearchableBy = append(a.SearchableBy, id)
		}
	}
	a.Fields = fieldsOf(v.get("attachment"))
	for t := range v.get("tag").items() {
		if t.hasType("Hashtag") && len(a.Tags) < maxActorTags {
			a.Tags = appendNew(a.Tags, tagName(t))
		}
	}
	return a, nil
}

// fieldsOf reads the PropertyValues among a profile's attachments.
func fieldsOf(v value) []Field {
	var fields []Field
	for f := range v.items() {
		if !f.hasType("PropertyValue") || len(fields) == maxActorFields {
			continue
		}
		fields = append(fields, Field{
			Name:  cutText(TextOfHTML(f.get("name").str()), maxName),
			Value: cutText(TextOfHTML(f.get("value").str()), 8*maxName),
		})
	}
	return fields
}

func optionalTruth(v value) *bool {
	b, ok := v.truth()
	if !ok {
		return nil
	}
	return &b
}

// Handle returns the account as user@host in lower case, or "" if it has no
// usable user name. The host is that of the id: a document cannot claim a
// handle elsewhere by itself.
func (a *Actor) Handle() string {
	id, err := ParseIRI(a.ID)
	if err != nil || !handleUser(a.Username) {
		return ""
	}
	return strings.ToLower(a.Username) + "@" + id.Host()
}

// KeyByID returns the key of that id, compared byte by byte.
func (a *Actor) KeyByID(id string) (PublicKey, bool) {
	for _, k := range a.Keys {
		if k.ID == id {
			return k, true
		}
	}
	return PublicKey{}, false
}

// handleUser reports whether a user name can be part of a handle: no spaces,
// controls, '@' or '/'.
func handleUser(s string) bool {
	return s != "" && len(s) <= 256 && checkAddress(s) == nil && !strings.ContainsAny(s, "@/?#")
}

// TypeOf peeks at a document under the default Limits: its id and its type.
// Either is "" when the document has none. It returns the errors of
// ParseEnvelope except ErrField.
func TypeOf(doc []byte) (id, typ string, err error) {
	d, err := scan(doc, Limits{})
	if err != nil {
		return "", "", fmt.Errorf("read document: %w", err)
	}
	v := d.root()
	return v.get("id").str(), knownType(v), nil
}
