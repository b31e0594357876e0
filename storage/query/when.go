package query

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// forever is after every post.
const forever = math.MaxInt64

// Years that dates are understood in.
const minYear, maxYear = 1970, 9999

// when reads before:, after:, during: (until:, since:) and seen:. A date
// names a whole unit: before it is before its begin, after it is after its end.
func when(p *parser, name string, v value) Node {
	from, to, ok := p.stretch(v.text)
	if !ok {
		return p.bad(name, v, "a date as 2025-03-01, a time ago as -24h, today, or epoch milliseconds")
	}
	n := Span{seen: name == "seen", text: written(name, v.op+strings.ToLower(v.text))}
	if v.op != "" {
		n.text = name + ":" + v.op + strings.ToLower(v.text)
	}
	relative := strings.HasPrefix(v.text, "-")
	switch name {
	case "before", "until":
		n.from, n.to = math.MinInt64, from
	case "after", "since":
		n.from, n.to = to, forever
	default:
		n.from, n.to = from, to
		if relative {
			n.to = forever // in the last …
		}
	}
	switch v.op {
	case ">":
		n.from, n.to = to, forever
	case ">=":
		n.from, n.to = from, forever
	case "<":
		n.from, n.to = math.MinInt64, from
	case "<=":
		n.from, n.to = math.MinInt64, to
	}
	if strings.Contains(v.text, "..") && (name == "before" || name == "after" || name == "since" || name == "until") {
		return p.bad(name, v, "one date; a range stands with during:")
	}
	return n
}

// stretch is the time that a text names, in Unix milliseconds: [from, to).
func (p *parser) stretch(s string) (from, to int64, ok bool) {
	s = strings.ToLower(s)
	if a, b, is := strings.Cut(s, ".."); is {
		from, to = math.MinInt64, int64(forever)
		okA, okB := a == "", b == ""
		if a != "" {
			from, _, okA = p.unit(a)
		}
		if b != "" {
			_, to, okB = p.unit(b)
		}
		return from, to, okA && okB && (a != "" || b != "")
	}
	return p.unit(s)
}

// layouts are the ways to write a date, with the unit that each names.
var layouts = []struct {
	layout string
	end    func(time.Time) time.Time
}{
	{"2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
	{"2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
	{"2006-01-02", func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
	{"2006-01-02t15", func(t time.Time) time.Time { return t.Add(time.Hour) }},
	{"2006-01-02t15:04", func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02t15:04:05", func(t time.Time) time.Time { return t.Add(time.Second) }},
}

func (p *parser) unit(s string) (from, to int64, ok bool) {
	now := p.o.Now.In(p.o.Zone)
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, p.o.Zone)
	switch s {
	case "today":
		return midnight.UnixMilli(), midnight.AddDate(0, 0, 1).UnixMilli(), true
	case "yesterday":
		return midnight.AddDate(0, 0, -1).UnixMilli(), midnight.UnixMilli(), true
	}
	if ago, is := strings.CutPrefix(s, "-"); is {
		return p.ago(ago)
	}
	zone, date := p.o.Zone, s
	if rest, is := strings.CutSuffix(s, "z"); is {
		zone, date = time.UTC, rest
	}
	for _, l := range layouts {
		if t, err := time.ParseInLocation(l.layout, date, zone); err == nil {
			if t.Year() < minYear || t.Year() > maxYear {
				return 0, 0, false
			}
			return t.UnixMilli(), l.end(t).UnixMilli(), true
		}
	}
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil && len(s) >= 10 && ms < 253402300800000 {
		return ms, ms + 1, true
	}
	return 0, 0, false
}

// ago is an instant so long before now: -90m, -24h, -7d, -2w.
func (p *parser) ago(s string) (from, to int64, ok bool) {
	if s == "" {
		return 0, 0, false
	}
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	unit, known := units[s[len(s)-1]]
	n, err := strconv.ParseInt(s[:len(s)-1], 10, 32)
	if !known || err != nil || n < 0 || n > int64(100*365*24*time.Hour/unit) {
		return 0, 0, false
	}
	at := p.o.Now.Add(-time.Duration(n) * unit).UnixMilli()
	return at, at, true
}
