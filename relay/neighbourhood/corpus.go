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
	Text    string   `json:"text"`              // plain, at most 500 characters; HTML is made from it, with its #tags, @mention and links
	Lang    string   `json:"lang"`              // BCP 47
	CW      string   `json:"cw,omitempty"`      // content warning
	Tags    []string `json:"tags,omitempty"`    // without '#'; those not in the text follow it
	Media   []Media  `json:"media,omitempty"`   // never fetched
	Poll    []string `json:"poll,omitempty"`    // options
	Link    string   `json:"link,omitempty"`    // https://; follows the text if not in it
	Mention string   `json:"mention,omitempty"` // user name on the author's own instance
	Labels  []string `json:"labels,omitempty"`  // that a classifier must give
	Miss    string   `json:"miss,omitempty"`    // label that it resembles and must not get
}

// Media is an attachment.
type Media struct {
	Type        string `json:"type"` // media type
	Description string `json:"description,omitempty"`
}

//go:embed corpus/*.json unsolved/*.json
var corpusFiles embed.FS

// Corpus are the posts that the built-in judges are held to, in a fixed order:
// each gets its Labels, and not its Miss. The result must not be changed.
//
// Posts that the judges get wrong stand in Unsolved, with their true labels. So
// a clean run over Corpus says that nothing got worse, and nothing about how
// much of the world the judges catch.
func Corpus() []Entry { return corpus() }

// Unsolved are posts of the same making that the built-in judges got wrong when
// they first saw them: a label that they missed, or one that they gave wrongly.
// They are posted beside the corpus, and wait for better judges. The result
// must not be changed.
func Unsolved() []Entry { return unsolved() }

var (
	corpus   = sync.OnceValue(func() []Entry { return mustRead("corpus") })
	unsolved = sync.OnceValue(func() []Entry { return mustRead("unsolved") })
)

func mustRead(folder string) []Entry {
	entries, err := readEntries(folder)
	if err != nil {
		panic(err) // the files are part of the program; a test reads them
	}
	return entries
}

// readEntries reads a folder's files by name.
func readEntries(folder string) ([]Entry, error) {
	files, err := corpusFiles.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	var out []Entry
	for _, f := range files {
		raw, err := corpusFiles.ReadFile(folder + "/" + f.Name())
		if err != nil {
			return nil, fmt.Errorf("corpus: %w", err)
		}
		var entries []Entry
		if err := json.Unmarshal(raw, &entries); err != nil {
			return nil, fmt.Errorf("corpus: %s: %w", f.Name(), err)
		}
		out = append(out, entries...)
	}
	return out, nil
}
