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
