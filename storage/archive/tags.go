package archive

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
	"time"
	"unicode"
)

// The files beside data/.
const (
	bagitFile       = "bagit.txt"
	bagInfoFile     = "bag-info.txt"
	sumsFile        = "manifest-sha256.txt"
	tagSumsFile     = "tagmanifest-sha256.txt"
	manifestFile    = "manifest.json"
	readmeFile      = "README.md"
	formatName      = "hark-archive"
	formatVersion   = 1
	bagitDeclared   = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
	bagitVersion    = "BagIt-Version: 1.0"
	bagitVersionOld = "BagIt-Version: 0.97"
)

// manifest is manifest.json.
type manifest struct {
	Format        string           `json:"format"`
	FormatVersion int              `json:"format_version"`
	ID            string           `json:"id"`
	Created       string           `json:"created"`
	Node          string           `json:"node,omitempty"`
	Software      string           `json:"software"`
	Version       string           `json:"version,omitempty"`
	Level         string           `json:"level"`
	Query         string           `json:"query"` // canonical; "" everything
	Published     *limits          `json:"published,omitempty"`
	Received      *limits          `json:"received,omitempty"`
	Counts        counts           `json:"counts"`
	Excluded      map[string]int64 `json:"excluded,omitempty"` // posts left out, by reason
	Consent       map[string]int64 `json:"consent,omitempty"`  // posts by the rule that let them in
	Models        map[string]int64 `json:"models,omitempty"`   // posts by the version of what labelled them
	Files         []entry          `json:"files"`              // under data/
}

type limits struct {
	From string `json:"from"`
	To   string `json:"to"`
}

type counts struct {
	Posts           int64 `json:"posts"`
	Activities      int64 `json:"activities"`
	WithoutActivity int64 `json:"without_activity"`
	Labels          int64 `json:"labels"`
}

func (s span) limits() *limits {
	if s.from.IsZero() {
		return nil
	}
	return &limits{stamp(s.from), stamp(s.to)}
}

// writeTags completes the bag with the files beside data/.
// ref: RFC 8493 §2.1, §2.2
func writeTags(bag *spool, o *Options, d *data) error {
	payload, _ := split(bag.sorted())
	created := o.Created.UTC().Truncate(time.Millisecond)
	m := manifest{
		Format: formatName, FormatVersion: formatVersion, ID: d.sum.ID, Created: stamp(created), Node: o.Node,
		Software: clean(o.Software), Version: clean(o.Version), Level: o.Level, Query: clean(o.Query),
		Published: d.published.limits(), Received: d.received.limits(),
		Counts:   counts{d.sum.Posts, d.sum.Activities, d.sum.Without, d.sum.Labels},
		Excluded: o.Excluded, Consent: d.sum.Consent, Models: d.models, Files: payload,
	}
	doc, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	info := fmt.Sprintf("Bag-Software-Agent: %s\nBagging-Date: %s\nExternal-Identifier: %s\nPayload-Oxum: %d.%d\n",
		oneLine(o.Software+" "+o.Version), created.Format(time.DateOnly), d.sum.ID, d.sum.Bytes, len(payload))
	if o.Node != "" {
		info += "Source-Organization: " + o.Node + "\n"
	}
	var readme strings.Builder
	if err := readmeText.Execute(&readme, m); err != nil {
		return err
	}
	for _, f := range []struct {
		path    string
		content []byte
	}{
		{bagitFile, []byte(bagitDeclared)},
		{bagInfoFile, []byte(info)},
		{manifestFile, append(doc, '\n')},
		{readmeFile, []byte(readme.String())},
		{sumsFile, sums(payload)},
	} {
		if err := bag.put(f.path, f.content); err != nil {
			return err
		}
	}
	_, tags := split(bag.sorted())
	return bag.put(tagSumsFile, sums(tags))
}

// oneLine keeps a text from ending the line that it stands on.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, clean(s)))
}

// readmeText is written for somebody who was handed the archive and has never
// heard of what made it.
var readmeText = template.Must(template.New("readme").Funcs(template.FuncMap{
	// The query was typed by a person: as indented code it stays text.
	"code": func(s string) string { return "    " + oneLine(s) },
	"line": oneLine,
}).Parse(`# Export {{.ID}}

Public posts of the fediverse, as {{if .Node}}{{line .Node}}{{else}}a listening node{{end}} received them.

- Made: {{.Created}} by {{line .Software}} {{line .Version}}
- Posts: {{.Counts.Posts}}{{with .Received}}, received from {{.From}} to {{.To}}{{end}}
- Level: **{{line .Level}}**: everything as it arrived, with names, and with the proof of its origin
{{if .Query}}
They are the posts that this query selects:

{{code .Query}}
{{else}}
They are all posts that the node kept.
{{end}}
## Before you use it

These are words of people who can be recognised by them. Keep the archive where only those can read it who must, do
not publish it, and honour what the authors do later: who deletes a post expects it to be gone from here as well.

## Is it whole?

    sha256sum -c tagmanifest-sha256.txt
    sha256sum -c manifest-sha256.txt

It is a bag as RFC 8493 describes it, so any tool for bags can check it too.

## What is in it

| file | what |
| --- | --- |
| ` + "`data/activitystreams/collection.json`" + `, ` + "`page-00001.json`" + ` … | an ActivityStreams OrderedCollection and its pages, in the order of arrival |
| ` + "`data/activities.jsonl`" + ` | the same activities, one a line ({{.Counts.Activities}}); an object that arrived without one stands in a Create without an id |
| ` + "`data/posts.jsonl`" + ` | a record per post: text, labels with their reasons, language, the rule of consent that let it in, the proof of its origin, and in ` + "`raw`" + ` the bytes that arrived |
| ` + "`data/labels.jsonl`" + ` | one line per post and label ({{.Counts.Labels}}), with scores under the threshold too |
| ` + "`data/posts.csv`" + ` | a table whose first columns 4CAT reads; a cell that a spreadsheet would take for a formula begins with an apostrophe |
| ` + "`manifest.json`" + ` | what was asked, when, of which node, and how much was found |

Labels are a program's guesses. ` + "`score`" + ` is between 0 and 1, ` + "`over`" + ` says that it reached the threshold.
{{if .Counts.WithoutActivity}}
Of {{.Counts.WithoutActivity}} posts no activity was kept; they have records only.
{{end}}`))
