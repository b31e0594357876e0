package main

import (
	"fmt"
	"time"

	"hark/relay/delivery"
)

// timeForm is how times are written for people, in UTC.
const timeForm = "2006-01-02 15:04:05 UTC"

// stamp writes a time with how long ago it was (or how far off it is).
func stamp(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeForm) + " (" + ago(t, now) + ")"
}

// ago writes how long ago a time was, in its largest unit.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t)
	if d < 0 {
		return "in " + span(-d)
	}
	if d < time.Second {
		return "just now"
	}
	return span(d) + " ago"
}

func span(d time.Duration) string {
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%d days", d/day)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// timePtr leaves a zero time out of JSON.
func timePtr(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	u := t.UTC()
	return &u
}

// subscriberView is a subscriber as scripts see it.
type subscriberView struct {
	Actor        string     `json:"actor"`
	Host         string     `json:"host"`
	State        string     `json:"state"`
	Flavour      string     `json:"flavour"`
	Software     string     `json:"software,omitempty"`
	Version      string     `json:"version,omitempty"`
	Signature    string     `json:"signature"`
	ActorType    string     `json:"actor_type,omitempty"`
	IsRelay      bool       `json:"is_relay"`
	Inbox        string     `json:"inbox"`
	FollowID     string     `json:"follow_id,omitempty"`
	Mutual       bool       `json:"mutual"`
	Filter       string     `json:"filter,omitempty"`
	Cursor       int64      `json:"cursor"`
	Lag          int64      `json:"lag"`
	LagSeconds   int64      `json:"lag_seconds"`
	PerHour      *int64     `json:"per_hour,omitempty"`
	Created      *time.Time `json:"created,omitempty"`
	Updated      *time.Time `json:"updated,omitempty"`
	LastActivity *time.Time `json:"last_activity,omitempty"`
	LastSuccess  *time.Time `json:"last_success,omitempty"`
	LastError    string     `json:"last_error,omitempty"`
	LastErrorAt  *time.Time `json:"last_error_at,omitempty"`
	FailingSince *time.Time `json:"failing_since,omitempty"`
	Failures     int        `json:"failures"`
	RetryAt      *time.Time `json:"retry_at,omitempty"`
	Delivered    int64      `json:"delivered"`
	Skipped      int64      `json:"skipped"`
	LastSkip     string     `json:"last_skip,omitempty"`
	Gaps         int64      `json:"gaps"`
}

func newSubscriberView(s delivery.Standing) subscriberView {
	h := s.Health
	v := subscriberView{
		Actor: s.Actor, Host: s.Host, State: string(s.State), Flavour: string(s.Flavour), Software: s.Software,
		Version: s.Version, Signature: s.Signature, Lag: s.Lag, LagSeconds: int64(s.Waiting / time.Second),
		ActorType: s.ActorType, IsRelay: s.IsRelay, Inbox: s.Inbox, FollowID: s.FollowID, Mutual: s.Mutual,
		Filter: s.Filter, Cursor: s.Cursor, Created: timePtr(s.Created), Updated: timePtr(s.Updated),
		LastActivity: timePtr(h.LastActivity), LastSuccess: timePtr(h.LastSuccess), LastError: h.LastError,
		LastErrorAt: timePtr(h.LastErrorAt), FailingSince: timePtr(h.FailingSince), Failures: h.Failures,
		RetryAt: timePtr(h.RetryAt), Delivered: h.Delivered, Skipped: h.Skipped, LastSkip: h.LastSkip, Gaps: h.Gaps,
	}
	if s.Rated {
		v.PerHour = &s.PerHour
	}
	return v
}

// ruleView is a rule of the policy as scripts see it.
type ruleView struct {
	Host    string    `json:"host"`
	Action  string    `json:"action"`
	Reason  string    `json:"reason,omitempty"`
	Created time.Time `json:"created"`
}
