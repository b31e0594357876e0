package activitypub

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// MaxIRI is the length in bytes of the longest address that is accepted.
const MaxIRI = 2048

// IRI is an http or https address in normal form: lower-case scheme, host in
// lower-case ASCII (IDNA), no user information, no default port. Path, query
// and fragment are as they were written. Two addresses that differ only in
// what is normalised are equal as strings.
type IRI string

// ParseIRI normalises an address. It refuses, with ErrIRI: more than MaxIRI
// bytes, invalid UTF-8, control characters, spaces, quotes, backslashes and
// angle brackets (no address needs them unescaped, and they are how one is
// smuggled into a header, a log or a page), user information, schemes other
// than http and https, and an empty or malformed host or port.
//
// ref: RFC 3987 §2.2; FEP-fe34
func ParseIRI(s string) (IRI, error) {
	if err := checkAddress(s); err != nil {
		return "", err
	}
	u, err := url.Parse(s)
	if err != nil {
		return "", fmt.Errorf("address %s: %w", quoteShort(s), ErrIRI)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("address %s: scheme is not http or https: %w", quoteShort(s), ErrIRI)
	}
	if u.Opaque != "" || u.User != nil || u.Host == "" {
		return "", fmt.Errorf("address %s: no plain host: %w", quoteShort(s), ErrIRI)
	}
	host, err := normalizeAuthority(u.Host, u.Scheme)
	if err != nil {
		return "", fmt.Errorf("address %s: %w", quoteShort(s), err)
	}
	return IRI(u.Scheme + "://" + host + afterAuthority(s)), nil
}

// checkAddress refuses what no address may contain, before any parsing.
func checkAddress(s string) error {
	if s == "" || len(s) > MaxIRI {
		return fmt.Errorf("address of %d bytes: %w", len(s), ErrIRI)
	}
	for _, r := range s {
		switch {
		case r <= ' ', r == 0x7f, r >= 0x80 && r <= 0xa0, r == '\u2028', r == '\u2029', r == '\u3000':
			return fmt.Errorf("address %s: control character or space: %w", quoteShort(s), ErrIRI)
		case r == '"', r == '\\', r == '<', r == '>':
			return fmt.Errorf("address %s: quote, backslash or angle bracket: %w", quoteShort(s), ErrIRI)
		}
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("address %s: invalid UTF-8: %w", quoteShort(s), ErrIRI)
	}
	return nil
}

// afterAuthority returns path, query and fragment as they were written. s has
// been parsed: it has a scheme and two slashes.
func afterAuthority(s string) string {
	s = s[strings.Index(s, "//")+2:]
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		return s[i:]
	}
	return ""
}

// normalizeAuthority normalises "host" or "host:port", dropping the port that
// the scheme implies.
func normalizeAuthority(hostport, scheme string) (string, error) {
	name, port := splitPort(hostport)
	host, err := NormalizeHost(name)
	if err != nil || port == "" {
		return host, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", fmt.Errorf("port %s: %w", quoteShort(port), ErrIRI)
	}
	if n == 443 && scheme == "https" || n == 80 && scheme == "http" {
		return host, nil
	}
	return host + ":" + strconv.FormatUint(n, 10), nil
}

// splitPort splits at the last colon that is not inside an IPv6 literal.
func splitPort(s string) (host, port string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || i < strings.LastIndexByte(s, ']') || strings.IndexByte(s, ':') != i && s[0] != '[' {
		return s, ""
	}
	return s[:i], s[i+1:]
}

// Host returns the host in lower case, with its port when that is not the
// default one.
func (i IRI) Host() string {
	_, rest, ok := strings.Cut(string(i), "://")
	if !ok {
		return ""
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}

// Origin returns scheme, host and port: "https://host[:port]".
func (i IRI) Origin() string {
	scheme, _, ok := strings.Cut(string(i), "://")
	if !ok {
		return ""
	}
	return scheme + "://" + i.Host()
}

// WithoutFragment returns the address up to its '#'.
func (i IRI) WithoutFragment() IRI {
	s, _, _ := strings.Cut(string(i), "#")
	return IRI(s)
}

func (i IRI) String() string { return string(i) }

// SameOrigin reports whether two addresses have the same scheme, host and
// port. It is false when either is not an address at all.
//
// ref: FEP-fe34
func SameOrigin(a, b string) bool {
	x, err := ParseIRI(a)
	if err != nil {
		return false
	}
	y, err := ParseIRI(b)
	return err == nil && x.Origin() == y.Origin()
}

// hostProfile maps as browsers do (case, width, ideographic full stops) and
// checks lengths; which characters are allowed is checked by hostOK.
var hostProfile = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.VerifyDNSLength(true))

// NormalizeHost brings a host name into the one form in which it is compared:
// lower case, IDN as punycode, one trailing dot and the port stripped, an IP
// address in its canonical form (IPv6 in brackets). It returns ErrIRI for what
// is not a host. Normalising twice changes nothing.
//
// ref: RFC 5891; UTS #46
func NormalizeHost(s string) (string, error) {
	name, port := splitPort(s)
	if !allDigits(port) {
		return "", fmt.Errorf("host %s: bad port: %w", quoteShort(s), ErrIRI)
	}
	if addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")); err == nil {
		return normalizeAddr(s, name, addr)
	}
	if len(name) > 1024 {
		return "", fmt.Errorf("host of %d bytes: %w", len(name), ErrIRI)
	}
	host := name
	if !plainHost(host) {
		mapped, err := hostProfile.ToASCII(strings.ToLower(trimDot(name)))
		if err != nil {
			return "", fmt.Errorf("host %s: %w", quoteShort(s), ErrIRI)
		}
		host = mapped
	}
	host = trimDot(host)
	if !hostOK(host) {
		return "", fmt.Errorf("host %s: %w", quoteShort(s), ErrIRI)
	}
	return host, nil
}

func normalizeAddr(s, name string, addr netip.Addr) (string, error) {
	bracketed := strings.HasPrefix(name, "[") && strings.HasSuffix(name, "]")
	switch {
	case addr.Zone() != "", bracketed && addr.Is4(), !bracketed && strings.ContainsAny(name, "[]"):
		return "", fmt.Errorf("host %s: %w", quoteShort(s), ErrIRI)
	case addr.Is4():
		return addr.String(), nil
	}
	return "[" + addr.String() + "]", nil
}

// trimDot removes one trailing dot, in any of the forms that IDNA maps to one.
func trimDot(s string) string {
	for _, dot := range []string{".", "\u3002", "\uff0e", "\uff61"} {
		if t, ok := strings.CutSuffix(s, dot); ok {
			return t
		}
	}
	return s
}

// plainHost reports whether a name needs no IDNA processing: lower-case ASCII
// without punycode labels.
func plainHost(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= 0x80 || c >= 'A' && c <= 'Z' {
			return false
		}
	}
	return !strings.Contains(s, "xn--")
}

// hostOK checks a normalised name: labels of letters, digits, hyphens and
// underscores (which exist in practice), within the lengths of the DNS.
func hostOK(host string) bool {
	if host == "" || len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for i := 0; i < len(label); i++ {
			c := label[i]
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// quoteShort quotes a foreign string for an error text, shortened.
func quoteShort(s string) string {
	const limit = 80
	if len(s) > limit {
		return strconv.QuoteToASCII(s[:limit]) + "…"
	}
	return strconv.QuoteToASCII(s)
}
