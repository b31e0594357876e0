package rules

import (
	"context"
	"errors"
	"testing"

	"hark/classifier"
)

func judgeOf(t *testing.T, lang, text string) *Judge {
	t.Helper()
	c := newCompiler()
	if err := c.file(lang, text); err != nil {
		t.Fatal(err)
	}
	j := &Judge{set: c.done()}
	j.pool.New = func() any { return &matcher{set: j.set} }
	return j
}

func score(j *Judge, text string, lang classifier.Language) float64 {
	for _, s := range j.Judge(context.Background(), classifier.Input{Text: text}, lang) {
		if s.Label == classifier.Threat {
			return s.Score
		}
	}
	return 0
}

// TestPatterns shows what the parts of a pattern match.
func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		rules     string
		match, no []string
	}{
		{"[threat a] n\n3 red|blue car", []string{"a red car", "BLUE, car", "#RedCar"}, []string{"red big car", "red. Car", "redcar", "cars red"}},
		{"[threat a] n\n3 car*", []string{"carpets", "car"}, []string{"scar"}},
		{"[threat a] n\n3 red ?big|small car", []string{"red car", "red big car"}, []string{"red big small car"}},
		{"[threat a] n\n3 red .. car", []string{"red car", "red a b car"}, []string{"red a b c car", "red a. b car"}},
		{"[threat a] n\n3 red _ car", []string{"red a car"}, []string{"red car", "red a b car"}},
		{"[threat a] n\n3 right_now", []string{"right now", "right, now"}, []string{"right-nowadays"}},
		{"[threat a] n\n3 ^go home", []string{"Go home", "Well. Go home"}, []string{"I go home"}},
		{"%set x = a|b\n[threat a] n\n3 @x|c d", []string{"a d", "b d", "c d"}, []string{"x d"}},
		{"[threat a] n\n3 <money> <percent>", []string{"$5 10%", "5 € 10 %"}, []string{"5 10"}},
		{"[threat a] n\n3 見る ?が 火|水", []string{"見る火", "見るが水"}, []string{"見 火"}},
		{"[threat a] n\n3 강도 가", []string{"강도가", "강도 가"}, []string{"고강도가"}},
		{"[threat a] n\n3 ~강도 가", []string{"고강도가"}, nil},
		{"[threat a] n\n3 بيت كبير", []string{"والبيت الكبير", "بيتٌ كبير"}, []string{"بيت"}},
		{"[threat a] n\n3 kill", []string{"k1ll", "kiiiill", "k i l l", "kіll", "ｋｉｌｌ", "ki\u00adll"}, []string{"skill", "k2ll"}},
		{"[threat a] n\n3 kill\n[threat !b] n\nkill time|process", []string{"kill", "kill x"}, []string{"kill time"}},
		{"%set not = not\n[threat a] n\n3 kill", []string{"kill", "not here, kill"}, []string{"not kill", "not to kill"}},
		{"[threat a] n\n3 kill\n[context fiction] n\nfilm", []string{"kill"}, []string{"kill film"}},
		{"[threat a] n\n3 kill", []string{"“kill”", "kill"}, []string{"he has just said “kill”"}},
	} {
		j := judgeOf(t, "xx", c.rules)
		for _, m := range c.match {
			if s := score(j, m, classifier.Language{Tag: "und"}); s < 0.5 {
				t.Errorf("%q does not match %q: %v", c.rules, m, s)
			}
		}
		for _, m := range c.no {
			if s := score(j, m, classifier.Language{Tag: "und"}); s >= 0.5 {
				t.Errorf("%q matches %q: %v", c.rules, m, s)
			}
		}
	}
}

func TestLanguages(t *testing.T) {
	c := newCompiler()
	for lang, rules := range map[string]string{"de": "[threat a] n\n3 gift", "en": "[threat a] n\n3 poison\n3 poison pill"} {
		if err := c.file(lang, rules); err != nil {
			t.Fatal(err)
		}
	}
	j := &Judge{set: c.done()}
	for _, c := range []struct {
		text string
		lang classifier.Language
		hit  bool
	}{
		{"gift", classifier.Language{Tag: "de", Sure: 1}, true},
		{"gift", classifier.Language{Tag: "en", Sure: 1}, false},
		{"gift", classifier.Language{Tag: "en", Sure: 0.1}, true},
		{"gift", classifier.Language{Tag: "und"}, true},
		{"poison", classifier.Language{Tag: "de", Sure: 1}, false},
		{"poison pill", classifier.Language{Tag: "de", Sure: 1}, true},
	} {
		if hit := score(j, c.text, c.lang) >= 0.5; hit != c.hit {
			t.Errorf("%q as %+v: %v", c.text, c.lang, hit)
		}
	}
}

func TestSyntax(t *testing.T) {
	for _, rules := range []string{
		"3 a", "[threat a] n\nx a", "[threat a] n\n9 a", "[threat a] n\n3", "[threat a] n\n3 ?a b", "[threat a] n\n3 a ..", "[threat a] n\n3 .. a",
		"[nonsense a] n", "[context nonsense] n", "[threat", "%set a", "[threat a] n\n3 @none", "[threat a] n\n3 a|",
	} {
		if err := newCompiler().file("xx", rules); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v", rules, err)
		}
	}
}

// TestEmbedded: the rules that come with the package compile, and every label
// has some in each of the languages.
func TestEmbedded(t *testing.T) {
	j, err := New()
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, p := range j.set.patterns {
		have[p.lang+" "+p.section.label] = true
	}
	for _, lang := range []string{"en", "ja", "de", "es", "ar", "ko", "fr", "pt", "it"} {
		for _, label := range classifier.Labels {
			if !have[lang+" "+label] {
				t.Errorf("no rule for %s in %s", label, lang)
			}
		}
	}
	t.Logf("%d patterns, %d words, %d nodes", len(j.set.patterns), len(j.set.byFirst[unknownLanguage]), len(j.set.trie.nodes))
}
