package query

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestParseFilter(t *testing.T) {
	now := Options{Now: time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)}
	for text, want := range map[string]string{ // "" is usable; else a part of the error
		"lang:ja -label:spam":        "",
		"#weather":                   "",
		"-label:spam":                "",
		"in:public":                  "",
		"after:-2d flood*":           "",
		"":                           "asks for everything",
		" \n ":                       "asks for everything",
		"-in:public":                 "nothing can match",
		"place:berlin":               "cannot be searched for yet",
		"has:picture":                "is not one of",
		"label:spam>2":               "a score from 0 to 1",
		"flood OR":                   "OR stands beside nothing",
		"(flood":                     "a bracket is not closed",
		"flood sort:relevance":       "no meaning in a filter",
		strings.Repeat("word ", 300): "only the first",
	} {
		q, err := ParseFilter(text, now)
		switch {
		case want == "" && (err != nil || q == nil):
			t.Errorf("%q: %v", text, err)
		case want != "" && (!errors.Is(err, ErrFilter) || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestJudged(t *testing.T) {
	for text, want := range map[string]bool{
		"label:spam": true, "-label:spam": true, "label:threat>0.8 flood": true, "flood OR lang:ja": true, "(a (b -(c lang:en-GB)))": true,
		"": false, "flood -rain": false, "-rain": false, "#label domain:lang.example from:@lang@label.example is:bot": false, "software:label link:x.example": false,
	} {
		if got := Parse(text, Options{}).Judged(); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
