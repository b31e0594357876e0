package main

import (
	"slices"
	"testing"

	"hark/relay/load"
)

// What a scenario sets, a flag sets otherwise; what neither names stays.
func TestScenarioOptions(t *testing.T) {
	tests := []struct {
		name, scenario string
		given          []string
		want           func(o load.Options) bool
	}{
		{"none", "", nil, func(o load.Options) bool { return o.Activities == 7 && o.Hanging == 0.3 && o.Rate == 3 }},
		{"a scenario", "sick", nil, func(o load.Options) bool { return o.Activities == 500 && o.Hanging == 0.1 && o.Failing == 0.1 }},
		{"a flag beside it", "sick", []string{"activities", "hanging"}, func(o load.Options) bool {
			return o.Activities == 7 && o.Hanging == 0.3 && o.Failing == 0.1
		}},
		{"a flag that is zero", "outage", []string{"returning"}, func(o load.Options) bool { return o.Returning == 0 && o.Rate == 20 }},
		{"every flag", "steady", []string{"rate", "subscribers", "outage", "grace"}, func(o load.Options) bool { return o.Rate == 3 && o.Subscribers == 4 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := benchFlags{scenario: tt.scenario, o: load.Options{Activities: 7, Rate: 3, Subscribers: 4}, shares: map[string]*share{}}
			for _, name := range []string{"hanging", "failing", "dead", "slow", "returning", "misskey", "pleroma", "edits"} {
				f.shares[name] = new(share)
			}
			if err := f.shares["hanging"].Set("30%"); err != nil {
				t.Fatal(err)
			}
			o, err := f.options(func(flag string) bool { return slices.Contains(tt.given, flag) })
			if err != nil || !tt.want(o) {
				t.Errorf("got %+v, %v", o, err)
			}
		})
	}
}

func TestShare(t *testing.T) {
	for text, want := range map[string]float64{"10%": 0.1, "0.1": 0.1, " 5% ": 0.05, "0": 0, "100%": 1, "1": 1, "101%": -1, "-1%": -1, "ten": -1, "": -1, "NaN": -1, "10": -1} {
		var s share
		if err := s.Set(text); (err == nil) != (want >= 0) || err == nil && float64(s) != want {
			t.Errorf("%q: got %v, %v", text, float64(s), err)
		}
	}
}
