package activitypub

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Envelope is the little of an activity that deciding needs. The activity
// itself stays as the bytes that arrived. Ids are as they were written.
type Envelope struct {
	ID          string // "" if it has none
	Type, Actor string
	To, Cc      []string // recipients; bto, bcc and audience are ignored

	ObjectID       string // id of the object, inline or not
	ObjectType     string // "" if the object is only an id
	ObjectInline   bool
	ObjectActor    string // actor of the object, else attributedTo, as in Note.AttributedTo; "" if none
	ObjectObjectID string // object of an embedded activity: what an Undo's Follow had followed
	// ObjectObjectType is the type of that object; "" if it is only an id.
	ObjectObjectType string
	ObjectTo         []string // audience of an inline object
	ObjectCc         []string
	ObjectAddressed  bool // the inline object has a to or cc of its own, be it empty

	Target            string
	HasLDSignature    bool // "signature" is present; nothing is said about its truth
	HasIntegrityProof bool // "proof" is present; likewise
	Published         time.Time

	ObjectRaw json.RawMessage // bytes of the inline object, a part of the body; nil otherwise
}

// reach is how widely something is addressed.
type reach int

const (
	reachOthers reach = iota // followers, mentioned people, nobody
	reachQuiet               // Public only in cc
	reachPublic              // Public in to
)

func reachOf(to, cc []string) reach {
	switch {
	case slices.ContainsFunc(to, IsPublic):
		return reachPublic
	case slices.ContainsFunc(cc, IsPublic):
		return reachQuiet
	}
	return reachOthers
}

// reach is the narrower of the activity's audience and its inline object's: a
// wrapper cannot make public what its author did not.
func (e *Envelope) reach() reach {
	r := reachOf(e.To, e.Cc)
	if e.ObjectInline && (e.ObjectAddressed || len(e.ObjectTo)+len(e.ObjectCc) > 0) {
		r = min(r, reachOf(e.ObjectTo, e.ObjectCc))
	}
	return r
}

// IsPublicTo reports whether the activity is fully public: the Public
// collection is in its to and, if the object is inline with a to or cc of its
// own, in the object's to as well.
func (e *Envelope) IsPublicTo() bool { return e.reach() == reachPublic }

// IsPublicCc reports whether the activity is "quiet public": public, but
// somewhere only in a cc.
func (e *Envelope) IsPublicCc() bool { return e.reach() == reachQuiet }

// ParseEnvelope reads an activity under the default Limits. The body is not
// copied and must not change while ObjectRaw is in use.
//
// A type and an actor are required, the actor as an http or https address; an
// id may be missing (ID is then "") but not be something else. Ids are strings,
// alone or inside an object; a number in their place, and a list where one
// value is expected, are refused, because servers differ in what they make of
// them. Only a Flag may have several objects; its envelope names the first.
// Unknown properties are ignored.
//
// It returns ErrTooLarge, ErrDepth, ErrValues, ErrJSON, ErrUTF8, ErrNUL,
// ErrDuplicateKey or ErrField.
//
// ref: ActivityStreams 2.0 Core §4; ActivityPub §3
func ParseEnvelope(body []byte) (*Envelope, error) {
	return Limits{}.ParseEnvelope(body)
}

// ParseEnvelope is as the function of that name, under other limits.
func (l Limits) ParseEnvelope(body []byte) (*Envelope, error) {
	doc, err := scan(body, l)
	if err != nil {
		return nil, fmt.Errorf("read activity: %w", err)
	}
	e, err := envelopeOf(doc.root())
	if err != nil {
		return nil, fmt.Errorf("read activity: %w", err)
	}
	return e, nil
}

func envelopeOf(v value) (*Envelope, error) {
	r := reader{}
	e := &Envelope{
		ID:                r.optional(v.get("id"), "id"),
		Type:              r.oneType(v),
		Actor:             r.address(v, "actor"),
		To:                r.ids(v, "to"),
		Cc:                r.ids(v, "cc"),
		Target:            r.optional(v.get("target"), "target"),
		HasLDSignature:    v.get("signature").present(),
		HasIntegrityProof: v.get("proof").present(),
		Published:         v.get("published").time(),
	}
	if _, err := ParseIRI(e.ID); e.ID != "" && err != nil {
		r.fail("id", "is not an address")
	}
	r.object(e, v.get("object"))
	if r.err != nil {
		return nil, r.err
	}
	return e, nil
}

// reader reads properties of an activity strictly and keeps the first fault.
type reader struct{ err error }

func (r *reader) fail(field, why string) string {
	if r.err == nil {
		r.err = fieldError(field, why)
	}
	return ""
}

