package activitypub

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	vocab "github.com/go-ap/activitypub"
	"github.com/go-ap/jsonld"
)

// Accept answers a Follow with yes. id is the id of the Accept itself, to the
// follower. The Follow stands inside exactly as it arrived, byte for byte:
// Mastodon finds its request by the id inside, Misskey resolves the whole, and
// Pleroma compares its extra properties.
//
// It returns ErrIRI for an unusable id or to, ErrField if follow is not a
// Follow, or the errors of ParseEnvelope.
//
// ref: ActivityPub §7.5; FEP-ae0c
func (r RelayActor) Accept(id string, follow []byte, to string) ([]byte, error) {
	return r.answer(vocab.AcceptType, id, follow, to)
}

// Reject answers a Follow with no, or ends a subscription that was accepted.
// It is otherwise as Accept.
//
// ref: ActivityPub §7.6
func (r RelayActor) Reject(id string, follow []byte, to string) ([]byte, error) {
	return r.answer(vocab.RejectType, id, follow, to)
}

func (r RelayActor) answer(typ vocab.ActivityVocabularyType, id string, follow []byte, to string) ([]byte, error) {
	if _, err := followOf(follow); err != nil {
		return nil, fmt.Errorf("write %s: %w", typ, err)
	}
	return r.wrap(typ, id, follow, to)
}

// followOf reads the Follow that an answer or an Undo is about.
func followOf(raw []byte) (*Envelope, error) {
	e, err := ParseEnvelope(raw)
	if err != nil {
		return nil, err
	}
	if e.Type != "Follow" {
		return nil, fieldError("type", "is not Follow")
	}
	return e, nil
}

// wrap writes an activity around the raw bytes of another.
func (r RelayActor) wrap(typ vocab.ActivityVocabularyType, id string, inner []byte, to string) ([]byte, error) {
	doc, err := r.activity(typ, id, integrityContext, func(a *vocab.Activity) error {
		if IsPublic(to) {
			return nil // the Undo of a Mastodon-style Follow names nobody, as that did
		}
		a.To = vocab.ItemCollection{vocab.IRI(to)}
		return usable(to)
	})
	if err == nil {
		doc, err = addProperties(doc, property{"object", json.RawMessage(bytes.TrimSpace(inner))})
	}
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", typ, err)
	}
	return doc, nil
}

// activity writes an activity of the relay actor. Besides the plain context
// stands that of the signature which the document is going to carry: what
// passes from server to server the Linked Data signature that most of them can
// check, what is between two the cheaper integrity proof.
func (r RelayActor) activity(typ vocab.ActivityVocabularyType, id, signing string, fill func(*vocab.Activity) error) ([]byte, error) {
	if err := usable(id); err != nil {
		return nil, err
	}
	if err := usable(r.ID()); err != nil {
		return nil, err
	}
	a := vocab.ActivityNew(vocab.ID(id), typ, nil)
	a.Actor = vocab.IRI(r.ID())
	if err := fill(a); err != nil {
		return nil, err
	}
	return jsonld.WithContext(jsonld.IRI(asNamespace), jsonld.IRI(signing)).Marshal(a)
}

// usable refuses an address that the library, which escapes nothing, could not
// write safely.
func usable(address string) error {
	_, err := ParseIRI(address)
	return err
}

// Follow asks to follow an actor, or, where object is Public, to subscribe to
// a relay of Mastodon's dialect; it then names nobody in to.
//
// ref: ActivityPub §7.5; FEP-ae0c
func (r RelayActor) Follow(id, object string) ([]byte, error) {
	doc, err := r.activity(vocab.FollowType, id, integrityContext, func(a *vocab.Activity) error {
		a.Object = vocab.IRI(object)
		if !IsPublic(object) {
			a.To = vocab.ItemCollection{vocab.IRI(object)}
		}
		return usable(object)
	})
	if err != nil {
		return nil, fmt.Errorf("write Follow: %w", err)
	}
	return doc, nil
}

// Undo takes back a Follow of our own, which stands inside as it was sent.
// Other errors are as for Accept.
//
// ref: ActivityPub §7.2
func (r RelayActor) Undo(id string, follow []byte) ([]byte, error) {
	e, err := followOf(follow)
	if err == nil && e.Actor != r.ID() {
		err = fieldError("actor", "is not the relay's own")
	}
	if err != nil {
		return nil, fmt.Errorf("write Undo: %w", err)
	}
	return r.wrap(vocab.UndoType, id, follow, e.ObjectID)
}

// Announce passes on an object by its id, to Public with the subscribers in
// cc. published is when the relay did so; zero leaves it out.
//
// ref: ActivityPub §7.11; FEP-ae0c
func (r RelayActor) Announce(id, object string, published time.Time) ([]byte, error) {
	doc, err := r.activity(vocab.AnnounceType, id, securityContext, func(a *vocab.Activity) error {
		a.Object = vocab.IRI(object)
		a.To = vocab.ItemCollection{vocab.IRI(Public)}
		a.CC = vocab.ItemCollection{vocab.IRI(r.FollowersURL())}
		a.Published = published
		return usable(object)
	})
	if err != nil {
		return nil, fmt.Errorf("write Announce: %w", err)
	}
	return doc, nil
}

// OrderedCollection writes a collection of total items; first is the id of its
// first page, or "" for a collection that only says how many there are. It
// returns ErrIRI for an unusable address.
//
// ref: ActivityPub §5
func OrderedCollection(id string, total int, first string) ([]byte, error) {
	c := vocab.OrderedCollectionNew(vocab.ID(id))
	c.OrderedItems = nil
	c.TotalItems = uint(max(total, 0))
	if first != "" {
		c.First = vocab.IRI(first)
	}
	return writeCollection(c, optionalAddresses(id, first))
}

// OrderedCollectionPage writes a page of a collection; next is the id of the
// page after it, or "" for the last. Items are ids. It returns ErrIRI for an
// unusable address.
//
// ref: ActivityStreams 2.0 Vocabulary §3.1
func OrderedCollectionPage(id, partOf, next string, total int, items []string) ([]byte, error) {
	p := vocab.OrderedCollectionPageNew(&vocab.OrderedCollection{})
	p.ID = vocab.ID(id)
	p.PartOf = vocab.IRI(partOf)
	p.TotalItems = uint(max(total, 0))
	p.OrderedItems = nil
	if next != "" {
		p.Next = vocab.IRI(next)
	}
	err := optionalAddresses(id, append([]string{partOf, next}, items...)...)
	doc, err := writeCollection(p, err)
	if err != nil {
		return nil, err
	}
	// The library leaves an empty list out, and would tell items apart that
	// it takes for the same.
	if items == nil {
		items = []string{}
	}
	return addProperties(doc, property{"orderedItems", items})
}

func writeCollection(c vocab.Item, err error) ([]byte, error) {
	var doc []byte
	if err == nil {
		doc, err = jsonld.WithContext(jsonld.IRI(asNamespace)).Marshal(c)
	}
	if err != nil {
		return nil, fmt.Errorf("write collection: %w", err)
	}
	return doc, nil
}

// optionalAddresses checks addresses of which the second and later may be "".
func optionalAddresses(first string, others ...string) error {
	err := usable(first)
	for _, s := range others {
		if err == nil && s != "" {
			err = usable(s)
		}
	}
	return err
}
