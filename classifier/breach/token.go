package breach

import (
	"bytes"
	"encoding/base64"
	"math"
	"strings"
)

// shape is how the access keys of one service look.
type shape struct {
	prefix     string
	rule, note string
	min, max   int    // characters after the prefix
	chars      string // allowed beside letters and digits
	only       func(c byte) bool
	weight     float64
}

func base32upper(c byte) bool { return upper(c) || c >= '2' && c <= '7' }

var shapes = map[byte][]shape{
	'A': {
		{prefix: "AKIA", rule: "aws-key", note: "AWS access key", min: 16, max: 16, only: base32upper, weight: 3.6},
		{prefix: "ASIA", rule: "aws-key", note: "AWS temporary access key", min: 16, max: 16, only: base32upper, weight: 3.4},
		{prefix: "AIza", rule: "google-key", note: "Google API key", min: 35, max: 35, chars: "_-", weight: 3.4},
	},
	'g': {
		{prefix: "ghp_", rule: "github-token", note: "GitHub personal token", min: 36, max: 255, weight: 4},
		{prefix: "gho_", rule: "github-token", note: "GitHub OAuth token", min: 36, max: 255, weight: 4},
		{prefix: "ghu_", rule: "github-token", note: "GitHub user token", min: 36, max: 255, weight: 4},
		{prefix: "ghs_", rule: "github-token", note: "GitHub server token", min: 36, max: 255, weight: 4},
		{prefix: "ghr_", rule: "github-token", note: "GitHub refresh token", min: 36, max: 255, weight: 4},
		{prefix: "github_pat_", rule: "github-token", note: "GitHub fine-grained token", min: 60, max: 255, chars: "_", weight: 4},
		{prefix: "glpat-", rule: "gitlab-token", note: "GitLab token", min: 20, max: 64, chars: "_-", weight: 4},
	},
	'G': {{prefix: "GOCSPX-", rule: "google-secret", note: "Google OAuth secret", min: 28, max: 28, chars: "_-", weight: 4}},
	'n': {{prefix: "npm_", rule: "npm-token", note: "npm token", min: 36, max: 36, weight: 4}},
	's': {
		{prefix: "sk_live_", rule: "stripe-key", note: "Stripe live secret key", min: 24, max: 255, weight: 4},
		{prefix: "shpat_", rule: "shopify-token", note: "Shopify token", min: 32, max: 32, weight: 4},
		{prefix: "sk-", rule: "api-key", note: "API key", min: 40, max: 255, chars: "_-", weight: 3},
	},
	'r': {{prefix: "rk_live_", rule: "stripe-key", note: "Stripe live restricted key", min: 24, max: 255, weight: 4}},
	'x': {
		{prefix: "xoxb-", rule: "slack-token", note: "Slack bot token", min: 24, max: 255, chars: "-", weight: 4},
		{prefix: "xoxp-", rule: "slack-token", note: "Slack user token", min: 24, max: 255, chars: "-", weight: 4},
		{prefix: "xoxa-", rule: "slack-token", note: "Slack token", min: 24, max: 255, chars: "-", weight: 4},
		{prefix: "xoxr-", rule: "slack-token", note: "Slack token", min: 24, max: 255, chars: "-", weight: 4},
		{prefix: "xoxs-", rule: "slack-token", note: "Slack token", min: 24, max: 255, chars: "-", weight: 4},
	},
	'S': {{prefix: "SG.", rule: "sendgrid-key", note: "SendGrid key", min: 60, max: 80, chars: "_-.", weight: 4}},
}

// token finds access keys by their shape; wordEnd is the end of the run of
// letters and digits at i.
func (s *scanner) token(i, wordEnd int) bool {
	t := s.text
	if i > 0 && (t[i-1] == '_' || t[i-1] == '-') {
		return false
	}
	if t[i] == 'e' && wordEnd-i >= 17 && strings.HasPrefix(t[i:], "eyJ") {
		return s.jwt(i)
	}
	for _, sh := range shapes[t[i]] {
		if !strings.HasPrefix(t[i:], sh.prefix) {
			continue
		}
		from := i + len(sh.prefix)
		to := from
		for to < len(t) && to-from <= sh.max && (alnum(t[to]) || strings.IndexByte(sh.chars, t[to]) >= 0) {
			if sh.only != nil && !sh.only(t[to]) {
				break
			}
			to++
		}
		if n := to - from; n < sh.min || n > sh.max || to < len(t) && (alnum(t[to]) || t[to] == '_') || !random(t[from:to]) {
			continue
		}
		s.secret(i, to, sh.rule, sh.weight, sh.note)
		return true
	}
	return false
}

// botToken finds a chat bot's token: a number, a colon, 35 characters.
func (s *scanner) botToken(i, end int) bool {
	t := s.text
	if end-i < 8 || end-i > 10 || end+36 > len(t) || t[end] != ':' || t[end+1] != 'A' || t[end+2] != 'A' {
		return false
	}
	to := end + 1
	for to < len(t) && to-end <= 36 && (alnum(t[to]) || t[to] == '_' || t[to] == '-') {
		to++
	}
	if to-end != 36 || !random(t[end+1:to]) {
		return false
	}
	s.secret(i, to, "bot-token", 3.6, "token of a chat bot")
	return true
}

// jwtDocumented is the signature of the token that introductions show.
const jwtDocumented = "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"

// jwt finds signed JSON web tokens.
// ref: RFC 7519 §3, RFC 7515 §7.1
func (s *scanner) jwt(i int) bool {
	t := s.text
	var parts [3][2]int
	at := i
	for k := range parts {
		start := at
		for at < len(t) && at-start < 4096 && (alnum(t[at]) || t[at] == '_' || t[at] == '-') {
			at++
		}
		parts[k] = [2]int{start, at}
		if k < 2 {
			if at >= len(t) || t[at] != '.' {
				return false
			}
			at++
		}
	}
	header, payload, signature := t[parts[0][0]:parts[0][1]], t[parts[1][0]:parts[1][1]], t[parts[2][0]:parts[2][1]]
	if len(header) > 1024 || len(payload) < 8 || len(signature) < 20 || signature == jwtDocumented || !strings.HasPrefix(payload, "eyJ") {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil || !bytes.Contains(raw, []byte(`"alg"`)) {
		return false
	}
	s.add(Finding{
		Start: i, End: at, Rule: "jwt", Weight: 2.8, Note: "signed web token", Secrets: [][2]int{parts[1], parts[2]},
	})
	return true
}

// random says whether a key has the entropy of one: about three bits for each
// character, and no sign of standing for another.
func random(s string) bool {
	if len(s) < 12 {
		return false
	}
	var counts [256]int
	for k := range len(s) {
		counts[s[k]]++
	}
	bits, n := 0.0, float64(len(s))
	for _, c := range counts {
		if c > 0 {
			p := float64(c) / n
			bits -= p * math.Log2(p)
		}
	}
	if bits < 2.9 || len(s) >= 30 && bits < 3.4 {
		return false
	}
	l := strings.ToLower(s)
	for _, p := range []string{"example", "xxxx", "0000", "aaaa", "abcdef", "123456", "your", "placeholder", "redacted", "dummy", "sample"} {
		if strings.Contains(l, p) {
			return false
		}
	}
	return true
}
