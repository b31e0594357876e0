// Package language finds the language of a text: by its script first, within a
// script by letters that few languages use, by frequent words and by sequences
// of letters. The profiles are made from words and sentences written for this
// purpose; they lie in data.
package language

import (
	"math"
	"strings"

	"hark/classifier"
)

// version is raised with every change of profiles or of weighing.
const version = "lang/1"

// Unknown is the tag of a text whose language is not known.
const Unknown = "und"

// minLetters is how many letters a text needs before it is believed rather than
// its author. A Han character or Hangul syllable counts as three.
const minLetters = 12

// maxLetters is how many letters are looked at.
const maxLetters = 600

// unsure is below which certainty the author's tag wins.
const unsure = 0.7

// Identifier implements classifier.Identifier with Detect.
type Identifier struct{}

var _ classifier.Identifier = Identifier{}

// Version implements classifier.Identifier.
func (Identifier) Version() string { return version }

// Identify implements classifier.Identifier.
func (Identifier) Identify(text, authorTag string) classifier.Language {
	tag, sure := Detect(text, authorTag)
	return classifier.Language{Tag: tag, Sure: sure}
}

// Detect returns the BCP 47 primary tag of a text's language and how sure that
// is, in [0, 1]. Links, mentions and hashtags do not count. The author's tag
// ("": none) wins where the text has fewer than twelve letters or where it is
// not clear, and between languages that are hard to tell apart. Without either
// the tag is "und" and the certainty 0.
func Detect(text, authorTag string) (tag string, sure float64) {
	author := Primary(authorTag)
	s := survey(text)
	defer samples.Put(s)
	if s.weight < minLetters {
		return byAuthor(author, s)
	}
	tag, sure = s.guess(author)
	switch {
	case tag == Unknown:
		return byAuthor(author, s)
	case author == Unknown:
		if sure < 0.3 {
			return Unknown, 0
		}
		return tag, sure
	case sure < unsure && s.plausible(author), kin(tag, author):
		return author, math.Max(0.5, sure*0.8)
	}
	return tag, sure
}

// byAuthor believes the author, or in the script where it has one language only.
func byAuthor(author string, s *sample) (string, float64) {
	if author != Unknown {
		return author, 0.5
	}
	if s.weight >= 2 {
		if tag, ok := s.onlyByScript(); ok {
			return tag, 0.5
		}
	}
	return Unknown, 0
}

// Primary is the primary subtag of a BCP 47 tag in lower case, with old codes
// made new; "und" where there is none.
// ref: RFC 5646 §2.2.1
func Primary(tag string) string {
	tag = strings.ToLower(strings.TrimSpace(tag))
	if k := strings.IndexAny(tag, "-_"); k >= 0 {
		tag = tag[:k]
	}
	if len(tag) < 2 || len(tag) > 3 {
		return Unknown
	}
	for k := range len(tag) {
		if tag[k] < 'a' || tag[k] > 'z' {
			return Unknown
		}
	}
	switch tag {
	case "iw":
		return "he"
	case "in":
		return "id"
	case "no":
		return "nb"
	case "sh":
		return "sr"
	case "mul", "zxx", "mis":
		return Unknown
	}
	return tag
}

// families are languages that short texts do not tell apart.
var families = [][]string{
	{"nb", "nn", "da"}, {"hr", "bs", "sr", "me"}, {"id", "ms"}, {"pt", "gl"}, {"zh", "yue", "wuu", "cmn", "lzh", "nan"}, {"tl", "fil"},
	{"cs", "sk"}, {"fa", "prs"}, {"hi", "mr", "ne"}, {"ar", "arz", "ary", "apc"}, {"de", "gsw", "nds", "lb", "bar"}, {"fi", "et"},
	{"tr", "az"}, {"en", "sco"}, {"es", "ast"}, {"nl", "af", "li", "fy"},
}

// kin says whether a text that looks like a may as well be of the author's
// language b: one family, and b has no profile that it could be compared with.
func kin(a, b string) bool {
	if a == b {
		return false
	}
	for _, f := range families {
		ina, inb := false, false
		for _, t := range f {
			ina, inb = ina || t == a, inb || t == b
		}
		if ina && inb {
			return !profiled(b)
		}
	}
	return false
}
