package query

import (
	"regexp"
	"strings"
	"testing"
)

// fragments are all that the SQL of a query may be made of.
var fragments = regexp.MustCompile(`^(` + strings.Join([]string{
	regexp.QuoteMeta("p.id IN (SELECT rowid FROM post_fts WHERE post_fts MATCH ?)"),
	regexp.QuoteMeta("EXISTS (SELECT 1 FROM post_label l WHERE l.post_id = p.id AND l.name = ? AND l.score ") + `(>|>=|<|<=|=) \?\)`,
	regexp.QuoteMeta("EXISTS (SELECT 1 FROM json_each(p.links) j WHERE substr(j.value, 1, length(?)) = ?)"),
	regexp.QuoteMeta("(p.published >= ? AND p.published < ?)"), regexp.QuoteMeta("(p.received >= ? AND p.received < ?)"),
	` AND `, ` OR `, `NOT `, `\(`, `\)`, `0`, `1`,
}, "|") + `)*$`)

// outside are all that a MATCH expression may have outside of its strings.
var outside = regexp.MustCompile(`^(text : |meta : |AND|OR|NOT|NEAR\(|, \d+\)| \*|\(|\)| |S)*$`)

// stringsOf is an FTS5 string with its doubled quotes.
var stringsOf = regexp.MustCompile(`"(?:[^"]|"")*"`)

// bound checks that nothing of what was typed stands outside of arguments, and
// in a MATCH outside of strings.
func bound(t *testing.T, q *Query) {
	t.Helper()
	where, args := q.SQL()
	if !fragments.MatchString(where) {
		t.Errorf("%s: SQL %s", q, where)
	}
	if n := strings.Count(where, "?"); n != len(args) {
		t.Errorf("%s: %d arguments for %s", q, len(args), where)
	}
	rest := where
	for _, a := range args {
		before, after, _ := strings.Cut(rest, "?")
		if rest = after; !strings.HasSuffix(before, "post_fts MATCH ") {
			continue
		}
		match, ok := a.(string)
		if left := stringsOf.ReplaceAllString(match, "S"); !ok || !outside.MatchString(left) {
			t.Errorf("%s: MATCH %s", q, match)
		}
		if strings.Contains(match, "\x00") {
			t.Errorf("%s: NUL in MATCH %q", q, match)
		}
	}
}

func TestHostileQueries(t *testing.T) {
	for _, text := range []string{
		`'; DROP TABLE post; --`, `" OR 1=1 --`, `x") OR (SELECT 1`, `don't`, `foo-bar`, `C++`, `y:secret`, `meta:threat`, `text : "a"`, `{text meta} : a`,
		`"a" "b" NEAR("c" "d", 5)`, `NEAR(a b, 10)`, `a NOT b`, `^a`, `a*`, `*`, `"*"`, `"a"*`, `a" OR meta : "b`, `from:@a"@b.example`, `from:@a'@b'.example`,
		`from:https://a.example/'"; --`, `label:threat>0.5;--`, `label:"x' OR 1=1"`, `label:x">0.5`, `lang:en"`, `tag:"a b"`, `tag:a'b`, `domain:"a' OR 'b"`,
		`media:"image/' OR 1"`, `url:https://a.example/'"?%_`, `software:"x" OR software:y`, `before:"2025' OR 1"`, "a\x00b", "\xff\xfe", "\ue00fx=threat", "\ue001birds",
		"?", "?1", ":a @a $a", "post_fts MATCH ?", `\"`, `"\"`, `a"b"c`, "a\nOR\nb", "/* */", `"unclosed -- `, strings.Repeat(`"`, 99), strings.Repeat(`("`, 500), `"` + strings.Repeat("a ", 500),
	} {
		q := parse(text)
		bound(t, q)
		bound(t, parse(q.String()))
		q.Match(sample())
		q.SnippetHTML(sample(), 40)
	}
}
