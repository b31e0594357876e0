package delivery

import (
	"testing"
	"time"

	"hark/activitypub/remote"
	"hark/storage"
)

func TestFormFor(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	create := storage.Entry{Type: "Create", ObjectID: "https://a.example/n/1", ObjectKey: "object https://a.example/n/1", Via: "a.example", Origin: "a.example", Relay: true, Body: []byte("{}")}
	proven := create
	proven.Proof, proven.ProofUntil = storage.ProofLD, now.Add(time.Hour)
	expired := proven
	expired.ProofUntil = now.Add(time.Minute)
	large := proven
	large.Body = make([]byte, 70<<10)
	announced := create
	announced.Via, announced.Type = "pleroma.example", "Announce"
	del := proven
	del.Type, del.ObjectKey = "Delete", ""
	bare := create
	bare.Type, bare.ObjectKey = "Update", ""
	erased := create
	erased.Erased = true
	kept := create
	kept.Relay = false

	integrity := proven
	integrity.Proof = storage.ProofIntegrity
	beside := proven
	beside.Proof = storage.ProofBeside
	integrityDelete := del
	integrityDelete.Proof = storage.ProofIntegrity

	mastodon := storage.Subscriber{Host: "m.example", Flavour: storage.FlavourMastodon, Software: "mastodon"}
	misskey := storage.Subscriber{Host: "k.example", Flavour: storage.FlavourMastodon, Software: "misskey"}
	litepub := storage.Subscriber{Host: "p.example", Flavour: storage.FlavourLitePub, Software: "pleroma"}
	version := func(s storage.Subscriber, v string) storage.Subscriber { s.Version = v; return s }
	at := func(host string, s storage.Subscriber) storage.Subscriber { s.Host = host; return s }

	tests := []struct {
		name string
		e    storage.Entry
		s    storage.Subscriber
		want Form
	}{
		{"proven to Mastodon", proven, mastodon, FormForward},
		{"unproven to Mastodon", create, mastodon, FormAnnounce},
		{"proof about to expire", expired, mastodon, FormAnnounce},
		{"proven to LitePub", proven, litepub, FormAnnounce},
		{"unproven to LitePub", create, litepub, FormAnnounce},
		{"large to Misskey", large, misskey, FormAnnounce},
		{"large to Mastodon", large, mastodon, FormForward},
		{"fetched object to Mastodon", announced, mastodon, FormAnnounce},
		{"back to its sender", proven, at("a.example", mastodon), FormPass},
		{"back to the relay that announced it", announced, at("pleroma.example", litepub), FormPass},
		{"back to its origin", announced, at("a.example", mastodon), FormPass},
		{"proven delete to Mastodon", del, mastodon, FormForward},
		{"proven delete to LitePub", del, litepub, FormSkip},
		{"unproven update to Mastodon", bare, mastodon, FormSkip},
		{"integrity proof to Mastodon 4.6", integrity, version(mastodon, "4.6.3"), FormAnnounce},
		{"integrity proof to Mastodon 4.7", integrity, version(mastodon, "4.7.0+glitch"), FormForward},
		{"integrity proof to Mastodon 10.0", integrity, version(mastodon, "10.0"), FormForward},
		{"integrity proof to an unknown version", integrity, mastodon, FormAnnounce},
		{"integrity proof to Misskey", integrity, version(misskey, "2026.11.0"), FormAnnounce},
		{"a signature beside the proof to Mastodon 4.6", beside, version(mastodon, "4.6.3"), FormAnnounce},
		{"a signature beside the proof to Mastodon 4.7", beside, version(mastodon, "4.7.0"), FormForward},
		{"a signature beside the proof to another Hark", beside, storage.Subscriber{Host: "h.example", Flavour: storage.FlavourMastodon, Software: "hark"}, FormAnnounce},
		{"integrity proof to another Hark", integrity, storage.Subscriber{Host: "h.example", Flavour: storage.FlavourMastodon, Software: "hark"}, FormForward},
		{"delete by integrity proof to Mastodon 4.6", integrityDelete, version(mastodon, "4.6"), FormSkip},
		{"erased", erased, mastodon, FormPass},
		{"kept only", kept, mastodon, FormPass},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, reason := FormFor(&tt.e, &tt.s, now)
			if got != tt.want {
				t.Errorf("got %s (%s), want %s", got, reason, tt.want)
			}
			if (got == FormPass || got == FormSkip) && reason == "" {
				t.Error("nothing is sent, and no reason is given")
			}
		})
	}
}

func TestJudge(t *testing.T) {
	want := map[int]verdict{
		200: verdictTaken, 202: verdictTaken, 204: verdictTaken,
		301: verdictRetry, 307: verdictRetry,
		400: verdictSkip, 403: verdictShut, 413: verdictSkip, 422: verdictSkip, 501: verdictSkip,
		401: verdictRetry, 404: verdictRetry, 408: verdictRetry, 429: verdictRetry,
		410: verdictGone,
		500: verdictRetry, 502: verdictRetry, 503: verdictRetry, 504: verdictRetry,
	}
	for status, v := range want {
		if got := judge(status); got != v {
			t.Errorf("%d: got %s, want %s", status, got, v)
		}
	}
}

func TestBackoff(t *testing.T) {
	const low, high = 2 * time.Second, time.Hour
	last := time.Duration(0)
	for n := 1; n <= 40; n++ {
		d := backoff(n, low, high, remote.Response{})
		if d < low*3/4 || d > high*5/4 {
			t.Fatalf("failure %d: %s is outside %s..%s and its jitter", n, d, low, high)
		}
		if n > 1 && n < 11 && d < last*3/4 {
			t.Errorf("failure %d: %s is well below %s before it", n, d, last)
		}
		last = d
	}
	if d := backoff(1, low, high, remote.Response{RetryAfter: 3 * time.Hour}); d < 3*time.Hour {
		t.Errorf("Retry-After of 3 h: got %s", d)
	}
	if d := backoff(1, low, high, remote.Response{RetryAfter: 1000 * time.Hour}); d > 24*time.Hour {
		t.Errorf("an absurd Retry-After holds for %s", d)
	}
}
