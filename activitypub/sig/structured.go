package sig

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/dunglas/httpsfv"
)

// maxLabels is how many signatures a request may carry. One is usual; which of
// several counts would be for a forger to choose.
const maxLabels = 1

// component is a covered component of RFC 9421.
type component struct {
	name   string // lower case; derived ones begin with '@'
	param  string // value of ;name of @query-param
	binary bool   // ;bs
	text   string // as the signature base writes it, with quotes and parameters
}

// messageSignature is the one signature of a request by RFC 9421.
type messageSignature struct {
	label      string
	components []component
	params     string // the value of @signature-params
	keyID      string
	algorithm  string // "" if the key decides
	created    int64  // seconds since 1970
	expires    int64
	hasCreated bool
	hasExpires bool
	signature  []byte
	encoded    string // signature in base64
}

func (s *messageSignature) covers(name string) bool {
	for _, c := range s.components {
		if c.name == name {
			return true
		}
	}
	return false
}

// names lists the covered components as they are written.
func (s *messageSignature) names() []string {
	out := make([]string, len(s.components))
	for i, c := range s.components {
		out[i] = strings.TrimSuffix(strings.TrimPrefix(c.text, `"`), `"`)
		if c.param != "" || c.binary {
			out[i] = c.text
		}
	}
	return out
}

// readMessageSignature parses Signature-Input and Signature. Errors are
// ErrMalformed and ErrUnsupportedScheme.
//
// ref: RFC 9421 §4.1, §4.2
func readMessageSignature(h http.Header) (*messageSignature, error) {
	input, err := dictionary(h, "Signature-Input")
	if err != nil {
		return nil, err
	}
	values, err := dictionary(h, "Signature")
	if err != nil {
		return nil, err
	}
	if n := len(input.Names()); n != maxLabels || len(values.Names()) != n {
		return nil, fmt.Errorf("%d signature inputs, %d signatures: %w", n, len(values.Names()), ErrMalformed)
	}
	label := input.Names()[0]
	member, _ := input.Get(label)
	list, ok := member.(httpsfv.InnerList)
	if !ok {
		return nil, fmt.Errorf("signature input is not a list: %w", ErrMalformed)
	}
	s := &messageSignature{label: label}
	if err := s.readComponents(list); err != nil {
		return nil, err
	}
	if err := s.readParams(list.Params); err != nil {
		return nil, err
	}
	if s.params, err = httpsfv.Marshal(list); err != nil {
		return nil, fmt.Errorf("signature input: %w: %w", err, ErrMalformed)
	}
	member, _ = values.Get(label)
	item, ok := member.(httpsfv.Item)
	if !ok {
		return nil, fmt.Errorf("no signature called %q: %w", label, ErrMalformed)
	}
	if s.signature, ok = item.Value.([]byte); !ok || len(s.signature) == 0 {
		return nil, fmt.Errorf("signature is not a byte sequence: %w", ErrMalformed)
	}
	s.encoded = encode64(s.signature)
	return s, nil
}

// dictionary parses a header that is a dictionary, refusing a name that occurs
// twice: the standard takes the last one, and not every reader does.
//
// ref: RFC 9651 §4.2.2
func dictionary(h http.Header, name string) (*httpsfv.Dictionary, error) {
	lines := h.Values(name)
	size := 0
	for _, l := range lines {
		size += len(l)
	}
	if len(lines) == 0 || size > maxHeader {
		return nil, fmt.Errorf("%s of %d bytes on %d lines: %w", name, size, len(lines), ErrMalformed)
	}
	seen := 0
	for _, l := range lines {
		one, err := httpsfv.UnmarshalDictionary([]string{l})
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %w", name, err, ErrMalformed)
		}
		seen += len(one.Names())
	}
	d, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil || len(d.Names()) != seen || topLevelMembers(strings.Join(lines, ",")) != seen {
		return nil, fmt.Errorf("%s: a name occurs twice, or the lines do not fit: %w", name, ErrMalformed)
	}
	return d, nil
}

// topLevelMembers counts the members of a dictionary that has been parsed: one
// more than the commas outside quotes and parentheses.
func topLevelMembers(s string) int {
	n, quoted, depth := 1, false, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			n++
		}
	}
	return n
}

