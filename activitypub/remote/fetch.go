package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"hark/activitypub"
	"hark/activitypub/sig"
	"hark/activitypub/wellknown"
)

const (
	maxRedirects = 3
	// maxActor is the largest actor document; real ones have 4 kB, with long
	// profiles 30. They are kept, so a stranger must not make them large.
	maxActor = 256 << 10
	// maxNodeInfo is the largest NodeInfo document; real ones have 2 kB.
	maxNodeInfo = 64 << 10

	acceptActivity = activitypub.ContentType + ", " + activitypub.LDContentType
)

// Document is a fetched document.
type Document struct {
	// Body is the document as it was sent, unpacked.
	Body []byte
	// URL is where it was found, after redirects.
	URL string
	// ContentType is the header of the answer.
	ContentType string
}

// Object fetches an ActivityPub document by its id with a signed GET. The
// answer must come from the origin of the id, after at most three redirects,
// have an ActivityPub content type, and carry that very id; else ErrMismatch
// or ErrContentType. A fragment of the id is not sent, and then the document's
// id may be with or without it.
//
// It uses the network for at most Options.Timeout. Other errors are ErrGone,
// ErrNotFound, ErrTooLarge, ErrForbiddenAddress, ErrRedirect, ErrStatus and
// those of the network.
//
// ref: FEP-fe34
func (c *Client) Object(ctx context.Context, id string) (Document, error) {
	return c.object(ctx, id, c.o.MaxBody)
}

func (c *Client) object(ctx context.Context, id string, limit int64) (Document, error) {
	doc, err := c.activity(ctx, id, limit)
	if err != nil {
		return Document{}, fmt.Errorf("fetch %q: %w", id, err)
	}
	if err := hasID(doc.Body, id); err != nil {
		return Document{}, fmt.Errorf("fetch %q: %w", id, err)
	}
	return doc, nil
}

// hasID compares the id that a document gives itself with the one it was asked
// for by.
func hasID(body []byte, id string) error {
	own, _, err := activitypub.TypeOf(body)
	if err != nil {
		return err
	}
	if !sameDocument(own, id) {
		return fmt.Errorf("document has the id %.200q: %w", own, ErrMismatch)
	}
	return nil
}

func sameDocument(own, asked string) bool {
	a, err := activitypub.ParseIRI(own)
	if err != nil {
		return false
	}
	b, err := activitypub.ParseIRI(asked)
	return err == nil && (a == b || a == b.WithoutFragment())
}

// Actor fetches an actor by its id and returns it with the document. Errors
// are those of Object and of activitypub.ParseActor.
func (c *Client) Actor(ctx context.Context, id string) (*activitypub.Actor, []byte, error) {
	doc, err := c.object(ctx, id, maxActor)
	if err != nil {
		return nil, nil, err
	}
	actor, err := activitypub.ParseActor(doc.Body)
	if err != nil {
		return nil, nil, fmt.Errorf("fetch actor %q: %w", id, err)
	}
	return actor, doc.Body, nil
}

// ActorOfKey finds a key by its id, and the actor that it belongs to. What
// stands at the address is the actor itself, a part of it (GoToSocial), or the
// key alone; in the latter two cases the owner is fetched as well. Only a key
// that its owner lists under that id is returned, and only if both share an
// origin; else sig.ErrOwner. A key that cannot be read or trusted is
// sig.ErrKeyUnavailable or sig.ErrWeakKey. Other errors are those of Object.
//
// ref: FEP-fe34; federation threat A5
func (c *Client) ActorOfKey(ctx context.Context, keyID string) (*activitypub.Actor, sig.Key, []byte, error) {
	actor, key, body, err := c.actorOfKey(ctx, keyID)
	if err != nil {
		return nil, sig.Key{}, nil, fmt.Errorf("fetch key %q: %w", keyID, err)
	}
	return actor, key, body, nil
}

