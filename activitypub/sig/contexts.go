package sig

import (
	"fmt"
	"strings"

	"github.com/piprate/json-gold/ld"
)

// Addresses of the contexts that are known, and namespaces that they use.
const (
	contextAS        = "https://www.w3.org/ns/activitystreams"
	contextSecurity  = "https://w3id.org/security/v1"
	contextWebfinger = "https://purl.archive.org/socialweb/webfinger"

	nsAS    = "https://www.w3.org/ns/activitystreams#"
	nsXSD   = "http://www.w3.org/2001/XMLSchema#"
	nsDC    = "http://purl.org/dc/terms/"
	nsLDP   = "http://www.w3.org/ns/ldp#"
	nsVCard = "http://www.w3.org/2006/vcard/ns#"
	nsSec   = "https://w3id.org/security#"
	nsWF    = "https://purl.archive.org/socialweb/webfinger#"
)

// terms is a context as a table: what a term stands for, how its values are
// typed, how they are contained. Names are separated by spaces; a name stands
// for itself in the namespace unless it is written name=other.
type terms struct {
	prefixes  map[string]string
	namespace string // with '#': the namespace of the names below
	plain     string // types, and properties with untyped values
	ids       string // properties whose strings are addresses
	dates     string // xsd:dateTime
	floats    string // xsd:float
	counts    string // xsd:nonNegativeInteger
	durations string // xsd:duration
	strings   string // xsd:string
	languages string // maps from a language tag to text
	lists     string // ordered lists of addresses
	others    map[string]any
}

// The Activity Streams 2.0 vocabulary with the extensions that its context
// document has taken in.
//
// ref: https://www.w3.org/TR/activitystreams-vocabulary/ and
// https://www.w3.org/TR/activitypub/#security-considerations
var activityStreams = terms{
	prefixes:  map[string]string{"as": nsAS, "xsd": nsXSD, "ldp": nsLDP, "vcard": nsVCard},
	namespace: nsAS,
	plain: "Accept Activity Add Announce Application Arrive Article Audio Block Collection CollectionPage " +
		"Create Delete Dislike Document Event Flag Follow Group Ignore Image IntransitiveActivity Invite " +
		"IsContact IsFollowedBy IsFollowing IsMember Join Leave Like Link Listen Mention Move Note Object " +
		"Offer OrderedCollection OrderedCollectionPage Organization Page Person Place Profile Question Read " +
		"Reject Relationship Remove Service TentativeAccept TentativeReject Tombstone Travel Undo Update " +
		"Video View content hreflang mediaType name preferredUsername rel source summary units",
	ids: "actor alsoKnownAs anyOf attachment attributedTo audience bcc bto cc context current describes " +
		"endpoints first followers following formerType generator href icon image inReplyTo instrument items " +
		"last liked likes location next oauthAuthorizationEndpoint oauthTokenEndpoint object oneOf origin " +
		"outbox partOf prev preview provideClientKey proxyUrl Public relationship replies result sharedInbox " +
		"shares signClientKey streams subject tag target to uploadMedia url",
	dates:     "closed deleted endTime published startTime updated",
	floats:    "accuracy altitude latitude longitude radius",
	counts:    "height startIndex totalItems width",
	durations: "duration",
	languages: "contentMap=content nameMap=name summaryMap=summary",
	lists:     "orderedItems=items",
	others: map[string]any{
		"@vocab": "_:",
		"inbox":  map[string]any{"@id": "ldp:inbox", "@type": "@id"},
	},
}

// The security vocabulary, version 1, as the fediverse's keys and signatures
// use it.
//
// ref: https://w3id.org/security
var securityV1 = terms{
	prefixes:  map[string]string{"dc": nsDC, "sec": nsSec, "xsd": nsXSD},
	namespace: nsSec,
	plain: "CryptographicKey=Key EcdsaKoblitzSignature2016 Ed25519Signature2018 EncryptedMessage " +
		"GraphSignature2012 LinkedDataSignature2015 LinkedDataSignature2016 authenticationTag " +
		"canonicalizationAlgorithm cipherAlgorithm cipherData cipherKey digestAlgorithm digestValue domain " +
		"encryptionKey initializationVector iterationCount nonce normalizationAlgorithm password " +
		"privateKeyPem publicKeyBase58 publicKeyPem publicKeyWif salt signature " +
		"signatureAlgorithm=signingAlgorithm signatureValue",
	ids:   "owner privateKey publicKey publicKeyService",
	dates: "expiration expires=expiration revoked",
	others: map[string]any{
		"created": map[string]any{"@id": "dc:created", "@type": "xsd:dateTime"},
		"creator": map[string]any{"@id": "dc:creator", "@type": "@id"},
	},
}

// The context of FEP-2c59.
var webfinger = terms{
	prefixes:  map[string]string{"wf": nsWF, "xsd": nsXSD},
	namespace: nsWF,
	strings:   "webfinger",
}

// document writes the table as a JSON-LD context document. "id" and "type"
// stand for the keywords in the two vocabularies that say so.
func (t terms) document(keywords bool) map[string]any {
	c := make(map[string]any, 200)
	for k, v := range t.prefixes {
		c[k] = v
	}
	for k, v := range t.others {
		c[k] = v
	}
	if keywords {
		c["id"], c["type"] = "@id", "@type"
	}
	add := func(names string, with map[string]any) {
		for _, name := range strings.Fields(names) {
			term, local, ok := strings.Cut(name, "=")
			if !ok {
				local = term
			}
			definition := map[string]any{"@id": t.namespace + local}
			for k, v := range with {
				definition[k] = v
			}
			c[term] = definition
		}
	}
	add(t.plain, nil)
	add(t.ids, map[string]any{"@type": "@id"})
	add(t.dates, map[string]any{"@type": nsXSD + "dateTime"})
	add(t.floats, map[string]any{"@type": nsXSD + "float"})
	add(t.counts, map[string]any{"@type": nsXSD + "nonNegativeInteger"})
	add(t.durations, map[string]any{"@type": nsXSD + "duration"})
	add(t.strings, map[string]any{"@type": nsXSD + "string"})
	add(t.languages, map[string]any{"@container": "@language"})
	add(t.lists, map[string]any{"@type": "@id", "@container": "@list"})
	return map[string]any{"@context": c}
}

// contextDocuments are the documents by address. They are only read.
var contextDocuments = map[string]map[string]any{
	contextAS:        activityStreams.document(true),
	contextSecurity:  securityV1.document(true),
	contextWebfinger: webfinger.document(false),
}

// loader gives the processor the contexts of the table and nothing else. It
// never opens a connection.
type loader struct{}

// LoadDocument returns ErrUnknownContext for an address that is not in the
// table.
func (loader) LoadDocument(address string) (*ld.RemoteDocument, error) {
	doc, ok := contextDocuments[address]
	if !ok {
		return nil, fmt.Errorf("%.200q: %w", address, ErrUnknownContext)
	}
	return &ld.RemoteDocument{DocumentURL: address, Document: doc}, nil
}

func processorOptions() *ld.JsonLdOptions {
	o := ld.NewJsonLdOptions("")
	o.Algorithm = ld.AlgorithmURDNA2015
	o.DocumentLoader = loader{}
	return o
}
