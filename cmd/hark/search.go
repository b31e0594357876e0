package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hark/relay/server"
	"hark/storage"
	"hark/storage/query"
	"hark/storage/sqlite"
)

// searchFlags are the flags of `hark search`.
type searchFlags struct {
	limit   int
	all     bool
	oldest  bool
	strict  bool
	json    bool
	explain bool
	zone    string
}

func (p *program) searchCommand() *cobra.Command {
	var f searchFlags
	cmd := &cobra.Command{
		Use:   "search [QUERY]",
		Short: "Search the posts that are kept",
		Long: `Search reads the store directly, also while the node runs. On a terminal it
prints for people, elsewhere JSON Lines. Without a query it shows the newest
posts. Finding nothing is no failure.

What the search language did not understand is said on standard error, and the
rest is searched; --strict makes that a failure. Every search leaves an entry in
the audit log.`,
		Example: `  hark search 'flood'
  hark search 'label:threat -lang:ja after:-24h'
  hark search 'from:@ada@social.example has:image' --limit 50
  hark search '"look at my cluckers" OR #hens' --oldest
  hark search 'label:breach>0.8' --all --json | jq -r .uri`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.limit < 1 {
				return usagef("--limit %d is not a number of posts", f.limit)
			}
			return p.withStore(cmd.Context(), false, func(_ *Config, store *sqlite.Store) error {
				return p.search(cmd.Context(), store, strings.Join(args, " "), f)
			})
		},
	}
	cmd.Flags().IntVarP(&f.limit, "limit", "n", 20, "at most so many posts")
	cmd.Flags().BoolVar(&f.all, "all", false, "every post that matches, whatever --limit says")
	cmd.Flags().BoolVar(&f.oldest, "oldest", false, "the oldest first")
	cmd.Flags().BoolVar(&f.strict, "strict", false, "fail where the query is not understood in full")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON Lines, also on a terminal")
	cmd.Flags().BoolVar(&f.explain, "explain", false, "say on standard error how the query was understood")
	cmd.Flags().StringVar(&f.zone, "tz", "", "time `zone` of the dates in the query, as Europe/Berlin (default UTC)")
	return cmd
}

// parseQuery parses a query and says on standard error what was not
// understood. With strict that is a failure.
func (p *program) parseQuery(text, zone string, strict bool) (*query.Query, error) {
	o := query.Options{Now: p.now()}
	if zone != "" {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			return nil, usagef("--tz %q is not a time zone such as Europe/Berlin", zone)
		}
		o.Zone = loc
	}
	q := query.Parse(text, o)
	for _, w := range q.Warnings {
		p.warnf("query, at byte %d: %s (%s)", w.At+1, cleanLine(w.Text), w.Code)
	}
	if strict && len(q.Warnings) > 0 {
		return nil, usagef("the query is not understood in full")
	}
	return q, nil
}

// search prints the posts that a query finds.
func (p *program) search(ctx context.Context, store *sqlite.Store, text string, f searchFlags) error {
	if f.oldest {
		text = strings.TrimSpace(text + " sort:oldest")
	}
	q, err := p.parseQuery(text, f.zone, f.strict)
	if err != nil {
		return err
	}
	if f.explain {
		p.warnf("understood as: %s", cleanLine(q.String()))
	}
	asJSON := f.json || !isTerminal(p.stdout)
	colours := p.palette()
	var shown int
	var partial bool
	page := storage.Page{}
	for {
		page.Limit = 200
		if left := f.limit - shown; !f.all && left < page.Limit {
			page.Limit = left
		}
		hits, err := store.Search(ctx, q, page)
		if err != nil {
			return err
		}
		for i := range hits.Posts {
			post := &hits.Posts[i]
			if asJSON {
				err = writeJSON(p.stdout, server.PostOf(post, q))
			} else {
				err = p.printPost(post, q.Snippet(post, 280), colours)
			}
			if err != nil {
				return err
			}
			shown++
		}
		partial = partial || hits.Partial
		page.Cursor = hits.Next
		if hits.Next == "" || (!f.all && shown >= f.limit) {
			break
		}
	}
	if partial {
		p.warnf("the search took too long: only the newest part was looked at; narrow it with after: or further words")
	}
	if !asJSON {
		if err := p.printCount(shown, page.Cursor != ""); err != nil {
			return err
		}
	}
	return audit(ctx, store, "search", text, int64(shown))
}

func (p *program) printCount(shown int, more bool) error {
	switch {
	case shown == 0:
		return p.printf("Nothing found.\n")
	case more:
		return p.printf("%d posts; there are more: --limit or --all shows them.\n", shown)
	}
	return p.printf("%s.\n", plural(int64(shown), "post"))
}

func plural(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.FormatInt(n, 10) + " " + thing + "s"
}

// printPost prints a post for people. Every text in it was written by a
// stranger.
func (p *program) printPost(post *storage.Post, snippet query.Snippet, c palette) error {
	var b strings.Builder
	b.WriteString(c.bold("@" + cleanLine(post.Handle)))
	if name := cleanLine(post.Name); name != "" {
		b.WriteString(" " + shorten(name, 40))
	}
	meta := []string{post.Published.UTC().Format(timeForm), cleanLine(post.Language)}
	if post.Software != "" {
		meta = append(meta, cleanLine(post.Software))
	}
	if post.Bot {
		meta = append(meta, "bot")
	}
	if !post.Edited.IsZero() {
		meta = append(meta, "edited")
	}
	b.WriteString(c.dim("  "+strings.Join(meta, " · ")) + "\n")
	var labels []string
	for _, l := range post.Labels {
		text := fmt.Sprintf("%s %.2f", cleanLine(l.Name), l.Score)
		if l.Over {
			labels = append(labels, c.red("["+text+"]"))
		} else if l.Score >= 0.2 {
			labels = append(labels, c.dim("("+text+")"))
		}
	}
	if len(labels) > 0 {
		b.WriteString("  " + strings.Join(labels, " ") + "\n")
	}
	if w := cleanLine(post.Warning); w != "" {
		b.WriteString("  " + c.dim("warning: ") + w + "\n")
	}
	for line := range strings.SplitSeq(markSnippet(snippet, c), "\n") {
		if strings.TrimSpace(line) != "" {
			b.WriteString("  " + line + "\n")
		}
	}
	for _, a := range post.Attachments {
		b.WriteString("  " + c.dim(cleanLine(a.Kind)+": "+shorten(cleanLine(a.Description), 120)) + "\n")
	}
	address := post.URL
	if address == "" {
		address = post.URI
	}
	b.WriteString("  " + c.link(cleanLine(address)) + "\n\n")
	return p.printf("%s", b.String())
}

// markSnippet sets off what the query found. The text is cleaned part by part,
// so that the marks stay where they belong.
func markSnippet(s query.Snippet, c palette) string {
	var b strings.Builder
	at := 0
	for _, m := range s.Marks {
		if m[0] < at || m[1] > len(s.Text) || m[0] > m[1] {
			continue
		}
		b.WriteString(cleanText(s.Text[at:m[0]]))
		b.WriteString(c.mark(cleanText(s.Text[m[0]:m[1]])))
		at = m[1]
	}
	b.WriteString(cleanText(s.Text[at:]))
	return b.String()
}
