package neighbourhood

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"hark/activitypub"
	"hark/activitypub/sig"
)

// Audience is whom a post is for.
type Audience int

// The audiences.
const (
	Public    Audience = iota // the Public collection in to
	Unlisted                  // in cc only
	Followers                 // the author's followers
	Direct                    // one person
)

// Post is what an instance publishes.
type Post struct {
	Entry    Entry
	Author   int // which author
	Audience Audience
	NoProof  bool   // without a linked data signature
	ReplyTo  string // id of the post that it answers
}

// Sent is what became of a delivery to the relay.
type Sent struct {
	Status     int
	Body       string
	ActivityID string
	ObjectID   string
}

// Publish posts, as its software does: Mastodon and Misskey push a Create by
// the author, Pleroma an Announce by its relay actor (and nothing that is not
// public, of which Sent is then empty but for the object).
func (in *Instance) Publish(ctx context.Context, p Post) (Sent, error) {
	p.Author %= len(in.authors)
	a := in.authors[p.Author]
	id := in.objectID(a)
	o := object{post: p, public: p.Audience == Public || p.Audience == Unlisted, made: time.Now().UTC()}
	note, err := in.write(id, &o, nil)
	if err != nil {
		return Sent{}, err
	}
	in.keep(id, o)
	if in.kind == Pleroma {
		if p.Audience != Public {
			return Sent{ObjectID: id}, nil
		}
		return in.announceByRelay(ctx, id)
	}
	sent, err := in.push(ctx, a, map[string]any{
		"id": id + "/activity", "type": "Create", "actor": a.id, "published": note["published"], "to": note["to"], "cc": note["cc"], "object": note,
	}, !p.NoProof)
	sent.ObjectID = id
	return sent, err
}

// write makes the document that is served for a post; more is added to it.
func (in *Instance) write(id string, o *object, more map[string]any) (map[string]any, error) {
	note := in.noteOf(id, o.post, o.made)
	for k, v := range more {
		note[k] = v
	}
	body, err := json.Marshal(in.withContext(note))
	if err != nil {
		return nil, fmt.Errorf("post: %w", err)
	}
	o.body = body
	return note, nil
}

// push signs an activity of an author and delivers it. In secure mode there is
// no linked data signature.
func (in *Instance) push(ctx context.Context, a author, activity map[string]any, proof bool) (Sent, error) {
	id, _ := activity["id"].(string)
	body, err := json.Marshal(in.withContext(activity))
	if err != nil {
		return Sent{}, fmt.Errorf("activity: %w", err)
	}
	if proof && !in.secure {
		if body, err = sig.SignLD(body, keyOf(a.id), in.private, time.Now().UTC()); err != nil {
			return Sent{}, fmt.Errorf("linked data signature: %w", err)
		}
	}
	sent, err := in.deliver(ctx, body, keyOf(a.id))
	sent.ActivityID = id
	return sent, err
}

// announceByRelay pushes a post as Pleroma does: by its relay actor, addressed
// to that actor's followers and to nobody else.
//
// ref: observed Pleroma 2.9: lib/pleroma/web/activity_pub/builder.ex, announce
func (in *Instance) announceByRelay(ctx context.Context, id string) (Sent, error) {
	activity := in.origin + "/activities/" + uuid()
	body, err := json.Marshal(in.withContext(map[string]any{
		"id": activity, "type": "Announce", "actor": in.ActorURI(), "object": id, "to": []string{in.ActorURI() + "/followers"},
		"cc": []string{}, "context": contextID(id), "published": time.Now().UTC().Format(time.RFC3339),
	}))
	if err != nil {
		return Sent{}, fmt.Errorf("activity: %w", err)
	}
	sent, err := in.deliver(ctx, body, in.keyID())
	sent.ActivityID, sent.ObjectID = activity, id
	return sent, err
}

func (in *Instance) keep(id string, o object) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if _, known := in.objects[id]; !known {
		in.order = append(in.order, id)
	}
	in.objects[id] = o
	if in.n.o.Keep > 0 && len(in.order) > in.n.o.Keep {
		delete(in.objects, in.order[0])
		in.order = in.order[1:]
	}
}

func (in *Instance) held(id string) (object, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	o, ok := in.objects[id]
	if !ok {
		return o, fmt.Errorf("%s has no object %s", in.host, id)
	}
	return o, nil
}

// lastObject is the newest public post; "" if there is none.
func (in *Instance) lastObject() string {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, id := range slices.Backward(in.order) {
		if in.objects[id].post.Audience == Public {
			return id
		}
	}
	return ""
}

func (in *Instance) drop(id string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.objects, id)
	in.order = slices.DeleteFunc(in.order, func(known string) bool { return known == id })
}

