package breach

import (
	"crypto/sha3"
	"encoding/base32"
	"strings"
)

// link remembers that a link is being read and looks at its parts.
func (s *scanner) link(colon int) {
	t := s.text
	start := colon
	for start > 0 && colon-start < 20 && (alnum(t[start-1]) || t[start-1] == '+') {
		start--
	}
	end := colon + 3
	for end < len(t) && t[end] > ' ' && t[end] < 0x7F && t[end] != '"' && t[end] != '<' && t[end] != '>' {
		end++
	}
	s.url = end
	rest := t[colon+3 : end]
	host := rest
	if k := strings.IndexAny(host, "/?#"); k >= 0 {
		host = host[:k]
	}
	scheme := low(t[start:colon])
	// A password may contain any of these signs.
	if at := strings.LastIndexByte(rest, '@'); at > len(host) && len(scheme) > 2 && schemes[scheme] {
		host = rest[:at+1]
		host += authority(rest[at+1:])
	}
	path := rest[len(host):]
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		s.urlPassword(scheme, colon+3, host[:at], host[at+1:])
		host = host[at+1:]
	}
	s.stealer(start, colon+3, end)
	if k := strings.IndexByte(host, ':'); k >= 0 {
		host = host[:k]
	}
	host = strings.TrimPrefix(low(host), "www.")
	switch {
	case strings.HasSuffix(host, ".onion"):
		name := host[strings.LastIndexByte(host[:len(host)-6], '.')+1 : len(host)-6]
		if onionName(name) {
			s.hint(start, end, "onion-link", 0.9, "link to an onion service")
		}
	case pasteHosts[host] && len(path) > 4:
		s.hint(start, end, "paste-link", 0.9, "link to a paste or file drop")
	case host == "hooks.slack.com" && strings.HasPrefix(path, "/services/T") && len(path) >= 40 && random(path[10:]):
		s.secret(colon+3+len(rest)-len(path)+10, end, "slack-webhook", 4, "Slack webhook")
	case host == "api.telegram.org" && strings.HasPrefix(path, "/bot"):
		at := colon + 3 + len(rest) - len(path) + 4
		k := at
		for k < end && digit(t[k]) {
			k++
		}
		s.botToken(at, k)
	case (host == "discord.com" || host == "discordapp.com") && strings.HasPrefix(path, "/api/webhooks/"):
		if k := strings.LastIndexByte(path, '/'); k > 14 && len(path)-k >= 60 && random(path[k+1:]) {
			s.secret(colon+3+len(rest)-len(path)+k+1, end, "discord-webhook", 4, "Discord webhook")
		}
	}
}

func authority(s string) string {
	if k := strings.IndexAny(s, "/?#"); k >= 0 {
		return s[:k]
	}
	return s
}

// hint adds a finding that is a sign only; what stands in it is read on.
func (s *scanner) hint(start, end int, rule string, weight float64, note string) {
	if len(s.found) < s.most {
		s.found = append(s.found, Finding{Start: start, End: end, Rule: rule, Weight: weight, Note: note})
	}
}

// pasteHosts are places where dumps are commonly put. Each has honest uses: the
// link alone weighs little.
var pasteHosts = map[string]bool{
	"pastebin.com": true, "ghostbin.com": true, "rentry.co": true, "rentry.org": true, "controlc.com": true,
	"justpaste.it": true, "paste.ee": true, "dpaste.com": true, "hastebin.com": true, "0bin.net": true,
	"privatebin.net": true, "anonfiles.com": true, "gofile.io": true, "mega.nz": true, "cryptpad.fr": true,
	"doxbin.org": true, "doxbin.com": true, "doxbin.net": true, "throwbin.io": true, "pastes.io": true, "pastebin.pl": true,
	"pixeldrain.com": true, "bayfiles.com": true, "file.io": true, "transfer.sh": true, "temp.sh": true, "catbox.moe": true,
	"files.catbox.moe": true, "litterbox.catbox.moe": true, "mediafire.com": true, "zippyshare.com": true, "krakenfiles.com": true,
	"workupload.com": true, "send.vis.ee": true, "1fichier.com": true, "paste.rs": true, "bin.disroot.org": true, "sendspace.com": true,
	"ufile.io": true, "uploadfiles.io": true, "terabox.com": true, "qu.ax": true, "0x0.st": true, "termbin.com": true, "zerobin.net": true,
	"breachforums.st": true, "breachforums.is": true, "leakbase.io": true, "textbin.net": true, "pst.moe": true, "paste.mozilla.org": true,
}

