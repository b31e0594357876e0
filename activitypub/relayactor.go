package activitypub

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"path"
	"strings"
	"time"

	vocab "github.com/go-ap/activitypub"
	"github.com/go-ap/jsonld"
)

// securityContext defines publicKey and its parts.
const securityContext = "https://w3id.org/security/v1"

// multikeyContext defines Multikey, integrityContext proof and its parts.
const (
	multikeyContext  = "https://w3id.org/security/multikey/v1"
	integrityContext = "https://w3id.org/security/data-integrity/v1"
)

// RelayActor is the actor that a relay is to the fediverse, and all that it
// says. The texts come from the operator, the addresses follow from BaseURL.
type RelayActor struct {
	Domain       string // of the handle relay@DOMAIN
	BaseURL      string // "https://DOMAIN", without a slash at the end
	Name         string // shown to people; "" leaves it out
	Summary      string // about the relay; HTML, as everywhere in ActivityStreams; "" leaves it out
	PublicKeyPEM string // SPKI, "BEGIN PUBLIC KEY"
	Multikey     string // Ed25519 key of integrity proofs, as a publicKeyMultibase; "" leaves it out
	IconURL      string // "" leaves it out
	Published    time.Time
	// ManuallyApproves says that an operator looks at each Follow.
	ManuallyApproves bool
}

// RelayUsername is the user name of a relay's actor.
const RelayUsername = "relay"

// ID returns the id of the actor.
func (r RelayActor) ID() string { return r.BaseURL + "/actor" }

// InboxURL returns the inbox: exactly the address that admins of Mastodon
// type, since Mastodon matches relays by it.
func (r RelayActor) InboxURL() string { return r.BaseURL + "/inbox" }

// KeyID returns the id of the actor's key. Requests are signed with it
// including its fragment; Misskey and Pleroma fail without.
func (r RelayActor) KeyID() string { return r.ID() + "#main-key" }

// AssertionKeyID returns the id of the key with which the actor proves its
// documents.
//
// ref: FEP-521a
func (r RelayActor) AssertionKeyID() string { return r.ID() + "#ed25519-key" }

// FollowersURL returns the id of the collection of subscribers.
func (r RelayActor) FollowersURL() string { return r.BaseURL + "/followers" }

// FollowingURL returns the id of the collection of followed actors.
func (r RelayActor) FollowingURL() string { return r.BaseURL + "/following" }

// OutboxURL returns the id of the collection of what the actor published.
func (r RelayActor) OutboxURL() string { return r.BaseURL + "/outbox" }

// Handle returns relay@DOMAIN.
func (r RelayActor) Handle() string { return RelayUsername + "@" + r.Domain }

