package fold_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"hark/classifier/fold"
)

func words(s string) []string {
	t := fold.New(s)
	var out []string
	for i := range t.Tokens {
		out = append(out, string(t.Bytes(i)))
	}
	return out
}

func TestNew(t *testing.T) {
	for in, want := range map[string][]string{
		"Hello, World!":          {"hello", "world"},
		"ＦＵＬＬ ｗｉｄｔｈ":             {"full", "width"},
		"k\u200bi\u200cl\u2060l": {"kill"},
		"𝐤𝐢𝐥𝐥 𝓎ℴ𝓊 ⓨⓞⓤ 🅺🅸🅻🅻": {"kill", "you", "you", "kill"},
		"Z̴̢a̵l̶g̷o̸":       {"zalgo"},
		"kіll yоu":          {"kill", "you"}, // і and о are Cyrillic
		"кот и пёс":         {"кот", "и", "пес"},
		"Straße Ärger cœur": {"strasse", "arger", "coeur"},
		"地震だ":               {"地", "震", "だ"},
		"ﾊﾞｶ は\u3099":       {"バ", "カ", "ば"},
		"한국어\u1100\u1161":   {"한", "국", "어", "가"},
		"أَلْعَرَبِيَّة ـــ إلى": {"العربيه", "الي"},
		"I don't l'homme":           {"i", "don't", "l", "homme"},
		"#KillAllBugs now":          {"kill", "all", "bugs", "now"},
		"f*ck sh!t a$$hole *bold*":  {"f*ck", "sh!t", "a$$hole", "bold"},
		"see https://A.example/B?c": {"see", "https://a.example/b?c"},
		"hi @ann@fedi.example ok":   {"hi", "@ann@fedi.example", "ok"},
		"mail ann@fedi.example.":    {"mail", "ann@fedi.example"},
		"\xff\xfeab\xff":            {"ab"},
		"":                          nil,
	} {
		if got := words(in); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestVariants(t *testing.T) {
	for in, want := range map[string]string{
		"k1ll": "kill", "1d10t": "idiot", "a55h0le": "asshole", "f@ggot": "faggot", "stuuuupid": "stupid", "kiiiilll": "kil", "he11o": "hello",
	} {
		text := fold.New(in)
		got := strings.Split(string(text.Variants(0, nil)), "\x00")
		if !slices.Contains(got, want) {
			t.Errorf("%q: %q lacks %q", in, got, want)
		}
	}
	joined := fold.New("go k i l l them").Joined()
	if len(joined) != 1 || string(joined[0].Word) != "kill" || joined[0].First != 1 || joined[0].Last != 4 {
		t.Errorf("%+v", joined)
	}
}

func TestFlags(t *testing.T) {
	text := fold.New("He said “go away”. NOW, please")
	flags := map[string]fold.Flag{}
	for i, tok := range text.Tokens {
		flags[string(text.Bytes(i))] = tok.Flags
	}
	if flags["go"]&fold.Quoted == 0 || flags["away"]&fold.Quoted == 0 || flags["said"]&fold.Quoted != 0 {
		t.Error("quotation", flags)
	}
	if flags["now"]&(fold.Break|fold.Upper) != fold.Break|fold.Upper || flags["please"]&fold.Pause == 0 || flags["said"]&fold.Break != 0 {
		t.Error("breaks", flags)
	}
}

func TestFind(t *testing.T) {
	for _, c := range []struct{ text, phrase, found string }{
		{"the Dead  Sea!", "dead sea", "Dead  Sea"},
		{"the deadsea", "dead sea", ""},
		{"unkillable", "kill", ""},
		{"東京に行く", "東京", "東京"},
		{"café", "CAFE", "café"},
	} {
		from, to, ok := fold.New(c.text).Find(fold.Phrase(c.phrase))
		if ok != (c.found != "") || c.text[from:to] != c.found {
			t.Errorf("%q in %q: %q %v", c.phrase, c.text, c.text[from:to], ok)
		}
	}
}

func FuzzNew(f *testing.F) {
	for _, s := range []string{"k\u200bill yоu", "ﾊﾞｶ", "“a” «b» > c", "\xff", "#AbC @a@b.c d@e.fg http://x", "a'b l'été", "각", strings.Repeat("a!", 40), "½ ﷺ ㍿"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := fold.New(s)
		if !utf8.Valid(text.Folded) {
			t.Fatalf("%q", text.Folded)
		}
		var last fold.Token
		for i, tok := range text.Tokens {
			if tok.From < last.To || tok.To <= tok.From || int(tok.To) > len(s) || tok.Start < last.End || tok.End <= tok.Start || int(tok.End) > len(text.Folded) {
				t.Fatalf("token %d: %+v after %+v", i, tok, last)
			}
			text.Variants(i, nil)
			last = tok
		}
		text.Joined()
		if p := fold.Phrase(s); p != "" && len(s) < 1000 {
			text.Find(p)
		}
	})
}

func BenchmarkNew(b *testing.B) {
	text := strings.Repeat("The quick brown fox jumps over the lazy dog, 東京タワー и пёс. ", 3)
	b.SetBytes(int64(len(text)))
	for range b.N {
		fold.New(text)
	}
}