// address reads a required id that is an address.
func (r *reader) address(v value, field string) string {
	id := r.optional(v.get(field), field)
	if id == "" {
		return r.fail(field, "is missing")
	}
	if _, err := ParseIRI(id); err != nil {
		return r.fail(field, "is not an address")
	}
	return id
}

// optional reads one id: a string, an object with one, or a list of one.
func (r *reader) optional(v value, field string) string {
	v, ok := single(v)
	if !ok {
		return r.fail(field, "has several values")
	}
	return r.idOf(v, field)
}

// idOf reads the id of a value that is not a list. An object without an id is
// anonymous and gives "".
func (r *reader) idOf(v value, field string) string {
	switch {
	case !v.present():
		return ""
	case v.is(kindObject):
		if id := v.get("id"); id.present() {
			return r.text(id, field)
		}
		return r.text(v.get("href"), field)
	}
	return r.text(v, field)
}

// text reads an id's string: bounded, and without what would break a log line
// or a header.
func (r *reader) text(v value, field string) string {
	if !v.present() {
		return ""
	}
	if !v.is(kindString) {
		return r.fail(field, "is not a string")
	}
	s := v.str()
	if s == "" {
		return ""
	}
	if checkAddress(s) != nil {
		return r.fail(field, "is not usable as an id")
	}
	return s
}

// ids reads an audience: a string, an object with an id, or a list of those.
// Over maxAudience it is cut off, which can only narrow it.
func (r *reader) ids(v value, field string) []string {
	v = v.get(field)
	if !v.present() {
		return nil
	}
	var out []string
	for e := range v.items() {
		if e.is(kindList) {
			r.fail(field, "is a list of lists")
			return nil
		}
		if id := r.idOf(e, field); id != "" && len(out) < maxAudience {
			out = append(out, id)
		}
	}
	return out
}

// oneType reads a required type: a string, or a list of one.
func (r *reader) oneType(v value) string {
	t, ok := single(v.get("type"))
	if !ok {
		return r.fail("type", "has several values")
	}
	s := t.str()
	if s == "" || len(s) > 200 {
		return r.fail("type", "is missing or not a string")
	}
	return s
}

func (r *reader) object(e *Envelope, v value) {
	if v.is(kindList) && e.Type == "Flag" {
		v = v.first()
	}
	o, ok := single(v)
	if !ok {
		r.fail("object", "has several values")
		return
	}
	e.ObjectID = r.idOf(o, "object")
	if !o.is(kindObject) {
		return
	}
	e.ObjectInline = true
	e.ObjectRaw = o.raw()
	e.ObjectType = knownType(o)
	e.ObjectTo, e.ObjectCc = r.ids(o, "to"), r.ids(o, "cc")
	e.ObjectAddressed = o.get("to").doc != nil || o.get("cc").doc != nil
	e.ObjectActor = r.author(o)
	// Flags inside an Undo may list several objects; the first will do.
	if inner := o.get("object").first(); inner.present() {
		e.ObjectObjectID = r.idOf(inner, "object.object")
		e.ObjectObjectType = knownType(inner)
	}
}

// single returns the one value of v: itself, or the only element of a list.
func single(v value) (value, bool) {
	if !v.is(kindList) {
		return v, true
	}
	var only value
	n := 0
	for e := range v.items() {
		if n++; n == 1 {
			only = e
		}
	}
	return only, n <= 1 && !only.is(kindList)
}

// knownType returns the type of an object: of several the first that is part
// of the vocabulary, else the first.
func knownType(v value) string {
	var first string
	for t := range v.get("type").items() {
		s := t.str()
		if len(s) > 200 {
			continue
		}
		if postTypes[s] || actorTypes[s] {
			return s
		}
		if first == "" {
			first = s
		}
	}
	return first
}

// author reads whose an object is. An actor of its own goes before attributedTo
// (Mobilizon names the person there and the group here, Pleroma the same one
// twice), for an envelope and a post alike: were they to differ, the authority
// of one account could be used to speak for another.
func (r *reader) author(v value) string {
	if id := r.optional(v.get("actor"), "object.actor"); id != "" {
		return id
	}
	return authorOf(v)
}

// authorOf returns the id of who an object is attributed to: a string, an
// object, or a list of those, where a Person goes before a Group (PeerTube
// names the account and the channel) and otherwise the first counts.
func authorOf(v value) string {
	var first string
	for a := range v.get("attributedTo").items() {
		id := cutID(a.id())
		if id == "" {
			continue
		}
		if a.hasType("Person") {
			return id
		}
		if first == "" {
			first = id
		}
	}
	return first
}
