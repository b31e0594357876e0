package breach

import (
	"strings"
)

// maxLine is the longest line that is looked at as one of a list.
const maxLine = 300

// pair is a line "user:password".
type pair struct {
	user, pass [2]int
	line       int
}

// lineState is what is known of the line that is being read and of those before.
type lineState struct {
	start      int // of the line
	separators int // signs of lists in it
	emails     int // before it
	number     int

	pairs   []pair
	header  int // line of a CSV header that names secrets, from 1
	columns string
	rows    int
	rowEnd  int
	first   [2]int // the header's place
	passwd  int
	accFrom int
	accTo   int
	contact int // lines with an address of a person
}

// skip goes on after a finding that may have more lines than one.
func (l *lineState) skip(t string, from, to int) {
	if k := strings.LastIndexByte(t[from:to], '\n'); k >= 0 {
		l.start = from + k + 1
	}
}

// line looks at the line that ends at end.
func (s *scanner) line(end int) {
	l := &s.lines
	start, separators := l.start, l.separators
	mails := s.emails[min(l.emails, len(s.emails)):]
	l.start, l.separators, l.emails = end+1, 0, len(s.emails)
	l.number++
	for _, m := range mails {
		if !m.reserved && free(s.text[m.at+1:m.end]) && !role(s.text[m.start:m.at]) {
			l.contact++
			break
		}
	}
	if separators == 0 || end-start > maxLine || end-start < 7 || start >= end {
		return
	}
	line := strings.TrimRight(s.text[start:end], " \r")
	s.csvLine(line, start, len(mails) > 0)
	if separators >= 4 && start >= s.end {
		s.pgpass(line, start)
	}
	if len(mails) == 0 {
		for k := 0; k < min(5, len(line)-1); k++ { // "12) name:password"
			if !digit(line[k]) {
				if k > 0 && (line[k] == ')' || line[k] == '.') && line[k+1] == ' ' {
					line, start = line[k+2:], start+k+2
				}
				break
			}
		}
		s.userLine(line, start)
	}
}

// userLine keeps lines "user:password" and those of /etc/passwd.
func (s *scanner) userLine(line string, start int) {
	k := 0
	for k < len(line) && (alnum(line[k]) || strings.IndexByte("._-", line[k]) >= 0) {
		k++
	}
	if k < 3 || k > 32 || k+5 > len(line) || !letter(line[0]) && !letter(line[k-1]) {
		return
	}
	user := line[:k]
	sep := line[k]
	if sep != ':' && sep != ';' && sep != '|' && sep != '\t' && sep != ',' {
		return
	}
	rest := line[k+1:]
	from := start + k + 1
	if sep == ':' && accountLine(rest) {
		if s.lines.passwd == 0 {
			s.lines.accFrom = start
		}
		s.lines.passwd++
		s.lines.accTo = start + len(line)
		return
	}
	if fileName(low(user)) || from < s.end || !userPassword(rest) || len(s.lines.pairs) >= s.most {
		return
	}
	s.lines.pairs = append(s.lines.pairs, pair{[2]int{start, start + k}, [2]int{from, from + len(rest)}, s.lines.number})
}

// userPassword says whether a part is what people choose as a password, and not
// a version, a port, a value of a setting.
func userPassword(p string) bool {
	if len(p) < 5 || len(p) > 40 || !digitsAndLetters(p) && !mixed(p) || !passwordLike(p) || strings.ContainsAny(p, " \t:;|,<>()/") || dateLike(p) {
		return false
	}
	if hashLike(p) || p[0] == '.' || p[0] == '#' && len(p) == 7 {
		return false
	}
	dots := strings.Count(p, ".")
	if dots > 0 && (digit(p[0]) || p[0] == 'v' && digit(p[1])) || dots > 1 || strings.Contains(low(p), "alpine") || strings.Contains(low(p), "-slim") {
		return false // a version
	}
	letters, runs := 0, 0
	for k := range len(p) {
		if letter(p[k]) || p[k] >= 0x80 {
			letters++
			if k == 0 || !letter(p[k-1]) {
				runs++
			}
		}
	}
	return letters >= 2 && !(p[0] == '-' || p[0] == '+') && !timeOrSize(p)
}

