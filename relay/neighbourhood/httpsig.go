package neighbourhood

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// HTTP signatures are made and checked here once more, with crypto/rsa alone:
// what signs and checks the relay's requests must not be the code under test.
//
// ref: draft-cavage-http-signatures-12 §2.1, §2.3, §2.5

// The time window of Mastodon: a signature without an end of its own holds for
// signedFor, and clocks may be off by clockSkew.
//
// ref: observed Mastodon 4.5: app/lib/signed_request.rb
const (
	signedFor = 5 * time.Minute
	clockSkew = time.Hour
	longest   = 12 * time.Hour // no signature holds longer, whatever it says
)

// maxSignature bounds a Signature header, in bytes.
const maxSignature = 4 << 10

// posted are the parts of a POST that Mastodon covers.
var posted = []string{"(request-target)", "host", "date", "content-type", "digest"}

// fetched are the parts of a GET that are covered.
var fetched = []string{"(request-target)", "host", "date"}

func digestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return "SHA-256=" + base64.StdEncoding.EncodeToString(sum[:])
}

// signature is a parsed Signature header.
type signature struct {
	keyID, algorithm string
	covered          []string // lower case
	value            []byte
	created, expires int64 // Unix time in seconds; 0: not given
}

// parseSignature reads a Signature header: parameters name="value" or
// name=number, separated by commas. Anything else, and a parameter that comes
// twice, is refused: software reads such headers differently.
func parseSignature(header string) (*signature, error) {
	if len(header) > maxSignature {
		return nil, fmt.Errorf("a Signature header of %d bytes", len(header))
	}
	params := map[string]string{}
	for rest := header; ; {
		name, after, ok := strings.Cut(rest, "=")
		name = strings.TrimSpace(name)
		if _, twice := params[name]; !ok || name == "" || twice {
			return nil, fmt.Errorf("parameter %q is incomplete or comes twice", name)
		}
		var value string
		if quoted, isQuoted := strings.CutPrefix(after, `"`); isQuoted {
			if value, rest, ok = strings.Cut(quoted, `"`); !ok {
				return nil, fmt.Errorf("parameter %q does not end", name)
			}
		} else {
			end := strings.IndexByte(after, ',')
			if end < 0 {
				end = len(after)
			}
			value, rest = strings.TrimSpace(after[:end]), after[end:]
			if _, err := strconv.ParseInt(value, 10, 64); err != nil {
				return nil, fmt.Errorf("parameter %q is neither quoted nor a number", name)
			}
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
			return nil, fmt.Errorf("parameter %q holds more than printable ASCII", name)
		}
		params[name] = value
		rest = strings.TrimSpace(rest)
		if rest == "" {
			break
		}
		if rest, ok = strings.CutPrefix(rest, ","); !ok {
			return nil, fmt.Errorf("no comma after parameter %q", name)
		}
	}
	s := &signature{keyID: params["keyId"], algorithm: params["algorithm"], covered: strings.Fields(strings.ToLower(params["headers"]))}
	for name, to := range map[string]*int64{"created": &s.created, "expires": &s.expires} {
		if v, ok := params[name]; ok {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("parameter %q is not a time", name)
			}
			*to = n
		}
	}
	var err error
	if s.value, err = base64.StdEncoding.DecodeString(params["signature"]); err != nil || len(s.value) == 0 || s.keyID == "" {
		return nil, errors.New("no keyId, or no signature in base64")
	}
	for i, name := range s.covered {
		if slices.Contains(s.covered[:i], name) {
			return nil, fmt.Errorf("%s is covered twice", name)
		}
	}
	return s, nil
}

// signingString is what a signature covers. Every covered part must be there.
func (s *signature) signingString(r *http.Request) (string, error) {
	lines := make([]string, len(s.covered))
	for i, name := range s.covered {
		v := ""
		switch name {
		case "(request-target)":
			v = strings.ToLower(r.Method) + " " + r.URL.RequestURI()
		case "host":
			v = r.Host
		case "(created)", "(expires)":
			at := s.created
			if name == "(expires)" {
				at = s.expires
			}
			if at == 0 || s.algorithm == "rsa-sha256" { // that algorithm knows neither
				return "", fmt.Errorf("%s cannot be covered", name)
			}
			v = strconv.FormatInt(at, 10)
		default:
			values := r.Header.Values(name)
			if len(values) == 0 {
				return "", fmt.Errorf("%s is covered and missing", name)
			}
			v = strings.Join(values, ", ")
		}
		lines[i] = name + ": " + v
	}
	return strings.Join(lines, "\n"), nil
}

