package activitypub

import (
	"slices"
	"strings"
	"time"
)

// whenAndWhere is a line for when an event begins and where, as far as it says:
// "2026-11-01 14:00 UTC, Town Hall, 1 Main Street, Norwich". The time is in the
// zone in which it was written.
//
// ref: ActivityStreams 2.0 Vocabulary §4 (startTime, location); observed
// Mobilizon: lib/federation/activity_stream/converter/{event,address}.ex
func whenAndWhere(v value) string {
	var parts []string
	if s := v.get("startTime").str(); !v.get("startTime").time().IsZero() {
		if t, err := time.Parse(time.RFC3339, s); err == nil {
			parts = append(parts, strings.Replace(t.Format("2006-01-02 15:04 Z07:00"), " Z", " UTC", 1))
		}
	}
	place := v.get("location").first()
	parts = appendPlace(parts, place.str())
	name := naturalText(place, "name")
	if name == "" {
		// Hubzilla writes the place as a content.
		name = TextOfHTML(naturalText(place, "content"))
	}
	parts = appendPlace(parts, name)
	address := place.get("address").first()
	parts = appendPlace(parts, address.str())
	for _, field := range []string{"streetAddress", "addressLocality", "addressCountry"} {
		parts = appendPlace(parts, address.get(field).str())
	}
	return strings.Join(parts, ", ")
}

// appendPlace adds a part of a place, in one line, unless it is there.
func appendPlace(parts []string, s string) []string {
	if s = cutText(cleanLine(s), maxName); s == "" || slices.Contains(parts, s) {
		return parts
	}
	return append(parts, s)
}
