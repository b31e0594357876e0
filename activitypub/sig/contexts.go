package sig

import (
	"fmt"
	"maps"
	"strings"

	"github.com/piprate/json-gold/ld"
)

// Addresses of the contexts that are known, and namespaces that they use.
const (
	contextAS          = "https://www.w3.org/ns/activitystreams"
	contextSecurity    = "https://w3id.org/security/v1"
	contextIdentity    = "https://w3id.org/identity/v1"
	contextIntegrityV1 = "https://w3id.org/security/data-integrity/v1"
	contextIntegrityV2 = "https://w3id.org/security/data-integrity/v2"
	contextMultikey    = "https://w3id.org/security/multikey/v1"
	contextDID         = "https://www.w3.org/ns/did/v1"
	contextGoToSocial  = "https://gotosocial.org/ns"
	contextWebfinger   = "https://purl.archive.org/socialweb/webfinger"

	nsAS     = "https://www.w3.org/ns/activitystreams#"
	nsXSD    = "http://www.w3.org/2001/XMLSchema#"
	nsRDF    = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
	nsRDFS   = "http://www.w3.org/2000/01/rdf-schema#"
	nsDC     = "http://purl.org/dc/terms/"
	nsLDP    = "http://www.w3.org/ns/ldp#"
	nsVCard  = "http://www.w3.org/2006/vcard/ns#"
	nsSchema = "http://schema.org/"
	nsSec    = "https://w3id.org/security#"
	nsGTS    = "https://gotosocial.org/ns#"
	nsQuote  = "https://w3id.org/fep/044f#"
	nsWF     = "https://purl.archive.org/socialweb/webfinger#"
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
	sets      string // properties whose strings are addresses, several as a rule
	// hidden are terms that change what other terms mean inside them, or which
	// make graphs: a document that uses one is refused.
	hidden string
	others map[string]any
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

// The older identity vocabulary, which Fedify names before Activity Streams. It
// has its own idea of names, images and persons; Activity Streams, coming after
// it, takes them back.
//
// ref: https://w3id.org/identity/v1; observed Fedify 2.3
var identityV1 = terms{
	prefixes: map[string]string{
		"cred": "https://w3id.org/credentials#", "dc": nsDC, "identity": "https://w3id.org/identity#",
		"perm": "https://w3id.org/permissions#", "ps": "https://w3id.org/payswarm#", "rdf": nsRDF, "rdfs": nsRDFS,
		"sec": nsSec, "schema": nsSchema, "xsd": nsXSD,
	},
	namespace: nsSec,
	plain: "CryptographicKey=Key EncryptedMessage GraphSignature2012 LinkedDataSignature2015 cipherAlgorithm " +
		"cipherData cipherKey digestAlgorithm digestValue domain initializationVector nonce " +
		"normalizationAlgorithm password privateKeyPem publicKeyPem signature signatureAlgorithm signatureValue",
	ids:    "owner privateKey publicKey publicKeyService",
	dates:  "expires=expiration revoked",
	hidden: "preferences",
	others: merge(
		named("cred:", "Credential CryptographicKeyCredential", nil),
		named("cred:", "claim credential issuer recipient", asAddress),
		named("cred:", "issued", map[string]any{"@type": nsXSD + "dateTime"}),
		named("schema:", "addressCountry addressLocality addressRegion description email familyName givenName name "+
			"postalCode streetAddress Person PostalAddress Organization", nil),
		named("schema:", "about address image url member memberOf", asAddress),
		named("rdfs:", "comment label", nil),
		named("dc:", "title", nil),
		named("dc:", "created", map[string]any{"@type": nsXSD + "dateTime"}),
		named("dc:", "creator", asAddress),
		named("identity:", "Identity", nil),
		named("identity:", "identityService idp", asAddress),
		named("ps:", "paymentProcessor=processor", nil),
		named("perm:", "accessControl writePermission", asAddress),
		named(nsAS, "Group", nil),
	),
}

// The contexts of integrity proofs and their keys. What is defined only inside
// a proof or a key, and both of them, is hidden. A later context cannot define
// their terms otherwise, see checkProtected.
//
// ref: https://www.w3.org/TR/vc-data-integrity/#contexts-and-vocabularies
var (
	integrityV1 = terms{
		namespace: nsSec,
		hidden:    "proof DataIntegrityProof",
		others:    map[string]any{"digestMultibase": map[string]any{"@id": nsSec + "digestMultibase", "@type": nsSec + "multibase"}},
	}
	integrityV2 = terms{namespace: nsSec, hidden: "proof DataIntegrityProof"}
	multikeyV1  = terms{namespace: nsSec, hidden: "Multikey"}
)

// The context of decentralised identifiers, for the keys of FEP-521a.
//
// ref: https://www.w3.org/TR/did-core/#json-ld
var didV1 = terms{
	namespace: nsSec,
	ids:       "controller verificationMethod",
	sets: "assertionMethod authentication=authenticationMethod capabilityDelegation=capabilityDelegationMethod " +
		"capabilityInvocation=capabilityInvocationMethod keyAgreement=keyAgreementMethod",
	hidden: "service",
	others: named(nsAS, "alsoKnownAs", asAddress),
}

// The interaction policies of GoToSocial, which Fedify names too.
//
// ref: https://docs.gotosocial.org/en/latest/federation/interaction_policy/
var goToSocial = terms{
	prefixes:  map[string]string{"gts": nsGTS, "xsd": nsXSD},
	namespace: nsGTS,
	plain:     "AnnounceAuthorization AnnounceRequest LikeAuthorization=LikeApproval LikeRequest ReplyAuthorization ReplyRequest",
	ids: "always announceAuthorization approvalRequired approvedBy automaticApproval canAnnounce canLike canQuote " +
		"canReply interactingObject interactionPolicy interactionTarget likeAuthorization manualApproval replyAuthorization",
	others: merge(
		named(nsQuote, "QuoteAuthorization QuoteRequest", nil),
		named(nsQuote, "quoteAuthorization", asAddress),
		named(nsGTS, "hidesCcPublicFromUnauthedWeb hidesToPublicFromUnauthedWeb", map[string]any{"@type": nsXSD + "boolean"}),
	),
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
		for term, definition := range named(t.namespace, names, with) {
			c[term] = definition
		}
	}
	add(t.plain, nil)
	add(t.ids, asAddress)
	add(t.dates, map[string]any{"@type": nsXSD + "dateTime"})
	add(t.floats, map[string]any{"@type": nsXSD + "float"})
	add(t.counts, map[string]any{"@type": nsXSD + "nonNegativeInteger"})
	add(t.durations, map[string]any{"@type": nsXSD + "duration"})
	add(t.strings, map[string]any{"@type": nsXSD + "string"})
	add(t.languages, map[string]any{"@container": "@language"})
	add(t.lists, map[string]any{"@type": "@id", "@container": "@list"})
	add(t.sets, map[string]any{"@type": "@id", "@container": "@set"})
	for _, term := range strings.Fields(t.hidden) {
		c[term] = nil
	}
	return map[string]any{"@context": c}
}

