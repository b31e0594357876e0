package main

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"hark/storage/sqlite"
)

func (p *program) auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Read and verify the log of who looked at what",
		Long: `Every search, export, view and decision leaves an entry. The entries are chained
by hashes: one that is changed or taken out breaks the chain.`,
		Example: `  hark audit verify
  hark audit list --after 100`,
	}
	cmd.AddCommand(p.auditVerify(), p.auditList())
	return cmd
}

func (p *program) auditVerify() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check the chain of the audit log",
		Long: `Verify walks the whole log. It fails where an entry was changed or is missing.
Whoever can write to the file can also write a new chain: note the hash that it
prints somewhere else, to compare it later.`,
		Example: `  hark audit verify`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withStore(cmd.Context(), false, func(_ *Config, store *sqlite.Store) error {
				n, err := store.VerifyAudit(cmd.Context())
				if err != nil {
					return fmt.Errorf("the audit log does not hold after %d entries: %w", n, err)
				}
				newest := ""
				if n > 0 {
					last, err := store.ListAudit(cmd.Context(), n-1, 1)
					if err != nil {
						return err
					}
					if len(last) == 1 {
						newest = hex.EncodeToString(last[0].Hash)
					}
				}
				if asJSON {
					return writeJSON(p.stdout, map[string]any{"entries": n, "hash": newest})
				}
				if n == 0 {
					return p.printf("The audit log is empty.\n")
				}
				return p.printf("%d entries hold; the newest has the hash %s\n", n, newest)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// auditView is an entry of the audit log as scripts see it.
type auditView struct {
	Seq     int64     `json:"seq"`
	At      time.Time `json:"at"`
	Token   string    `json:"token"`
	Action  string    `json:"action"`
	Subject string    `json:"subject"`
	Count   int64     `json:"count"`
	Hash    string    `json:"hash"`
}

func (p *program) auditList() *cobra.Command {
	var asJSON bool
	var after int64
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the entries of the audit log, oldest first",
		Example: `  hark audit list
  hark audit list --after 1000 --limit 50
  hark audit list --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 || after < 0 {
				return usagef("--after and --limit are not below 0")
			}
			return p.withStore(cmd.Context(), false, func(_ *Config, store *sqlite.Store) error {
				rows := [][]string{{"SEQ", "AT", "TOKEN", "ACTION", "COUNT", "SUBJECT"}}
				for left := limit; limit == 0 || left > 0; {
					entries, err := store.ListAudit(cmd.Context(), after, min(1000, max(left, 0)))
					if err != nil {
						return err
					}
					if len(entries) == 0 {
						break
					}
					for _, e := range entries {
						after, left = e.Seq, left-1
						if asJSON {
							v := auditView{e.Seq, e.At.UTC(), e.Token, e.Action, e.Subject, e.Count, hex.EncodeToString(e.Hash)}
							if err := writeJSON(p.stdout, v); err != nil {
								return err
							}
							continue
						}
						rows = append(rows, []string{fmt.Sprint(e.Seq), e.At.UTC().Format(timeForm), e.Token, e.Action, fmt.Sprint(e.Count), e.Subject})
					}
				}
				if asJSON {
					return nil
				}
				if len(rows) == 1 {
					return p.printf("No entries.\n")
				}
				return table(p.stdout, rows)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON Lines")
	cmd.Flags().Int64Var(&after, "after", 0, "only entries behind this `number`")
	cmd.Flags().IntVar(&limit, "limit", 0, "at most so many; 0: all")
	return cmd
}