// signRequest signs a request that has all its headers.
func signRequest(r *http.Request, keyID string, key *rsa.PrivateKey, covered []string) error {
	text, err := (&signature{covered: covered}).signingString(r)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(text))
	value, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	r.Header.Set("Signature", fmt.Sprintf(`keyId="%s",algorithm="rsa-sha256",headers="%s",signature="%s"`,
		keyID, strings.Join(covered, " "), base64.StdEncoding.EncodeToString(value)))
	return nil
}

// needed are the parts that a kind of server wants covered. Mastodon alone
// takes a POST that is not bound to its host; beyond what it asks for, the
// target is wanted always: a signature for another path is for another request.
//
// ref: observed Mastodon 4.5: app/lib/signed_request.rb;
// Misskey 2025: ActivityPubServerService.ts
func needed(kind Kind, method string) []string {
	need := []string{"(request-target)"}
	if method == http.MethodPost {
		need = append(need, "digest")
	}
	if kind != Mastodon || method != http.MethodPost {
		need = append(need, "host")
	}
	return need
}

// checkRequest verifies a request as a strict server does and returns the id of
// the key that signed, or claims to have.
func (in *Instance) checkRequest(ctx context.Context, r *http.Request, body []byte) (string, error) {
	headers := r.Header.Values("Signature")
	if len(headers) != 1 {
		return "", fmt.Errorf("%d Signature headers", len(headers))
	}
	s, err := parseSignature(headers[0])
	if err != nil {
		return "", err
	}
	if err := in.checkForm(s, r, body); err != nil {
		return s.keyID, err
	}
	text, err := s.signingString(r)
	if err != nil {
		return s.keyID, err
	}
	sum := sha256.Sum256([]byte(text))
	key, err := in.key(ctx, s.keyID, false)
	if err != nil {
		return s.keyID, err
	}
	if rsa.VerifyPKCS1v15(key.key, crypto.SHA256, sum[:], s.value) == nil {
		return s.keyID, nil
	}
	if !key.cached {
		return s.keyID, errors.New("the signature does not fit")
	}
	if key, err = in.key(ctx, s.keyID, true); err != nil { // the known one may be an old one
		return s.keyID, err
	}
	if err := rsa.VerifyPKCS1v15(key.key, crypto.SHA256, sum[:], s.value); err != nil {
		return s.keyID, fmt.Errorf("the signature does not fit: %w", err)
	}
	return s.keyID, nil
}

// checkForm checks all but the arithmetic.
func (in *Instance) checkForm(s *signature, r *http.Request, body []byte) error {
	if s.algorithm != "rsa-sha256" && s.algorithm != "hs2019" && s.algorithm != "" {
		return fmt.Errorf("algorithm %q", s.algorithm)
	}
	for _, name := range needed(in.kind, r.Method) {
		if !slices.Contains(s.covered, name) {
			return fmt.Errorf("%s is not covered", name)
		}
	}
	if r.Host != in.host {
		return fmt.Errorf("host %q", r.Host)
	}
	if r.Method == http.MethodPost {
		digests := r.Header.Values("Digest")
		if len(digests) != 1 || digests[0] != digestOf(body) {
			return errors.New("the digest does not fit the body")
		}
	}
	if in.kind != Mastodon && !strings.Contains(s.keyID, "#") {
		return errors.New("keyId has no fragment")
	}
	return s.checkTime(r, time.Now())
}

// checkTime wants the signature to hold now.
func (s *signature) checkTime(r *http.Request, now time.Time) error {
	var from time.Time
	switch {
	case slices.Contains(s.covered, "(created)"):
		from = time.Unix(s.created, 0)
	case slices.Contains(s.covered, "date"):
		dates := r.Header.Values("Date")
		if len(dates) != 1 {
			return fmt.Errorf("%d Date headers", len(dates))
		}
		var err error
		if from, err = http.ParseTime(dates[0]); err != nil {
			return fmt.Errorf("date %q", dates[0])
		}
	default:
		return errors.New("neither date nor (created) is covered")
	}
	until := from.Add(signedFor)
	if s.expires != 0 {
		until = time.Unix(s.expires, 0)
		if latest := from.Add(longest); until.After(latest) {
			until = latest
		}
	}
	if from.After(now.Add(clockSkew)) || until.Before(now.Add(-clockSkew)) {
		return fmt.Errorf("signed at %s, which does not hold at %s", from.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}
