package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hark/classifier"
	"hark/classifier/builtin"
	"hark/classifier/transformer"
	"hark/relay"
	"hark/storage"
	"hark/storage/query"
)

// maxTextLine bounds a line of standard input.
const maxTextLine = 1 << 20

// classifyInput is a text to be judged, as JSON Lines give it.
type classifyInput struct {
	Text     string   `json:"text"`
	Language string   `json:"language"`
	Tags     []string `json:"tags"`
	Links    []string `json:"links"`
	Mentions int      `json:"mentions"`
}

// classifyResult is a judgement as scripts see it.
type classifyResult struct {
	Text     string          `json:"text"`
	Language string          `json:"language"`
	Sure     float64         `json:"language_sure"`
	Labels   []storage.Label `json:"labels"`
	Version  string          `json:"version"`
}

func (p *program) classifyCommand() *cobra.Command {
	var asJSON, useRules bool
	var language string
	cmd := &cobra.Command{
		Use:   "classify [TEXT…]",
		Short: "Judge texts as the node would, and say why",
		Long: `Classify judges each argument or, without any, each line of standard input: a
text, or a JSON object with "text" and, if you know them, "language", "tags",
"links" and "mentions" (a number). The thresholds of the configuration hold;
with --rules its rules judge too, as far as a text alone can match them: a rule
that asks for a host or an account cannot.`,
		Example: `  hark classify 'the dam will break, leave the valley now'
  hark classify --json < texts.txt | jq -c .labels
  jq -c '{text, language}' posts.jsonl | hark classify --rules --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.config()
			if err != nil {
				return err
			}
			var rules []relay.Rule
			if useRules {
				if rules = c.rules(); len(rules) == 0 {
					p.warnf("the configuration has no rules")
				}
			}
			judge, err := newJudge(rules, c, p.now())
			if err != nil {
				return err
			}
			out := &judgements{p: p, judge: judge, asJSON: asJSON}
			return errors.Join(p.classify(cmd.Context(), out, args, language), out.flush())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON Lines")
	cmd.Flags().BoolVar(&useRules, "rules", false, "with the rules of the configuration")
	cmd.Flags().StringVar(&language, "lang", "", "the language that the author gave, as `de`")
	return cmd
}

// ruledJudge puts the operator's rules behind the judges, as the node does: a
// rule sees the text with the labels that it has got, and the surer of rule
// and judge counts.
type ruledJudge struct {
	classifier.Classifier
	rules      []relay.Rule
	queries    []*query.Query
	thresholds map[string]float64
	now        time.Time
}

// reviewedJudge asks the transformer about what the judges are not sure of.
type reviewedJudge struct {
	*classifier.Ensemble
	model *transformer.Model
}

// Classify implements classifier.Classifier. Where the transformer fails, the
// reasons say so.
func (r *reviewedJudge) Classify(ctx context.Context, in classifier.Input) classifier.Result {
	res := r.Ensemble.Classify(ctx, in)
	if !r.model.Unsure(res.Scores, res.Language) {
		return res
	}
	scores, err := r.model.Review(ctx, in.Text, res.Scores, res.Language)
	if err != nil {
		for i := range res.Scores {
			res.Scores[i].Reasons = append(res.Scores[i].Reasons, classifier.Reason{Rule: "transformer", Note: err.Error()})
		}
		return res
	}
	res.Scores, res.Version = scores, res.Version+"+"+r.model.Version()
	return res
}

// newJudge makes the classifier of the node with these rules and the configuration.
func newJudge(rules []relay.Rule, c *Config, now time.Time) (classifier.Classifier, error) {
	o := builtin.Options{Thresholds: c.Classifier.Thresholds}
	if c.Classifier.Model != "" {
		m, err := builtin.ReadWeights(c.beside(c.Classifier.Model))
		if err != nil {
			return nil, err
		}
		o.Model = m
	}
	ensemble, err := builtin.New(o)
	if err != nil {
		return nil, err
	}
	var judge classifier.Classifier = ensemble
	if t := c.transformer(); t.Dir != "" {
		t.Thresholds = ensemble
		m, err := transformer.Open(t)
		if err != nil {
			return nil, err
		}
		judge = &reviewedJudge{ensemble, m}
	}
	if len(rules) == 0 {
		return judge, nil
	}
	r := &ruledJudge{Classifier: judge, rules: rules, thresholds: c.Classifier.Thresholds, now: now}
	for _, rule := range rules {
		r.queries = append(r.queries, query.Parse(rule.Query, query.Options{Now: now}))
	}
	return r, nil
}

// Classify implements classifier.Classifier.
func (r *ruledJudge) Classify(ctx context.Context, in classifier.Input) classifier.Result {
	res := r.Classifier.Classify(ctx, in)
	post := &storage.Post{
		Text: in.Text, Language: res.Language, Tags: in.Tags, Links: in.Links, Published: r.now, Received: r.now,
		Labels: newClassifyResult(in.Text, res).Labels,
	}
	var found []classifier.Score
	for i, rule := range r.rules {
		if !r.queries[i].Match(post) {
			continue
		}
		threshold, set := r.thresholds[rule.Label]
		if !set {
			threshold = classifier.DefaultThreshold
		}
		found = append(found, classifier.Score{
			Label: rule.Label, Score: rule.Score, Over: rule.Score >= threshold, Model: "operator",
			Reasons: []classifier.Reason{{Rule: rule.Name, Weight: rule.Score, Note: rule.Query}},
		})
	}
	for _, f := range found {
		at := slices.IndexFunc(res.Scores, func(s classifier.Score) bool { return s.Label == f.Label })
		if at < 0 {
			res.Scores = append(res.Scores, f)
			continue
		}
		have := &res.Scores[at]
		have.Score, have.Over = max(have.Score, f.Score), have.Over || f.Over
		have.Model += "+" + f.Model
		have.Reasons = append(have.Reasons, f.Reasons...)
	}
	return res
}

// classify judges the arguments or the lines of standard input.
func (p *program) classify(ctx context.Context, out *judgements, args []string, language string) error {
	for _, text := range args {
		if err := out.add(ctx, plainInput(text, language)); err != nil {
			return err
		}
	}
	if len(args) > 0 {
		return nil
	}
	if isTerminal(p.stdin) {
		p.warnf("reading texts, one a line; Ctrl-D ends")
	}
	lines := bufio.NewScanner(p.stdin)
	lines.Buffer(make([]byte, 64<<10), maxTextLine)
	for n := 1; lines.Scan(); n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		in, err := parseInput(lines.Bytes(), language)
		if err != nil {
			return fmt.Errorf("line %d of standard input: %w", n, err)
		}
		if in.Text == "" {
			continue
		}
		if err := out.add(ctx, in); err != nil {
			return err
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("standard input holds a line of more than %s", bytesText(maxTextLine))
	} else if err != nil {
		return fmt.Errorf("read standard input: %w", err)
	}
	return nil
}

// parseInput reads a line: an object with a text, or a text. A line that only
// looks like an object is a text.
func parseInput(line []byte, language string) (classifier.Input, error) {
	line = bytes.TrimSpace(line)
	if len(line) == 0 || line[0] != '{' || !json.Valid(line) {
		return plainInput(strings.ToValidUTF8(string(line), "\ufffd"), language), nil
	}
	var in classifyInput
	if err := json.Unmarshal(line, &in); err != nil {
		return classifier.Input{}, fmt.Errorf("not an object with a text: %w", err)
	}
	if strings.TrimSpace(in.Text) == "" {
		return classifier.Input{}, errors.New(`an object without "text"`)
	}
	out := plainInput(in.Text, language)
	if in.Language != "" {
		out.Language = in.Language
	}
	if in.Tags != nil {
		out.Tags = in.Tags
	}
	if in.Links != nil {
		out.Links = in.Links
	}
	if in.Mentions > 0 {
		out.Mentions = in.Mentions
	}
	return out, nil
}

// plainInput finds tags, links and mentions in a text that comes without them.
func plainInput(text, language string) classifier.Input {
	in := classifier.Input{Text: text, Language: language}
	for _, word := range strings.Fields(text) {
		switch {
		case strings.HasPrefix(word, "#") && len(word) > 1:
			in.Tags = append(in.Tags, strings.ToLower(strings.TrimRight(word[1:], ".,;:!?")))
		case strings.HasPrefix(word, "@") && len(word) > 1:
			in.Mentions++
		case strings.HasPrefix(word, "https://"), strings.HasPrefix(word, "http://"):
			in.Links = append(in.Links, word)
		}
	}
	return in
}

// judgements prints results, as they come or in tables.
type judgements struct {
	p      *program
	judge  classifier.Classifier
	asJSON bool
	rows   [][]string
}

// doubtful is the score from which on a table shows a label that is not given.
const doubtful = 0.3

// maxRows is how many rows a table may hold back.
const maxRows = 1000

// add judges a text.
func (j *judgements) add(ctx context.Context, in classifier.Input) error {
	res := j.judge.Classify(ctx, in)
	if j.asJSON {
		return writeJSON(j.p.stdout, newClassifyResult(in.Text, res))
	}
	text := shorten(cleanLine(in.Text), 40)
	shown := slices.DeleteFunc(slices.Clone(res.Scores), func(s classifier.Score) bool { return !s.Over && s.Score < doubtful })
	if len(shown) == 0 {
		j.rows = append(j.rows, []string{text, res.Language, "", "", "", ""})
	}
	for _, s := range shown {
		over := ""
		if s.Over {
			over = "yes"
		}
		j.rows = append(j.rows, []string{text, res.Language, s.Label, fmt.Sprintf("%.2f", s.Score), over, why(s.Reasons)})
		text = `"`
	}
	if len(j.rows) >= maxRows {
		return j.flush()
	}
	return nil
}