// timeOrSize says whether a part is digits with a unit or a range.
func timeOrSize(p string) bool {
	k := 0
	for k < len(p) && (digit(p[k]) || p[k] == '.' || p[k] == '-' || p[k] == '%') {
		k++
	}
	return k > 0 && len(p)-k <= 3
}

// accountLine says whether a line goes on as one of /etc/passwd.
// ref: passwd(5)
func accountLine(rest string) bool {
	if !strings.HasPrefix(rest, "x:") && !strings.HasPrefix(rest, "*:") {
		return false
	}
	fields := strings.Split(rest, ":")
	return len(fields) == 6 && fields[1] != "" && digit(fields[1][0]) && strings.HasPrefix(fields[4], "/")
}

// csvSecrets and csvPersons are columns of a dump.
var (
	csvSecrets = []string{"password", "passwd", "pass", "hash", "pwd", "ssn", "cvv", "passwort", "contrasena", "contraseña", "senha", "card_number", "iban", "password_hash", "пароль", "mot_de_passe", "dob", "phone", "telefon", "address", "birth", "salt", "cpf"}
	csvPersons = []string{"email", "e-mail", "mail", "username", "user", "login", "correo", "name", "логин", "usuario"}
)

// csvLine keeps the head of a table of persons with secrets, and counts its rows.
func (s *scanner) csvLine(line string, start int, mail bool) {
	l := &s.lines
	if l.header > 0 && l.number-l.header <= 1000 {
		if strings.Count(line, l.columns) >= 2 && (mail || strings.ContainsAny(line, "0123456789")) {
			l.rows++
			l.rowEnd = start + len(line)
		}
		return
	}
	if mail || len(line) > 200 {
		return
	}
	sep := ""
	for _, c := range []string{",", ";", "|", "\t", ":"} {
		if strings.Count(line, c) >= 1 {
			sep = c
			break
		}
	}
	if sep == "" {
		return
	}
	secrets, persons, names := 0, 0, 0
	for f := range strings.SplitSeq(low(line), sep) {
		f = strings.Trim(f, " \"'`")
		if f == "" || len(f) > 24 || strings.ContainsRune(f, ' ') {
			return // a sentence
		}
		names++
		if member(csvSecrets, f) {
			secrets++
		} else if member(csvPersons, f) {
			persons++
		}
	}
	if secrets > 0 && persons > 0 && names >= 2 {
		l.header, l.columns = l.number, sep
		if strings.Count(line, sep) < 2 {
			l.columns = sep
		}
		l.first = [2]int{start, start + len(line)}
	}
}

func member(list []string, w string) bool {
	for _, m := range list {
		if m == w {
			return true
		}
	}
	return strings.HasPrefix(w, "user_") || strings.HasSuffix(w, "_hash") || strings.HasSuffix(w, "_password")
}

// settleLines makes findings of lines that belong together.
func (s *scanner) settleLines() {
	l := &s.lines
	for from := 0; from < len(l.pairs); {
		to := from + 1
		for to < len(l.pairs) && l.pairs[to].line-l.pairs[to-1].line <= 2 {
			to++
		}
		if to-from >= 3 && s.distinctPasswords(l.pairs[from:to]) {
			for _, p := range l.pairs[from:to] {
				s.add(Finding{
					Start: p.user[0], End: p.pass[1], Rule: "user-list", Weight: 2.6, Note: "a line of a list of users with passwords",
					Secrets: [][2]int{p.pass},
				})
			}
		}
		from = to
	}
	if l.passwd > 0 {
		f := Finding{Start: l.accFrom, End: l.accTo, Rule: "passwd", Weight: 0.6, Note: "a line of /etc/passwd"}
		if l.passwd >= 3 {
			f.Weight, f.Note = 2.2, "lines of /etc/passwd"
		}
		s.add(f)
	}
	if l.rows > 0 {
		f := Finding{Start: l.first[0], End: l.rowEnd, Rule: "csv-dump", Weight: 1.8, Note: "a table of persons with what is theirs"}
		real := 0
		for _, e := range s.emails {
			if e.start > f.Start && e.start < f.End && !e.reserved {
				real++
				f.Secrets = append(f.Secrets, [2]int{e.start, e.at})
			}
		}
		if real > 0 {
			f.Weight = 2.6
		}
		s.add(f)
	}
}

