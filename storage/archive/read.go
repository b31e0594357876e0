package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"hark/storage"
)

// ReadOptions say how to read what is no archive of Hark's own.
type ReadOptions struct {
	// Activity makes a post of an activity: of an account's outbox.json, or
	// of JSON Lines. It gets the bytes as they stand in the file, valid until
	// it returns, and returns nil for what shall be passed over: all that is
	// not a public post. Its error ends the reading. Without it such files are
	// an ErrActivities.
	Activity func(raw []byte) (*storage.Post, error)
}

// Read reads an archive, packed or as a folder, and calls fn with every post,
// in the order in which they were written. Before the first, all sums are
// checked, so the file is read twice. An error of fn ends the reading and is
// returned as it is, wrapped once.
//
// It returns ErrFormat for what is no archive, ErrChecksum for one that was
// changed or is incomplete, ErrLimit for one that is too large or unpacks to
// far more than it is, storage.ErrNewer for one of a newer form, ErrLevel for
// one that holds no posts that can be kept, ErrActivities for an outbox or
// JSON Lines of activities: ReadWith takes those.
func Read(ctx context.Context, path string, fn func(*storage.Post) error) (Summary, error) {
	return ReadWith(ctx, path, ReadOptions{}, fn)
}

// ReadWith is Read, and makes posts of bare activities with o.Activity: of an
// outbox.json, alone or within the packed export of an account (FEP-6fcd, or
// as Mastodon makes it), and of JSON Lines. Such files carry no proof of who
// wrote them.
func ReadWith(ctx context.Context, path string, o ReadOptions, fn func(*storage.Post) error) (Summary, error) {
	s, err := read(ctx, path, o, fn)
	if err != nil {
		return Summary{}, fmt.Errorf("read archive %q: %w", path, err)
	}
	return s, nil
}

func read(ctx context.Context, path string, o ReadOptions, fn func(*storage.Post) error) (Summary, error) {
	src, err := openSource(path)
	if err != nil {
		return Summary{}, err
	}
	if src == nil {
		return readPlain(ctx, path, o, fn)
	}
	sum, err := readSource(ctx, src, o, fn)
	if info, statErr := os.Stat(path); statErr == nil && !info.IsDir() {
		sum.Size = info.Size()
	}
	return sum, errors.Join(err, src.Close())
}

func readSource(ctx context.Context, src source, o ReadOptions, fn func(*storage.Post) error) (Summary, error) {
	seen, err := survey(ctx, src)
	if err != nil {
		return Summary{}, err
	}
	if seen.outbox != "" && len(seen.tags[bagitFile]) == 0 {
		return readOutbox(ctx, src, seen.outbox, o, fn)
	}
	m, payload, err := seen.verify()
	if err != nil {
		return Summary{}, err
	}
	sum := Summary{ID: m.ID, Level: m.Level, Activities: m.Counts.Activities, Without: m.Counts.WithoutActivity, Files: int64(len(payload))}
	for name := range payload {
		sum.Bytes += seen.files[seen.top+name].n
	}
	if err := readPosts(ctx, src, seen, &sum, fn); err != nil {
		return Summary{}, err
	}
	if sum.Posts != m.Counts.Posts {
		return Summary{}, fmt.Errorf("%w: %d posts, not the %d that manifest.json tells", ErrFormat, sum.Posts, m.Counts.Posts)
	}
	return sum, nil
}

// errDone ends a walk early.
var errDone = errors.New("done")

// readPosts passes the records on. It sums once more what it reads: the file
// may have changed since it was checked.
func readPosts(ctx context.Context, src source, seen *surveyed, sum *Summary, fn func(*storage.Post) error) error {
	name := seen.top + postsFile
	err := src.walk(ctx, func(at string, r io.Reader) error {
		if at != name {
			return nil
		}
		h := sha256.New()
		err := lines(io.TeeReader(r, h), maxRecord, func(n int64, line []byte) error {
			p, err := unmarshalPost(line)
			if err != nil {
				return fmt.Errorf("%s, line %d: %w", postsFile, n, err)
			}
			sum.count(p)
			return fn(p)
		})
		if err != nil {
			return err
		}
		if [sha256.Size]byte(h.Sum(nil)) != seen.files[name].sum {
			return fmt.Errorf("%w: %s changed while it was read", ErrChecksum, postsFile)
		}
		return errDone
	})
	if errors.Is(err, errDone) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("%w: %s is gone", ErrChecksum, postsFile)
	}
	return err
}

// summed is what a survey notes of a file.
type summed struct {
	n   int64
	sum [sha256.Size]byte
}

func (s summed) hex() string { return hex.EncodeToString(s.sum[:]) }
