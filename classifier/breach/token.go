package breach

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strings"
)

// botToken finds a chat bot's token: a number, a colon, 35 characters.
// ref: Telegram Bot API, "Authorizing your bot"
func (s *scanner) botToken(i, end int) bool {
	t := s.text
	if end-i < 8 || end-i > 10 || end+36 > len(t) || t[end] != ':' || t[end+1] != 'A' {
		return false
	}
	to := s.run64(end+1, 36)
	if to-end != 36 || !random(t[end+1:to]) {
		return false
	}
	s.secret(i, to, "bot-token", 3.6, "token of a chat bot")
	return true
}

// run64 is the end of a run of the URL alphabet of base64, of at most so many
// characters.
func (s *scanner) run64(from, most int) int {
	t := s.text
	to := from
	for to < len(t) && to-from < most && (alnum(t[to]) || t[to] == '_' || t[to] == '-') {
		to++
	}
	return to
}

// discord finds a bot's token: its number in base64, a time, a signature.
func (s *scanner) discord(i, end int) bool {
	t := s.text
	number, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(t[i:end], "="))
	if err != nil || len(number) < 17 || len(number) > 20 {
		return false
	}
	for _, c := range number {
		if !digit(c) {
			return false
		}
	}
	stamp := s.run64(end+1, 8)
	if n := stamp - end - 1; n < 5 || n > 7 || stamp >= len(t) || t[stamp] != '.' {
		return false
	}
	to := s.run64(stamp+1, 50)
	if n := to - stamp - 1; n < 27 || n > 40 || !random(t[stamp+1:to]) {
		return false
	}
	s.secret(i, to, "discord-token", 4, "Discord bot token")
	return true
}

// twitter finds the bearer tokens that begin with many an A.
func (s *scanner) twitter(i, end int) bool {
	t := s.text
	if !strings.HasPrefix(t[i:], "AAAAAAAAAAAAAAAAAAAAA") {
		return false
	}
	for end < len(t) && end-i < 160 && (alnum(t[end]) || t[end] == '%') {
		end++
	}
	if n := end - i; n < 90 || n > 150 || entropy(t[i+21:end]) < 3.8 {
		return false
	}
	s.secret(i, end, "twitter-token", 3.6, "bearer token")
	return true
}

// mailchimp finds 32 hexadecimal digits and a data centre.
func (s *scanner) mailchimp(i, end int) bool {
	t := s.text
	if end-i != 32 || end+4 > len(t) || t[end] != '-' || t[end+1] != 'u' || t[end+2] != 's' || !digit(t[end+3]) || !random(t[i:end]) {
		return false
	}
	to := end + 4
	for to < len(t) && digit(t[to]) {
		to++
	}
	s.secret(i, to, "mailchimp-key", 3.6, "Mailchimp key")
	return true
}

// azureSecret finds a client secret around the ~ at i: three characters, a
// digit, "Q~", 34 characters.
func (s *scanner) azureSecret(i int) {
	t := s.text
	if i < 5 || t[i-1] != 'Q' || !digit(t[i-2]) || i-5 < s.end {
		return
	}
	to := i + 1
	for to < len(t) && to-i <= 35 && (alnum(t[to]) || strings.IndexByte("_-.~", t[to]) >= 0) {
		to++
	}
	for to > i && t[to-1] == '.' {
		to--
	}
	if n := to - i - 1; n < 31 || n > 34 || !random(t[i+1:to]) {
		return
	}
	s.secret(i-5, to, "azure-secret", 4, "Azure client secret")
}

// jwtDocumented are the signatures of the tokens that introductions show.
var jwtDocumented = map[string]bool{
	"SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c": true, "TJVA95OrM7E2cBab30RMHrHDcEfxjoYZgeFONFh7HgQ": true,
	"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk": true, "KMUFsIDTnFmyG3nMiGM6H9FNFUROf3wh7SmqJp-QV30": true,
	"XbPfbIHMI6arZ3Y922BhjWgQzWXcXNrz0ogtVhfEd2o": true, "cThIIoDvwdueQB468K5xDc5633seEFoqwxjF_xSJyQQ": true,
}

// jwt finds signed JSON web tokens: the header decodes and names an algorithm.
// ref: RFC 7519 §3, RFC 7515 §7.1
func (s *scanner) jwt(i int) bool {
	t := s.text
	var parts [3][2]int
	at := i
	for k := range parts {
		to := s.run64(at, 4096)
		parts[k] = [2]int{at, to}
		at = to
		if k < 2 {
			if at >= len(t) || t[at] != '.' {
				return false
			}
			at++
		}
	}
	header, payload, signature := t[parts[0][0]:parts[0][1]], t[parts[1][0]:parts[1][1]], t[parts[2][0]:parts[2][1]]
	if len(header) > 1024 || len(payload) < 8 || len(signature) < 20 || jwtDocumented[signature] || !strings.HasPrefix(payload, "eyJ") ||
		entropy(signature) < 3.2 {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil {
		return false
	}
	var h struct {
		Alg string `json:"alg"`
	}
	if json.Unmarshal(raw, &h) != nil || h.Alg == "" {
		return false
	}
	if raw, err = base64.RawURLEncoding.DecodeString(payload); err == nil && strings.Contains(string(raw), `"John Doe"`) {
		return false // the payload that introductions show
	}
	s.add(Finding{
		Start: i, End: at, Rule: "jwt", Weight: 2.8, Note: "signed web token", Secrets: [][2]int{parts[1], parts[2]},
	})
	return true
}

// logs are n·log2(n).
var logs = func() (l [257]float64) {
	for n := 1; n < len(l); n++ {
		l[n] = float64(n) * math.Log2(float64(n))
	}
	return l
}()

// entropy is that of a part's characters in bits, of its first 256 bytes.
func entropy(s string) float64 {
	if len(s) > 256 {
		s = s[:256]
	}
	if s == "" {
		return 0
	}
	var counts [256]uint16
	sum := 0.0
	for k := range len(s) {
		counts[s[k]]++
		n := counts[s[k]]
		sum += logs[n] - logs[n-1]
	}
	return (logs[len(s)] - sum) / float64(len(s))
}

// standIns are signs that a key stands for another.
var standIns = []string{
	"example", "xxxx", "00000", "aaaaa", "abcdef", "123456", "your", "placeholder", "redacted", "dummy", "sample", "changeme", "insert",
	"deadbeef", "foobar", "testkey", "mytoken", "fake",
}

// random says whether a key has the entropy of one: about three bits for each
// character, and no sign of standing for another.
func random(s string) bool {
	if len(s) < 12 {
		return false
	}
	bits := entropy(s)
	if bits < 2.9 || len(s) >= 30 && bits < 3.2 {
		return false
	}
	return !standsIn(s)
}

// standsIn says whether a key says of itself that it is none.
func standsIn(s string) bool {
	l := low(s)
	for _, p := range standIns {
		if strings.Contains(l, p) {
			return true
		}
	}
	return false
}
