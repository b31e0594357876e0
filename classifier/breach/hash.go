package breach

import "strings"

// hashRun is a run of hexadecimal digits that may be a password's hash.
type hashRun struct {
	start, end int
	owned      bool // a name or an address stands before it
}

// hashLike says whether a part has the form of a password's hash.
func hashLike(v string) bool {
	if masked(v) {
		return false
	}
	if strings.HasPrefix(v, "$") {
		return len(v) >= 26 && strings.Count(v, "$") >= 2 && !standsIn(v)
	}
	if n := len(v); n != 32 && n != 40 && n != 56 && n != 64 && n != 96 && n != 128 {
		return false
	}
	return onlyHex(v) && entropy(v) > 2.8 && !standsIn(v)
}

// digestNames are functions and things whose values are no passwords' hashes.
var digestNames = map[string]bool{
	"sha256": true, "sha-256": true, "sha512": true, "sha-512": true, "sha1": true, "sha-1": true, "sha384": true, "md5": true, "blake3": true,
	"digest": true, "btih": true, "commit": true, "sha": true, "checksum": true, "etag": true, "fingerprint": true, "md5sum": true, "tree": true,
	"blake2b": true, "rev": true, "id": true, "hash": true, "integrity": true, "sha3": true, "prüfsumme": true,
}

// hash keeps a hexadecimal run of a hash's length that stands as in a dump:
// alone on its line, or after a colon. Checksums and commits stand before a name
// or a message, or after the name of their function.
func (s *scanner) hash(start, end int) {
	switch end - start {
	case 32, 40, 64, 128:
	default:
		return
	}
	t := s.text
	if end < len(t) && strings.IndexByte("\r\n:;,|\t'\"", t[end]) < 0 {
		return
	}
	if start > 0 && strings.IndexByte("\n:;,|\t'\"", t[start-1]) < 0 {
		return
	}
	letters, digits := false, false
	for k := start; k < end; k++ {
		letters, digits = letters || !digit(t[k]), digits || digit(t[k])
	}
	if !letters || !digits {
		return
	}
	if end-start == 32 && end+33 <= len(t) && t[end] == ':' && onlyHex(t[end+1:end+33]) && s.ntlm(start, end) {
		return
	}
	owned := false
	if start > 1 && t[start-1] != '\n' {
		from := start - 1
		for from > 0 && start-from < 40 && (alnum(t[from-1]) || strings.IndexByte("-_.", t[from-1]) >= 0) {
			from--
		}
		name := low(t[from : start-1])
		if digestNames[name] || strings.Count(name, ".") > 1 || fileName(name) {
			return
		}
		owned = len(name) > 1 && !onlyHex(name)
	}
	if len(s.hashes) < s.most {
		s.hashes = append(s.hashes, hashRun{start, end, owned})
	}
}

// fileName says whether a name ends as files do.
func fileName(n string) bool {
	for _, e := range []string{".gz", ".zip", ".iso", ".exe", ".deb", ".rpm", ".img", ".xz", ".apk", ".dmg", ".msi", ".tar", ".bz2", ".jar", ".pdf", ".whl", ".go", ".js"} {
		if strings.HasSuffix(n, e) {
			return true
		}
	}
	return false
}

// The hashes of the empty password, and of none.
const (
	noLM   = "aad3b435b51404eeaad3b435b51404ee"
	noNTLM = "31d6cfe0d16ae931b73c59d7e0c089c0"
)

// ntlm finds the two hashes of a line of a dump of Windows accounts.
// ref: Microsoft [MS-SAMR] §3.1.1.6 (the hashes), pwdump (the line)
func (s *scanner) ntlm(start, end int) bool {
	t := s.text
	to := end + 33
	if to < len(t) && t[to] != ':' && t[to] > ' ' || low(t[end+1:to]) == noNTLM {
		return false
	}
	f := Finding{Start: start, End: to, Rule: "password-hash", Weight: 2.6, Note: "hashes of a Windows password", Secrets: [][2]int{{end + 1, to}}}
	if low(t[start:end]) != noLM {
		f.Secrets = [][2]int{{start, end}, {end + 1, to}}
	}
	s.add(f)
	return true
}

