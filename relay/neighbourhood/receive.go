package neighbourhood

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"

	"hark/activitypub"
	"hark/activitypub/sig"
)

// Form is how an activity arrived.
type Form string

// The forms.
const (
	FormForward  Form = "forward"  // its author's own bytes
	FormAnnounce Form = "announce" // an Announce by the relay
	FormControl  Form = "control"  // Accept, Reject, Follow, Undo by the relay
)

// Received is one delivery to an instance's inbox.
type Received struct {
	Time     time.Time
	Type     string
	ID       string
	ObjectID string
	Form     Form
	Verified bool   // a strict server of this kind would take it
	Reason   string // why not
	KeyID    string // of the HTTP signature
	Body     []byte
}

// misskeyBody is the largest body that Misskey takes.
const misskeyBody = 64 << 10

// message is what every activity has.
type message struct {
	ID     string          `json:"id"`
	Type   string          `json:"type"`
	Actor  string          `json:"actor"`
	Object json.RawMessage `json:"object"`
}

// objectID is the object's id, embedded or not.
func (m *message) objectID() string {
	var id string
	if json.Unmarshal(m.Object, &id) == nil {
		return id
	}
	var o struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(m.Object, &o) == nil {
		return o.ID
	}
	return ""
}

func (in *Instance) inbox(w http.ResponseWriter, r *http.Request) {
	limit := int64(1 << 20)
	if in.kind == Misskey {
		limit = misskeyBody
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		in.record(Received{Reason: "body: " + err.Error()})
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	if status := in.behave(w, r); status != 0 {
		http.Error(w, "as told", status)
		return
	}
	// What has arrived is judged to its end, even if the sender is gone by then.
	ctx, cancel := context.WithTimeout(in.run, requestTimeout)
	defer cancel()
	rec := Received{Time: time.Now(), Body: body}
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		rec.Reason = "not JSON"
		in.record(rec)
		http.Error(w, rec.Reason, http.StatusBadRequest)
		return
	}
	rec.Type, rec.ID, rec.ObjectID = m.Type, m.ID, m.objectID()
	rec.KeyID, err = in.checkRequest(ctx, r, body)
	if err != nil {
		rec.Reason = "HTTP signature: " + err.Error()
		in.record(rec)
		http.Error(w, rec.Reason, http.StatusUnauthorized)
		return
	}
	rec.Form, err = in.judge(ctx, &m, body, rec.KeyID)
	rec.Verified = err == nil
	if err != nil {
		rec.Reason = err.Error()
		in.n.o.Log.Warn("refused", "instance", in.host, "kind", string(in.kind), "type", m.Type, "id", m.ID, "reason", rec.Reason)
	}
	in.record(rec)
	w.WriteHeader(http.StatusAccepted)
}

// behave does what a test told the instance to do; 0 is to go on.
func (in *Instance) behave(w http.ResponseWriter, r *http.Request) int {
	in.mu.Lock()
	f := in.behaviour
	in.mu.Unlock()
	if f == nil {
		return 0
	}
	status, delay, header := f(r)
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		case <-in.run.Done():
		}
	}
	for k, v := range header {
		w.Header()[k] = v
	}
	return status
}

// judge checks an activity whose HTTP signature holds.
func (in *Instance) judge(ctx context.Context, m *message, body []byte, keyID string) (Form, error) {
	relay := in.n.o.Relay + "/actor"
	if keyID != relay+"#main-key" {
		return "", fmt.Errorf("signed by %s, not by the relay", keyID)
	}
	switch m.Type {
	case "Accept", "Reject":
		return FormControl, in.answered(m, relay)
	case "Follow":
		return FormControl, in.followedBack(m, body)
	case "Undo":
		if m.Actor == relay {
			return FormControl, nil
		}
	case "Announce":
		if m.Actor == relay {
			return FormAnnounce, in.announced(ctx, m, relay)
		}
	}
	return FormForward, in.forwarded(ctx, m, body)
}

