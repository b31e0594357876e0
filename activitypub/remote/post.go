package remote

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"hark/activitypub"
	"hark/activitypub/sig"
)

const (
	// maxExcerpt is how much of an answer's body is kept for the operator.
	maxExcerpt    = 500
	maxRetryAfter = 24 * time.Hour
)

// Response is the answer to a Post.
type Response struct {
	// Status is the HTTP status. A redirect is a status like any other.
	Status int
	// RetryAfter is how long the host asks to wait; 0 if it does not say, at
	// most a day.
	RetryAfter time.Duration
	// Body is the beginning of the answer, printable, at most 500 bytes.
	Body string
	// Took is the time from the request to the end of the answer's header.
	Took time.Duration
}

// Post delivers an activity. sign is called with the finished request and sets
// its signature headers by the scheme that it is given; nil leaves the request
// unsigned. The scheme is the one that the host last took; after a 401 the
// other is tried once, unless the host refused both within the last hour.
// Redirects are not followed: the signature would be for another target, and an
// inbox that moved says so in its actor document.
//
// Every HTTP status is a Response and no error. Errors are those of sign,
// ErrForbiddenAddress, and those of the network; then nothing is known about
// what the other side did. It takes at most Options.Timeout.
//
// ref: ActivityPub §7
func (c *Client) Post(ctx context.Context, inbox string, body []byte, sign func(*http.Request, sig.Scheme) error) (Response, error) {
	iri, err := c.usable(inbox)
	if err != nil {
		return Response{}, fmt.Errorf("post to %q: %w", inbox, err)
	}
	ctx, cancel := c.limited(ctx)
	defer cancel()
	if sign == nil {
		return c.postOnce(ctx, iri, body, nil)
	}
	var answer Response
	err = c.signed(http.MethodPost, iri, func(scheme sig.Scheme) (int, error) {
		next, err := c.postOnce(ctx, iri, body, func(r *http.Request) error { return sign(r, scheme) })
		if err != nil && answer.Status != 0 {
			return answer.Status, nil // the first answer stands
		}
		answer = next
		return answer.Status, err
	})
	return answer, err
}

// PostOnce delivers an activity as Post does, with the headers that sign sets
// and nothing else: no other scheme is tried.
func (c *Client) PostOnce(ctx context.Context, inbox string, body []byte, sign func(*http.Request) error) (Response, error) {
	iri, err := c.usable(inbox)
	if err != nil {
		return Response{}, fmt.Errorf("post to %q: %w", inbox, err)
	}
	ctx, cancel := c.limited(ctx)
	defer cancel()
	return c.postOnce(ctx, iri, body, sign)
}

func (c *Client) postOnce(ctx context.Context, iri activitypub.IRI, body []byte, sign func(*http.Request) error) (Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, string(iri.WithoutFragment()), bytes.NewReader(body))
	if err != nil {
		return Response{}, fmt.Errorf("post to %q: %w: %w", iri, err, ErrForbiddenAddress)
	}
	r.Header.Set("Content-Type", activitypub.ContentType)
	r.Header.Set("Accept", acceptActivity)
	r.Header.Set("User-Agent", c.o.UserAgent)
	if sign != nil {
		if err := sign(r); err != nil {
			return Response{}, fmt.Errorf("post to %q: %w", iri, err)
		}
	}
	start := time.Now()
	resp, err := c.http.Do(r)
	if err != nil {
		return Response{}, fmt.Errorf("post to %q: %w", iri, err)
	}
	defer finish(resp.Body)
	answer := Response{
		Status: resp.StatusCode, Took: time.Since(start),
		RetryAfter: retryAfter(resp.Header.Get("Retry-After"), c.o.Now()),
	}
	// A body that breaks off does not change what the status said.
	excerpt, _ := io.ReadAll(io.LimitReader(resp.Body, maxExcerpt))
	answer.Body = printable(excerpt)
	return answer, nil
}

// retryAfter reads a number of seconds or an HTTP date. What it cannot read,
// and what has passed, is 0.
//
// ref: RFC 9110 §10.2.3
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if n, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	t, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return max(0, min(t.Sub(now), maxRetryAfter))
}

// printable keeps what can stand on one line of a log or a page: letters,
// marks, digits, punctuation and single spaces.
func printable(b []byte) string {
	var out strings.Builder
	space := false
	for _, r := range strings.ToValidUTF8(string(b), "") {
		switch {
		case unicode.IsSpace(r):
			space = out.Len() > 0
			continue
		case !unicode.IsPrint(r):
			continue
		}
		if space {
			out.WriteByte(' ')
			space = false
		}
		out.WriteRune(r)
	}
	return out.String()
}
