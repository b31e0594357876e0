package sig

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// shape is how a server writes: its context, and the keys it uses.
type shape struct {
	context string
	keys    []string
}

// shapes are those of Mastodon, Misskey, PeerTube and Pleroma, the last with
// the terms of its own context written out.
var shapes = []shape{
	{`["https://www.w3.org/ns/activitystreams",{"ostatus":"http://ostatus.org#","atomUri":"ostatus:atomUri","conversation":"ostatus:conversation","sensitive":"as:sensitive","toot":"http://joinmastodon.org/ns#","votersCount":"toot:votersCount","blurhash":"toot:blurhash","focalPoint":{"@container":"@list","@id":"toot:focalPoint"},"Hashtag":"as:Hashtag","Emoji":"toot:Emoji","gts":"https://gotosocial.org/ns#","interactionPolicy":{"@id":"gts:interactionPolicy","@type":"@id"},"canQuote":{"@id":"gts:canQuote","@type":"@id"},"automaticApproval":{"@id":"gts:automaticApproval","@type":"@id"}}]`,
		[]string{"atomUri", "conversation", "sensitive", "votersCount", "blurhash", "focalPoint", "focalPoint", "interactionPolicy", "canQuote", "automaticApproval", "toot:other", "oneOf", "replies", "totalItems"}},
	{`["https://www.w3.org/ns/activitystreams","https://w3id.org/security/v1",{"Key":"sec:Key","sensitive":"as:sensitive","Hashtag":"as:Hashtag","quoteUrl":"as:quoteUrl","toot":"http://joinmastodon.org/ns#","Emoji":"toot:Emoji","schema":"http://schema.org#","PropertyValue":"schema:PropertyValue","value":"schema:value","misskey":"https://misskey-hub.net/ns#","_misskey_content":"misskey:_misskey_content","_misskey_votes":"misskey:_misskey_votes","isCat":"misskey:isCat"}]`,
		[]string{"sensitive", "quoteUrl", "value", "_misskey_content", "_misskey_votes", "isCat", "publicKey", "publicKeyPem", "owner", "created", "creator", "vcard:bday", "vcard:Address", "source"}},
	{`["https://www.w3.org/ns/activitystreams","https://w3id.org/security/v1",{"RsaSignature2017":"https://w3id.org/security#RsaSignature2017"},{"pt":"https://joinpeertube.org/ns#","sc":"http://schema.org/","Hashtag":"as:Hashtag","category":"sc:category","licence":"sc:license","sensitive":"as:sensitive","language":"sc:inLanguage","identifier":"sc:identifier","isLiveBroadcast":"sc:isLiveBroadcast","liveSaveReplay":{"@type":"sc:Boolean","@id":"pt:liveSaveReplay"},"commentsEnabled":{"@type":"sc:Boolean","@id":"pt:commentsEnabled"},"state":{"@type":"sc:Number","@id":"pt:state"},"size":{"@type":"sc:Number","@id":"pt:size"},"fps":{"@type":"sc:Number","@id":"pt:fps"},"uuid":{"@type":"sc:identifier","@id":"pt:uuid"},"aspectRatio":{"@type":"xsd:double","@id":"pt:aspectRatio"},"views":{"@type":"xsd:integer","@id":"pt:views"},"infoHash":{"@id":"pt:infoHash","@container":"@set"},"subtitles":{"@id":"pt:subtitles","@container":"@language"},"parts":{"@id":"pt:parts","@container":"@list","@type":"@id"},"when":{"@id":"pt:when","@type":"xsd:string"},"odd":{"@id":"pt:odd","@type":"http://www.w3.org/1999/02/22-rdf-syntax-ns#langString"},"same":"pt:infoHash"}]`,
		[]string{"category", "licence", "identifier", "isLiveBroadcast", "liveSaveReplay", "state", "size", "fps", "uuid", "aspectRatio", "views", "infoHash", "subtitles", "parts", "when", "odd", "same"}},
	{`["https://www.w3.org/ns/activitystreams",{"litepub":"http://litepub.social/ns#","EmojiReact":"litepub:EmojiReact","ostatus":"http://ostatus.org#","atomUri":"ostatus:atomUri","directMessage":"litepub:directMessage","capabilities":"litepub:capabilities","invisible":"litepub:invisible","listMessage":{"@id":"litepub:listMessage","@type":"@id"},"formerRepresentations":"litepub:formerRepresentations","contentType":{"@id":"litepub:contentType","@type":"xsd:string"}}]`,
		[]string{"atomUri", "directMessage", "capabilities", "invisible", "listMessage", "formerRepresentations", "contentType", "litepub:oauth", "x:y"}},
}

