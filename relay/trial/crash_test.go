package trial_test

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"hark/relay/trial"
)

// TestCrash kills a real node during traffic a few times; `hark selftest crash
// --rounds 50` is the long form.
func TestCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	binary := filepath.Join(t.TempDir(), "hark")
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGKILL on this system")
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "hark/cmd/hark").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	r, err := trial.Crash(t.Context(), trial.CrashOptions{Binary: binary, Dir: t.TempDir(), Rounds: 3, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if r.Lost() {
		t.Errorf("promises were broken: %+v", r)
	}
	if r.Acknowledged < 20 || r.Expected != 6*r.Acknowledged {
		t.Errorf("the trial hardly tried: %d acknowledged, %d deliveries owed", r.Acknowledged, r.Expected)
	}
}
