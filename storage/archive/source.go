package archive

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

// Bounds of what is read. They are far over what an export has, and keep a
// hostile file from costing more than its own size is worth.
const (
	maxEntries = 200_000        // files of an archive
	maxName    = 512            // bytes of a name
	maxTotal   = int64(1) << 40 // unpacked bytes, all together
	maxRatio   = 500            // unpacked to packed, beyond the first freeRatio bytes
	freeRatio  = int64(256) << 20
	maxTag     = 64 << 20 // bytes of a manifest
	maxRecord  = 32 << 20 // bytes of a record or activity
	maxWindow  = 64 << 20 // memory of the zstd decoder
)

// source is a packed or unpacked archive that can be walked more than once.
type source interface {
	// walk calls fn with every file, in the order in which they stand. The
	// name has slashes and is checked.
	walk(ctx context.Context, fn func(name string, r io.Reader) error) error
	Close() error
}

// The first bytes of what is read.
const (
	magicGzip = "\x1f\x8b"
	magicZstd = "\x28\xb5\x2f\xfd"
	magicZip  = "PK\x03\x04"
)

// openSource opens an archive by its content, not its name. A source of nil
// without an error means that the file is none of these: plain text, perhaps.
func openSource(name string) (source, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return folder(name), nil
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: neither a file nor a folder", ErrFormat)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	head := make([]byte, 4)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errors.Join(err, f.Close())
	}
	switch head := string(head[:n]); {
	case strings.HasPrefix(head, magicGzip):
		return &stream{f: f, size: info.Size(), unpack: unpackGzip}, nil
	case strings.HasPrefix(head, magicZstd):
		return &stream{f: f, size: info.Size(), unpack: unpackZstd}, nil
	case strings.HasPrefix(head, magicZip):
		return &zipSource{f: f, size: info.Size()}, nil
	}
	return nil, f.Close()
}

// checkName refuses names that a reader could be led astray by.
func checkName(name string) error {
	switch {
	case len(name) > maxName:
		return fmt.Errorf("%w: a name of %d bytes", ErrLimit, len(name))
	case !fs.ValidPath(name), !utf8.ValidString(name), strings.Contains(name, `\`), strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%w: name %q", ErrFormat, shorten(name))
	}
	return nil
}

// budget counts what has been unpacked.
type budget struct {
	r      io.Reader
	ctx    context.Context
	packed int64 // size of the file that it comes from
	n      int64
}

// Read implements io.Reader.
func (b *budget) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.r.Read(p)
	b.n += int64(n)
	if b.n > maxTotal || b.n > freeRatio && b.n/maxRatio > b.packed {
		return 0, fmt.Errorf("%w: %d bytes unpack to more than %d", ErrLimit, b.packed, b.n)
	}
	return n, err
}

// stream is a compressed tar file.
type stream struct {
	f      *os.File
	size   int64
	unpack func(io.Reader) (io.ReadCloser, error)
}

func unpackGzip(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }

func unpackZstd(r io.Reader) (io.ReadCloser, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

// Close implements io.Closer.
func (s *stream) Close() error { return s.f.Close() }

func (s *stream) walk(ctx context.Context, fn func(string, io.Reader) error) (err error) {
	if _, err := s.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	z, err := s.unpack(bufio.NewReaderSize(s.f, 256<<10))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	defer func() { err = errors.Join(err, z.Close()) }()
	t := tar.NewReader(&budget{r: z, ctx: ctx, packed: s.size})
	for n := 0; ; n++ {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return broken(err)
		}
		if n >= maxEntries {
			return fmt.Errorf("%w: more than %d entries", ErrLimit, maxEntries)
		}
		switch h.Typeflag {
		case tar.TypeReg:
		case tar.TypeDir, tar.TypeXGlobalHeader:
			continue
		default:
			return fmt.Errorf("%w: %q is neither a file nor a folder", ErrFormat, shorten(h.Name))
		}
		if err := visit(h.Name, t, fn); err != nil {
			return err
		}
	}
}

// visit checks a name and shows the file; a fault of the packing is an
// ErrFormat, what fn itself returns stays as it is.
func visit(name string, r io.Reader, fn func(string, io.Reader) error) error {
	name = strings.TrimPrefix(name, "./")
	if err := checkName(name); err != nil {
		return err
	}
	return fn(name, &faulty{r})
}

// faulty marks errors of reading as the archive's.
type faulty struct{ r io.Reader }

// Read implements io.Reader.
func (f *faulty) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = broken(err)
	}
	return n, err
}

// broken is the error of bytes that do not unpack.
func broken(err error) error {
	for _, known := range []error{ErrLimit, ErrFormat, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrFormat, err)
}

// zipSource is a zip file.
type zipSource struct {
	f    *os.File
	size int64
}

// Close implements io.Closer.
func (z *zipSource) Close() error { return z.f.Close() }

func (z *zipSource) walk(ctx context.Context, fn func(string, io.Reader) error) error {
	r, err := zip.NewReader(z.f, z.size)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if len(r.File) > maxEntries {
		return fmt.Errorf("%w: more than %d entries", ErrLimit, maxEntries)
	}
	total := &budget{ctx: ctx, packed: z.size}
	for _, f := range r.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		if !f.Mode().IsRegular() {
			return fmt.Errorf("%w: %q is neither a file nor a folder", ErrFormat, shorten(f.Name))
		}
		if err := z.visit(f, total, fn); err != nil {
			return err
		}
	}
	return nil
}

func (z *zipSource) visit(f *zip.File, total *budget, fn func(string, io.Reader) error) error {
	in, err := f.Open()
	if err != nil {
		return broken(err)
	}
	defer func() { _ = in.Close() }()
	total.r = in
	return visit(f.Name, total, fn)
}

// folder is an unpacked archive.
type folder string

// Close implements io.Closer.
func (folder) Close() error { return nil }

func (d folder) walk(ctx context.Context, fn func(string, io.Reader) error) error {
	n := 0
	return filepath.WalkDir(string(d), func(local string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if entry.IsDir() {
			return nil
		}
		if n++; n > maxEntries {
			return fmt.Errorf("%w: more than %d files", ErrLimit, maxEntries)
		}
		name, err := filepath.Rel(string(d), local)
		if err != nil {
			return err
		}
		if !entry.Type().IsRegular() { // a link may lead out of the folder
			return fmt.Errorf("%w: %q is neither a file nor a folder", ErrFormat, shorten(name))
		}
		return d.visit(ctx, local, path.Clean(filepath.ToSlash(name)), fn)
	})
}

func (d folder) visit(ctx context.Context, local, name string, fn func(string, io.Reader) error) error {
	f, err := os.Open(local)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return visit(name, &patient{ctx: ctx, r: f}, fn)
}
