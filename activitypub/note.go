package activitypub

import (
	"fmt"
	"html"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode"
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
	URL          string    // page for people; "" if none
	AttributedTo string    // the author, as Envelope.ObjectActor names it; "" if none
	Published    time.Time // zero if missing or malformed, as is Updated
	Updated      time.Time

	Text      string // plain text; a title is its first paragraph, time and place of an event its last
	Warning   string // content warning, plain text; "" if none
	Sensitive bool
	Language  string // the author's BCP 47 tag as written; "" if none

	Tags        []string // hashtags without '#', as written, each once
	Mentions    []Mention
	Links       []string // http and https addresses, without tags and mentions, each once
	Attachments []Attachment
	Poll        []string // texts of the options; nil if it is not a poll
	InReplyTo   string
	Quote       string // id or address of the quoted post; an address, as InReplyTo is
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
		Type:         knownType(v),
		URL:          pageOf(v.get("url")),
		AttributedTo: r.author(v),
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
	if !postTypes[n.Type] {
		return nil, fmt.Errorf("%s is not a post: %w", quoteShort(n.Type), ErrType)
	}
	n.Sensitive, _ = v.get("sensitive").truth()
	markers := n.readTags(v.get("tag"))
	n.readQuote(v)
	n.readText(v, markers)
	n.readAttachments(v)
	n.readLinkOfPage()
	n.readPoll(v)
	return n, nil
}

// readTags sorts the tags into hashtags, mentions, emoji and quotes. It
// returns the addresses that anchors of mentions and hashtags lead to.
func (n *Note) readTags(v value) map[string]bool {
	markers := make(map[string]bool)
	for t := range tagsOf(v) {
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

// tagsOf yields the tags: a list, a single one, or what PHP makes of a list
// with gaps, an object whose keys are numbers. Pixelfed even mixes the two: the
// mention of whom a post answers, with the other tags under "0", "1", ….
//
// ref: observed Pixelfed: app/Transformer/ActivityPub/Verb/CreateNote.php
func tagsOf(v value) iter.Seq[value] {
	return func(yield func(value) bool) {
		for t := range v.items() {
			if !yield(t) {
				return
			}
		}
		for key, t := range v.properties() {
			if key != "" && allDigits(key) && t.is(kindObject) && !yield(t) {
				return
			}
		}
	}
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
	for t := range tagsOf(v.get("tag")) {
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
	title := titleOf(v)
	switch {
	case !visible(summary), repeatsTitle(summary, title):
	case n.Sensitive, n.Type == "Note", n.Type == "Question":
		n.Warning = summary
	case text == "":
		// For longer forms a summary is an excerpt, not a warning.
		text = summary
	}
	if first, _, _ := strings.Cut(text, "\n"); title != first {
		text = strings.TrimSpace(title + "\n\n" + text)
	}
	if n.Type == "Event" {
		text = strings.TrimSpace(text + "\n\n" + whenAndWhere(v))
	}
	n.Text = cutText(text, maxText)
}

// titleOf returns a name: plain text on one line. Blogs leave the entities of
// their pages in it.
func titleOf(v value) string {
	return cutText(cleanLine(html.UnescapeString(naturalText(v, "name"))), maxName)
}

// visible reports whether a text shows anything. Misskey sends the warning of
// a post that is folded without one as a single U+200B.
//
// ref: observed Misskey: ApRendererService.ts, renderNote
func visible(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) })
}

// repeatsTitle reports whether a summary is only the title again, shortened
// and followed by hashtags, as Mbin makes it: neither a warning nor a text.
//
// ref: observed Mbin: src/Factory/ActivityPub/EntryPageFactory.php
func repeatsTitle(summary, title string) bool {
	words := strings.Fields(summary)
	for len(words) > 0 && strings.HasPrefix(words[len(words)-1], "#") {
		words = words[:len(words)-1]
	}
	short := strings.TrimRight(strings.Join(words, " "), " .…")
	return title != "" && len(short) >= min(len(title), 16) && strings.HasPrefix(title, short)
}

// dropQuoteLine removes the first or last line of a text if it is only the
// fallback "RE: address" ("RT: ", "QT: ") that servers add for readers that
// know no quotes, and its address from the links. It hides nothing else.
func (n *Note) dropQuoteLine(text string) string {
	for i, link := range n.Links {
		short, ok := cutLine(text, link)
		if !ok {
			continue
		}
		if n.Links = slices.Delete(n.Links, i, i+1); len(n.Links) == 0 {
			n.Links = nil
		}
		return strings.TrimSpace(short)
	}
	return text
}

// cutLine removes a first or last line that is only the fallback for a link.
func cutLine(text, link string) (string, bool) {
	for _, mark := range []string{"RE: ", "RT: ", "QT: "} {
		if short, ok := strings.CutSuffix(text, mark+link); ok && (short == "" || strings.HasSuffix(short, "\n")) {
			return short, true
		}
		if short, ok := strings.CutPrefix(text, mark+link); ok && (short == "" || strings.HasPrefix(short, "\n")) {
			return short, true
		}
	}
	return text, false
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

// cutID drops what is not an address.
func cutID(s string) string {
	if _, err := ParseIRI(s); err != nil {
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
	if !m.is(kindObject) {
		return ""
	}
	if s := m.get(languageOf(v)).first().str(); s != "" {
		return s
	}
	for _, e := range m.properties() {
		if s := e.first().str(); s != "" {
			return s
		}
	}
	return ""
}

// languageOf returns the language that the author's server gives: the entry of
// contentMap that is equal to content, the only one, or without a content the
// first; else language or inLanguage, as a string or as an object with an
// identifier; else the default of the context.
func languageOf(v value) string {
	for _, name := range []string{"content", "name", "summary"} {
		if tag := mapLanguage(v, name); tag != "" {
			return tag
		}
	}
	for _, name := range []string{"language", "inLanguage"} {
		lang := v.get(name).first()
		if lang.is(kindObject) {
			lang = lang.get("identifier")
		}
		if tag := lang.str(); languageTag(tag) {
			return tag
		}
	}
	for c := range v.get("@context").items() {
		if tag := c.get("@language").str(); languageTag(tag) {
			return tag
		}
	}
	return ""
}

func mapLanguage(v value, name string) string {
	plain := v.get(name).first().str()
	first, count := "", 0
	for tag, text := range v.get(name + "Map").properties() {
		if !languageTag(tag) {
			continue
		}
		words := text.first().str()
		if words == "" {
			continue
		}
		if plain == words {
			return tag
		}
		if count++; count == 1 {
			first = tag
		}
	}
	if count == 1 || plain == "" {
		return first
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
