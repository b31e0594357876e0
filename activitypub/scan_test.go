package activitypub

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

const activityHead = `{"type":"Create","id":"https://a.example/1","actor":"https://a.example/u","object":`

// Attack A30: every oversized or ambiguous document is refused, with the
// reason.
func TestParseEnvelopeLimits(t *testing.T) {
	many := func(n int) string { return activityHead + "[" + strings.Repeat("1,", n) + "1]}" }
	keys := func(n int) string {
		var b strings.Builder
		b.WriteString(activityHead + `{"id":"https://a.example/2"`)
		for i := range n {
			fmt.Fprintf(&b, `,"k%d":0`, i)
		}
		return b.String()
	}
	cases := []struct {
		name, doc string
		want      error
	}{
		{"1 MiB + 1", activityHead + `"` + strings.Repeat("a", 1<<20) + `"}`, ErrTooLarge},
		{"depth 10,000", activityHead + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + "}", ErrDepth},
		{"depth 65", strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65), ErrDepth},
		{"a million entries", strings.Replace(many(300_000), "1,", "1,", 1), ErrValues},
		{"too many entries is a kind of too large", many(20_001), ErrTooLarge},
		{"duplicate key", `{"type":"Create","type":"Delete","id":"https://a.example/1","actor":"https://a.example/u"}`, ErrDuplicateKey},
		{"duplicate key, escaped", `{"type":"Create","\u0074ype":"Delete"}`, ErrDuplicateKey},
		{"duplicate key deep inside", activityHead + `{"a":[{"b":1,"b":1}]}}`, ErrDuplicateKey},
		{"duplicate among many", keys(15_000) + `,"k77":1}}`, ErrDuplicateKey},
		{"raw NUL", activityHead + "\"a\x00b\"}", ErrNUL},
		{"escaped NUL", activityHead + `"a\u0000b"}`, ErrNUL},
		{"NUL is a kind of malformed JSON", activityHead + `"a\u0000b"}`, ErrJSON},
		{"invalid UTF-8", activityHead + "\"\xff\"}", ErrUTF8},
		{"overlong UTF-8", activityHead + "\"\xc0\xaf\"}", ErrUTF8},
		{"byte order mark", "\ufeff" + activityHead + `1}`, ErrUTF8},
		{"UTF-16", "{\x00\"\x00", ErrNUL},
		{"empty", "", ErrJSON},
		{"list", "[]", ErrJSON},
		{"string", `"x"`, ErrJSON},
		{"two objects", "{}{}", ErrJSON},
		{"trailing comma", `{"a":1,}`, ErrJSON},
		{"single quotes", `{'a':1}`, ErrJSON},
		{"comment", `{/**/}`, ErrJSON},
		{"NaN", `{"a":NaN}`, ErrJSON},
		{"leading zero", `{"a":01}`, ErrJSON},
		{"bare line feed in a string", "{\"a\":\"\n\"}", ErrJSON},
		{"cut off", activityHead + `{"id":"https`, ErrJSON},
		{"bad escape", `{"a":"\x41"}`, ErrJSON},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for what, read := range map[string]func([]byte) error{
				"envelope": func(b []byte) error { _, err := ParseEnvelope(b); return err },
				"post":     func(b []byte) error { _, err := ParseNote(b); return err },
				"actor":    func(b []byte) error { _, err := ParseActor(b); return err },
			} {
				if err := read([]byte(c.doc)); !errors.Is(err, c.want) {
					t.Errorf("%s: %v, want %v", what, err, c.want)
				}
			}
		})
	}
}

func TestParseEnvelopeOwnLimits(t *testing.T) {
	doc := []byte(activityHead + `{"a":{"b":1}}}`)
	if _, err := (Limits{}).ParseEnvelope(doc); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		l    Limits
		want error
	}{{Limits{Bytes: 50}, ErrTooLarge}, {Limits{Depth: 2}, ErrDepth}, {Limits{Values: 5}, ErrValues}} {
		if _, err := c.l.ParseEnvelope(doc); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c.l, err)
		}
	}
}

