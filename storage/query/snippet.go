package query

import (
	"html"
	"html/template"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"hark/storage"
)

// Snippet is the part of a post that shows why it was found.
type Snippet struct {
	Text  string   // plain text; characters that could deceive are taken out
	Marks [][2]int // byte ranges of Text that the query found, rising, apart
}

// Snippet cuts at most maxRunes out of a post around what the query found: out
// of its text, or where that has nothing, of its warning, poll or
// descriptions. It is plain text: the caller escapes.
func (q *Query) Snippet(p *storage.Post, maxRunes int) Snippet {
	parts := []struct {
		section rune
		text    string
	}{{0, p.Text}, {inWarning, p.Warning}}
	for _, o := range p.Poll {
		parts = append(parts, struct {
			section rune
			text    string
		}{inPoll, o})
	}
	for _, a := range p.Attachments {
		parts = append(parts, struct {
			section rune
			text    string
		}{inAlt, a.Description})
	}
	for _, part := range parts {
		text := Visible(part.text)
		if marks := q.marks(text, part.section); len(marks) > 0 {
			return cut(text, marks, maxRunes)
		}
	}
	text := p.Text
	for i := 1; text == "" && i < len(parts); i++ {
		text = parts[i].text
	}
	return cut(Visible(text), nil, maxRunes)
}

// SnippetHTML is Snippet escaped, with the marks as <mark> elements.
func (q *Query) SnippetHTML(p *storage.Post, maxRunes int) template.HTML {
	s := q.Snippet(p, maxRunes)
	var b strings.Builder
	last := 0
	for _, m := range s.Marks {
		b.WriteString(html.EscapeString(s.Text[last:m[0]]))
		b.WriteString("<mark>" + html.EscapeString(s.Text[m[0]:m[1]]) + "</mark>")
		last = m[1]
	}
	b.WriteString(html.EscapeString(s.Text[last:]))
	return template.HTML(b.String()) //nolint:gosec // every part was escaped
}

// Visible takes out of a text what could make it seem another: controls of
// writing direction, and characters without width.
func Visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), r == utf8.RuneError:
			return -1
		case 0x202a <= r && r <= 0x202e, 0x2066 <= r && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0x061c:
			return -1
		case r == 0x200b, 0x2060 <= r && r <= 0x206f, r == 0xfeff, r == 0xad, r == 0x180e, 0xe0000 <= r && r <= 0xe007f:
			return -1 // joiners (200c, 200d) stay: words and emoji need them
		case 0xfff9 <= r && r <= 0xfffb, r == 0x115f, r == 0x1160, r == 0x3164, r == 0xffa0, r == 0x2028, r == 0x2029:
			return -1 // interlinear marks, blank letters, foreign line ends
		}
		return r
	}, s)
}

// marks are the places in a text that the query's words found.
func (q *Query) marks(text string, section rune) [][2]int {
	if len(q.words) == 0 || text == "" {
		return nil
	}
	ts := Tokens(text)
	stream := make([]string, len(ts))
	for i, t := range ts {
		stream[i] = t.Text
	}
	var marks [][2]int
	for _, w := range q.words {
		if !slices.Contains(w.sections, section) {
			continue
		}
		for k, g := range w.groups {
			for _, at := range places(stream, "", g, w.prefix && k == len(w.groups)-1, false) {
				marks = append(marks, [2]int{ts[at].Start, ts[at+len(g)-1].End})
			}
		}
	}
	slices.SortFunc(marks, func(a, b [2]int) int { return a[0] - b[0] })
	var out [][2]int
	for _, m := range marks {
		if n := len(out); n > 0 && m[0] <= out[n-1][1] {
			out[n-1][1] = max(out[n-1][1], m[1])
		} else {
			out = append(out, m)
		}
	}
	return out
}

// cut takes at most maxRunes of a text, around the first mark.
func cut(text string, marks [][2]int, maxRunes int) Snippet {
	if maxRunes <= 0 || utf8.RuneCountInString(text) <= maxRunes {
		return Snippet{Text: text, Marks: marks}
	}
	start := 0
	if len(marks) > 0 {
		// A third of the room stands before the first mark.
		start = back(text, marks[0][0], maxRunes/3)
	}
	end := start
	for range maxRunes {
		if end >= len(text) {
			break
		}
		_, n := utf8.DecodeRuneInString(text[end:])
		end += n
	}
	s := Snippet{Text: text[start:end]}
	shift := -start
	if start > 0 {
		s.Text = "…" + s.Text
		shift += len("…")
	}
	for _, m := range marks {
		if m[0] >= start && m[0] < end {
			s.Marks = append(s.Marks, [2]int{m[0] + shift, min(m[1], end) + shift})
		}
	}
	if end < len(text) {
		s.Text += "…"
	}
	return s
}

// back goes some runes back, to the begin of a word if one is near.
func back(text string, at, runes int) int {
	start := at
	for range runes {
		if start == 0 {
			return 0
		}
		_, n := utf8.DecodeLastRuneInString(text[:start])
		start -= n
	}
	if i := strings.IndexAny(text[start:at], " \n"); i >= 0 && i < 20 {
		start += i + 1
	}
	return start
}
