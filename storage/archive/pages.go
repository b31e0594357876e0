package archive

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// maxPage is how many activities a page holds at most.
const maxPage = 1000

// contentID names an archive after its records.
func contentID(bag *spool) string {
	h := sha256.New()
	for _, e := range bag.sorted() {
		fmt.Fprintf(h, "%s %s\n", e.SHA256, e.Path)
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil))[:16])
}

// collection is data/activitystreams/collection.json.
// ref: https://www.w3.org/TR/activitystreams-core/#collections
type collection struct {
	Context    string `json:"@context"`
	ID         string `json:"id"`
	Type       string `json:"type"`
	TotalItems int64  `json:"totalItems"`
	First      string `json:"first,omitempty"`
	Last       string `json:"last,omitempty"`
}

// pageHead begins a page; its items and the next page's id follow.
type pageHead struct {
	Context    string `json:"@context"`
	ID         string `json:"id"`
	Type       string `json:"type"`
	PartOf     string `json:"partOf"`
	TotalItems int64  `json:"totalItems"`
	StartIndex int64  `json:"startIndex"`
	Prev       string `json:"prev,omitempty"`
	Next       string `json:"next,omitempty"`
}

// streamsBase is what the ids of the collection and its pages begin with.
// They are absolute, since not every reader knows what a relative one is
// relative to.
func streamsBase(o *Options, id string) string {
	if o.Node == "" {
		return "urn:hark:export:" + id + ":"
	}
	return o.Node + "/exports/" + id + "/"
}

func pageName(n int64) string { return fmt.Sprintf("page-%05d.json", n) }

// writePages makes the collection of the activities that have been spooled.
func writePages(ctx context.Context, bag *spool, o *Options, sum Summary) error {
	base := streamsBase(o, sum.ID)
	size := int64(o.PageSize)
	pages := (sum.Activities + size - 1) / size
	c := collection{Context: activityStreams, ID: base + "collection.json", Type: "OrderedCollection", TotalItems: sum.Activities}
	if pages > 0 {
		c.First, c.Last = base+pageName(1), base+pageName(pages)
	}
	doc, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := bag.put(streamsFolder+"collection.json", append(doc, '\n')); err != nil {
		return err
	}
	in, err := os.Open(bag.local(activitiesFile))
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	var page *file
	var item int64
	err = lines(in, maxRecord, func(_ int64, line []byte) (err error) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if item%size == 0 {
			if page, err = beginPage(bag, base, 1+item/size, pages, item, sum.Activities); err != nil {
				return err
			}
		}
		item++
		if _, err := page.Write(line); err != nil {
			return err
		}
		if item%size != 0 && item < sum.Activities {
			_, err = page.Write([]byte(",\n"))
			return err
		}
		_, err = page.Write([]byte("\n]}\n"))
		return errors.Join(err, page.finish())
	})
	if page != nil {
		err = errors.Join(err, page.finish())
	}
	return err
}

func beginPage(bag *spool, base string, n, pages, start, total int64) (*file, error) {
	h := pageHead{Context: activityStreams, ID: base + pageName(n), Type: "OrderedCollectionPage",
		PartOf: base + "collection.json", TotalItems: total, StartIndex: start}
	if n > 1 {
		h.Prev = base + pageName(n-1)
	}
	if n < pages {
		h.Next = base + pageName(n+1)
	}
	head, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	page, err := bag.create(streamsFolder + pageName(n))
	if err != nil {
		return nil, err
	}
	// The items are copied as they are: what was signed stays what it was.
	if _, err := fmt.Fprintf(page, "%s,\"orderedItems\":[\n", head[:len(head)-1]); err != nil {
		return nil, errors.Join(err, page.finish())
	}
	return page, nil
}
