package transformer

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hark/classifier"
)

const bertTokenizer = `{"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},
"pre_tokenizer":{"type":"BertPreTokenizer"},
"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}}],
"special_tokens":{"[CLS]":{"id":"[CLS]","ids":[2]},"[SEP]":{"id":"[SEP]","ids":[3]}}},
"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,
"vocab":{"[PAD]":0,"[UNK]":1,"[CLS]":2,"[SEP]":3,"un":4,"##aff":5,"##able":6,"good":7,"morning":8,"you":9,"are":10,"awful":11,"!":12,"cafe":13,"猫":14,"nice":15,"person":16,"an":17}}}`

const bpeTokenizer = `{"normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"post_processor":{"type":"RobertaProcessing","sep":["</s>",2],"cls":["<s>",0]},
"model":{"type":"BPE","vocab":{"<s>":0,"<pad>":1,"</s>":2,"H":3,"e":4,"l":5,"o":6,"Ġ":7,"w":8,"r":9,"d":10,"He":11,"ll":12,"Hell":13,"Hello":14,"Ġw":15,"or":16,"Ġwor":17,"ld":18,"Ġworld":19,"Ã":20,"©":21},
"merges":["H e","l l","He ll","Hell o","Ġ w","o r","Ġw or",["l","d"],"Ġwor ld"]}}`

const unigramTokenizer = `{"normalizer":{"type":"Sequence","normalizers":[{"type":"Precompiled"},{"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "}]},
"pre_tokenizer":{"type":"Metaspace","replacement":"▁","add_prefix_space":true},
"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}},{"SpecialToken":{"id":"</s>"}}],"special_tokens":{"<s>":{"ids":[0]},"</s>":{"ids":[2]}}},
"model":{"type":"Unigram","unk_id":3,"vocab":[["<s>",0],["<pad>",0],["</s>",0],["<unk>",0],["▁",-3],["▁a",-4],["▁ab",-9],["b",-4.5],["c",-5],["bc",-5.5]]}}`

