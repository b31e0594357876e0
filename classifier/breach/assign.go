package breach

import (
	"strings"
	"unicode/utf8"
)

// The kinds of what a name announces.
const (
	namesNothing = iota
	namesPassword
	namesKey
	namesHash
)

// wholeNames announce a secret as they are, in ASCII small letters without '_',
// '-' and '.'.
var wholeNames = map[string]int{
	"pass": namesPassword, "pwd": namesPassword, "pw": namesPassword, "passe": namesPassword, "mdp": namesPassword, "clave": namesPassword,
	"sandi": namesPassword, "parol": namesPassword, "psw": namesPassword, "psk": namesPassword,
	"hash": namesHash, "pwhash": namesHash, "bearer": namesKey, "auth": namesKey, "sharedaccesskey": namesKey,
	"accountkey": namesKey, "pat": namesKey, "khẩu": namesPassword, "key": namesKey, "المرور": namesPassword,
	"السر": namesPassword, "सवर्ड": namesPassword, "apisecretkey": namesKey,
}

// nameEnd is the end of a name that announces a secret.
type nameEnd struct {
	end  string
	kind int
}

// nameEnds end a name that announces a secret, as DB_PASSWORD or clientSecret.
var nameEnds = []nameEnd{
	{"password", namesPassword}, {"passwd", namesPassword}, {"passwort", namesPassword}, {"kennwort", namesPassword},
	{"passphrase", namesPassword}, {"contrasena", namesPassword}, {"contraseña", namesPassword}, {"senha", namesPassword},
	{"wachtwoord", namesPassword}, {"lösenord", namesPassword}, {"losenord", namesPassword}, {"salasana", namesPassword},
	{"adgangskode", namesPassword}, {"passord", namesPassword}, {"jelszó", namesPassword}, {"jelszo", namesPassword},
	{"hasło", namesPassword}, {"haslo", namesPassword}, {"heslo", namesPassword}, {"şifre", namesPassword}, {"sifre", namesPassword},
	{"parola", namesPassword}, {"пароль", namesPassword}, {"Пароль", namesPassword}, {"κωδικός", namesPassword}, {"סיסמה", namesPassword},
	{"パスワード", namesPassword}, {"密码", namesPassword}, {"密碼", namesPassword}, {"口令", namesPassword}, {"비밀번호", namesPassword},
	{"비번", namesPassword}, {"पासवर्ड", namesPassword}, {"รหัสผ่าน", namesPassword}, {"dbpass", namesPassword}, {"rootpass", namesPassword},
	{"userpass", namesPassword}, {"smtppass", namesPassword}, {"mailpass", namesPassword}, {"adminpass", namesPassword},
	{"dbpwd", namesPassword}, {"authtoken", namesKey}, {"apikey", namesKey}, {"apitoken", namesKey}, {"secretkey", namesKey},
	{"secret", namesKey}, {"accesskey", namesKey}, {"accesstoken", namesKey}, {"refreshtoken", namesKey}, {"token", namesKey},
	{"privatekey", namesKey}, {"encryptionkey", namesKey}, {"signingkey", namesKey}, {"masterkey", namesKey}, {"apisecret", namesKey},
	{"clientkey", namesKey}, {"secretkeybase", namesKey}, {"sessionid", namesKey}, {"accountkey", namesKey}, {"apischlüssel", namesKey}, {"apicode", namesKey},
	{"passwordhash", namesHash}, {"passhash", namesHash}, {"hashedpassword", namesHash}, {"encryptedpassword", namesHash},
	{"passworddigest", namesHash}, {"passwdhash", namesHash}, {"pwdhash", namesHash}, {"passwordmd5", namesHash},
}

// nameEndsBy are nameEnds by their last byte; nameLast are the last bytes of all
// names.
var (
	nameEndsBy [256][]nameEnd
	nameLast   [256]bool
)

func init() {
	for _, e := range nameEnds {
		c := e.end[len(e.end)-1]
		nameEndsBy[c] = append(nameEndsBy[c], e)
		nameLast[c] = true
	}
	for n := range wholeNames {
		nameLast[n[len(n)-1]] = true
	}
}

