package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"hark/storage"
)

// postColumns, postArgs and scanPost name the columns in one order.
const postColumns = `p.id, p.uri, p.url, p.type, p.actor, p.handle, p.name, p.host, p.via, p.software,
	p.published, p.received, p.edited, p.language, p.text, p.warning, p.sensitive, p.in_reply_to, p.quote, p.bot,
	p.tags, p.mentions, p.links, p.attachments, p.poll, p.emojis, p.labels, p.model_ver, p.simhash, p.consent,
	p.activity_id, p.evidence, p.raw`

const postWidth = 33

var (
	insertPost = "INSERT INTO post (" + strings.ReplaceAll(postColumns, "p.", "") + ") VALUES (?" + strings.Repeat(", ?", postWidth-1) + ")"
	updatePost = "UPDATE post SET (" + strings.ReplaceAll(postColumns, "p.", "") + ") = (?" + strings.Repeat(", ?", postWidth-1) + ") WHERE id = ?"
)

// postArgs are the values of a post's row under a given id.
func (s *Store) postArgs(id int64, p *storage.Post) ([]any, error) {
	var errs []error
	js := func(v string, err error) string {
		errs = append(errs, err)
		return v
	}
	args := []any{id, p.URI, p.URL, p.Type, p.Actor, p.Handle, p.Name, p.Host, p.Via, p.Software,
		ms(p.Published), ms(p.Received), ms(p.Edited), p.Language, p.Text, p.Warning, p.Sensitive, p.InReplyTo, p.Quote, p.Bot,
		js(list(p.Tags)), js(list(p.Mentions)), js(list(p.Links)), js(list(p.Attachments)), js(list(p.Poll)), p.Emojis,
		js(list(finiteLabels(p.Labels))), p.ModelVer, int64(p.SimHash), p.Consent,
		p.ActivityID, js(evidence(p.Evidence)), s.pack.pack(p.Raw)}
	return args, errors.Join(errs...)
}

// finite keeps a judge's arithmetic from stopping the listener: what is not a
// number cannot be stored, and counts as nothing.
func finite(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

func finiteLabels(labels []storage.Label) []storage.Label {
	labels = slices.Clone(labels)
	for i := range labels {
		l := &labels[i]
		l.Score, l.Reasons = finite(l.Score), slices.Clone(l.Reasons)
		for j := range l.Reasons {
			l.Reasons[j].Weight = finite(l.Reasons[j].Weight)
		}
	}
	return labels
}

// scanPost reads a row of postColumns and what extra columns follow.
func (s *Store) scanPost(row interface{ Scan(...any) error }, extra ...any) (p storage.Post, err error) {
	var published, received, edited, simhash int64
	var tags, mentions, links, attachments, poll, labels, ev string
	var raw []byte
	dest := []any{&p.ID, &p.URI, &p.URL, &p.Type, &p.Actor, &p.Handle, &p.Name, &p.Host, &p.Via, &p.Software,
		&published, &received, &edited, &p.Language, &p.Text, &p.Warning, &p.Sensitive, &p.InReplyTo, &p.Quote, &p.Bot,
		&tags, &mentions, &links, &attachments, &poll, &p.Emojis, &labels, &p.ModelVer, &simhash, &p.Consent,
		&p.ActivityID, &ev, &raw}
	if err := row.Scan(append(dest, extra...)...); err != nil {
		return p, err
	}
	p.Published, p.Received, p.Edited, p.SimHash = at(published), at(received), at(edited), uint64(simhash)
	var errs [8]error
	p.Tags, errs[0] = unlist[string](tags)
	p.Mentions, errs[1] = unlist[string](mentions)
	p.Links, errs[2] = unlist[string](links)
	p.Attachments, errs[3] = unlist[storage.Attachment](attachments)
	p.Poll, errs[4] = unlist[string](poll)
	p.Labels, errs[5] = unlist[storage.Label](labels)
	p.Evidence, errs[6] = unevidence(ev)
	p.Raw, errs[7] = s.pack.unpack(raw)
	return p, errors.Join(errs[:]...)
}

// GetPost returns the post of that id, or storage.ErrNotFound.
func (s *Store) GetPost(ctx context.Context, id int64) (storage.Post, error) {
	p, err := s.scanPost(s.archive.reads.QueryRowContext(ctx, "SELECT "+postColumns+" FROM post p WHERE p.id = ?", id))
	if err != nil {
		return storage.Post{}, fmt.Errorf("get post %d: %w", id, known(err))
	}
	return p, nil
}

// GetPostByURI returns the post of that URI, or storage.ErrNotFound.
func (s *Store) GetPostByURI(ctx context.Context, uri string) (storage.Post, error) {
	p, err := s.scanPost(s.archive.reads.QueryRowContext(ctx, "SELECT "+postColumns+" FROM post p WHERE p.uri = ?", uri))
	if err != nil {
		return storage.Post{}, fmt.Errorf("get post %q: %w", uri, known(err))
	}
	return p, nil
}

// PutActor keeps an actor document, in place of the one kept.
func (s *Store) PutActor(ctx context.Context, a *storage.Actor) error {
	err := s.archive.w.do(ctx, func(ctx context.Context, t *tx) error { return s.putActor(ctx, t, a) })
	if err != nil {
		return fmt.Errorf("put actor %q: %w", a.ID, err)
	}
	return nil
}

func (s *Store) putActor(ctx context.Context, t *tx, a *storage.Actor) error {
	_, err := t.exec(ctx, `INSERT INTO actor (id, host, handle, name, fetched, gone, document) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET host = excluded.host, handle = excluded.handle, name = excluded.name,
			fetched = excluded.fetched, gone = excluded.gone, document = excluded.document`,
		a.ID, a.Host, a.Handle, a.Name, ms(a.Fetched), a.Gone, s.pack.pack(a.Document))
	return err
}

// GetActor returns the cached actor, or storage.ErrNotFound.
func (s *Store) GetActor(ctx context.Context, id string) (storage.Actor, error) {
	var a storage.Actor
	var fetched int64
	var doc []byte
	err := s.archive.reads.QueryRowContext(ctx, "SELECT id, host, handle, name, fetched, gone, document FROM actor WHERE id = ?", id).
		Scan(&a.ID, &a.Host, &a.Handle, &a.Name, &fetched, &a.Gone, &doc)
	if err == nil {
		a.Fetched = at(fetched)
		a.Document, err = s.pack.unpack(doc)
	}
	if err != nil {
		return storage.Actor{}, fmt.Errorf("get actor %q: %w", id, known(err))
	}
	return a, nil
}

// DeleteActor removes a cached actor; no effect if it is not there. Posts stay.
func (s *Store) DeleteActor(ctx context.Context, id string) error {
	err := s.archive.w.do(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "DELETE FROM actor WHERE id = ?", id)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete actor %q: %w", id, err)
	}
	return nil
}

// idOf is the first id of an arrival: its milliseconds before 16 bits of sequence.
func idOf(received time.Time) int64 { return ms(received) << 16 }
