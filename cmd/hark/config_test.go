package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The example is what people copy: it must say what holds without it, and
// leave nothing out.
func TestExampleHoldsTheDefaults(t *testing.T) {
	data, err := os.ReadFile("../../config.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeConfig(string(data))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(defaults(), got, cmpopts.IgnoreUnexported(Config{})); diff != "" {
		t.Errorf("the example does not decode to the defaults (-default +example):\n%s", diff)
	}
}

func TestExampleMentionsEveryKey(t *testing.T) {
	data, err := os.ReadFile("../../config.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	section, seen := "", map[string]bool{}
	heading := regexp.MustCompile(`^(?:# )?\[+([a-z.]+)\]+$`)
	key := regexp.MustCompile(`^(?:# )?([a-z_]+) = `)
	commented := false
	for line := range strings.SplitSeq(string(data), "\n") {
		if m := heading.FindStringSubmatch(line); m != nil {
			section = m[1]
			commented = strings.HasPrefix(line, "#")
		} else if m := key.FindStringSubmatch(line); m != nil {
			k := section + "." + m[1]
			if seen[k] {
				t.Errorf("%s stands twice", k)
			}
			seen[k] = true
			if strings.HasPrefix(line, "#") != commented {
				t.Errorf("%s is commented out, but its section is not", k)
			}
		}
	}
	want := settings(defaults())
	delete(want, "rule")
	for _, k := range []string{"rule.name", "rule.query", "rule.label", "rule.score"} {
		want[k] = setting{}
	}
	for _, k := range sortedKeys(want) {
		if !seen[k] {
			t.Errorf("the example does not mention %s", k)
		}
	}
	for _, k := range sortedKeys(seen) {
		if _, ok := want[k]; !ok {
			t.Errorf("the example mentions %s, which is no key", k)
		}
	}
}

// The rule that the example shows must work when its signs are taken away.
func TestExampleRuleWorks(t *testing.T) {
	data, err := os.ReadFile("../../config.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	_, rule, ok := strings.Cut(string(data), "# [[rule]]\n")
	if !ok {
		t.Fatal("no rule in the example")
	}
	rule, _, _ = strings.Cut(rule, "\n\n")
	rule = "[[rule]]\n" + regexp.MustCompile(`(?m)^# `).ReplaceAllString(rule, "")
	c, err := decodeConfig(rule)
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, rule)
	}
	if len(c.Rules) != 1 || c.Rules[0].Label != "of-interest" || c.Rules[0].Score != 1 {
		t.Errorf("got %+v", c.Rules)
	}
}