// answered takes the relay's answer to the Follow, recognised by its id.
func (in *Instance) answered(m *message, relay string) error {
	if m.Actor != relay {
		return fmt.Errorf("%s by %s", m.Type, m.Actor)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if m.objectID() != in.followID {
		return fmt.Errorf("%s of a Follow that was not sent: %s", m.Type, m.objectID())
	}
	if in.kind == Misskey {
		var sent, echoed any
		if json.Unmarshal(in.follow, &sent) != nil || json.Unmarshal(m.Object, &echoed) != nil || !reflect.DeepEqual(sent, echoed) {
			return errors.New("the Follow was not echoed as it was sent")
		}
	}
	in.accepted = m.Type == "Accept"
	in.rejected = m.Type == "Reject"
	in.tell()
	return nil
}

// followedBack accepts the relay's own Follow, as Pleroma does.
func (in *Instance) followedBack(m *message, body []byte) error {
	if in.kind != Pleroma {
		return errors.New("the relay follows where nobody asked it to")
	}
	if m.objectID() != in.ActorURI() {
		return fmt.Errorf("a Follow of %s", m.objectID())
	}
	accept, err := json.Marshal(in.withContext(map[string]any{
		"id": in.origin + "/activities/" + uuid(), "type": "Accept", "actor": in.ActorURI(), "object": json.RawMessage(body), "to": []string{m.Actor}, "cc": []string{},
	}))
	if err != nil {
		return fmt.Errorf("accept: %w", err)
	}
	in.n.wg.Go(func() {
		ctx, cancel := context.WithTimeout(in.run, requestTimeout)
		defer cancel()
		if err := in.control(ctx, "accept", accept); err != nil {
			in.n.o.Log.Warn("accept the relay's Follow", "instance", in.host, "error", err.Error())
			return
		}
		in.mu.Lock()
		defer in.mu.Unlock()
		in.mutual = true
		in.tell()
	})
	return nil
}

// announced fetches what the relay announces from its origin.
func (in *Instance) announced(ctx context.Context, m *message, relay string) error {
	if !activitypub.SameOrigin(m.ID, relay) {
		return fmt.Errorf("the Announce's id %q is not the relay's", m.ID)
	}
	if in.kind == Mastodon {
		// It finds its relay by comparing the actor's inbox with what its admin
		// typed. The key was fetched with that actor, before this was believed.
		known, err := in.key(ctx, relay+"#main-key", false)
		if err != nil {
			return err
		}
		if known.inbox != in.n.o.Relay+"/inbox" {
			return fmt.Errorf("the relay's inbox is %q", known.inbox)
		}
	}
	id := m.objectID()
	raw, err := in.get(ctx, id)
	if err != nil {
		return fmt.Errorf("fetch the announced object: %w", err)
	}
	note, err := activitypub.ParseNote(raw)
	if err != nil {
		return fmt.Errorf("the announced object: %w", err)
	}
	if note.ID != id || !note.IsPublicTo() {
		return fmt.Errorf("the announced object is %q, public: %v", note.ID, note.IsPublicTo())
	}
	return nil
}

// forwarded checks the author's own proof.
func (in *Instance) forwarded(ctx context.Context, m *message, body []byte) error {
	if in.kind == Pleroma {
		return errors.New("a relay sends Pleroma Announces, nothing else")
	}
	v, err := sig.VerifyLD(ctx, body, func(ctx context.Context, keyID string, fresh bool) (sig.Key, error) {
		if in.kind == Misskey && !strings.Contains(keyID, "#") {
			return sig.Key{}, errors.New("creator without a fragment")
		}
		known, err := in.key(ctx, keyID, fresh)
		if err != nil {
			return sig.Key{}, err
		}
		return sig.Key{ID: keyID, Owner: known.owner, Public: known.key}, nil
	}, time.Now())
	if err != nil {
		return fmt.Errorf("linked data signature: %w", err)
	}
	if v.Owner != m.Actor {
		return fmt.Errorf("the proof is by %s, the activity by %s", v.Owner, m.Actor)
	}
	if m.ID == "" || !activitypub.SameOrigin(m.ID, m.Actor) {
		return fmt.Errorf("activity id %q", m.ID)
	}
	return nil
}

func (in *Instance) record(r Received) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.received = newest(in.n.o.Keep, append(in.received, r))
}