var (
	coreKeys = []string{
		"content", "name", "summary", "actor", "object", "to", "cc", "tag", "attachment", "published", "url",
		"contentMap", "nameMap", "icon", "width", "latitude", "duration", "mediaType", "orderedItems", "items", "inbox",
	}
	typeNames = []string{
		"Note", "Create", "Mention", "Image", "Hashtag", "Emoji", "Key", "PropertyValue", "EmojiReact", "vcard:Card", "https://c.example/ns#T", "a://b c",
	}
	addresses = []string{
		"https://a.example/1", "https://a.example/2", "https://b.example/@u?x=y&z#f", "as:Public", "https://www.w3.org/ns/activitystreams#Public",
		"tag:a.example,2026:x=1", "urn:uuid:0", "acct:u@a.example", "https://münchen.example/", "https://a.example/日本", "http://localhost:3000/x",
		"https://a.b.c/", "https://a.example/100%", "https://a.example/%41", "https://u:p@a.example/", "https://-x.example/", "ap://did:key:z6Mk/actor",
		"x:/a> <b", "https://a.example/ b", "https://a.example/\"", "did:key:z6Mk", "a:", "A:b", "1a:b", "https://", "https://[::1]/", "x://y", "https:/a", "tag:%",
	}
	texts = []string{
		"", "a", "b", "<p>x</p>", "a \"b\" \\ \n\r\t", "\u0000\u001f\u007f", "é日本\U0001F600", "true", "1", "2026-11-23T12:00:00Z", "\ufffd", "\u2028",
	}
	numbers = []string{
		"0", "-0", "0.0", "-0.0", "1", "-1", "1.0", "0.1", "-0.33", "1e3", "1E-7", "123456789", "9007199254740992", "1.5e10", "3.141592653589793", "100.25", "5e-324", "0.000001",
	}
	tags = []string{"en", "EN", "zh-CN", "ja-Hrkt", "x-1", "de"}
)

// recipe turns the bytes of a fuzzer into decisions. When they are used up,
// the first of all choices is taken.
type recipe struct{ bytes []byte }

func (r *recipe) below(n int) int {
	if len(r.bytes) == 0 {
		return 0
	}
	b := r.bytes[0]
	r.bytes = r.bytes[1:]
	return int(b) % n
}

func (r *recipe) pick(list []string) string { return list[r.below(len(list))] }

func asJSON(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(text)
}

// document writes a document as a server of the shape might.
func (r *recipe) document(s shape) []byte {
	return []byte(`{"@context":` + s.context + `,"type":"Create",` + strings.TrimPrefix(r.object(s, 0), "{"))
}

func (r *recipe) object(s shape, depth int) string {
	var entries []string
	if r.below(2) == 1 {
		entries = append(entries, `"id":`+asJSON(r.pick(addresses)))
	}
	if depth > 0 && r.below(4) > 0 {
		entries = append(entries, `"type":`+r.types())
	}
	seen := map[string]bool{}
	for range r.below(6) {
		keys := coreKeys
		if r.below(2) == 1 {
			keys = s.keys
		}
		key := r.pick(keys)
		if seen[key] {
			continue
		}
		seen[key] = true
		entries = append(entries, asJSON(key)+":"+r.value(s, key, depth))
	}
	if len(entries) == 0 && depth == 0 {
		return `{"name":"x"}`
	}
	return "{" + strings.Join(entries, ",") + "}"
}

func (r *recipe) types() string {
	if r.below(8) == 7 {
		return "[" + asJSON(r.pick(typeNames)) + "," + asJSON(r.pick(typeNames)) + "]"
	}
	return asJSON(r.pick(typeNames))
}

func (r *recipe) value(s shape, key string, depth int) string {
	if strings.HasSuffix(key, "Map") || key == "subtitles" {
		return fmt.Sprintf(`{%q:%s,%q:%s}`, r.pick(tags), asJSON(r.pick(texts)), r.pick(tags)+"-1", asJSON(r.pick(texts)))
	}
	if r.below(4) == 0 {
		return r.single(s, depth)
	}
	items := make([]string, r.below(4))
	for i := range items {
		items[i] = r.single(s, depth)
		if i > 0 && r.below(4) == 0 {
			items[i] = items[i-1]
		}
	}
	return "[" + strings.Join(items, ",") + "]"
}

func (r *recipe) single(s shape, depth int) string {
	switch r.below(8) {
	case 0, 1:
		return asJSON(r.pick(addresses))
	case 2:
		return asJSON(r.pick(texts))
	case 3:
		return r.pick(numbers)
	case 4:
		return r.pick([]string{"true", "false", "null"})
	}
	if depth > 3 {
		return "{}"
	}
	return r.object(s, depth+1)
}

// TestGeneratedDocumentsAgree also sees to it that the differential fuzz is
// about something: a good part of what it compares takes the short way.
func TestGeneratedDocumentsAgree(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var fast, safe int
	const documents = 3000
	for i := range documents {
		bytes := make([]byte, 8+random.IntN(120))
		for j := range bytes {
			bytes[j] = byte(random.Uint32())
		}
		wasFast, wasSafe := agree(t, (&recipe{bytes}).document(shapes[i%len(shapes)]))
		if wasFast {
			fast++
		}
		if wasSafe {
			safe++
		}
	}
	t.Logf("%d documents, %d safe, %d fast", documents, safe, fast)
	if safe < documents/10 || fast < safe/3 {
		t.Errorf("of %d documents %d are safe and %d take the short way", documents, safe, fast)
	}
}

// FuzzCanonicalAgree: whenever the short way to a canonical form is taken, the
// general processor comes to the same one. The first byte says how to read the
// rest: as a document, or as a recipe for one in the shape of a server.
func FuzzCanonicalAgree(f *testing.F) {
	for _, doc := range samples(f) {
		f.Add(byte(0), doc)
	}
	f.Add(byte(0), []byte(`{"@context":"https://www.w3.org/ns/activitystreams"}`))
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 16 {
		bytes := make([]byte, 40+10*i)
		for j := range bytes {
			bytes[j] = byte(random.Uint32())
		}
		f.Add(byte(1+i%len(shapes)), bytes)
	}
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		doc := data
		if kind > 0 {
			doc = (&recipe{data}).document(shapes[int(kind-1)%len(shapes)])
		}
		agree(t, doc)
	})
}
