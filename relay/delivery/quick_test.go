package delivery

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hark/activitypub/sig"
	"hark/storage"
)

// TestEd25519ForWhoTakesIt: another Hark gets signatures that cost next to
// nothing, until it refuses one.
func TestEd25519ForWhoTakesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		takes, refuses := subscriber("takes.example"), subscriber("strict.example")
		takes.Software, refuses.Software = "hark", "hark"
		m, p := newMemory(takes, refuses), &strict{refuses: "strict"}
		signer := &counted{Signer: testSigner()}
		var err error
		if signer.Assertion, err = sig.AssertionKey(signer.Private); err != nil {
			t.Fatal(err)
		}
		signer.AssertionID = "https://relay.example/actor#ed25519-key"
		e, stop := runStrict(t, m, p, signer, true)
		for i := range 3 {
			m.add(post("https://a.example/1", i))
		}
		e.Appended()
		time.Sleep(time.Second)
		stop()
		if signer.shared != 0 || signer.bound != 3 {
			t.Errorf("%d shared and %d RSA signatures", signer.shared, signer.bound)
		}
		if n := len(p.came["https://takes.example/inbox"]); n != 3 {
			t.Errorf("%d deliveries to the one that takes them", n)
		}
		if f := m.subs[refuses.Actor].SignatureForm; f != SignatureHost {
			t.Errorf("remembered %q of the one that does not", f)
		}
	})
}

// TestWhoRefusesEverything: a server that answers 403 again and again is backed
// off from, the operator sees why, and what it would have got is kept for it.
func TestWhoRefusesEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open atomic.Bool
		m := newMemory(subscriber("b.example"))
		p := &inboxes{answer: func(string, string, int) (int, time.Duration) {
			if open.Load() {
				return 202, time.Millisecond
			}
			return 403, time.Millisecond
		}}
		e, stop := run(t, m, p)
		for i := range 40 {
			m.add(post(fmt.Sprintf("https://a.example/%d", i), 0))
		}
		e.Appended()
		time.Sleep(time.Minute)
		synctest.Wait()
		var sub storage.Subscriber
		m.mu.Lock()
		sub = m.subs["https://b.example/actor"]
		m.mu.Unlock()
		if sub.Health.Skipped != shutAfter || sub.Health.FailingSince.IsZero() || !strings.Contains(sub.Health.LastError, "refuses everything") {
			t.Errorf("%+v", sub.Health)
		}
		open.Store(true)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if n := len(p.got("https://b.example/inbox")); n != 40-shutAfter {
			t.Errorf("%d arrived after it opened again", n)
		}
		stop()
	})
}
