package listen

import (
	"hark/activitypub"
)

// Level is how much consent storing asks of an author.
type Level string

// The levels.
const (
	OptIn  Level = "opt-in"
	OptOut Level = "opt-out"
	Public Level = "public"
)

// Consent tells whether an author's posts may be kept and which rule says so;
// the strictest signal wins. It is pure. A nil actor is one that is not known:
// its posts are counted only.
//
// ref: contracts/trust.md; FEP-5feb (indexable), FEP-268d (searchableBy).
func Consent(level Level, a *activitypub.Actor) (bool, string) {
	if a == nil {
		return false, "actor-unknown"
	}
	if level == Public {
		return true, "public"
	}
	if a.SignInRequired {
		return false, "sign-in-required" // to show it here would be to show it to anybody
	}
	if signals := activitypub.ConsentSignals(a); len(signals) > 0 {
		return false, "profile-" + signals[0]
	}
	searchable := false
	for _, s := range a.SearchableBy {
		searchable = searchable || activitypub.IsPublic(s)
	}
	if a.HasSearchableBy && !searchable {
		return false, "searchable-by"
	}
	if a.Indexable != nil && !*a.Indexable {
		return false, "not-indexable"
	}
	if searchable {
		return true, "searchable-by"
	}
	if a.Indexable != nil && *a.Indexable {
		return true, "indexable"
	}
	if level == OptIn {
		return false, "no-opt-in"
	}
	return true, "no-opt-out"
}
