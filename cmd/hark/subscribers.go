package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hark/activitypub"
	"hark/relay/delivery"
	"hark/relay/subscription"
	"hark/storage"
	"hark/storage/sqlite"
)

func (p *program) subscribersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "subscribers",
		Short: "See and decide who is served",
		Long: `Subscribers are the instances and relays that the fan-out goes to. A decision
is written to the store and takes effect at once, also while the node runs: the
node delivers the answer that the decision calls for.`,
		Example: `  hark subscribers list --watch
  hark subscribers list --state pending
  hark subscribers accept social.example
  hark subscribers filter social.example "lang:ja -label:spam"
  hark subscribers replay social.example --since 2h
  hark subscribers block bad.example --reason "floods with spam"`,
	}
	cmd.AddCommand(
		p.subscribersList(),
		p.subscribersShow(),
		p.decision("accept", "Admit a subscriber that waits, or one that was refused", "subscriber.accept",
			func(id subscription.Identity, sub storage.Subscriber, now time.Time) (storage.Subscriber, []storage.Control, error) {
				return id.Approve(sub, now)
			}),
		p.decision("reject", "Refuse a subscriber, now and when it asks again", "subscriber.reject",
			func(id subscription.Identity, sub storage.Subscriber, now time.Time) (storage.Subscriber, []storage.Control, error) {
				return id.Reject(sub, now)
			}),
		p.decision("remove", "End a subscription; the instance may ask again", "subscriber.remove",
			func(id subscription.Identity, sub storage.Subscriber, now time.Time) (storage.Subscriber, []storage.Control, error) {
				sub, controls, err := id.Reject(sub, now)
				sub.State = storage.StateLeft
				return sub, controls, err
			}),
		p.subscribersFilter(),
		p.subscribersReplay(),
		p.subscribersBlock(),
		p.subscribersUnblock(),
		p.subscribersRules(),
	)
	return cmd
}

