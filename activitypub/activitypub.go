// Package activitypub reads and writes the documents of the fediverse.
//
// Reading is lenient in form and strict in size. Servers write an audience as
// a string or a list, Public in three ways, objects inline or as ids; all of
// that is understood. Every document passes one scan first, which bounds its
// bytes, depth and number of values and refuses duplicate keys, invalid UTF-8
// and NUL, so that no two readers of the same bytes can disagree about what
// they say. The bytes themselves are never re-encoded: an Envelope is only the
// little that a decision needs.
//
// Writing is strict and goes through github.com/go-ap/activitypub. That
// library never sees a foreign document: it is quadratic on long lists and
// drops what it does not know.
//
// Nothing here touches the network or the disk, and nothing panics on input.
package activitypub

import (
	"mime"
	"strings"
)

// Public is the id of the special collection that stands for everybody.
//
// ref: ActivityPub §5.6
const Public = "https://www.w3.org/ns/activitystreams#Public"

// IsPublic reports whether s names the Public collection: the full URI, or its
// compacted forms "as:Public" and "Public".
//
// ref: ActivityPub §5.6; the compacted forms are what JSON-LD processors emit
func IsPublic(s string) bool {
	return s == Public || s == "as:Public" || s == "Public"
}

// The media types of ActivityPub documents.
//
// ref: ActivityPub §3.2
const (
	ContentType   = `application/activity+json`
	LDContentType = `application/ld+json; profile="https://www.w3.org/ns/activitystreams"`
)

const asNamespace = "https://www.w3.org/ns/activitystreams"

// IsActivityJSON reports whether a Content-Type header names an ActivityPub
// document: application/activity+json with any parameters, or
// application/ld+json whose profile lists the ActivityStreams namespace. Plain
// application/json and application/ld+json are refused, since a server that
// hosts files of its users may serve those under them.
//
// ref: ActivityPub §3.2; FEP-fe34
func IsActivityJSON(contentType string) bool {
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch mediaType {
	case "application/activity+json":
		return true
	case "application/ld+json":
		for profile := range strings.FieldsSeq(params["profile"]) {
			if profile == asNamespace {
				return true
			}
		}
	}
	return false
}