// announced says what the name before a sign at i announces, and where it begins.
func (s *scanner) announced(i int) (start, kind int) {
	t := s.text
	end := i
	for end > 0 && i-end < 2 && (t[end-1] == ' ' || t[end-1] == '"' || t[end-1] == '\'' || t[end-1] == '`' || t[end-1] == '*') {
		end--
	}
	start = end
	for start > 0 && end-start < 48 {
		c := t[start-1]
		if !alnum(c) && c != '_' && c != '-' && c != '.' && c < 0x80 {
			break
		}
		start--
	}
	for start < end && !utf8.RuneStart(t[start]) {
		start++
	}
	if end-start < 2 || !letter(t[end-1]) && t[end-1] < 0x80 && t[end-1] != '5' {
		return start, namesNothing
	}
	if !nameLast[t[end-1]|0x20] && !nameLast[t[end-1]] {
		return start, namesNothing
	}
	name := squeeze(t[start:end])
	if kind, ok := wholeNames[name]; ok {
		return start, kind
	}
	if k := strings.LastIndexAny(t[start:end], "_-."); k >= 0 {
		if kind := wholeNames[low(t[start+k+1:end])]; kind == namesPassword {
			return start, kind
		}
	}
	best := 0
	for _, e := range nameEndsBy[name[len(name)-1]] {
		if len(e.end) > best && strings.HasSuffix(name, e.end) {
			best, kind = len(e.end), e.kind
		}
	}
	return start, kind
}

// squeeze is a name in ASCII small letters without '_', '-' and '.'.
func squeeze(name string) string {
	clean := true
	for k := range len(name) {
		if c := name[k]; upper(c) || c == '_' || c == '-' || c == '.' {
			clean = false
			break
		}
	}
	if clean && name != "" {
		return name
	}
	b := make([]byte, 0, len(name)+1)
	for k := range len(name) {
		switch c := name[k]; {
		case c == '_' || c == '-' || c == '.':
		case upper(c):
			b = append(b, c|0x20)
		default:
			b = append(b, c)
		}
	}
	if len(b) == 0 {
		return "-"
	}
	return string(b)
}

// value is the part that begins at k, after spaces: in quotes to their end, else
// to the next space or sign that ends it.
func (s *scanner) value(k int) (from, to int, quoted bool) {
	t := s.text
	for n := 0; n < 2 && k < len(t) && (t[k] == ' ' || t[k] == '*' || t[k] == '>' || t[k] == '='); n++ {
		k++
	}
	if strings.HasPrefix(t[k:], "\u3000") {
		k += len("\u3000")
	}
	if k < len(t) && (t[k] == '"' || t[k] == '\'' || t[k] == '`') {
		for to = k + 1; to < len(t) && to-k <= 260 && t[to] != t[k] && t[to] >= ' '; to++ {
		}
		if to < len(t) && t[to] == t[k] && to > k+1 {
			return k + 1, to, true
		}
		k++
	}
	for to = k; to < len(t) && to-k <= 260 && t[to] > ' '; to++ {
		if c := t[to]; c == '"' || c == '<' || k < s.url && c == '&' || strings.HasPrefix(t[to:], "。") || strings.HasPrefix(t[to:], "、") {
			break
		}
	}
	for to > k && strings.IndexByte(".,;)}]'`*", t[to-1]) >= 0 {
		to--
	}
	return k, to, false
}

// assignment looks at "name: value" and "name=value" where a sign stands at i
// and what follows begins at next.
func (s *scanner) assignment(i, next int) {
	start, kind := s.announced(i)
	if kind == namesNothing || start < s.end {
		return
	}
	from, to, quoted := s.value(next)
	if to <= from || to-from > 256 {
		return
	}
	v := s.text[from:to]
	if !quoted {
		if k := strings.IndexByte(v, ';'); k > 0 { // Password=…;Database=…
			to, v = from+k, v[:k]
		}
	}
	switch kind {
	case namesKey:
		if i-start == 3 && (i < s.url || start > 0 && s.text[start-1] == ':') {
			return // "key" of a link or of "did:key:"
		}
		if k := strings.IndexAny(v, ",&"); k >= 16 {
			to = from + k
		}
		s.announcedKey(start, from, to, s.text[start:i])
	case namesHash:
		if hashLike(v) {
			s.add(Finding{Start: start, End: to, Rule: "password-hash", Weight: 1.6, Note: "hash of a password", Secrets: [][2]int{{from, to}}})
		}
	case namesPassword:
		s.announcedPassword(start, from, to, quoted)
	}
}

