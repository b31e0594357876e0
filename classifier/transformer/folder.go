package transformer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"hark/classifier"
)

// Bounds of a folder.
const (
	maxConfig    = 1 << 20
	maxTokenizer = 64 << 20
	maxModel     = 4 << 30
	maxLabels    = 1000
	mostTokens   = 512 // a post seldom has more, and time rises with their square
	minTokens    = 8
)

// folder is what was read of a model's folder.
type folder struct {
	name      string   // of the model
	sum       string   // of its files, eight hexadecimal digits
	labels    []string // of Hark, by the model's outputs; "" for those it has no use for
	multi     bool     // labels do not exclude each other
	maxTokens int
	pad       int // token that fills up
	onnx      string
	tokenizer []byte
}

// config are the parts of config.json that matter.
//
// ref: https://huggingface.co/docs/transformers/main_classes/configuration
type config struct {
	NameOrPath  string            `json:"_name_or_path"`
	ModelType   string            `json:"model_type"`
	Labels      map[string]string `json:"id2label"`
	ProblemType string            `json:"problem_type"`
	Positions   int               `json:"max_position_embeddings"`
	Pad         *int              `json:"pad_token_id"`
}

// Errors of folders.
var (
	errNoLabels = errors.New("config.json has no id2label: it is no model for text classification")
	errUseless  = errors.New("none of its labels means one of Hark's: say which in classifier.transformer.labels")
)

func readFolder(dir string, mapped map[string]string) (folder, error) {
	var f folder
	b, err := readBounded(filepath.Join(dir, "config.json"), maxConfig)
	if err != nil {
		return f, err
	}
	var c config
	if err := json.Unmarshal(b, &c); err != nil {
		return f, fmt.Errorf("config.json: %w", err)
	}
	if f.labels, err = labelsOf(c.Labels, mapped); err != nil {
		return f, err
	}
	f.multi = c.ProblemType == "multi_label_classification"
	f.maxTokens = mostTokens
	if c.Positions > 0 {
		f.maxTokens = min(f.maxTokens, c.Positions)
	}
	if c.Pad != nil && *c.Pad > 0 {
		f.pad = *c.Pad
		if c.ModelType == "roberta" || c.ModelType == "xlm-roberta" || c.ModelType == "camembert" {
			// Their positions begin after that of the padding.
			f.maxTokens = min(f.maxTokens, c.Positions-f.pad-1)
		}
	}
	f.maxTokens = max(f.maxTokens, minTokens)
	if f.tokenizer, err = readBounded(filepath.Join(dir, "tokenizer.json"), maxTokenizer); err != nil {
		return f, err
	}
	if f.onnx, err = findModel(dir); err != nil {
		return f, err
	}
	h := sha256.New()
	_, _ = h.Write(b) // hash.Hash never returns an error.
	_, _ = h.Write(f.tokenizer)
	if err := hashFile(h, f.onnx); err != nil {
		return f, err
	}
	f.sum = hex.EncodeToString(h.Sum(nil))[:8]
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return f, err
	}
	f.name = plain(filepath.Base(absolute))
	return f, nil
}

// plain keeps what may stand in a version.
func plain(name string) string {
	out := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '-'
	}, name)
	return out[:min(len(out), 64)]
}

// labelsOf finds what each output means. A label of the operator's that the model
// does not have is a mistake.
func labelsOf(ids, mapped map[string]string) ([]string, error) {
	if len(ids) == 0 || len(ids) > maxLabels {
		return nil, errNoLabels
	}
	out := make([]string, len(ids))
	var names []string
	useful := false
	for id, name := range ids {
		at, err := strconv.Atoi(id)
		if err != nil || at < 0 || at >= len(out) {
			return nil, fmt.Errorf("config.json: id2label has the number %q", id)
		}
		names = append(names, name)
		label, ok := mapped[name]
		if !ok {
			key := strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(name), " ", "_"), "-", "_")
			if label = sameAs[key]; slices.Contains(classifier.Labels, key) {
				label = key
			}
		} else if label != "" && !slices.Contains(classifier.Labels, label) {
			return nil, fmt.Errorf("%q stands for %q, which is no label of Hark: those are %s", name, label, strings.Join(classifier.Labels, ", "))
		}
		out[at] = label
		useful = useful || label != ""
	}
	slices.Sort(names)
	for _, name := range slices.Sorted(maps.Keys(mapped)) {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("the model has no label %q: its labels are %s", name, strings.Join(names, ", "))
		}
	}
	if !useful {
		return nil, fmt.Errorf("%w (its labels are %s)", errUseless, strings.Join(names, ", "))
	}
	return out, nil
}

// findModel finds the one model file. Of several, model.onnx is meant.
func findModel(dir string) (string, error) {
	for _, d := range []string{dir, filepath.Join(dir, "onnx")} {
		files, err := filepath.Glob(filepath.Join(escaped(d), "*.onnx"))
		if err != nil {
			return "", err
		}
		if len(files) == 1 {
			return files[0], nil
		}
		if at := slices.Index(files, filepath.Join(d, "model.onnx")); at >= 0 {
			return files[at], nil
		}
		if len(files) > 1 {
			return "", fmt.Errorf("%s holds %d files *.onnx and none is called model.onnx", d, len(files))
		}
	}
	return "", errors.New("it holds no file *.onnx")
}

// escaped takes the signs of patterns literally.
func escaped(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if int64(len(b)) > most {
		return nil, fmt.Errorf("%s is larger than %d MiB", path, most>>20)
	}
	return b, nil
}

func hashFile(h io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	n, err := io.Copy(h, io.LimitReader(f, maxModel+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if n > maxModel {
		return fmt.Errorf("%s is larger than %d GiB", path, maxModel>>30)
	}
	return nil
}
