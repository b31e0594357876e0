package neighbourhood

import (
	"encoding/json"
	"fmt"
	"html"
	"strconv"
	"strings"
)

// author is somebody who posts.
type author struct {
	id, name, display, bio string
	indexable              *bool
}

// people are the authors of every instance, in turn: most say nothing about
// being searched, one says yes, two say no.
var people = []author{
	{name: "ann", display: "Ann Ferris", bio: "Bread, bicycles, and the sea."},
	{name: "haruto", display: "春人", bio: "写真と電車が好きです。"},
	{name: "jonas", display: "Jonas Weidner", bio: "Schreibt über Wetter und Bahn."},
	{name: "lucia", display: "Lucía Paredes", bio: "Periodista local.", indexable: truth(true)},
	{name: "samir", display: "سمير", bio: "أخبار المدينة."},
	{name: "minji", display: "민지", bio: "커피와 책."},
	{name: "quiet", display: "Quiet Quentin", bio: "Please leave my posts out. #nobot"},
	{name: "hidden", display: "Hilde", bio: "Not for search engines.", indexable: truth(false)},
}

func truth(b bool) *bool { return &b }

// profile is the page of an author.
func (in *Instance) profile(name string) string {
	if in.kind == Pleroma {
		return in.origin + "/" + name
	}
	return in.origin + "/@" + name
}

func (in *Instance) authorPath(name string, i int) string {
	if in.kind == Misskey {
		return "/users/a" + strconv.Itoa(i) + name
	}
	return "/users/" + name
}

// contextOf is the JSON-LD context that each software writes.
//
// ref: observed Mastodon 4.5: app/helpers/context_helper.rb; Misskey 2025:
// misc/contexts.ts; Pleroma: priv/static/schemas
func (in *Instance) contextOf() any {
	const as, security = "https://www.w3.org/ns/activitystreams", "https://w3id.org/security/v1"
	switch in.kind {
	case Pleroma:
		return []any{as, in.origin + "/schemas/litepub-0.1.jsonld", map[string]any{"@language": "und"}}
	case Misskey:
		return []any{as, security, map[string]any{
			"Key": "sec:Key", "manuallyApprovesFollowers": "as:manuallyApprovesFollowers", "sensitive": "as:sensitive", "Hashtag": "as:Hashtag",
			"quoteUrl": "as:quoteUrl", "toot": "http://joinmastodon.org/ns#", "Emoji": "toot:Emoji", "featured": "toot:featured",
			"discoverable": "toot:discoverable", "indexable": "toot:indexable",
			"schema": "http://schema.org#", "PropertyValue": "schema:PropertyValue", "value": "schema:value",
			"misskey": "https://misskey-hub.net/ns#", "_misskey_content": "misskey:_misskey_content", "_misskey_quote": "misskey:_misskey_quote",
			"_misskey_reaction": "misskey:_misskey_reaction", "_misskey_votes": "misskey:_misskey_votes", "_misskey_summary": "misskey:_misskey_summary",
			"isCat": "misskey:isCat", "vcard": "http://www.w3.org/2006/vcard/ns#",
		}}
	}
	return []any{as, security, map[string]any{
		"ostatus": "http://ostatus.org#", "atomUri": "ostatus:atomUri", "inReplyToAtomUri": "ostatus:inReplyToAtomUri",
		"conversation": "ostatus:conversation", "sensitive": "as:sensitive", "toot": "http://joinmastodon.org/ns#", "votersCount": "toot:votersCount",
		"Hashtag": "as:Hashtag", "blurhash": "toot:blurhash", "focalPoint": map[string]any{"@container": "@list", "@id": "toot:focalPoint"},
		"manuallyApprovesFollowers": "as:manuallyApprovesFollowers", "discoverable": "toot:discoverable", "indexable": "toot:indexable",
		"gts": "https://gotosocial.org/ns#", "interactionPolicy": map[string]any{"@id": "gts:interactionPolicy", "@type": "@id"},
		"canQuote": map[string]any{"@id": "gts:canQuote", "@type": "@id"}, "automaticApproval": map[string]any{"@id": "gts:automaticApproval", "@type": "@id"},
	}}
}

func (in *Instance) withContext(doc map[string]any) map[string]any {
	out := map[string]any{"@context": in.contextOf()}
	for k, v := range doc {
		out[k] = v
	}
	return out
}

// systemName is the user name of the actor that subscribes. Misskey tells its
// system accounts by the dot.
func (in *Instance) systemName() string {
	switch in.kind {
	case Pleroma:
		return "relay"
	case Misskey:
		return "relay.actor"
	}
	return in.host
}

// describe writes the actor documents and their collections.
func (in *Instance) describe() error {
	system := map[string]any{"type": "Application", "preferredUsername": in.systemName(), "manuallyApprovesFollowers": in.kind == Mastodon}
	if in.kind == Pleroma {
		system["invisible"] = true
	}
	if err := in.describeActor(in.ActorURI(), system); err != nil {
		return err
	}
	for _, a := range in.authors {
		doc := map[string]any{
			"type": "Person", "preferredUsername": a.name, "name": a.display, "summary": "<p>" + html.EscapeString(a.bio) + "</p>",
			"url": in.profile(a.name), "published": "2023-04-01T00:00:00Z", "discoverable": true, "manuallyApprovesFollowers": false,
		}
		if a.indexable != nil {
			doc["indexable"] = *a.indexable
		}
		if err := in.describeActor(a.id, doc); err != nil {
			return err
		}
	}
	return nil
}

func (in *Instance) describeActor(id string, doc map[string]any) error {
	doc["id"] = id
	doc["inbox"], doc["outbox"], doc["followers"], doc["following"] = id+"/inbox", id+"/outbox", id+"/followers", id+"/following"
	doc["endpoints"] = map[string]any{"sharedInbox": in.origin + "/inbox"}
	doc["publicKey"] = map[string]any{"id": keyOf(id), "owner": id, "publicKeyPem": in.pem}
	docs := map[string]map[string]any{id: doc}
	for _, name := range []string{"outbox", "followers", "following"} {
		docs[id+"/"+name] = map[string]any{"id": id + "/" + name, "type": "OrderedCollection", "totalItems": 0, "orderedItems": []any{}}
	}
	for id, doc := range docs {
		body, err := json.Marshal(in.withContext(doc))
		if err != nil {
			return fmt.Errorf("document %s: %w", id, err)
		}
		in.docs[strings.TrimPrefix(id, in.origin)] = body
	}
	return nil
}
