package activitypub

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// optOuts are the hashtags by which people say in their profile that they do
// not want to be collected.
var optOuts = []string{"nobot", "noindex", "nosearch", "noarchive", "noresearch", "nobridge"}

// ConsentSignals returns which of #nobot, #noindex, #nosearch, #noarchive,
// #noresearch and #nobridge stand in an actor's name, profile text, fields or
// tags, with their '#', in that order. Case and width do not matter; a longer
// word that begins with one does not count. Indexable and SearchableBy are not
// looked at. A nil actor has none.
func ConsentSignals(a *Actor) []string {
	if a == nil {
		return nil
	}
	found := make(map[string]bool)
	for _, tag := range a.Tags {
		found[foldTag(tag)] = true
	}
	findTags(a.Name, found)
	findTags(a.Summary, found)
	for _, f := range a.Fields {
		findTags(f.Name, found)
		findTags(f.Value, found)
	}
	var out []string
	for _, name := range optOuts {
		if found[name] {
			out = append(out, "#"+name)
		}
	}
	return out
}

// findTags adds the folded hashtags of a text.
func findTags(text string, into map[string]bool) {
	if !strings.ContainsAny(text, "#＃﹟") {
		return
	}
	parts := strings.FieldsFunc(width.Fold.String(text), func(r rune) bool {
		return r != '#' && r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	for _, part := range parts {
		_, tags, ok := strings.Cut(part, "#")
		for tag := range strings.SplitSeq(tags, "#") {
			if ok && tag != "" {
				into[strings.ToLower(tag)] = true
			}
		}
	}
}

func foldTag(tag string) string {
	return strings.ToLower(width.Fold.String(tag))
}
