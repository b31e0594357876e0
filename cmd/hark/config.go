package main

import (
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hark/classifier/transformer"
	"hark/relay"
)

// Config is the configuration, as config.example.toml documents it. Every
// field carries its key and what the key takes, in words: from these tags come
// the keys that are known, the variables of the environment and the remedies
// of faults.
type Config struct {
	Server     ServerConfig     `toml:"server"`
	Storage    StorageConfig    `toml:"storage"`
	Federation FederationConfig `toml:"federation"`
	Relay      RelayConfig      `toml:"relay"`
	Delivery   DeliveryConfig   `toml:"delivery"`
	Consent    ConsentConfig    `toml:"consent"`
	Limits     LimitsConfig     `toml:"limits"`
	Classifier ClassifierConfig `toml:"classifier"`
	Rules      []RuleConfig     `toml:"rule" want:"a list of tables with name, query, label and score"`
	Log        LogConfig        `toml:"log"`

	// file is the file that was read, "" if none: relative paths start in
	// its folder.
	file string
	// pathFromFile tells that Storage.Path came from that file.
	pathFromFile bool
}

// ServerConfig is the section [server].
type ServerConfig struct {
	Listen         string   `toml:"listen" want:"host:port, as \"127.0.0.1:8080\""`
	Domain         string   `toml:"domain" want:"a host name, as \"relay.example\""`
	BaseURL        string   `toml:"base_url" want:"an address without a path, as \"https://relay.example\""`
	PublicMetrics  bool     `toml:"public_metrics" want:"true or false"`
	TrustedProxies []string `toml:"trusted_proxies" want:"a list of addresses or networks, as [\"127.0.0.1\", \"10.0.0.0/8\"]"`
	MaxBody        Size     `toml:"max_body" want:"a size from \"16KiB\" to \"1MiB\""`
}

// StorageConfig is the section [storage].
type StorageConfig struct {
	Path             string   `toml:"path" want:"a folder"`
	Retention        Duration `toml:"retention" want:"a duration such as \"30d\" or \"12h\", or \"forever\""`
	JournalRetention Duration `toml:"journal_retention" want:"a duration such as \"7d\", at least \"1h\""`
}

// FederationConfig is the section [federation].
type FederationConfig struct {
	AllowPrivate bool     `toml:"allow_private" want:"true or false"`
	AllowHTTP    bool     `toml:"allow_http" want:"true or false"`
	Timeout      Duration `toml:"timeout" want:"a duration from \"1s\" to \"2m\""`
}

// RelayConfig is the section [relay].
type RelayConfig struct {
	Name          string   `toml:"name" want:"a short text"`
	Description   string   `toml:"description" want:"a text"`
	Contact       string   `toml:"contact" want:"an e-mail address or a URL"`
	Publishers    string   `toml:"publishers" want:"\"subscribers\" or \"anyone\"" one:"subscribers anyone"`
	Approval      bool     `toml:"approval" want:"true or false"`
	RelayUnlisted bool     `toml:"relay_unlisted" want:"true or false"`
	Upstream      []string `toml:"upstream" want:"a list of inbox or actor addresses of relays, as [\"https://relay.example/inbox\"]"`
}

// DeliveryConfig is the section [delivery].
type DeliveryConfig struct {
	Timeout     Duration `toml:"timeout" want:"a duration from \"1s\" to \"2m\""`
	Window      int      `toml:"window" want:"a whole number from 1 to 64"`
	MaxRequests int      `toml:"max_requests" want:"a whole number from 1 to 10000"`
	RetryMin    Duration `toml:"retry_min" want:"a duration, not longer than retry_max"`
	RetryMax    Duration `toml:"retry_max" want:"a duration, not shorter than retry_min"`
	GiveUpAfter Duration `toml:"give_up_after" want:"a duration, at least \"1h\""`

	SharedSignatures string `toml:"shared_signatures" want:"\"auto\" or \"off\"" one:"auto off"`
}

// ConsentConfig is the section [consent].
type ConsentConfig struct {
	Level string `toml:"level" want:"\"opt-in\", \"opt-out\" or \"public\"" one:"opt-in opt-out public"`
}

