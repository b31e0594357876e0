package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hark/activitypub"
	"hark/relay"
	"hark/relay/subscription"
	"hark/storage"
	"hark/storage/sqlite"
)

// decide is an operator's decision on a subscriber, as pure as the package
// subscription has it.
type decide func(id subscription.Identity, sub storage.Subscriber, now time.Time) (storage.Subscriber, []storage.Control, error)

// decision makes the command that takes a decision on one or more subscribers.
func (p *program) decision(name, short, action string, fn decide) *cobra.Command {
	return &cobra.Command{
		Use:     name + " HOST|ACTOR…",
		Short:   short,
		Example: "  hark subscribers " + name + " social.example",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withStore(cmd.Context(), false, func(c *Config, store *sqlite.Store) error {
				var failed error
				for _, arg := range args {
					subs, err := findSubscribers(cmd.Context(), store, arg)
					if err != nil {
						failed = errors.Join(failed, err)
						continue
					}
					for _, sub := range subs {
						failed = errors.Join(failed, p.takeDecision(cmd.Context(), c, store, sub, action, fn))
					}
				}
				return failed
			})
		},
	}
}

// takeDecision writes a decision with the messages that it calls for, and its
// audit entry.
func (p *program) takeDecision(ctx context.Context, c *Config, store *sqlite.Store, sub storage.Subscriber, action string, fn decide) error {
	id, err := identity(ctx, c, store)
	if err != nil {
		return err
	}
	changed, controls, err := fn(id, sub, p.now())
	if err != nil {
		return err
	}
	if err := store.PutSubscription(ctx, &changed, controls); err != nil {
		return err
	}
	if err := audit(ctx, store, action, sub.Actor, 1); err != nil {
		return err
	}
	return p.printf("%s: %s → %s\n", cleanLine(sub.Actor), sub.State, changed.State)
}

// identity speaks for the relay in control messages that are written here and
// delivered by the node.
func identity(ctx context.Context, c *Config, store *sqlite.Store) (subscription.Identity, error) {
	base, err := baseURLOf(ctx, c, store)
	if err != nil {
		return subscription.Identity{}, err
	}
	_, domain, _ := strings.Cut(base, "://")
	return subscription.Identity{Relay: activitypub.RelayActor{Domain: domain, BaseURL: base}}, nil
}

// metaBaseURL is where a node in local use notes the address that it bound
// last: other commands learn it there.
const metaBaseURL = "base_url"

// baseURLOf returns the address under which the node of this store is known.
func baseURLOf(ctx context.Context, c *Config, store *sqlite.Store) (string, error) {
	if base := c.BaseURL(); base != "" {
		return base, nil
	}
	base, err := store.GetMeta(ctx, metaBaseURL)
	if errors.Is(err, storage.ErrNotFound) {
		return c.identityURL(), nil
	}
	return base, err
}

// audit notes in the audit log what was done on the command line.
func audit(ctx context.Context, store *sqlite.Store, action, subject string, count int64) error {
	_, err := store.AddAudit(ctx, storage.AuditEntry{Token: "cli", Action: action, Subject: subject, Count: count})
	return err
}