// Document returns the actor document. It fails if BaseURL, Domain or IconURL
// are not what they should be, with ErrIRI, or if the key is missing.
//
// ref: ActivityPub §4.1; FEP-2c59 (webfinger); FEP-521a (assertionMethod); FEP-844e (implements)
func (r RelayActor) Document() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("write relay actor: %w", err)
	}
	a := vocab.ApplicationNew(vocab.ID(r.ID()))
	a.PreferredUsername = vocab.DefaultNaturalLanguageValue(RelayUsername)
	a.URL = vocab.IRI(r.BaseURL + "/")
	a.Inbox = vocab.IRI(r.InboxURL())
	a.Outbox = vocab.IRI(r.OutboxURL())
	a.Followers = vocab.IRI(r.FollowersURL())
	a.Following = vocab.IRI(r.FollowingURL())
	a.Endpoints = &vocab.Endpoints{SharedInbox: vocab.IRI(r.InboxURL())}
	a.PublicKey = vocab.PublicKey{ID: vocab.ID(r.KeyID()), Owner: vocab.IRI(r.ID()), PublicKeyPem: r.PublicKeyPEM}
	a.Published = r.Published
	if r.IconURL != "" {
		icon := vocab.ObjectNew(vocab.ImageType)
		icon.URL = vocab.IRI(r.IconURL)
		mediaType, _, _ := strings.Cut(mime.TypeByExtension(path.Ext(r.IconURL)), ";")
		icon.MediaType = vocab.MimeType(mediaType)
		a.Icon = icon
	}
	doc, err := jsonld.WithContext(
		jsonld.IRI(asNamespace),
		jsonld.IRI(securityContext),
		jsonld.IRI(multikeyContext),
		jsonld.Context{
			{Term: "manuallyApprovesFollowers", IRI: "as:manuallyApprovesFollowers"},
			{Term: "toot", IRI: "http://joinmastodon.org/ns#"},
			{Term: "discoverable", IRI: "toot:discoverable"},
			{Term: "indexable", IRI: "toot:indexable"},
			{Term: "webfinger", IRI: "https://purl.archive.org/socialweb/webfinger#webfinger"},
			{Term: "assertionMethod", IRI: "https://w3id.org/security#assertionMethod"},
			{Term: "implements", IRI: "https://w3id.org/fep/844e#implements"},
		},
	).Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("write relay actor: %w", err)
	}
	// What follows the library has no place for, or, of free texts, would take
	// backslashes in them for escapes.
	var texts []property
	if r.Name != "" {
		texts = append(texts, property{"name", r.Name})
	}
	if r.Summary != "" {
		texts = append(texts, property{"summary", r.Summary})
	}
	if r.Multikey != "" {
		texts = append(texts, property{"assertionMethod", []any{map[string]any{
			"id": r.AssertionKeyID(), "type": "Multikey", "controller": r.ID(), "publicKeyMultibase": r.Multikey,
		}}})
	}
	doc, err = addProperties(doc, append(texts,
		property{"generator", generator},
		property{"webfinger", r.Handle()},
		property{"manuallyApprovesFollowers", r.ManuallyApproves},
		property{"discoverable", true},
		property{"indexable", false},
	)...)
	if err != nil {
		return nil, fmt.Errorf("write relay actor: %w", err)
	}
	return doc, nil
}

// generator says what the relay understands beyond ActivityPub, so that others
// need not find out by failing.
//
// ref: FEP-844e
var generator = map[string]any{
	"type": "Application", "name": "Hark",
	"implements": []any{
		map[string]any{"name": "RFC-9421: HTTP Message Signatures", "href": "https://datatracker.ietf.org/doc/html/rfc9421"},
		map[string]any{"name": "FEP-8b32: Object Integrity Proofs", "href": "https://w3id.org/fep/8b32"},
	},
}

// check makes sure that what becomes part of a document is what it seems: the
// library writes addresses without escaping them.
func (r RelayActor) check() error {
	base, err := ParseIRI(r.BaseURL)
	if err != nil {
		return err
	}
	if string(base) != base.Origin() || string(base) != r.BaseURL {
		return fmt.Errorf("base URL %s is not scheme and host in lower case: %w", quoteShort(r.BaseURL), ErrIRI)
	}
	if r.Domain == "" || checkAddress(r.Domain) != nil || strings.ContainsAny(r.Domain, "/@?#") {
		return fmt.Errorf("domain %s: %w", quoteShort(r.Domain), ErrIRI)
	}
	if r.IconURL != "" {
		if _, err := ParseIRI(r.IconURL); err != nil {
			return err
		}
	}
	if r.PublicKeyPEM == "" {
		return errors.New("no public key")
	}
	return nil
}

// property is a property to be added to a written document.
type property struct {
	name  string
	value any // marshalled; a json.RawMessage stands as it is
}

// addProperties puts properties at the end of a JSON object. Raw values are
// not compacted, as json.Marshal would do to them.
func addProperties(doc []byte, properties ...property) ([]byte, error) {
	if len(doc) < 2 || doc[len(doc)-1] != '}' {
		return nil, ErrJSON
	}
	out := append([]byte(nil), doc[:len(doc)-1]...)
	for _, p := range properties {
		raw, ok := p.value.(json.RawMessage)
		if !ok {
			var err error
			if raw, err = json.Marshal(p.value); err != nil {
				return nil, err
			}
		}
		if out[len(out)-1] != '{' {
			out = append(out, ',')
		}
		out = append(out, '"')
		out = append(out, p.name...)
		out = append(out, '"', ':')
		out = append(out, raw...)
	}
	return append(out, '}'), nil
}
