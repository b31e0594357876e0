package breach

import (
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// email is an address in the text.
type email struct {
	start, at, end int
	reserved       bool // for documentation
}

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
	if start == i || dot < 1 || len(host)-dot < 3 || start < s.end || start > 0 && (t[start-1] == '@' || t[start-1] == '/') || digit(host[len(host)-1]) {
		return
	}
	if strings.HasSuffix(t[:start], ellipsis) || strings.HasSuffix(t[:start], digestOut) {
		return // masked already
	}
	if len(s.emails) < s.most {
		s.emails = append(s.emails, email{start, i, end, documentation(host)})
	}
	if end+4 >= len(t) || documentation(host) || start < s.url {
		return
	}
	from, sep := s.separated(end)
	if sep == 0 {
		s.lastOfLine(start, i, end)
		return
	}
	to := from
	for to < len(t) && to-from <= 64 && t[to] > ' ' && t[to] != '|' && t[to] != ';' && (t[to] != ',' || sep != ',' && sep != '\t') {
		to++
	}
	if to-from > 64 {
		return
	}
	pass := strings.TrimRight(t[from:to], ".,)\"'")
	user := t[start:i]
	if !passwordLike(pass) && !hashLike(pass) || low(user) == "git" || strings.HasSuffix(pass, ".git") || schemeBefore(t, start) {
		return
	}
	loose := sep != ':' && sep != ';' && sep != '|' || from-end != 1 && t[end] != '>'
	if loose && len(pass) < 6 || strings.ContainsAny(pass, "/\\~") && (loose || !strong(pass)) || loose && (!digitsAndLetters(pass) || !mixed(pass) || dateLike(pass)) ||
		sep == ',' && strings.IndexByte(pass, '@') >= 0 || emailLike(pass) {
		return
	}
	weight, note := 1.3, "e-mail address with a password"
	if mixed(pass) && !dateLike(pass) && (!loose || sep == '\t') {
		weight = 2.2
	}
	if standsIn(pass) && !strings.Contains(pass, "12345") {
		weight = 0.8
	}
	s.add(Finding{
		Start: start, End: from + len(pass), Rule: "credentials", Weight: weight, Note: note,
		Secrets: [][2]int{{start, i}, {from, from + len(pass)}},
	})
}

// unlisted is the weight of what counts in a list only.
const unlisted = 0.3

// lastOfLine keeps "name@host password" where the line ends.
func (s *scanner) lastOfLine(start, at, end int) {
	t := s.text
	if end >= len(t) || t[end] != ' ' || start > 0 && t[start-1] != '\n' {
		return
	}
	to := end + 1
	for to < len(t) && to-end <= 40 && t[to] > ' ' {
		to++
	}
	pass := t[end+1 : to]
	if to < len(t) && t[to] != '\n' && t[to] != '\r' || !userPassword(pass) || !digitsAndLetters(pass) || emailLike(pass) {
		return
	}
	s.add(Finding{
		Start: start, End: to, Rule: "credentials", Weight: unlisted, Note: "e-mail address with a password",
		Secrets: [][2]int{{start, at}, {end + 1, to}},
	})
}

// separated is where a password begins after an address that ends at k, and the
// separator: with a space at most on either side, 0 for none.
func (s *scanner) separated(k int) (from int, sep byte) {
	t := s.text
	if k < len(t) && t[k] == '>' {
		k++
	}
	space := k < len(t) && t[k] == ' '
	if space {
		k++
	}
	if k >= len(t) {
		return k, 0
	}
	switch sep = t[k]; sep {
	case ':', ';', '|', '\t', ',':
	case '-', '/', '=':
		if !space {
			return k, 0
		}
	default:
		return k, 0
	}
	k++
	if k < len(t) && t[k] == ' ' {
		k++
	}
	return k, sep
}

func emailLike(p string) bool {
	k := strings.IndexByte(p, '@')
	return k > 0 && strings.IndexByte(p[k:], '.') > 0 && letter(p[len(p)-1]) && !strings.ContainsAny(p[k+1:], "@!#$%&*")
}

// schemeBefore says whether a URI scheme as "sip:" or a command that takes
// "user@host:path" stands right before i.
func schemeBefore(t string, i int) bool {
	for _, p := range []string{"sip:", "sips:", "xmpp:", "ssh:", "scp:", "acct:", "ssh ", "scp ", "sftp ", "clone ", "rsync ", "remote add origin "} {
		if i >= len(p) && strings.EqualFold(t[i-len(p):i], p) {
			return true
		}
	}
	line := t[max(0, i-60):i]
	if k := strings.LastIndexByte(line, '\n'); k >= 0 {
		line = line[k+1:]
	}
	return strings.Contains(line, "scp ") || strings.Contains(line, "rsync ") || strings.Contains(line, "ssh ")
}

// passwordLike says whether a part may be a password: four bytes or more, no
// port, no word of a placeholder.
func passwordLike(p string) bool {
	if len(p) < 4 || !utf8.ValidString(p) || placeholder(p) || masked(p) {
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
		if c := p[k]; letter(c) || c >= 0x80 {
			letters = true
		} else {
			others = true
		}
	}
	return letters && others
}

