package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"hark/storage"
)

// batchLimit is how many requests one transaction takes at most.
const batchLimit = 500

// tx is the writing connection within a transaction. Statements are prepared
// once for the life of the connection, so their text must come from a finite
// set. It is used by the writer's goroutine only.
type tx struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func (t *tx) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := t.stmts[query]; ok {
		return s, nil
	}
	s, err := t.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	t.stmts[query] = s
	return s, nil
}

// exec runs a statement and returns how many rows it changed.
func (t *tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	s, err := t.prepare(ctx, query)
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// insert runs an INSERT and returns the rowid given.
func (t *tx) insert(ctx context.Context, query string, args ...any) (int64, error) {
	s, err := t.prepare(ctx, query)
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return r.LastInsertId()
}

func (t *tx) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := t.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// one reads a single row into dest; sql.ErrNoRows if there is none.
func (t *tx) one(ctx context.Context, dest []any, query string, args ...any) error {
	s, err := t.prepare(ctx, query)
	if err != nil {
		return err
	}
	return s.QueryRowContext(ctx, args...).Scan(dest...)
}

// The stages of a request. A caller that gives up withdraws a request that
// still waits; one that has begun is waited for, so that its outcome is known.
const (
	waiting int32 = iota
	begun
	withdrawn
)

// request is a piece of writing: all of it happens or nothing.
type request struct {
	fn    func(context.Context, *tx) error
	alone bool // outside any transaction
	stage atomic.Int32
	err   error
	done  chan struct{}
}

// writer gives the writing connection to one request after the other. It
// takes whatever has queued up while the last commit ran into one
// transaction (group commit): no request waits for company, and a burst
// shares one fsync.
type writer struct {
	mu     sync.Mutex // guards queue and closed
	wake   *sync.Cond
	queue  []*request
	closed bool
	ended  sync.WaitGroup // for the goroutine, which close waits for

	tx *tx // the goroutine's own
}

func newWriter(ctx context.Context, db *sql.DB) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{tx: &tx{conn: conn, stmts: make(map[string]*sql.Stmt)}}
	w.wake = sync.NewCond(&w.mu)
	w.ended.Go(w.run)
	return w, nil
}

// do runs fn in a transaction and returns once it is committed durably. An
// error of fn undoes what fn did and nothing else. fn must not keep what it
// was given, and must leave the caller's memory alone except for variables
// that the caller reads after do.
func (w *writer) do(ctx context.Context, fn func(context.Context, *tx) error) error {
	return w.submit(ctx, &request{fn: fn, done: make(chan struct{})})
}

// alone runs fn on the writing connection outside a transaction.
func (w *writer) alone(ctx context.Context, fn func(context.Context, *tx) error) error {
	return w.submit(ctx, &request{fn: fn, alone: true, done: make(chan struct{})})
}

func (w *writer) submit(ctx context.Context, r *request) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return storage.ErrClosed
	}
	w.queue = append(w.queue, r)
	w.mu.Unlock()
	w.wake.Signal()
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		if r.stage.CompareAndSwap(waiting, withdrawn) {
			return ctx.Err()
		}
		<-r.done
		return r.err
	}
}

// close refuses further requests, waits for those queued, and gives the
// connection back. A second call waits as well.
func (w *writer) close() error {
	w.mu.Lock()
	first := !w.closed
	w.closed = true
	w.mu.Unlock()
	w.wake.Broadcast()
	w.ended.Wait()
	if !first {
		return nil
	}
	var errs []error
	for _, s := range w.tx.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, w.tx.conn.Close())...)
}

func (w *writer) run() {
	for {
		batch := w.next()
		if batch == nil {
			return
		}
		// The requests' own contexts play no part from here on: one that
		// ends must not interrupt a transaction that others share.
		ctx := context.Background()
		if batch[0].alone {
			batch[0].err = batch[0].fn(ctx, w.tx)
			close(batch[0].done)
			continue
		}
		if err := w.commit(ctx, batch); err != nil {
			for _, r := range batch {
				if r.err == nil {
					r.err = err
				}
			}
		}
		for _, r := range batch {
			close(r.done)
		}
	}
}

// next waits for requests and takes those that fit into one transaction, in
// the order of their arrival; nil once the writer is closed and nothing waits.
func (w *writer) next() []*request {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		for len(w.queue) == 0 {
			if w.closed {
				return nil
			}
			w.wake.Wait()
		}
		var batch []*request
		taken := 0
		for _, r := range w.queue {
			if len(batch) == batchLimit || len(batch) > 0 && (r.alone || batch[0].alone) {
				break
			}
			taken++
			if r.stage.CompareAndSwap(waiting, begun) {
				batch = append(batch, r)
			}
		}
		w.queue = append(w.queue[:0:0], w.queue[taken:]...)
		if len(batch) > 0 {
			return batch
		}
	}
}

// commit runs a batch in one transaction. Failures of single requests are
// left with them; an error means that nothing of the batch was written.
func (w *writer) commit(ctx context.Context, batch []*request) error {
	if _, err := w.tx.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	err := w.each(ctx, batch)
	if err == nil {
		if _, err = w.tx.exec(ctx, "COMMIT"); err == nil {
			return nil
		}
		err = fmt.Errorf("commit: %w", err)
	}
	// SQLite may have rolled back by itself (disk full, I/O error): then
	// there is nothing to undo and this fails without harm.
	_, _ = w.tx.exec(ctx, "ROLLBACK")
	return err
}

// each runs the requests one by one, each within a savepoint unless it is
// the only one. It fails if the transaction as a whole is lost.
func (w *writer) each(ctx context.Context, batch []*request) error {
	if len(batch) == 1 {
		return batch[0].fn(ctx, w.tx)
	}
	for _, r := range batch {
		if _, err := w.tx.exec(ctx, "SAVEPOINT request"); err != nil {
			return err
		}
		if r.err = r.fn(ctx, w.tx); r.err != nil {
			if _, err := w.tx.exec(ctx, "ROLLBACK TO request"); err != nil {
				return fmt.Errorf("transaction lost: %w", r.err)
			}
		}
		if _, err := w.tx.exec(ctx, "RELEASE request"); err != nil {
			return err
		}
	}
	return nil
}
