package breach

import (
	"strings"
)

// scanner goes once over a text, and looks closer where a word begins.
type scanner struct {
	text   string
	found  []Finding
	emails []int     // offsets of e-mail addresses
	hashes []hashRun // candidates of a hash dump
	end    int       // of the last finding: nothing begins within it
	url    int       // end of the link that i is in
}

func (s *scanner) add(f Finding) {
	if len(s.found) < maxFindings {
		s.found = append(s.found, f)
	}
	s.end = max(s.end, f.End)
}

// secret adds a finding that is a secret as a whole.
func (s *scanner) secret(start, end int, rule string, weight float64, note string) {
	s.add(Finding{Start: start, End: end, Rule: rule, Weight: weight, Note: note, Secrets: [][2]int{{start, end}}})
}

func (s *scanner) run() {
	t := s.text
	for i := 0; i < len(t); i++ {
		if i < s.end {
			i = s.end - 1
			continue
		}
		c := t[i]
		switch {
		case c == '@':
			s.address(i)
		case c == '-':
			s.pem(i)
		case c == '$' && (i == 0 || t[i-1] != '$'):
			s.crypt(i)
		case c == ':' && i >= s.url && strings.HasPrefix(t[i:], "://"):
			s.link(i)
		case alnum(c) && (i == 0 || !alnum(t[i-1])):
			i = s.word(i) - 1
		}
	}
}

// word looks at a run of letters and digits that begins at i and returns where
// to go on.
func (s *scanner) word(i int) int {
	t := s.text
	end := i + 1
	hex, digits := isHex(t[i]), digit(t[i])
	for end < len(t) && alnum(t[end]) {
		hex = hex && isHex(t[end])
		digits = digits && digit(t[end])
		end++
	}
	inURL := i < s.url
	switch {
	case digits && !inURL:
		if s.card(i) || s.botToken(i, end) {
			return max(s.end, i+1)
		}
	case hex && end-i >= 32 && !inURL:
		s.hash(i, end)
	}
	if s.token(i, end) || !inURL && s.iban(i) {
		return max(s.end, i+1)
	}
	if n := end - i; n >= 3 && n <= 10 {
		s.password(i, end)
	}
	return end
}

// link remembers that a link is being read and looks at its parts.
func (s *scanner) link(colon int) {
	t := s.text
	start := colon
	for start > 0 && colon-start < 20 && (alnum(t[start-1]) || t[start-1] == '+') {
		start--
	}
	end := colon + 3
	for end < len(t) && t[end] > ' ' && t[end] < 0x7F && !strings.ContainsRune("\"<>", rune(t[end])) {
		end++
	}
	s.url = end
	rest := t[colon+3 : end]
	host := rest
	if k := strings.IndexAny(host, "/?#"); k >= 0 {
		host = host[:k]
	}
	path := rest[len(host):]
	scheme := strings.ToLower(t[start:colon])
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		s.urlPassword(scheme, colon+3, host[:at], host[at+1:])
		host = host[at+1:]
	}
	if k := strings.IndexByte(host, ':'); k >= 0 {
		host = host[:k]
	}
	host = strings.TrimPrefix(strings.ToLower(host), "www.")
	switch {
	case onion(host):
		s.found = append(s.found, Finding{Start: start, End: end, Rule: "onion-link", Weight: 0.9, Note: "link to an onion service"})
	case pasteHosts[host] && len(path) > 4:
		s.found = append(s.found, Finding{Start: start, End: end, Rule: "paste-link", Weight: 0.9, Note: "link to a paste or file drop"})
	case host == "hooks.slack.com" && strings.HasPrefix(path, "/services/T") && len(path) >= 40 && random(path[10:]):
		s.secret(colon+3+len(host)+10, end, "slack-webhook", 4, "Slack webhook")
	}
}

// pasteHosts are places where dumps are commonly put. Each has honest uses: the
// link alone weighs little.
var pasteHosts = map[string]bool{
	"pastebin.com": true, "ghostbin.com": true, "rentry.co": true, "rentry.org": true, "controlc.com": true,
	"justpaste.it": true, "paste.ee": true, "dpaste.com": true, "hastebin.com": true, "0bin.net": true,
	"privatebin.net": true, "anonfiles.com": true, "gofile.io": true, "mega.nz": true, "cryptpad.fr": true,
	"doxbin.org": true, "doxbin.com": true, "throwbin.io": true, "pastes.io": true,
}

func onion(host string) bool {
	name, ok := strings.CutSuffix(host, ".onion")
	if !ok {
		return false
	}
	if k := strings.LastIndexByte(name, '.'); k >= 0 {
		name = name[k+1:]
	}
	return len(name) == 56 || len(name) == 16
}

// urlPassword finds the password of a connection string.
func (s *scanner) urlPassword(scheme string, at int, user, host string) {
	k := strings.IndexByte(user, ':')
	if k < 0 || len(user)-k-1 < 4 || documentation(host) || placeholder(user[k+1:]) {
		return
	}
	weight := 2.6
	switch scheme {
	case "postgres", "postgresql", "mysql", "mongodb", "mongodb+srv", "redis", "rediss", "amqp", "amqps", "ftp", "smtp", "smtps":
		weight = 3.4
	}
	if h, _, _ := strings.Cut(host, ":"); h == "localhost" || h == "127.0.0.1" || !strings.Contains(h, ".") {
		weight = 1
	}
	s.found = append(s.found, Finding{
		Start: at, End: at + len(user), Rule: "connection-string", Weight: weight, Note: "password in a connection string",
		Secrets: [][2]int{{at + k + 1, at + len(user)}},
	})
}

// settle judges what can only be judged once the whole text is read.
func (s *scanner) settle() {
	s.settleHashes()
	s.settleCards()
	s.settleCredentials()
}

func alnum(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}
func digit(c byte) bool { return c >= '0' && c <= '9' }
func upper(c byte) bool { return c >= 'A' && c <= 'Z' }
func isHex(c byte) bool { return digit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

// reserved are the names that documentation uses.
// ref: RFC 2606, RFC 6761
var reserved = []string{"example.com", "example.org", "example.net", "example.edu", "example", "test", "invalid", "localhost", "local"}

// documentation says whether a host is reserved for documentation.
func documentation(host string) bool {
	host = strings.ToLower(host)
	if k := strings.IndexByte(host, ':'); k >= 0 {
		host = host[:k]
	}
	for _, r := range reserved {
		if host == r || len(host) > len(r) && strings.HasSuffix(host, r) && host[len(host)-len(r)-1] == '.' {
			return true
		}
	}
	return false
}
