package neighbourhood

import (
	"encoding/hex"
	"fmt"
	"mime"
	"strconv"
	"strings"
	"time"

	"hark/activitypub"
)

// object is a post that the instance serves.
type object struct {
	body   []byte
	post   Post
	public bool // served to everybody
	made   time.Time
}

// objectID makes an id as each software does: Mastodon's numbers hold the time.
func (in *Instance) objectID(a author) string {
	switch in.kind {
	case Pleroma:
		return in.origin + "/objects/" + in.unique()
	case Misskey:
		return in.origin + "/notes/" + in.unique()
	}
	return a.id + "/statuses/" + in.number()
}

// number is a number that rises with time.
func (in *Instance) number() string {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.snowflake = max(in.snowflake+1, time.Now().UnixMilli()<<16)
	return strconv.FormatInt(in.snowflake, 10)
}

// mentioned finds whom a post mentions: an author of this instance, else of
// another one.
func (in *Instance) mentioned(e Entry) (person author, home *Instance, ok bool) {
	if e.Mention == "" {
		return author{}, nil, false
	}
	for _, home := range append([]*Instance{in}, in.n.instances...) {
		for _, a := range home.authors {
			if a.name == e.Mention {
				return a, home, true
			}
		}
	}
	return author{}, nil, false
}

// noteOf writes a post as its software does.
//
// ref: observed Mastodon 4.5: app/serializers/activitypub/note_serializer.rb;
// Misskey 2025: core/activitypub/ApRendererService.ts
func (in *Instance) noteOf(id string, p Post, made time.Time) map[string]any {
	a, e := in.authors[p.Author%len(in.authors)], p.Entry
	content := in.htmlOf(e)
	note := map[string]any{
		"id": id, "type": "Note", "attributedTo": a.id, "published": made.Format(time.RFC3339), "content": content,
		"sensitive": e.CW != "", "tag": in.tagsOf(e), "attachment": in.attachmentsOf(id, e),
	}
	note["to"], note["cc"] = in.audienceOf(a, p)
	if e.CW != "" {
		note["summary"] = e.CW
	}
	if p.ReplyTo != "" {
		note["inReplyTo"] = p.ReplyTo
	}
	if len(e.Poll) > 0 {
		options := make([]any, len(e.Poll))
		for i, o := range e.Poll {
			options[i] = map[string]any{"type": "Note", "name": o, "replies": map[string]any{"type": "Collection", "totalItems": i}}
		}
		note["type"], note["oneOf"], note["endTime"] = "Question", options, made.Add(24*time.Hour).Format(time.RFC3339)
	}
	switch in.kind {
	case Mastodon:
		in.asMastodon(note, id, a, p, made)
	case Misskey:
		note["_misskey_content"] = e.Text
		note["source"] = map[string]any{"content": e.Text, "mediaType": "text/x.misskeymarkdown"}
		if e.CW != "" {
			note["_misskey_summary"] = e.CW
		}
	case Pleroma:
		note["actor"], note["context"], note["conversation"] = a.id, contextID(id), contextID(id)
		note["source"] = map[string]any{"content": e.Text, "mediaType": "text/plain"}
		if e.Lang != "" {
			note["language"], note["contentMap"] = e.Lang, map[string]string{e.Lang: content}
		}
	}
	return note
}

// contextID is the conversation that a post begins.
func contextID(object string) string { return object + "/context" }

func (in *Instance) asMastodon(note map[string]any, id string, a author, p Post, made time.Time) {
	number := id[strings.LastIndexByte(id, '/')+1:]
	note["url"], note["atomUri"] = in.profile(a.name)+"/"+number, id
	note["conversation"] = fmt.Sprintf("tag:%s,%s:objectId=%s:objectType=Conversation", in.host, made.Format(time.DateOnly), number)
	if p.ReplyTo != "" {
		note["inReplyToAtomUri"] = p.ReplyTo
	}
	if p.Entry.Lang != "" {
		note["contentMap"] = map[string]any{p.Entry.Lang: note["content"]}
	}
	if len(p.Entry.Poll) > 0 {
		note["votersCount"] = len(p.Entry.Poll)
	}
	note["replies"] = map[string]any{
		"id": id + "/replies", "type": "Collection",
		"first": map[string]any{"type": "CollectionPage", "partOf": id + "/replies", "next": id + "/replies?only_other_accounts=true&page=true", "items": []any{}},
	}
	for _, name := range []string{"likes", "shares"} {
		note[name] = map[string]any{"id": id + "/" + name, "type": "Collection", "totalItems": 0}
	}
	note["interactionPolicy"] = map[string]any{"canQuote": map[string]any{"automaticApproval": []string{activitypub.Public}}}
}

// audienceOf is whom a post is for: to and cc.
func (in *Instance) audienceOf(a author, p Post) (to, cc []string) {
	followers := a.id + "/followers"
	var mentions []string
	if m, _, ok := in.mentioned(p.Entry); ok {
		mentions = []string{m.id}
	}
	switch p.Audience {
	case Unlisted:
		return []string{followers}, append([]string{activitypub.Public}, mentions...)
	case Followers:
		return []string{followers}, append([]string{}, mentions...)
	case Direct:
		return []string{in.authors[len(in.authors)-1].id}, []string{}
	}
	return []string{activitypub.Public}, append([]string{followers}, mentions...)
}

func (in *Instance) tagsOf(e Entry) []any {
	out := []any{}
	for _, t := range e.Tags {
		out = append(out, map[string]any{"type": "Hashtag", "href": in.tagURL(t), "name": "#" + t})
	}
	if m, home, ok := in.mentioned(e); ok {
		out = append(out, map[string]any{"type": "Mention", "href": m.id, "name": "@" + m.name + "@" + home.host})
	}
	return out
}

// attachmentsOf describes files that nobody will find: posts are about words.
func (in *Instance) attachmentsOf(id string, e Entry) []any {
	out := []any{}
	for i, m := range e.Media {
		file := fmt.Sprintf("%s/media/%s-%d", in.origin, id[strings.LastIndexByte(id, '/')+1:], i)
		if known, err := mime.ExtensionsByType(m.Type); err == nil && len(known) > 0 {
			file += known[0]
		}
		doc := map[string]any{"type": "Document", "mediaType": m.Type, "url": file, "name": m.Description}
		switch in.kind {
		case Mastodon:
			if strings.HasPrefix(m.Type, "image/") {
				doc["blurhash"], doc["width"], doc["height"], doc["focalPoint"] = "UBL_:rOpGG-oBUNG,qRj2so|=eE1w^n4S5NH", 1600, 1200, []float64{0, 0.25}
			}
		case Misskey:
			doc["sensitive"] = e.CW != ""
		case Pleroma:
			doc["url"] = []any{map[string]any{"type": "Link", "href": file, "mediaType": m.Type}}
		}
		out = append(out, doc)
	}
	return out
}

// uuid is a random id as Mastodon and Misskey write it.
func uuid() string {
	b := random(16)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // ref: RFC 9562 §5.4
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
