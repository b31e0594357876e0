package breach

import "strings"

// pem finds private keys in PEM and in armour, of OpenSSH and of SSH2.
// ref: RFC 7468 §2, RFC 9580 §6.2, RFC 4716 §3
func (s *scanner) pem(i int) {
	t := s.text[i:]
	if !strings.HasPrefix(t, "-----BEGIN ") && !strings.HasPrefix(t, "---- BEGIN SSH2 ENCRYPTED PRIVATE") {
		return
	}
	line := t[10:min(len(t), 70)]
	k := strings.Index(line, "----")
	if k < 0 {
		return
	}
	name := strings.TrimRight(line[:k], " -")
	if !strings.HasSuffix(name, "PRIVATE KEY") && !strings.HasSuffix(name, "PRIVATE KEY BLOCK") {
		return
	}
	from := i + 10 + k
	for from < len(s.text) && s.text[from] == '-' {
		from++
	}
	to, body := s.armoured(from, 16384)
	if body < 40 || standsIn(s.text[from:min(to, from+80)]) || entropy(s.text[from:min(to, from+200)]) < 3.2 {
		s.add(Finding{Start: i, End: from, Rule: "private-key-header", Weight: 0.6, Note: "head of a private key, without the key"})
		return
	}
	if end := strings.Index(s.text[to:min(len(s.text), to+60)], "KEY"); end >= 0 {
		s.add(Finding{Start: i, End: to + end + 3, Rule: "private-key", Weight: 6, Note: "private key", Secrets: [][2]int{{from, to}}})
		return
	}
	s.add(Finding{Start: i, End: to, Rule: "private-key", Weight: 6, Note: "private key", Secrets: [][2]int{{from, to}}})
}

// armoured is the end of what may be the body of a key, heads included, and how
// many characters of base64 it has.
func (s *scanner) armoured(from, most int) (to, body int) {
	t := s.text
	for to = from; to < len(t) && to-from < most; to++ {
		c := t[to]
		if c == '-' && strings.HasPrefix(t[to:], "----") || c >= 0x80 {
			break
		}
		if alnum(c) || c == '+' || c == '/' {
			body++
		}
	}
	for to > from && t[to-1] <= ' ' {
		to--
	}
	return to, body
}

// putty finds private keys in PuTTY's form.
// ref: PuTTY manual, appendix C
func (s *scanner) putty(i int) {
	t := s.text[i:min(len(s.text), i+4096)]
	k := strings.Index(t, "Private-Lines:")
	if k < 0 {
		return
	}
	from := k + len("Private-Lines:")
	to := strings.Index(t[from:], "Private-M")
	if to < 0 {
		to = len(t)
	} else {
		to += from
	}
	for to > from && t[to-1] <= ' ' {
		to--
	}
	if to-from < 40 || entropy(t[from:to]) < 3.4 || strings.Contains(t[from:to], "...") {
		return
	}
	s.add(Finding{Start: i, End: i + to, Rule: "private-key", Weight: 6, Note: "private key of PuTTY", Secrets: [][2]int{{i + from, i + to}}})
}
