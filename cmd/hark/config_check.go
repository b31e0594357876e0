package main

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"hark/activitypub"
	"hark/classifier"
	"hark/storage/query"
)

// checker gathers what is wrong with values that have the right type.
type checker struct {
	c      *Config
	skip   func(key string) bool
	known  map[string]setting
	faults []Fault
}

// check returns every fault of the values. Keys for which skip is true have
// one already.
func (c *Config) check(skip func(key string) bool) []Fault {
	k := &checker{c: c, skip: skip, known: settings(c)}
	k.words()
	k.server()
	k.storage()
	k.relay()
	k.delivery()
	k.numbers()
	k.rules()
	k.thresholds()
	k.transformer()
	return k.faults
}

// fault reports a fault of a key; the remedy is the key's own unless one is given.
func (k *checker) fault(key, value, problem, remedy string) {
	if k.skip(key) {
		return
	}
	if remedy == "" {
		remedy = "write " + k.known[key].want
	}
	k.faults = append(k.faults, Fault{Key: key, Value: value, Problem: problem, Remedy: remedy})
}

// words checks the keys that take one of a few words.
func (k *checker) words() {
	for _, key := range sortedKeys(k.known) {
		s := k.known[key]
		if s.one == "" {
			continue
		}
		words := strings.Fields(s.one)
		if value := s.field.String(); !slices.Contains(words, value) {
			remedy := "write " + s.want
			if near := nearest(value, words); near != "" {
				remedy = "did you mean " + strconv.Quote(near) + "?"
			}
			k.fault(key, strconv.Quote(value), "is not one of its words", remedy)
		}
	}
}

func (k *checker) server() {
	s := k.c.Server
	host, port, err := net.SplitHostPort(s.Listen)
	if n, perr := strconv.Atoi(port); err != nil || perr != nil || n < 0 || n > 65535 {
		k.fault("server.listen", strconv.Quote(s.Listen), "is not host:port", "")
	} else if s.Domain == "" && s.BaseURL == "" && !isLoopbackHost(host) {
		k.fault("server.domain", `""`, "is empty, but the node listens for others",
			"name the domain under which the world reaches it, as domain = \"relay.example\"")
	}
	if s.Domain != "" {
		if strings.ContainsAny(s.Domain, "/ :@") {
			k.fault("server.domain", strconv.Quote(s.Domain), "is not a host name alone", "")
		} else if d, err := activitypub.NormalizeHost(s.Domain); err != nil {
			k.fault("server.domain", strconv.Quote(s.Domain), "is not a host name", "")
		} else {
			k.c.Server.Domain = d
		}
	}
	if s.BaseURL != "" {
		k.baseURL(s)
	}
	for _, p := range s.TrustedProxies {
		if _, err := parsePrefix(p); err != nil {
			k.fault("server.trusted_proxies", strconv.Quote(p), "is neither an address nor a network", "")
		}
	}
	if s.MaxBody < 16<<10 || s.MaxBody > 1<<20 {
		k.fault("server.max_body", s.MaxBody.String(), "is out of its range", "")
	}
}

func (k *checker) baseURL(s ServerConfig) {
	value := strconv.Quote(s.BaseURL)
	u, err := url.Parse(s.BaseURL)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil:
		k.fault("server.base_url", value, "is not a web address", "")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		k.fault("server.base_url", value, "has a path, but a relay stands at the root of its host", "")
	case u.Scheme == "http" && !isLoopbackHost(u.Hostname()) && !k.c.Federation.AllowHTTP:
		k.fault("server.base_url", value, "is not encrypted, so no server out there would accept it",
			"write https:// and let a proxy do the encryption")
	case s.Domain != "" && !strings.EqualFold(u.Host, s.Domain):
		k.fault("server.base_url", value, "does not agree with domain = "+strconv.Quote(s.Domain), "leave one of the two out")
	}
}

func (k *checker) storage() {
	s := k.c.Storage
	if strings.TrimSpace(s.Path) == "" || strings.ContainsRune(s.Path, 0) {
		k.fault("storage.path", strconv.Quote(s.Path), "is not a folder", "")
	}
	if s.Retention != Forever && time.Duration(s.Retention) < time.Hour {
		k.fault("storage.retention", show(s.Retention.String()), "is shorter than an hour, so nothing would stay", "")
	}
	if s.JournalRetention == Forever || time.Duration(s.JournalRetention) < time.Hour {
		k.fault("storage.journal_retention", show(s.JournalRetention.String()), "is out of its range", "")
	}
}

func (k *checker) relay() {
	r := k.c.Relay
	for key, text := range map[string]string{"relay.name": r.Name, "relay.description": r.Description, "relay.contact": r.Contact} {
		limit := 100
		if key == "relay.description" {
			limit = 2000
		}
		if len([]rune(text)) > limit {
			k.fault(key, show(text), fmt.Sprintf("is longer than %d letters", limit), "write it shorter")
		}
		if strings.ContainsFunc(text, func(c rune) bool { return unicode.IsControl(c) && c != '\n' }) {
			k.fault(key, show(text), "holds control characters", "write plain text")
		}
	}
	if strings.TrimSpace(r.Name) == "" {
		k.fault("relay.name", strconv.Quote(r.Name), "is empty", "")
	}
	if r.Contact != "" && !strings.Contains(r.Contact, "@") &&
		!strings.HasPrefix(r.Contact, "https://") && !strings.HasPrefix(r.Contact, "http://") {
		k.fault("relay.contact", strconv.Quote(r.Contact), "is neither an e-mail address nor a URL", "")
	}
	for _, up := range r.Upstream {
		if _, err := activitypub.ParseIRI(up); err != nil {
			k.fault("relay.upstream", strconv.Quote(up), "is not a web address", "")
		} else if !strings.HasPrefix(strings.ToLower(up), "https://") && !k.c.Federation.AllowHTTP {
			k.fault("relay.upstream", strconv.Quote(up), "is not encrypted", "write the https:// address")
		}
	}
}

