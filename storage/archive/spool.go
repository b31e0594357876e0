package archive

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// entry is a finished file of an archive.
type entry struct {
	Path   string `json:"path"` // with slashes, within the bag
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // hexadecimal
}

// spool is the folder in which the files of an archive grow.
type spool struct {
	dir     string
	entries []entry
	durable bool // the folder itself is what will stand there, so its bytes must be on the disk
}

// file is one of them, open for writing.
type file struct {
	spool *spool
	path  string
	f     *os.File
	b     *bufio.Writer
	h     hash.Hash
	n     int64
}

func (s *spool) local(path string) string { return filepath.Join(s.dir, filepath.FromSlash(path)) }

// create begins a file; its folder is made.
func (s *spool) create(path string) (*file, error) {
	name := s.local(path)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	w := &file{spool: s, path: path, f: f, h: sha256.New()}
	w.b = bufio.NewWriterSize(io.MultiWriter(f, w.h), 64<<10)
	return w, nil
}

// Write implements io.Writer.
func (w *file) Write(b []byte) (int, error) {
	n, err := w.b.Write(b)
	w.n += int64(n)
	return n, err
}

// finish closes the file and notes its sum. A second finish has no effect.
func (w *file) finish() error {
	if w.f == nil {
		return nil
	}
	err := w.b.Flush()
	if w.spool.durable {
		err = errors.Join(err, w.f.Sync())
	}
	err = errors.Join(err, w.f.Close())
	w.f = nil
	w.spool.entries = append(w.spool.entries, entry{w.path, w.n, hex.EncodeToString(w.h.Sum(nil))})
	return err
}

// put writes a whole file.
func (s *spool) put(path string, content []byte) error {
	w, err := s.create(path)
	if err != nil {
		return err
	}
	_, err = w.Write(content)
	return errors.Join(err, w.finish())
}

// sorted are the finished files in the order of their paths.
func (s *spool) sorted() []entry {
	all := slices.Clone(s.entries)
	slices.SortFunc(all, func(a, b entry) int { return cmp.Compare(a.Path, b.Path) })
	return all
}

// sums are lines as sha256sum(1) writes and checks them.
func sums(entries []entry) []byte {
	var b []byte
	for _, e := range entries {
		b = fmt.Appendf(b, "%s  %s\n", e.SHA256, e.Path)
	}
	return b
}

// lines calls fn with every line of r that is not blank, without its line
// end. The bytes are valid until fn returns. A line longer than most is an
// ErrLimit.
func lines(r io.Reader, most int, fn func(number int64, line []byte) error) error {
	b := bufio.NewReaderSize(r, 64<<10)
	var long []byte
	for n := int64(1); ; n++ {
		part, err := b.ReadSlice('\n')
		line := part
		if errors.Is(err, bufio.ErrBufferFull) {
			long = long[:0]
			for errors.Is(err, bufio.ErrBufferFull) {
				if long = append(long, part...); len(long) > most {
					return fmt.Errorf("line %d has more than %d bytes: %w", n, most, ErrLimit)
				}
				part, err = b.ReadSlice('\n')
			}
			long = append(long, part...)
			line = long
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(line) > most+1 {
			return fmt.Errorf("line %d has more than %d bytes: %w", n, most, ErrLimit)
		}
		if line = trimLine(line); len(line) > 0 {
			if err := fn(n, line); err != nil {
				return err
			}
		}
		if err != nil {
			return nil
		}
	}
}

func trimLine(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r' || b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}