// Edit changes the text of a post and pushes an Update. Pleroma changes it and
// tells relays nothing. Misskey stands here for those of its kin that can edit.
func (in *Instance) Edit(ctx context.Context, id, text string) (Sent, error) {
	o, err := in.held(id)
	if err != nil {
		return Sent{}, err
	}
	now := time.Now().UTC()
	o.post.Entry.Text = text
	note, err := in.write(id, &o, map[string]any{"updated": now.Format(time.RFC3339)})
	if err != nil {
		return Sent{}, err
	}
	in.keep(id, o)
	if in.kind == Pleroma {
		return Sent{ObjectID: id}, nil
	}
	a := in.authors[o.post.Author]
	sent, err := in.push(ctx, a, map[string]any{
		"id": fmt.Sprintf("%s#updates/%d", id, now.UnixNano()), "type": "Update", "actor": a.id, "to": note["to"], "cc": note["cc"], "published": now.Format(time.RFC3339), "object": note,
	}, !o.post.NoProof)
	sent.ObjectID = id
	return sent, err
}

// Delete removes a post and pushes a Delete. Pleroma tells relays nothing.
//
// ref: observed Mastodon 4.5: delete_note_serializer.rb; Misskey 2025:
// RelayService.ts, which addresses to the public what is addressed to nobody
func (in *Instance) Delete(ctx context.Context, id string) (Sent, error) {
	o, err := in.held(id)
	if err != nil {
		return Sent{}, err
	}
	in.drop(id)
	if in.kind == Pleroma {
		return Sent{ObjectID: id}, nil
	}
	a := in.authors[o.post.Author]
	tombstone := map[string]any{"id": id, "type": "Tombstone"}
	activity := map[string]any{"id": id + "#delete", "type": "Delete", "actor": a.id, "to": []string{activitypub.Public}, "object": tombstone}
	if in.kind == Mastodon {
		tombstone["atomUri"] = id
	} else {
		activity["id"], activity["published"] = in.origin+"/"+uuid(), time.Now().UTC().Format(time.RFC3339)
	}
	sent, err := in.push(ctx, a, activity, !o.post.NoProof)
	sent.ObjectID = id
	return sent, err
}

// Boost is an Announce of a post, of this or of another instance, by the first
// author. ActivityID of what it returns serves to take it back.
func (in *Instance) Boost(ctx context.Context, id string) (Sent, error) {
	activity := in.boost(in.objectID(in.authors[0])+"/activity", id)
	sent, err := in.push(ctx, in.authors[0], activity, true)
	sent.ObjectID = id
	return sent, err
}

func (in *Instance) boost(activity, id string) map[string]any {
	a := in.authors[0]
	return map[string]any{
		"id": activity, "type": "Announce", "actor": a.id, "published": time.Now().UTC().Format(time.RFC3339),
		"to": []string{activitypub.Public}, "cc": []string{a.id + "/followers"}, "object": id,
	}
}

// Unboost takes a boost back: an Undo with the Announce embedded.
//
// ref: observed Mastodon 4.5: undo_announce_serializer.rb
func (in *Instance) Unboost(ctx context.Context, boost Sent) (Sent, error) {
	a := in.authors[0]
	id := strings.TrimSuffix(boost.ActivityID, "/activity")
	undo := map[string]any{
		"id": a.id + "#announces/" + id[strings.LastIndexByte(id, '/')+1:] + "/undo", "type": "Undo", "actor": a.id,
		"to": []string{activitypub.Public}, "object": in.boost(boost.ActivityID, boost.ObjectID),
	}
	if in.kind == Misskey {
		undo["id"], undo["published"] = boost.ActivityID+"/undo", time.Now().UTC().Format(time.RFC3339)
	}
	sent, err := in.push(ctx, a, undo, true)
	sent.ObjectID = boost.ObjectID
	return sent, err
}

// DeleteActor says that an author is gone, with everything of it. From then on
// its documents answer 410.
func (in *Instance) DeleteActor(ctx context.Context, i int) (Sent, error) {
	i %= len(in.authors)
	a := in.authors[i]
	sent, err := in.push(ctx, a, map[string]any{
		"id": a.id + "#delete", "type": "Delete", "actor": a.id, "to": []string{activitypub.Public}, "object": a.id,
	}, true)
	sent.ObjectID = a.id
	in.mu.Lock()
	defer in.mu.Unlock()
	in.gone[strings.TrimPrefix(a.id, in.origin)] = true
	for id, o := range in.objects {
		if o.post.Author == i {
			delete(in.objects, id)
		}
	}
	in.order = slices.DeleteFunc(in.order, func(id string) bool { _, kept := in.objects[id]; return !kept })
	return sent, err
}