func TestParseEnvelopeFields(t *testing.T) {
	const ids = `"id":"https://a.example/1","actor":"https://a.example/u"`
	bad := []string{
		`{` + ids + `}`,
		`{` + ids + `,"type":7}`,
		`{` + ids + `,"type":["Create","Delete"]}`,
		`{"type":"Create","id":"https://a.example/1"}`,
		`{"type":"Create","id":7,"actor":"https://a.example/u"}`,
		`{"type":"Create","id":"urn:uuid:1","actor":"https://a.example/u"}`,
		`{"type":"Create","id":"https://a.example/1","actor":12}`,
		`{"type":"Create","id":"https://a.example/1","actor":{"id":12}}`,
		`{"type":"Create","id":"https://a.example/1","actor":["https://a.example/u","https://b.example/u"]}`,
		`{"type":"Create","id":"https://a.example/1\r\n","actor":"https://a.example/u"}`,
		`{"type":"Create",` + ids + `,"to":[1]}`,
		`{"type":"Create",` + ids + `,"to":true}`,
		`{"type":"Create",` + ids + `,"cc":[["https://a.example/"]]}`,
		`{"type":"Create",` + ids + `,"object":3}`,
		`{"type":"Create",` + ids + `,"object":{"id":3}}`,
		`{"type":"Create",` + ids + `,"object":["https://a.example/1","https://a.example/2"]}`,
		`{"type":"Create",` + ids + `,"object":[["https://a.example/1"]]}`,
		`{"type":"Create",` + ids + `,"object":"has space"}`,
		`{"type":"Undo",` + ids + `,"object":{"actor":5}}`,
		`{"type":"Undo",` + ids + `,"object":{"object":5}}`,
	}
	for _, doc := range bad {
		if e, err := ParseEnvelope([]byte(doc)); !errors.Is(err, ErrField) {
			t.Errorf("%s: %+v, %v; want ErrField", doc, e, err)
		}
	}
	good := []string{
		`{"type":"Accept","actor":"https://a.example/u"}`,
		`{"type":["Create"],"id":null,"actor":["https://a.example/u"],"to":[null],"cc":null,"object":null}`,
		`{"type":"x:Custom",` + ids + `,"object":{"no":"id"},"unknown":[{"deep":{}}],"@context":7}`,
		` {"\u0074ype":"Like",` + ids + `,"published":"yesterday"} ` + "\n",
	}
	for _, doc := range good {
		if _, err := ParseEnvelope([]byte(doc)); err != nil {
			t.Errorf("%s: %v", doc, err)
		}
	}
}

// ObjectRaw is a part of the body, not a copy, and cannot grow into it.
func TestObjectRawIsThePartOfTheBody(t *testing.T) {
	body := []byte(activityHead + `{"id": "https://a.example/2", "x":"\u00e9" } }`)
	e, err := ParseEnvelope(body)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id": "https://a.example/2", "x":"\u00e9" }`
	if string(e.ObjectRaw) != want || cap(e.ObjectRaw) != len(want) {
		t.Errorf("ObjectRaw = %s, capacity %d", e.ObjectRaw, cap(e.ObjectRaw))
	}
	if &e.ObjectRaw[0] != &body[len(activityHead)] {
		t.Error("ObjectRaw is a copy")
	}
}

func TestAudience(t *testing.T) {
	const f = "https://a.example/followers"
	both := func(to, cc []string) Envelope { return Envelope{To: to, Cc: cc} }
	inline := func(to, cc, oto, occ []string, addressed bool) Envelope {
		return Envelope{To: to, Cc: cc, ObjectInline: true, ObjectTo: oto, ObjectCc: occ, ObjectAddressed: addressed}
	}
	for i, c := range []struct {
		e         Envelope
		to, quiet bool
	}{
		{both([]string{Public}, nil), true, false},
		{both([]string{f, "as:Public"}, nil), true, false},
		{both([]string{"Public"}, []string{Public}), true, false},
		{both([]string{f}, []string{"Public"}), false, true},
		{both([]string{f}, nil), false, false},
		{both(nil, nil), false, false},
		{inline([]string{Public}, nil, nil, nil, false), true, false},
		{inline([]string{Public}, nil, []string{Public}, nil, true), true, false},
		{inline([]string{Public}, nil, []string{f}, []string{Public}, true), false, true},
		{inline([]string{Public}, nil, []string{f}, nil, true), false, false},
		{inline([]string{Public}, nil, nil, nil, true), false, false},
		{inline([]string{f}, nil, []string{Public}, nil, true), false, false},
		{inline([]string{Public}, nil, []string{f}, nil, false), false, false},
	} {
		if c.e.IsPublicTo() != c.to || c.e.IsPublicCc() != c.quiet {
			t.Errorf("%d: to %v, quiet %v", i, c.e.IsPublicTo(), c.e.IsPublicCc())
		}
	}
}

