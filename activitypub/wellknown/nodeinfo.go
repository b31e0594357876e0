package wellknown

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"hark/activitypub"
)

// NodeInfoPath is where the index of NodeInfo documents is served.
//
// ref: FEP-f1d5
const NodeInfoPath = "/.well-known/nodeinfo"

// schemaPrefix begins the relation of a NodeInfo document; the version follows.
const schemaPrefix = "http://nodeinfo.diaspora.software/ns/schema/"

// NodeInfoContentType returns the media type of a document of that version.
//
// ref: FEP-f1d5
func NodeInfoContentType(version string) string {
	return `application/json; profile="` + schemaPrefix + version + `#"`
}

// NodeInfoURL returns where a node at base ("https://DOMAIN") serves the
// document of a version, "2.0" or "2.1".
func NodeInfoURL(base, version string) string { return base + "/nodeinfo/" + version }

// NodeInfoLinks writes the index for a node at base: version 2.1 and, for those
// that know no better, 2.0.
func NodeInfoLinks(base string) []byte {
	index := struct {
		Links []Link `json:"links"`
	}{[]Link{
		{Rel: schemaPrefix + "2.1", Href: NodeInfoURL(base, "2.1")},
		{Rel: schemaPrefix + "2.0", Href: NodeInfoURL(base, "2.0")},
	}}
	out, err := json.Marshal(index)
	if err != nil { // two structs of strings
		return nil
	}
	return out
}

// Info is what Hark says about itself. The figures are true ones: a relay has
// no users, and its subscribers are not users; they belong into Metadata.
//
// ref: FEP-0151
type Info struct {
	Version           string // of the program
	Repository        string // of its source; only in 2.1; "" leaves it out
	Homepage          string // of the project; only in 2.1; "" leaves it out
	OpenRegistrations bool   // whether anybody may subscribe without approval
	Users             Users
	LocalPosts        int64
	Metadata          map[string]any // free; nil is an empty object
}

// Users are the figures of those who have an account on a node.
type Users struct {
	Total          int64 `json:"total"`
	ActiveHalfyear int64 `json:"activeHalfyear"`
	ActiveMonth    int64 `json:"activeMonth"`
}

// Software is the name under which Hark is known.
const Software = "hark"

type software struct {
	Name       string `json:"name"`
	Version    string `json:"version"`
	Repository string `json:"repository,omitempty"`
	Homepage   string `json:"homepage,omitempty"`
}

type services struct {
	Inbound  []string `json:"inbound"`
	Outbound []string `json:"outbound"`
}

type usage struct {
	Users      Users `json:"users"`
	LocalPosts int64 `json:"localPosts"`
}

type nodeInfo struct {
	Version           string         `json:"version"`
	Software          software       `json:"software"`
	Protocols         []string       `json:"protocols"`
	Services          services       `json:"services"`
	OpenRegistrations bool           `json:"openRegistrations"`
	Usage             usage          `json:"usage"`
	Metadata          map[string]any `json:"metadata"`
}

// NodeInfo writes the document of a version, "2.0" or "2.1". It fails for
// another version, for a program version that is empty, and for metadata that
// JSON cannot express.
//
// ref: FEP-f1d5
func NodeInfo(version string, info Info) ([]byte, error) {
	doc := nodeInfo{
		Version:           version,
		Software:          software{Name: Software, Version: info.Version},
		Protocols:         []string{"activitypub"},
		Services:          services{Inbound: []string{}, Outbound: []string{}},
		OpenRegistrations: info.OpenRegistrations,
		Usage:             usage{Users: info.Users, LocalPosts: info.LocalPosts},
		Metadata:          info.Metadata,
	}
	switch version {
	case "2.0": // its schema forbids a repository
	case "2.1":
		doc.Software.Repository, doc.Software.Homepage = info.Repository, info.Homepage
	default:
		return nil, fmt.Errorf("write nodeinfo: no version %q: %w", version, ErrMalformed)
	}
	if info.Version == "" {
		return nil, fmt.Errorf("write nodeinfo: no program version: %w", ErrMalformed)
	}
	if doc.Metadata == nil {
		doc.Metadata = map[string]any{}
	}
	out, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("write nodeinfo: %w", err)
	}
	return out, nil
}

// ParseNodeInfoLinks reads a foreign index and returns the address of the
// document of the highest version that is understood (2.2, 2.1, 2.0, 1.1, 1.0). It
// returns ErrTooLarge, or ErrMalformed if there is none. The address may be on
// any host; whether to follow it there is the caller's decision.
func ParseNodeInfoLinks(doc []byte) (string, error) {
	var index struct {
		Links looseList[foreignLink] `json:"links"`
	}
	if err := decode(doc, &index); err != nil {
		return "", fmt.Errorf("read nodeinfo index: %w", err)
	}
	for _, version := range []string{"2.2", "2.1", "2.0", "1.1", "1.0"} {
		for _, l := range plainLinks(index.Links) {
			if l.Rel != schemaPrefix+version && l.Rel != strings.Replace(schemaPrefix, "http:", "https:", 1)+version {
				continue
			}
			if _, err := activitypub.ParseIRI(l.Href); err == nil {
				return l.Href, nil
			}
		}
	}
	return "", fmt.Errorf("read nodeinfo index: no known version: %w", ErrMalformed)
}

// NodeSoftware is what a NodeInfo document says about the software of a node.
type NodeSoftware struct {
	Name    string // lower case; letters, digits, '-', '_' and '.'; at most 64 bytes
	Version string // printable, at most 64 bytes; "" if it is not said
}

// ParseNodeInfo reads the software from a foreign document of any version. It
// returns ErrTooLarge, or ErrMalformed if there is no name.
func ParseNodeInfo(doc []byte) (NodeSoftware, error) {
	var foreign struct {
		Software struct {
			Name    looseString `json:"name"`
			Version looseString `json:"version"`
		} `json:"software"`
	}
	if err := decode(doc, &foreign); err != nil {
		return NodeSoftware{}, fmt.Errorf("read nodeinfo: %w", err)
	}
	s := NodeSoftware{
		Name:    strings.ToLower(keep(string(foreign.Software.Name), nameRune)),
		Version: strings.TrimSpace(keep(string(foreign.Software.Version), versionRune)),
	}
	if s.Name == "" {
		return NodeSoftware{}, fmt.Errorf("read nodeinfo: no software: %w", ErrMalformed)
	}
	return s, nil
}

// keep returns the first runes of s, up to 64 bytes, of the allowed kind.
func keep(s string, allowed func(rune) bool) string {
	var b strings.Builder
	for _, r := range s {
		if b.Len() == 64 {
			break
		}
		if allowed(r) {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func nameRune(r rune) bool {
	return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_' || r == '.')
}

func versionRune(r rune) bool { return r >= ' ' && r < unicode.MaxASCII }
