package sqlite

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/klauspost/compress/zstd"

	"hark/storage"
)

// ms is a time as it is kept: Unix milliseconds, 0 for the zero time.
func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// at undoes ms; the time is in UTC.
func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// blob makes sure that an empty value is stored as an empty blob, not as NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// nonEmpty undoes blob: nothing comes back as nil.
func nonEmpty(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// list is a slice as JSON, "[]" for an empty one.
func list[T any](v []T) (string, error) {
	if len(v) == 0 {
		return "[]", nil
	}
	b, err := json.Marshal(v)
	return string(b), err
}

// unlist undoes list; an empty one comes back as nil.
func unlist[T any](s string) ([]T, error) {
	if s == "[]" || s == "" {
		return nil, nil
	}
	var v []T
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		return nil, fmt.Errorf("stored list: %w", err)
	}
	return v, nil
}

func evidence(e storage.Evidence) (string, error) {
	b, err := json.Marshal(e)
	return string(b), err
}

func unevidence(s string) (e storage.Evidence, err error) {
	if err := json.Unmarshal([]byte(s), &e); err != nil {
		return e, fmt.Errorf("stored evidence: %w", err)
	}
	return e, nil
}

// digest16 stands for a string where only equality matters and the string
// itself shall not be kept: a kind and half of a SHA-256.
func digest16(kind byte, parts ...string) []byte {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return append([]byte{kind}, h.Sum(nil)[:16]...)
}

// maxRaw bounds what a stored activity may unpack to, in bytes: far over what
// the inbox lets in, far under what would hurt.
const maxRaw = 64 << 20

// packer compresses the bytes of activities; safe for concurrent use.
type packer struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newPacker() (*packer, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxRaw), zstd.WithDecoderConcurrency(2))
	if err != nil {
		return nil, errors.Join(err, enc.Close())
	}
	return &packer{enc, dec}, nil
}

func (p *packer) pack(b []byte) []byte {
	if len(b) == 0 {
		return []byte{}
	}
	return p.enc.EncodeAll(b, nil)
}

func (p *packer) unpack(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, nil
	}
	out, err := p.dec.DecodeAll(b, nil)
	if err != nil {
		return nil, fmt.Errorf("stored activity: %w", err)
	}
	return out, nil
}

func (p *packer) close() error {
	p.dec.Close()
	return p.enc.Close()
}

// bounded is a limit as the caller gave it, within 1 and most; def for 0 or less.
func bounded(limit, def, most int) int {
	if limit <= 0 {
		return def
	}
	return min(limit, most)
}
