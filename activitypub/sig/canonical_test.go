package sig

import (
	"encoding/hex"
	"testing"
)

// checked decodes an unsigned document and lets the walker see it. ok is false
// for documents that are refused before they are hashed.
func checked(doc []byte) (v *vocabulary, object map[string]any, statements int, ok bool) {
	object, err := decodeDocument(doc)
	if err != nil {
		return nil, nil, 0, false
	}
	delete(object, "signature")
	v, keep, err := parseVocabulary(object["@context"])
	if err != nil {
		return nil, nil, 0, false
	}
	keep()
	delete(object, "@context")
	w := &walker{vocabulary: v}
	if w.object(object, false) != nil {
		return nil, nil, 0, false
	}
	return v, object, w.statements, true
}

// agree compares the two ways to a canonical form; fast tells whether the
// short one was taken.
func agree(t *testing.T, doc []byte) (fast, safe bool) {
	t.Helper()
	v, object, _, safe := checked(doc)
	if !safe {
		return false, false
	}
	sum, lines, fast := fastHash(v, object)
	if !fast {
		return false, true
	}
	want, wantLines, err := generalHash(v, object)
	if err != nil {
		t.Fatalf("the general processor refuses: %v\n%s", err, doc)
	}
	if sum != want || lines != wantLines {
		t.Fatalf("%d lines, %s; the general processor makes %d, %s\n%s", lines, hex.EncodeToString(sum[:]), wantLines, hex.EncodeToString(want[:]), doc)
	}
	return true, true
}

func TestSamplesAreHashedFast(t *testing.T) {
	for name, doc := range samples(t) {
		if fast, _ := agree(t, doc); !fast {
			t.Errorf("%s needs the general processor", name)
		}
	}
}

// TestValuesAgree writes every kind of value once, and says which are left to
// the general processor. What the walker refuses is in neither list.
func TestValuesAgree(t *testing.T) {
	const head = `{"@context":["https://www.w3.org/ns/activitystreams",{"d":{"@id":"https://x.example/d","@type":"xsd:double"},` +
		`"f":{"@id":"https://x.example/f","@type":"xsd:float"},"s":{"@id":"https://x.example/s","@type":"xsd:string"},` +
		`"b":{"@id":"https://x.example/b","@type":"xsd:boolean"},"l":{"@id":"https://x.example/l","@container":"@list"},` +
		`"lang":{"@id":"https://x.example/lang","@type":"http://www.w3.org/1999/02/22-rdf-syntax-ns#langString"},` +
		`"m":{"@id":"https://x.example/m","@container":"@language"},"two":"https://x.example/d","plain":"https://x.example/plain"}],` +
		`"id":"https://a.example/1","type":"Note",`
	for _, tc := range []struct {
		entries string
		fast    bool
	}{
		{`"plain":""`, true},
		{`"plain":"a\"b\\c\nd\re\tf\u0000\u007f\u0080é\ud83d\ude00"`, true},
		{`"plain":[true,false,0,1,-7,1.5,0.1,1e21,12345678.9,"1","true"]`, false}, // 1e21 is beyond exactness
		{`"plain":[true,false,0,1,-7,1.5,0.1,1e-7,12345678.9,"1","true"]`, true},
		{`"plain":[-0.5,100,9007199254740992,-9007199254740992,5e-324,0.30000000000000004]`, true},
		{`"plain":-0`, false},
		{`"plain":[1,1.0]`, false},
		{`"plain":["x","x"]`, false},
		{`"d":[0,1,1.5,"x",true],"two":[2]`, true},
		{`"d":[0,-0.0]`, false},
		{`"d":"1","two":["1"]`, true},
		{`"f":[0,2,0.25,"x",false]`, true},
		{`"s":["x",true,1,1.5]`, true},
		{`"s":["1",1]`, false},
		{`"b":[true,"false"]`, true},
		{`"b":[true,"true"]`, false},
		{`"lang":"x"`, false},
		{`"m":{"en":"a","DE-at":"a","x-Y-1":""}`, true},
		{`"m":{"en":"a","EN":"a"}`, false},
		{`"l":[]`, true},
		{`"l":"x"`, true},
		{`"l":[1,1,1]`, true},
		{`"l":["a",{"type":"Note"},{"id":"https://a.example/2","name":"b"},true]`, true},
		{`"l":{"name":"x"},"orderedItems":["https://a.example/3","https://a.example/3"]`, true},
		{`"tag":[{},{"id":"https://a.example/2"},"https://a.example/3","as:Public"]`, true},
		{`"tag":[{"id":"https://a.example/1","name":"x"},{"id":"https://a.example/2","tag":{"id":"https://a.example/1"}}]`, true},
		{`"tag":[{},{}]`, false},
		{`"tag":[{"id":"https://a.example/1","name":"x"},{"id":"https://a.example/1","name":"x"}]`, false},
		{`"to":["tag:a.example,2026:1","urn:uuid:1","https://a.example:8443/%20?q=1#f","acct:u@a.example"]`, true},
		{`"to":["https://a.example/é"]`, false},
		{`"to":["https://u@a.example/"]`, false},
		{`"tag":[{"id":"https://a.example/4","width":3,"height":null,"icon":[]}]`, true},
	} {
		doc := []byte(head + tc.entries + "}")
		if fast, _ := agree(t, doc); fast != tc.fast {
			t.Errorf("%s: took the short way: %t", tc.entries, fast)
		}
	}
}

