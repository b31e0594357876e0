package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"hark/activitypub/sig"
)

// The reasons why something was not fetched. Compare with errors.Is. Their
// text, with what wraps it, is for the log; Public gives what a peer may read.
var (
	// ErrGone is returned when the origin says that it deleted the document
	// (410).
	ErrGone = errors.New("document is gone")
	// ErrNotFound is returned when the origin does not know the document (404).
	ErrNotFound = errors.New("document was not found")
	// ErrMismatch is returned when a document is not what was asked for: its id
	// differs, or it came from another origin.
	ErrMismatch = errors.New("document does not match its address")
	// ErrContentType is returned when an answer is not of the type asked for,
	// before its body is read.
	ErrContentType = errors.New("unexpected content type")
	// ErrTooLarge is returned when an answer exceeds the limit, packed or not.
	ErrTooLarge = errors.New("answer is too large")
	// ErrForbiddenAddress is returned when an address may not be requested:
	// not a plain https address, or a host that resolves into a private or
	// reserved network.
	ErrForbiddenAddress = errors.New("address is not allowed")
	// ErrRedirect is returned when redirects do not end, lead from https to
	// http or to no usable address. It is an ErrMismatch.
	ErrRedirect = fmt.Errorf("redirect not followed: %w", ErrMismatch)
)

// ErrStatus is returned when the answer has any other status than 200, 404,
// 410 or a redirect. Find it with errors.As.
type ErrStatus int

func (e ErrStatus) Error() string {
	return fmt.Sprintf("status %d %s", int(e), http.StatusText(int(e)))
}

// sentences say to a peer why its activity was refused, and nothing about our
// network. The first that matches counts.
var sentences = []struct {
	err  error
	text string
}{
	{ErrGone, "The document has been deleted at its origin."},
	{ErrNotFound, "The document was not found at its origin."},
	{ErrRedirect, "The address of the document redirects in a way that is not followed."},
	{ErrMismatch, "The document found at the address has another id or another origin."},
	{ErrContentType, "The answer at the address is not an ActivityPub document."},
	{ErrTooLarge, "The document is too large."},
	{ErrForbiddenAddress, "The address is not one that may be requested."},
	{sig.ErrOwner, "The key is not listed by the actor that owns it."},
	{sig.ErrWeakKey, "The key is too weak, too large or of an unsupported kind."},
	{context.DeadlineExceeded, "The origin did not answer in time."},
}

// Public returns a sentence about an error of this package that is safe to
// send to a stranger: no addresses of ours, no resolver or socket details. It
// is "" for nil.
func Public(err error) string {
	if err == nil {
		return ""
	}
	for _, s := range sentences {
		if errors.Is(err, s.err) {
			return s.text
		}
	}
	var status ErrStatus
	if errors.As(err, &status) {
		return fmt.Sprintf("The origin answered with status %d.", int(status))
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "The origin did not answer in time."
	}
	return "The origin could not be reached or its answer not be read."
}
