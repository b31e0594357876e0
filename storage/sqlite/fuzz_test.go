package sqlite

import (
	"errors"
	"slices"
	"testing"

	"hark/storage"
)

func FuzzParseCursor(f *testing.F) {
	for _, c := range []cursor{{order: newest, id: 1}, {order: oldest, id: 1 << 60}, {order: score, id: 7, top: 9, rank: 0.5}, {order: relevance, id: 7, top: 9, rank: -3}} {
		f.Add(c.String(), string(c.order))
	}
	f.Add("", "n")
	f.Add("nonsense!", "r")
	f.Fuzz(func(t *testing.T, text, o string) {
		if !slices.Contains([]order{newest, oldest, relevance, score}, order(o)) {
			return
		}
		c, err := parseCursor(text, order(o))
		if err != nil {
			if !errors.Is(err, storage.ErrCursor) {
				t.Errorf("error %v", err)
			}
			return
		}
		if text == "" {
			return
		}
		again, err := parseCursor(c.String(), order(o))
		if err != nil || again != c {
			t.Errorf("%q: %+v became %+v, %v", text, c, again, err)
		}
	})
}

func FuzzAuthorsOf(f *testing.F) {
	for _, s := range []string{`{"attributedTo":"https://a.example/ann"}`, `{"attributedTo":{"id":"https://a.example/ann"}}`,
		`{"attributedTo":["https://a.example/ann",{"id":"x"},7,null]}`, `{"attributedTo":null}`, `{}`, `[`, "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(_ *testing.T, object []byte) { authorsOf(object) })
}

func TestAuthorsOf(t *testing.T) {
	for object, want := range map[string][]string{
		`{"attributedTo":"a"}`:              {"a"},
		`{"attributedTo":{"id":"a"}}`:       {"a"},
		`{"attributedTo":["a",{"id":"b"}]}`: {"a", "b"},
		`{"actor":"a"}`:                     nil,
		`"a"`:                               nil,
		`{`:                                 nil,
	} {
		if got := authorsOf([]byte(object)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", object, got, want)
		}
	}
}
