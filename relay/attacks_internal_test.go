package relay

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"hark/activitypub/sig"
	"hark/storage/sqlite"
)

// TestSlowHeadersAreGivenUp: the HTTP server that a node starts bounds how long
// a request's header may take and how large it may be. Waiting for it would
// make this test as slow as the attack.
func TestSlowHeadersAreGivenUp(t *testing.T) {
	store, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir(), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	key, err := sig.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(Options{Store: store, Key: key, Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for what, d := range map[string]time.Duration{"header": n.http.ReadHeaderTimeout, "request": n.http.ReadTimeout, "answer": n.http.WriteTimeout, "idle": n.http.IdleTimeout} {
		if d <= 0 || d > 2*time.Minute || what == "header" && d > 10*time.Second {
			t.Errorf("%s: %s", what, d)
		}
	}
	if n.http.MaxHeaderBytes <= 0 || n.http.MaxHeaderBytes > 64<<10 {
		t.Errorf("headers of %d bytes", n.http.MaxHeaderBytes)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := n.Stop(ctx); err != nil {
		t.Error(err)
	}
}
