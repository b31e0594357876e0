package rules

import (
	"math"
	"sort"
	"strconv"

	"hark/classifier"
	"hark/classifier/fold"
)

// What is left of a match's weight where it is negated, or quoted by somebody
// who says more than the quotation.
const (
	negatedPart = 0.15
	quotedPart  = 0.5
)

// least is the lowest score that is told.
const least = 0.05

// evidence is what was found for one label.
type evidence struct {
	sum      float64
	positive bool
	seen     map[string]int // section → matches so far
	reasons  []classifier.Reason
}

// score weighs the matches.
func (m *matcher) score(in classifier.Input) []classifier.Score {
	if len(m.found) == 0 {
		return nil
	}
	m.dropOverlaps()
	by := map[string]*evidence{}
	context := map[string]found{}
	quoting := m.quoting()
	for _, f := range m.found {
		s := f.pattern.section
		switch {
		case s.label == "":
			if _, ok := context[s.name]; !ok && !f.negated {
				context[s.name] = f
			}
		case !s.cancel:
			ev := by[s.label]
			if ev == nil {
				ev = &evidence{seen: map[string]int{}}
				by[s.label] = ev
			}
			ev.add(m, f, quoting)
		}
	}
	if ev := by[classifier.Spam]; ev != nil {
		ev.features(m, in)
	}
	var out []classifier.Score
	for _, label := range classifier.Labels {
		ev := by[label]
		if ev == nil || !ev.positive {
			continue
		}
		ev.contexts(m, label, context)
		if p := logistic(bias + ev.sum); ev.sum > 0 && p >= least {
			out = append(out, classifier.Score{Label: label, Score: math.Round(p*1e4) / 1e4, Reasons: ev.reasons})
		}
	}
	return out
}

// dropOverlaps removes what is cancelled, and of overlapping matches of one
// section all but the weightiest.
func (m *matcher) dropOverlaps() {
	sort.SliceStable(m.found, func(i, k int) bool { return m.found[i].pattern.weight > m.found[k].pattern.weight })
	kept := m.found[:0:0]
	for _, f := range m.found {
		s := f.pattern.section
		drop := false
		if s.label != "" && !s.cancel {
			for _, o := range m.found {
				os := o.pattern.section
				if os.cancel && os.label == s.label && !o.negated && o.first <= f.last && f.first <= o.last {
					drop = true
					break
				}
			}
			for _, o := range kept {
				if os := o.pattern.section; os.label == s.label && os.name == s.name && o.first <= f.last && f.first <= o.last {
					drop = true
					break
				}
			}
		}
		if !drop {
			kept = append(kept, f)
		}
	}
	m.found = kept
}

// quoting says whether the text says more than what it quotes.
func (m *matcher) quoting() bool {
	own, quoted := 0, 0
	for i := range len(m.at) - 1 {
		if m.text.Tokens[i].Has(fold.Quoted) {
			quoted++
		} else {
			own++
		}
	}
	return quoted > 0 && own >= 3
}

// add puts a match to the evidence: of one section the first counts in full, the
// second by half, and so on.
func (ev *evidence) add(m *matcher, f found, quoting bool) {
	p := f.pattern
	w := p.weight
	if w > 0 {
		w /= float64(int(1) << min(ev.seen[p.section.name], 10))
		ev.seen[p.section.name]++
		ev.positive = true
	}
	note := p.section.note
	switch {
	case f.negated && w > 0:
		w, note = w*negatedPart, note+"; negated"
	case quoting && w > 0 && m.text.Tokens[f.first].Has(fold.Quoted) && m.text.Tokens[f.last].Has(fold.Quoted):
		w, note = w*quotedPart, note+"; quoted"
	}
	ev.reason(m, f, w, note)
}

func (ev *evidence) reason(m *matcher, f found, w float64, note string) {
	ev.sum += w
	from, to := int(m.text.Tokens[f.first].From), int(m.text.Tokens[f.last].To)
	ev.reasons = append(ev.reasons, classifier.Reason{
		Text: m.text.Original[from:to], Start: from, End: to, Rule: f.pattern.section.name + "/" + f.pattern.lang,
		Weight: math.Round(w*100) / 100, Note: note,
	})
}

// contexts puts what stands around to the evidence.
func (ev *evidence) contexts(m *matcher, label string, context map[string]found) {
	for _, name := range contextNames {
		f, ok := context["context."+name]
		if w := contexts[name][label]; ok && w != 0 {
			ev.reason(m, f, w, f.pattern.section.note)
		}
	}
}

var contextNames = func() []string {
	var names []string
	for name := range contexts {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}()

// features are signs of advertising that weigh only beside words of it.
func (ev *evidence) features(m *matcher, in classifier.Input) {
	links, tags, emoji, upper, words := 0, 0, 0, 0, 0
	for i := range len(m.at) - 1 {
		t := m.text.Tokens[i]
		switch {
		case t.Kind == fold.URL:
			links++
		case t.Kind == fold.Emoji:
			emoji++
		case t.Kind == fold.Word:
			words++
			if t.Has(fold.Upper) {
				upper++
			}
			if t.Has(fold.Tag) {
				tags++
			}
		}
	}
	if len(in.Links) > links {
		links = len(in.Links)
	}
	feature := func(name, note string, w float64) {
		ev.sum += w
		ev.reasons = append(ev.reasons, classifier.Reason{Rule: "spam." + name, Weight: w, Note: note})
	}
	if links > 0 {
		feature("links", strconv.Itoa(links)+" links", 0.5)
	}
	if max(tags, len(in.Tags)) >= 8 {
		feature("tags", "many hashtags", 0.5)
	}
	if in.Mentions >= 6 {
		feature("mentions", "many accounts mentioned", 0.8)
	}
	if emoji >= 5 {
		feature("emoji", "many emoji", 0.3)
	}
	if words >= 8 && upper*2 > words {
		feature("capitals", "mostly capitals", 0.4)
	}
}