func TestTimes(t *testing.T) {
	want := time.Date(2026, 10, 4, 8, 15, 30, 0, time.UTC)
	for in, ok := range map[string]bool{
		"2026-10-04T08:15:30Z": true, "2026-10-04T10:15:30+02:00": true, "2026-10-04T08:15:30.000000Z": true,
		"2026-10-04T08:15:30": true, "2026-10-04 08:15:30Z": true, "2026-10-04T10:15:30+0200": true,
		"": false, "now": false, "2026-13-04T08:15:30Z": false, "1791101730": false,
	} {
		doc := []byte(`{"type":"Create","actor":"https://a.example/u","published":` + string(must(json.Marshal(in))) + `}`)
		e, err := ParseEnvelope(doc)
		if err != nil {
			t.Fatal(err)
		}
		if ok && !e.Published.Equal(want) || !ok && !e.Published.IsZero() {
			t.Errorf("%q: %v", in, e.Published)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Escapes are read as encoding/json reads them.
func TestStringsAsTheStandardLibrary(t *testing.T) {
	for _, s := range []string{`"plain"`, `"\"\\\/\b\f\n\r\t"`, `"\u00e9\u65e5\ud83d\ude00"`, `"\ud83d"`, `"\ud83dx"`, `"\ude00\ud83d"`, `"\ud83d\u0041"`, `"日本\uD83D\uDE00!"`} {
		var want string
		if err := json.Unmarshal([]byte(s), &want); err != nil {
			t.Fatal(err)
		}
		d, err := scan([]byte(`{"a\u0062":`+s+`}`), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got := d.root().get("ab").str(); got != want {
			t.Errorf("%s: %q, want %q", s, got, want)
		}
		if d.root().get("ab2").present() || d.root().get("a").present() {
			t.Errorf("%s: a wrong key matches", s)
		}
	}
}

// What is accepted is JSON by the standard library too, and reads the same.
func FuzzParseEnvelope(f *testing.F) {
	f.Add([]byte(activityHead + `{"id":"https://a.example/2","to":["Public"],"\u0063c":"as:Public"}}`))
	f.Add([]byte(`{"a":[1.5e-3,true,null,{"b":"\ud83d\ude00"}]}`))
	addDocuments(f, "activity", "refused")
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := ParseEnvelope(body)
		if err != nil {
			if e != nil {
				t.Fatal("an envelope beside an error")
			}
			return
		}
		var std map[string]any
		if err := json.Unmarshal(body, &std); err != nil {
			t.Fatalf("accepted what is not JSON: %v", err)
		}
		if id, ok := std["id"].(string); ok && id != e.ID {
			t.Fatalf("id %q, standard library %q", e.ID, id)
		}
		if e.ObjectInline != (e.ObjectRaw != nil) || e.ObjectInline && !json.Valid(e.ObjectRaw) {
			t.Fatalf("object: inline %v, raw %q", e.ObjectInline, e.ObjectRaw)
		}
		if e.IsPublicTo() && e.IsPublicCc() {
			t.Fatal("public and quiet at once")
		}
		if max(len(e.To), len(e.Cc), len(e.ObjectTo), len(e.ObjectCc)) > maxAudience {
			t.Fatal("audience not cut off")
		}
	})
}

func BenchmarkParseEnvelope(b *testing.B) {
	body := readFile(b, "testdata/activity/mastodon-create.json")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseEnvelope(body); err != nil {
			b.Fatal(err)
		}
	}
}

// The worst documents that the limits let through must not be dear.
func BenchmarkParseEnvelopeHostile(b *testing.B) {
	var keys strings.Builder
	for i := range 19_000 {
		fmt.Fprintf(&keys, `"\u0061%d":0,`, i)
	}
	for name, doc := range map[string]string{
		"escaped keys":  `{` + keys.String() + activityHead[1:] + `0}`,
		"small objects": activityHead + `[` + strings.Repeat(`{"a":0,"b":0,"c":0,"d":0},`, 3_900) + `0]}`,
		"long string":   activityHead + `"` + strings.Repeat(`\u0061`, 170_000) + `"}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseEnvelope([]byte(doc)); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}
