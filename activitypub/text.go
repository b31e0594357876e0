package activitypub

import (
	"strings"
	"unicode/utf8"
)

// cutText shortens a text to at most max bytes, at the boundary of a rune.
func cutText(s string, max int) string {
	if len(s) <= max {
		return s
	}
	for max > 0 && !utf8.RuneStart(s[max]) {
		max--
	}
	return s[:max]
}

// cleanText removes control characters except line feeds and tabs, and brings
// line ends into one form.
func cleanText(s string) string {
	clean := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' && c != '\n' && c != '\t' || c >= 0x7f {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, strings.ReplaceAll(s, "\r\n", "\n"))
}

// cleanLine is cleanText on one line: runs of white space become one space.
func cleanLine(s string) string {
	return strings.Join(strings.Fields(cleanText(s)), " ")
}

// appendNew appends a string unless it is empty or already there. The lists
// are short: every caller bounds them.
func appendNew(list []string, s string) []string {
	if s == "" {
		return list
	}
	for _, have := range list {
		if have == s {
			return list
		}
	}
	return append(list, s)
}

// plainLinks returns the addresses that stand in a text without markup.
func plainLinks(text string) []string {
	var links []string
	for len(links) < maxLinks {
		i := strings.Index(text, "http")
		if i < 0 {
			break
		}
		text = text[i:]
		if !strings.HasPrefix(text, "http://") && !strings.HasPrefix(text, "https://") {
			text = text[len("http"):]
			continue
		}
		end := strings.IndexAny(text, " \t\n\r\"<>\\`[]{}\u00a0\u3000、。）」』")
		if end < 0 {
			end = len(text)
		}
		link := strings.TrimRight(text[:end], ".,;:!?'*_)")
		// A closing bracket belongs to the address if one was opened in it.
		if end > len(link) && text[len(link)] == ')' && strings.Contains(link, "(") {
			link += ")"
		}
		if _, err := ParseIRI(link); err == nil {
			links = appendNew(links, link)
		}
		text = text[end:]
	}
	return links
}
