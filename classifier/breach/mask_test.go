package breach_test

import (
	"strings"
	"testing"

	"hark/classifier"
	"hark/classifier/breach"
)

func TestMasker(t *testing.T) {
	secret := "AKIA" + "QX3ZB7MNP4RTVW6K"
	var one, other [32]byte
	one[0], other[0] = 1, 2
	m := breach.NewMasker(one)
	if got, want := m.Mask("key "+secret), "key AKIA…VW6K⟨"+m.Digest(secret)+"⟩"; got != want || len(m.Digest(secret)) != 6 {
		t.Errorf("%q, want %q", got, want)
	}
	if m.Digest(secret) == breach.NewMasker(other).Digest(secret) {
		t.Error("another key gives the same digest")
	}
	if got := breach.NewMasker([32]byte{}).Mask("key " + secret); got != "key AKIA…VW6K" {
		t.Errorf("without a key %q", got)
	}
	if a, b := m.Digest("4539 1488 0343 6467"), m.Digest("4539148803436467"); a != b {
		t.Errorf("%s and %s: the same card written twice", a, b)
	}
	list := "ann.lee@mail.host:Summer2023\nbob@mail.host:Summer2023"
	got := m.Mask(list)
	if d := m.Digest("Summer2023"); got != "a…e@mail.host:S…3⟨"+d+"⟩\n…@mail.host:S…3⟨"+d+"⟩" {
		t.Errorf("%q", got)
	}
	for _, s := range (breach.Judge{Masker: m}).Judge(t.Context(), classifier.Input{Text: list}, classifier.Language{}) {
		for _, r := range s.Reasons {
			if strings.Contains(r.Text, "Summer") || !strings.Contains(r.Text, "⟨") {
				t.Errorf("reason %q", r.Text)
			}
		}
	}
}

// TestMaskOfCorpus: masked text is not changed again, and what is not breached
// data is not changed at all, but for donations, guests' passwords, and the like.
func TestMaskOfCorpus(t *testing.T) {
	var key [32]byte
	key[31] = 7
	m := breach.NewMasker(key)
	changed := 0
	for _, s := range samples(t) {
		for _, mask := range []func(string) string{breach.Mask, m.Mask} {
			once := mask(s.text)
			if twice := mask(once); twice != once {
				t.Errorf("line %d: %q, then %q", s.line, once, twice)
			}
		}
		got := breach.Mask(s.text)
		if !s.positive && got != s.text {
			changed++
			if s.kind != "iban" && s.kind != "wallet" && s.kind != "password" && s.line%2 == 0 {
				t.Logf("line %d, %s: %q", s.line, s.kind, got)
			}
		}
		if s.positive && s.kind != "link" && got == s.text && !strings.Contains(s.text, ":x:") && s.line%2 == 0 {
			t.Errorf("line %d, %s: nothing masked in %q", s.line, s.kind, s.text)
		}
	}
	t.Logf("%d negatives changed", changed)
}

// TestMaskHasNoLimit: what is shown is masked beyond what is judged.
func TestMaskHasNoLimit(t *testing.T) {
	list := strings.Repeat("ann@mail.host:Summer2023\n", 20_000)
	if got := breach.Mask(list); strings.Contains(got, "Summer") {
		t.Errorf("%d bytes are shown", strings.Count(got, "Summer"))
	}
}
