package activitypub

import (
	"errors"
	"fmt"
)

// The errors of reading a document. They arrive wrapped with the place where
// they occurred; compare with errors.Is.
var (
	// ErrTooLarge is returned when a document has more bytes than allowed.
	ErrTooLarge = errors.New("document is too large")
	// ErrValues is returned when a document holds more values than allowed. It
	// is a kind of ErrTooLarge.
	ErrValues = fmt.Errorf("%w: too many values", ErrTooLarge)
	// ErrDepth is returned when a document nests deeper than allowed.
	ErrDepth = errors.New("document nests too deeply")
	// ErrJSON is returned when a document is not one JSON object.
	ErrJSON = errors.New("document is not a JSON object")
	// ErrNUL is returned when a document contains the character NUL, raw or
	// escaped. It is a kind of ErrJSON.
	ErrNUL = fmt.Errorf("%w: it contains NUL", ErrJSON)
	// ErrUTF8 is returned when a document is not valid UTF-8 or begins with a
	// byte order mark.
	ErrUTF8 = errors.New("document is not plain UTF-8")
	// ErrDuplicateKey is returned when an object has two properties of one
	// name, so that readers could disagree about its value.
	ErrDuplicateKey = errors.New("object has a duplicate key")
	// ErrField is returned when a property that is needed is missing or has a
	// value of the wrong form.
	ErrField = errors.New("property is missing or malformed")
	// ErrType is returned when a document has another type than the reader is
	// for: a Note reader met an actor, say.
	ErrType = errors.New("document has an unexpected type")
	// ErrIRI is returned when a string is not an http or https address that
	// may identify something, or a host is not a host name.
	ErrIRI = errors.New("not a usable address")
)

func fieldError(field, why string) error {
	return fmt.Errorf("property %q %s: %w", field, why, ErrField)
}