var placeholders = map[string]bool{
	"password": true, "passwort": true, "passwd": true, "pass": true, "secret": true, "changeme": true, "change-me": true, "change_me": true,
	"your_password": true, "yourpassword": true, "mypassword": true, "user": true, "postgres": true, "root": true, "admin": true, "test": true,
	"example": true, "placeholder": true, "redacted": true, "hunter2": true, "string": true, "none": true, "null": true, "undefined": true,
	"p@ssw0rd": true, "passw0rd": true, "password1": true, "password123": true, "pass123": true, "test123": true, "testtest": true,
	"correcthorsebatterystaple": true, "s3cr3t": true, "s3cret": true, "true": true, "false": true, "required": true, "optional": true,
	"admin123": true, "test1234": true, "dummy": true, "secret123": true, "contraseña": true, "motdepasse": true, "geheim": true,
}

// placeholder says whether a secret is one that stands for another.
func placeholder(p string) bool {
	l := low(strings.Trim(p, "<>[]{}()*\"'`.,"))
	if len(l) < 4 || placeholders[l] {
		return true
	}
	return strings.Count(l, l[:1]) == len(l) || strings.Contains(l, "example") || strings.Contains(l, "xxxx") || strings.HasPrefix(l, "your") ||
		strings.Contains(l, "****") || strings.Contains(l, "....") || strings.Contains(l, "••") || strings.Contains(l, "placeholder") ||
		strings.Contains(l, "changeme") || strings.Contains(l, "redacted") || strings.HasPrefix(l, "tu_") || strings.HasPrefix(l, "my_") ||
		strings.HasPrefix(p, "${") || strings.HasPrefix(p, "$(") || strings.HasPrefix(p, "{{") || strings.HasPrefix(p, "<") ||
		strings.HasPrefix(p, "[") || strings.HasPrefix(p, "%(")
}

// loginWords stand where somebody's access is given.
var loginWords = []string{
	"login", "user", "username", "usuario", "usuário", "benutzer", "utilisateur", "identifiant", "email", "e-mail", "mail", "account", "konto",
	"utente", "gebruiker", "host", "ssh", "ftp", "smtp", "rdp", "vpn", "логин", "почта", "kullanıcı", "använda", "käyttäjä", "bruker",
	"ユーザー", "ログイン", "账号", "帳號", "用户名", "아이디", "계정", "المستخدم", "server", "admin", "root", "db_", "database", "netflix", "steam",
	"passwords",
}

// settleCredentials makes a password beside an address or a login weigh more,
// and a list of plain ones more than a single one.
func (s *scanner) settleCredentials() {
	pairs, hashes := 0, 0
	for _, f := range s.found {
		switch f.Rule {
		case "credentials":
			pairs++
		case "password-hash":
			hashes++
		}
	}
	if pairs < 3 {
		s.found = slices.DeleteFunc(s.found, func(f Finding) bool { return f.Rule == "credentials" && f.Weight == unlisted })
	}
	for i := range s.found {
		f := &s.found[i]
		switch {
		case f.Rule == "credentials" && pairs >= 3:
			f.Weight = max(f.Weight, 3)
		case f.Rule == "password":
			if s.near(f.Start, f.End, 60, 30, guestWords) || s.near(f.Start, f.End, 60, 40, exampleWords) {
				f.Weight = min(f.Weight, 1) / 2
				continue
			}
			if f.Weight < 2.4 && (s.addressNear(f.Secrets[0][0], f.End) || s.near(f.Start, f.Start, 100, 0, loginWords)) {
				f.Weight, f.Note = 2.4, "a password beside an address or a login"
			}
		case f.Rule == "api-key" && f.Weight < 3:
			if s.near(f.Start, f.End, 40, 30, exampleWords) {
				f.Weight = min(f.Weight, 1) / 2
			}
		case f.Rule == "password-hash" && f.Weight < 2.2:
			switch {
			case s.near(f.Start, f.End, 80, 60, exampleWords):
				f.Weight = 1
			case hashes >= 2 || s.addressNear(f.Start, f.End) || s.userBefore(f.Start):
				f.Weight, f.Note = 2.4, "a password's hash with its owner"
			}
		}
	}
}

// addressNear says whether an address that is not documentation's stands near.
func (s *scanner) addressNear(start, end int) bool {
	k := sort.Search(len(s.emails), func(k int) bool { return s.emails[k].end > start-120 })
	for ; k < len(s.emails) && s.emails[k].start < end+60; k++ {
		if e := s.emails[k]; !e.reserved && (e.start < start || e.start >= end) {
			return true
		}
	}
	return false
}

// userBefore says whether a name and a colon stand right before i, on its line.
func (s *scanner) userBefore(i int) bool {
	t := s.text
	if i < 3 || t[i-1] != ':' && t[i-1] != ';' && t[i-1] != '|' && t[i-1] != ',' && t[i-1] != '\t' {
		return false
	}
	k := i - 1
	for k > 0 && (alnum(t[k-1]) || strings.IndexByte("._-", t[k-1]) >= 0) {
		k--
	}
	return k < i-2 && (k == 0 || t[k-1] <= ' ' || strings.IndexByte(":;|,", t[k-1]) >= 0)
}