func (p *program) subscribersBlock() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "block HOST",
		Short: "Block a host and its subdomains: neither served, nor relayed, nor stored",
		Long: `Block refuses a host and everything below it: its subscriptions end, its posts
are neither relayed nor stored any more. What is stored already stays; to erase
it, use ` + "`hark forget HOST`" + `.`,
		Example: `  hark subscribers block bad.example --reason "floods with spam"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withStore(cmd.Context(), true, func(c *Config, store *sqlite.Store) error {
				return p.block(cmd.Context(), c, store, args[0], reason)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for whoever reads the list later")
	return cmd
}

func (p *program) block(ctx context.Context, c *Config, store *sqlite.Store, name, reason string) error {
	host, err := blockableHost(name)
	if err != nil {
		return err
	}
	err = store.AddRule(ctx, storage.PolicyRule{Host: host, Action: relay.RuleBlock, Reason: reason, Created: p.now()})
	if errors.Is(err, storage.ErrExists) {
		return fmt.Errorf("%s has a rule already; `hark subscribers rules` shows it", host)
	}
	if err != nil {
		return err
	}
	if err := audit(ctx, store, "policy.block", host, 1); err != nil {
		return err
	}
	if err := p.printf("%s and its subdomains are blocked.\n", host); err != nil {
		return err
	}
	subs, err := store.ListSubscribers(ctx, storage.SubscriberFilter{States: []storage.SubscriberState{
		storage.StatePending, storage.StateAccepting, storage.StateActive, storage.StateSuspended,
	}})
	if err != nil {
		return err
	}
	for _, sub := range subs {
		if sub.Host != host && !strings.HasSuffix(sub.Host, "."+host) {
			continue
		}
		reject := func(id subscription.Identity, sub storage.Subscriber, now time.Time) (storage.Subscriber, []storage.Control, error) {
			return id.Reject(sub, now)
		}
		if err := p.takeDecision(ctx, c, store, sub, "subscriber.reject", reject); err != nil {
			return err
		}
	}
	return nil
}

// blockableHost normalises the host of a rule. An address with a scheme is
// most likely a slip for its host, so it is told rather than guessed.
func blockableHost(name string) (string, error) {
	if strings.ContainsAny(name, "/@ ") {
		return "", usagef("%q is not a host; write it as bad.example", name)
	}
	host, err := activitypub.NormalizeHost(name)
	if err != nil {
		return "", usagef("%q is not a host; write it as bad.example", name)
	}
	return host, nil
}

func (p *program) subscribersUnblock() *cobra.Command {
	return &cobra.Command{
		Use:     "unblock HOST",
		Short:   "Lift the block of a host",
		Example: `  hark subscribers unblock bad.example`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			host, err := blockableHost(args[0])
			if err != nil {
				return err
			}
			return p.withStore(cmd.Context(), false, func(_ *Config, store *sqlite.Store) error {
				ctx := cmd.Context()
				rules, err := store.ListRules(ctx)
				if err != nil {
					return err
				}
				var hosts []string
				for _, r := range rules {
					if r.Action != relay.RuleBlock {
						continue
					}
					hosts = append(hosts, r.Host)
					if r.Host != host {
						continue
					}
					if err := store.DeleteRule(ctx, host); err != nil {
						return err
					}
					if err := audit(ctx, store, "policy.unblock", host, 1); err != nil {
						return err
					}
					return p.printf("%s is no longer blocked. It may subscribe again.\n", host)
				}
				if near := nearest(host, hosts); near != "" {
					return fmt.Errorf("%s is not blocked; did you mean %s?", host, near)
				}
				return fmt.Errorf("%s is not blocked", host)
			})
		},
	}
}

func (p *program) subscribersRules() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "List the blocked hosts",
		Example: `  hark subscribers rules
  hark subscribers rules --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withStore(cmd.Context(), false, func(_ *Config, store *sqlite.Store) error {
				rules, err := store.ListRules(cmd.Context())
				if err != nil {
					return err
				}
				rows := [][]string{{"HOST", "ACTION", "SINCE", "REASON"}}
				for _, r := range rules {
					if asJSON {
						if err := writeJSON(p.stdout, ruleView{Host: r.Host, Action: r.Action, Reason: r.Reason, Created: r.Created.UTC()}); err != nil {
							return err
						}
						continue
					}
					rows = append(rows, []string{r.Host, r.Action, stamp(r.Created, p.now()), r.Reason})
				}
				if asJSON {
					return nil
				}
				if len(rules) == 0 {
					return p.printf("No rules.\n")
				}
				return table(p.stdout, rows)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON Lines")
	return cmd
}
