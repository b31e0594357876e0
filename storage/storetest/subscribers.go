package storetest

import (
	"errors"
	"testing"
	"time"

	"hark/storage"
)

// Subscribers checks what is kept of subscribers and what waits for them.
func Subscribers(t *testing.T, open func(t *testing.T) SubscriberStore) {
	for name, test := range map[string]func(*testing.T, SubscriberStore){
		"Put":      putSubscription,
		"Filter":   filterSubscribers,
		"Progress": progress,
		"State":    state,
		"Rewind":   rewind,
		"Controls": controls,
		"Rules":    rules,
		"Meta":     meta,
	} {
		t.Run(name, func(t *testing.T) { test(t, started(t, open)) })
	}
}

func subscriber(host string, st storage.SubscriberState) *storage.Subscriber {
	return &storage.Subscriber{Actor: "https://" + host + "/actor", Host: host, Inbox: "https://" + host + "/inbox",
		Flavour: storage.FlavourMastodon, State: st, FollowID: "https://" + host + "/follow/1", Follow: []byte(`{"type":"Follow"}`),
		FollowBackID: "f", Mutual: true, Software: "mastodon", ActorType: "Application", IsRelay: true, SignatureForm: "shared",
		Filter: "lang:en", Cursor: 7, Created: day0, Updated: day0,
		Health: storage.Health{LastSuccess: day0, LastError: "x", LastErrorAt: day0, FailingSince: day0, Failures: 2, RetryAt: day0,
			Delivered: 3, Skipped: 4, Gaps: 5, LastSkip: "y", LastActivity: day0}}
}

func putSubscription(t *testing.T, s SubscriberStore) {
	ctx := t.Context()
	sub := subscriber("a.example", storage.StatePending)
	_, err := s.GetSubscriber(ctx, sub.Actor)
	wantError(t, err, storage.ErrNotFound)
	noError(t, s.PutSubscription(ctx, sub, nil))
	equal(t, "subscriber", must[storage.Subscriber](t)(s.GetSubscriber(ctx, sub.Actor)), *sub)

	sub.State, sub.Cursor, sub.Health, sub.Filter = storage.StateAccepting, 3, storage.Health{}, ""
	cs := []storage.Control{{Actor: sub.Actor, Inbox: sub.Inbox, Kind: storage.ControlAccept, Body: []byte("{}"), NextAt: day0, Created: day0}}
	noError(t, s.PutSubscription(ctx, sub, cs))
	if cs[0].ID == 0 {
		t.Error("the control got no id")
	}
	sub.Cursor = 7 // never moved back
	equal(t, "changed subscriber", must[storage.Subscriber](t)(s.GetSubscriber(ctx, sub.Actor)), *sub)
	equal(t, "controls", must[[]storage.Control](t)(s.ListControls(ctx, day0, 10)), cs)
}

func filterSubscribers(t *testing.T, s SubscriberStore) {
	ctx := t.Context()
	for _, h := range []string{"c.example", "a.example", "b.example"} {
		noError(t, s.PutSubscription(ctx, subscriber(h, storage.StateActive), nil))
	}
	other := subscriber("a.example", storage.StateLeft)
	other.Actor = "https://a.example/a-second"
	noError(t, s.PutSubscription(ctx, other, nil))
	tests := []struct {
		name   string
		filter storage.SubscriberFilter
		want   []string
	}{
		{"all, by host and actor", storage.SubscriberFilter{}, []string{"https://a.example/a-second", "https://a.example/actor", "https://b.example/actor", "https://c.example/actor"}},
		{"host", storage.SubscriberFilter{Host: "b.example"}, []string{"https://b.example/actor"}},
		{"state", storage.SubscriberFilter{States: []storage.SubscriberState{storage.StatePending, storage.StateLeft}}, []string{"https://a.example/a-second"}},
		{"both", storage.SubscriberFilter{Host: "c.example", States: []storage.SubscriberState{storage.StateLeft}}, nil},
	}
	for _, tt := range tests {
		var got []string
		for _, sub := range must[[]storage.Subscriber](t)(s.ListSubscribers(ctx, tt.filter)) {
			got = append(got, sub.Actor)
		}
		equal(t, tt.name, got, tt.want)
	}
}