func TestTokenizers(t *testing.T) {
	for _, c := range []struct {
		name, file, text string
		most             int
		want             []int64
	}{
		{"pieces of words", bertTokenizer, "Unaffable, unaffables", 0, []int64{2, 4, 5, 6, 1, 1, 3}},
		{"signs, accents and case", bertTokenizer, "Good MORNING!Café", 0, []int64{2, 7, 8, 12, 13, 3}},
		{"ideographs", bertTokenizer, "good猫猫", 0, []int64{2, 7, 14, 14, 3}},
		{"special tokens are text", bertTokenizer, "[SEP]", 0, []int64{2, 1, 1, 1, 3}},
		{"cut, with its end", bertTokenizer, "good good good good good", 5, []int64{2, 7, 7, 7, 3}},
		{"nothing", bertTokenizer, "", 0, []int64{2, 3}},
		{"bytes and pairs", bpeTokenizer, "Hello world", 0, []int64{0, 14, 19, 2}},
		{"bytes without a pair", bpeTokenizer, "é", 0, []int64{0, 20, 21, 2}},
		{"the last space goes to the word", bpeTokenizer, "Hello  world", 0, []int64{0, 14, 7, 19, 2}},
		{"the most probable pieces", unigramTokenizer, "abc", 0, []int64{0, 5, 9, 2}}, // -4-5.5 before -9-5 and -4-4.5-5
		{"what is unknown is one", unigramTokenizer, "a  xyz", 0, []int64{0, 5, 4, 3, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tok, err := parseTokenizer([]byte(c.file))
			if err != nil {
				t.Fatal(err)
			}
			if c.most == 0 {
				c.most = 64
			}
			if diff := cmp.Diff(c.want, tok.encode(c.text, c.most)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestGPTWords(t *testing.T) {
	for text, want := range map[string][]string{
		"I'll go,  now 12!": {"I", "'ll", " go", ",", " ", " now", " 12", "!"},
		"a\n\nb":            {"a", "\n", "\n", "b"},
		"x ":                {"x", " "},
		"  ":                {"  "},
	} {
		if diff := cmp.Diff(want, gptWords(text, nil)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

// folderOf writes a model's folder; "" leaves a file out.
func folderOf(t testing.TB, config, tokenizer string, model []byte) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tiny model")
	if err := os.MkdirAll(filepath.Join(dir, "onnx"), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) {
		if len(b) > 0 {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("config.json", []byte(config))
	write("tokenizer.json", []byte(tokenizer))
	write("onnx/model.onnx", model)
	return dir
}

const tinyConfig = `{"model_type":"bert","id2label":{"0":"neutral","1":"toxic"},"max_position_embeddings":64,"pad_token_id":0}`

func TestFolder(t *testing.T) {
	for _, c := range []struct {
		name, config, tokenizer string
		model                   []byte
		labels                  map[string]string
		want                    string // of the error, "" for none
	}{
		{"whole", tinyConfig, bertTokenizer, []byte("m"), nil, ""},
		{"no configuration", "", bertTokenizer, []byte("m"), nil, "config.json"},
		{"no labels", `{"model_type":"bert"}`, bertTokenizer, []byte("m"), nil, "no id2label"},
		{"numbers with a gap", `{"id2label":{"0":"a","2":"b"}}`, bertTokenizer, []byte("m"), nil, `the number "2"`},
		{"no tokenizer", tinyConfig, "", []byte("m"), nil, "tokenizer.json"},
		{"no model", tinyConfig, bertTokenizer, nil, nil, "no file *.onnx"},
		{"labels of no use", `{"id2label":{"0":"joy","1":"fear"}}`, bertTokenizer, []byte("m"), nil, "its labels are fear, joy"},
		{"labels mapped", `{"id2label":{"0":"joy","1":"fear"}}`, bertTokenizer, []byte("m"), map[string]string{"fear": "threat"}, ""},
		{"a label mapped to nothing", tinyConfig, bertTokenizer, []byte("m"), map[string]string{"toxic": ""}, "its labels are"},
		{"mapped to no label of Hark", tinyConfig, bertTokenizer, []byte("m"), map[string]string{"toxic": "toxicness"}, "no label of Hark"},
		{"no such label of the model", tinyConfig, bertTokenizer, []byte("m"), map[string]string{"toxick": "toxicity"}, `no label "toxick"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := readFolder(folderOf(t, c.config, c.tokenizer, c.model), c.labels)
			if c.want == "" {
				if err != nil || f.name != "tiny-model" || len(f.sum) != 8 || len(f.labels) != 2 {
					t.Fatalf("%+v, %v", f, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
		})
	}
	f, err := readFolder(folderOf(t, `{"model_type":"roberta","id2label":{"0":"Hate Speech","1":"x"},"problem_type":"multi_label_classification","max_position_embeddings":130,"pad_token_id":1}`, bpeTokenizer, []byte("m")), nil)
	if err != nil || f.maxTokens != 128 || !f.multi || f.labels[0] != classifier.Hate || f.labels[1] != "" {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestProbabilities(t *testing.T) {
	for _, c := range []struct {
		logits []float64
		multi  bool
		want   []float64
	}{
		{[]float64{0, 0}, false, []float64{0.5, 0.5}},
		{[]float64{1000, 0}, false, []float64{1, 0}},
		{[]float64{0, 0, 2}, true, []float64{0.5, 0.5, 0.880797}},
		{[]float64{0}, false, []float64{0.5}},
	} {
		for i, p := range probabilities(c.logits, c.multi) {
			if math.Abs(p-c.want[i]) > 1e-6 {
				t.Errorf("%v: %v", c.logits, p)
			}
		}
	}
}

// said is a scorer that always says the same.
type said []float64

func (s said) score(string) ([]float64, error) { return s, nil }
func (said) close()                            {}

func TestReview(t *testing.T) {
	m := &Model{o: Options{Unsure: 0.25, Weight: 0.5}, folder: folder{name: "tiny", labels: []string{"", classifier.Toxicity}}, scorer: said{0.1, 0.9}, version: "transformer/tiny@1"}
	scores := []classifier.Score{
		{Label: classifier.Hate, Score: 0.5, Over: true, Model: "model/1"},     // not judged by the transformer
		{Label: classifier.Toxicity, Score: 0.4, Model: "model/1"},             // in doubt
		{Label: classifier.Breach, Score: 0.5, Over: true, Model: "breach/2"},  // evidence
		{Label: classifier.Toxicity, Score: 0.5, Over: true, Model: "breach/"}, // evidence
		{Label: classifier.Toxicity, Score: 0.9, Over: true, Model: "model/1"}, // sure
	}
	if !m.Unsure(scores, "en") || m.Unsure(scores[2:], "en") || m.Unsure(scores[:1], "en") {
		t.Error("in doubt is what lies within a quarter of its threshold, of the labels that the model judges")
	}
	out, err := m.Review(context.Background(), "text", scores, "en")
	if err != nil {
		t.Fatal(err)
	}
	got := out[1]
	// The mean of the log odds of 0.4 and 0.9.
	if want := 0.710102; math.Abs(got.Score-want) > 1e-6 || !got.Over || got.Model != "model/1+transformer/tiny@1" || len(got.Reasons) != 1 {
		t.Errorf("%+v", got)
	}
	out[1] = scores[1]
	if diff := cmp.Diff(scores, out); diff != "" {
		t.Errorf("the others changed: %s", diff)
	}
	if scores[1].Over || scores[1].Reasons != nil {
		t.Error("what was given has changed")
	}
	ended, stop := context.WithCancel(context.Background())
	stop()
	if _, err := m.Review(ended, "text", scores, "en"); !errors.Is(err, context.Canceled) {
		t.Errorf("after its end: %v", err)
	}
}

func FuzzEncode(f *testing.F) {
	for _, s := range []string{"", "Good morning, Café!", "a\xffb", "猫猫", "'ll 's", "▁▁", strings.Repeat("x", 600), "a\u0301\u0302 \u200b"} {
		f.Add(s)
	}
	var all []*tokenizer
	for _, file := range []string{bertTokenizer, bpeTokenizer, unigramTokenizer} {
		tok, err := parseTokenizer([]byte(file))
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, tok)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, tok := range all {
			out := tok.encode(text, 32)
			if len(out) < 2 || len(out) > 32 || out[0] != tok.before[0] || out[len(out)-1] != tok.after[0] {
				t.Fatalf("%v", out)
			}
			for _, id := range out {
				if id < 0 || id > tok.largest {
					t.Fatalf("%d is in no vocabulary", id)
				}
			}
		}
	})
}

func FuzzTokenizerFile(f *testing.F) {
	for _, s := range []string{bertTokenizer, bpeTokenizer, unigramTokenizer, `{"model":{}}`, `{"model":{"type":"Unigram","vocab":[["a",1]],"unk_id":0}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		tok, err := parseTokenizer(b)
		if err != nil {
			return
		}
		for _, id := range tok.encode("Good morning 猫, a\u0301", 16) {
			if id < 0 || id > tok.largest {
				t.Fatalf("%d is in no vocabulary", id)
			}
		}
	})
}

// TestErrorsAreTold: what is no tokenizer.json is told so.
func TestErrorsAreTold(t *testing.T) {
	for _, s := range []string{`{`, `{"model":{"type":"WordPiece","vocab":{"a":0}}}`, `{"model":{"type":"WordLevel","vocab":{"a":0}}}`,
		`{"normalizer":{"type":"Odd"},"model":{"type":"BPE","vocab":{"a":0}}}`, `{"pre_tokenizer":{"type":"Odd"},"model":{"type":"BPE","vocab":{"a":0}}}`,
		`{"post_processor":{"type":"Odd"},"model":{"type":"BPE","vocab":{"a":0}}}`, `{"model":{"type":"BPE","vocab":{"a":-1}}}`,
		`{"model":{"type":"BPE","vocab":{"a":0},"merges":["a"]}}`, `{"model":{"type":"Unigram","vocab":[["a","b"]],"unk_id":0}}`} {
		if _, err := parseTokenizer([]byte(s)); err == nil {
			t.Errorf("%s was taken", s)
		}
	}
	var typ *json.SyntaxError
	if _, err := parseTokenizer([]byte(`{`)); !errors.As(err, &typ) {
		t.Errorf("%v", err)
	}
}
