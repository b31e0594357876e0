package query

import (
	"strings"
	"testing"

	"hark/storage"
)

// BenchmarkIndex prepares posts of 500 letters for the index.
func BenchmarkIndex(b *testing.B) {
	for name, text := range map[string]string{
		"english":  strings.Repeat("The quick brown fox jumps over the lazy dog. ", 11),
		"german":   strings.Repeat("Ein übler Straßenköter fräß süße Äpfel, oh weh! ", 10),
		"japanese": strings.Repeat("大地震が起きたので、避難してください。", 27),
	} {
		b.Run(name, func(b *testing.B) {
			p := &storage.Post{URI: "https://a.example/1", Text: text, Handle: "ann@a.example", Host: "a.example"}
			for b.Loop() {
				Index(p)
			}
		})
	}
}

// BenchmarkMatch asks a query of a post, as every live reader does.
func BenchmarkMatch(b *testing.B) {
	q, p := parse(`("look at" OR cats) label:threat -is:reply lang:en`), sample()
	for b.Loop() {
		q.Match(p)
	}
}
