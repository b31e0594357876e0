package wellknown

import (
	"encoding/json"
	"fmt"
	"mime"
	"strings"

	"hark/activitypub"
)

// WebFingerPath is where WebFinger is served, with a query "resource".
//
// ref: RFC 7033 §4
const WebFingerPath = "/.well-known/webfinger"

// WebFingerContentType is the media type of a JRD.
//
// ref: RFC 7033 §10.2
const WebFingerContentType = "application/jrd+json"

// profilePage is the relation of an account to its page for people.
const profilePage = "http://webfinger.net/rel/profile-page"

// JRD is a WebFinger answer.
//
// ref: RFC 7033 §4.4
type JRD struct {
	Subject string   `json:"subject"`
	Aliases []string `json:"aliases,omitempty"`
	Links   []Link   `json:"links"`
}

// Link is a link of a JRD or of a NodeInfo index.
type Link struct {
	Rel  string `json:"rel"`
	Type string `json:"type,omitempty"`
	Href string `json:"href"`
}

// WebFinger writes the answer for an account: subject is "acct:user@host",
// actorID the id of its actor, profileURL its page for people, or "" if it has
// none. It fails if subject is not an account or an address is not one.
//
// ref: RFC 7033; FEP-2c59
func WebFinger(subject, actorID, profileURL string) ([]byte, error) {
	user, host, ok := strings.Cut(strings.TrimPrefix(subject, "acct:"), "@")
	if !ok || user == "" || host == "" || !strings.HasPrefix(subject, "acct:") {
		return nil, fmt.Errorf("write webfinger: %q is not acct:user@host: %w", subject, ErrMalformed)
	}
	if _, err := activitypub.ParseIRI(actorID); err != nil {
		return nil, fmt.Errorf("write webfinger: %w", err)
	}
	d := JRD{
		Subject: subject,
		Aliases: []string{actorID},
		Links:   []Link{{Rel: "self", Type: activitypub.ContentType, Href: actorID}},
	}
	if profileURL != "" {
		if _, err := activitypub.ParseIRI(profileURL); err != nil {
			return nil, fmt.Errorf("write webfinger: %w", err)
		}
		d.Aliases = append(d.Aliases, profileURL)
		d.Links = append(d.Links, Link{Rel: profilePage, Type: "text/html", Href: profileURL})
	}
	return json.Marshal(d)
}

// ParseWebFinger reads a foreign answer. Links without an href, such as those
// with a template, are left out, at most 256 are read. It returns ErrTooLarge,
// or ErrMalformed if it is not a JRD with a subject or a self link.
func ParseWebFinger(doc []byte) (*JRD, error) {
	var foreign struct {
		Subject looseString            `json:"subject"`
		Aliases looseList[string]      `json:"aliases"`
		Links   looseList[foreignLink] `json:"links"`
	}
	if err := decode(doc, &foreign); err != nil {
		return nil, fmt.Errorf("read webfinger: %w", err)
	}
	d := &JRD{Subject: string(foreign.Subject), Aliases: foreign.Aliases, Links: plainLinks(foreign.Links)}
	if d.Subject == "" && d.Self() == "" {
		return nil, fmt.Errorf("read webfinger: neither subject nor self: %w", ErrMalformed)
	}
	return d, nil
}

// Self returns the id of the actor: the address of the self link with an
// ActivityPub media type; "" if there is none.
func (d *JRD) Self() string {
	for _, l := range d.Links {
		if l.Rel != "self" || !activityType(l.Type) {
			continue
		}
		if _, err := activitypub.ParseIRI(l.Href); err == nil {
			return l.Href
		}
	}
	return ""
}

// Account splits a resource as it is asked for, "acct:user@host" or
// "user@host" with an optional leading '@', into its user and its normalised
// host. It returns ErrMalformed, or activitypub.ErrIRI for the host.
func Account(resource string) (user, host string, err error) {
	rest := strings.TrimPrefix(strings.TrimPrefix(resource, "acct:"), "@")
	user, name, ok := strings.Cut(rest, "@")
	if !ok || user == "" || len(user) > 256 || strings.ContainsAny(user, "/:?# \t\r\n") {
		return "", "", fmt.Errorf("read account: not of the form user@host: %w", ErrMalformed)
	}
	host, err = activitypub.NormalizeHost(name)
	if err != nil {
		return "", "", fmt.Errorf("read account: %w", err)
	}
	return strings.ToLower(user), host, nil
}

// activityType is lenient where IsActivityJSON is not: a link's type only says
// where to look, and some servers leave the profile's quotes out.
func activityType(s string) bool {
	mediaType, _, err := mime.ParseMediaType(s)
	return activitypub.IsActivityJSON(s) || err == nil && mediaType == "application/ld+json"
}

type foreignLink struct {
	Rel  looseString `json:"rel"`
	Type looseString `json:"type"`
	Href looseString `json:"href"`
}

func plainLinks(foreign []foreignLink) []Link {
	links := make([]Link, 0, len(foreign))
	for _, l := range foreign {
		if l.Href != "" {
			links = append(links, Link{Rel: string(l.Rel), Type: string(l.Type), Href: string(l.Href)})
		}
	}
	return links
}