// readComponents takes the covered components. What Hark does not know it
// cannot check, so it is refused.
//
// ref: RFC 9421 §2
func (s *messageSignature) readComponents(list httpsfv.InnerList) error {
	if len(list.Items) > maxComponents {
		return fmt.Errorf("%d covered components: %w", len(list.Items), ErrMalformed)
	}
	seen := make(map[string]bool, len(list.Items))
	for _, item := range list.Items {
		name, ok := item.Value.(string)
		if !ok {
			return fmt.Errorf("covered component is not a string: %w", ErrMalformed)
		}
		c := component{name: name}
		text, err := httpsfv.Marshal(item)
		if err != nil || seen[text] {
			return fmt.Errorf("component %.80q, covered twice or not writable: %w", name, ErrMalformed)
		}
		seen[text], c.text = true, text
		if err := c.readParams(item.Params); err != nil {
			return err
		}
		if err := c.check(); err != nil {
			return err
		}
		s.components = append(s.components, c)
	}
	return nil
}

func (c *component) readParams(p *httpsfv.Params) error {
	for _, name := range p.Names() {
		v, _ := p.Get(name)
		switch {
		case name == "name" && c.name == "@query-param":
			s, ok := v.(string)
			if !ok || s == "" {
				return fmt.Errorf("@query-param without a name: %w", ErrMalformed)
			}
			c.param = s
		case name == "bs" && !strings.HasPrefix(c.name, "@") && v == true:
			c.binary = true
		default:
			return fmt.Errorf("component %s: parameter %.40q: %w", c.text, name, ErrUnsupportedScheme)
		}
	}
	return nil
}

// derived are the derived components of requests that are understood.
//
// ref: RFC 9421 §2.2
var derived = map[string]bool{
	"@method": true, "@target-uri": true, "@authority": true, "@scheme": true,
	"@request-target": true, "@path": true, "@query": true, "@query-param": true,
}

func (c *component) check() error {
	if strings.HasPrefix(c.name, "@") {
		if !derived[c.name] {
			return fmt.Errorf("component %.80q: %w", c.name, ErrUnsupportedScheme)
		}
		if c.name == "@query-param" && c.param == "" {
			return fmt.Errorf("@query-param without a name: %w", ErrMalformed)
		}
		return nil
	}
	if !isToken(c.name) || c.name != strings.ToLower(c.name) {
		return fmt.Errorf("component %.80q: %w", c.name, ErrMalformed)
	}
	if c.name == "signature" || c.name == "signature-input" {
		return fmt.Errorf("signature covers %s: %w", c.name, ErrMalformed)
	}
	return nil
}

// readParams takes the parameters of the signature. Ones that are not known
// are covered by it and otherwise ignored.
//
// ref: RFC 9421 §2.3
func (s *messageSignature) readParams(p *httpsfv.Params) error {
	if len(p.Names()) > maxParams {
		return fmt.Errorf("%d parameters: %w", len(p.Names()), ErrMalformed)
	}
	for _, name := range p.Names() {
		v, _ := p.Get(name)
		var ok bool
		switch name {
		case "created":
			s.created, ok = v.(int64)
			s.hasCreated = ok
		case "expires":
			s.expires, ok = v.(int64)
			s.hasExpires = ok
		case "keyid":
			s.keyID, ok = v.(string)
		case "alg":
			s.algorithm, ok = v.(string)
		default:
			ok = true
		}
		if !ok {
			return fmt.Errorf("parameter %q: %w", name, ErrMalformed)
		}
	}
	if s.created < 0 || s.expires < 0 || s.created > maxSeconds || s.expires > maxSeconds {
		return fmt.Errorf("created %d, expires %d: %w", s.created, s.expires, ErrMalformed)
	}
	return nil
}

// bytesOf returns the byte sequence that a member of a dictionary is.
func bytesOf(m httpsfv.Member) ([]byte, bool) {
	item, ok := m.(httpsfv.Item)
	if !ok {
		return nil, false
	}
	b, ok := item.Value.([]byte)
	return b, ok
}
