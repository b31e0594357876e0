package relay

import (
	"testing"

	"hark/storage"
)

// TestJoinedPublishesAtOnce: a server sends posts as soon as it has the Accept,
// which may be before the next reload of the subscribers.
func TestJoinedPublishesAtOnce(t *testing.T) {
	for state, member := range map[storage.SubscriberState]bool{
		storage.StatePending: false, storage.StateRejected: false,
		storage.StateAccepting: true, storage.StateActive: true, storage.StateSuspended: true,
	} {
		d := newDirectory(nil, false, false, nil)
		s := storage.Subscriber{Actor: "https://a.example/actor", Host: "a.example", State: state}
		d.Joined(s)
		if d.Member(s.Host) != member || d.IsSubscriber(s.Actor) != member {
			t.Errorf("%s: member %v, subscriber %v, want %v", state, d.Member(s.Host), d.IsSubscriber(s.Actor), member)
		}
		d.Joined(s) // a repeated Follow
		if n := d.now.Load().domains["a.example"]; n != 1 {
			t.Errorf("%s: counted %d times", state, n)
		}
	}
}

// TestJoinedAfterApproval: who waited publishes once taken, without a reload.
func TestJoinedAfterApproval(t *testing.T) {
	d := newDirectory(nil, false, false, nil)
	s := storage.Subscriber{Actor: "https://a.example/actor", Host: "a.example", State: storage.StatePending}
	d.Joined(s)
	s.State = storage.StateAccepting
	d.Joined(s)
	if !d.Member(s.Host) {
		t.Error("not a member")
	}
	if n := d.now.Load().domains["a.example"]; n != 1 {
		t.Errorf("counted %d times", n)
	}
}
