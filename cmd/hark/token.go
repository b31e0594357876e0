package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hark/relay"
	"hark/relay/server"
	"hark/storage"
	"hark/storage/sqlite"
)

// scopes are what a token may be given, with what each allows.
var scopes = []struct {
	scope storage.Scope
	does  string
}{
	{storage.ScopeSearch, "search and live streams"},
	{storage.ScopeExport, "exports"},
	{storage.ScopeVerbatim, "exports with the posts as they arrived"},
	{storage.ScopeReview, "the review queue"},
	{storage.ScopeAdmin, "the operator's pages"},
}

func (p *program) tokenCommand() *cobra.Command {
	var list strings.Builder
	for _, s := range scopes {
		fmt.Fprintf(&list, "\n  %-9s %s", s.scope, s.does)
	}
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Give and take access to the archive",
		Long: `Nothing of the archive is public: search, streams and exports need a token. The
store keeps only a hash of it, with who holds it, what for and until when.

Scopes:` + list.String(),
		Example: `  hark token add --scope search,export --holder "Ada" --purpose "flood study" --expires 90d
  hark token list
  hark token revoke t-1f6a3c90
  hark token signin`,
	}
	cmd.AddCommand(p.tokenAdd(), p.tokenList(), p.tokenRevoke(), p.tokenSignIn())
	return cmd
}

