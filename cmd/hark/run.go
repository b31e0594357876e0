package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// program is one run of the command line: its streams, its environment, and
// what the flags of every command said.
type program struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	env    []string
	vars   map[string]string
	now    func() time.Time

	configFile string // --config
}

// usageError is a fault of the command line itself: the exit code is 2.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// errShown is returned by a command that has already said on the terminal what
// failed; only the exit code is left to set.
var errShown = errors.New("failed")

// run runs the command line and returns the exit code: 0 done, 1 failed, 2
// misused. Errors go to stderr. It returns when ctx ends, after the command
// has wound itself up.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env []string) int {
	p := &program{stdin: stdin, stdout: stdout, stderr: stderr, env: env, vars: environ(env), now: time.Now}
	root := p.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if errors.Is(err, errShown) {
		return exitFailure
	}
	message := err.Error()
	var misuse usageError
	if errors.As(err, &misuse) {
		fmt.Fprintf(stderr, "hark: %s\n", cleanText(message))
		fmt.Fprintf(stderr, "Run `%s --help` for its use.\n", cmd.CommandPath())
		return exitUsage
	}
	fmt.Fprintf(stderr, "hark: %s\n", cleanText(message))
	return exitFailure
}

// root builds the tree of commands.
func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "hark",
		Short: "An ActivityPub relay that listens",
		Long: `Hark is a relay for the fediverse and a listening node in one program: public
posts that instances push to it go out to all other subscribers, and are
classified, stored and made searchable.

Without a configuration file Hark runs for this machine only, with key and
store in ./hark-data. ` + "`hark init`" + ` prepares a node that others can reach.`,
		Example: `  hark serve --demo                    try it: a simulated neighbourhood on this machine
  hark init --domain relay.example     prepare a node
  hark serve                           run it
  hark search 'label:threat -lang:ja'  search what it heard`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs, // needsSubcommand judges them
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().StringVarP(&p.configFile, "config", "c", "", "configuration `file` (default: HARK_CONFIG, else ./hark.toml if there is one)")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		p.initCommand(),
		p.serveCommand(),
		p.searchCommand(),
		p.watchCommand(),
		p.exportCommand(),
		p.importCommand(),
		p.classifyCommand(),
		p.trainCommand(),
		p.evaluateCommand(),
		p.feedbackCommand(),
		p.subscribersCommand(),
		p.tokenCommand(),
		p.forgetCommand(),
		p.auditCommand(),
		p.explainCommand(),
		p.benchCommand(),
		p.selftestCommand(),
		p.versionCommand(),
	)
	for _, cmd := range everyCommand(root) {
		cmd.Args = usageArgs(cmd.Args)
		if cmd.HasSubCommands() {
			cmd.RunE = needsSubcommand
		}
	}
	return root
}

func everyCommand(cmd *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{cmd}
	for _, sub := range cmd.Commands() {
		out = append(out, everyCommand(sub)...)
	}
	return out
}

// usageArgs turns complaints about arguments into usage errors.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	if check == nil {
		return nil
	}
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}

// needsSubcommand answers a group of commands that was called alone, or with a
// name that is none of its commands.
func needsSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	var names []string
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			names = append(names, sub.Name())
		}
	}
	if near := nearest(args[0], names); near != "" {
		return usagef("%q is not a command of %s; did you mean %q?", args[0], cmd.CommandPath(), near)
	}
	return usagef("%q is not a command of %s, which has %s", args[0], cmd.CommandPath(), strings.Join(names, ", "))
}

// config loads the configuration that --config and the environment name.
func (p *program) config() (*Config, error) {
	return loadConfig(p.configFile, p.env)
}

// printf writes to standard output; an error is the reader's having gone.
func (p *program) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(p.stdout, format, args...)
	return err
}

// warnf writes a line to standard error.
func (p *program) warnf(format string, args ...any) {
	fmt.Fprintf(p.stderr, "hark: "+format+"\n", args...)
}