// asAddress is how a property says that its strings are addresses.
var asAddress = map[string]any{"@type": "@id"}

// named defines names, written as in terms, in a namespace.
func named(namespace, names string, with map[string]any) map[string]any {
	defined := make(map[string]any)
	for _, name := range strings.Fields(names) {
		term, local, ok := strings.Cut(name, "=")
		if !ok {
			local = term
		}
		definition := map[string]any{"@id": namespace + local}
		maps.Copy(definition, with)
		defined[term] = definition
	}
	return defined
}

func merge(definitions ...map[string]any) map[string]any {
	all := make(map[string]any)
	for _, d := range definitions {
		maps.Copy(all, d)
	}
	return all
}

// contextDocuments are the documents by address. They are only read.
var contextDocuments = map[string]map[string]any{
	contextAS:          activityStreams.document(true),
	contextSecurity:    securityV1.document(true),
	contextIdentity:    identityV1.document(true),
	contextIntegrityV1: integrityV1.document(true),
	contextIntegrityV2: integrityV2.document(true),
	contextMultikey:    multikeyV1.document(true),
	contextDID:         didV1.document(true),
	contextGoToSocial:  goToSocial.document(false),
	contextWebfinger:   webfinger.document(false),
}

// protectedContexts are those whose terms later contexts must leave alone.
var protectedContexts = []string{contextIntegrityV1, contextIntegrityV2, contextMultikey, contextDID}

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
