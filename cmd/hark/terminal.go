package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// isTerminal tells whether a stream is a terminal that a person looks at.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// palette writes emphasis for terminals that show it.
type palette struct{ on bool }

// palette returns the emphasis for standard output: none in a pipe, under
// NO_COLOR, or on a dumb terminal.
//
// ref: https://no-color.org (set and not empty)
func (p *program) palette() palette {
	return palette{on: isTerminal(p.stdout) && p.vars["NO_COLOR"] == "" && p.vars["TERM"] != "dumb"}
}

func (c palette) wrap(code, s string) string {
	if !c.on || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (c palette) bold(s string) string { return c.wrap("1", s) }
func (c palette) dim(s string) string  { return c.wrap("2", s) }
func (c palette) red(s string) string  { return c.wrap("31", s) }
func (c palette) mark(s string) string { return c.wrap("1;33", s) }
func (c palette) link(s string) string { return c.wrap("36", s) }

// cleanText makes a stranger's text harmless to a terminal. Control characters
// would move its cursor, change its title or answer in the user's name;
// embeddings and overrides of direction would turn round what stands beside
// the text. Line breaks and tabs stay; control characters are shown as their
// pictures, all else is left out.
func cleanText(s string) string {
	return cleanRunes(s, "\n\t")
}

// cleanLine is cleanText for a text that must stay on one line.
func cleanLine(s string) string {
	return strings.Join(strings.Fields(cleanRunes(s, "\n\t\r")), " ")
}

func cleanRunes(s, keep string) string {
	if strings.IndexFunc(s, hostile) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case strings.ContainsRune(keep, r):
			b.WriteRune(r)
		case r < 0x20:
			b.WriteRune(0x2400 + r) // the control pictures: ␛ for ESC
		case r == 0x7f:
			b.WriteRune(0x2421)
		case r == '\u2028' || r == '\u2029':
			b.WriteByte(' ')
		case !hostile(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hostile tells whether a character does something to a terminal or to the
// text around it rather than being shown.
func hostile(r rune) bool {
	switch {
	case unicode.IsControl(r): // C0, DEL and C1
		return true
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069: // directions
		return true
	case r == 0x2028, r == 0x2029, r == 0xfeff, r == 0x061c:
		return true
	case r >= 0xfff9 && r <= 0xfffb: // interlinear annotation
		return true
	case r == 0xe0001: // language tag
		return true
	}
	return false
}

// writeJSON writes v as one line of JSON. Everything that a terminal might act
// upon is escaped, which leaves the meaning as it is.
func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	out := make([]byte, 0, b.Len())
	line := bytes.TrimRight(b.Bytes(), "\n")
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		switch {
		case !hostile(r):
			out = append(out, line[:n]...)
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		line = line[n:]
	}
	_, err := w.Write(append(out, '\n'))
	return err
}

// table writes rows of cells in columns; the first row is the heading.
func table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = cleanLine(c)
			if cells[i] == "" {
				cells[i] = "-"
			}
		}
		if _, err := fmt.Fprintln(t, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	return t.Flush()
}