func (c *Client) actorOfKey(ctx context.Context, keyID string) (*activitypub.Actor, sig.Key, []byte, error) {
	doc, err := c.activity(ctx, keyID, maxActor)
	if err != nil {
		return nil, sig.Key{}, nil, err
	}
	actor, body := (*activitypub.Actor)(nil), doc.Body
	owner, err := ownerOf(doc.Body, keyID)
	if err != nil {
		return nil, sig.Key{}, nil, err
	}
	if !activitypub.SameOrigin(owner, keyID) {
		return nil, sig.Key{}, nil, fmt.Errorf("owner %q: %w", owner, sig.ErrOwner)
	}
	if sameDocument(owner, keyID) {
		actor, err = activitypub.ParseActor(doc.Body)
	} else {
		actor, body, err = c.Actor(ctx, owner)
	}
	if err != nil {
		return nil, sig.Key{}, nil, err
	}
	key, err := keyOf(actor, keyID)
	return actor, key, body, err
}

// ownerOf tells whose key a document at the address of a key is about.
func ownerOf(body []byte, keyID string) (string, error) {
	actor, err := activitypub.ParseActor(body)
	if err == nil {
		return actor.ID, nil
	}
	if !errors.Is(err, activitypub.ErrType) {
		return "", err
	}
	key, err := activitypub.ParseKey(body)
	if err != nil {
		return "", err
	}
	if key.ID != keyID {
		return "", fmt.Errorf("key document has the id %.200q: %w", key.ID, ErrMismatch)
	}
	return key.Owner, nil
}

// keyOf takes the key of that id from the actor that lists it.
func keyOf(actor *activitypub.Actor, keyID string) (sig.Key, error) {
	key, err := sig.KeyOf(actor, keyID)
	if err != nil && !errors.Is(err, sig.ErrWeakKey) && !errors.Is(err, sig.ErrOwner) {
		err = fmt.Errorf("%w: %w", sig.ErrKeyUnavailable, err)
	}
	return key, err
}

// NodeInfo asks a host what it runs. base is an origin ("https://a.example")
// or a host name alone. The document must be on the origin asked, or on the
// one that it redirects to. Errors are those of Object and of the package
// wellknown.
//
// ref: FEP-f1d5; http://nodeinfo.diaspora.software/protocol
func (c *Client) NodeInfo(ctx context.Context, base string) (software, version string, err error) {
	if !strings.Contains(base, "://") {
		base = "https://" + base
	}
	base = strings.TrimSuffix(base, "/")
	index, err := c.plainJSON(ctx, base+"/.well-known/nodeinfo")
	if err != nil {
		return "", "", fmt.Errorf("nodeinfo of %q: %w", base, err)
	}
	address, err := wellknown.ParseNodeInfoLinks(index.Body)
	if err != nil {
		return "", "", fmt.Errorf("nodeinfo of %q: %w", base, err)
	}
	if !activitypub.SameOrigin(address, base) && !activitypub.SameOrigin(address, index.URL) {
		return "", "", fmt.Errorf("nodeinfo of %q is at %q: %w", base, address, ErrMismatch)
	}
	doc, err := c.plainJSON(ctx, address)
	if err != nil {
		return "", "", fmt.Errorf("nodeinfo of %q: %w", base, err)
	}
	info, err := wellknown.ParseNodeInfo(doc.Body)
	if err != nil {
		return "", "", fmt.Errorf("nodeinfo of %q: %w", base, err)
	}
	return info.Name, info.Version, nil
}

// activity fetches an ActivityPub document whose id is not looked at, from the
// origin of its address.
func (c *Client) activity(ctx context.Context, address string, limit int64) (Document, error) {
	doc, err := c.get(ctx, address, want{
		accept: acceptActivity, is: activitypub.IsActivityJSON, limit: min(limit, c.o.MaxBody), signer: c.o.Signer,
	})
	if err != nil {
		return Document{}, err
	}
	if !activitypub.SameOrigin(doc.URL, address) {
		return Document{}, fmt.Errorf("found at %q: %w", doc.URL, ErrMismatch)
	}
	return doc, nil
}

func (c *Client) plainJSON(ctx context.Context, address string) (Document, error) {
	return c.get(ctx, address, want{accept: "application/json", is: isJSON, limit: min(maxNodeInfo, c.o.MaxBody)})
}

func isJSON(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && (t == "application/json" || strings.HasPrefix(t, "application/") && strings.HasSuffix(t, "+json"))
}

// want is what an answer has to be.
type want struct {
	accept string
	is     func(contentType string) bool
	limit  int64
	signer *sig.Signer // nil: unsigned
}

