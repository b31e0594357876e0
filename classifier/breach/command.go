package breach

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// option finds the secrets of commands around the '-' at i: "curl -u name:word",
// "sshpass -p word", "mysql -pword".
// ref: curl(1) --user, sshpass(1) -p, mysql(1) --password
func (s *scanner) option(i int) {
	t := s.text
	if i == 0 || t[i-1] != ' ' || i+3 > len(t) {
		return
	}
	command := t[max(0, i-60):i]
	if k := strings.LastIndexByte(command, '\n'); k >= 0 {
		command = command[k+1:]
	}
	from := i + 2
	switch {
	case t[i+1] == 'u' && t[i+2] == ' ' && strings.Contains(command, "curl "):
		from++
	case t[i+1] == 'p' && t[i+2] == ' ' && strings.HasSuffix(command, "sshpass "):
		from++
	case t[i+1] == 'p' && alnum(t[i+2]) && (strings.Contains(command, "mysql") || strings.Contains(command, "mariadb")):
	default:
		return
	}
	from, to, _ := s.value(from)
	if t[i+1] == 'u' {
		k := strings.IndexByte(t[from:to], ':')
		if k < 1 {
			return
		}
		from += k + 1
	}
	if v := t[from:to]; to-from <= 64 && to-from >= 6 && digitsAndLetters(v) && passwordLike(v) && !codeLike(v) && !standsIn(v) {
		s.add(Finding{Start: i, End: to, Rule: "password", Weight: 2.2, Note: "a password in a command", Secrets: [][2]int{{from, to}}})
	}
}

// basic finds "Basic" and a name and password in base64 after the word that
// ends at end.
// ref: RFC 7617 §2
func (s *scanner) basic(start, end int) {
	t := s.text
	if end >= len(t) || t[end] != ' ' {
		return
	}
	to := end + 1
	for to < len(t) && to-end < 200 && (alnum(t[to]) || t[to] == '+' || t[to] == '/') {
		to++
	}
	raw, err := base64.RawStdEncoding.DecodeString(t[end+1 : to])
	if err != nil || len(raw) < 8 || !utf8.Valid(raw) {
		return
	}
	_, pass, ok := strings.Cut(string(raw), ":")
	if !ok || !passwordLike(pass) || standsIn(pass) || strings.ContainsFunc(pass, func(r rune) bool { return r <= ' ' }) {
		return
	}
	for to < len(t) && t[to] == '=' {
		to++
	}
	s.add(Finding{Start: start, End: to, Rule: "password", Weight: 2.4, Note: "name and password of basic authentication", Secrets: [][2]int{{end + 1, to}}})
}

// pgpass keeps a line "host:port:database:user:password".
// ref: PostgreSQL manual, "The Password File"
func (s *scanner) pgpass(line string, start int) {
	f := strings.SplitN(line, ":", 6)
	if len(f) != 5 || !strings.Contains(f[0], ".") || f[1] != "*" && (len(f[1]) < 4 || !onlyDigits(f[1])) || !mixed(f[4]) || len(f[4]) < 6 ||
		len(f[4]) > 64 || !passwordLike(f[4]) || strings.ContainsRune(line, ' ') || documentation(f[0]) {
		return
	}
	end := start + len(line)
	s.add(Finding{Start: start, End: end, Rule: "connection-string", Weight: 3, Note: "a line of a password file", Secrets: [][2]int{{end - len(f[4]), end}}})
}

func onlyDigits(v string) bool {
	for k := range len(v) {
		if !digit(v[k]) {
			return false
		}
	}
	return v != ""
}
