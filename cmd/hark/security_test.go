package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"hark/relay/inbox"
)

// fewestAttacks is how many rows docs/security.md has at least.
const fewestAttacks = 60

// unread are the reasons of the HTTP surface, which refuses before the inbox
// sees a delivery, with their statuses.
var unread = map[string]int{
	"content-type": 415, "content-encoding": 415, "slow": 408, "body": 400,
	"not-found": 404, "method-not-allowed": 405, "resource": 400,
}

var (
	attackIDs  = regexp.MustCompile(`\bA([0-9]+)\b`)
	namedTests = regexp.MustCompile("`([a-z/]+)\\.(Test[A-Za-z0-9_]*|Fuzz[A-Za-z0-9_]*)`")
	answerings = regexp.MustCompile("([0-9]{3}) `([a-z-]+)`")
)

// TestSecurityTable: every attack that docs/security.md lists is shown by a
// test that exists, and every answer is one that Hark gives.
func TestSecurityTable(t *testing.T) {
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := testFunctions(t, root)
	statuses := map[string]int{}
	for _, r := range inbox.Reasons() {
		statuses[string(r)] = r.Status()
	}
	for reason, status := range unread {
		statuses[reason] = status
	}
	covered := map[int]bool{}
	rows := 0
	for number, line := range strings.Split(string(text), "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "| ---") || cells[0] == "id" {
			continue
		}
		rows++
		where := fmt.Sprintf("docs/security.md:%d", number+1)
		if len(cells) != 4 {
			t.Errorf("%s: %d cells, want id, attack, answer, test", where, len(cells))
			continue
		}
		for _, m := range attackIDs.FindAllStringSubmatch(cells[0], -1) {
			id, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			covered[id] = true
		}
		named := namedTests.FindAllStringSubmatch(cells[3], -1)
		if len(named) == 0 {
			t.Errorf("%s: no test, written as `folder.TestName`", where)
		}
		for _, m := range named {
			if !tests[m[1]+"."+m[2]] {
				t.Errorf("%s: there is no %s in %s", where, m[2], m[1])
			}
		}
		for _, m := range answerings.FindAllStringSubmatch(cells[2], -1) {
			if status, ok := statuses[m[2]]; !ok || strconv.Itoa(status) != m[1] {
				t.Errorf("%s: %s is not answered with %s", where, m[2], m[1])
			}
		}
	}
	for id := 1; id <= 40; id++ {
		if id != 39 && !covered[id] { // there is no A39
			t.Errorf("docs/security.md lacks A%d", id)
		}
	}
	if rows < fewestAttacks {
		t.Errorf("docs/security.md has %d rows, at least %d are promised", rows, fewestAttacks)
	}
}

// testFunctions returns "folder.TestName" of every test and fuzz target.
func testFunctions(t *testing.T, root string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				out[filepath.ToSlash(folder)+"."+f.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
