package delivery

import (
	"context"
	"sync"
	"time"

	"hark/activitypub/remote"
)

const (
	defaultCatchUp = 100
	// slowAfter is when a request stops counting as quick: servers answer in a
	// tenth of that.
	slowAfter = 300 * time.Millisecond
	// slowShare is how many slow requests there may be for each quick one.
	slowShare = 4
)

// inSlot makes one request within the limit of requests in flight. A request
// that is not answered soon moves to a larger room for slow ones, so that
// servers that hang do not take the places of those that answer. Nothing is
// begun once the context has ended; what has begun is finished, bounded by its
// own timeout, so that the cursor then tells the truth.
func (e *Engine) inSlot(ctx context.Context, send func(context.Context) (remote.Response, error)) (remote.Response, error) {
	select {
	case e.slots <- struct{}{}:
	case <-ctx.Done():
		return remote.Response{}, ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		<-e.slots
		return remote.Response{}, err
	}
	var mu sync.Mutex // guards place and done
	place, done := e.slots, false
	timer := time.AfterFunc(slowAfter, func() {
		mu.Lock()
		defer mu.Unlock()
		if done {
			return
		}
		select {
		case e.slow <- struct{}{}:
			<-e.slots
			place = e.slow
		default: // that room is full as well: it stays where it is
		}
	})
	defer func() {
		timer.Stop()
		mu.Lock()
		defer mu.Unlock()
		done = true
		<-place
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.o.Timeout)
	defer cancel()
	return send(ctx)
}
