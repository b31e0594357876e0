package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// target is where a relay is.
type target struct {
	base   string // without a slash at its end
	secure bool
	dial   string // host:port
	host   string // as requests name it
	inbox  string // path
}

// newTarget reads an inbox URL, or a base URL, whose inbox is /inbox.
func newTarget(address string) (*target, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%w: %q is not the address of a relay, as https://relay.example or https://relay.example/inbox", ErrOptions, address)
	}
	t := &target{secure: u.Scheme == "https", host: u.Host, dial: u.Host, inbox: u.EscapedPath()}
	if u.Port() == "" {
		t.dial = net.JoinHostPort(u.Hostname(), map[bool]string{false: "80", true: "443"}[t.secure])
	}
	if strings.Trim(t.inbox, "/") == "" {
		t.inbox = "/inbox"
	}
	t.base = u.Scheme + "://" + u.Host
	return t, nil
}

// sign makes the whole request that posts a body to the relay, signed as
// Mastodon does.
//
// ref: draft-cavage-http-signatures-12 §2; observed Mastodon 4.5: app/lib/request.rb
func (f *fleet) sign(body []byte, keyID string, now time.Time) ([]byte, error) {
	const contentType = "application/activity+json"
	date := now.UTC().Format(http.TimeFormat)
	sum := sha256.Sum256(body)
	digest := "SHA-256=" + base64.StdEncoding.EncodeToString(sum[:])
	text := "(request-target): post " + f.relay.inbox + "\nhost: " + f.relay.host + "\ndate: " + date + "\ndigest: " + digest + "\ncontent-type: " + contentType
	sum = sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, f.key, crypto.SHA256, sum[:])
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Mastodon/4.5.2 (hark bench)\r\nDate: %s\r\nDigest: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n"+
		"Signature: keyId=\"%s\",algorithm=\"rsa-sha256\",headers=\"(request-target) host date digest content-type\",signature=\"%s\"\r\n\r\n",
		f.relay.inbox, f.relay.host, date, digest, contentType, len(body), keyID, base64.StdEncoding.EncodeToString(signature))
	b.Write(body)
	return bytes.Clone(b.Bytes()), nil
}

// line is a kept-alive connection to the relay, for one request after the
// other. It connects when it is needed.
type line struct {
	relay *target
	c     net.Conn
	br    *bufio.Reader
}

func (l *line) close() {
	if l.c != nil {
		_ = l.c.Close() // nothing is on its way
		l.c = nil
	}
}

// post sends a whole request and reads the answer, of whose body 64 KiB. A
// connection that the relay has closed in between is opened again.
func (l *line) post(ctx context.Context, raw []byte) (status int, answer []byte, err error) {
	kept := l.c != nil
	if status, answer, err = l.try(ctx, raw); err != nil && kept && ctx.Err() == nil {
		status, answer, err = l.try(ctx, raw)
	}
	return status, answer, err
}

func (l *line) try(ctx context.Context, raw []byte) (status int, answer []byte, err error) {
	if l.c == nil {
		if err := l.connect(ctx); err != nil {
			return 0, nil, fmt.Errorf("connect to the relay: %w", err)
		}
	}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	defer context.AfterFunc(ctx, func() { _ = l.c.SetDeadline(time.Unix(1, 0)) })() // an end of the context ends the wait
	if err := l.c.SetDeadline(time.Now().Add(requestLimit)); err != nil {
		return 0, nil, err
	}
	if _, err := l.c.Write(raw); err != nil {
		return 0, nil, err
	}
	resp, err := http.ReadResponse(l.br, nil)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if resp.Close || resp.ContentLength > int64(len(answer)) {
		defer l.close()
	}
	return resp.StatusCode, answer, err
}

func (l *line) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	var err error
	if l.relay.secure {
		l.c, err = (&tls.Dialer{}).DialContext(ctx, "tcp", l.relay.dial)
	} else {
		l.c, err = (&net.Dialer{}).DialContext(ctx, "tcp", l.relay.dial)
	}
	if err != nil {
		l.c = nil
		return err
	}
	l.br = bufio.NewReader(l.c)
	return nil
}
