package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// defaultConfigFile is read when it is there and no other file is named.
const defaultConfigFile = "hark.toml"

// Fault is one thing that is wrong with a configuration.
type Fault struct {
	Key     string // "server.listen", or the variable of the environment
	Value   string // as it was given; "" if there is none to show
	Problem string // "is not a duration"
	Remedy  string // what to do
}

func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.Key)
	if f.Value != "" {
		b.WriteString(" = " + f.Value)
	}
	b.WriteString(": " + f.Problem)
	if f.Remedy != "" {
		b.WriteString("; " + f.Remedy)
	}
	return b.String()
}

// ConfigError holds every fault of a configuration at once.
type ConfigError struct {
	File   string // "" if none was read
	Faults []Fault
}

func (e *ConfigError) Error() string {
	var b strings.Builder
	b.WriteString("the configuration")
	if e.File != "" {
		b.WriteString(" " + e.File)
	}
	if n := len(e.Faults); n == 1 {
		b.WriteString(" has a fault:")
	} else {
		fmt.Fprintf(&b, " has %d faults:", n)
	}
	for _, f := range e.Faults {
		b.WriteString("\n  " + f.String())
	}
	return b.String()
}

// loadConfig reads the configuration: the file of that name (or, if it is
// empty, of HARK_CONFIG, or ./hark.toml if there is one), then the
// environment over it. All faults come back together as a *ConfigError; a
// file that cannot be read is an error of its own.
func loadConfig(file string, env []string) (*Config, error) {
	c := defaults()
	vars := environ(env)
	if file == "" {
		file = vars["HARK_CONFIG"]
	}
	named := file != ""
	if !named {
		file = defaultConfigFile
	}
	data, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !named:
		file = ""
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no configuration file %s; write one with `hark init`, or copy config.example.toml", file)
	case err != nil:
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	c.file = file
	l := loader{config: c}
	if file != "" {
		if err := l.file(string(data)); err != nil {
			return nil, err
		}
	}
	l.environment(vars)
	if err := l.finish(); err != nil {
		return nil, err
	}
	return c, nil
}

// decodeConfig reads a text as a configuration file, over the defaults and
// without the environment.
func decodeConfig(text string) (*Config, error) {
	c := defaults()
	l := loader{config: c}
	if err := l.file(text); err != nil {
		return nil, err
	}
	if err := l.finish(); err != nil {
		return nil, err
	}
	return c, nil
}

// loader gathers faults while it fills a Config.
type loader struct {
	config *Config
	faults []Fault
	bad    map[string]bool // keys that have a fault: their values are not checked further
}

func (l *loader) fault(key, value, problem, remedy string) {
	l.faults = append(l.faults, Fault{Key: key, Value: value, Problem: problem, Remedy: remedy})
	if l.bad == nil {
		l.bad = map[string]bool{}
	}
	l.bad[key] = true
}

// finish checks the values and returns all faults together, ordered by key.
func (l *loader) finish() error {
	faults := append(l.faults, l.config.check(l.faulty)...)
	if len(faults) == 0 {
		return nil
	}
	slices.SortStableFunc(faults, func(a, b Fault) int { return strings.Compare(a.Key, b.Key) })
	return &ConfigError{File: l.config.file, Faults: faults}
}

// faulty tells whether the key has a fault already.
func (l *loader) faulty(key string) bool { return l.bad[key] }

// file reads the text of a file. Only a text that is not TOML is an error;
// what is wrong with its keys becomes faults.
func (l *loader) file(text string) error {
	var tree map[string]any
	if _, err := toml.Decode(text, &tree); err != nil {
		var parse toml.ParseError
		if errors.As(err, &parse) {
			return tomlError(l.config.file, text, parse)
		}
		return fmt.Errorf("read the configuration %s: %w", l.config.file, err)
	}
	known := settings(l.config)
	for _, section := range sortedKeys(tree) {
		value := tree[section]
		if section == "rule" {
			l.rules("rule", value)
			continue
		}
		if !slices.Contains(sections(), section) {
			l.unknown(section, value, known)
			continue
		}
		table, ok := value.(map[string]any)
		if !ok {
			l.fault(section, show(value), "is a section", "write ["+section+"] and its keys below it")
			continue
		}
		l.section(section, table, known)
	}
	return nil
}

