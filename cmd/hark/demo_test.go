package main

import (
	"strings"
	"testing"
	"time"

	"hark/storage"
	"hark/storage/sqlite"
)

// The demo lets requests go to private addresses: a node that the world can
// reach must never start like that by accident.
func TestDemoIsForThisMachine(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Config)
		ok     bool
	}{
		{"the defaults", func(*Config) {}, true},
		{"another port", func(c *Config) { c.Server.Listen = "127.0.0.1:0" }, true},
		{"IPv6", func(c *Config) { c.Server.Listen = "[::1]:8080" }, true},
		{"a domain", func(c *Config) { c.Server.Domain = "relay.example" }, false},
		{"a base URL", func(c *Config) { c.Server.BaseURL = "https://relay.example" }, false},
		{"a base URL of this machine", func(c *Config) { c.Server.BaseURL = "http://localhost:8080" }, true},
		{"listens for others", func(c *Config) { c.Server.Listen = "0.0.0.0:8080" }, false},
		{"listens for others under a local name", func(c *Config) {
			c.Server.Listen, c.Server.BaseURL = "0.0.0.0:8080", "http://localhost:8080"
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := defaults()
			tt.change(c)
			err := prepareDemo(c)
			if (err == nil) != tt.ok {
				t.Errorf("got %v", err)
			}
			if c.Federation.AllowPrivate != tt.ok || c.Federation.AllowHTTP != tt.ok {
				t.Errorf("protection: %+v", c.Federation)
			}
		})
	}
}

func TestDemoDismissesOnlyItsOwn(t *testing.T) {
	store, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir(), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, host := range []string{"127.0.0.1:4000", "social.example"} {
		err := store.PutSubscription(t.Context(), &storage.Subscriber{
			Actor: "https://" + host + "/actor", Host: host, Inbox: "https://" + host + "/inbox",
			Flavour: storage.FlavourMastodon, State: storage.StateActive,
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := dismissStrangers(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]storage.SubscriberState{"127.0.0.1:4000": storage.StateLeft, "social.example": storage.StateActive} {
		s, err := store.GetSubscriber(t.Context(), "https://"+host+"/actor")
		if err != nil || s.State != want {
			t.Errorf("%s: %v, %v", host, s.State, err)
		}
	}
}

func TestTroubleInWords(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	if got := trouble(storage.Health{}, now); got != "" {
		t.Errorf("a healthy subscriber: %q", got)
	}
	if got := trouble(storage.Health{LastError: "old", LastErrorAt: now.Add(-3 * time.Hour)}, now); got != "over; 3 hours ago: old" {
		t.Errorf("one that is well again: %q", got)
	}
	got := trouble(storage.Health{FailingSince: now.Add(-3 * time.Hour), Failures: 7, LastError: strings.Repeat("x", 200)}, now)
	if !strings.HasPrefix(got, "since 3 hours ago, 7 failures: xxx") || len([]rune(got)) > 100 {
		t.Errorf("got %q", got)
	}
}

func TestOtherPort(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:8080": "127.0.0.1:8081", "[::1]:80": "[::1]:81", "127.0.0.1:65535": "127.0.0.1:0", "junk": "127.0.0.1:0",
	} {
		if got := otherPort(listen); got != want {
			t.Errorf("%s: got %s, want %s", listen, got, want)
		}
	}
}