func (p *program) subscribersList() *cobra.Command {
	var asJSON, watch, all bool
	var states []string
	var every time.Duration
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List subscribers with their state and health",
		Example: `  hark subscribers list
  hark subscribers list --all
  hark subscribers list --state pending,suspended
  hark subscribers list --watch
  hark subscribers list --json | jq -r .host`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := stateFilter(states, all)
			if err != nil {
				return err
			}
			if every < 100*time.Millisecond {
				return usagef("--every %s is too short", every)
			}
			return p.withStore(cmd.Context(), false, func(c *Config, store *sqlite.Store) error {
				l := subscriberList{store: store, filter: filter, shared: c.Delivery.SharedSignatures != "off", asJSON: asJSON}
				if watch {
					return p.watchSubscribers(cmd.Context(), l, every)
				}
				return p.listSubscribers(cmd.Context(), l)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON Lines")
	cmd.Flags().BoolVar(&watch, "watch", false, "print again and again until interrupted")
	cmd.Flags().DurationVar(&every, "every", 2*time.Second, "how often --watch looks")
	cmd.Flags().BoolVar(&all, "all", false, "also those that have left")
	cmd.Flags().StringSliceVar(&states, "state", nil, "only these `states`: pending, accepting, active, suspended, rejected, left")
	return cmd
}

// subscriberStates are all states; what has left stands last.
var subscriberStates = []storage.SubscriberState{
	storage.StatePending, storage.StateAccepting, storage.StateActive, storage.StateSuspended, storage.StateRejected, storage.StateLeft,
}

// stateFilter selects the states that are named, or else all but those that
// have left.
func stateFilter(states []string, all bool) (storage.SubscriberFilter, error) {
	if len(states) == 0 && !all {
		return storage.SubscriberFilter{States: subscriberStates[:len(subscriberStates)-1]}, nil
	}
	var f storage.SubscriberFilter
	for _, s := range states {
		if !slices.Contains(subscriberStates, storage.SubscriberState(s)) {
			return f, usagef("%q is not a state; the states are pending, accepting, active, suspended, rejected and left", s)
		}
		f.States = append(f.States, storage.SubscriberState(s))
	}
	return f, nil
}

// subscriberList says which subscribers are listed, and how.
type subscriberList struct {
	store  *sqlite.Store
	filter storage.SubscriberFilter
	shared bool // the node shares signatures
	asJSON bool
}

// listSubscribers prints the subscribers once.
func (p *program) listSubscribers(ctx context.Context, l subscriberList) error {
	now := p.now()
	all, err := l.store.ListSubscribers(ctx, l.filter)
	if err != nil {
		return err
	}
	subs, err := delivery.Standings(ctx, l.store, all, l.shared, now)
	if err != nil {
		return err
	}
	if l.asJSON {
		for _, s := range subs {
			if err := writeJSON(p.stdout, newSubscriberView(s)); err != nil {
				return err
			}
		}
		return nil
	}
	if len(subs) == 0 {
		return p.printf("No subscribers.\n")
	}
	rows := [][]string{{"HOST", "STATE", "SOFTWARE", "SIGNED", "LAG", "WAITING", "PER HOUR", "DELIVERED", "SKIPPED", "LAST SUCCESS", "FILTER", "LAST ERROR"}}
	for _, s := range subs {
		software := s.Software
		if s.Version != "" {
			software += " " + s.Version
		}
		rows = append(rows, []string{
			s.Host, string(s.State), shorten(software, 30), s.Signature, fmt.Sprint(s.Lag), lasting(s.Waiting), hourly(s),
			fmt.Sprint(s.Health.Delivered), fmt.Sprint(s.Health.Skipped), ago(s.Health.LastSuccess, now), shorten(s.Filter, 40), trouble(s.Health, now),
		})
	}
	return table(p.stdout, rows)
}

// lasting says how long the oldest entry waits; "" if none does.
func lasting(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return span(d)
}

// hourly is what a subscriber takes in an hour; "" where that is unknown.
func hourly(s delivery.Standing) string {
	if !s.Rated {
		return ""
	}
	return fmt.Sprint(s.PerHour)
}

// trouble says in a few words how deliveries fail, or failed last; "" if none
// ever did.
func trouble(h storage.Health, now time.Time) string {
	switch {
	case !h.FailingSince.IsZero():
		return shorten(fmt.Sprintf("since %s, %d failures: %s", ago(h.FailingSince, now), h.Failures, h.LastError), 100)
	case h.LastError != "":
		return shorten(fmt.Sprintf("over; %s: %s", ago(h.LastErrorAt, now), h.LastError), 100)
	}
	return ""
}

// watchSubscribers prints the subscribers until the context ends. A terminal
// is painted over; elsewhere the lists follow one another.
func (p *program) watchSubscribers(ctx context.Context, l subscriberList, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if isTerminal(p.stdout) && !l.asJSON {
			if err := p.printf("\x1b[H\x1b[2J%s, every %s; Ctrl-C ends\n\n", p.now().UTC().Format(timeForm), every); err != nil {
				return err
			}
		}
		if err := p.listSubscribers(ctx, l); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (p *program) subscribersShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show HOST|ACTOR",
		Short: "Show everything known of a subscriber",
		Example: `  hark subscribers show social.example
  hark subscribers show https://social.example/actor --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withStore(cmd.Context(), false, func(c *Config, store *sqlite.Store) error {
				found, err := findSubscribers(cmd.Context(), store, args[0])
				if err != nil {
					return err
				}
				subs, err := delivery.Standings(cmd.Context(), store, found, c.Delivery.SharedSignatures != "off", p.now())
				if err != nil {
					return err
				}
				for _, s := range subs {
					if asJSON {
						err = writeJSON(p.stdout, newSubscriberView(s))
					} else {
						err = p.showSubscriber(s)
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON Lines")
	return cmd
}

func (p *program) showSubscriber(s delivery.Standing) error {
	now := p.now()
	h := s.Health
	rows := [][]string{
		{"actor", s.Actor},
		{"host", s.Host},
		{"state", string(s.State)},
		{"flavour", string(s.Flavour)},
		{"software", strings.TrimSpace(s.Software + " " + s.Version)},
		{"signatures", s.Signature},
		{"actor type", s.ActorType},
		{"is a relay", yesNo(s.IsRelay)},
		{"inbox", s.Inbox},
		{"follow", s.FollowID},
		{"follows back", yesNo(s.Mutual)},
		{"filter", s.Filter},
		{"cursor", fmt.Sprint(s.Cursor)},
		{"lag", fmt.Sprint(s.Lag)},
		{"waiting", lasting(s.Waiting)},
		{"per hour", hourly(s)},
		{"subscribed", stamp(s.Created, now)},
		{"changed", stamp(s.Updated, now)},
		{"last heard", stamp(h.LastActivity, now)},
		{"last success", stamp(h.LastSuccess, now)},
		{"last error", h.LastError},
		{"last error at", stamp(h.LastErrorAt, now)},
		{"failing since", stamp(h.FailingSince, now)},
		{"next attempt", stamp(h.RetryAt, now)},
		{"delivered", fmt.Sprint(h.Delivered)},
		{"skipped", fmt.Sprint(h.Skipped)},
		{"last skip", h.LastSkip},
		{"gaps", fmt.Sprint(h.Gaps)},
	}
	return table(p.stdout, rows)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// findSubscribers returns the subscribers of that host, or the one of that
// actor.
func findSubscribers(ctx context.Context, store *sqlite.Store, name string) ([]storage.Subscriber, error) {
	if strings.Contains(name, "://") {
		s, err := store.GetSubscriber(ctx, name)
		if err != nil {
			return nil, err
		}
		return []storage.Subscriber{s}, nil
	}
	all, err := store.ListSubscribers(ctx, storage.SubscriberFilter{})
	if err != nil {
		return nil, err
	}
	host := name
	if h, err := activitypub.NormalizeHost(name); err == nil {
		host = h
	}
	var subs []storage.Subscriber
	var hosts []string
	for _, s := range all {
		hosts = append(hosts, s.Host)
		if s.Host == host || s.Host == strings.ToLower(name) {
			subs = append(subs, s)
		}
	}
	if len(subs) == 0 {
		if near := nearest(name, hosts); near != "" {
			return nil, fmt.Errorf("no subscriber %q; did you mean %s?", name, near)
		}
		return nil, fmt.Errorf("no subscriber %q; `hark subscribers list` shows all", name)
	}
	return subs, nil
}