// flush prints what is held back.
func (j *judgements) flush() error {
	if len(j.rows) == 0 {
		return nil
	}
	rows := append([][]string{{"TEXT", "LANG", "LABEL", "SCORE", "GIVEN", "WHY"}}, j.rows...)
	j.rows = nil
	return table(j.p.stdout, rows)
}

// why writes the weightiest reasons in a few words.
func why(reasons []classifier.Reason) string {
	var parts []string
	for _, r := range reasons {
		part := r.Rule
		if r.Text != "" {
			part = fmt.Sprintf("%q %s", shorten(cleanLine(r.Text), 30), r.Rule)
		}
		parts = append(parts, fmt.Sprintf("%s %+.1f", part, r.Weight))
		if len(parts) == 4 {
			break
		}
	}
	return strings.Join(parts, ", ")
}

func newClassifyResult(text string, res classifier.Result) classifyResult {
	out := classifyResult{Text: text, Language: res.Language, Sure: res.LanguageSure, Labels: []storage.Label{}, Version: res.Version}
	for _, s := range res.Scores {
		l := storage.Label{Name: s.Label, Score: s.Score, Over: s.Over, Model: s.Model}
		for _, r := range s.Reasons {
			l.Reasons = append(l.Reasons, storage.Reason{Text: r.Text, Start: r.Start, End: r.End, Rule: r.Rule, Weight: r.Weight, Note: r.Note})
		}
		out.Labels = append(out.Labels, l)
	}
	return out
}
