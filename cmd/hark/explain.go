package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"hark/relay"
	"hark/storage"
	"hark/storage/sqlite"
)

func (p *program) explainCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain ID",
		Short: "Say what became of an activity, a post, an actor or a refusal",
		Long: `Explain tells what is known of an id: of an activity, a post, an actor, or of a
refusal as its problem document names it ("instance"). It says who delivered
it, how it was signed, what was decided and why, to which subscribers it went
and in which form, and whether the post is kept.

Refusals and drops are kept as long as the journal, 50,000 at most. Of their ids
the store has digests only, so an id has to be given in full.`,
		Example: `  hark explain https://social.example/users/ada/statuses/1
  hark explain https://social.example/users/ada
  hark explain urn:hark:refusal:k3n5x2q7zmab --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withStore(cmd.Context(), false, func(c *Config, store *sqlite.Store) error {
				journal := time.Duration(c.Storage.JournalRetention)
				x, err := relay.Explain(cmd.Context(), store, args[0], journal, p.now())
				if errors.Is(err, storage.ErrNotFound) {
					return fmt.Errorf("nothing is known of %.200q; refusals and accepted activities are kept for %s", args[0], journal)
				}
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(p.stdout, x)
				}
				return p.printf("%s", cleanText(x.Text()))
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