func TestFaultsOfFiles(t *testing.T) {
	tests := []struct {
		name string
		text string
		want []string // "key: part of problem and remedy", in order
	}{
		{"unknown key", "[server]\nlisen = \"x\"", []string{`server.lisen = "x": is not a known key; did you mean server.listen?`}},
		{"unknown section", "[sever]\nlisten = \"x\"", []string{`sever: is not a known key; did you mean server?`}},
		{"key of another section", "[server]\napproval = true", []string{`server.approval = true: is not a known key; did you mean relay.approval?`}},
		{"key without section", "listen = \"127.0.0.1:1\"", []string{`listen = "127.0.0.1:1": is not a known key; did you mean server.listen?`}},
		{"far from everything", "[server]\nwibblewobble = 1", []string{`server.wibblewobble = 1: is not a known key; config.example.toml lists every key`}},
		{"section as key", "server = 3", []string{`server = 3: is a section; write [server] and its keys below it`}},
		{"wrong types", "[server]\nlisten = 8080\npublic_metrics = \"yes\"\ntrusted_proxies = \"10.0.0.1\"", []string{
			`server.listen = 8080: is not a text; write host:port`,
			`server.public_metrics = "yes": is neither true nor false; write true or false`,
			`server.trusted_proxies = "10.0.0.1": is not a list`,
		}},
		{"durations", "[storage]\nretention = \"30 days\"\njournal_retention = \"forever\"\n[delivery]\ntimeout = \"10\"", []string{
			`delivery.timeout = "10": is not a duration`,
			`storage.journal_retention = "forever": is out of its range`,
			`storage.retention = "30 days": is not a duration; write a duration such as "30d"`,
		}},
		{"sizes", "[server]\nmax_body = \"1GiB\"", []string{`server.max_body = "1GiB": is not a size; write a size from "16KiB" to "1MiB"`}},
		{"size out of range", "[server]\nmax_body = \"2MiB\"", []string{`server.max_body = 2MiB: is out of its range`}},
		{"words", "[consent]\nlevel = \"optout\"\n[relay]\npublishers = \"everyone\"\n[log]\nlevel = \"loud\"", []string{
			`consent.level = "optout": is not one of its words; did you mean "opt-out"?`,
			`log.level = "loud": is not one of its words; write "debug", "info", "warn" or "error"`,
			`relay.publishers = "everyone": is not one of its words; write "subscribers" or "anyone"`,
		}},
		{"listens for others without a name", "[server]\nlisten = \"0.0.0.0:80\"", []string{`server.domain = "": is empty, but the node listens for others`}},
		{"domain", "[server]\ndomain = \"https://relay.example\"", []string{`server.domain = "https://relay.example": is not a host name alone`}},
		{"base with path", "[server]\nbase_url = \"https://relay.example/hark\"", []string{`has a path, but a relay stands at the root of its host`}},
		{"base without TLS", "[server]\nbase_url = \"http://relay.example\"", []string{`is not encrypted`}},
		{"base against domain", "[server]\nbase_url = \"https://a.example\"\ndomain = \"b.example\"", []string{`does not agree with domain = "b.example"; leave one of the two out`}},
		{"proxies", "[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"proxy\"]", []string{`server.trusted_proxies = "proxy": is neither an address nor a network`}},
		{"ranges", "[delivery]\nwindow = 0\nmax_requests = 99999\nretry_max = \"1s\"\n[limits]\nhost_rate = -1", []string{
			`delivery.max_requests = 99999: is out of its range; write a whole number from 1 to 10000`,
			`delivery.retry_max = "1s": is shorter than retry_min`,
			`delivery.window = 0: is out of its range; write a whole number from 1 to 64`,
			`limits.host_rate = -1: is out of its range`,
		}},
		{"thresholds", "[classifier]\nthresholds = { thraet = 0.5, spam = 1.5 }", []string{
			`classifier.thresholds.spam = 1.5: is out of its range`,
			`classifier.thresholds.thraet = 0.5: is not a label that anything gives; did you mean threat?`,
		}},
		{"threshold of a text", "[classifier.thresholds]\nthreat = \"high\"", []string{`classifier.thresholds: threat is not a number`}},
		{"rule", "[[rule]]\nname = \"\"\nquery = \"from:\"\nlabel = \"Of Interest\"\nscore = 2", []string{
			`rule[1].label = "Of Interest": is not a label`,
			`rule[1].name = "": is empty`,
			`rule[1].query = "from:": is not sound`,
			`rule[1].score = 2: is out of its range`,
		}},
		{"rule with an empty query", "[[rule]]\nname = \"a\"\nlabel = \"a\"", []string{`rule[1].query = "": is empty`}},
		{"unknown key in a rule", "[[rule]]\nname = \"a\"\nlable = \"a\"\nlabel = \"a\"\nquery = \"a\"", []string{`rule[1].lable = "a": is not a known key; did you mean rule[1].label?`}},
		{"rule as a table", "[rule]\nname = \"a\"", []string{`rule: is not a list of tables; write [[rule]] (two brackets)`}},
		{"upstream", "[relay]\nupstream = [\"relay.example\", \"http://relay.example/inbox\"]", []string{
			`relay.upstream = "relay.example": is not a web address`,
			`relay.upstream = "http://relay.example/inbox": is not encrypted`,
		}},
		{"contact", "[relay]\ncontact = \"me\"\nname = \"\"", []string{
			`relay.contact = "me": is neither an e-mail address nor a URL`,
			`relay.name = "": is empty`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := decodeConfig(tt.text)
			checkFaults(t, err, tt.want)
		})
	}
}

