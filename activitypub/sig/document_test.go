package sig

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// decodeByToken is decodeDocument written the long way, token by token.
func decodeByToken(doc []byte) (map[string]any, bool) {
	if len(doc) > maxDocument || !utf8.Valid(doc) || !json.Valid(doc) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	values := 0
	var read func(depth int) (any, bool)
	read = func(depth int) (any, bool) {
		if values++; values > maxValues || depth > maxDepth {
			return nil, false
		}
		t, err := d.Token()
		if err != nil {
			return nil, false
		}
		switch t := t.(type) {
		case json.Number:
			f, err := t.Float64()
			return f, err == nil && math.Abs(f) <= maxExact
		case json.Delim:
			object, array := map[string]any{}, []any{}
			for d.More() {
				key := ""
				if t == '{' {
					name, err := d.Token()
					if err != nil {
						return nil, false
					}
					key = name.(string)
				}
				v, ok := read(depth + 1)
				if _, twice := object[key]; !ok || t == '{' && twice {
					return nil, false
				}
				if t == '{' {
					object[key] = v
				} else {
					array = append(array, v)
				}
			}
			if _, err := d.Token(); err != nil {
				return nil, false
			}
			if t == '{' {
				return object, true
			}
			return array, true
		default:
			return t, true
		}
	}
	v, ok := read(0)
	if _, err := d.Token(); !ok || err != io.EOF {
		return nil, false
	}
	object, ok := v.(map[string]any)
	return object, ok
}

func sameDecoding(t *testing.T, doc []byte) {
	t.Helper()
	got, err := decodeDocument(doc)
	want, ok := decodeByToken(doc)
	if (err == nil) != ok || ok && !reflect.DeepEqual(got, want) {
		t.Fatalf("%.200q: got %v, %v, want %v, %t", doc, got, err, want, ok)
	}
	if err != nil && !errors.Is(err, ErrUnsafeDocument) {
		t.Fatalf("%.200q: %v", doc, err)
	}
}

var oddDocuments = []string{
	`{}`, `[]`, `null`, ``, ` {} `, `{}{}`, `{} x`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"a":{"b":1},"a":{"c":2}}`,
	`{"a":{"b":1,"b":1}}`, `{"a":[{"b":1},{"b":1}]}`, `{"\ud800":1,"\ud801":2}`, `{"a":"\ud800"}`, `{"a":"\":,{["}`, `{"a\\":1,"a\\\"":2}`,
	`{"a":1e400}`, `{"a":9007199254740993}`, `{"a":9007199254740992}`, `{"a":-0}`, `{"a":0.1,"b":1E2}`, `{"a":01}`, `{"a":+1}`, `{"a":.5}`,
	`{"a":NaN}`, `{'a':1}`, `{"a":1,}`, `{"a" 1}`, `{"a"::1}`, `{,}`, `{"a":[1,,2]}`, `{"a":"` + "\n" + `"}`, `{"a":"\x41"}`, "\ufeff{}", `{"a":tru}`, `{"a":"`, `{"a":"\`,
}

func TestOddDocuments(t *testing.T) {
	for _, doc := range oddDocuments {
		sameDecoding(t, []byte(doc))
	}
	for _, n := range []int{maxDepth - 1, maxDepth, maxDepth + 1, maxDepth + 2, 10_000} {
		sameDecoding(t, []byte(`{"a":`+strings.Repeat("[", n)+strings.Repeat("]", n)+`}`))
	}
	for _, n := range []int{maxValues - 3, maxValues - 2, maxValues - 1, maxValues, 3 * maxValues} {
		sameDecoding(t, []byte(`{"a":[`+strings.Repeat("1,", n)+`1]}`))
	}
}

// FuzzDecodeDocument: the quick way to decode a document, and to find keys that
// it has twice, is as strict as the slow one.
func FuzzDecodeDocument(f *testing.F) {
	for _, doc := range oddDocuments {
		f.Add([]byte(doc))
	}
	for _, doc := range samples(f) {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc []byte) { sameDecoding(t, doc) })
}
