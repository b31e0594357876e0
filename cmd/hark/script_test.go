package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"hark/storage"
	"hark/storage/sqlite"
)

// TestMain lets the scripts run the program itself.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hark": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			// The race detector lets every program sleep a second at its end.
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"seed": seed, "journal": journal, "cursor": cursor, "dropped": dropped,
			"sha256sum": checkSums,
			"exitcode":  exitCode,
			"waitfor":   waitFor,
			"waitready": waitReady,
			"waitposts": waitPosts,
		},
	})
}

// waitFor waits until a file exists.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfor FILE")
	}
	until(ts, func() bool {
		_, err := os.Stat(ts.MkAbs(args[0]))
		return err == nil
	})
}

// waitReady waits until the node of ./hark-data answers.
func waitReady(ts *testscript.TestScript, _ bool, _ []string) {
	until(ts, func() bool {
		store, err := sqlite.Open(context.Background(), sqlite.Options{Dir: ts.MkAbs("hark-data")})
		if err != nil {
			return false
		}
		base, err := store.GetMeta(context.Background(), metaBaseURL)
		ts.Check(store.Close())
		if err != nil {
			return false
		}
		resp, err := http.Get(base + "/readyz")
		if err != nil {
			return false
		}
		ts.Check(resp.Body.Close())
		return resp.StatusCode == http.StatusOK
	})
}

// waitPosts waits until the store of ./hark-data has that many more posts than
// when it began to wait.
func waitPosts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitposts NUMBER")
	}
	more, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	ctx := context.Background()
	store, err := sqlite.Open(ctx, sqlite.Options{Dir: ts.MkAbs("hark-data")})
	ts.Check(err)
	defer func() { ts.Check(store.Close()) }()
	before, err := store.Stats(ctx)
	ts.Check(err)
	until(ts, func() bool {
		now, err := store.Stats(ctx)
		ts.Check(err)
		return now.Posts >= before.Posts+more
	})
}

// until polls a condition that another process brings about.
func until(ts *testscript.TestScript, ok func() bool) {
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			ts.Fatalf("waited half a minute in vain")
		}
		<-time.After(20 * time.Millisecond)
	}
}

// exitCode runs `hark` with the arguments behind the wanted code: the codes
// are part of what scripts rely on.
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exitcode CODE [ARG…]")
	}
	code := 0
	if err := ts.Exec("hark", args[1:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Check(err)
		}
		code = exit.ExitCode()
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("hark %s: exit code %d, want %s", strings.Join(args[1:], " "), code, args[0])
	}
}

// seed fills the store in a folder with posts and subscribers.
func seed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: seed FOLDER")
	}
	ctx := context.Background()
	store, err := sqlite.Open(ctx, sqlite.Options{Dir: ts.MkAbs(args[0]), Create: true})
	ts.Check(err)
	defer func() { ts.Check(store.Close()) }()
	_, err = store.PutPosts(ctx, seedPosts())
	ts.Check(err)
	now := time.Now()
	for i, host := range []string{"social.example", "waiting.example"} {
		actor := "https://" + host + "/actor"
		ts.Check(store.PutSubscription(ctx, &storage.Subscriber{
			Actor: actor, Host: host, Inbox: "https://" + host + "/inbox", Flavour: storage.FlavourMastodon,
			State:    []storage.SubscriberState{storage.StateActive, storage.StatePending}[i],
			FollowID: "https://" + host + "/follow/1", Software: "mastodon", Created: now, Updated: now,
			Follow: []byte(`{"id":"https://` + host + `/follow/1","type":"Follow","actor":"` + actor + `","object":"https://www.w3.org/ns/activitystreams#Public"}`),
		}, nil))
	}
}

// journal appends so many activities to the store in a folder.
func journal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: journal FOLDER NUMBER")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	inStore(ts, args[0], func(ctx context.Context, store *sqlite.Store) {
		for i := range n {
			_, err := store.Append(ctx, &storage.Entry{
				ActivityID: fmt.Sprint("https://social.example/activities/", i), Type: "Create", Actor: "https://social.example/users/ada",
				ObjectID: fmt.Sprint("https://social.example/notes/", i), Via: "social.example", Relay: true, Body: []byte("{}"),
			})
			ts.Check(err)
		}
	})
}