// LimitsConfig is the section [limits].
type LimitsConfig struct {
	HostRate   float64 `toml:"host_rate" want:"a number above 0: requests a second"`
	GlobalRate float64 `toml:"global_rate" want:"a number above 0: requests a second"`
}

// ClassifierConfig is the section [classifier].
type ClassifierConfig struct {
	Model      string             `toml:"model" want:"a file of weights that \"hark train\" wrote, or nothing for the built-in ones"`
	Thresholds map[string]float64 `toml:"thresholds" want:"a table of labels and numbers above 0 and up to 1, as { threat = 0.7 }"`

	Transformer TransformerConfig `toml:"transformer"`
}

// TransformerConfig is the section [classifier.transformer].
type TransformerConfig struct {
	Model   string            `toml:"model" want:"a folder with config.json, tokenizer.json and an .onnx file, or nothing"`
	Labels  map[string]string `toml:"labels" want:"a table of labels of the model and those of Hark, as { LABEL_1 = \"hate\" }"`
	Unsure  float64           `toml:"unsure" want:"a number above 0 and up to 1: how far from its threshold a score is in doubt"`
	Weight  float64           `toml:"weight" want:"a number above 0 and up to 1"`
	Workers int               `toml:"workers" want:"a whole number from 1 to 64"`
}

// RuleConfig is one section [[rule]].
type RuleConfig struct {
	Name  string  `toml:"name" want:"a short text, shown as the reason"`
	Query string  `toml:"query" want:"a query of the search language"`
	Label string  `toml:"label" want:"a label: lower-case letters, digits and hyphens"`
	Score float64 `toml:"score" want:"a number above 0 and up to 1"`
}

// LogConfig is the section [log].
type LogConfig struct {
	Level  string `toml:"level" want:"\"debug\", \"info\", \"warn\" or \"error\"" one:"debug info warn error"`
	Format string `toml:"format" want:"\"text\" or \"json\"" one:"text json"`
}

// defaults returns the configuration that holds where nobody said otherwise.
func defaults() *Config {
	c := &Config{}
	c.Server.Listen = "127.0.0.1:8080"
	c.Server.TrustedProxies = []string{}
	c.Server.MaxBody = 1 << 20
	c.Storage.Path = "hark-data"
	c.Storage.Retention = Duration(30 * day)
	c.Storage.JournalRetention = Duration(7 * day)
	c.Federation.Timeout = Duration(10 * time.Second)
	c.Relay.Name = "Hark"
	c.Relay.Publishers = string(relay.PublishersSubscribers)
	c.Relay.Upstream = []string{}
	c.Delivery.Timeout = Duration(10 * time.Second)
	c.Delivery.Window = 16
	c.Delivery.MaxRequests = 256
	c.Delivery.RetryMin = Duration(2 * time.Second)
	c.Delivery.RetryMax = Duration(time.Hour)
	c.Delivery.GiveUpAfter = Duration(7 * day)
	c.Delivery.SharedSignatures = "auto"
	c.Consent.Level = string(relay.ConsentOptOut)
	c.Limits.HostRate = 50
	c.Limits.GlobalRate = 1000
	c.Classifier.Thresholds = map[string]float64{}
	c.Classifier.Transformer.Labels = map[string]string{}
	c.Classifier.Transformer.Unsure = 0.25
	c.Classifier.Transformer.Weight = 0.5
	c.Classifier.Transformer.Workers = 1
	c.Rules = []RuleConfig{}
	c.Log.Level = "info"
	c.Log.Format = "text"
	return c
}

// Dir returns the folder of key and store. A relative path in the file starts
// in the folder of the file, so that it does not matter where Hark is started.
func (c *Config) Dir() string {
	p := c.Storage.Path
	if c.pathFromFile && !filepath.IsAbs(p) {
		p = filepath.Join(filepath.Dir(c.file), p)
	}
	return p
}

// beside returns a path that the file names: a relative one starts in the folder
// of the file. An empty one stays empty.
func (c *Config) beside(path string) string {
	if path == "" || c.file == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(c.file), path)
}

