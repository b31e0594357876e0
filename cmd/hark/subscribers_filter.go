package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"hark/storage"
	"hark/storage/query"
	"hark/storage/sqlite"
)

func (p *program) subscribersFilter() *cobra.Command {
	var remove bool
	cmd := &cobra.Command{
		Use:   "filter HOST|ACTOR [QUERY]",
		Short: "Show, set or clear what a subscriber is sent",
		Long: `A filter is a query as ` + "`hark search`" + ` takes it. The subscriber is sent the new
posts that it finds, and no others; edits and deletions it is always sent,
since it may hold what they change. Relative times in a filter (after:-2d) count
from the hour in which a post arrives. A query that is not understood in full is
refused. Without a query, the filter is shown.`,
		Example: `  hark subscribers filter social.example "lang:ja -label:spam"
  hark subscribers filter social.example "#weather"
  hark subscribers filter social.example -- -label:spam
  hark subscribers filter social.example --clear`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			filter := strings.TrimSpace(strings.Join(args[1:], " "))
			switch {
			case remove && filter != "":
				return usagef("--clear takes no query")
			case len(args) > 1 && filter == "":
				return usagef("an empty filter would send everything; say so with --clear")
			case filter != "":
				if _, err := query.ParseFilter(filter, query.Options{Now: p.now()}); err != nil {
					return fmt.Errorf("the filter %q: %w", filter, err)
				}
			}
			return p.withStore(cmd.Context(), false, func(_ *Config, store *sqlite.Store) error {
				subs, err := findSubscribers(cmd.Context(), store, args[0])
				if err != nil {
					return err
				}
				for _, sub := range subs {
					if remove || filter != "" {
						err = p.setFilter(cmd.Context(), store, sub, filter)
					} else {
						err = p.printf("%s\n", filterLine(sub.Actor, sub.Filter))
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&remove, "clear", false, "remove the filter: everything is sent")
	return cmd
}

func (p *program) setFilter(ctx context.Context, store *sqlite.Store, sub storage.Subscriber, filter string) error {
	if err := store.SetSubscriberFilter(ctx, sub.Actor, filter); err != nil {
		return err
	}
	if err := audit(ctx, store, "subscriber.filter", strings.TrimSpace(sub.Actor+" "+filter), 1); err != nil {
		return err
	}
	return p.printf("%s\n", filterLine(sub.Actor, filter))
}

// filterLine says what a subscriber is sent.
func filterLine(actor, filter string) string {
	if filter == "" {
		return cleanLine(actor) + ": everything"
	}
	return cleanLine(actor) + ": " + cleanLine(filter)
}