// get fetches an address, following redirects, each signed anew.
func (c *Client) get(ctx context.Context, address string, w want) (Document, error) {
	ctx, cancel := c.limited(ctx)
	defer cancel()
	iri, err := c.usable(address)
	if err != nil {
		return Document{}, err
	}
	for range maxRedirects + 1 {
		iri = iri.WithoutFragment()
		doc, next, err := c.hop(ctx, iri, w)
		if err != nil || next == "" {
			return doc, err
		}
		if iri, err = c.follow(iri, next); err != nil {
			return Document{}, err
		}
	}
	return Document{}, fmt.Errorf("more than %d: %w", maxRedirects, ErrRedirect)
}

// hop asks one address, signed or not. next is where it redirects to, if it
// does.
func (c *Client) hop(ctx context.Context, iri activitypub.IRI, w want) (doc Document, next string, err error) {
	if w.signer == nil {
		return c.once(ctx, iri, w, "")
	}
	knockErr := c.signed(http.MethodGet, iri, func(scheme sig.Scheme) (int, error) {
		doc, next, err = c.once(ctx, iri, w, scheme)
		var status ErrStatus
		if errors.As(err, &status) {
			return int(status), nil // err stays what the caller gets
		}
		return http.StatusOK, err
	})
	if err == nil {
		err = knockErr
	}
	return doc, next, err
}

// once makes one request, signed by a scheme unless it is "".
func (c *Client) once(ctx context.Context, iri activitypub.IRI, w want, scheme sig.Scheme) (doc Document, next string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, string(iri), http.NoBody)
	if err != nil {
		return Document{}, "", fmt.Errorf("%w: %w", err, ErrForbiddenAddress)
	}
	r.Header.Set("Accept", w.accept)
	r.Header.Set("User-Agent", c.o.UserAgent)
	if scheme != "" {
		if err := w.signer.SignAs(scheme, r, nil, c.o.Now()); err != nil {
			return Document{}, "", err
		}
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return Document{}, "", err
	}
	defer finish(resp.Body)
	switch resp.StatusCode {
	case http.StatusOK:
		doc, err = read(resp, w)
		return doc, "", err
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		next = resp.Header.Get("Location")
		if next == "" {
			return Document{}, "", fmt.Errorf("status %d without a Location: %w", resp.StatusCode, ErrRedirect)
		}
		return Document{}, next, nil
	case http.StatusNotFound:
		return Document{}, "", ErrNotFound
	case http.StatusGone:
		return Document{}, "", ErrGone
	}
	return Document{}, "", ErrStatus(resp.StatusCode)
}

// read takes the body of a good answer, once its header has been looked at.
func read(resp *http.Response, w want) (Document, error) {
	t := resp.Header.Get("Content-Type")
	if len(resp.Header.Values("Content-Type")) != 1 || !w.is(t) {
		return Document{}, fmt.Errorf("%.100q: %w", t, ErrContentType)
	}
	if resp.ContentLength > w.limit {
		return Document{}, fmt.Errorf("%d bytes: %w", resp.ContentLength, ErrTooLarge)
	}
	// The transport unpacks gzip on the way, so this bounds what comes out.
	body, err := io.ReadAll(io.LimitReader(resp.Body, w.limit+1))
	if err != nil {
		return Document{}, fmt.Errorf("read body: %w", err)
	}
	if int64(len(body)) > w.limit {
		return Document{}, fmt.Errorf("more than %d bytes: %w", w.limit, ErrTooLarge)
	}
	return Document{Body: body, URL: resp.Request.URL.String(), ContentType: t}, nil
}

// follow resolves a Location against the address that sent it.
func (c *Client) follow(from activitypub.IRI, location string) (activitypub.IRI, error) {
	base, err := url.Parse(string(from))
	if err != nil {
		return "", fmt.Errorf("%w: %w", err, ErrRedirect)
	}
	target, err := base.Parse(location)
	if err != nil {
		return "", fmt.Errorf("to %.200q: %w", location, ErrRedirect)
	}
	iri, err := c.usable(target.String())
	if err != nil {
		return "", fmt.Errorf("%w: %w", err, ErrRedirect)
	}
	if base.Scheme == "https" && !strings.HasPrefix(string(iri), "https:") {
		return "", fmt.Errorf("from https to %.200q: %w", iri, ErrRedirect)
	}
	return iri, nil
}

// finish reads a little of what is left, so that the connection can be used
// again, and closes it.
func finish(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 4<<10)
	_ = body.Close()
}
