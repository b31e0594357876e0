package main

import (
	"bufio"
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"

	"hark/classifier/train"
	"hark/storage"
	"hark/storage/sqlite"
)

func (p *program) feedbackCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "feedback",
		Short:   "What people said of the labels of posts",
		Long:    `On a post's page, and by the API, people say which labels are wrong or missing.`,
		Example: `  hark feedback export > wrong.jsonl && hark train --add wrong.jsonl --out weights.bin`,
	}
	cmd.AddCommand(p.feedbackExport())
	return cmd
}

func (p *program) feedbackExport() *cobra.Command {
	return &cobra.Command{
		Use:   "export",
		Short: "Print it as lines to learn from",
		Long: `Export prints JSON Lines of {"text":"…","labels":{"hate":0},"lang":"en",…}, one
for each post that somebody said something of: 1 where a label holds, 0 where it
does not. Where people disagree, the label is left out. The texts are as they are
kept: secrets in them are masked.`,
		Example: `  hark feedback export > wrong.jsonl`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			return p.withStore(ctx, false, func(_ *Config, store *sqlite.Store) (err error) {
				out := bufio.NewWriter(p.stdout)
				defer func() { err = errors.Join(err, out.Flush()) }()
				w := json.NewEncoder(out)
				w.SetEscapeHTML(false)
				var said []storage.Feedback // of one post
				for after := (storage.Feedback{}); ; {
					page, err := store.ListFeedback(ctx, after, 1000)
					if err != nil {
						return err
					}
					for _, f := range page {
						if len(said) > 0 && said[0].Post != f.Post {
							if err := lesson(cmd, store, w, said); err != nil {
								return err
							}
							said = said[:0]
						}
						said = append(said, f)
					}
					if len(page) == 0 {
						return lesson(cmd, store, w, said)
					}
					after = page[len(page)-1]
				}
			})
		},
	}
}

// lesson prints what was said of one post.
func lesson(cmd *cobra.Command, store *sqlite.Store, w *json.Encoder, said []storage.Feedback) error {
	if len(said) == 0 {
		return nil
	}
	post, err := store.GetPost(cmd.Context(), said[0].Post)
	if errors.Is(err, storage.ErrNotFound) {
		return nil // it was deleted meanwhile
	}
	if err != nil {
		return err
	}
	yes, no := map[string]int{}, map[string]int{}
	for _, f := range said {
		if f.Holds {
			yes[f.Label]++
		} else {
			no[f.Label]++
		}
	}
	labels := map[string]int{}
	for _, f := range said {
		switch {
		case yes[f.Label] > no[f.Label]:
			labels[f.Label] = 1
		case yes[f.Label] < no[f.Label]:
			labels[f.Label] = 0
		}
	}
	if len(labels) == 0 {
		return nil
	}
	text := post.Text
	if post.Warning != "" {
		text = post.Warning + "\n" + text
	}
	return w.Encode(train.Example{Text: text, Labels: labels, Lang: post.Language, Split: train.Train, Source: "feedback"})
}