func (p *program) tokenAdd() *cobra.Command {
	var scope []string
	var holder, purpose, expires string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "add --scope SCOPES --holder NAME --purpose TEXT",
		Short: "Make a token; its secret is shown once",
		Example: `  hark token add --scope search --holder "Ada" --purpose "desk research"
  hark token add --scope search,export --holder Ada --purpose study --expires 30d --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			granted, err := parseScopes(scope)
			if err != nil {
				return err
			}
			if strings.TrimSpace(holder) == "" || strings.TrimSpace(purpose) == "" {
				return usagef("name who holds the token (--holder) and what it is for (--purpose); both are shown in `hark token list` and in the audit log")
			}
			life, err := parseDuration(expires)
			if err != nil || life == 0 {
				return usagef("--expires %q is not a duration such as 90d, nor \"forever\"", expires)
			}
			secret := server.NewSecret()
			hash := server.HashToken(secret)
			now := p.now().UTC()
			token := storage.Token{
				ID: fmt.Sprintf("t-%x", hash[:4]), Hash: hash, Scopes: granted,
				Holder: strings.TrimSpace(holder), Purpose: strings.TrimSpace(purpose), Created: now,
			}
			if life != Forever {
				token.Expires = now.Add(time.Duration(life))
			}
			return p.withStore(cmd.Context(), true, func(_ *Config, store *sqlite.Store) error {
				if err := store.AddToken(cmd.Context(), token); err != nil {
					return err
				}
				subject := fmt.Sprintf("%s: %s for %s", token.ID, joinScopes(granted), token.Holder)
				if err := audit(cmd.Context(), store, "token.add", subject, 1); err != nil {
					return err
				}
				view := newTokenView(token, now)
				if asJSON {
					view.Token = secret
					return writeJSON(p.stdout, view)
				}
				until := "does not expire"
				if !token.Expires.IsZero() {
					until = "expires " + token.Expires.Format(timeForm)
				}
				p.warnf("token %s for %s: %s; %s. It is shown this once:", token.ID, cleanLine(token.Holder), joinScopes(granted), until)
				return p.printf("%s\n", secret)
			})
		},
	}
	cmd.Flags().StringSliceVar(&scope, "scope", nil, "what it may do: `search,export,verbatim,review,admin` (required)")
	cmd.Flags().StringVar(&holder, "holder", "", "who holds it (required)")
	cmd.Flags().StringVar(&purpose, "purpose", "", "what it is for (required)")
	cmd.Flags().StringVar(&expires, "expires", "90d", "how long it is valid, as `90d`, 12h or forever")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, with the secret in \"token\"")
	return cmd
}

func parseScopes(names []string) ([]storage.Scope, error) {
	var known []string
	for _, s := range scopes {
		known = append(known, string(s.scope))
	}
	var out []storage.Scope
	for _, n := range names {
		n = strings.TrimSpace(n)
		if !slices.Contains(known, n) {
			if near := nearest(n, known); near != "" {
				return nil, usagef("%q is not a scope; did you mean %q?", n, near)
			}
			return nil, usagef("%q is not a scope; the scopes are %s", n, strings.Join(known, ", "))
		}
		if !slices.Contains(out, storage.Scope(n)) {
			out = append(out, storage.Scope(n))
		}
	}
	if len(out) == 0 {
		return nil, usagef("name at least one scope with --scope: %s", strings.Join(known, ", "))
	}
	return out, nil
}

func joinScopes(list []storage.Scope) string {
	var out []string
	for _, s := range list {
		out = append(out, string(s))
	}
	return strings.Join(out, ",")
}

// tokenView is a token as scripts see it. Token holds the secret, and only in
// the answer to `token add`.
type tokenView struct {
	ID       string     `json:"id"`
	Token    string     `json:"token,omitempty"`
	State    string     `json:"state"`
	Kind     string     `json:"kind"`
	Scopes   []string   `json:"scopes"`
	Holder   string     `json:"holder"`
	Purpose  string     `json:"purpose"`
	Created  *time.Time `json:"created,omitempty"`
	Expires  *time.Time `json:"expires,omitempty"`
	LastUsed *time.Time `json:"last_used,omitempty"`
}

func newTokenView(t storage.Token, now time.Time) tokenView {
	v := tokenView{
		ID: t.ID, State: "valid", Kind: "token", Scopes: strings.Split(joinScopes(t.Scopes), ","), Holder: t.Holder, Purpose: t.Purpose,
		Created: timePtr(t.Created), Expires: timePtr(t.Expires), LastUsed: timePtr(t.LastUsed),
	}
	switch {
	case t.Revoked:
		v.State = "revoked"
	case !t.Expires.IsZero() && !t.Expires.After(now):
		v.State = "expired"
	}
	switch {
	case t.Session:
		v.Kind = "session"
	case t.OneTime:
		v.Kind = "sign-in link"
	}
	return v
}

func (p *program) tokenList() *cobra.Command {
	var asJSON, all bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the tokens, without their secrets",
		Example: `  hark token list
  hark token list --all
  hark token list --json | jq -r 'select(.state == "valid") | .id'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withStore(cmd.Context(), false, func(_ *Config, store *sqlite.Store) error {
				tokens, err := store.ListTokens(cmd.Context())
				if err != nil {
					return err
				}
				now := p.now()
				rows := [][]string{{"ID", "STATE", "KIND", "SCOPES", "HOLDER", "PURPOSE", "EXPIRES", "LAST USED"}}
				for _, t := range tokens {
					v := newTokenView(t, now)
					if !all && (t.Session || t.OneTime) {
						continue
					}
					if asJSON {
						if err := writeJSON(p.stdout, v); err != nil {
							return err
						}
						continue
					}
					expires := "never"
					if !t.Expires.IsZero() {
						expires = t.Expires.UTC().Format("2006-01-02")
					}
					rows = append(rows, []string{t.ID, v.State, v.Kind, joinScopes(t.Scopes), t.Holder, t.Purpose, expires, ago(t.LastUsed, now)})
				}
				if asJSON {
					return nil
				}
				if len(rows) == 1 {
					return p.printf("No tokens.\n")
				}
				return table(p.stdout, rows)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON Lines")
	cmd.Flags().BoolVar(&all, "all", false, "also sign-in links and the sessions of browsers")
	return cmd
}

func (p *program) tokenRevoke() *cobra.Command {
	return &cobra.Command{
		Use:     "revoke ID…",
		Short:   "End a token at once",
		Example: `  hark token revoke t-1f6a3c90`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withStore(cmd.Context(), false, func(_ *Config, store *sqlite.Store) error {
				var failed error
				for _, id := range args {
					err := store.RevokeToken(cmd.Context(), id)
					if errors.Is(err, storage.ErrNotFound) {
						err = fmt.Errorf("no token %q; `hark token list` shows all", id)
					}
					if err == nil {
						err = audit(cmd.Context(), store, "token.revoke", id, 1)
					}
					if err == nil {
						err = p.printf("%s revoked\n", id)
					}
					failed = errors.Join(failed, err)
				}
				return failed
			})
		},
	}
}

func (p *program) tokenSignIn() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "signin",
		Short:   "Print a one-time sign-in link to the page, valid for an hour",
		Example: `  hark token signin`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withStore(cmd.Context(), false, func(c *Config, store *sqlite.Store) error {
				base, err := baseURLOf(cmd.Context(), c, store)
				if err != nil {
					return err
				}
				secret, token, err := relay.NewSignIn(p.now())
				if err != nil {
					return err
				}
				if err := store.AddToken(cmd.Context(), token); err != nil {
					return err
				}
				if err := audit(cmd.Context(), store, "token.signin", token.ID, 1); err != nil {
					return err
				}
				link := base + "/signin?token=" + secret
				if asJSON {
					return writeJSON(p.stdout, map[string]any{"id": token.ID, "link": link, "expires": token.Expires.UTC()})
				}
				return p.printf("%s\n", link)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