// mysqlHash finds "*" and 40 capital hexadecimal digits.
// ref: MySQL 8.0 reference manual, "PASSWORD hashing" (mysql_native_password)
func (s *scanner) mysqlHash(i int) {
	t := s.text
	if i > 0 && alnum(t[i-1]) {
		return
	}
	k := i + 1
	for k < len(t) && k-i <= 41 && isHex(t[k]) && (digit(t[k]) || upper(t[k])) {
		k++
	}
	if k-i != 41 || k < len(t) && alnum(t[k]) || entropy(t[i+1:k]) < 2.9 {
		return
	}
	s.secret(i, k, "password-hash", 1.6, "hash of a MySQL password")
}

// cryptForms are the forms of crypt, with their least length.
// ref: crypt(5) of libxcrypt, PHC string format
var cryptForms = []struct {
	prefix string
	min    int
}{
	{"$2a$", 60}, {"$2b$", 60}, {"$2y$", 60}, {"$2x$", 60}, {"$argon2", 60}, {"$6$", 90}, {"$5$", 50}, {"$1$", 26}, {"$y$", 50}, {"$7$", 50},
	{"$P$", 34}, {"$H$", 34}, {"$S$", 50}, {"$apr1$", 30}, {"$sha1$", 30}, {"$scrypt$", 50}, {"$pbkdf2", 50}, {"$krb5", 60}, {"$DCC2$", 36},
	{"$gy$", 50},
}

// crypt finds hashes in crypt's form, as "$2b$12$…".
func (s *scanner) crypt(i int) {
	t := s.text[i:]
	for _, p := range cryptForms {
		if !strings.HasPrefix(t, p.prefix) {
			continue
		}
		n := 0
		for n < len(t) && n < 600 && (alnum(t[n]) || strings.IndexByte("$./+=,-_*@#", t[n]) >= 0) {
			n++
		}
		for n > 0 && (t[n-1] == '.' && n > p.min || t[n-1] == ',') {
			n--
		}
		if n < p.min || entropy(t[len(p.prefix):n]) < 3.5 || strings.Contains(low(t[:n]), "example") || strings.Contains(t[:n], "....") {
			return
		}
		s.add(Finding{
			Start: i, End: i + n, Rule: "password-hash", Weight: 1.6, Note: "hash of a password",
			Secrets: [][2]int{{i + len(p.prefix), i + n}},
		})
		return
	}
}

// checksumWords stand where hashes are of files and commits.
var checksumWords = []string{
	"commit", "git", "checksum", "sha256", "sha-256", "sha1", "sha512", "release", "cherry", "torrent", "magnet", "ipfs", "docker", "digest",
	"download", "prüfsumme", "somme de contrôle", "suma de", "iso", "merkle", "block", "tx", "etag", "cache", "bisect", "ioc", "malware",
	"virustotal", "sample", "md5sum", "verify", "build", "revision", "nonce", "チェックサム", "校验", "コミット", "체크섬", "контрольн", "fingerprint",
	"transaction", "firmware", "integrity", "trace", "changeset",
}

// settleHashes makes a dump of three or more different hashes of one length,
// and of single ones that have an owner where leaks or passwords are spoken of.
func (s *scanner) settleHashes() {
	if len(s.hashes) == 0 {
		return
	}
	files := s.near(0, len(s.text), 0, 0, checksumWords)
	for _, size := range [...]int{32, 40, 64, 128} {
		f := Finding{Rule: "hash-dump", Weight: 2.6, Note: "several hashes of one length, as in a dump"}
		distinct := map[string]bool{}
		owned := 0
		for _, h := range s.hashes {
			v := s.text[h.start:h.end]
			if h.end-h.start != size || distinct[v] {
				continue
			}
			distinct[v] = true
			if len(f.Secrets) == 0 {
				f.Start = h.start
			}
			f.End = h.end
			f.Secrets = append(f.Secrets, [2]int{h.start, h.end})
			if h.owned {
				owned++
			}
		}
		n := len(f.Secrets)
		switch {
		case n == 0 || files && owned*2 < n:
			continue
		case n >= 3 && (size == 32 || owned*2 >= n):
		case n >= 3:
			f.Weight = 1.6 // commits and checksums look the same
		case owned == n:
			f.Weight, f.Note = 1.1, "a name with a hash"
		default:
			continue
		}
		if s.near(0, len(s.text), 0, 0, passTalk) {
			f.Weight = max(f.Weight, 2.4)
		}
		s.add(f)
	}
}

// passTalk stands where hashes are of passwords.
var passTalk = []string{"password", "passwort", "hashes", "crack", "hashcat", "ntlm", "contraseña", "mot de passe", "пароль", "пароли", "パスワード", "密码", "senha", "login"}
