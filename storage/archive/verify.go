package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"

	"hark/storage"
)

// surveyed is what the first pass over an archive found.
type surveyed struct {
	files  map[string]summed // by their full names
	tags   map[string][]byte // content of the tag files that are read, by their names within the bag
	top    string            // folder of the bag, "" or with a slash at its end
	outbox string            // full name of an outbox.json, if there is one
}

// survey sums every file and keeps the few that say what is what.
func survey(ctx context.Context, src source) (*surveyed, error) {
	s := &surveyed{files: make(map[string]summed), tags: make(map[string][]byte)}
	kept := make(map[string][]byte)
	err := src.walk(ctx, func(name string, r io.Reader) error {
		if _, twice := s.files[name]; twice {
			return fmt.Errorf("%w: %q twice", ErrFormat, shorten(name))
		}
		h := sha256.New()
		w := io.Writer(h)
		var content *capped
		switch path.Base(name) {
		case bagitFile, sumsFile, tagSumsFile, manifestFile:
			if strings.Count(name, "/") <= 1 {
				content = &capped{}
				w = io.MultiWriter(h, content)
			}
		case "outbox.json":
			if strings.Count(name, "/") <= 2 && s.outbox == "" {
				s.outbox = name
			}
		}
		n, err := io.Copy(w, r)
		if err != nil {
			return err
		}
		s.files[name] = summed{n, [sha256.Size]byte(h.Sum(nil))}
		if content != nil {
			kept[name] = content.Bytes()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for name := range kept {
		if path.Base(name) != bagitFile {
			continue
		}
		if _, already := s.tags[bagitFile]; already {
			return nil, fmt.Errorf("%w: more than one bag", ErrFormat)
		}
		s.top = strings.TrimSuffix(name, bagitFile)
		s.tags[bagitFile] = kept[name]
	}
	for name, content := range kept {
		if rest, ok := strings.CutPrefix(name, s.top); ok {
			s.tags[rest] = content
		}
	}
	return s, nil
}

// capped is a buffer that takes no more than a tag file may have.
type capped struct{ bytes.Buffer }

// Write implements io.Writer.
func (c *capped) Write(b []byte) (int, error) {
	if c.Len()+len(b) > maxTag {
		return 0, fmt.Errorf("%w: a manifest of more than %d bytes", ErrLimit, maxTag)
	}
	return c.Buffer.Write(b)
}

// verify checks the bag against its manifests and returns its own, and the
// sums of what is under data/.
// ref: RFC 8493 §3
func (s *surveyed) verify() (*manifest, map[string]string, error) {
	if len(s.tags[bagitFile]) == 0 {
		return nil, nil, fmt.Errorf("%w: no %s", ErrFormat, bagitFile)
	}
	first, _, _ := strings.Cut(string(s.tags[bagitFile]), "\n")
	if first = strings.TrimSpace(first); first != bagitVersion && first != bagitVersionOld {
		return nil, nil, fmt.Errorf("%w: %q", ErrFormat, shorten(first))
	}
	if _, ok := s.files[s.top+"fetch.txt"]; ok {
		return nil, nil, fmt.Errorf("%w: parts of it are to be fetched", ErrFormat)
	}
	payload, err := s.agree(sumsFile)
	if err != nil {
		return nil, nil, err
	}
	tags, err := s.agree(tagSumsFile)
	if err != nil {
		return nil, nil, err
	}
	for _, must := range []string{bagitFile, sumsFile, manifestFile} {
		if _, ok := tags[must]; !ok {
			return nil, nil, fmt.Errorf("%w: %s does not list %s", ErrChecksum, tagSumsFile, must)
		}
	}
	for name := range payload {
		if !strings.HasPrefix(name, dataFolder) {
			return nil, nil, fmt.Errorf("%w: %s lists %q", ErrFormat, sumsFile, shorten(name))
		}
	}
	for name := range s.files {
		rest, within := strings.CutPrefix(name, s.top)
		if !within {
			return nil, nil, fmt.Errorf("%w: %q stands outside the bag", ErrFormat, shorten(name))
		}
		if _, listed := payload[rest]; strings.HasPrefix(rest, dataFolder) && !listed {
			return nil, nil, fmt.Errorf("%w: %q is not listed", ErrChecksum, shorten(rest))
		}
	}
	m, err := parseManifest(s.tags[manifestFile])
	if err != nil {
		return nil, nil, err
	}
	if _, ok := payload[postsFile]; !ok {
		return nil, nil, fmt.Errorf("%w: no %s", ErrFormat, postsFile)
	}
	return m, payload, nil
}

// agree reads a list of sums and compares them with what was found.
func (s *surveyed) agree(list string) (map[string]string, error) {
	content, ok := s.tags[list]
	if !ok {
		return nil, fmt.Errorf("%w: no %s", ErrChecksum, list)
	}
	sums := make(map[string]string)
	for i, line := range strings.Split(string(content), "\n") {
		line = strings.TrimRight(line, "\r")
		if line == "" {
			continue
		}
		sum, name, ok := strings.Cut(line, " ")
		name = escapes.Replace(strings.TrimPrefix(strings.TrimLeft(name, " \t"), "*"))
		if b, err := hex.DecodeString(sum); !ok || err != nil || len(b) != sha256.Size || checkName(name) != nil {
			return nil, fmt.Errorf("%w: %s, line %d", ErrFormat, list, i+1)
		}
		if _, twice := sums[name]; twice {
			return nil, fmt.Errorf("%w: %s lists %q twice", ErrFormat, list, shorten(name))
		}
		sums[name] = strings.ToLower(sum)
		found, ok := s.files[s.top+name]
		if !ok {
			return nil, fmt.Errorf("%w: %q is missing", ErrChecksum, shorten(name))
		}
		if found.hex() != sums[name] {
			return nil, fmt.Errorf("%w: %q was changed", ErrChecksum, shorten(name))
		}
	}
	return sums, nil
}

// escapes undoes what a manifest writes in place of line ends.
// ref: RFC 8493 §2.1.3
var escapes = strings.NewReplacer("%0A", "\n", "%0a", "\n", "%0D", "\r", "%0d", "\r", "%25", "%")

func parseManifest(content []byte) (*manifest, error) {
	var m manifest
	if err := json.Unmarshal(content, &m); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrFormat, manifestFile, err)
	}
	switch {
	case m.Format != formatName || m.FormatVersion < 1:
		return nil, fmt.Errorf("%w: %s does not say %q", ErrFormat, manifestFile, formatName)
	case m.FormatVersion > formatVersion:
		return nil, fmt.Errorf("%s has version %d: %w", manifestFile, m.FormatVersion, storage.ErrNewer)
	case m.Level != LevelVerbatim:
		return nil, fmt.Errorf("%q: %w", shorten(m.Level), ErrLevel)
	}
	return &m, nil
}