// cursor tells that a subscriber is done with the journal up to a sequence.
func cursor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: cursor FOLDER HOST SEQUENCE")
	}
	seq, err := strconv.ParseInt(args[2], 10, 64)
	ts.Check(err)
	inStore(ts, args[0], func(ctx context.Context, store *sqlite.Store) {
		sub, err := store.GetSubscriber(ctx, "https://"+args[1]+"/actor")
		ts.Check(err)
		ts.Check(store.SaveProgress(ctx, []storage.Progress{{Actor: sub.Actor, Cursor: seq, Rewinds: sub.Rewinds, Health: sub.Health}}))
	})
}

// dropped trims the journal up to a sequence.
func dropped(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: dropped FOLDER SEQUENCE")
	}
	seq, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	inStore(ts, args[0], func(ctx context.Context, store *sqlite.Store) {
		_, err := store.Trim(ctx, time.Now().Add(time.Hour), seq)
		ts.Check(err)
	})
}

// inStore runs fn on the store in a folder.
func inStore(ts *testscript.TestScript, dir string, fn func(context.Context, *sqlite.Store)) {
	ctx := context.Background()
	store, err := sqlite.Open(ctx, sqlite.Options{Dir: ts.MkAbs(dir)})
	ts.Check(err)
	defer func() { ts.Check(store.Close()) }()
	fn(ctx, store)
}

// seedPosts are a few posts of two authors; one tries to draw on the terminal.
func seedPosts() []storage.Post {
	at := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	texts := []struct{ author, lang, text string }{
		{"ada", "en", "The flood has reached the old bridge, stay away"},
		{"ada", "de", "Das Hochwasser steht an der alten Brücke"},
		{"bob", "en", "I will find you and you will regret it"},
		{"bob", "en", "Look at my cluckers, they love the rain"},
		{"eve", "en", "evil \x1b]0;title\x07 \u009b2J text about a flood"},
	}
	var posts []storage.Post
	for i, t := range texts {
		actor := "https://social.example/users/" + t.author
		uri := fmt.Sprintf("%s/statuses/%d", actor, i+1)
		when := at.Add(time.Duration(i) * time.Minute)
		p := storage.Post{
			ID: when.UnixMilli()<<16 | int64(i), URI: uri, URL: uri, Type: "Note", Actor: actor,
			Handle: t.author + "@social.example", Name: strings.ToUpper(t.author), Host: "social.example", Via: "social.example",
			Software: "mastodon", Published: when, Received: when, Language: t.lang, Text: t.text, ModelVer: "rules/1",
			Consent: "opt-out", ActivityID: uri + "/activity",
			Raw: fmt.Appendf(nil, `{"@context":"https://www.w3.org/ns/activitystreams","id":"%s/activity","type":"Create","actor":"%s","to":["https://www.w3.org/ns/activitystreams#Public"],"object":{"id":"%s","type":"Note"}}`, uri, actor, uri),
		}
		if i == 2 {
			p.Labels = []storage.Label{{Name: "threat", Score: 0.91, Over: true, Model: "rules/1"}}
		}
		posts = append(posts, p)
	}
	return posts
}

// checkSums is `sha256sum -c`, where there may be none.
func checkSums(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: sha256sum FILE")
	}
	var bad []string
	lines := strings.Split(strings.TrimSpace(ts.ReadFile(args[0])), "\n")
	for _, line := range lines {
		sum, name, ok := strings.Cut(line, "  ")
		data, err := os.ReadFile(ts.MkAbs(filepath.Join(filepath.Dir(args[0]), name)))
		if got := sha256.Sum256(data); !ok || err != nil || hex.EncodeToString(got[:]) != sum {
			bad = append(bad, line)
		}
	}
	if (len(bad) > 0) != neg {
		ts.Fatalf("%d of %d sums do not agree: %v", len(bad), len(lines), bad)
	}
}
