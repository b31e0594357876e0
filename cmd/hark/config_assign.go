package main

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
	"github.com/agnivade/levenshtein"
)

// assign puts a value of a TOML file into a field.
func assign(field reflect.Value, value any) error {
	switch target := field.Addr().Interface().(type) {
	case *string:
		s, ok := value.(string)
		if !ok {
			return errors.New("is not a text")
		}
		*target = s
	case *bool:
		b, ok := value.(bool)
		if !ok {
			return errors.New("is neither true nor false")
		}
		*target = b
	case *int:
		n, ok := value.(int64)
		if !ok || n > math.MaxInt32 || n < math.MinInt32 {
			return errors.New("is not a whole number that fits")
		}
		*target = int(n)
	case *float64:
		f, err := number(value)
		if err != nil {
			return err
		}
		*target = f
	case *Duration:
		s, ok := value.(string)
		if !ok {
			return errDuration
		}
		d, err := parseDuration(s)
		if err != nil {
			return err
		}
		*target = d
	case *Size:
		if n, ok := value.(int64); ok && n >= 0 {
			*target = Size(n)
			return nil
		}
		s, ok := value.(string)
		if !ok {
			return errSize
		}
		n, err := parseSize(s)
		if err != nil {
			return err
		}
		*target = n
	case *[]string:
		list, ok := value.([]any)
		if !ok {
			return errors.New("is not a list")
		}
		out := []string{}
		for _, e := range list {
			s, ok := e.(string)
			if !ok {
				return errors.New("is not a list of texts")
			}
			out = append(out, s)
		}
		*target = out
	case *map[string]string:
		table, ok := value.(map[string]any)
		if !ok {
			return errors.New("is not a table")
		}
		out := map[string]string{}
		for k, v := range table {
			s, ok := v.(string)
			if !ok {
				return fmt.Errorf("%s is not a text", k)
			}
			out[k] = s
		}
		*target = out
	case *map[string]float64:
		table, ok := value.(map[string]any)
		if !ok {
			return errors.New("is not a table")
		}
		out := map[string]float64{}
		for k, v := range table {
			f, err := number(v)
			if err != nil {
				return fmt.Errorf("%s %w", k, err)
			}
			out[k] = f
		}
		*target = out
	default:
		return errors.New("cannot be set")
	}
	return nil
}

func number(v any) (float64, error) {
	switch v := v.(type) {
	case int64:
		return float64(v), nil
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return v, nil
		}
	}
	return 0, errors.New("is not a number")
}

// assignText puts a variable of the environment into a field: lists are
// separated by commas, tables are written label=0.7,label=0.8.
func assignText(field reflect.Value, text string) error {
	text = strings.TrimSpace(text)
	switch field.Interface().(type) {
	case bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return errors.New("is neither true nor false")
		}
		return assign(field, b)
	case int:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return errors.New("is not a whole number")
		}
		return assign(field, n)
	case float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return errors.New("is not a number")
		}
		return assign(field, f)
	case []string:
		list := []any{}
		for e := range strings.SplitSeq(text, ",") {
			if e = strings.TrimSpace(e); e != "" {
				list = append(list, e)
			}
		}
		return assign(field, list)
	case map[string]string:
		table := map[string]any{}
		for e := range strings.SplitSeq(text, ",") {
			if e = strings.TrimSpace(e); e == "" {
				continue
			}
			k, v, ok := strings.Cut(e, "=")
			if !ok {
				return fmt.Errorf("%q is not name=label", e)
			}
			table[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
		return assign(field, table)
	case map[string]float64:
		table := map[string]any{}
		for e := range strings.SplitSeq(text, ",") {
			if e = strings.TrimSpace(e); e == "" {
				continue
			}
			k, v, ok := strings.Cut(e, "=")
			f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
			if !ok || err != nil {
				return fmt.Errorf("%q is not label=number", e)
			}
			table[strings.TrimSpace(k)] = f
		}
		return assign(field, table)
	}
	return assign(field, text)
}

// Variables that are not keys of the configuration.
var ownVariables = []string{
	"HARK_CONFIG", // the configuration file
	"HARK_TOKEN",  // where scripts keep the token for the search API
}

// envName returns the variable of the environment that sets a key.
func envName(key string) string {
	return "HARK_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// environment lays the variables HARK_SECTION_KEY over what the file said. A
// variable that must be meant for Hark and names nothing is a fault: a
// misspelt one would otherwise silently leave a default in place.
func (l *loader) environment(vars map[string]string) {
	byName := map[string]setting{}
	for _, s := range settings(l.config) {
		byName[envName(s.key)] = s
	}
	for _, name := range sortedKeys(vars) {
		if !strings.HasPrefix(name, "HARK_") || slices.Contains(ownVariables, name) {
			continue
		}
		text := vars[name]
		if text == "" {
			continue // as good as unset, so that a wrapper can pass every variable on
		}
		s, ok := byName[name]
		if !ok {
			near := nearest(name, append(sortedKeys(byName), ownVariables...))
			if near == "" && !inSection(name) {
				continue // another program's, as a service link of a container runtime
			}
			remedy := "config.example.toml lists every key"
			if near != "" {
				remedy = "did you mean " + near + "?"
			}
			l.fault(name, strconv.Quote(shorten(text, 80)), "sets no known key", remedy)
			continue
		}
		delete(l.bad, s.key)
		if s.key == "rule" {
			l.rulesFromText(name, text)
			continue
		}
		if err := assignText(s.field, text); err != nil {
			l.fault(name, strconv.Quote(shorten(text, 80)), err.Error(), "set it to "+s.want)
			l.bad[s.key] = true
			continue
		}
		if s.key == "storage.path" {
			l.config.pathFromFile = false
		}
	}
}

// rulesFromText reads HARK_RULE, a TOML list of inline tables.
func (l *loader) rulesFromText(name, text string) {
	var tree map[string]any
	if _, err := toml.Decode("rule = "+text, &tree); err != nil || len(tree) != 1 {
		l.fault(name, strconv.Quote(shorten(text, 80)), "is not a TOML list of tables",
			`set it as [{ name = "…", query = "…", label = "…", score = 0.9 }]`)
		return
	}
	l.rules("rule", tree["rule"])
}

// inSection tells whether a variable's name begins as that of a section's key.
func inSection(name string) bool {
	for _, s := range sections() {
		if strings.HasPrefix(name, envName(s)+"_") {
			return true
		}
	}
	return false
}

// environ turns KEY=value lines into a map; the last of a name wins.
func environ(env []string) map[string]string {
	out := map[string]string{}
	for _, e := range env {
		if k, v, ok := strings.Cut(e, "="); ok {
			out[k] = v
		}
	}
	return out
}

// nearest returns the name that takes the fewest edits to reach, or "" if even
// that one would be a guess.
func nearest(name string, names []string) string {
	best, distance := "", math.MaxInt
	for _, n := range names {
		if d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(n)); d < distance {
			best, distance = n, d
		}
	}
	if distance > 3 || distance*2 > utf8.RuneCountInString(name) {
		return ""
	}
	return best
}

// shorten cuts a text to at most n runes.
func shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