// TestLookalikesAgree is about nodes that are told apart only by what they hang
// on: answers with as many votes, pictures with the same focal point.
func TestLookalikesAgree(t *testing.T) {
	const head = `{"@context":["https://www.w3.org/ns/activitystreams",{"toot":"http://joinmastodon.org/ns#","focalPoint":{"@id":"toot:focalPoint","@container":"@list"}}],"id":"https://a.example/1","type":"Question",`
	answer := func(name string) string {
		return `{"type":"Note","name":"` + name + `","replies":{"type":"Collection","totalItems":0}}`
	}
	picture := func(name, focus string) string {
		return `{"type":"Image","name":"` + name + `","focalPoint":` + focus + `}`
	}
	for name, tc := range map[string]struct {
		entries string
		fast    bool
	}{
		"answers": {`"oneOf":[` + answer("a") + `,` + answer("b") + `,` + answer("c") + `,` + answer("d") + `]`, true},
		"pictures": {`"attachment":[` + picture("a", "[0.1,0.2]") + `,` + picture("b", "[0.1,0.2]") + `,` +
			picture("c", "[0.1,0.2]") + `,` + picture("d", "[0,0]") + `]`, true},
		"the same list twice":  {`"focalPoint":[1,1],"tag":{"focalPoint":[1,1]}`, true},
		"a list of one thing":  {`"focalPoint":[1,1,1,1,1,1,1]`, true},
		"long equal lists":     {`"tag":[{"name":"a","focalPoint":[1,1,1,1,1,1]},{"name":"b","focalPoint":[1,1,1,1,1,1]}]`, true},
		"chains of one length": {`"tag":[{"name":"a","tag":{"tag":{"tag":{"name":"x"}}}},{"name":"b","tag":{"tag":{"tag":{"name":"x"}}}}]`, true},
		"deeper":               {`"tag":[{"tag":{"tag":{"name":"x"}}},{"tag":{"tag":{"name":"y"}}}]`, true},
		"siblings alike":       {`"tag":{"tag":[{"tag":{"name":"x"}},{"icon":{"name":"x"}}]}`, true},
		"twins":                {`"tag":[{"name":"x"},{"name":"x"}]`, false},
		"twins of answers":     {`"oneOf":[` + answer("a") + `,` + answer("a") + `]`, false},
	} {
		doc := []byte(head + tc.entries + "}")
		if fast, _ := agree(t, doc); fast != tc.fast {
			t.Errorf("%s: took the short way: %t", name, fast)
		}
	}
}