func checkFaults(t *testing.T, err error, want []string) {
	t.Helper()
	var ce *ConfigError
	if !errors.As(err, &ce) {
		t.Fatalf("got %v, want a ConfigError", err)
	}
	if len(ce.Faults) != len(want) {
		t.Fatalf("got %d faults, want %d:\n%v", len(ce.Faults), len(want), err)
	}
	for i, w := range want {
		if got := ce.Faults[i].String(); !strings.Contains(got, w) {
			t.Errorf("fault %d:\n got %s\nwant %s", i, got, w)
		}
	}
}

func TestInvalidTOMLShowsTheLine(t *testing.T) {
	_, err := decodeConfig("[server]\nlisten = \n")
	if err == nil || !strings.Contains(err.Error(), "not valid TOML") || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("got %v", err)
	}
}

func TestEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hark.toml")
	if err := os.WriteFile(file, []byte("[server]\ndomain = \"relay.example\"\n[relay]\nname = \"File\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := loadConfig("", []string{
		"PATH=/bin", "HARK_CONFIG=" + file, "HARK_TOKEN=secret", "HARKEN=1",
		"HARK_PORT=tcp://10.0.0.1:80", "HARK_RELAY_NAME=Env", "HARK_RELAY_APPROVAL=true",
		"HARK_RELAY_UPSTREAM= https://a.example/inbox , https://b.example/inbox,",
		"HARK_STORAGE_RETENTION=12h", "HARK_SERVER_MAX_BODY=64KiB", "HARK_DELIVERY_WINDOW=8",
		"HARK_LIMITS_HOST_RATE=2.5", "HARK_CLASSIFIER_THRESHOLDS=threat=0.7, spam=0.9",
		`HARK_RULE=[{name = "n", query = "flood", label = "hazard", score = 0.5}]`,
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Relay.Name != "Env" || !c.Relay.Approval || c.Server.Domain != "relay.example" || c.BaseURL() != "https://relay.example" {
		t.Errorf("got %+v %+v", c.Relay, c.Server)
	}
	if diff := cmp.Diff([]string{"https://a.example/inbox", "https://b.example/inbox"}, c.Relay.Upstream); diff != "" {
		t.Error(diff)
	}
	if time.Duration(c.Storage.Retention) != 12*time.Hour || c.Server.MaxBody != 64<<10 || c.Delivery.Window != 8 || c.Limits.HostRate != 2.5 {
		t.Errorf("got %+v %+v %+v %+v", c.Storage, c.Server, c.Delivery, c.Limits)
	}
	if diff := cmp.Diff(map[string]float64{"threat": 0.7, "spam": 0.9}, c.Classifier.Thresholds); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]RuleConfig{{Name: "n", Query: "flood", Label: "hazard", Score: 0.5}}, c.Rules); diff != "" {
		t.Error(diff)
	}
}

// Every key has its variable: one that could not be set would be a promise
// not kept.
func TestEveryKeyHasAVariable(t *testing.T) {
	for _, s := range settings(defaults()) {
		if s.key == "rule" {
			continue
		}
		name := envName(s.key)
		if !regexp.MustCompile(`^HARK_[A-Z]+_[A-Z_]+$`).MatchString(name) {
			t.Errorf("%s: %s is not a variable's name", s.key, name)
		}
		l := loader{config: defaults()}
		l.environment(map[string]string{name: "\x00"})
		switch s.field.Interface().(type) {
		case string, []string: // any text will do until it is checked
		default:
			if len(l.faults) != 1 || l.faults[0].Key != name {
				t.Errorf("%s=junk gave %v, want one fault", name, l.faults)
			}
		}
	}
}

