package query

import (
	"net/url"
	"slices"
	"strings"
	"unicode"

	"hark/storage"
)

// Runes of the private use area mark in which part of a post a word stands, or
// that a token is a fact about the post and no word of it. Nothing that people
// type becomes a token with one of them.
const (
	sectionFirst = '\ue000'
	inWarning    = '\ue001'
	inPoll       = '\ue002'
	inAlt        = '\ue003'
	inName       = '\ue004'
	sectionBreak = '\ue00e' // between two options, or two descriptions
	factMark     = '\ue00f'
	sectionLast  = '\ue00f'
)

// The kinds of facts.
const (
	factUser     = "u=" // name of the author
	factHandle   = "f=" // user@host of the author
	factActor    = "F=" // URI of the author
	factHost     = "d=" // host of the post
	factDomain   = "D=" // a domain above its host
	factVia      = "v="
	factSoftware = "s="
	factLanguage = "l="
	factTag      = "g="
	factMention  = "m=" // user@host
	factNamed    = "n=" // name of somebody mentioned
	factMentHost = "o=" // host of somebody mentioned
	factLabel    = "x=" // over its threshold
	factHas      = "a="
	factIs       = "i="
	factLink     = "k=" // host of a link, and every domain above it
	factMedia    = "t=" // media type, and its class as image/*
	factURI      = "r=" // the post itself
)

// fact makes a token of a fact. The index keeps it whole: it has neither
// spaces nor control characters.
func fact(kind, value string) string {
	value = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			return '_'
		case r >= sectionFirst && r <= sectionLast:
			return -1
		}
		return r
	}, strings.ToLower(value))
	return string(factMark) + strings.ToLower(kind) + kindMark(kind) + value
}

// kindMark keeps kinds apart that differ in case only: the index folds ASCII.
func kindMark(kind string) string {
	if kind[0] >= 'A' && kind[0] <= 'Z' {
		return "="
	}
	return ""
}

// Document is a post prepared for the predicate: what the index holds of it.
type Document struct {
	post  *storage.Post
	words []string        // column text
	marks []string        // words of column meta, in order
	facts map[string]bool // facts of column meta
}

// NewDocument prepares a post, so that many queries can be asked of it.
func NewDocument(p *storage.Post) *Document {
	d := &Document{post: p, facts: map[string]bool{}}
	for _, t := range Tokens(p.Text) {
		d.words = append(d.words, t.Text)
	}
	d.section(inWarning, p.Warning)
	for _, o := range p.Poll {
		d.section(inPoll, o)
	}
	for _, a := range p.Attachments {
		d.section(inAlt, a.Description)
	}
	d.section(inName, p.Name)
	for _, f := range facts(p) {
		d.facts[f] = true
	}
	return d
}

func (d *Document) section(mark rune, s string) {
	if s == "" {
		return
	}
	for _, t := range Tokens(s) {
		d.marks = append(d.marks, string(mark)+t.Text)
	}
	d.marks = append(d.marks, string(sectionBreak)) // phrases end here
}

// Index returns what the two columns of the full-text index hold of a post:
// its text, and everything else: words of its other parts, each marked with
// the part, and facts. Tokens are separated by spaces and hold none.
func Index(p *storage.Post) (text, meta string) {
	d := NewDocument(p)
	all := d.marks
	for _, f := range slices.Sorted(keys(d.facts)) {
		all = append(all, f)
	}
	return strings.Join(d.words, " "), strings.Join(all, " ")
}

func keys(m map[string]bool) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// facts are all that fields ask about and that is true or not of a post.
func facts(p *storage.Post) []string {
	var out []string
	add := func(kind, value string) {
		if value != "" {
			out = append(out, fact(kind, value))
		}
	}
	add(factURI, p.URI)
	add(factActor, p.Actor)
	add(factHandle, p.Handle)
	user, _, _ := strings.Cut(p.Handle, "@")
	add(factUser, user)
	add(factHost, p.Host)
	for _, d := range above(p.Host) {
		add(factDomain, d)
	}
	add(factVia, p.Via)
	add(factSoftware, p.Software)
	for _, l := range languages(p.Language) {
		add(factLanguage, l)
	}
	for _, t := range p.Tags {
		add(factTag, tagFold(t))
	}
	for _, m := range p.Mentions {
		m = strings.TrimPrefix(m, "@")
		add(factMention, m)
		name, host, _ := strings.Cut(m, "@")
		add(factNamed, name)
		add(factMentHost, host)
	}
	for _, l := range p.Labels {
		if l.Over {
			add(factLabel, l.Name)
		}
	}
	for _, l := range p.Links {
		if u, err := url.Parse(l); err == nil && u.Hostname() != "" {
			add(factLink, u.Hostname())
			for _, d := range above(u.Hostname()) {
				add(factLink, d)
			}
		}
	}
	for _, a := range p.Attachments {
		if major, _, ok := strings.Cut(a.MediaType, "/"); ok {
			add(factMedia, a.MediaType)
			add(factMedia, major+"/*")
		}
	}
	for _, h := range has(p) {
		add(factHas, h)
	}
	for _, i := range is(p) {
		add(factIs, i)
	}
	return out
}

// above are the domains above a host: of a.b.example, b.example and example.
func above(host string) []string {
	var out []string
	for {
		_, rest, ok := strings.Cut(host, ".")
		if !ok {
			return out
		}
		out = append(out, rest)
		host = rest
	}
}

// languages are the tag and its primary part; a tag that is primary alone says
// so as well.
func languages(tag string) []string {
	tag = strings.ToLower(tag)
	if tag == "" {
		tag = "und"
	}
	if primary, _, ok := strings.Cut(tag, "-"); ok {
		return []string{tag, primary}
	}
	return []string{tag, tag + "-!"}
}

func has(p *storage.Post) []string {
	var out []string
	kinds := map[string]bool{}
	for _, a := range p.Attachments {
		kinds["media"] = true
		switch a.Kind {
		case "image", "video", "audio":
			kinds[a.Kind] = true
		}
		if strings.TrimSpace(a.Description) != "" {
			kinds["alt"] = true
		} else {
			kinds["noalt"] = true
		}
	}
	for k := range kinds {
		out = append(out, k)
	}
	for name, yes := range map[string]bool{
		"poll": len(p.Poll) > 0, "link": len(p.Links) > 0, "cw": p.Warning != "", "quote": p.Quote != "", "emoji": p.Emojis,
	} {
		if yes {
			out = append(out, name)
		}
	}
	return out
}

func is(p *storage.Post) []string {
	var out []string
	for name, yes := range map[string]bool{
		"sensitive": p.Sensitive, "reply": p.InReplyTo != "", "edited": !p.Edited.IsZero(), "bot": p.Bot,
		"quote": p.Quote != "", "question": strings.ContainsAny(p.Text, "?？؟"),
	} {
		if yes {
			out = append(out, name)
		}
	}
	return out
}
