package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

// hark runs a command line in the current folder, without the process's own
// environment.
func hark(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.Background(), args, strings.NewReader(stdin), &out, &errs, nil)
	return out.String(), errs.String(), code
}

func TestTokenIsRevoked(t *testing.T) {
	t.Chdir(t.TempDir())
	out, errs, code := hark(t, "", "token", "add", "--scope", "search", "--holder", "a", "--purpose", "b", "--json")
	if code != exitOK {
		t.Fatal(errs)
	}
	var made tokenView
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		t.Fatal(err)
	}
	if made.Token == "" || made.ID == "" || made.Expires == nil {
		t.Fatalf("got %+v", made)
	}
	if out, errs, code := hark(t, "", "token", "revoke", made.ID, "t-none"); code != exitFailure || out != made.ID+" revoked\n" || !strings.Contains(errs, `no token "t-none"`) {
		t.Errorf("revoke: %d %q %q", code, out, errs)
	}
	out, _, _ = hark(t, "", "token", "list", "--json")
	if !strings.Contains(out, `"state":"revoked"`) || strings.Contains(out, made.Token) {
		t.Errorf("list: %s", out)
	}
}

// Whoever meets a command for the first time finds what it does and an example
// of it.
func TestEveryCommandIsDocumented(t *testing.T) {
	p := &program{}
	for _, cmd := range everyCommand(p.root()) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") || unicode.IsLower([]rune(cmd.Short)[0]) {
			t.Errorf("%s: short description %q", cmd.CommandPath(), cmd.Short)
		}
		if !strings.Contains(cmd.Example, cmd.CommandPath()) {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		for line := range strings.SplitSeq(cmd.Long+"\n"+cmd.Example, "\n") {
			if len([]rune(line)) > 100 {
				t.Errorf("%s: a line of %d letters: %q", cmd.CommandPath(), len([]rune(line)), line)
			}
		}
	}
}

// An error may carry what a stranger wrote.
func TestErrorsAreHarmless(t *testing.T) {
	t.Chdir(t.TempDir())
	_, errs, code := hark(t, "", "import", "x\x1b[2J\u202e.tar.gz")
	if code != exitFailure || strings.ContainsFunc(strings.ReplaceAll(errs, "\n", ""), hostile) {
		t.Errorf("%d %q", code, errs)
	}
}
