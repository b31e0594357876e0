package breach

import (
	"strings"
	"unicode/utf8"
)

// address looks at the e-mail address around the @ at i, and at what stands
// right after it: "name@host:password" is the form of credential lists.
func (s *scanner) address(i int) {
	t := s.text
	start := i
	for start > 0 && i-start < 64 && (alnum(t[start-1]) || strings.IndexByte("._%+-", t[start-1]) >= 0) {
		start--
	}
	end := i + 1
	for end < len(t) && end-i < 254 && (alnum(t[end]) || t[end] == '-' || t[end] == '.') {
		end++
	}
	for end > i && (t[end-1] == '.' || t[end-1] == '-') {
		end--
	}
	host := t[i+1 : max(end, i+1)]
	dot := strings.LastIndexByte(host, '.')
	if start == i || dot < 1 || len(host)-dot < 3 || start < s.end || start > 0 && t[start-1] == '@' || start > 0 && t[start-1] == '/' {
		return
	}
	s.emails = append(s.emails, start)
	if end+4 >= len(t) || documentation(host) || start < s.url {
		return
	}
	sep := t[end]
	if sep != ':' && sep != ';' && sep != '|' {
		return
	}
	from := end + 1
	to := from
	for to < len(t) && to-from <= 64 && t[to] > ' ' && t[to] != '|' && t[to] != ';' {
		to++
	}
	pass := strings.TrimRight(t[from:to], ".,)\"'")
	to = from + len(pass)
	user := t[start:i]
	if !passwordLike(pass) || user == "git" || strings.HasSuffix(pass, ".git") || strings.ContainsAny(pass, "/\\~") || schemeBefore(t, start) {
		return
	}
	weight := 1.3
	if mixed(pass) {
		weight = 2.2
	}
	s.add(Finding{
		Start: start, End: to, Rule: "credentials", Weight: weight, Note: "e-mail address with a password",
		Secrets: [][2]int{{start, i}, {from, to}},
	})
}

// schemeBefore says whether a URI scheme as "sip:" stands right before i.
func schemeBefore(t string, i int) bool {
	for _, p := range []string{"sip:", "sips:", "xmpp:", "ssh:", "scp:", "mailto:", "acct:"} {
		if i >= len(p) && strings.EqualFold(t[i-len(p):i], p) {
			return true
		}
	}
	return false
}

// passwordLike says whether a part may be a password: four bytes or more, no
// port, no word of a placeholder.
func passwordLike(p string) bool {
	if len(p) < 4 || !utf8.ValidString(p) || placeholder(p) {
		return false
	}
	digits := true
	for k := range len(p) {
		digits = digits && digit(p[k])
	}
	return !digits || len(p) > 5
}

// mixed says whether letters stand with digits or signs.
func mixed(p string) bool {
	letters, others := false, false
	for k := range len(p) {
		if c := p[k]; c|0x20 >= 'a' && c|0x20 <= 'z' {
			letters = true
		} else {
			others = true
		}
	}
	return letters && others
}

// placeholder says whether a secret is one that stands for another.
func placeholder(p string) bool {
	l := strings.ToLower(strings.Trim(p, "<>[]{}()*\"'`.,"))
	if len(l) < 4 {
		return true
	}
	switch l {
	case "password", "passwort", "passwd", "pass", "secret", "changeme", "your_password", "yourpassword", "mypassword", "user",
		"postgres", "root", "admin", "test", "example", "placeholder", "redacted", "hunter2", "xxxxxxxx", "string", "none", "null":
		return true
	}
	return strings.Count(l, l[:1]) == len(l) || strings.Contains(l, "example") || strings.HasPrefix(l, "your") ||
		strings.HasPrefix(l, "${") || strings.HasPrefix(l, "$(") || strings.HasPrefix(p, "<") || strings.HasPrefix(p, "[")
}

// passwordWords announce a password.
var passwordWords = []string{"password", "passwd", "passwort", "pass", "pwd", "pw", "contrasena", "senha"}

// password finds "password: …" after the word from start to end.
func (s *scanner) password(start, end int) {
	t := s.text
	word := t[start:end]
	known := false
	for _, w := range passwordWords {
		known = known || strings.EqualFold(word, w)
	}
	k := end
	if !known || k >= len(t) || t[k] != ':' && t[k] != '=' {
		return
	}
	k++
	for n := 0; n < 2 && k < len(t) && t[k] == ' '; n++ {
		k++
	}
	to := k
	for to < len(t) && to-k <= 64 && t[to] > ' ' {
		to++
	}
	pass := strings.TrimRight(t[k:to], ".,;)\"'")
	if len(pass) < 6 || !mixed(pass) || !passwordLike(pass) || strings.Contains(pass, "://") {
		return
	}
	s.add(Finding{
		Start: start, End: k + len(pass), Rule: "password", Weight: 1.2, Note: "a password, announced as such",
		Secrets: [][2]int{{k, k + len(pass)}},
	})
}

// settleCredentials makes a password beside an e-mail address weigh more, and a
// list of plain ones more than a single one.
func (s *scanner) settleCredentials() {
	pairs := 0
	for _, f := range s.found {
		if f.Rule == "credentials" {
			pairs++
		}
	}
	for i := range s.found {
		f := &s.found[i]
		switch {
		case f.Rule == "credentials" && pairs >= 3:
			f.Weight = 3
		case f.Rule == "password":
			for _, at := range s.emails {
				if at < f.Start && f.Start-at < 120 {
					f.Weight, f.Note = 2.4, "a password beside an e-mail address"
				}
			}
		}
	}
}

// pem finds private keys in PEM and armour.
// ref: RFC 7468 §2
func (s *scanner) pem(i int) {
	t := s.text[i:]
	if !strings.HasPrefix(t, "-----BEGIN ") {
		return
	}
	line := t[11:min(len(t), 60)]
	k := strings.Index(line, "-----")
	if k < 0 || !strings.HasSuffix(line[:k], "PRIVATE KEY") && !strings.HasSuffix(line[:k], "PRIVATE KEY BLOCK") {
		return
	}
	from := i + 11 + k + 5
	to, body := from, 0
	for to < len(s.text) && to-from < 8192 && s.text[to] != '-' {
		if c := s.text[to]; alnum(c) || c == '+' || c == '/' {
			body++
		}
		to++
	}
	if end := strings.Index(s.text[to:min(len(s.text), to+60)], "KEY-----"); end >= 0 {
		to += end + 8
	}
	if body < 40 {
		s.add(Finding{Start: i, End: from, Rule: "private-key-header", Weight: 0.6, Note: "head of a private key, without the key"})
		return
	}
	s.add(Finding{Start: i, End: to, Rule: "private-key", Weight: 6, Note: "private key", Secrets: [][2]int{{from, to}}})
}