func progress(t *testing.T, s SubscriberStore) {
	ctx := t.Context()
	sub := subscriber("a.example", storage.StateActive)
	noError(t, s.PutSubscription(ctx, sub, nil))
	moved := must[bool](t)(s.SetSubscriberState(ctx, sub.Actor, []storage.SubscriberState{storage.StateActive}, storage.StateLeft))
	if !moved {
		t.Fatal("state was not set")
	}
	h := storage.Health{LastSuccess: day0.Add(time.Hour), Delivered: 10}
	noError(t, s.SaveProgress(ctx, []storage.Progress{
		{Actor: "https://gone.example/actor", Cursor: 5},
		{Actor: sub.Actor, Cursor: 9, Health: h},
	}))
	check := func(what string) {
		t.Helper()
		got := must[storage.Subscriber](t)(s.GetSubscriber(ctx, sub.Actor))
		if got.State != storage.StateLeft || got.Cursor != 9 {
			t.Errorf("%s: state %s, cursor %d", what, got.State, got.Cursor)
		}
		equal(t, what, got.Health, h)
	}
	check("progress")
	noError(t, s.SaveProgress(ctx, []storage.Progress{{Actor: sub.Actor, Cursor: 8, Health: storage.Health{Failures: 99}}}))
	check("a stale write")
	h = storage.Health{LastError: "timeout", Failures: 1}
	noError(t, s.SaveProgress(ctx, []storage.Progress{{Actor: sub.Actor, Cursor: 9, Health: h}}))
	check("health at the same cursor")
}

// rewind sets a cursor back beside a fan-out that does not know it yet.
func rewind(t *testing.T, s SubscriberStore) {
	ctx := t.Context()
	sub := subscriber("a.example", storage.StateActive)
	sub.Cursor = 100
	noError(t, s.PutSubscription(ctx, sub, nil))
	noError(t, s.SetCursor(ctx, sub.Actor, 40))
	wantError(t, s.SetCursor(ctx, "https://nobody.example", 1), storage.ErrNotFound)
	check := func(what string, cursor int64) {
		t.Helper()
		got := must[storage.Subscriber](t)(s.GetSubscriber(ctx, sub.Actor))
		if got.Cursor != cursor || got.Rewinds != 1 {
			t.Errorf("%s: cursor %d, %d rewinds", what, got.Cursor, got.Rewinds)
		}
	}
	check("set back", 40)
	noError(t, s.SaveProgress(ctx, []storage.Progress{{Actor: sub.Actor, Cursor: 101}}))
	check("progress from before", 40)
	noError(t, s.PutSubscription(ctx, sub, nil))
	check("a record from before", 40)
	noError(t, s.SaveProgress(ctx, []storage.Progress{{Actor: sub.Actor, Cursor: 41, Rewinds: 1}}))
	check("progress from there", 41)
	noError(t, s.SetSubscriberFilter(ctx, sub.Actor, "#weather"))
	wantError(t, s.SetSubscriberFilter(ctx, "https://nobody.example", ""), storage.ErrNotFound)
	if got := must[storage.Subscriber](t)(s.GetSubscriber(ctx, sub.Actor)); got.Filter != "#weather" || got.Cursor != 41 || got.State != storage.StateActive {
		t.Errorf("a filter was set: %+v", got)
	}
}

