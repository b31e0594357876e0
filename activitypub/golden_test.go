package activitypub

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files from what the readers return")

// TestGolden reads each document of testdata, constructed after the behaviour
// of the software in its name, and compares what was understood with the
// .golden file beside it.
func TestGolden(t *testing.T) {
	readers := map[string]func([]byte) (any, error){
		"activity": func(b []byte) (any, error) {
			e, err := ParseEnvelope(b)
			if err != nil {
				return nil, err
			}
			return struct {
				*Envelope
				ObjectRaw              string
				IsPublicTo, IsPublicCc bool
			}{e, string(e.ObjectRaw[:min(len(e.ObjectRaw), 24)]), e.IsPublicTo(), e.IsPublicCc()}, nil
		},
		"post": func(b []byte) (any, error) { return ParseNote(b) },
		// What is left alone is left alone with a reason, and wholly.
		"left": func(b []byte) (any, error) {
			n, err := ParseNote(b)
			if err == nil || n != nil || !errors.Is(err, ErrType) && !errors.Is(err, ErrField) {
				return nil, fmt.Errorf("read as %+v, %w", n, err)
			}
			return struct{ LeftAlone string }{err.Error()}, nil
		},
		"refused": func(b []byte) (any, error) {
			e, err := ParseEnvelope(b)
			if err == nil || e != nil || !errors.Is(err, ErrField) {
				return nil, fmt.Errorf("read as %+v, %w", e, err)
			}
			return struct{ Refused string }{err.Error()}, nil
		},
		"actor": func(b []byte) (any, error) {
			a, err := ParseActor(b)
			if err != nil {
				return nil, err
			}
			return struct {
				*Actor
				Handle  string
				Consent []string
			}{a, a.Handle(), ConsentSignals(a)}, nil
		},
	}
	for dir, read := range readers {
		files, err := filepath.Glob(filepath.Join("testdata", dir, "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no documents in %s: %v", dir, err)
		}
		for _, file := range files {
			t.Run(dir+"/"+strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
				doc := readFile(t, file)
				got, err := read(doc)
				if err != nil {
					t.Fatal(err)
				}
				compareGolden(t, strings.TrimSuffix(file, ".json")+".golden", got)
			})
		}
	}
}

// Every document says in testdata/README.md whose it is and where that is from.
func TestDocumentsAreExplained(t *testing.T) {
	readme := string(readFile(t, "testdata/README.md"))
	files, err := filepath.Glob("testdata/*/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if name := strings.TrimSuffix(filepath.Base(file), ".json"); !strings.Contains(readme, "`"+name+"`") {
			t.Errorf("testdata/README.md does not mention %s", name)
		}
	}
}

func compareGolden(t *testing.T, file string, got any) {
	t.Helper()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(got); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(readFile(t, file)), b.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func readFile(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