// distinctPasswords says whether the passwords of a list differ, and have the
// signs of passwords rather than of settings: capitals, signs, digits at the end.
func (s *scanner) distinctPasswords(pairs []pair) bool {
	seen := map[string]bool{}
	signs := 0
	for _, p := range pairs {
		v := s.text[p.pass[0]:p.pass[1]]
		seen[v] = true
		if letter(v[0]) && digitsAndLetters(v) || strings.ContainsAny(v, "!@#$%&*?") {
			signs++
		}
	}
	return len(seen)*4 >= len(pairs)*3 && signs*3 >= len(pairs)*2
}

// freeHosts are where persons have their mail.
var freeHosts = map[string]bool{
	"gmail.com": true, "googlemail.com": true, "yahoo.com": true, "hotmail.com": true, "outlook.com": true, "live.com": true, "aol.com": true,
	"icloud.com": true, "me.com": true, "msn.com": true, "gmx.de": true, "gmx.net": true, "gmx.at": true, "gmx.ch": true, "web.de": true,
	"t-online.de": true, "freenet.de": true, "proton.me": true, "protonmail.com": true, "mail.ru": true, "yandex.ru": true, "bk.ru": true,
	"inbox.ru": true, "list.ru": true, "rambler.ru": true, "qq.com": true, "163.com": true, "126.com": true, "sina.com": true, "naver.com": true,
	"daum.net": true, "hanmail.net": true, "libero.it": true, "virgilio.it": true, "tiscali.it": true, "alice.it": true, "orange.fr": true,
	"free.fr": true, "laposte.net": true, "wanadoo.fr": true, "sfr.fr": true, "uol.com.br": true, "bol.com.br": true, "terra.com.br": true,
	"wp.pl": true, "o2.pl": true, "onet.pl": true, "interia.pl": true, "seznam.cz": true, "centrum.cz": true, "ziggo.nl": true, "kpnmail.nl": true,
	"telia.com": true, "comcast.net": true, "verizon.net": true, "att.net": true, "btinternet.com": true, "sky.com": true, "yahoo.co.jp": true,
	"docomo.ne.jp": true, "ezweb.ne.jp": true, "rediffmail.com": true, "mynet.com": true, "sapo.pt": true, "telefonica.net": true, "ya.ru": true,
}

func free(host string) bool {
	host = low(host)
	return freeHosts[host] || strings.HasPrefix(host, "yahoo.") || strings.HasPrefix(host, "hotmail.") || strings.HasPrefix(host, "live.") || strings.HasPrefix(host, "outlook.")
}

// role says whether the local part names an office rather than a person.
func role(local string) bool {
	switch low(local) {
	case "info", "contact", "hello", "press", "sales", "support", "jobs", "admin", "office", "kontakt", "contacto", "contato", "help", "team", "billing":
		return true
	}
	return false
}

// settleContacts makes a finding of many lines that each have an address of a
// person.
func (s *scanner) settleContacts() {
	n := s.lines.contact
	if n < 4 {
		return
	}
	for _, f := range s.found {
		switch f.Rule {
		case "credentials", "csv-dump", "sql-dump":
			return
		}
	}
	f := Finding{Start: -1, Rule: "contacts", Weight: 1.5, Note: "a list of persons' addresses"}
	for _, e := range s.emails {
		if e.reserved {
			continue
		}
		if f.Start < 0 {
			f.Start = e.start
		}
		f.End = e.end
		f.Secrets = append(f.Secrets, [2]int{e.start, e.at})
	}
	if n >= 6 {
		f.Weight = 2.1
	}
	if f.Start >= 0 {
		s.add(f)
	}
}
