package sig

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Limits on a signature header. The largest honest ones (a 4096-bit key, ten
// headers, a long key id) stay under 2 kB.
const (
	maxHeader     = 8 << 10
	maxParams     = 16
	maxComponents = 32
)

// Pseudo-headers of draft-cavage.
const (
	requestTarget = "(request-target)"
	createdPart   = "(created)"
	expiresPart   = "(expires)"
)

// signatureHeader is a parsed Signature header.
type signatureHeader struct {
	keyID      string
	algorithm  string
	components []string // lower case, none twice
	signature  []byte
	encoded    string // signature as it stands in the header
	created    int64  // seconds since 1970; valid if hasCreated
	expires    int64
	hasCreated bool
	hasExpires bool
}

func (s *signatureHeader) covers(component string) bool {
	for _, c := range s.components {
		if c == component {
			return true
		}
	}
	return false
}

// ClaimedKeyID returns the id of the key that a request says it is signed with,
// read exactly as VerifyRequest reads it; "" if there is none that it would
// look at. Nothing of it has been checked.
func ClaimedKeyID(h http.Header) string {
	if len(h.Values("Signature-Input")) > 0 {
		s, err := readMessageSignature(h)
		if err != nil || checkKeyID(s.keyID) != nil {
			return ""
		}
		return s.keyID
	}
	s, err := readSignature(h)
	if err != nil {
		return ""
	}
	return s.keyID
}

// readSignature finds the one signature of a request that is signed by the
// draft, and parses it. Errors are ErrNoSignature, ErrUnsupportedScheme and
// ErrMalformed.
func readSignature(h http.Header) (*signatureHeader, error) {
	values := h.Values("Signature")
	for _, a := range h.Values("Authorization") {
		if scheme, rest, ok := strings.Cut(a, " "); ok && strings.EqualFold(scheme, "Signature") {
			values = append(values[:len(values):len(values)], rest)
		}
	}
	switch len(values) {
	case 0:
		return nil, ErrNoSignature
	case 1:
		return parseSignature(values[0])
	}
	return nil, fmt.Errorf("%d signature headers: %w", len(values), ErrMalformed)
}

// parseSignature parses the parameters of a signature header.
//
// ref: draft-cavage-http-signatures-12 §2.1, §4.1
func parseSignature(s string) (*signatureHeader, error) {
	params, err := parseParams(s)
	if err != nil {
		return nil, err
	}
	p := &signatureHeader{
		keyID:     params["keyId"],
		algorithm: params["algorithm"],
		encoded:   params["signature"],
	}
	if err := checkKeyID(p.keyID); err != nil {
		return nil, err
	}
	if p.signature, err = base64.StdEncoding.Strict().DecodeString(p.encoded); err != nil || len(p.signature) == 0 {
		return nil, fmt.Errorf("signature parameter: %w", ErrMalformed)
	}
	if p.created, p.hasCreated, err = seconds(params, "created"); err != nil {
		return nil, err
	}
	if p.expires, p.hasExpires, err = seconds(params, "expires"); err != nil {
		return nil, err
	}
	list, ok := params["headers"]
	if !ok {
		// The draft's default covers the date alone.
		return nil, fmt.Errorf("no headers parameter: %w", ErrCoverage)
	}
	if p.components, err = parseComponents(list); err != nil {
		return nil, err
	}
	return p, p.checkAlgorithm()
}

// checkAlgorithm takes rsa-sha256 and hs2019. A header without an algorithm is
// refused: every server in use sends one, Misskey and WordPress refuse it as
// well, and A14 of the threat list wants it so.
//
// ref: draft-cavage-http-signatures-12 §2.1.3, §2.3
func (s *signatureHeader) checkAlgorithm() error {
	switch s.algorithm {
	case "hs2019":
	case "rsa-sha256":
		// The draft forbids these under the old algorithm names.
		if s.covers(createdPart) || s.covers(expiresPart) {
			return fmt.Errorf("(created) or (expires) with rsa-sha256: %w", ErrMalformed)
		}
	default:
		return fmt.Errorf("algorithm %q: %w", s.algorithm, ErrUnsupportedScheme)
	}
	if s.covers(createdPart) && !s.hasCreated || s.covers(expiresPart) && !s.hasExpires {
		return fmt.Errorf("covers a parameter that is not there: %w", ErrMalformed)
	}
	return nil
}

func parseComponents(list string) ([]string, error) {
	fields := strings.Fields(strings.ToLower(list))
	if len(fields) == 0 || len(fields) > maxComponents {
		return nil, fmt.Errorf("%d covered headers: %w", len(fields), ErrMalformed)
	}
	seen := make(map[string]bool, len(fields))
	for _, f := range fields {
		if seen[f] {
			return nil, fmt.Errorf("header %q covered twice: %w", f, ErrMalformed)
		}
		seen[f] = true
		switch f {
		case requestTarget, createdPart, expiresPart:
		case "signature", "authorization":
			return nil, fmt.Errorf("signature covers %s: %w", f, ErrMalformed)
		default:
			if !isToken(f) {
				return nil, fmt.Errorf("covered header %q: %w", f, ErrMalformed)
			}
		}
	}
	return fields, nil
}

func seconds(params map[string]string, name string) (int64, bool, error) {
	v, ok := params[name]
	if !ok {
		return 0, false, nil
	}
	n, err := strconv.ParseUint(v, 10, 40)
	if err != nil {
		return 0, false, fmt.Errorf("%s %q: %w", name, v, ErrMalformed)
	}
	return int64(n), true, nil
}

// parseParams reads name="value" and name=number pairs between commas, with
// optional white space around them. A name that occurs twice, a control
// character, an escape or anything left over is an error: two readers must not
// be able to see two different signatures.
func parseParams(s string) (map[string]string, error) {
	if len(s) > maxHeader {
		return nil, fmt.Errorf("signature header of %d bytes: %w", len(s), ErrMalformed)
	}
	params := make(map[string]string, 6)
	for rest := s; ; {
		name, after, ok := strings.Cut(rest, "=")
		name = strings.Trim(name, " \t")
		if !ok || !isToken(name) {
			return nil, fmt.Errorf("parameter name: %w", ErrMalformed)
		}
		value, tail, err := paramValue(strings.TrimLeft(after, " \t"))
		if err != nil {
			return nil, fmt.Errorf("parameter %s: %w", name, err)
		}
		if _, twice := params[name]; twice || len(params) == maxParams {
			return nil, fmt.Errorf("parameter %s occurs twice, or there are too many: %w", name, ErrMalformed)
		}
		params[name] = value
		tail = strings.TrimLeft(tail, " \t")
		if tail == "" {
			return params, nil
		}
		if tail[0] != ',' {
			return nil, fmt.Errorf("after parameter %s: %w", name, ErrMalformed)
		}
		rest = tail[1:]
	}
}

func paramValue(s string) (value, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ", \t")
		if end < 0 {
			end = len(s)
		}
		if !isToken(s[:end]) {
			return "", "", ErrMalformed
		}
		return s[:end], s[end:], nil
	}
	value, rest, ok := strings.Cut(s[1:], `"`)
	if !ok {
		return "", "", ErrMalformed
	}
	for i := 0; i < len(value); i++ {
		if c := value[i]; c < ' ' || c > '~' || c == '\\' {
			return "", "", ErrMalformed
		}
	}
	return value, rest, nil
}

// isToken reports whether s is a token of RFC 9110 §5.6.2.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}
