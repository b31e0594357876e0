package sig

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestSignatureHeader(t *testing.T) {
	const ok = `keyId="https://a.example/u#k",algorithm="hs2019",headers="(request-target) host date",signature="c2ln"`
	for _, tc := range []struct {
		name, header string
		want         error
	}{
		{"usual", ok, nil},
		{"comma in the key id", strings.Replace(ok, "/u#k", "/u,v#k", 1), nil},
		{"numbers quoted or bare", ok + `,created="1402170695",expires=1402170995`, nil},
		{"an unknown parameter", ok + `,opaque="x"`, nil},
		{"white space", "  " + strings.ReplaceAll(ok, ",", " ,\t"), nil},
		{"upper case in headers", strings.Replace(ok, "host date", "Host Date", 1), nil},
		{"empty", "", ErrMalformed},
		{"no headers", strings.Replace(ok, `headers="(request-target) host date",`, "", 1), ErrCoverage},
		{"headers empty", strings.Replace(ok, "(request-target) host date", "", 1), ErrMalformed},
		{"header twice", strings.Replace(ok, "host date", "host host", 1), ErrMalformed},
		{"covers itself", strings.Replace(ok, "host date", "host signature", 1), ErrMalformed},
		{"unknown pseudo-header", strings.Replace(ok, "host date", "(evil)", 1), ErrMalformed},
		{"trailing comma", ok + ",", ErrMalformed},
		{"leading comma", "," + ok, ErrMalformed},
		{"unclosed quote", strings.TrimSuffix(ok, `"`), ErrMalformed},
		{"parameter twice", ok + `,keyId="https://b.example/u#k"`, ErrMalformed},
		{"no comma", strings.Replace(ok, `",algorithm`, `" algorithm`, 1), ErrMalformed},
		{"escape", strings.Replace(ok, "/u#k", `/u\#k`, 1), ErrMalformed},
		{"control character", strings.Replace(ok, "/u#k", "/u\r\n#k", 1), ErrMalformed},
		{"NUL", strings.Replace(ok, "/u#k", "/u\x00#k", 1), ErrMalformed},
		{"no key id", strings.Replace(ok, `keyId="https://a.example/u#k",`, "", 1), ErrMalformed},
		{"key id with a password", strings.Replace(ok, "a.example", "x:y@a.example", 1), ErrMalformed},
		{"key id of another scheme", strings.Replace(ok, "https://a.example/u#k", "file:///etc/passwd", 1), ErrMalformed},
		{"no signature", strings.Replace(ok, "c2ln", "", 1), ErrMalformed},
		{"signature not base64", strings.Replace(ok, "c2ln", "c2l-", 1), ErrMalformed},
		{"created not a number", ok + `,created=soon`, ErrMalformed},
		{"created beyond time", ok + `,created=99999999999999999999`, ErrMalformed},
		{"created negative", ok + `,created=-1`, ErrMalformed},
		{"covers created without it", strings.Replace(ok, "date", "(created)", 1), ErrMalformed},
		{"too long", ok + `,x="` + strings.Repeat("x", maxHeader) + `"`, ErrMalformed},
		{"a bare signature of RFC 9421", "sig1=:c2ln:", ErrMalformed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := parseSignature(tc.header)
			if !errors.Is(err, tc.want) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
			if err == nil && (p.keyID == "" || len(p.components) != 3) {
				t.Errorf("got %+v", p)
			}
		})
	}
	// Another scheme in Authorization is none of our business.
	h := http.Header{"Signature": {ok}, "Authorization": {"Bearer secret"}}
	if _, err := readSignature(h); err != nil {
		t.Error(err)
	}
}

// FuzzSignatureHeader: whatever is accepted is complete and bounded, and
// nothing panics.
func FuzzSignatureHeader(f *testing.F) {
	f.Add(`keyId="https://a.example/u#k",algorithm="hs2019",headers="(request-target) host date",signature="c2ln"`)
	f.Add(`keyId="https://a.example/u#k", created=1, expires="2",algorithm="hs2019",headers="(created) (expires)",signature="c2ln"`)
	f.Add(`sig1=:c2ln:`)
	f.Add(`a="",,`)
	f.Fuzz(func(t *testing.T, header string) {
		p, err := parseSignature(header)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrCoverage) {
				t.Fatalf("%v is no reason for the sender", err)
			}
			return
		}
		if p.keyID == "" || len(p.signature) == 0 || len(p.components) == 0 || len(p.components) > maxComponents {
			t.Fatalf("incomplete: %+v", p)
		}
		if strings.ContainsAny(p.keyID, "\r\n\x00 \"") {
			t.Fatalf("key id %q", p.keyID)
		}
	})
}
