package sig

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
	"testing"
)

// TestNothingElseIsProven rearranges a signed document: every key under every
// other name that the vocabulary has, every two values exchanged, every value
// wrapped as JSON-LD would allow. Whatever is still believed must say the same
// to a reader of plain JSON who takes a list of one for its element and an
// object with nothing but an id for the id.
func TestNothingElseIsProven(t *testing.T) {
	signed := signLD(t, samples(t)["mastodon-undo-announce"])
	want := reading(decoded(t, signed))
	tried, believed := 0, 0
	try := func(what string, doc map[string]any) {
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		tried++
		if _, err := verifyLD(text); err != nil {
			return
		}
		believed++
		if got := reading(doc); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: believed, and reads\n%v\ninstead of\n%v", what, got, want)
		}
	}
	names := []string{"@id", "@type", "@graph", "as:object", "x:y", "signature", "https://www.w3.org/ns/activitystreams#object"}
	for name := range activityStreams.document(true)["@context"].(map[string]any) {
		names = append(names, name)
	}
	sort.Strings(names)
	inner := func(doc map[string]any) map[string]any { return doc["object"].(map[string]any) }
	for _, at := range []func(map[string]any) map[string]any{func(d map[string]any) map[string]any { return d }, inner} {
		var keys []string
		for key := range at(decoded(t, signed)) {
			if key != "@context" && key != "signature" {
				keys = append(keys, key)
			}
		}
		sort.Strings(keys)
		for _, key := range keys {
			for _, name := range names {
				doc := decoded(t, signed)
				o := at(doc)
				if _, taken := o[name]; taken {
					continue
				}
				o[name] = o[key]
				delete(o, key)
				try(key+" as "+name, doc)
			}
			for _, other := range keys {
				doc := decoded(t, signed)
				o := at(doc)
				o[key], o[other] = o[other], o[key]
				try(key+" for "+other, doc)
			}
			for how, wrap := range map[string]func(any) any{
				"list":       func(v any) any { return []any{v} },
				"twice":      func(v any) any { return []any{v, v} },
				"with null":  func(v any) any { return []any{v, nil} },
				"id object":  func(v any) any { return map[string]any{"id": v} },
				"@id object": func(v any) any { return map[string]any{"@id": v} },
				"@value":     func(v any) any { return map[string]any{"@value": v} },
				"@list":      func(v any) any { return map[string]any{"@list": []any{v}} },
				"@set":       func(v any) any { return map[string]any{"@set": []any{v}} },
				"text":       func(v any) any { return fmt.Sprint(v) },
			} {
				doc := decoded(t, signed)
				o := at(doc)
				o[key] = wrap(o[key])
				try(key+" as "+how, doc)
			}
		}
		for _, key := range keys { // moved between the outer and the inner object
			doc := decoded(t, signed)
			if key != "object" {
				doc[key], inner(doc)[key] = inner(doc)[key], doc[key]
				try(key+" moved", doc)
			}
		}
	}
	if tried < 1000 || believed == 0 {
		t.Errorf("%d tried, %d believed", tried, believed)
	}
}

// reading is what a reader of plain JSON takes from a document.
func reading(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if id, ok := v["id"]; ok && len(v) == 1 {
			return id
		}
		o := make(map[string]any, len(v))
		for k, inner := range v {
			if k == "@context" || k == "signature" || blank(inner) {
				continue
			}
			o[k] = reading(inner)
		}
		return o
	case []any:
		if len(v) == 1 {
			return reading(v[0])
		}
		list := make([]any, len(v))
		for i, inner := range v {
			list[i] = reading(inner)
		}
		return list
	}
	return v
}
