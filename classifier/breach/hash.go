package breach

import "strings"

// hashRun is a run of hexadecimal digits that may be a password's hash.
type hashRun struct{ start, end int }

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
	if end < len(t) && strings.IndexByte("\r\n:;,|", t[end]) < 0 {
		return
	}
	if start > 0 && strings.IndexByte("\n:;,|", t[start-1]) < 0 {
		return
	}
	letters, digits := false, false
	for k := start; k < end; k++ {
		letters, digits = letters || !digit(t[k]), digits || digit(t[k])
	}
	if !letters || !digits {
		return
	}
	if start > 0 && t[start-1] == ':' {
		from := start - 1
		for from > 0 && start-from < 10 && (alnum(t[from-1]) || t[from-1] == '-') {
			from--
		}
		switch strings.ToLower(t[from : start-1]) {
		case "sha256", "sha-256", "sha512", "sha-512", "sha1", "sha-1", "md5", "blake3", "digest":
			return
		}
	}
	if len(s.hashes) < maxFindings {
		s.hashes = append(s.hashes, hashRun{start, end})
	}
}

// crypt finds hashes in crypt's form, as "$2b$12$…".
func (s *scanner) crypt(i int) {
	t := s.text[i:]
	for _, p := range []struct {
		prefix string
		min    int
	}{
		{"$2a$", 60}, {"$2b$", 60}, {"$2y$", 60}, {"$argon2", 60}, {"$6$", 90}, {"$5$", 50}, {"$1$", 26}, {"$y$", 50}, {"$P$", 34}, {"$apr1$", 30},
	} {
		if !strings.HasPrefix(t, p.prefix) {
			continue
		}
		n := 0
		for n < len(t) && n < 200 && (alnum(t[n]) || strings.IndexByte("$./+=,-_", t[n]) >= 0) {
			n++
		}
		if n < p.min {
			return
		}
		s.add(Finding{
			Start: i, End: i + n, Rule: "password-hash", Weight: 1.6, Note: "hash of a password",
			Secrets: [][2]int{{i + len(p.prefix), i + n}},
		})
		return
	}
}

// settleHashes makes a dump of three or more different hashes of one length.
func (s *scanner) settleHashes() {
	for _, size := range []int{32, 40, 64, 128} {
		var runs []hashRun
		distinct := map[string]bool{}
		for _, h := range s.hashes {
			if h.end-h.start == size && !distinct[s.text[h.start:h.end]] {
				distinct[s.text[h.start:h.end]] = true
				runs = append(runs, h)
			}
		}
		if len(runs) < 3 {
			continue
		}
		f := Finding{
			Start: runs[0].start, End: runs[len(runs)-1].end, Rule: "hash-dump", Weight: 2.6,
			Note: "several hashes of one length, as in a dump",
		}
		for _, h := range runs {
			f.Secrets = append(f.Secrets, [2]int{h.start, h.end})
		}
		if len(s.found) < maxFindings {
			s.found = append(s.found, f)
		}
	}
}
