package query

import (
	"encoding/hex"
	"maps"
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
	factActor    = "F=" // URI of the author, in hexadecimal
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

// exactFact makes a token of a fact whose case counts: the index folds ASCII.
func exactFact(kind, value string) string {
	return fact(kind, hex.EncodeToString([]byte(value)))
}

// ascii is a host in the form in which hosts are compared; what is none stays.
func ascii(host string) string {
	if h := hostOf(host); h != "" {
		return h
	}
	return host
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
	all = append(all, slices.Sorted(maps.Keys(d.facts))...)
	return strings.Join(d.words, " "), strings.Join(all, " ")
}

// facts are all that fields ask about and that is true or not of a post.
func facts(p *storage.Post) []string {
	var out []string
	add := func(kind, value string) {
		if value != "" {
			out = append(out, fact(kind, value))
		}
	}
	if p.Actor != "" {
		out = append(out, exactFact(factActor, p.Actor))
	}
	user, home, _ := strings.Cut(p.Handle, "@")
	add(factUser, user)
	if home != "" {
		add(factHandle, user+"@"+ascii(home))
	}
	add(factHost, ascii(p.Host))
	for _, d := range above(ascii(p.Host)) {
		add(factDomain, d)
	}
	add(factVia, ascii(p.Via))
	add(factSoftware, p.Software)
	for _, l := range languages(p.Language) {
		add(factLanguage, l)
	}
	for _, t := range p.Tags {
		add(factTag, tagFold(t))
	}
	for _, m := range p.Mentions {
		name, host, _ := strings.Cut(strings.TrimPrefix(m, "@"), "@")
		add(factMention, name+"@"+ascii(host))
		add(factNamed, name)
		add(factMentHost, ascii(host))
	}
	for _, l := range p.Labels {
		if l.Over {
			add(factLabel, l.Name)
		}
	}
	for _, l := range p.Links {
		if u, err := url.Parse(l); err == nil && u.Hostname() != "" {
			host := ascii(u.Hostname())
			add(factLink, host)
			for _, d := range above(host) {
				add(factLink, d)
			}
		}
	}
	for _, a := range p.Attachments {
		kind, _, _ := strings.Cut(a.MediaType, ";") // without its parameters
		if major, _, ok := strings.Cut(kind, "/"); ok {
			add(factMedia, strings.TrimSpace(kind))
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