func state(t *testing.T, s SubscriberStore) {
	ctx := t.Context()
	known := subscriber("known.example", storage.StateActive)
	noError(t, s.PutSubscription(ctx, known, nil))
	noError(t, s.SetSubscriberSoftware(ctx, known.Actor, "mastodon", "4.7.0"))
	known.Software, known.Version = "mastodon", "4.7.0"
	got := must[storage.Subscriber](t)(s.GetSubscriber(ctx, known.Actor))
	equal(t, "a subscriber whose software became known", got, *known)
	noError(t, s.SetSignatureForm(ctx, known.Actor, "host"))
	noError(t, s.SetSignatureForm(ctx, "https://nobody.example", "host"))
	if got := must[storage.Subscriber](t)(s.GetSubscriber(ctx, known.Actor)); got.SignatureForm != "host" {
		t.Errorf("signature form %q", got.SignatureForm)
	}
	if err := s.SetSubscriberSoftware(ctx, "https://nobody.example", "x", "1"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("software of nobody: %v", err)
	}
	sub := subscriber("a.example", storage.StateAccepting)
	noError(t, s.PutSubscription(ctx, sub, nil))
	steps := []struct {
		actor string
		from  []storage.SubscriberState
		to    storage.SubscriberState
		want  bool
	}{
		{sub.Actor, []storage.SubscriberState{storage.StatePending}, storage.StateActive, false},
		{sub.Actor, []storage.SubscriberState{storage.StatePending, storage.StateAccepting}, storage.StateActive, true},
		{sub.Actor, []storage.SubscriberState{storage.StateAccepting}, storage.StateActive, false},
		{"https://nobody.example", []storage.SubscriberState{storage.StateActive}, storage.StateLeft, false},
		{sub.Actor, nil, storage.StateLeft, false},
	}
	for i, st := range steps {
		if got := must[bool](t)(s.SetSubscriberState(ctx, st.actor, st.from, st.to)); got != st.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
	if got := must[storage.Subscriber](t)(s.GetSubscriber(ctx, sub.Actor)).State; got != storage.StateActive {
		t.Errorf("state %s", got)
	}
}

func controls(t *testing.T, s SubscriberStore) {
	ctx := t.Context()
	sub := subscriber("a.example", storage.StateAccepting)
	put := func(kind storage.ControlKind) {
		t.Helper()
		noError(t, s.PutSubscription(ctx, sub, []storage.Control{{Actor: sub.Actor, Inbox: sub.Inbox, Kind: kind, Body: []byte("{}"), NextAt: day0}}))
	}
	kinds := func(due time.Time) (ks []storage.ControlKind) {
		t.Helper()
		for _, c := range must[[]storage.Control](t)(s.ListControls(ctx, due, 10)) {
			ks = append(ks, c.Kind)
		}
		return ks
	}
	put(storage.ControlAccept)
	put(storage.ControlFollow)
	put(storage.ControlReject)
	equal(t, "a newer answer replaces one that waits", kinds(day0), []storage.ControlKind{storage.ControlFollow, storage.ControlReject})
	due := must[[]storage.Control](t)(s.ListControls(ctx, day0, 10))
	noError(t, s.RetryControl(ctx, due[0].ID, 2, day0.Add(time.Hour)))
	equal(t, "due now", kinds(day0), []storage.ControlKind{storage.ControlReject})
	noError(t, s.DeleteControl(ctx, due[1].ID))
	noError(t, s.DeleteControl(ctx, due[1].ID))
	left := must[[]storage.Control](t)(s.ListControls(ctx, day0.Add(time.Hour), 10))
	if len(left) != 1 || left[0].Attempts != 2 || left[0].Created.IsZero() {
		t.Errorf("left: %+v", left)
	}
}

func rules(t *testing.T, s SubscriberStore) {
	ctx := t.Context()
	a := storage.PolicyRule{Host: "a.example", Action: "allow", Reason: "friend", Created: day0}
	b := storage.PolicyRule{Host: "b.example", Action: "block", Reason: "spam", Created: day0}
	noError(t, s.AddRule(ctx, b))
	noError(t, s.AddRule(ctx, a))
	wantError(t, s.AddRule(ctx, storage.PolicyRule{Host: "a.example", Action: "block"}), storage.ErrExists)
	equal(t, "rules", must[[]storage.PolicyRule](t)(s.ListRules(ctx)), []storage.PolicyRule{a, b})
	noError(t, s.DeleteRule(ctx, "a.example"))
	noError(t, s.DeleteRule(ctx, "a.example"))
	equal(t, "rules left", must[[]storage.PolicyRule](t)(s.ListRules(ctx)), []storage.PolicyRule{b})
}

func meta(t *testing.T, s SubscriberStore) {
	ctx := t.Context()
	_, err := s.GetMeta(ctx, "key")
	wantError(t, err, storage.ErrNotFound)
	for _, v := range []string{"one", "two"} {
		noError(t, s.PutMeta(ctx, "key", v))
		equal(t, "value", must[string](t)(s.GetMeta(ctx, "key")), v)
	}
}
