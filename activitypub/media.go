package activitypub

import (
	"path"
	"slices"
	"strings"
)

// resource is one entry of a url or attachment: an address and its media type.
type resource struct {
	href      string
	mediaType string
}

// resourcesOf reads a url: a string, an object with an href (or, as some write
// it, a url), or a list of those. PeerTube nests the variants of a stream in
// the tag of its playlist; those are left alone, they show the same video.
func resourcesOf(v value) []resource {
	var out []resource
	for e := range v.items() {
		if len(out) == maxAttachments {
			break
		}
		r := resource{href: e.str()}
		if e.is(kindObject) {
			if e.lists("rel", "tracker") {
				continue // of a torrent, not of the video
			}
			r.href = e.get("href").id()
			r.mediaType = mediaTypeOf(e)
			if r.href == "" {
				r.href = e.get("url").id()
			}
		}
		if _, err := ParseIRI(r.href); err == nil {
			out = append(out, r)
		}
	}
	return out
}

// pageOf returns the address of the page for people: of several the first of
// type text/html, else the first whose type is not given. A medium by itself
// is not a page.
func pageOf(v value) string {
	untyped := ""
	for _, r := range resourcesOf(v) {
		switch {
		case r.mediaType == "text/html":
			return r.href
		case r.mediaType == "" && untyped == "":
			untyped = r.href
		}
	}
	return untyped
}

// mediaTypeOf returns an object's mediaType in lower case, without parameters,
// or "" for what is not one.
func mediaTypeOf(v value) string {
	s, _, _ := strings.Cut(v.get("mediaType").str(), ";")
	s = strings.ToLower(strings.TrimSpace(s))
	major, minor, ok := strings.Cut(s, "/")
	if !ok || major == "" || minor == "" || len(s) > 100 {
		return ""
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),:;<=>?@[\]{}`, c) >= 0 {
			return ""
		}
	}
	return s
}

// kindOf says whether a medium is an image, video, audio or another file, by
// its media type or else by the type of its object.
func kindOf(mediaType, objectType string) string {
	major, _, _ := strings.Cut(mediaType, "/")
	switch {
	case major == "image" || major == "video" || major == "audio":
		return major
	case mediaType == "application/x-mpegurl" || mediaType == "application/vnd.apple.mpegurl":
		return "video"
	case mediaType == "application/ogg":
		return "audio"
	}
	switch objectType {
	case "Image", "Video", "Audio":
		return strings.ToLower(objectType)
	}
	return "file"
}

// kindsOfNames are the ends of names that tell a medium whose server says
// nothing else about it, as BookWyrm does of covers.
var kindsOfNames = map[string]string{
	".avif": "image", ".gif": "image", ".jpeg": "image", ".jpg": "image", ".png": "image", ".webp": "image",
	".mov": "video", ".mp4": "video", ".webm": "video",
	".flac": "audio", ".m4a": "audio", ".mp3": "audio", ".oga": "audio", ".ogg": "audio", ".opus": "audio", ".wav": "audio",
}

func kindOfName(address string) string {
	address, _, _ = strings.Cut(address, "#")
	address, _, _ = strings.Cut(address, "?")
	if kind := kindsOfNames[strings.ToLower(path.Ext(address))]; kind != "" {
		return kind
	}
	return "file"
}

// readAttachments collects the media: the attachments, the medium that the
// object itself is, and the picture that goes with an article.
func (n *Note) readAttachments(v value) {
	switch n.Type {
	case "Video", "Audio", "Image":
		n.addOwnMedium(v)
	}
	for a := range v.get("attachment").items() {
		if !a.hasType("PropertyValue", "Hashtag", "Mention", "Emoji", "Link", "Page") {
			n.addAttachment(a)
		}
	}
	if n.Type == "Article" || n.Type == "Page" || n.Type == "Event" {
		for image := range v.get("image").items() {
			n.addAttachment(image)
		}
	}
	for a := range v.get("attachment").items() {
		if a.hasType("Link", "Page") {
			n.addLink(a)
		}
	}
}

// readLinkOfPage moves a url that leads to another host from a Page to the
// links: Mbin and Friendica put there what the post is about.
//
// ref: observed Mbin: src/Factory/ActivityPub/EntryPageFactory.php; Friendica
// in Lemmy's crates/apub/assets/friendica/activities/create_page_1.json
func (n *Note) readLinkOfPage() {
	if n.Type != "Page" || n.URL == "" || SameOrigin(n.URL, n.ID) {
		return
	}
	n.addLinkTo(n.URL)
	n.URL = ""
}

// addLink takes an attached Link: a picture if its type says so, else the page
// that a post of a link aggregator is about.
func (n *Note) addLink(v value) {
	mediaType := mediaTypeOf(v)
	href := v.get("href").id()
	if href == "" {
		href = v.get("url").id()
	}
	if _, err := ParseIRI(href); err != nil {
		return
	}
	if kind := kindOf(mediaType, ""); kind != "file" {
		n.add(Attachment{URL: href, MediaType: mediaType, Kind: kind, Description: description(v)})
		return
	}
	n.addLinkTo(href)
}

// addLinkTo adds a link, unless it leads to a medium that is attached: Lemmy
// lists a picture as a Link without a type and as the image.
func (n *Note) addLinkTo(href string) {
	attached := slices.ContainsFunc(n.Attachments, func(a Attachment) bool { return a.URL == href })
	if !attached && len(n.Links) < maxLinks {
		n.Links = appendNew(n.Links, href)
	}
}

func (n *Note) addAttachment(v value) {
	a := Attachment{MediaType: mediaTypeOf(v), Description: description(v)}
	target := v.get("url")
	if !target.present() {
		target = v.get("href")
	}
	if v.is(kindString) {
		target = v
	}
	resources := resourcesOf(target)
	if len(resources) == 0 {
		return
	}
	a.URL = resources[0].href
	if a.MediaType == "" {
		a.MediaType = resources[0].mediaType
	}
	a.Kind = kindOf(a.MediaType, knownType(v))
	if a.Kind == "file" && a.MediaType == "" {
		a.Kind = kindOfName(a.URL)
	}
	n.add(a)
}

// addOwnMedium takes the first variant of the medium that the object is.
func (n *Note) addOwnMedium(v value) {
	for _, r := range resourcesOf(v.get("url")) {
		if r.mediaType == "" {
			r.mediaType = mediaTypeOf(v)
		}
		if r.mediaType == "text/html" {
			continue
		}
		if kind := kindOf(r.mediaType, n.Type); kind == strings.ToLower(n.Type) {
			n.add(Attachment{URL: r.href, MediaType: r.mediaType, Kind: kind})
			return
		}
	}
}

func (n *Note) add(a Attachment) {
	if len(n.Attachments) >= maxAttachments {
		return
	}
	for _, have := range n.Attachments {
		if have.URL == a.URL {
			return
		}
	}
	n.Attachments = append(n.Attachments, a)
}

// description returns the alternative text of a medium: name, as everybody
// writes it, or summary.
func description(v value) string {
	text := naturalText(v, "name")
	if text == "" {
		text = naturalText(v, "summary")
	}
	return cutText(strings.TrimSpace(cleanText(text)), maxDescription)
}
