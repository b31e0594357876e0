package query

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"hark/storage"
)

var now = time.Date(2025, 3, 15, 12, 0, 0, 0, time.UTC)

func parse(text string) *Query { return Parse(text, Options{Now: now}) }

func texts(ts []Token) []string {
	var out []string
	for _, t := range ts {
		out = append(out, t.Text)
	}
	return out
}

func TestTokens(t *testing.T) {
	tests := []struct{ in, want string }{
		{"Hello, World!", "hello world"},
		{"Straße", "strasse"},
		{"Café CAFÉ cafe\u0301", "cafe cafe cafe"},
		{"ＦＵＬＬ　ｗｉｄｔｈ", "full width"},
		{"火災", "火災 災"},
		{"大地震です", "大地 地震 震で です す"},
		{"火", "火"},
		{"東京tower", "東京 京 tower"},
		{"ﾊﾞｽ", "バス ス"},
		{"か\u3099", "が"},
		{"한국어 사랑", "한국 국어 어 사랑 랑"},
		{"don't foo-bar", "don t foo bar"},
		{"C++ and C# and .NET but a+b", "c++ and c# and .net but a b"},
		{"#BlackLivesMatter #weather", "black lives matter blacklivesmatter weather"},
		{"@ann@Fedi.Example", "ann fedi example"},
		{"https://example.com/a?b=c:d", "https example com a b c d"},
		{"fire🔥now", "fire 🔥 now"},
		{"👍🏽", "👍"},
		{"הַסֵּפֶר", "הספר"},
		{"zero\u200bwidth", "zerowidth"},
		{"", ""},
	}
	for _, tt := range tests {
		if got := strings.Join(texts(Tokens(tt.in)), " "); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
	for _, r := range "aZ0-~ぁがゖァヴヺ一鿿가힣" {
		slow := norm.NFKC.String(strip(norm.NFD.String(cases.Fold().String(string(r)))))
		if !settledRune(r) || slow != string(unicode.ToLower(r)) {
			t.Errorf("%c folds to %q", r, slow)
		}
	}
	for _, tt := range Tokens("Über die Straße") {
		if got := Fold("Über die Straße"[tt.Start:tt.End]); got != tt.Text {
			t.Errorf("token %q stands at %q", tt.Text, got)
		}
	}
}

func sample() *storage.Post {
	return &storage.Post{
		ID: 1, URI: "https://fedi.example/notes/1", Actor: "https://fedi.example/users/me", Handle: "me@fedi.example", Name: "Mia Example",
		Host: "fedi.example", Via: "relay.example", Software: "mastodon", Language: "en", Type: "Note",
		Published: time.Date(2025, 1, 20, 8, 0, 0, 0, time.UTC), Received: time.Date(2025, 1, 20, 8, 1, 0, 0, time.UTC),
		Text: "Look at my cluckers! Visit https://example.com/a?b=c:d #StormWatch", Warning: "birds", Sensitive: true,
		Tags: []string{"stormwatch"}, Mentions: []string{"bob@other.example"}, Links: []string{"https://example.com/a?b=c:d"},
		Attachments: []storage.Attachment{{URL: "https://fedi.example/1.png", MediaType: "image/png", Kind: "image", Description: "a hen in the snow"}},
		Poll:        []string{"eggs today", "no eggs"},
		Labels:      []storage.Label{{Name: "threat", Score: 0.9, Over: true}, {Name: "spam", Score: 0.2}},
	}
}

func TestVectors(t *testing.T) {
	tests := []struct {
		q        string
		match    bool
		warnings string
		form     string // canonical; "" as the text
	}{
		{`"look at my cluckers"`, true, "", ""},
		{`animals -cats`, false, "", ""},
		{`cluckers -cats`, true, "", ""},
		{`cat +dog`, false, "", "cat dog"},
		{`-from:@me@fedi.example "cluckers"`, false, "", `-from:@me@fedi.example cluckers`},
		{`has:media is:sensitive language:en before:2025-03-01`, true, "", `has:media is:sensitive lang:en before:2025-03-01`},
		{`FROM:@me@fedi.example during:2025-01 in:public`, true, "", `from:@me@fedi.example during:2025-01 in:public`},
		{`foo:bar`, false, "unknown-field", `"foo:bar"`},
		{`https://example.com/a?b=c:d`, true, "", `"https://example.com/a?b=c:d"`},
		{`#stormwatch -#cats`, true, "", ""},
		{`#StormWatch`, true, "", "#stormwatch"},
		{`storm`, true, "", ""},
		{`lang:ja,en domain:fedi.example order:oldest`, true, "", `lang:ja,en domain:fedi.example sort:oldest`},
		{`"unclosed cluckers`, false, "unclosed-quote", `"unclosed cluckers"`},
		{`"my cluckers`, true, "unclosed-quote", `"my cluckers"`},
		{`from:`, false, "empty-value", "-in:public"},
		{`cluckers from:`, true, "empty-value", "cluckers"},
		{`(bomb OR "active shooter") label:threat -is:reply`, false, "", `(bomb OR "active shooter") label:threat -is:reply`},
		{`(bomb OR cluckers) label:threat -is:reply`, true, "", ""},
		{`shoot* "my at"~5 cluck*`, false, "", ""},
		{`cluck* "cluckers look"~5`, true, "", ""},
		{`"look cluckers"~1`, false, "", ""},
		{`"look cluckers"~99`, true, "near", `"look cluckers"~10`},
		{`place:"New York"`, false, "unsupported", ""},
		{`shoot* "bomb threat"~5 place:"New York"`, false, "unsupported", ""},
		{`cats AND cluckers OR hen`, true, "", `cats cluckers OR hen`},
		{`hen OR cats AND cluckers`, true, "", `hen OR cats cluckers`},
		{`((((`, false, "unclosed-bracket unclosed-bracket unclosed-bracket unclosed-bracket", "-in:public"},
		{`)`, false, "stray-bracket", "-in:public"},
		{`label:threat>0.8`, true, "", ""},
		{`label:threat>=0.95`, false, "", ""},
		{`label:spam`, false, "", ""},
		{`label:spam<0.5`, true, "", ""},
		{`label:spam>2`, false, "bad-value", "-in:public"},
		{`alt:hen`, true, "", ""},
		{`text:hen`, false, "", ""},
		{`hen`, true, "", ""},
		{`cw:birds`, true, "", ""},
		{`eggs`, true, "", ""},
		{`"today no"`, false, "", ""},
		{`name:mia`, true, "", ""},
		{`mia`, false, "", ""},
		{`@bob`, true, "", ""},
		{`@bob@other.example`, true, "", ""},
		{`to:bob@other.example`, true, "", ""},
		{`mentions:other.example`, true, "", ""},
		{`domain:*.example`, true, "", ""},
		{`domain:example`, false, "", ""},
		{`link:example.com`, true, "", ""},
		{`url:https://example.com/a`, true, "", ""},
		{`media:image/*`, true, "", ""},
		{`not:reply before:2026`, true, "", "-is:reply before:2026"},
		{`has:noalt`, false, "", ""},
		{`in:library`, false, "in-library", ""},
		{`after:2025-01-20`, false, "", ""},
		{`after:2025-01-19`, true, "", ""},
		{`during:2025-01-20`, true, "", ""},
		{`during:2024..2025-02`, true, "", ""},
		{`seen:2025-01-20T08:01`, true, "", "seen:2025-01-20t08:01"},
		{`before:-24h`, true, "", ""},
		{`before:tomorrow`, false, "bad-value", "-in:public"},
		{`-cats`, false, "", ""}, // leaves out only: covers the last day
		{`-cats before:2026`, true, "", ""},
		{`-before:2024`, true, "", ""},
		{`lang:en-GB`, true, "", "lang:en-gb"},
		{`OR cluckers`, true, "dangling-operator", "cluckers"},
		{`cluckers OR`, true, "dangling-operator", "cluckers"},
		{`NOT cats cluckers`, true, "", "-cats cluckers"},
		{`or and not`, false, "", ""},
		{`ab* cluckers`, false, "prefix-short", "ab cluckers"},
		{`--cluckers`, true, "", "cluckers"},
		{`don't`, false, "", `"don't"`},
		{`!!!`, false, "", "-in:public"},
		{`#foo-cluckers`, false, "", `#foo "-cluckers"`},
		{`#stormwatch-cluckers`, true, "", `#stormwatch "-cluckers"`},
		{`cats　OR　cluckers`, true, "", "cats OR cluckers"},
		{`cluckers AND`, true, "dangling-operator", "cluckers"},
		{`AND cluckers`, true, "dangling-operator", "cluckers"},
		{`cats AND OR cluckers`, true, "dangling-operator", "cats OR cluckers"},
		{`(cluckers AND)`, true, "dangling-operator", "cluckers"},
		{`from:>me@fedi.example`, false, "bad-value", "-in:public"},
		{`cluckers before:tomorrow`, true, "bad-value", "cluckers"},
		{`cluckers sort:best`, true, "bad-value", "cluckers"},
		{`cluckers in:library`, false, "in-library", ""},
		{`cluckers -entity:cve`, false, "unsupported", ""},
		{`cluckers OR entity:cve`, true, "unsupported", ""},
		{`cluster:>10`, false, "unsupported", `cluster:">10"`},
		{`has:embed`, false, "unsupported", ""},
		{`from:https://fedi.example/users/me`, true, "", ""},
		{`from:https://fedi.example/users/Me`, false, "", ""},
		{`lang:ja,en`, true, "", ""},
		{`cats (lang:ja OR lang:en cluckers)`, false, "", ""},
		{`(lang:ja OR lang:en) cluckers`, true, "", "lang:ja,en cluckers"},
		{`cluckers not:reply,bot -lang:ja,de`, true, "", ""},
		{`url:"https://example.com/a,b",https://example.com/a?b`, true, "", ""},
		{`text:"my cluckers",foo* OR text:x`, true, "", `text:"my cluckers",foo*,x`},
		{`software:"a　b"`, false, "", ""},
		{`#ﷺ`, false, "", "#صلى_الله_عليه_وسلم"},
	}
	p := sample()
	for _, tt := range tests {
		q := parse(tt.q)
		var codes []string
		for _, w := range q.Warnings {
			codes = append(codes, w.Code)
			if w.Text == "" || w.At < 0 || w.At > len(tt.q) {
				t.Errorf("%s: warning %+v", tt.q, w)
			}
		}
		if got := strings.Join(codes, " "); got != tt.warnings {
			t.Errorf("%s: warnings %q, want %q", tt.q, got, tt.warnings)
		}
		form := strings.TrimSpace(tt.form)
		if tt.form == "" {
			form = tt.q
		}
		if got := q.String(); got != form {
			t.Errorf("%s: canonical %q, want %q", tt.q, got, form)
		}
		if got := q.Match(p); got != tt.match {
			t.Errorf("%s: match %v, want %v", tt.q, got, tt.match)
		}
	}
}

func TestNothingIsNotEverything(t *testing.T) {
	for _, text := range []string{"", "   ", "sort:oldest"} {
		if q := parse(text); !q.IsAll() || q.Nothing() {
			t.Errorf("%q should ask for everything", text)
		}
	}
	for _, text := range []string{"from:", "((((", ")", "in:library", "entity:cve", "!!!", `""`, "OR", "-",
		"()", "(())", "AND", "NOT", "+", "-from:", "-entity:cve", "-(entity:cve place:x)", "-in:library", "NOT NOT (in:library)", "-in:public", "sort:best",
		"cluckers -(entity:cve OR place:x)", "() sort:oldest"} {
		q := parse(text)
		if q.IsAll() || !q.Nothing() || q.Match(sample()) {
			t.Errorf("%q finds everything (%+v)", text, q)
		}
		// What is saved is the canonical form: it must find nothing either.
		if again := parse(q.String()); again.IsAll() || !again.Nothing() || again.Match(sample()) {
			t.Errorf("%q finds everything in its canonical form %q", text, q)
		}
	}
}

func TestScriptsWithoutSpaces(t *testing.T) {
	for _, text := range []string{"昨夜の火災", "大地震が起きた", "火"} {
		p := &storage.Post{Text: text}
		for _, want := range map[string][]string{"昨夜の火災": {"火", "火災", "昨夜"}, "大地震が起きた": {"地震", "大地震", "震"}, "火": {"火"}}[text] {
			if !parse(want).Match(p) {
				t.Errorf("%s does not find %s", want, text)
			}
		}
		if parse("水害").Match(p) {
			t.Errorf("水害 finds %s", text)
		}
	}
}

func TestLimits(t *testing.T) {
	has := func(q *Query, code string) bool {
		return slices.ContainsFunc(q.Warnings, func(w Warning) bool { return w.Code == code })
	}
	if q := parse(strings.Repeat("word ", 300)); !has(q, "too-long") || !has(q, "too-many-clauses") {
		t.Errorf("300 words: %+v", q.Warnings)
	}
	if q := parse(strings.Repeat("(", 20) + "x" + strings.Repeat(")", 20)); !has(q, "too-deep") {
		t.Errorf("20 brackets: %+v", q.Warnings)
	}
	deep := strings.Repeat("(a OR (b ", 8) + "lang:ja,en" + strings.Repeat("))", 8)
	if q := parse(deep); len(q.Warnings) > 0 || len(parse(q.String()).Warnings) > 0 {
		t.Errorf("16 brackets: %+v, then %+v", q.Warnings, parse(q.String()).Warnings)
	}
	if q := parse("tag:" + strings.Repeat("a,", 100) + "b"); !has(q, "too-many-clauses") {
		t.Errorf("101 values: %+v", q.Warnings)
	}
	if q := parse("alpha* beta* gamma*"); !has(q, "too-many-prefixes") {
		t.Errorf("three prefixes: %+v", q.Warnings)
	}
}

func TestSnippet(t *testing.T) {
	p := &storage.Post{Text: strings.Repeat("filler words ", 50) + "a <script>fire</script> broke \u202eout " + strings.Repeat("more text ", 50)}
	s := parse("fire").Snippet(p, 80)
	if len(s.Marks) != 1 || s.Text[s.Marks[0][0]:s.Marks[0][1]] != "fire" {
		t.Errorf("%+v", s)
	}
	if strings.Contains(s.Text, "\u202e") {
		t.Error("a control of direction is left in")
	}
	html := string(parse("fire").SnippetHTML(p, 80))
	if !strings.Contains(html, "&lt;script&gt;<mark>fire</mark>&lt;/script&gt;") {
		t.Error(html)
	}
	p = &storage.Post{Text: "nothing here", Attachments: []storage.Attachment{{Description: "a burning barn"}}}
	if s := parse("barn").Snippet(p, 80); s.Text != "a burning barn" || len(s.Marks) != 1 {
		t.Errorf("description: %+v", s)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`a b`, `"a b"~5 -c OR (d e)`, `from:@a@b.example`, `火 地震`, `label:threat>0.8`, `lang:ja,en`, `#tag @me`, `((`, `foo:bar*`, `ﬀ İ ß ŉ`, `seen:>2025-01..`,
		`not:embed -(a -b)`, `url:"https://a/b,c" from:https://a/B`, `-text:"x y",z*`, `"a　b"~3 AND OR NOT`, `#a-b(c)-"d"`, `tag:＃ﷺ,·`,
		"<b>\u202e\u200b</b> storm", "st\u00adorm \u2066x", `storm "storm storm"`} {
		f.Add(s)
	}
	p := sample()
	f.Fuzz(func(t *testing.T, s string) {
		q := parse(s)
		form := q.String()
		again := parse(form)
		where, args := q.SQL()
		if len(form) <= maxBytes {
			if again.String() != form {
				t.Errorf("%q: canonical %q, and of that %q", s, form, again.String())
			}
			whereAgain, argsAgain := again.SQL()
			if where != whereAgain || !slices.Equal(args, argsAgain) || again.IsAll() != q.IsAll() || again.Nothing() != q.Nothing() || again.Match(p) != q.Match(p) {
				t.Errorf("%q means something else than its canonical form %q:\n%s %q\n%s %q", s, form, where, args, whereAgain, argsAgain)
			}
		}
		if q.Nothing() && q.Match(p) {
			t.Errorf("%q: nothing is left, and it matches", s)
		}
		bound(t, q)
		checkSnippet(t, q, &storage.Post{Text: s + " storm " + s, Warning: s})
	})
}

// checkSnippet checks that marks stand on whole letters, one after the other,
// and that no markup of strangers gets through.
func checkSnippet(t *testing.T, q *Query, p *storage.Post) {
	t.Helper()
	const most = 12
	s := q.Snippet(p, most)
	if n := utf8.RuneCountInString(s.Text); n > most+2 || !utf8.ValidString(s.Text) || s.Text != Visible(s.Text) {
		t.Errorf("%q: snippet %q", q, s.Text)
	}
	last := 0
	for _, m := range s.Marks {
		if m[0] < last || m[1] <= m[0] || m[1] > len(s.Text) || !utf8.ValidString(s.Text[m[0]:m[1]]) {
			t.Errorf("%q: marks %v in %q", q, s.Marks, s.Text)
			return
		}
		last = m[1]
	}
	html := strings.NewReplacer("<mark>", "", "</mark>", "").Replace(string(q.SnippetHTML(p, most)))
	if strings.ContainsAny(html, `<>"'`) {
		t.Errorf("%q: markup in %q", q, html)
	}
}
