package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"hark/relay"
	"hark/storage"
	"hark/storage/archive"
	"hark/storage/sqlite"
)

// importBatch is how many posts are written at once.
const importBatch = 500

func (p *program) importCommand() *cobra.Command {
	var dryRun, asJSON bool
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Read an archive back into the store",
		Long: `Import reads an archive that ` + "`hark export`" + ` wrote, packed or as a folder. All sums
are checked before the first post is stored. Posts that are there already stay
as they are, so importing twice is the same as once; what was erased or is
blocked does not come back.`,
		Example: `  hark import hazards.tar.gz --dry-run
  hark import hazards.tar.gz`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := p.withStore(cmd.Context(), !dryRun, func(_ *Config, store *sqlite.Store) error {
				return p.importFile(cmd.Context(), store, args[0], dryRun, asJSON)
			})
			if dryRun && errors.Is(err, errNoStore) {
				err = p.importFile(cmd.Context(), nil, args[0], dryRun, asJSON)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only check the archive and say what would be new")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the summary as JSON")
	return cmd
}

// importer takes the posts of an archive.
type importer struct {
	store   *sqlite.Store // nil: an empty one
	rules   []storage.PolicyRule
	dryRun  bool
	batch   []storage.Post
	bar     *progress
	Read    int64 `json:"read"`
	Added   int64 `json:"added"`
	Known   int64 `json:"known"`   // there already, or erased before
	Blocked int64 `json:"blocked"` // of a host or author that a rule keeps out
}

// importFile reads an archive into the store, which may be nil in a dry run.
func (p *program) importFile(ctx context.Context, store *sqlite.Store, file string, dryRun, asJSON bool) error {
	in := &importer{store: store, dryRun: dryRun, bar: p.progress("importing", -1)}
	if store != nil {
		rules, err := store.ListRules(ctx)
		if err != nil {
			return err
		}
		in.rules = rules
	}
	_, err := archive.Read(ctx, file, func(post *storage.Post) error { return in.take(ctx, post) })
	if err == nil {
		err = in.flush(ctx)
	}
	in.bar.done()
	if err != nil {
		return importError(file, err)
	}
	if !dryRun {
		if err := audit(ctx, store, "import", file, in.Added); err != nil {
			return err
		}
	}
	if asJSON {
		return writeJSON(p.stdout, in)
	}
	verb := "new"
	if dryRun {
		verb = "would be new"
	}
	text := fmt.Sprintf("%s read: %d %s, %d known already", plural(in.Read, "post"), in.Added, verb, in.Known)
	if in.Blocked > 0 {
		text += fmt.Sprintf(", %d kept out by rules", in.Blocked)
	}
	return p.printf("%s.\n", text)
}

// importError says what to do about an archive that cannot be read.
func importError(file string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no file %s", file)
	case errors.Is(err, archive.ErrChecksum):
		return fmt.Errorf("%w; nothing of it was imported: get the archive again", err)
	case errors.Is(err, archive.ErrActivities):
		return fmt.Errorf("%w; import reads what `hark export` writes", err)
	case errors.Is(err, storage.ErrNewer):
		return fmt.Errorf("%w; update the program", err)
	}
	return err
}

// take keeps a post for the next batch, unless a rule keeps it out.
func (in *importer) take(ctx context.Context, post *storage.Post) error {
	in.Read++
	in.bar.set(in.Read)
	if in.blocked(post) {
		in.Blocked++
		return nil
	}
	in.batch = append(in.batch, *post)
	if len(in.batch) < importBatch {
		return nil
	}
	return in.flush(ctx)
}

// blocked tells whether a rule keeps a post out, as it would at the inbox.
func (in *importer) blocked(post *storage.Post) bool {
	for _, r := range in.rules {
		switch r.Action {
		case relay.RuleBlock:
			if post.Host == r.Host || strings.HasSuffix(post.Host, "."+r.Host) {
				return true
			}
		case relay.RuleObjected:
			if post.Actor == r.Host {
				return true
			}
		}
	}
	return false
}

// flush writes the batch, or in a dry run looks which of it is known.
func (in *importer) flush(ctx context.Context) error {
	defer func() { in.batch = in.batch[:0] }()
	if len(in.batch) == 0 {
		return nil
	}
	if !in.dryRun {
		added, err := in.store.PutPosts(ctx, in.batch)
		in.Added += added
		in.Known += int64(len(in.batch)) - added
		return err
	}
	if in.store == nil {
		in.Added += int64(len(in.batch))
		return nil
	}
	for i := range in.batch {
		_, err := in.store.GetPostByURI(ctx, in.batch[i].URI)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			in.Added++
		case err != nil:
			return err
		default:
			in.Known++
		}
	}
	return nil
}
