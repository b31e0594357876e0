package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// Duration is a duration of the configuration: as Go writes it ("90m",
// "1h30m"), with days and weeks besides ("30d", "2w", "1d12h"). Forever is
// written "forever".
type Duration time.Duration

// Forever is the duration without an end.
const Forever Duration = -1

var errDuration = errors.New("is not a duration")

// parseDuration reads a Duration. It refuses signs, and a number without a
// unit except 0.
func parseDuration(s string) (Duration, error) {
	s = strings.TrimSpace(s)
	switch s {
	case "forever":
		return Forever, nil
	case "0":
		return 0, nil
	}
	units := map[string]time.Duration{
		"w": 7 * day, "d": day, "h": time.Hour, "m": time.Minute, "s": time.Second, "ms": time.Millisecond,
	}
	var total float64
	if s == "" {
		return 0, errDuration
	}
	for s != "" {
		n := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if n <= 0 {
			return 0, errDuration
		}
		value, err := strconv.ParseFloat(s[:n], 64)
		if err != nil {
			return 0, errDuration
		}
		s = s[n:]
		end := strings.IndexAny(s, "0123456789.")
		if end < 0 {
			end = len(s)
		}
		unit, ok := units[s[:end]]
		if !ok {
			return 0, errDuration
		}
		total += value * float64(unit)
		s = s[end:]
	}
	if total > float64(math.MaxInt64/2) {
		return 0, errDuration
	}
	return Duration(math.Round(total)), nil
}

// String writes the duration as parseDuration reads it, in the largest unit
// that it is a whole number of.
func (d Duration) String() string {
	if d == Forever {
		return "forever"
	}
	if d == 0 {
		return "0"
	}
	t := time.Duration(d)
	for _, u := range []struct {
		name string
		unit time.Duration
	}{{"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}} {
		if t%u.unit == 0 {
			return fmt.Sprintf("%d%s", t/u.unit, u.name)
		}
	}
	return t.String()
}

// Size is a number of bytes: a plain number, or one with KiB or MiB.
type Size int64

var errSize = errors.New("is not a size")

func parseSize(s string) (Size, error) {
	s = strings.TrimSpace(s)
	factor := int64(1)
	for _, u := range []struct {
		suffix string
		factor int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"B", 1}} {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok {
			s, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return 0, errSize
	}
	return Size(n * factor), nil
}

// String writes the size as parseSize reads it.
func (s Size) String() string {
	switch {
	case s != 0 && s%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", s>>20)
	case s != 0 && s%(1<<10) == 0:
		return fmt.Sprintf("%dKiB", s>>10)
	}
	return strconv.FormatInt(int64(s), 10)
}
