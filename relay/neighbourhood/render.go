package neighbourhood

import (
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// special are the parts of a text that become links: addresses, hashtags and
// mentions. An address ends before a full stop or a comma that ends a sentence.
var special = regexp.MustCompile(`https?://[!-~]*[0-9A-Za-z/_-]|[#@][\p{L}\p{M}\p{N}_]+`)

// linked is a kind of link in a text.
type linked int

const (
	linkAddress linked = iota
	linkTag
	linkMention
)

// htmlOf writes the text as each software does. What belongs to the post and
// is not in its text follows it, as people write it.
//
// ref: observed Mastodon 4.5: app/lib/text_formatter.rb; Misskey 2025:
// core/MfmService.ts; Pleroma: lib/pleroma/formatter.ex
func (in *Instance) htmlOf(e Entry) string {
	text := e.Text
	var tail []string
	if e.Mention != "" && !strings.Contains(text, "@"+e.Mention) {
		text = "@" + e.Mention + " " + text
	}
	if e.Link != "" && !strings.Contains(text, e.Link) {
		tail = append(tail, e.Link)
	}
	if tags := in.tagsAfter(e); len(tags) > 0 {
		tail = append(tail, "#"+strings.Join(tags, " #"))
	}
	if len(tail) > 0 {
		text += "\n\n" + strings.Join(tail, "\n")
	}
	var b strings.Builder
	last := 0
	for _, at := range special.FindAllStringIndex(text, -1) {
		part := text[at[0]:at[1]]
		b.WriteString(html.EscapeString(text[last:at[0]]))
		b.WriteString(in.linkOf(e, text[:at[0]], part))
		last = at[1]
	}
	b.WriteString(html.EscapeString(text[last:]))
	return in.paragraphs(b.String())
}

// tagsAfter are the tags that the text does not hold.
func (in *Instance) tagsAfter(e Entry) []string {
	return slices.DeleteFunc(slices.Clone(e.Tags), func(t string) bool {
		return slices.Contains(special.FindAllString(e.Text, -1), "#"+t)
	})
}

// linkOf writes a part of the text as a link, if it is one.
func (in *Instance) linkOf(e Entry, before, part string) string {
	r, _ := utf8.DecodeLastRuneInString(before)
	switch {
	case strings.HasPrefix(part, "http"):
		return in.anchor(linkAddress, part, part)
	case before != "" && !strings.ContainsRune(" \n(", r):
		return html.EscapeString(part) // in the middle of a word, as in ann@host
	case strings.HasPrefix(part, "#"):
		return in.anchor(linkTag, in.tagURL(part[1:]), part[1:])
	case part[1:] == e.Mention:
		if m, home, ok := in.mentioned(e); ok {
			return in.anchor(linkMention, home.profile(m.name), m.name)
		}
	}
	return html.EscapeString(part)
}

func (in *Instance) tagURL(tag string) string {
	folder := "/tags/"
	if in.kind == Pleroma {
		folder = "/tag/"
	}
	return in.origin + folder + url.PathEscape(strings.ToLower(tag))
}

// shownAddress is how much of an address Mastodon shows, in characters.
const shownAddress = 30

func (in *Instance) anchor(kind linked, href, text string) string {
	href, text = html.EscapeString(href), html.EscapeString(text)
	forms := map[Kind][3]string{
		Misskey: {`<a href="%s">%s</a>`, `<a href="%s" rel="tag">#%s</a>`, `<a href="%s" class="u-url mention">@%s</a>`},
		Pleroma: {
			`<a href="%s" rel="ugc">%s</a>`, `<a class="hashtag" href="%s" rel="tag ugc">#%s</a>`,
			`<span class="h-card"><a class="u-url mention" href="%s" rel="ugc">@<span>%s</span></a></span>`,
		},
		Mastodon: {
			``, `<a href="%s" class="mention hashtag" rel="tag">#<span>%s</span></a>`,
			`<span class="h-card" translate="no"><a href="%s" class="u-url mention">@<span>%s</span></a></span>`,
		},
	}
	if in.kind != Mastodon || kind != linkAddress {
		return fmt.Sprintf(forms[in.kind][kind], href, text)
	}
	scheme, shown, _ := strings.Cut(text, "://")
	rest, class := "", ""
	if len(shown) > shownAddress {
		shown, rest, class = shown[:shownAddress], shown[shownAddress:], "ellipsis"
	}
	return fmt.Sprintf(`<a href="%s" target="_blank" rel="nofollow noopener" translate="no"><span class="invisible">%s://</span><span class="%s">%s</span><span class="invisible">%s</span></a>`,
		href, scheme, class, shown, rest)
}

// paragraphs sets line breaks as each software does.
func (in *Instance) paragraphs(text string) string {
	switch in.kind {
	case Misskey:
		return "<p><span>" + strings.ReplaceAll(text, "\n", "<br>") + "</span></p>"
	case Pleroma:
		return strings.ReplaceAll(text, "\n", "<br/>")
	}
	return "<p>" + strings.ReplaceAll(strings.ReplaceAll(text, "\n\n", "</p><p>"), "\n", "<br />") + "</p>"
}
