package archive

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// packer begins a packed archive on w.
type packer func(w io.Writer) (container, error)

// container takes files one after the other.
type container interface {
	add(name string, size int64, r io.Reader) error
	Close() error // completes it; w stays open
}

// kindOf tells from its name what an archive shall be: nil for a folder.
func kindOf(out string) (packer, error) {
	if out == "" {
		return nil, fmt.Errorf("no name: %w", ErrOut)
	}
	if os.IsPathSeparator(out[len(out)-1]) {
		return nil, nil
	}
	name := strings.ToLower(filepath.Base(out))
	switch {
	case strings.HasSuffix(name, ".tar.gz"), strings.HasSuffix(name, ".tgz"):
		return packGzip, nil
	case strings.HasSuffix(name, ".tar.zst"):
		return packZstd, nil
	case strings.HasSuffix(name, ".zip"):
		return packZip, nil
	case strings.Trim(name, ".") == "": // "." and "..": they exist
		return nil, nil
	case filepath.Ext(name) == "":
		return nil, nil
	}
	return nil, fmt.Errorf("%q ends in %s; use .tar.gz, .tar.zst or .zip, or a folder with a slash at its end: %w", out, filepath.Ext(name), ErrOut)
}

// pack makes one file of the bag. Nothing in it depends on when or by whom it
// is made: names sorted, one time for all, no owner.
func pack(ctx context.Context, begin packer, out, top string, bag *spool) (size int64, sum string, err error) {
	f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, "", err
	}
	defer func() {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	h := sha256.New()
	n := &counter{}
	c, err := begin(io.MultiWriter(f, h, n))
	if err != nil {
		return 0, "", err
	}
	for _, e := range bag.sorted() {
		if err := packFile(ctx, c, bag, top, e); err != nil {
			return 0, "", errors.Join(err, c.Close())
		}
	}
	if err := c.Close(); err != nil {
		return 0, "", err
	}
	err = errors.Join(f.Sync(), f.Close())
	f = nil
	return n.n, hex.EncodeToString(h.Sum(nil)), err
}

func packFile(ctx context.Context, c container, bag *spool, top string, e entry) error {
	in, err := os.Open(bag.local(e.Path))
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	return c.add(path.Join(top, e.Path), e.Bytes, &patient{ctx: ctx, r: in})
}

// counter counts what is written to it.
type counter struct{ n int64 }

// Write implements io.Writer.
func (c *counter) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	return len(b), nil
}

// patient is a reader that stops when its context ends.
type patient struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (p *patient) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b)
}

// tarball is a tar file within a compressed stream.
type tarball struct {
	t *tar.Writer
	z io.WriteCloser
}

func packGzip(w io.Writer) (container, error) {
	z, err := gzip.NewWriterLevel(w, gzip.DefaultCompression)
	return &tarball{tar.NewWriter(z), z}, err
}

func packZstd(w io.Writer) (container, error) {
	// One encoder at work: with several the frames depend on the machine.
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(8<<20))
	return &tarball{tar.NewWriter(z), z}, err
}

func (t *tarball) add(name string, size int64, r io.Reader) error {
	err := t.t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: time.Unix(0, 0).UTC()})
	if err != nil {
		return err
	}
	_, err = io.Copy(t.t, r)
	return err
}

// Close implements io.Closer.
func (t *tarball) Close() error { return errors.Join(t.t.Close(), t.z.Close()) }

// zipped is a zip file.
type zipped struct{ z *zip.Writer }

func packZip(w io.Writer) (container, error) { return zipped{zip.NewWriter(w)}, nil }

func (z zipped) add(name string, _ int64, r io.Reader) error {
	// The form knows no time before 1980.
	w, err := z.z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return err
}

// Close implements io.Closer.
func (z zipped) Close() error { return z.z.Close() }

// split parts the entries into those under data/ and those beside it.
func split(all []entry) (payload, tags []entry) {
	for _, e := range all {
		if strings.HasPrefix(e.Path, dataFolder) {
			payload = append(payload, e)
		} else {
			tags = append(tags, e)
		}
	}
	return slices.Clip(payload), slices.Clip(tags)
}
