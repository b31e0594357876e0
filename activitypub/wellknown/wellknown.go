// Package wellknown reads and writes the documents of discovery: WebFinger
// (who is acct:relay@DOMAIN) and NodeInfo (which software runs here). It
// touches no network; a server of them and a client of them both use it.
//
// Foreign documents are bounded in bytes before they are decoded, and whatever
// in them is not needed is not looked at: several servers answer with figures
// as strings, or with null where the schema wants an object.
package wellknown

import (
	"encoding/json"
	"errors"
	"fmt"
)

// MaxDocument is the length in bytes of the longest document that is read.
const MaxDocument = 256 << 10

// The errors of reading a document. They arrive wrapped; compare with
// errors.Is.
var (
	// ErrTooLarge is returned when a document is longer than MaxDocument.
	ErrTooLarge = errors.New("document is too large")
	// ErrMalformed is returned when a document is not the JSON that it should
	// be, or lacks what it is for.
	ErrMalformed = errors.New("document is malformed")
)

// decode reads a bounded foreign document.
func decode(doc []byte, into any) error {
	if len(doc) > MaxDocument {
		return fmt.Errorf("%d bytes: %w", len(doc), ErrTooLarge)
	}
	if err := json.Unmarshal(doc, into); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

// looseString is a string that may arrive as another kind of value, which then
// counts as missing.
type looseString string

// UnmarshalJSON implements json.Unmarshaler; it never fails.
func (s *looseString) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*s = looseString(text)
	}
	return nil
}

// looseList is a list whose elements of another kind, or that is itself of
// another kind, count as missing.
type looseList[T any] []T

// UnmarshalJSON implements json.Unmarshaler; it never fails.
func (l *looseList[T]) UnmarshalJSON(b []byte) error {
	*l = nil
	var raw []json.RawMessage
	if json.Unmarshal(b, &raw) != nil {
		return nil
	}
	for _, e := range raw[:min(len(raw), maxList)] {
		var v T
		if json.Unmarshal(e, &v) == nil {
			*l = append(*l, v)
		}
	}
	return nil
}

// maxList bounds how many elements of a foreign list are read.
const maxList = 256