// announcedKey adds a key that its name announces, if it is as random as keys are.
func (s *scanner) announcedKey(start, from, to int, name string) {
	t := s.text
	if s.token(from, s.run64(from, 256)) || to-from >= 51 && s.wallet(from, to) {
		return
	}
	v := t[from:to]
	if len(v) < 16 || masked(v) || !keyLike(v) {
		return
	}
	weight := 2.4
	name = squeeze(strings.Trim(name, " \"'`*"))
	if name == "key" || name == "token" || name == "auth" || name == "bearer" || name == "pat" || strings.HasSuffix(name, "publickey") {
		// Names of much else: of rows, of tracking, of what is public.
		weight = 1.2
		if len(v) >= 24 && name != "key" {
			weight = 2.2
		}
	}
	s.add(Finding{Start: start, End: to, Rule: "api-key", Weight: weight, Note: "a key, announced as such", Secrets: [][2]int{{from, to}}})
}

// keyLike says whether a part is one run of the signs of keys, with letters and
// digits and the entropy of a key.
func keyLike(v string) bool {
	letters, digits, changes := 0, 0, 0
	for k := range len(v) {
		c := v[k]
		switch {
		case digit(c):
			digits++
		case letter(c):
			letters++
		case strings.IndexByte("+/=_-.~!", c) < 0:
			return false
		}
		if k > 0 && digit(c) != digit(v[k-1]) {
			changes++
		}
	}
	if letters < 4 || digits < 2 || changes < 3 || uuid(v) || strings.Contains(v, "://") || strings.Count(v, ".") > 2 || strings.Count(v, "/") > 3 {
		return false
	}
	for _, p := range []string{"sha256-", "sha384-", "sha512-", "sha1-", "pk_", "pub", "tok_", "cus_", "pi_", "sk_test", "test"} {
		if strings.HasPrefix(v, p) {
			return false
		}
	}
	bits := entropy(v)
	return bits >= 3 && (bits >= 3.3 || onlyHex(v)) && !standsIn(v)
}

func onlyHex(v string) bool {
	for k := range len(v) {
		if !isHex(v[k]) {
			return false
		}
	}
	return true
}

// uuid says whether a part is grouped as a UUID.
// ref: RFC 9562 §4
func uuid(v string) bool {
	return len(v) == 36 && v[8] == '-' && v[13] == '-' && v[18] == '-' && v[23] == '-'
}

// announcedPassword adds a password that its name announces.
func (s *scanner) announcedPassword(start, from, to int, quoted bool) {
	t := s.text
	if to-from > 64 {
		return
	}
	pass := t[from:to]
	if hashLike(pass) && pass[0] == '$' {
		s.add(Finding{Start: start, End: to, Rule: "password-hash", Weight: 1.6, Note: "hash of a password", Secrets: [][2]int{{from, to}}})
		return
	}
	if len(pass) < 6 || !mixed(pass) || !passwordLike(pass) || !quoted && codeLike(pass) || strings.Contains(pass, "://") || dateLike(pass) ||
		quoted && (strings.IndexByte(pass, ' ') >= 0 && !digitsAndLetters(pass) || pass[0] == '/') {
		return
	}
	weight := 1.2
	if strong(pass) {
		weight = 2.2
	}
	s.add(Finding{
		Start: start, End: to, Rule: "password", Weight: weight, Note: "a password, announced as such",
		Secrets: [][2]int{{from, to}},
	})
}

// dateLike says whether a part consists of digits and separators only.
func dateLike(p string) bool {
	for k := range len(p) {
		if c := p[k]; !digit(c) && strings.IndexByte("-./:,+ ", c) < 0 {
			return false
		}
	}
	return true
}

