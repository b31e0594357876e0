package activitypub

import (
	"fmt"
	"html"
	"slices"
	"strings"
	"time"
)

// Bounds on what is taken from a post. More is cut off, not refused: a post
// with two hundred hashtags is still a post.
//
// ref: attacks A35, A40
const (
	maxTags        = 200
	maxMentions    = 200
	maxLinks       = 200
	maxAttachments = 64
	maxPoll        = 50
	maxAudience    = 1000
	maxOption      = 1000 // bytes of one option of a poll
	maxDescription = 10_000
)

// postTypes are the types of objects that are posts.
var postTypes = map[string]bool{
	"Note": true, "Article": true, "Page": true, "Question": true,
	"Video": true, "Image": true, "Audio": true, "Event": true,
}

// Mention is an account that a post names.
type Mention struct {
	Handle string // user@host in lower case; "" if it cannot be told
	Href   string // id (or page) of the account
}

// Attachment is a medium of a post. It is never fetched.
type Attachment struct {
	URL         string
	MediaType   string // as the author's server says; "" if it does not
	Kind        string // image, video, audio or file
	Description string // alternative text
}

// Note is a post of any type, as plain text and lists. All of it is what the
// author's server claims; nothing has been checked.
type Note struct {
	ID, Type     string
	URL          string // page for people; "" if none
	AttributedTo string
	Published    time.Time // zero if missing or malformed, as is Updated
	Updated      time.Time

	Text      string // plain text; a title, if there is one, is its first paragraph
	Warning   string // content warning, plain text; "" if none
	Sensitive bool
	Language  string // the author's BCP 47 tag as written; "" if none

	Tags        []string // hashtags without '#', as written, each once
	Mentions    []Mention
	Links       []string // http and https addresses, without tags and mentions, each once
	Attachments []Attachment
	Poll        []string // texts of the options; nil if it is not a poll
	InReplyTo   string
	Quote       string // id or address of the quoted post
	Emojis      bool   // carries custom emoji

	To, Cc []string
}

// IsPublicTo reports whether the Public collection is in the post's to.
func (n *Note) IsPublicTo() bool { return reachOf(n.To, n.Cc) == reachPublic }

// IsPublicCc reports whether the post is "quiet public": Public only in cc.
func (n *Note) IsPublicCc() bool { return reachOf(n.To, n.Cc) == reachQuiet }

// ParseNote reads a post under the default Limits: Note, Article, Page,
// Question, Video, Image, Audio or Event. An id is required, as an address;
// everything else is taken as far as it makes sense, and cut off where there
// is too much of it. It returns ErrType for an object of another type (a
// Tombstone, say), else the errors of ParseEnvelope.
func ParseNote(object []byte) (*Note, error) {
	d, err := scan(object, Limits{})
	if err != nil {
		return nil, fmt.Errorf("read post: %w", err)
	}
	n, err := noteOf(d.root())
	if err != nil {
		return nil, fmt.Errorf("read post: %w", err)
	}
	return n, nil
}

func noteOf(v value) (*Note, error) {
	r := reader{}
	n := &Note{
		ID:           r.address(v, "id"),
		Type:         postType(v),
		URL:          pageOf(v.get("url")),
		AttributedTo: authorOf(v),
		Published:    v.get("published").time(),
		Updated:      v.get("updated").time(),
		Language:     languageOf(v),
		InReplyTo:    cutID(v.get("inReplyTo").id()),
		To:           r.ids(v, "to"),
		Cc:           r.ids(v, "cc"),
	}
	if r.err != nil {
		return nil, r.err
	}
	if n.Type == "" {
		return nil, fmt.Errorf("%s is not a post: %w", quoteShort(knownType(v)), ErrType)
	}
	n.To, n.Cc = n.To[:min(len(n.To), maxAudience)], n.Cc[:min(len(n.Cc), maxAudience)]
	n.Sensitive, _ = v.get("sensitive").truth()
	markers := n.readTags(v.get("tag"))
	n.readQuote(v)
	n.readText(v, markers)
	n.readAttachments(v)
	n.readPoll(v)
	return n, nil
}

func postType(v value) string {
	for t := range v.get("type").items() {
		if s := t.str(); postTypes[s] {
			return s
		}
	}
	return ""
}

// readTags sorts the tags into hashtags, mentions, emoji and quotes. It
// returns the addresses that anchors of mentions and hashtags lead to.
func (n *Note) readTags(v value) map[string]bool {
	markers := make(map[string]bool)
	for t := range v.items() {
		href := t.get("href").id()
		switch {
		case t.hasType("Hashtag"):
			if name := tagName(t); len(n.Tags) < maxTags {
				n.Tags = appendNew(n.Tags, name)
			}
		case t.hasType("Mention"):
			m := Mention{Handle: mentionHandle(t.get("name").str(), href), Href: cutID(href)}
			if len(n.Mentions) < maxMentions && (m.Handle != "" || m.Href != "") && !slices.Contains(n.Mentions, m) {
				n.Mentions = append(n.Mentions, m)
			}
		case t.hasType("Emoji"):
			n.Emojis = true
			continue
		default:
			continue
		}
		if iri, err := ParseIRI(href); err == nil && len(markers) < maxTags+maxMentions {
			markers[string(iri)] = true
		}
	}
	return markers
}

// tagName returns a hashtag's name without its '#'.
func tagName(v value) string {
	name := strings.TrimSpace(cleanText(naturalText(v, "name")))
	name = strings.TrimPrefix(strings.TrimPrefix(name, "#"), "＃")
	return cutText(name, 255)
}

