// Package archive writes posts as a research archive and reads it back.
//
// An archive is a bag (RFC 8493): a folder, or that folder as .tar.gz,
// .tar.zst or .zip, with one top folder hark-export-ID:
//
//	bagit.txt bag-info.txt        what it is
//	manifest-sha256.txt           sums of all that is under data/
//	tagmanifest-sha256.txt        sums of the files beside it
//	manifest.json                 what was asked, when, by which software, at which level
//	README.md                     for the person who finds it
//	data/activitystreams/         collection.json and page-00001.json …
//	data/activities.jsonl         the activities as they arrived, one a line
//	data/posts.jsonl              whole records: what import reads
//	data/labels.jsonl data/posts.csv
//
// It is deterministic: the same posts in the same order, exported by the same
// node, give the same files under data/ and the same id, whenever that is. A
// record survives export and import unchanged, so an archive that is imported
// into an empty store and exported again has the same data.
//
// Memory does not grow with an archive, neither writing nor reading: files
// are spooled beside the place where the archive will stand, and reading
// streams. What is read is foreign: names, kinds, sizes and sums are checked
// before the first record is passed on.
package archive

import (
	"errors"
	"time"

	"hark/storage"
)

var (
	// ErrFormat is returned when a file is no archive, or its form is broken.
	ErrFormat = errors.New("not a readable archive")
	// ErrChecksum is returned when a file of an archive is missing, was
	// changed, or is not listed in the manifest.
	ErrChecksum = errors.New("archive does not agree with its checksums")
	// ErrLimit is returned when an archive is larger than what is read.
	ErrLimit = errors.New("archive exceeds a limit")
	// ErrLevel is returned when an export of a level that is not offered is
	// asked for, or an archive of such a level is to be imported.
	ErrLevel = errors.New("level is not offered")
	// ErrOut is returned when the name of an export ends in something that is
	// neither a folder nor .tar.gz, .tgz, .tar.zst or .zip.
	ErrOut = errors.New("unknown kind of archive")
	// ErrActivities is returned when a file holds bare activities but nothing
	// was given that makes posts of them.
	ErrActivities = errors.New("file holds bare activities, not records of posts")
)

// LevelVerbatim is the level at which everything is exported as it arrived,
// with its evidence. Only a holder of the scope storage.ScopeVerbatim should
// get it: that is for the caller to check.
const LevelVerbatim = "verbatim"

// Options say what to write and what to say about it.
type Options struct {
	// Out is the file to be made, ending in .tar.gz, .tgz, .tar.zst or .zip,
	// or a folder (a name without an extension, or one that ends in a slash).
	// It must not exist.
	Out string
	// Node is the base URL of the node, as https://relay.example. The ids of
	// the collection and its pages begin with it; nothing answers there.
	Node     string
	Software string            // name of the program; "" is "hark"
	Version  string            // its version
	Query    string            // canonical form of the query that selected the posts; "" everything
	Created  time.Time         // when; zero is now
	Level    string            // "" is LevelVerbatim
	PageSize int               // activities a page, at most 1,000; 0 is 1,000
	Excluded map[string]int64  // how many posts were left out, by reason; optional
	Progress func(posts int64) // called after every post, with the number so far; optional
}

// Summary is what was written or read.
type Summary struct {
	ID         string           `json:"id"`         // made of the content: equal data, equal id
	Level      string           `json:"level"`      //
	Posts      int64            `json:"posts"`      // records
	Activities int64            `json:"activities"` // activities in the collection
	Without    int64            `json:"without"`    // posts of which no activity was kept (or none that is JSON)
	Labels     int64            `json:"labels"`     //
	Files      int64            `json:"files"`      // under data/
	Bytes      int64            `json:"bytes"`      // under data/, unpacked
	Size       int64            `json:"size"`       // of the file itself; 0 for a folder
	SHA256     string           `json:"sha256"`     // of the file itself; "" for a folder
	Consent    map[string]int64 `json:"consent"`    // posts by the rule that let them in
}

// maxConsent bounds how many rules a summary tells apart.
const maxConsent = 64

func (s *Summary) count(p *storage.Post) {
	s.Posts++
	s.Labels += int64(len(p.Labels))
	if s.Consent == nil {
		s.Consent = make(map[string]int64)
	}
	rule := p.Consent
	if _, known := s.Consent[rule]; !known && len(s.Consent) >= maxConsent {
		rule = "other"
	}
	s.Consent[rule]++
}