// codeLike says whether a part is an expression of a program or a template
// rather than a value.
func codeLike(p string) bool {
	if strings.ContainsAny(p, "(){}[]") && strings.ContainsAny(p, "._$") || strings.HasPrefix(p, "$") || strings.HasPrefix(p, "%") ||
		strings.HasPrefix(p, "#") || strings.HasPrefix(p, "/") || strings.HasPrefix(p, "--") || strings.HasPrefix(p, "@") && len(p) < 8 || strings.HasPrefix(p, "&") {
		return true
	}
	words := 0
	for _, w := range []string{"env.", "process.", "config.", "settings.", "os.", "self.", "this.", "request.", "req.", "params.", "secrets."} {
		if strings.HasPrefix(p, w) {
			words++
		}
	}
	return words > 0 || strings.Contains(p, "->") || strings.Contains(p, "::")
}

// passWords are the words for a password that may stand without a colon.
var passWords = map[string]bool{
	"password": true, "passwort": true, "kennwort": true, "passwd": true, "contrasena": true, "senha": true, "wachtwoord": true,
	"salasana": true, "passord": true, "adgangskode": true, "haslo": true, "heslo": true, "parola": true, "passcode": true, "pass": true, "pwd": true,
}

// copulas stand between the word and the password.
var copulas = []string{" is ", " was ", " = ", " -> ", " ist ", " lautet ", " es ", " era ", " est ", " é ", " è ", " to ", " → ", " on ", " är ", " er ", " je ", " to: "}

// spoken finds "the password is …" after the word from start to end.
func (s *scanner) spoken(start, end int) {
	t := s.text
	if end+8 < len(t) && t[end] == ' ' && s.near(start, start, 48, 0, loginNames) {
		// "login ann password Summer2023"
		if from, to, quoted := s.value(end + 1); to-from >= 8 && to-from <= 64 && digitsAndLetters(t[from:to]) && mixed(t[from:to]) {
			s.announcedPassword(start, from, to, quoted)
			return
		}
	}
	if hasPrefix(t[end:], " for ", " of ", " to ", " del ", " de ", " do ", " von ", " für ", " vom ", " der ", " du ", " pour ", " per ", " voor ", " til ", " för ") {
		// "the password of the server is …"
		window := t[end:min(len(t), end+48)]
		if k := strings.IndexAny(window, "\n!?"); k >= 0 {
			window = window[:k]
		}
		for _, c := range [...]string{" is ", " ist ", " es ", " est ", " lautet ", " é ", " è ", " är ", " er "} {
			if k := strings.Index(window, c); k >= 0 {
				end += k
				break
			}
		}
	}
	for _, c := range copulas {
		if !strings.HasPrefix(t[end:], c) {
			continue
		}
		from, to, quoted := s.value(end + len(c))
		if to > from && to-from <= 64 && digitsAndLetters(t[from:to]) {
			n := len(s.found)
			s.announcedPassword(start, from, to, quoted)
			if len(s.found) > n && strings.IndexByte(t[start:from], '@') >= 0 {
				s.found[n].Weight = 2.4 // the address stands within
			}
		}
		return
	}
}

func digitsAndLetters(p string) bool {
	letters, digits := false, false
	for k := range len(p) {
		letters, digits = letters || letter(p[k]) || p[k] >= 0x80, digits || digit(p[k])
	}
	return letters && digits
}

// loginNames come before a name that comes before a password.
var loginNames = []string{"login", "user", "username", "machine", "benutzer", "usuario", "utilisateur", "utente", "логин"}

func hasPrefix(s string, parts ...string) bool {
	for _, p := range parts {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// strong says whether a password is as random as a generator makes them: ten
// characters of three classes that change often.
func strong(p string) bool {
	if len(p) < 10 {
		return false
	}
	var of [4]int
	last, changes := -1, 0
	for k := range len(p) {
		c, kind := p[k], 3
		switch {
		case digit(c):
			kind = 0
		case upper(c):
			kind = 1
		case letter(c):
			kind = 2
		}
		of[kind]++
		if last >= 0 && kind != last {
			changes++
		}
		last = kind
	}
	classes := 0
	for _, n := range of {
		if n > 0 {
			classes++
		}
	}
	return classes >= 3 && of[0] > 0 && changes*3 >= len(p) && entropy(p) > 2.8 && !standsIn(p)
}