// transformer is what the section [classifier.transformer] says.
func (c *Config) transformer() transformer.Options {
	t := c.Classifier.Transformer
	return transformer.Options{Dir: c.beside(t.Model), Labels: t.Labels, Unsure: t.Unsure, Weight: t.Weight}
}

// Configured tells whether a file was read. Without one Hark is in local use
// and makes its own key and store.
func (c *Config) Configured() bool { return c.file != "" }

// BaseURL returns the address under which the world knows the node:
// base_url, or https:// and the domain; "" means http:// and the address that
// is really bound.
func (c *Config) BaseURL() string {
	if c.Server.BaseURL != "" {
		return strings.TrimSuffix(c.Server.BaseURL, "/")
	}
	if c.Server.Domain != "" {
		return "https://" + c.Server.Domain
	}
	return ""
}

// identityURL returns BaseURL, or what the node will call itself when it is
// started with this configuration: commands that write control messages while
// no node runs need to know.
func (c *Config) identityURL() string {
	if base := c.BaseURL(); base != "" {
		return base
	}
	return "http://" + c.Server.Listen
}

// isLocal tells whether the node calls itself by an address of this machine.
func (c *Config) isLocal() bool {
	u, err := url.Parse(c.identityURL())
	return err == nil && isLoopbackHost(u.Hostname())
}

func isLoopbackHost(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

func isLoopbackListen(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	return err == nil && isLoopbackHost(host)
}

// proxies returns trusted_proxies; check has been over them.
func (c *Config) proxies() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range c.Server.TrustedProxies {
		if p, err := parsePrefix(s); err == nil {
			out = append(out, p)
		}
	}
	return out
}

func parsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return netip.Prefix{}, err
		}
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// rules returns the operator's rules.
func (c *Config) rules() []relay.Rule {
	var out []relay.Rule
	for _, r := range c.Rules {
		out = append(out, relay.Rule{Name: r.Name, Query: r.Query, Label: r.Label, Score: r.Score})
	}
	return out
}

// options returns what of the configuration a node is made from; store, key,
// version, log and classifier are the caller's to add.
func (c *Config) options() relay.Options {
	return relay.Options{
		Listen:           c.Server.Listen,
		BaseURL:          c.BaseURL(),
		Name:             c.Relay.Name,
		Description:      c.Relay.Description,
		Contact:          c.Relay.Contact,
		Publishers:       relay.Publishers(c.Relay.Publishers),
		Approval:         c.Relay.Approval,
		RelayUnlisted:    c.Relay.RelayUnlisted,
		Upstream:         slices.Clone(c.Relay.Upstream),
		AllowPrivate:     c.Federation.AllowPrivate,
		AllowHTTP:        c.Federation.AllowHTTP,
		FetchTimeout:     time.Duration(c.Federation.Timeout),
		DeliveryTimeout:  time.Duration(c.Delivery.Timeout),
		DeliveryWindow:   c.Delivery.Window,
		HostBound:        c.Delivery.SharedSignatures == "off",
		DeliveryLimit:    c.Delivery.MaxRequests,
		RetryMin:         time.Duration(c.Delivery.RetryMin),
		RetryMax:         time.Duration(c.Delivery.RetryMax),
		GiveUpAfter:      time.Duration(c.Delivery.GiveUpAfter),
		JournalRetention: time.Duration(c.Storage.JournalRetention),
		Retention:        time.Duration(c.Storage.Retention),
		Consent:          relay.Consent(c.Consent.Level),
		MaxBody:          int64(c.Server.MaxBody),
		HostRate:         c.Limits.HostRate,
		GlobalRate:       c.Limits.GlobalRate,
		PublicMetrics:    c.Server.PublicMetrics,
		TrustProxies:     c.proxies(),
		Thresholds:       c.Classifier.Thresholds,
		Weights:          c.beside(c.Classifier.Model),
		Transformer:      c.transformer(),
		Transformers:     c.Classifier.Transformer.Workers,
		Rules:            c.rules(),
	}
}
