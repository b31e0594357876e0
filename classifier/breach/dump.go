package breach

import "strings"

// personTables are the names of tables that hold persons.
var personTables = []string{
	"user", "account", "member", "customer", "client", "login", "admin", "usuario", "kunde", "benutzer", "cliente", "utilisateur", "utenti", "people",
	"person", "subscriber", "employee", "patient", "student", "credential", "clienti", "klient", "gebruiker", "mitglied", "profile", "auth",
	"kullanici", "uzytkown", "staff", "contact", "player", "buyer",
}

// insert finds "INSERT INTO users … VALUES (…)" after the word from i to end.
func (s *scanner) insert(i, end int) {
	t := s.text
	if i < s.sql {
		return
	}
	head := low(t[i:min(len(t), i+160)])
	if !strings.HasPrefix(head[end-i:], " into ") {
		return
	}
	k := end - i + len(" into ")
	to := k
	for to < len(head) && head[to] > ' ' && head[to] != '(' {
		to++
	}
	table := head[k:to]
	if !hasAny(table, personTables) {
		return
	}
	stop := min(len(t), i+16384)
	v := strings.Index(low(t[i:min(len(t), i+1200)]), "values")
	if v < 0 {
		return
	}
	f := Finding{Start: i, End: i + v + 6, Rule: "sql-dump", Note: "rows of a table of persons"}
	weight := 0.0
	for k := i + v + 6; k < stop; k++ {
		switch t[k] {
		case ';':
			stop = k
		case '\'', '"':
			from := k + 1
			for k = from; k < stop && t[k] != t[from-1] && k-from < 400; k++ {
				if t[k] == '\\' {
					k++
				}
			}
			if k >= len(t) || k >= stop || t[k] != t[from-1] {
				stop = min(k, len(t))
				break
			}
			if at, w := quotedSecret(t[from:k]); w > 0 {
				f.Secrets = append(f.Secrets, [2]int{from, from + at})
				weight = max(weight, w)
			}
			f.End = k + 1
		}
	}
	if s.sql = stop; len(f.Secrets) == 0 {
		return
	}
	f.Weight = weight
	s.add(f)
}

// quotedSecret says how much of a value must not be shown, and how much it
// weighs: the local part of an address, a hash, a password.
func quotedSecret(v string) (n int, weight float64) {
	switch at := strings.IndexByte(v, '@'); {
	case masked(v):
		return 0, 0
	case at > 0 && emailLike(v):
		if documentation(v[at+1:]) {
			return 0, 0
		}
		return at, 2.4
	case hashLike(v):
		return len(v), 2.4
	case len(v) >= 6 && digitsAndLetters(v) && passwordLike(v) && !strings.ContainsAny(v, " /:<>") && !uuid(v) && !standsIn(v) && strong(v):
		return len(v), 2
	}
	return 0, 0
}

func hasAny(s string, parts []string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}
