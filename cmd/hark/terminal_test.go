package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"hark/storage"
	"hark/storage/query"
)

func TestCleanText(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "Grüße, 地震 🌊 مرحبا", "Grüße, 地震 🌊 مرحبا"},
		{"colour", "a\x1b[31mred", "a␛[31mred"},
		{"title", "\x1b]0;pwned\x07x", "␛]0;pwned␇x"},
		{"C1 introducer", "a\u009b31mb", "a31mb"},
		{"raw C1 byte", "a\x9b31mb", "a\ufffd31mb"},
		{"delete", "a\x7fb", "a␡b"},
		{"carriage return", "safe\rfake", "safe␍fake"},
		{"backspace", "abc\b\b", "abc␈␈"},
		{"line breaks stay", "a\nb\tc", "a\nb\tc"},
		{"override of direction", "a\u202egnp.exe", "agnp.exe"},
		{"isolates", "\u2066a\u2069", "a"},
		{"separator", "a\u2028b", "a b"},
		{"family emoji", "👨‍👩‍👧", "👨‍👩‍👧"},
		{"flag of tags", "🏴\U000e0067\U000e0062\U000e007f", "🏴\U000e0067\U000e0062\U000e007f"},
		{"marks of direction stay", "a\u200fb", "a\u200fb"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := cleanText(tt.in); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if got := cleanLine(" a\n\tb\r\nc\x1b "); got != "a b c␛" {
		t.Errorf("cleanLine: got %q", got)
	}
}

func FuzzCleanText(f *testing.F) {
	f.Add("a\x1b[31m\u009b\u202e\x9b")
	f.Fuzz(func(t *testing.T, s string) {
		out := cleanText(s)
		if !utf8.ValidString(out) {
			t.Errorf("%q became %q, not UTF-8", s, out)
		}
		for _, r := range out {
			if r != '\n' && r != '\t' && unicode.IsControl(r) {
				t.Errorf("%q became %q, which holds %U", s, out, r)
			}
		}
		if line := cleanLine(s); strings.ContainsAny(line, "\n\r\t") {
			t.Errorf("%q became the line %q", s, line)
		}
	})
}

func TestWriteJSONEscapesWhatATerminalObeys(t *testing.T) {
	in := map[string]string{"text": "a\x1b[31m\u009b\u202e\n\U000e0001 <b> é 火 🌊"}
	var b bytes.Buffer
	if err := writeJSON(&b, in); err != nil {
		t.Fatal(err)
	}
	line := strings.TrimSuffix(b.String(), "\n")
	if strings.ContainsFunc(line, hostile) {
		t.Errorf("%q holds control characters", line)
	}
	if !strings.Contains(line, "<b> é 火 🌊") {
		t.Errorf("%q escapes more than it must", line)
	}
	var out map[string]string
	if err := json.Unmarshal([]byte(line), &out); err != nil {
		t.Fatal(err)
	}
	if out["text"] != in["text"] {
		t.Errorf("reads back as %q, want %q", out["text"], in["text"])
	}
}

// A post is written by a stranger, every field of it.
func TestPrintedPostIsHarmless(t *testing.T) {
	evil := "x\x1b[2J\u009b2J\u202e\r"
	post := &storage.Post{
		URI: "https://a.example/1" + evil, Handle: "eve@a.example" + evil, Name: evil, Language: evil, Software: evil,
		Warning: evil, Text: "before " + evil + " after", Published: time.Unix(0, 0),
		Labels:      []storage.Label{{Name: evil, Score: 0.9, Over: true}},
		Attachments: []storage.Attachment{{Kind: evil, Description: evil}},
	}
	var b bytes.Buffer
	p := &program{stdout: &b, now: time.Now}
	snippet := query.Snippet{Text: post.Text, Marks: [][2]int{{7, 9}, {3, 4}, {20, 999}}}
	if err := p.printPost(post, snippet, palette{}); err != nil {
		t.Fatal(err)
	}
	out := strings.ReplaceAll(b.String(), "\n", "")
	if strings.ContainsFunc(out, hostile) {
		t.Errorf("the output holds what a terminal obeys: %q", out)
	}
	if !strings.Contains(out, "1970-01-01 00:00:00 UTC") || !strings.Contains(out, "before x") {
		t.Errorf("got %q", out)
	}
}

func TestMarksStandWhereTheyBelong(t *testing.T) {
	s := query.Snippet{Text: "the \x1bflood came", Marks: [][2]int{{5, 10}}}
	got := markSnippet(s, palette{on: true})
	if want := "the ␛\x1b[1;33mflood\x1b[0m came"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestColoursNeedATerminal(t *testing.T) {
	p := &program{stdout: &bytes.Buffer{}, vars: map[string]string{"TERM": "xterm"}}
	if p.palette().on {
		t.Error("a pipe gets colours")
	}
}

func TestAgo(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for want, at := range map[string]time.Time{
		"never":         {},
		"just now":      now,
		"5 s ago":       now.Add(-5 * time.Second),
		"119 s ago":     now.Add(-119 * time.Second),
		"2 minutes ago": now.Add(-2 * time.Minute),
		"47 hours ago":  now.Add(-47 * time.Hour),
		"3 days ago":    now.Add(-80 * time.Hour),
		"in 2 hours":    now.Add(2*time.Hour + time.Minute),
	} {
		if got := ago(at, now); got != want {
			t.Errorf("%s: got %q, want %q", at, got, want)
		}
	}
}
