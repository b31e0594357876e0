package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"hark/storage"
)

// readPlain reads a file that is not packed: an outbox, or JSON Lines.
func readPlain(ctx context.Context, path string, o ReadOptions, fn func(*storage.Post) error) (sum Summary, err error) {
	f, err := os.Open(path)
	if err != nil {
		return Summary{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	collection, err := isCollection(&patient{ctx: ctx, r: f})
	if err != nil {
		return Summary{}, err
	}
	b := &bare{o: o, fn: fn}
	if o.Activity == nil {
		return Summary{}, ErrActivities
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return Summary{}, err
	}
	if info, err := f.Stat(); err == nil {
		b.sum.Size = info.Size()
	}
	if in := (&patient{ctx: ctx, r: f}); collection {
		err = items(in, b.activity)
	} else {
		err = lines(in, maxRecord, func(n int64, line []byte) error {
			if line[0] != '{' || !json.Valid(line) {
				return fmt.Errorf("%w: line %d is no JSON object", ErrFormat, n)
			}
			return b.activity(line)
		})
	}
	return b.sum, err
}

// readOutbox reads the outbox of a packed account.
func readOutbox(ctx context.Context, src source, name string, o ReadOptions, fn func(*storage.Post) error) (Summary, error) {
	if o.Activity == nil {
		return Summary{}, ErrActivities
	}
	b := &bare{o: o, fn: fn}
	err := src.walk(ctx, func(at string, r io.Reader) error {
		if at != name {
			return nil
		}
		if err := items(r, b.activity); err != nil {
			return err
		}
		return errDone
	})
	if errors.Is(err, errDone) {
		err = nil
	}
	return b.sum, err
}

// bare passes bare activities on.
type bare struct {
	o   ReadOptions
	fn  func(*storage.Post) error
	sum Summary
}

func (b *bare) activity(raw []byte) error {
	b.sum.Activities++
	p, err := b.o.Activity(raw)
	if err != nil || p == nil {
		return err
	}
	b.sum.count(p)
	return b.fn(p)
}

// isCollection tells whether a file is one JSON object that holds the items
// of a collection. Another object may be the first of JSON Lines.
func isCollection(r io.Reader) (bool, error) {
	d := newDecoder(r)
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return false, d.fault(err, "neither packed nor a JSON object")
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return false, d.fault(err, "not JSON")
		}
		if key == "orderedItems" || key == "items" {
			return true, nil
		}
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return false, d.fault(err, "not JSON")
		}
	}
	return false, nil
}

// items calls fn with every object among the items of a collection; ids alone
// say too little. The bytes are valid until fn returns.
func items(r io.Reader, fn func([]byte) error) error {
	d := newDecoder(r)
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return d.fault(err, "not a JSON object")
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return d.fault(err, "not JSON")
		}
		var value json.RawMessage
		if key != "orderedItems" && key != "items" {
			if err := d.Decode(&value); err != nil {
				return d.fault(err, "not JSON")
			}
			continue
		}
		if t, err := d.Token(); err != nil || t != json.Delim('[') {
			return d.fault(err, "items are no list")
		}
		for d.More() {
			if err := d.Decode(&value); err != nil {
				return d.fault(err, "not JSON")
			}
			if len(value) == 0 || value[0] != '{' {
				continue
			}
			if err := fn(value); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("%w: a collection without items", ErrFormat)
}

// decoder reads JSON piece by piece, and refuses a piece that is too large to
// hold.
type decoder struct {
	*json.Decoder
	r io.Reader
	n int64
}

func newDecoder(r io.Reader) *decoder {
	d := &decoder{r: r}
	d.Decoder = json.NewDecoder(d)
	return d
}

// Read implements io.Reader for the JSON decoder.
func (d *decoder) Read(b []byte) (int, error) {
	if d.n-d.InputOffset() > maxRecord {
		return 0, fmt.Errorf("%w: an item of more than %d bytes", ErrLimit, maxRecord)
	}
	n, err := d.r.Read(b)
	d.n += int64(n)
	return n, err
}

// fault is the error of a file that is not what it should be.
func (d *decoder) fault(err error, what string) error {
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %s", ErrFormat, what)
	}
	return broken(err)
}