func TestFaultsOfTheEnvironment(t *testing.T) {
	tests := []struct {
		name string
		env  string
		want string
	}{
		{"misspelt section", "HARK_SEVER_LISTEN=x", `HARK_SEVER_LISTEN = "x": sets no known key; did you mean HARK_SERVER_LISTEN?`},
		{"misspelt key", "HARK_SERVER_LISEN=x", `did you mean HARK_SERVER_LISTEN?`},
		{"unknown key of a section", "HARK_SERVER_WIBBLEWOBBLE=x", `HARK_SERVER_WIBBLEWOBBLE = "x": sets no known key; config.example.toml lists every key`},
		{"misspelt own", "HARK_CONFG=x", `did you mean HARK_CONFIG?`},
		{"bool", "HARK_RELAY_APPROVAL=maybe", `HARK_RELAY_APPROVAL = "maybe": is neither true nor false; set it to true or false`},
		{"number", "HARK_DELIVERY_WINDOW=many", `is not a whole number`},
		{"range", "HARK_DELIVERY_WINDOW=1000", `delivery.window = 1000: is out of its range`},
		{"duration", "HARK_STORAGE_RETENTION=soon", `is not a duration`},
		{"table", "HARK_CLASSIFIER_THRESHOLDS=threat", `"threat" is not label=number`},
		{"rules", "HARK_RULE=flood", `HARK_RULE = "flood": is not a TOML list of tables`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			_, err := loadConfig("", []string{tt.env})
			checkFaults(t, err, []string{tt.want})
		})
	}
}

func TestWhereTheFileIs(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	c, err := loadConfig("", nil)
	if err != nil || c.Configured() || c.Dir() != "hark-data" || c.BaseURL() != "" || !c.isLocal() {
		t.Errorf("without a file: %v, configured %v, folder %q", err, c.Configured(), c.Dir())
	}
	if _, err := loadConfig("gone.toml", nil); err == nil || !strings.Contains(err.Error(), "hark init") {
		t.Errorf("a file that is named and missing: %v", err)
	}
	sub := filepath.Join(dir, "etc")
	if err := os.Mkdir(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(sub, "hark.toml")
	if err := os.WriteFile(file, []byte("[storage]\npath = \"data\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err = loadConfig(file, nil)
	if err != nil || !c.Configured() || c.Dir() != filepath.Join(sub, "data") {
		t.Errorf("relative path in a file: %v %q", err, c.Dir())
	}
	c, err = loadConfig(file, []string{"HARK_STORAGE_PATH=here"})
	if err != nil || c.Dir() != "here" {
		t.Errorf("relative path in the environment: %v %q", err, c.Dir())
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30d": 30 * day, "12h": 12 * time.Hour, "90m": 90 * time.Minute, "1d12h": 36 * time.Hour, "2w": 14 * day,
		"1.5h": 90 * time.Minute, "250ms": 250 * time.Millisecond, "0": 0, "forever": time.Duration(Forever),
	} {
		d, err := parseDuration(text)
		if err != nil || time.Duration(d) != want {
			t.Errorf("%q: got %v, %v", text, d, err)
		}
		back, err := parseDuration(d.String())
		if err != nil || back != d {
			t.Errorf("%q is written %q, which is %v, %v", text, d, back, err)
		}
	}
	for _, text := range []string{"", "d", "30", "-1h", "1y", "1 h", "1h-", "99999999w", "1e9h", ".", "1..5h"} {
		if d, err := parseDuration(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, d)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("[server]\nlisten = \"127.0.0.1:8080\"\n[[rule]]\nname = \"a\"\nquery = \"a\"\nlabel = \"a\"\n")
	f.Add("rule = [1, {a = 2}]\nclassifier = {thresholds = {threat = nan}}")
	f.Add("[storage]\nretention = \"1d\"\n[relay.name]\nx = 1")
	f.Fuzz(func(_ *testing.T, text string) {
		c, err := decodeConfig(text)
		if err == nil {
			c.options() // must not panic on what was accepted
		}
	})
}
