package neighbourhood

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"hark/classifier"
)

// TestCorpus: the posts are many, distinct, in all the languages and forms that
// the demo promises, and every label has posts to catch and posts to leave.
func TestCorpus(t *testing.T) {
	texts, languages := map[string]bool{}, map[string]int{}
	labels, misses, forms := map[string]int{}, map[string]int{}, map[string]int{}
	for _, folder := range []string{"corpus", "unsolved"} {
		entries, err := readEntries(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Text == "" || utf8.RuneCountInString(e.Text) > 500 || texts[e.Text] {
				t.Errorf("empty, too long or twice: %q", e.Text)
			}
			texts[e.Text] = true
			languages[e.Lang]++
			for _, l := range e.Labels {
				labels[l]++
			}
			if e.Miss != "" {
				misses[e.Miss]++
			}
			if slices.Contains(e.Labels, e.Miss) {
				t.Errorf("both to catch and to leave: %s", e.Text)
			}
			if e.Link != "" && !strings.HasPrefix(e.Link, "https://") {
				t.Errorf("link %q", e.Link)
			}
			for _, m := range e.Media {
				kind, _, _ := strings.Cut(m.Type, "/")
				forms[kind]++
				if m.Description == "" {
					t.Errorf("no description: %s", e.Text)
				}
			}
			for form, has := range map[string]bool{
				"warning": e.CW != "", "poll": len(e.Poll) > 1, "tag": len(e.Tags) > 0, "mention": e.Mention != "",
				"link": e.Link != "" || strings.Contains(e.Text, "https://"),
			} {
				if has {
					forms[form]++
				}
			}
		}
	}
	if len(texts) < 250 {
		t.Errorf("%d posts", len(texts))
	}
	for _, l := range []string{"en", "ja", "de", "es", "ar", "ko"} {
		if languages[l] < 25 {
			t.Errorf("%d posts in %s", languages[l], l)
		}
	}
	for _, f := range []string{"image", "video", "warning", "poll", "tag", "mention", "link"} {
		if forms[f] < 5 {
			t.Errorf("%d posts with a %s", forms[f], f)
		}
	}
	for _, l := range classifier.Labels {
		if labels[l] == 0 || misses[l] == 0 {
			t.Errorf("%s: %d to catch, %d to leave", l, labels[l], misses[l])
		}
	}
	for name := range labels {
		if !slices.Contains(classifier.Labels, name) {
			t.Errorf("no such label: %s", name)
		}
	}
	for name := range misses {
		if !slices.Contains(classifier.Labels, name) {
			t.Errorf("no such label: %s", name)
		}
	}
}
