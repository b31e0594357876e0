package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"hark/storage"
	"hark/storage/archive"
	"hark/storage/query"
	"hark/storage/sqlite"
)

// exportFlags are the flags of `hark export`.
type exportFlags struct {
	query  string
	out    string
	zone   string
	dryRun bool
	json   bool
}

func (p *program) exportCommand() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export --query QUERY --out FILE",
		Short: "Write an archive of the posts that a query finds",
		Long: `Export writes ActivityStreams collection pages, JSON Lines, a CSV table and
sums of all of it (RFC 8493; sha256sum -c checks them) into a file that ends in
.tar.gz, .tar.zst or .zip, or into a folder. The posts are exported as they
arrived, with their evidence. Without --query it is everything that is kept.

A query that is not understood in full is refused, since nobody would notice in
the archive what is missing. Every export leaves an entry in the audit log.`,
		Example: `  hark export --query 'label:hazard during:2026-11' --out hazards.tar.gz
  hark export --query 'domain:social.example' --dry-run
  tar xzf hazards.tar.gz && cd hark-export-* && sha256sum -c manifest-sha256.txt`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.out == "" && !f.dryRun {
				return usagef("say where to write with --out archive.tar.gz, or --dry-run to see how much it would be")
			}
			return p.withStore(cmd.Context(), false, func(c *Config, store *sqlite.Store) error {
				return p.export(cmd.Context(), c, store, f)
			})
		},
	}
	cmd.Flags().StringVarP(&f.query, "query", "q", "", "which posts, in the search language; empty: all")
	cmd.Flags().StringVarP(&f.out, "out", "o", "", "`file` or folder to write, which must not exist")
	cmd.Flags().StringVar(&f.zone, "tz", "", "time `zone` of the dates in the query, as Europe/Berlin (default UTC)")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only say how many posts it would be")
	cmd.Flags().BoolVar(&f.json, "json", false, "print the summary as JSON")
	return cmd
}

// export writes the archive, or with --dry-run counts what would be in it.
func (p *program) export(ctx context.Context, c *Config, store *sqlite.Store, f exportFlags) error {
	q, err := p.parseQuery(f.query, f.zone, true)
	if err != nil {
		return err
	}
	if f.dryRun {
		return p.dryExport(ctx, store, q, f.json)
	}
	total, capped, err := store.Count(ctx, q, math.MaxInt64-1)
	if err != nil {
		return err
	}
	if capped {
		total = -1
	}
	base, err := baseURLOf(ctx, c, store)
	if err != nil {
		return err
	}
	bar := p.progress("exporting", total)
	sum, err := archive.Write(ctx, archive.Options{
		Out: f.out, Node: base, Version: buildVersion().Version, Query: q.String(), Created: p.now().UTC(), Progress: bar.set,
	}, func(ctx context.Context, fn func(*storage.Post) error) error {
		return store.Each(ctx, q, fn)
	})
	bar.done()
	switch {
	case errors.Is(err, storage.ErrExists):
		return fmt.Errorf("%s is there already and is not overwritten", f.out)
	case errors.Is(err, archive.ErrOut):
		return usagef("%s says no kind of archive: end it in .tar.gz, .tar.zst or .zip, or in a slash for a folder", f.out)
	case err != nil:
		return err
	}
	if err := audit(ctx, store, "export", q.String(), sum.Posts); err != nil {
		return err
	}
	if f.json {
		return writeJSON(p.stdout, sum)
	}
	return p.printExport(f.out, q, sum)
}

// dryExport counts without writing.
func (p *program) dryExport(ctx context.Context, store *sqlite.Store, q *query.Query, asJSON bool) error {
	bar := p.progress("counting", -1)
	var n, bytes int64
	err := store.Each(ctx, q, func(post *storage.Post) error {
		n++
		bytes += int64(len(post.Raw) + len(post.Text))
		bar.set(n)
		return nil
	})
	bar.done()
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(p.stdout, map[string]any{"query": q.String(), "posts": n, "dry_run": true})
	}
	return p.printf("%s would be exported, roughly %s before compression.\n", plural(n, "post"), bytesText(3*bytes))
}

func (p *program) printExport(out string, q *query.Query, s archive.Summary) error {
	text := q.String()
	if text == "" {
		text = "everything"
	}
	size := bytesText(s.Bytes) + " unpacked"
	if s.Size > 0 {
		size = bytesText(s.Size) + ", " + size
	}
	var consent []string
	for _, rule := range sortedKeys(s.Consent) {
		name := rule
		if name == "" {
			name = "not noted"
		}
		consent = append(consent, fmt.Sprintf("%s %d", name, s.Consent[rule]))
	}
	lines := [][2]string{
		{"archive", out},
		{"id", s.ID},
		{"query", text},
		{"posts", fmt.Sprint(s.Posts)},
		{"activities", fmt.Sprint(s.Activities)},
		{"labels", fmt.Sprint(s.Labels)},
		{"let in by", strings.Join(consent, ", ")},
		{"size", size},
		{"sha256", s.SHA256},
	}
	lines = slices.DeleteFunc(lines, func(l [2]string) bool { return l[1] == "" })
	for _, l := range lines {
		if err := p.printf("%-11s %s\n", l[0], cleanLine(l[1])); err != nil {
			return err
		}
	}
	return nil
}
