package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// maxLines is how long a file may be before it holds more than one thing.
const maxLines = 600

// mayImport says which rooms of this module a room may import. Arrows run
// downwards only, and the three rooms on the ground floor do not know each
// other, so that each can be used, tested and replaced alone.
var mayImport = map[string][]string{
	"cmd":         {"cmd", "relay", "activitypub", "classifier", "storage"},
	"relay":       {"relay", "activitypub", "classifier", "storage"},
	"activitypub": {"activitypub"},
	"classifier":  {"classifier"},
	"storage":     {"storage"},
}

// fences says in which one folder an outside library may be imported, so that
// replacing it is a change of one room.
var fences = map[string]string{
	"github.com/labstack/echo":      "relay/server",
	"github.com/go-fed/httpsig":     "activitypub/sig",
	"github.com/piprate/json-gold":  "activitypub/sig",
	"github.com/dunglas/httpsfv":    "activitypub/sig",
	"github.com/gowebpki/jcs":       "activitypub/sig",
	"github.com/go-ap/":             "activitypub",
	"modernc.org/sqlite":            "storage/sqlite",
	"github.com/spf13/cobra":        "cmd/hark",
	"github.com/BurntSushi/toml":    "cmd/hark",
	"github.com/schollz/progressba": "cmd/hark",
	"github.com/gomlx/":             "classifier/transformer",
}

// simulated: behaviour never depends on a test double, save for the demo and
// the trials.
const simulated = "hark/relay/neighbourhood"

func TestHouse(t *testing.T) {
	root := filepath.Join("..", "..")
	packages := map[string]bool{} // folder → has a package comment
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != root && (strings.HasPrefix(name, ".") && name != ".." || name == "testdata" || name == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) == ".go" {
			checkFile(t, root, path, packages)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for folder, commented := range packages {
		if !commented {
			t.Errorf("%s has no package comment: a newcomer reads it first", folder)
		}
	}
}

func checkFile(t *testing.T, root, path string, packages map[string]bool) {
	t.Helper()
	rel, err := filepath.Rel(root, path)
	if err != nil {
		t.Fatal(err)
	}
	rel = filepath.ToSlash(rel)
	folder := filepath.ToSlash(filepath.Dir(rel))
	room, _, _ := strings.Cut(folder, "/")
	test := strings.HasSuffix(rel, "_test.go")
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(src, []byte("\n")); n > maxLines {
		t.Errorf("%s has %d lines, more than %d: split it by what it does", rel, n, maxLines)
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := mayImport[room]; !ok {
		t.Errorf("%s: %q is no room of the house", rel, room)
	}
	switch file.Name.Name {
	case "util", "common", "helpers", "types":
		t.Errorf("%s: a package is called after what it holds, not %q", rel, file.Name.Name)
	}
	if !test {
		packages[folder] = packages[folder] || file.Doc != nil
	}
	for _, imp := range file.Imports {
		name, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if inner, ok := strings.CutPrefix(name, "hark/"); ok {
			to, _, _ := strings.Cut(inner, "/")
			if !slices.Contains(mayImport[room], to) {
				t.Errorf("%s imports %s: arrows run downwards, and the ground floor's rooms do not know each other", rel, name)
			}
			if name == simulated && !test && room != "cmd" && folder != "relay/trial" {
				t.Errorf("%s imports %s: behaviour does not depend on simulated instances", rel, name)
			}
		}
		for lib, only := range fences {
			if strings.HasPrefix(name, lib) && folder != only {
				t.Errorf("%s imports %s: only %s does, so that replacing it is a change of one room", rel, name, only)
			}
		}
	}
	if !test {
		checkGoStatements(t, rel, src, file)
	}
}

// checkGoStatements wants a comment beside every go statement that says who
// waits for it; WaitGroup.Go and errgroup need none.
func checkGoStatements(t *testing.T, rel string, src []byte, file *ast.File) {
	t.Helper()
	lines := bytes.Split(src, []byte("\n"))
	ast.Inspect(file, func(n ast.Node) bool {
		g, ok := n.(*ast.GoStmt)
		if !ok {
			return true
		}
		line := 1 + bytes.Count(src[:int(g.Pos()-file.FileStart)], []byte("\n"))
		here := lines[line-1]
		above := []byte(nil)
		if line > 1 {
			above = bytes.TrimSpace(lines[line-2])
		}
		if !bytes.Contains(here, []byte("//")) && !bytes.HasPrefix(above, []byte("//")) {
			t.Errorf("%s:%d: a bare go statement: every goroutine has an owner that waits; say who", rel, line)
		}
		return true
	})
}
