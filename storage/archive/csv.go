package archive

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"

	"hark/storage"
)

// csvHeader begins with the columns that 4CAT wants of a file, in its names.
// ref: https://github.com/digitalmethodsinitiative/4cat (custom CSV upload)
var csvHeader = []string{
	"id", "thread_id", "author", "body", "timestamp",
	"url", "type", "language", "warning", "sensitive", "bot", "author_id", "author_name", "host", "via", "software",
	"in_reply_to", "quote", "received", "edited", "hashtags", "mentions", "links", "media", "media_descriptions", "poll",
	"labels", "label_scores", "model", "consent",
}

// csvTime is the form of times that 4CAT reads; in UTC.
const csvTime = "2006-01-02 15:04:05"

// table writes data/posts.csv.
type table struct{ w *csv.Writer }

func newTable(w io.Writer) (table, error) {
	t := table{csv.NewWriter(w)}
	return t, t.w.Write(csvHeader)
}

func (t table) add(p *storage.Post) error {
	thread := p.InReplyTo // what is known of the thread without fetching it
	if thread == "" {
		thread = p.URI
	}
	var media, descriptions, over, scores []string
	for _, a := range p.Attachments {
		media = append(media, a.URL)
		if a.Description != "" {
			descriptions = append(descriptions, a.Description)
		}
	}
	for _, l := range labels(p.Labels) {
		if l.Over {
			over = append(over, l.Name)
		}
		scores = append(scores, l.Name+"="+strconv.FormatFloat(l.Score, 'g', -1, 64))
	}
	row := []string{
		p.URI, thread, p.Handle, p.Text, csvStamp(p.Published),
		p.URL, p.Type, p.Language, p.Warning, strconv.FormatBool(p.Sensitive), strconv.FormatBool(p.Bot),
		p.Actor, p.Name, p.Host, p.Via, p.Software,
		p.InReplyTo, p.Quote, csvStamp(p.Received), csvStamp(p.Edited),
		strings.Join(p.Tags, ","), strings.Join(p.Mentions, ","), strings.Join(p.Links, " "), strings.Join(media, " "),
		strings.Join(descriptions, "\n"), strings.Join(p.Poll, "\n"),
		strings.Join(over, ","), strings.Join(scores, ","), p.ModelVer, p.Consent,
	}
	for i := range row {
		row[i] = cell(row[i])
	}
	return t.w.Write(row)
}

func (t table) finish() error {
	t.w.Flush()
	return t.w.Error()
}

func csvStamp(t time.Time) string {
	if stamp(t) == "" {
		return ""
	}
	return t.UTC().Format(csvTime)
}

// cell keeps a spreadsheet from running a stranger's text as a formula: an
// apostrophe goes before the signs that begin one.
// ref: https://owasp.org/www-community/attacks/CSV_Injection
func cell(s string) string {
	s = strings.ReplaceAll(clean(s), "\x00", "\ufffd")
	if s == "" {
		return s
	}
	for _, sign := range []string{"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"} {
		if strings.HasPrefix(s, sign) {
			return "'" + s
		}
	}
	return s
}
