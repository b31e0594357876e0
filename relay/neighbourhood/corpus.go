package neighbourhood

import (
	"embed"
	"encoding/json"
	"fmt"
	"sync"
)

// Entry is a post of the corpus. All of them were written for this purpose;
// the people, places and credentials in them do not exist.
type Entry struct {
	Text    string   `json:"text"`              // plain; HTML is made from it
	Lang    string   `json:"lang"`              // BCP 47
	CW      string   `json:"cw,omitempty"`      // content warning
	Tags    []string `json:"tags,omitempty"`    // without '#'
	Media   []Media  `json:"media,omitempty"`   // never fetched
	Poll    []string `json:"poll,omitempty"`    // options
	Link    string   `json:"link,omitempty"`    // https://
	Mention string   `json:"mention,omitempty"` // user name on the author's own instance
	Labels  []string `json:"labels,omitempty"`  // that a classifier must give
	Miss    string   `json:"miss,omitempty"`    // label that it resembles and must not get
}

// Media is an attachment.
type Media struct {
	Type        string `json:"type"` // media type
	Description string `json:"description,omitempty"`
}

//go:embed corpus/*.json
var corpusFiles embed.FS

// Corpus are all posts of the corpus, in a fixed order. The result must not be
// changed.
func Corpus() []Entry { return corpus() }

var corpus = sync.OnceValue(func() []Entry {
	entries, err := readCorpus()
	if err != nil {
		panic(err) // the files are part of the program; a test reads them
	}
	return entries
})

func readCorpus() ([]Entry, error) {
	files, err := corpusFiles.ReadDir("corpus")
	if err != nil {
		return nil, err
	}
	var out []Entry
	for _, f := range files {
		raw, err := corpusFiles.ReadFile("corpus/" + f.Name())
		if err != nil {
			return nil, err
		}
		var entries []Entry
		if err := json.Unmarshal(raw, &entries); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		out = append(out, entries...)
	}
	return out, nil
}