// mentionHandle makes user@host of a Mention's name, which may lack the host
// on the author's own server, or be missing; then the address helps.
func mentionHandle(name, href string) string {
	iri, err := ParseIRI(href)
	user, host, full := strings.Cut(strings.TrimPrefix(strings.TrimSpace(name), "@"), "@")
	if !full && err == nil {
		host = iri.Host()
	}
	h, hostErr := NormalizeHost(host)
	if hostErr != nil || !handleUser(user) {
		return ""
	}
	return strings.ToLower(user) + "@" + h
}

// readQuote finds the quoted post under the names that servers give it.
//
// ref: FEP-044f (quote), FEP-e232 (a Link in tag), observed Misskey
// (_misskey_quote), Fedibird and Pleroma (quoteUri, quoteUrl)
func (n *Note) readQuote(v value) {
	for _, name := range []string{"quote", "quoteUrl", "quoteUri", "_misskey_quote"} {
		if n.Quote = cutID(v.get(name).id()); n.Quote != "" {
			return
		}
	}
	for t := range v.get("tag").items() {
		if !t.hasType("Link") || !IsActivityJSON(t.get("mediaType").str()) {
			continue
		}
		for rel := range t.get("rel").items() {
			if s := rel.str(); s == "https://misskey-hub.net/ns#_misskey_quote" || s == "quote" {
				n.Quote = cutID(t.get("href").id())
				return
			}
		}
	}
}

// readText makes the text of title and content, and the warning of summary.
func (n *Note) readText(v value, markers map[string]bool) {
	content := naturalText(v, "content")
	var text string
	if mediaType := v.get("mediaType").str(); content != "" && (mediaType == "text/plain" || mediaType == "text/markdown") {
		text = strings.TrimSpace(cutText(cleanText(content), maxText))
		n.Links = plainLinks(text)
	} else {
		text, n.Links = textAndLinks(content, markers)
	}
	if n.Quote != "" {
		text = n.dropQuoteLine(text)
	}
	summary := TextOfHTML(naturalText(v, "summary"))
	switch {
	case n.Sensitive, n.Type == "Note", n.Type == "Question":
		n.Warning = summary
	case text == "":
		// For longer forms a summary is an excerpt, not a warning.
		text = summary
	}
	// A name is plain text, but blogs leave the entities of their pages in it.
	if title := cutText(cleanLine(html.UnescapeString(naturalText(v, "name"))), maxName); title != "" && !strings.HasPrefix(text, title) {
		text = strings.TrimSpace(title + "\n\n" + text)
	}
	n.Text = cutText(text, maxText)
}

// dropQuoteLine removes the first or last line of a text if it is only the
// fallback "RE: address" that servers add for readers that know no quotes, and
// its address from the links. It hides nothing else.
func (n *Note) dropQuoteLine(text string) string {
	for i, link := range n.Links {
		line := "RE: " + link
		short, ok := strings.CutSuffix(text, line)
		if !ok || short != "" && !strings.HasSuffix(short, "\n") {
			if short, ok = strings.CutPrefix(text, line); !ok || short != "" && !strings.HasPrefix(short, "\n") {
				continue
			}
		}
		if n.Links = slices.Delete(n.Links, i, i+1); len(n.Links) == 0 {
			n.Links = nil
		}
		return strings.TrimSpace(short)
	}
	return text
}

// readPoll reads the options of a Question.
func (n *Note) readPoll(v value) {
	if n.Type != "Question" {
		return
	}
	for _, name := range []string{"oneOf", "anyOf"} {
		for o := range v.get(name).items() {
			if text := cleanLine(naturalText(o, "name")); text != "" && len(n.Poll) < maxPoll {
				n.Poll = append(n.Poll, cutText(text, maxOption))
			}
		}
	}
}

// cutID drops what is not usable as an id.
func cutID(s string) string {
	if checkAddress(s) != nil {
		return ""
	}
	return s
}

// naturalText reads a text that may stand plainly or, by language, in a Map of
// its name; some servers send only the Map.
//
// ref: ActivityStreams 2.0 Core §4.7
func naturalText(v value, name string) string {
	if s := v.get(name).first().str(); s != "" {
		return s
	}
	m := v.get(name + "Map")
	if s := m.get(languageOf(v)).str(); s != "" {
		return s
	}
	for _, e := range m.properties() {
		if s := e.first().str(); s != "" {
			return s
		}
	}
	return ""
}

// languageOf returns the language that the author's server gives: the only
// entry of contentMap, or the one equal to content; else language, as a string
// or as an object with an identifier; else the default of the context.
func languageOf(v value) string {
	for _, name := range []string{"content", "name", "summary"} {
		if tag := mapLanguage(v, name); tag != "" {
			return tag
		}
	}
	lang := v.get("language").first()
	if lang.is(kindObject) {
		lang = lang.get("identifier")
	}
	if tag := lang.str(); languageTag(tag) {
		return tag
	}
	for c := range v.get("@context").items() {
		if tag := c.get("@language").str(); languageTag(tag) {
			return tag
		}
	}
	return ""
}

func mapLanguage(v value, name string) string {
	plain := v.get(name).str()
	only, count := "", 0
	for tag, text := range v.get(name + "Map").properties() {
		if !languageTag(tag) {
			continue
		}
		if plain != "" && plain == text.str() {
			return tag
		}
		only = tag
		count++
	}
	if count == 1 {
		return only
	}
	return ""
}

// languageTag reports whether a tag has the form of BCP 47 and says something.
func languageTag(s string) bool {
	if len(s) < 2 || len(s) > 35 || strings.EqualFold(s, "und") {
		return false
	}
	for i, part := range strings.Split(s, "-") {
		if len(part) == 0 || len(part) > 8 || i == 0 && len(part) < 2 {
			return false
		}
		for _, c := range []byte(part) {
			letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
			if !letter && (i == 0 || c < '0' || c > '9') {
				return false
			}
		}
	}
	return true
}
