package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"hark/activitypub"
	"hark/storage"
	"hark/storage/query"
	"hark/storage/sqlite"
)

// target is what `hark forget` erases: exactly one of the three.
type target struct {
	actors []string // ids
	host   string
	uri    string
	words  string // for people
	find   string // a query for its posts; "" where there is at most one
}

func (p *program) forgetCommand() *cobra.Command {
	var yes, dryRun, asJSON bool
	cmd := &cobra.Command{
		Use:   "forget ACTOR|DOMAIN|URI",
		Short: "Erase an author, a domain or a post, and print a receipt",
		Long: `Forget erases what is kept of an author (@user@host or the address of the
actor), of a whole domain, or one post by its address: posts, index, cached
actor documents and the bodies in the journal. What was erased does not come
back by a later delivery of the same post. It asks before it does so; the
receipt tells what was removed, and what a scan of the files for it found.

It does not end a subscription, nor does it block: see ` + "`hark subscribers block`" + `.`,
		Example: `  hark forget @ada@social.example --dry-run
  hark forget https://social.example/users/ada/statuses/1
  hark forget social.example --yes`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withStore(cmd.Context(), false, func(c *Config, store *sqlite.Store) error {
				t, err := findTarget(cmd.Context(), store, args[0])
				if err != nil {
					return err
				}
				count, needles, err := countTarget(cmd.Context(), store, t)
				if err != nil {
					return err
				}
				if dryRun {
					if asJSON {
						return writeJSON(p.stdout, map[string]any{"target": t.words, "posts": count, "dry_run": true})
					}
					return p.printf("%s: %s would be erased, with the cached actor documents and the bodies in the journal.\n", t.words, plural(count, "post"))
				}
				if !yes {
					if err := p.confirm(fmt.Sprintf("Erase %s (%s)? It cannot be undone. Type yes: ", t.words, plural(count, "post"))); err != nil {
						return err
					}
				}
				return p.forget(cmd.Context(), c, store, t, needles, asJSON)
			})
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be erased")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the receipt as JSON")
	return cmd
}

// confirm asks on standard error and reads the answer from standard input.
func (p *program) confirm(question string) error {
	if !isTerminal(p.stdin) {
		return usagef("nobody is there to ask: say --yes")
	}
	fmt.Fprint(p.stderr, question)
	line, err := bufio.NewReader(p.stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimSpace(strings.ToLower(line)) != "yes" {
		return errors.New("nothing was erased")
	}
	return nil
}

// findTarget tells what a name on the command line means: a handle, an address
// of an actor or of a post, or a domain.
func findTarget(ctx context.Context, store *sqlite.Store, name string) (target, error) {
	switch {
	case strings.Contains(name, "://"):
		if _, err := activitypub.ParseIRI(name); err != nil {
			return target{}, usagef("%q is not an address: %v", name, err)
		}
		_, err := store.GetActor(ctx, name)
		if err == nil {
			return actorTarget(name), nil
		}
		if !errors.Is(err, storage.ErrNotFound) {
			return target{}, err
		}
		if _, err := store.GetPostByURI(ctx, name); err == nil {
			return target{uri: name, words: "the post " + cleanLine(name)}, nil
		} else if !errors.Is(err, storage.ErrNotFound) {
			return target{}, err
		}
		t := actorTarget(name)
		n, err := countPosts(ctx, store, t.find)
		if err != nil {
			return target{}, err
		}
		if n > 0 {
			return t, nil
		}
		return target{uri: name, words: "whatever is kept of " + cleanLine(name)}, nil
	case strings.Contains(name, "@"):
		return handleTarget(ctx, store, name)
	}
	host, err := activitypub.NormalizeHost(name)
	if err != nil || strings.ContainsAny(name, "/ ") {
		return target{}, usagef("%q is neither @user@host, nor a domain, nor an address", name)
	}
	if strings.Contains(name, ":") {
		host = strings.ToLower(name) // in local use hosts differ by their port
	}
	return target{host: host, words: "the domain " + host, find: "domain:" + quoted(host)}, nil
}

func actorTarget(id string) target {
	return target{actors: []string{id}, words: "the author " + cleanLine(id), find: "from:" + quoted(id)}
}

// handleTarget finds the actor behind a handle among the authors of posts.
func handleTarget(ctx context.Context, store *sqlite.Store, name string) (target, error) {
	handle := strings.ToLower(strings.TrimPrefix(name, "@"))
	t := target{words: "the author @" + cleanLine(handle), find: "from:" + quoted("@"+handle)}
	err := store.Each(ctx, query.Parse(t.find, query.Options{}), func(post *storage.Post) error {
		if post.Handle == handle && !slices.Contains(t.actors, post.Actor) {
			t.actors = append(t.actors, post.Actor)
		}
		return nil
	})
	if err != nil {
		return target{}, err
	}
	if len(t.actors) == 0 {
		return target{}, fmt.Errorf("no post by @%s is kept; give the address of the actor to erase what else there is", handle)
	}
	return t, nil
}

// quoted makes a value of the search language of a text.
func quoted(s string) string {
	return `"` + strings.ReplaceAll(s, `"`, "") + `"`
}

func countPosts(ctx context.Context, store *sqlite.Store, text string) (int64, error) {
	var n int64
	err := store.Each(ctx, query.Parse(text, query.Options{}), func(*storage.Post) error { n++; return nil })
	return n, err
}