func (k *checker) delivery() {
	d := k.c.Delivery
	for key, v := range map[string]Duration{"delivery.timeout": d.Timeout, "federation.timeout": k.c.Federation.Timeout} {
		if t := time.Duration(v); t < time.Second || t > 2*time.Minute {
			k.fault(key, show(v.String()), "is out of its range", "")
		}
	}
	if d.Window < 1 || d.Window > 64 {
		k.fault("delivery.window", strconv.Itoa(d.Window), "is out of its range", "")
	}
	if d.MaxRequests < 1 || d.MaxRequests > 10000 {
		k.fault("delivery.max_requests", strconv.Itoa(d.MaxRequests), "is out of its range", "")
	}
	if d.RetryMin <= 0 {
		k.fault("delivery.retry_min", show(d.RetryMin.String()), "is not a time to wait", "write a duration such as \"2s\"")
	}
	if d.RetryMax <= 0 || (d.RetryMax < d.RetryMin && !k.skip("delivery.retry_min")) {
		k.fault("delivery.retry_max", show(d.RetryMax.String()), "is shorter than retry_min", "")
	}
	if d.GiveUpAfter == Forever || time.Duration(d.GiveUpAfter) < time.Hour {
		k.fault("delivery.give_up_after", show(d.GiveUpAfter.String()), "is out of its range", "")
	}
}

func (k *checker) numbers() {
	for key, v := range map[string]float64{"limits.host_rate": k.c.Limits.HostRate, "limits.global_rate": k.c.Limits.GlobalRate} {
		if v <= 0 || v > 1e6 {
			k.fault(key, strconv.FormatFloat(v, 'g', -1, 64), "is out of its range", "")
		}
	}
}

var labelForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

func (k *checker) rules() {
	names := map[string]bool{}
	for i, r := range k.c.Rules {
		at := fmt.Sprintf("rule[%d]", i+1)
		if strings.TrimSpace(r.Name) == "" {
			k.fault(at+".name", strconv.Quote(r.Name), "is empty", "write a short text that says why a post gets the label")
		} else if names[r.Name] {
			k.fault(at+".name", strconv.Quote(r.Name), "stands twice", "give every rule a name of its own")
		}
		names[r.Name] = true
		k.ruleQuery(at, r.Query)
		if !labelForm.MatchString(r.Label) {
			k.fault(at+".label", strconv.Quote(r.Label), "is not a label", "write lower-case letters, digits and hyphens, as \"threat\" or \"of-interest\"")
		}
		if r.Score <= 0 || r.Score > 1 {
			k.fault(at+".score", strconv.FormatFloat(r.Score, 'g', -1, 64), "is out of its range", "write a number above 0 and up to 1")
		}
	}
}

// ruleQuery refuses a query that the search language only half understands: a
// rule that silently matches something else is worse than none.
func (k *checker) ruleQuery(at, text string) {
	q := query.Parse(text, query.Options{Now: time.Now()})
	switch {
	case len(q.Warnings) > 0:
		for _, w := range q.Warnings {
			k.fault(at+".query", strconv.Quote(shorten(text, 80)), fmt.Sprintf("is not sound: %s (at byte %d)", w.Text, w.At+1), "correct the query; `hark search` shows the same warnings")
		}
	case q.IsAll() || q.Nothing():
		k.fault(at+".query", strconv.Quote(text), "is empty, so the rule would say nothing", "write a query of the search language")
	}
}

// transformer refuses numbers out of their range.
func (k *checker) transformer() {
	t := k.c.Classifier.Transformer
	for _, n := range []struct {
		key   string
		value float64
	}{{"unsure", t.Unsure}, {"weight", t.Weight}} {
		if !(n.value > 0 && n.value <= 1) {
			k.fault("classifier.transformer."+n.key, strconv.FormatFloat(n.value, 'g', -1, 64), "is out of its range", "write a number above 0 and up to 1")
		}
	}
	if t.Workers < 1 || t.Workers > 64 {
		k.fault("classifier.transformer.workers", strconv.Itoa(t.Workers), "is out of its range", "write a whole number from 1 to 64")
	}
}

// thresholds refuses labels that nobody gives: a misspelt one would leave the
// threshold that it was meant for as it is.
func (k *checker) thresholds() {
	labels := slices.Clone(classifier.Labels)
	for _, r := range k.c.Rules {
		labels = append(labels, r.Label)
	}
	for _, label := range sortedKeys(k.c.Classifier.Thresholds) {
		v := k.c.Classifier.Thresholds[label]
		key := "classifier.thresholds." + label
		shown := strconv.FormatFloat(v, 'g', -1, 64)
		if !slices.Contains(labels, label) {
			remedy := "the labels are " + strings.Join(classifier.Labels, ", ") + ", and those of your rules"
			if near := nearest(label, labels); near != "" {
				remedy = "did you mean " + near + "?"
			}
			k.fault(key, shown, "is not a label that anything gives", remedy)
		} else if v <= 0 || v > 1 {
			k.fault(key, shown, "is out of its range", "write a number above 0 and up to 1")
		}
	}
}
