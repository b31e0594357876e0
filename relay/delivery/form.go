// Package delivery is the fan-out: every subscriber is a cursor into the
// journal, with a small window of requests in flight, and backs off as a whole
// when its instance fails.
package delivery

import (
	"fmt"
	"time"

	"hark/storage"
)

// Form is how an entry reaches one subscriber.
type Form string

// The forms.
const (
	FormForward  Form = "forward"  // the author's bytes, as they arrived
	FormAnnounce Form = "announce" // an Announce of the object's id by the relay
	FormPass     Form = "pass"     // nothing: not for this subscriber
	FormSkip     Form = "skip"     // nothing, though it was meant for everybody: this subscriber cannot take it
)

// misskeyLimit is the largest inbox body that Misskey and its kin take.
//
// ref: contracts/federation.md, "What makes a relayed post acceptable".
const misskeyLimit = 64 << 10

// proofMargin is kept before the end of a proof's validity, for the way.
const proofMargin = 10 * time.Minute

// FormFor says in which form an entry goes to a subscriber, and why where it
// does not. It is pure; form_test.go holds it as a table.
//
//   - Nothing goes back to the host that delivered it, nor to its object's origin.
//   - Who followed the relay actor (LitePub) gets Announces.
//   - Who followed the Public collection gets the author's own bytes if they
//     carry a proof that is still valid, else an Announce of a new object, else
//     nothing.
func FormFor(e *storage.Entry, s *storage.Subscriber, now time.Time) (Form, string) {
	switch {
	case !e.Relay:
		return FormPass, "not relayed"
	case e.Erased:
		return FormPass, "erased"
	case s.Host == e.Via:
		return FormPass, "came from there"
	case s.Host == e.Origin:
		return FormPass, "lives there"
	}
	fresh := e.ObjectKey != "" // a new object: it can be announced
	if s.Flavour == storage.FlavourLitePub {
		if fresh {
			return FormAnnounce, ""
		}
		return FormSkip, "takes new posts only"
	}
	valid := e.Proof != storage.ProofNone && (e.ProofUntil.IsZero() || now.Add(proofMargin).Before(e.ProofUntil))
	taken := takesProof(e.Proof, s)
	if valid && taken && (len(e.Body) <= misskeyLimit || !misskeyKin[s.Software]) {
		return FormForward, ""
	}
	if fresh {
		return FormAnnounce, ""
	}
	switch {
	case e.Proof == storage.ProofNone:
		return FormSkip, "no proof by its author"
	case !valid:
		return FormSkip, "its author's proof has expired"
	case !taken:
		return FormSkip, "its software does not take integrity proofs"
	}
	return FormSkip, "too large for its software"
}

// proofsSince is the first version of each software that takes a forwarded
// activity on the word of its integrity proof alone; "" is every one.
//
// ref: contracts/federation.md, "What makes a relayed post acceptable".
var proofsSince = map[string]string{"mastodon": "4.7", "hark": ""}

// takesProof tells whether a subscriber takes a forwarded activity by what
// proves it.
func takesProof(proof storage.Proof, s *storage.Subscriber) bool {
	since, ok := proofsSince[s.Software]
	switch proof {
	case storage.ProofIntegrity:
		return ok && !older(s.Version, since)
	case storage.ProofBeside: // Hark itself wants such a one from its author's hands
		return s.Software == "mastodon" && !older(s.Version, since)
	}
	return true
}

// older compares two versions by their first two numbers; what is not a
// version is older than any.
func older(version, than string) bool {
	var a, b [2]int
	_, _ = fmt.Sscanf(version, "%d.%d", &a[0], &a[1])
	_, _ = fmt.Sscanf(than, "%d.%d", &b[0], &b[1])
	return a[0] < b[0] || a[0] == b[0] && a[1] < b[1]
}

// misskeyKin are the names that Misskey and its forks give in NodeInfo.
var misskeyKin = map[string]bool{
	"misskey": true, "sharkey": true, "firefish": true, "iceshrimp": true, "cherrypick": true,
	"calckey": true, "foundkey": true, "catodon": true, "meisskey": true, "": true,
}
