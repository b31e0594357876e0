package breach_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"hark/classifier"
	"hark/classifier/breach"
)

// sample is a line of testdata/breach.tsv.
type sample struct {
	line     int // from 1: the even ones are for tuning, the odd ones for judging
	positive bool
	kind     string
	text     string
}

// samples reads testdata/breach.tsv: "1" or "0", a kind, a text in which \n and
// \t are a line break and a tab, and \+ is nothing: it stands within the keys, so
// that no scanner of repositories takes them for real ones.
func samples(tb testing.TB) []sample {
	tb.Helper()
	data, err := os.ReadFile("testdata/breach.tsv")
	if err != nil {
		tb.Fatal(err)
	}
	unescape := strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\+`, "")
	var all []sample
	for k, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		f := strings.SplitN(line, "\t", 3)
		if len(f) != 3 || f[0] != "0" && f[0] != "1" {
			tb.Fatalf("line %d: %q", k+1, line)
		}
		all = append(all, sample{k + 1, f[0] == "1", f[1], unescape.Replace(f[2])})
	}
	return all
}

func score(text string) float64 {
	scores := (breach.Judge{}).Judge(context.Background(), classifier.Input{Text: text}, classifier.Language{})
	if len(scores) == 0 {
		return 0
	}
	return scores[0].Score
}

// counts are those of a kind, or of all.
type counts struct{ hit, missed, falseAlarm, quiet int }

func (c counts) precision() float64 {
	return float64(c.hit) / float64(max(1, c.hit+c.falseAlarm))
}
func (c counts) recall() float64 { return float64(c.hit) / float64(max(1, c.hit+c.missed)) }

// TestCorpus holds the bar on the half of the lines that the detectors were not
// tuned with; -v tells the figures of both halves and, of the tuning half, the
// lines that are judged wrongly.
func TestCorpus(t *testing.T) {
	for half, name := range []string{"tuning", "judging"} {
		var all counts
		kinds := map[string]*counts{}
		for _, s := range samples(t) {
			if s.line%2 != half {
				continue
			}
			c := kinds[s.kind]
			if c == nil {
				c = &counts{}
				kinds[s.kind] = c
			}
			v := score(s.text)
			over := v >= classifier.DefaultThreshold
			for _, c := range []*counts{c, &all} {
				switch {
				case over && s.positive:
					c.hit++
				case over:
					c.falseAlarm++
				case s.positive:
					c.missed++
				default:
					c.quiet++
				}
			}
			if over != s.positive && half == 0 {
				t.Logf("line %d, %s: %.2f %q", s.line, s.kind, v, s.text)
			}
		}
		names := make([]string, 0, len(kinds))
		for n := range kinds {
			names = append(names, n)
		}
		slices.Sort(names)
		for _, n := range names {
			t.Logf("%s %-12s precision %.3f recall %.3f %+v", name, n, kinds[n].precision(), kinds[n].recall(), *kinds[n])
		}
		t.Logf("%s %-12s precision %.3f recall %.3f %+v", name, "all", all.precision(), all.recall(), all)
		if half == 1 && (all.precision() < 0.98 || all.recall() < 0.95) {
			t.Errorf("precision %.3f, recall %.3f", all.precision(), all.recall())
		}
	}
}
