// Package transformer asks a transformer for a second opinion on texts of which
// the fast judges are not sure. The operator names a folder as model hubs publish
// them: an ONNX text-classification model with its configuration and tokenizer.
//
// The runtime is pure Go and large, so it is part of the binary only with the
// build tag "transformer"; without it Open returns ErrNotBuilt.
package transformer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"hark/classifier"
)

// ErrNotBuilt is returned by Open in a binary without the runtime.
var ErrNotBuilt = errors.New("this binary was built without the runtime for transformers: build it with -tags transformer")

// Options are what a Model is opened with. Zero values stand for the defaults.
type Options struct {
	// Dir is the folder: config.json, tokenizer.json and one .onnx file, which may
	// lie in a folder "onnx" of it.
	Dir string
	// Labels are the labels of Hark by those of the model. A label of the model of
	// the same name as one of Hark's needs no entry, nor do those in sameAs.
	Labels map[string]string
	// Unsure is how far from its threshold a score may lie to be in doubt; in
	// (0, 1], default 0.25.
	Unsure float64
	// Weight is how much the transformer's word counts against that of the fast
	// judges; in (0, 1], default 0.5.
	Weight float64
	// MaxTokens bounds the tokens of a text that are judged, default and at most
	// what the model takes.
	MaxTokens int
	// Thresholds tell from which score on a label is given: classifier.Ensemble
	// does. Nil stands for classifier.DefaultThreshold.
	Thresholds Thresholds
}

// Thresholds tell from which score on a label is given to a text in a language.
type Thresholds interface {
	Threshold(label, language string) float64
}

// sameAs are labels of widely used models that mean one of Hark's.
var sameAs = map[string]string{
	"toxic": classifier.Toxicity, "offensive": classifier.Toxicity, "insult": classifier.Toxicity, "obscene": classifier.Toxicity,
	"severe_toxic": classifier.Toxicity, "severe_toxicity": classifier.Toxicity, "offensive_language": classifier.Toxicity,
	"hateful": classifier.Hate, "hate_speech": classifier.Hate, "identity_hate": classifier.Hate, "identity_attack": classifier.Hate,
	"violence": classifier.Threat, "threatening": classifier.Threat, "harass": classifier.Harassment, "bullying": classifier.Harassment,
}

// scorer gives the probability of each of the model's labels.
type scorer interface {
	score(text string) ([]float64, error)
	close()
}

// Model is an opened transformer. It is safe for concurrent use.
type Model struct {
	o       Options
	folder  folder
	scorer  scorer
	version string
}

// Open reads a folder and makes the model ready. It fails with ErrNotBuilt, or
// with what is wrong with the folder.
func Open(o Options) (*Model, error) {
	if o.Unsure == 0 {
		o.Unsure = 0.25
	}
	if o.Weight == 0 {
		o.Weight = 0.5
	}
	if !(o.Unsure > 0 && o.Unsure <= 1 && o.Weight > 0 && o.Weight <= 1) {
		return nil, fmt.Errorf("transformer: unsure %v and weight %v have to be above 0 and up to 1", o.Unsure, o.Weight)
	}
	f, err := readFolder(o.Dir, o.Labels)
	if err != nil {
		return nil, fmt.Errorf("transformer %s: %w", o.Dir, err)
	}
	if o.MaxTokens > 0 {
		f.maxTokens = min(f.maxTokens, max(o.MaxTokens, minTokens))
	}
	s, err := newScorer(&f)
	if err != nil {
		return nil, fmt.Errorf("transformer %s: %w", o.Dir, err)
	}
	return &Model{o: o, folder: f, scorer: s, version: "transformer/" + f.name + "@" + f.sum}, nil
}

// Version names the model, with a checksum of its files.
func (m *Model) Version() string { return m.version }

// Labels are those of Hark that the model judges, in the order of the classifier.
func (m *Model) Labels() []string {
	var out []string
	for _, label := range classifier.Labels {
		for _, l := range m.folder.labels {
			if l == label {
				out = append(out, label)
				break
			}
		}
	}
	return out
}

// Close gives back what the model holds. Nothing may be asked of it afterwards.
func (m *Model) Close() { m.scorer.close() }

// Score returns the probability of each label of Hark that the model judges. Of
// several labels of the model that mean the same the surest counts.
func (m *Model) Score(text string) (map[string]float64, error) {
	p, err := m.scorer.score(text)
	if err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	out := map[string]float64{}
	for i, label := range m.folder.labels {
		if label != "" && i < len(p) {
			out[label] = max(out[label], p[i])
		}
	}
	return out, nil
}

func (m *Model) threshold(label, lang string) float64 {
	if m.o.Thresholds == nil {
		return classifier.DefaultThreshold
	}
	return m.o.Thresholds.Threshold(label, lang)
}

// doubtful tells whether the transformer is asked about a score. What a detector
// has found in the text, and what the operator's rules say, is not in doubt.
func (m *Model) doubtful(s *classifier.Score, lang string) bool {
	if strings.Contains(s.Model, "breach/") || strings.Contains(s.Model, "operator/") {
		return false
	}
	return math.Abs(s.Score-m.threshold(s.Label, lang)) <= m.o.Unsure
}

// Unsure tells whether a label that the model judges is in doubt.
func (m *Model) Unsure(scores []classifier.Score, lang string) bool {
	for _, label := range m.folder.labels {
		for i := range scores {
			if s := &scores[i]; s.Label == label && m.doubtful(s, lang) {
				return true
			}
		}
	}
	return false
}

// Review judges the text again and returns scores in which those in doubt are the
// weighted mean, on the scale of the logistic, of what the fast judges and the
// transformer think; the others are as they were. The scores given are not changed.
func (m *Model) Review(ctx context.Context, text string, scores []classifier.Score, lang string) ([]classifier.Score, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, err := m.Score(text)
	if err != nil {
		return nil, err
	}
	out := make([]classifier.Score, len(scores))
	for i, s := range scores {
		second, judged := p[s.Label]
		if judged && m.doubtful(&s, lang) {
			first := s.Score
			s.Score = logistic((1-m.o.Weight)*logit(first) + m.o.Weight*logit(second))
			s.Over = s.Score >= m.threshold(s.Label, lang)
			s.Model += "+" + m.version
			note := fmt.Sprintf("the transformer %s gives %.2f, the fast judges gave %.2f", m.folder.name, second, first)
			s.Reasons = append(append([]classifier.Reason(nil), s.Reasons...), classifier.Reason{
				Text: "", Rule: "transformer", Weight: math.Round((logit(s.Score)-logit(first))*100) / 100, Note: note,
			})
		}
		out[i] = s
	}
	return out, nil
}

// sureEnough keeps one judge from deciding alone by being certain.
const sureEnough = 0.001

func logit(p float64) float64 {
	p = min(max(p, sureEnough), 1-sureEnough)
	return math.Log(p / (1 - p))
}

func logistic(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

// probabilities are those of labels that exclude each other, or that do not. One
// output alone is never exclusive.
func probabilities(logits []float64, multi bool) []float64 {
	out := make([]float64, len(logits))
	if multi || len(logits) == 1 {
		for i, z := range logits {
			out[i] = logistic(z)
		}
		return out
	}
	top := math.Inf(-1)
	for _, z := range logits {
		top = max(top, z)
	}
	sum := 0.0
	for i, z := range logits {
		out[i] = math.Exp(z - top)
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}