// onionName checks the name of an onion service, of 56 characters.
// ref: Tor rend-spec-v3 §6 [ONIONADDRESS]
func onionName(name string) bool {
	if len(name) != 56 {
		return false
	}
	raw, err := base32.StdEncoding.DecodeString(strings.ToUpper(name))
	if err != nil || len(raw) != 35 || raw[34] != 3 {
		return false
	}
	sum := sha3.Sum256(append(append([]byte(".onion checksum"), raw[:32]...), 3))
	return sum[0] == raw[32] && sum[1] == raw[33]
}

// schemes are those of connection strings.
var schemes = map[string]bool{
	"postgres": true, "postgresql": true, "mysql": true, "mariadb": true, "mongodb": true, "mongodb+srv": true, "redis": true,
	"rediss": true, "amqp": true, "amqps": true, "ftp": true, "ftps": true, "sftp": true, "smtp": true, "smtps": true, "imap": true,
	"imaps": true, "ldap": true, "ldaps": true, "mssql": true, "sqlserver": true, "clickhouse": true, "cassandra": true, "ssh": true,
	"nats": true, "mqtt": true, "mqtts": true, "couchdb": true, "neo4j": true, "bolt": true, "rtsp": true, "smb": true, "postgis": true,
}

// urlPassword finds the password of a connection string.
// ref: RFC 3986 §3.2.1
func (s *scanner) urlPassword(scheme string, at int, user, host string) {
	k := strings.IndexByte(user, ':')
	if k < 0 || len(user)-k-1 < 4 || user[:k] == user[k+1:] || len(user) > 256 || documentation(host) || placeholder(user[k+1:]) || standsIn(user[k+1:]) {
		return
	}
	weight := 2.6
	if schemes[scheme] {
		weight = 3.4
	}
	h, _, _ := strings.Cut(host, ":")
	if h == "127.0.0.1" || !strings.Contains(h, ".") {
		// The name of a container: common in examples.
		weight = 1
		if strong(user[k+1:]) {
			weight = 2.2
		}
	}
	s.add(Finding{
		Start: at, End: at + len(user), Rule: "connection-string", Weight: weight, Note: "password in a connection string",
		Secrets: [][2]int{{at + k + 1, at + len(user)}},
	})
}

// stealer finds "https://host/path:user:password", the lines of password
// stealers.
func (s *scanner) stealer(start, from, end int) {
	t := s.text
	if start > 0 && t[start-1] != '\n' || end-from > 300 || end <= s.end {
		return
	}
	rest := t[from:end]
	last := strings.LastIndexByte(rest, ':')
	if last < 0 {
		return
	}
	mid := strings.LastIndexByte(rest[:last], ':')
	slash := strings.IndexByte(rest, '/')
	if mid < 0 || slash < 0 || mid < slash || strings.HasPrefix(rest[last:], "://") {
		return
	}
	user, pass := rest[mid+1:last], rest[last+1:]
	if len(user) < 3 || len(user) > 64 || strings.ContainsAny(user, "/?&=") || !mixed(pass) || !passwordLike(pass) || len(pass) > 64 ||
		strings.ContainsAny(pass, "/?&=") || documentation(authority(rest)) {
		return
	}
	s.add(Finding{
		Start: from + mid + 1, End: end, Rule: "credentials", Weight: 2.2, Note: "address of a login with user and password",
		Secrets: [][2]int{{from + mid + 1, from + last}, {from + last + 1, end}},
	})
}

// reserved are the names that documentation uses.
// ref: RFC 2606, RFC 6761
var reserved = []string{
	"example.com", "example.org", "example.net", "example.edu", "example", "test", "invalid", "localhost", "local", "domain.com",
	"yourdomain.com", "mydomain.com", "email.com",
}

// documentation says whether a host is reserved for documentation.
func documentation(host string) bool {
	host = low(host)
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
