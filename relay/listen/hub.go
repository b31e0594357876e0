package listen

import (
	"sync"

	"hark/storage"
	"hark/storage/query"
)

// hubBuffer is how many events a slow reader may be behind before it is cut.
const hubBuffer = 512

// EventKind is the kind of a live event.
type EventKind string

// The live events.
const (
	EventPost   EventKind = "post"
	EventUpdate EventKind = "update"
	EventDelete EventKind = "delete"
)

// Event is one change of the archive, as live readers see it.
type Event struct {
	Kind EventKind
	ID   int64
	Post *storage.Post // nil for EventDelete
}

// Hub passes changes of the archive on to live readers. A reader that is too
// slow is cut off: its channel is closed, so that it never slows the listener.
type Hub struct {
	mu      sync.Mutex // guards readers and closed
	readers map[*reader]bool
	closed  bool
}

type reader struct {
	q *query.Query
	c chan Event
}

// NewHub returns a Hub without readers.
func NewHub() *Hub { return &Hub{readers: map[*reader]bool{}} }

// Listen starts a reader of what matches the query; an empty query is
// everything. Deletes reach every reader, since what is gone cannot be matched.
// The channel is closed when the reader was too slow, or the hub closes; cancel
// ends it from the reader's side.
func (h *Hub) Listen(q *query.Query) (<-chan Event, func()) {
	r := &reader{q: q, c: make(chan Event, hubBuffer)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(r.c)
		return r.c, func() {}
	}
	h.readers[r] = true
	return r.c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.drop(r)
	}
}

func (h *Hub) drop(r *reader) {
	if h.readers[r] {
		delete(h.readers, r)
		close(r.c)
	}
}

// Publish passes an event on; it never blocks.
func (h *Hub) Publish(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var doc *query.Document // prepared once for all readers
	for r := range h.readers {
		out := e
		if e.Post != nil && !r.q.IsAll() {
			if doc == nil {
				doc = query.NewDocument(e.Post)
			}
			if !r.q.MatchDocument(doc) {
				if e.Kind != EventUpdate {
					continue
				}
				// It may have matched before the edit: it leaves this view.
				out = Event{Kind: EventDelete, ID: e.ID}
			}
		}
		select {
		case r.c <- out:
		default:
			h.drop(r)
		}
	}
}

// Close ends every reader.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for r := range h.readers {
		h.drop(r)
	}
}
