package sqlite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"hark/storage"
)

func appendMany(ctx context.Context, s *Store, writer, n int) error {
	for i := range n {
		e := &storage.Entry{ActivityID: fmt.Sprintf("https://w%d.example/%d", writer, i), Body: []byte("{}")}
		if added, err := s.Append(ctx, e); err != nil || !added {
			return fmt.Errorf("append %d: %v, %w", i, added, err)
		}
	}
	return nil
}

// hold keeps the writer busy until the returned function is called, so that
// what comes meanwhile shares the next transaction.
func hold(t *testing.T, w *writer) (release func()) {
	t.Helper()
	begun, end := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := w.alone(context.Background(), func(context.Context, *tx) error { close(begun); <-end; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-begun
	return func() { close(end); wg.Wait() }
}

// waitQueued returns when n requests wait.
func waitQueued(w *writer, n int) {
	for {
		w.mu.Lock()
		waiting := len(w.queue)
		w.mu.Unlock()
		if waiting >= n {
			return
		}
		runtime.Gosched()
	}
}

func TestGroupCommit(t *testing.T) {
	s := open(t, t.TempDir())
	defer func() { _ = s.Close() }()
	w := s.journal.w
	boom := errors.New("boom")
	release := hold(t, w)
	const n = 40
	versions := make([]int64, n) // how the file looked from outside while each request ran
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			err := w.do(context.Background(), func(ctx context.Context, t *tx) error {
				if _, err := t.exec(ctx, "INSERT INTO meta (key, value) VALUES (?, '')", fmt.Sprint(i)); err != nil {
					return err
				}
				if i%4 == 0 {
					return boom
				}
				return s.journal.reads.QueryRowContext(ctx, "SELECT count(*) FROM meta").Scan(&versions[i])
			})
			if (i%4 == 0) != errors.Is(err, boom) {
				t.Errorf("request %d: %v", i, err)
			}
		})
	}
	waitQueued(w, n)
	release()
	wg.Wait()
	for i, v := range versions {
		if v != 0 {
			t.Errorf("request %d ran after another was committed: they did not share a transaction", i)
		}
	}
	var kept int
	if err := s.journal.reads.QueryRowContext(t.Context(), "SELECT count(*) FROM meta").Scan(&kept); err != nil || kept != n*3/4 {
		t.Errorf("%d rows kept, want %d: %v", kept, n*3/4, err)
	}
}

func TestWithdraw(t *testing.T) {
	s := open(t, t.TempDir())
	defer func() { _ = s.Close() }()
	release := hold(t, s.journal.w)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := s.Append(ctx, &storage.Entry{ActivityID: "a"}); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
	waitQueued(s.journal.w, 1)
	cancel()
	wg.Wait()
	release()
	if seen, err := s.Seen(t.Context(), "a"); err != nil || seen {
		t.Errorf("seen %v, %v: a withdrawn request was carried out", seen, err)
	}
}

// TestCloseDrains queues writes and closes: each is either done or refused.
func TestCloseDrains(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	release := hold(t, s.journal.w)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if _, err := s.Append(context.Background(), &storage.Entry{ActivityID: fmt.Sprint(i)}); err != nil {
				t.Error(err)
			}
		})
	}
	waitQueued(s.journal.w, 20)
	wg.Go(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	release()
	wg.Wait()
	if _, err := s.Append(t.Context(), &storage.Entry{ActivityID: "late"}); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("error %v", err)
	}
	s = open(t, dir)
	defer func() { _ = s.Close() }()
	if es, err := s.Read(t.Context(), 0, 100); err != nil || len(es) != 20 {
		t.Errorf("%d entries, %v", len(es), err)
	}
}

// killedDir names the store of the child of TestKilled.
const killedDir = "HARK_TEST_KILLED_DIR"

// TestKilled kills a process that appends without end and finds all that it
// had acknowledged.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(killedDir); dir != "" {
		appendForEver(t, dir)
		return
	}
	dir := t.TempDir()
	var acked []string
	for range 3 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), killedDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if id, ok := strings.CutPrefix(lines.Text(), "ack "); ok {
				acked = append(acked, id)
			}
			if n == 300 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // killed
	}
	s := open(t, dir)
	defer func() { _ = s.Close() }()
	var last int64
	kept := make(map[string]bool)
	for {
		page, err := s.Read(t.Context(), last, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			kept[e.ActivityID] = true
			last = e.Seq
		}
	}
	for _, id := range acked {
		if !kept[id] {
			t.Errorf("%s was acknowledged and is lost", id)
		}
	}
	if len(acked) < 900 {
		t.Errorf("only %d acknowledged: the test proves little", len(acked))
	}
}

func appendForEver(t *testing.T, dir string) {
	s := open(t, dir)
	_, head, err := s.Bounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	acks := make(chan string, 64)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%d-%d", head, w, i)
				if _, err := s.Append(context.Background(), &storage.Entry{ActivityID: id, Body: []byte("{}")}); err != nil {
					return
				}
				acks <- id
			}
		})
	}
	for id := range acks {
		if _, err := io.WriteString(os.Stdout, "ack "+id+"\n"); err != nil {
			break // the parent is gone
		}
	}
	os.Exit(1)
}
