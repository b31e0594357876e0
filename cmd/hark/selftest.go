package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"hark/relay/trial"
)

func (p *program) selftestCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "selftest",
		Short: "Put this program to the test, on this machine alone",
		Long: `Selftest runs this very program in processes of its own, with simulated
instances around it on loopback, and checks what it promises. It touches no
configuration and no store but those in a folder that it makes and removes.`,
		Example: `  hark selftest crash --rounds 50`,
	}
	cmd.AddCommand(p.selftestCrash())
	return cmd
}

func (p *program) selftestCrash() *cobra.Command {
	var asJSON bool
	var rounds int
	var seed uint64
	cmd := &cobra.Command{
		Use:   "crash",
		Short: "Kill a node during traffic again and again, and look for losses",
		Long: `Crash starts a node, lets simulated instances post to it, kills it with SIGKILL
at random moments and starts it again. At the end everything that was
acknowledged must have reached every other subscriber and the archive.`,
		Example: `  hark selftest crash
  hark selftest crash --rounds 50 --seed 7 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if rounds < 1 {
				return usagef("--rounds %d is not a number of rounds", rounds)
			}
			return p.crash(cmd.Context(), rounds, seed, asJSON)
		},
	}
	cmd.Flags().IntVar(&rounds, "rounds", 10, "how often the node is killed")
	cmd.Flags().Uint64Var(&seed, "seed", 1, "of the moments at which it is")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

func (p *program) crash(ctx context.Context, rounds int, seed uint64, asJSON bool) (err error) {
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	dir, err := os.MkdirTemp("", "hark-selftest-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	report, err := trial.Crash(ctx, trial.CrashOptions{
		Binary: binary, Dir: dir, Rounds: rounds, Seed: seed, Log: slog.New(slog.DiscardHandler),
		Progress: func(round int, acknowledged int64) {
			p.warnf("round %d of %d: killed and started again, %s acknowledged so far", round, rounds, plural(acknowledged, "post"))
		},
	})
	if err != nil {
		return err
	}
	if asJSON {
		err = writeJSON(p.stdout, report)
	} else {
		err = p.printCrash(report)
	}
	if err != nil {
		return err
	}
	if report.Lost() {
		return errShown
	}
	return nil
}

func (p *program) printCrash(r *trial.CrashReport) error {
	verdict := "Nothing that was acknowledged is lost."
	if r.Lost() {
		verdict = "A promise was broken."
	}
	err := p.printf(`%s
  killed        %d times in %s
  acknowledged  %s (%d more were not, while the node was down)
  deliveries    %d owed, %d missing, %d repeated, %d refused by the instances
  archive       %d missing
`, verdict, r.Rounds, r.Took.Round(time.Second), plural(r.Acknowledged, "post"), r.Refused,
		r.Expected, len(r.Undelivered), r.Repeated, len(r.Unverified), len(r.NotStored))
	for _, list := range [][]string{r.Undelivered, r.NotStored, r.Unverified} {
		for _, line := range list[:min(len(list), 20)] {
			err = errors.Join(err, p.printf("  %s\n", cleanLine(line)))
		}
	}
	return err
}