// section reads the keys of a section and the sections within it.
func (l *loader) section(section string, table map[string]any, known map[string]setting) {
	for _, name := range sortedKeys(table) {
		key := section + "." + name
		s, ok := known[key]
		if !ok {
			inner, isTable := table[name].(map[string]any)
			switch {
			case !slices.Contains(sections(), key):
				l.unknown(key, table[name], known)
			case !isTable:
				l.fault(key, show(table[name]), "is a section", "write ["+key+"] and its keys below it")
			default:
				l.section(key, inner, known)
			}
			continue
		}
		if err := assign(s.field, table[name]); err != nil {
			l.fault(key, show(table[name]), err.Error(), "write "+s.want)
			continue
		}
		if key == "storage.path" {
			l.config.pathFromFile = true
		}
	}
}

// tomlError shows the line that is not TOML. The library's own rendering is
// not used: it panics on an unterminated text that ends in a backslash.
func tomlError(file, text string, e toml.ParseError) error {
	line := ""
	if lines := strings.Split(text, "\n"); e.Position.Line >= 1 && e.Position.Line <= len(lines) {
		line = strings.TrimSpace(lines[e.Position.Line-1])
	}
	return fmt.Errorf("the configuration %s is not valid TOML, line %d: %s\n  %s", file, e.Position.Line, e.Message, shorten(line, 80))
}

// unknown reports a key that there is none of, with the nearest there is.
func (l *loader) unknown(key string, value any, known map[string]setting) {
	names := append(sortedKeys(known), sections()...)
	// The same name in another section is nearer than any other.
	name := key[strings.LastIndex(key, ".")+1:]
	for _, k := range sortedKeys(known) {
		if strings.HasSuffix(k, "."+name) {
			l.fault(key, show(value), "is not a known key", "did you mean "+k+"?")
			return
		}
	}
	remedy := "config.example.toml lists every key"
	if near := nearest(key, names); near != "" {
		remedy = "did you mean " + near + "?"
	}
	l.fault(key, show(value), "is not a known key", remedy)
}

// rules reads the [[rule]] sections.
func (l *loader) rules(key string, value any) {
	var tables []map[string]any
	switch v := value.(type) {
	case []map[string]any:
		tables = v
	case []any: // an array of inline tables
		for _, e := range v {
			t, ok := e.(map[string]any)
			if !ok {
				l.fault(key, show(value), "is not a list of tables", "write [[rule]] with name, query, label and score below it")
				return
			}
			tables = append(tables, t)
		}
	default:
		l.fault(key, show(value), "is not a list of tables", "write [[rule]] (two brackets) with name, query, label and score below it")
		return
	}
	l.config.Rules = []RuleConfig{}
	for i, t := range tables {
		rule := RuleConfig{Score: 1}
		known := map[string]setting{}
		prefix := fmt.Sprintf("rule[%d]", i+1)
		collect(prefix, reflect.ValueOf(&rule).Elem(), known)
		for _, name := range sortedKeys(t) {
			s, ok := known[prefix+"."+name]
			if !ok {
				l.unknown(prefix+"."+name, t[name], known)
				continue
			}
			if err := assign(s.field, t[name]); err != nil {
				l.fault(s.key, show(t[name]), err.Error(), "write "+s.want)
			}
		}
		l.config.Rules = append(l.config.Rules, rule)
	}
}

// setting is one key of the configuration.
type setting struct {
	key   string
	want  string // what it takes, in words
	one   string // the words that it takes, separated by spaces; "" any
	field reflect.Value
}

// settings returns every key that stands in a section, and `rule`.
func settings(c *Config) map[string]setting {
	out := map[string]setting{}
	root := reflect.ValueOf(c).Elem()
	for i := range root.NumField() {
		f := root.Type().Field(i)
		name := f.Tag.Get("toml")
		switch {
		case name == "":
		case f.Type.Kind() == reflect.Struct:
			collect(name, root.Field(i), out)
		default:
			out[name] = setting{key: name, want: f.Tag.Get("want"), field: root.Field(i)}
		}
	}
	return out
}

func collect(section string, v reflect.Value, out map[string]setting) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key := section + "." + f.Tag.Get("toml")
		if f.Type.Kind() == reflect.Struct {
			collect(key, v.Field(i), out)
			continue
		}
		out[key] = setting{key: key, want: f.Tag.Get("want"), one: f.Tag.Get("one"), field: v.Field(i)}
	}
}

// sections returns the names of the sections, also of those within others.
func sections() []string {
	var out []string
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("toml")
		if name == "" {
			continue
		}
		out = append(out, name)
		if f.Type.Kind() != reflect.Struct {
			continue
		}
		for k := range f.Type.NumField() {
			if in := f.Type.Field(k); in.Type.Kind() == reflect.Struct {
				out = append(out, name+"."+in.Tag.Get("toml"))
			}
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// show writes a value as a person would in the file, shortened.
func show(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(shorten(v, 80))
	case map[string]any, []map[string]any:
		return ""
	}
	return shorten(fmt.Sprint(v), 80)
}
