package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hark/storage"
)

// Write makes an archive of the posts that src passes to its function, in
// that order, and returns what it holds. It spools into a hidden folder beside
// o.Out, about the size of the unpacked archive, and gives the finished thing
// its name at the end: on an error, also of src or of a context that ended,
// nothing is left behind. It returns storage.ErrExists if o.Out exists, ErrOut
// for a name that says no kind, ErrLevel for a level that is not offered.
//
// What is made is readable by its owner only.
func Write(ctx context.Context, o Options, src func(ctx context.Context, fn func(*storage.Post) error) error) (Summary, error) {
	s, err := write(ctx, o, src)
	if err != nil {
		return Summary{}, fmt.Errorf("write archive %q: %w", o.Out, err)
	}
	return s, nil
}

func write(ctx context.Context, o Options, src func(context.Context, func(*storage.Post) error) error) (_ Summary, err error) {
	if o.Level == "" {
		o.Level = LevelVerbatim
	}
	if o.Level != LevelVerbatim {
		return Summary{}, fmt.Errorf("%q: %w", o.Level, ErrLevel)
	}
	if o.PageSize <= 0 || o.PageSize > maxPage {
		o.PageSize = maxPage
	}
	if o.Created.IsZero() {
		o.Created = time.Now()
	}
	if o.Software == "" {
		o.Software = "hark"
	}
	o.Node = strings.TrimRight(oneLine(o.Node), "/")
	packed, err := kindOf(o.Out)
	if err != nil {
		return Summary{}, err
	}
	out := filepath.Clean(o.Out)
	if err := free(out); err != nil {
		return Summary{}, err
	}
	// Beside the place where it will stand, so that a rename suffices.
	tmp, err := os.MkdirTemp(filepath.Dir(out), "."+filepath.Base(out)+".part-*")
	if err != nil {
		return Summary{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()

	bag := &spool{dir: filepath.Join(tmp, "bag"), durable: packed == nil}
	sum, err := fillBag(ctx, bag, &o, src)
	if err != nil {
		return Summary{}, err
	}
	whole := bag.dir
	if packed != nil {
		whole = filepath.Join(tmp, "packed")
		if sum.Size, sum.SHA256, err = pack(ctx, packed, whole, "hark-export-"+sum.ID, bag); err != nil {
			return Summary{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return Summary{}, err
	}
	if err := free(out); err != nil { // a rename would replace it
		return Summary{}, err
	}
	return sum, os.Rename(whole, out)
}

// free is an error if something has that name.
func free(out string) error {
	switch _, err := os.Lstat(out); {
	case err == nil:
		return storage.ErrExists
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// fillBag writes all files of the bag.
func fillBag(ctx context.Context, bag *spool, o *Options, src func(context.Context, func(*storage.Post) error) error) (Summary, error) {
	d, err := newData(bag)
	if err != nil {
		return Summary{}, err
	}
	err = src(ctx, func(p *storage.Post) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := d.add(p); err != nil {
			return err
		}
		if o.Progress != nil {
			o.Progress(d.sum.Posts)
		}
		return nil
	})
	if err = errors.Join(err, d.finish()); err != nil {
		return Summary{}, err
	}
	d.sum.Level = o.Level
	d.sum.ID = contentID(bag)
	if err := writePages(ctx, bag, o, d.sum); err != nil {
		return Summary{}, err
	}
	for _, e := range bag.entries {
		d.sum.Files++
		d.sum.Bytes += e.Bytes
	}
	return d.sum, writeTags(bag, o, d)
}

// data are the files under data/ that grow with every post.
type data struct {
	posts, activities, labels, table *file
	rows                             table
	sum                              Summary
	published, received              span
	models                           map[string]int64
}

// span is the time from the first to the last.
type span struct{ from, to time.Time }

func (s *span) add(t time.Time) {
	if stamp(t) == "" {
		return
	}
	if s.from.IsZero() || t.Before(s.from) {
		s.from = t
	}
	if t.After(s.to) {
		s.to = t
	}
}

func newData(bag *spool) (d *data, err error) {
	d = &data{models: make(map[string]int64)}
	for path, f := range map[string]**file{postsFile: &d.posts, activitiesFile: &d.activities, labelsFile: &d.labels, tableFile: &d.table} {
		if *f, err = bag.create(path); err != nil {
			return nil, errors.Join(err, d.close())
		}
	}
	if d.rows, err = newTable(d.table); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *data) add(p *storage.Post) error {
	line, err := marshalPost(p)
	if err != nil {
		return err
	}
	if len(line) > maxRecord {
		return fmt.Errorf("post %q has %d bytes, more than an archive takes: %w", p.URI, len(line), ErrLimit)
	}
	if _, err := d.posts.Write(line); err != nil {
		return err
	}
	if activity := activityOf(p); activity != nil {
		d.sum.Activities++
		if _, err := d.activities.Write(append(activity[:len(activity):len(activity)], '\n')); err != nil {
			return err
		}
	} else {
		d.sum.Without++
	}
	for _, l := range labels(p.Labels) {
		line, err := encode(judgement{Post: clean(p.URI), Label: l})
		if err != nil {
			return err
		}
		if _, err := d.labels.Write(line); err != nil {
			return err
		}
	}
	d.sum.count(p)
	d.published.add(p.Published)
	d.received.add(p.Received)
	if model := clean(p.ModelVer); model != "" && (d.models[model] > 0 || len(d.models) < maxModels) {
		d.models[model]++
	}
	return d.rows.add(p)
}

// maxModels bounds how many classifier versions manifest.json names.
const maxModels = 256

// judgement is a line of data/labels.jsonl.
type judgement struct {
	Post string `json:"post"`
	storage.Label
}

func (d *data) finish() error {
	return errors.Join(d.rows.finish(), d.close())
}

func (d *data) close() (err error) {
	for _, f := range []*file{d.posts, d.activities, d.labels, d.table} {
		if f != nil {
			err = errors.Join(err, f.finish())
		}
	}
	return err
}
