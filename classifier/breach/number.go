package breach

import "strings"

// number looks at the digits from i to end: a card or a national number may
// begin there.
func (s *scanner) number(i, end int) bool {
	t := s.text
	n := end - i
	if n == 1 && (i+2 >= len(t) || !digit(t[i+2]) && t[i+1] != ' ' && t[i+1] != '.') || n > 19 {
		return false
	}
	if i > 0 && strings.IndexByte("+#_/.", t[i-1]) >= 0 && (i < 2 || t[i-1] != '/' || !digit(t[i-2])) {
		return false
	}
	if i > 1 && (t[i-1] == '-' || t[i-1] == ',') && (alnum(t[i-2])) && t[i-1] == '-' {
		return false
	}
	if n == 4 || n >= 13 {
		if s.card(i) {
			return true
		}
	}
	return s.nationalID(i, end)
}

// card finds payment card numbers that begin at i: 13 to 19 digits, together or
// in the groups that are printed on cards, with the issuer's range and checksum.
// ref: ISO/IEC 7812-1 annex B (Luhn)
func (s *scanner) card(i int) bool {
	t := s.text
	var digits [20]byte
	var groups [8]int
	n, g, at := 0, 0, i
	var sep byte
	for at < len(t) {
		c := t[at]
		if digit(c) {
			if n == 19 {
				return false
			}
			digits[n] = c - '0'
			n++
			groups[g]++
			at++
			continue
		}
		if (c == ' ' || c == '-' || c == '.') && (sep == 0 || sep == c) && at+1 < len(t) && digit(t[at+1]) && g+1 < len(groups) && groups[g] >= 4 {
			// What follows the last group is its date, as "4539 … 6467 11/27".
			if done(groups[:g+1], n) {
				break
			}
			sep = c
			g++
			at++
			continue
		}
		break
	}
	if n < 13 || at < len(t) && (alnum(t[at]) || t[at] == '_') || !grouped(groups[:g+1], n) {
		return false
	}
	d := digits[:n]
	if !luhn(d) || !issued(d) || testCard(d) {
		return false
	}
	s.add(Finding{Start: i, End: at, Rule: "card", Weight: 0, Note: "payment card number, checksum right", Secrets: [][2]int{{i, at}}})
	return true
}

// done says whether the groups are those of a whole number already.
func done(groups []int, n int) bool {
	return len(groups) == 4 && n == 16 && groups[0] == 4 || len(groups) == 3 && groups[1] == 6 && n >= 14 || len(groups) == 1 && n >= 13
}

// grouped says whether digits are grouped as on a card: 4-4-4-4, 4-6-5, 4-6-4,
// or not at all.
func grouped(groups []int, n int) bool {
	switch len(groups) {
	case 1:
		return true
	case 3:
		return groups[0] == 4 && groups[1] == 6 && (groups[2] == 5 || groups[2] == 4)
	case 4, 5:
		for _, g := range groups[:3] {
			if g != 4 {
				return false
			}
		}
		return n >= 16 && (len(groups) == 4 || groups[3] == 4)
	}
	return false
}

func luhn(d []byte) bool {
	sum := 0
	for k := range d {
		v := int(d[len(d)-1-k])
		if k%2 == 1 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}

// issued says whether the number is in a range of the large issuers, with their
// lengths.
// ref: ISO/IEC 7812-1, issuers' published ranges
func issued(d []byte) bool {
	n := len(d)
	p2 := int(d[0])*10 + int(d[1])
	p3 := p2*10 + int(d[2])
	p4 := p3*10 + int(d[3])
	switch {
	case d[0] == 4:
		return n == 16 || n == 19 // 13 digits went out of use, and are EANs
	case p2 >= 51 && p2 <= 55, p4 >= 2221 && p4 <= 2720, p4 >= 2200 && p4 <= 2204:
		return n == 16
	case p2 == 34, p2 == 37:
		return n == 15
	case p4 == 6011, p2 == 65, p3 >= 644 && p3 <= 649, p2 == 62, p4 >= 3528 && p4 <= 3589, p2 == 60 && n == 16, p2 == 81 && n == 16:
		return n >= 16
	case p3 >= 300 && p3 <= 305, p2 == 36, p2 == 38, p2 == 39:
		return n == 14
	}
	return false
}

// testCards are the numbers that payment services give to testers.
var testCards = map[string]bool{
	"4111111111111111": true, "4012888888881881": true, "4242424242424242": true, "4000056655665556": true,
	"4000000000000002": true, "4222222222222": true, "4917610000000000": true, "4988438843884305": true,
	"5555555555554444": true, "5105105105105100": true, "5200828282828210": true, "5454545454545454": true,
	"2223003122003222": true, "5431111111111111": true, "5424000000000015": true, "4007000000027": true,
	"378282246310005": true, "371449635398431": true, "378734493671000": true, "341111111111111": true,
	"6011111111111117": true, "6011000990139424": true, "6011000000000012": true, "6200000000000005": true,
	"3530111333300000": true, "3566002020360505": true, "3528000000000007": true, "3566111111111113": true,
	"30569309025904": true, "38520000023237": true, "36148900647913": true, "36227206271667": true,
	"4532015112830366": true, "4539578763621486": true, "4716108999716531": true, "5425233430109903": true,
	"2222420000001113": true, "2223000048410010": true, "4263982640269299": true, "4745023200000000": true, "4917484589897107": true,
	"4001919257537193": true, "4007702835532454": true, "374245455400126": true, "6011000991300009": true, "3566000020000410": true,
	"30569309025905": true, "4701322211111234": true, "4012000033330026": true, "4508750015741019": true, "4035501000000008": true,
	"4360000001000005": true, "5136333333333335": true, "5585558555855583": true, "2222400070000005": true, "4166676667666746": true,
	"4646464646464644": true, "4000020000000000": true, "4000180000000002": true, "5100290029002909": true, "5577000055770004": true,
	"4012001037141112": true, "4917300800000000": true, "4462030000000000": true, "4508034508034509": true, "370000000000002": true,
	"6011601160116611": true, "3569990010095841": true, "4005519200000004": true, "4009348888881881": true, "4500600000000061": true,
	"6304000000000000": true, "5019717010103742": true, "6759649826438453": true, "4485275742308327": true, "5413330089010434": true,
}

// testCard says whether a number is for tests: one of the known, or with too few
// different digits or too long a run.
func testCard(d []byte) bool {
	var b [20]byte
	seen, longest, run, zeros := 0, 0, 0, 0
	for k, v := range d {
		b[k] = v + '0'
		seen |= 1 << v
		if k > 0 && d[k-1] == v {
			run++
		} else {
			run = 1
		}
		longest = max(longest, run)
		if v == 0 {
			zeros++
		}
	}
	distinct := 0
	for ; seen > 0; seen &= seen - 1 {
		distinct++
	}
	return distinct < 4 || longest >= 6 || zeros >= 9 || testCards[string(b[:len(d)])] || strings.Contains(string(b[:len(d)]), "1234567")
}

// cardWords make a number with the right checksum a card number.
var cardWords = []string{
	"card", "visa", "mastercard", "amex", "american express", "cvv", "cvc", "cvn", "exp", "karte", "kreditkarte", "tarjeta", "carte", "cartão", "cartao",
	"carta di credito", "carta", "kaart", "kart", "kort", "kortti", "карт", "カード", "카드", "بطاقة", "卡", "kredit", "cc", "bin", "fullz", "maestro", "валид",
	"luottokort", "kaartnummer", "κάρτα", "कार्ड",
}

// settleCards weighs card numbers by what stands around them: one in ten numbers
// of that length has the right checksum.
func (s *scanner) settleCards() {
	cards := 0
	seen := map[string]bool{}
	for _, f := range s.found {
		if f.Rule == "card" && !seen[s.text[f.Start:f.End]] {
			seen[s.text[f.Start:f.End]] = true
			cards++
		}
	}
	for i := range s.found {
		f := &s.found[i]
		if f.Rule != "card" {
			continue
		}
		f.Weight = 0.9
		if f.End-f.Start > 16 { // grouped as on a card
			f.Weight = 2.2
		}
		if s.near(f.Start, f.End, 60, 60, cardWords) {
			f.Weight += 1.4
		}
		if f.Start > 0 && (s.text[f.Start-1] == ';' || s.text[f.Start-1] == 'B') && f.End < len(s.text) && (s.text[f.End] == '=' || s.text[f.End] == '^') {
			f.Weight, f.Note = 3, "a card's magnetic track"
		}
		if cards >= 3 {
			f.Weight = max(f.Weight, 2.2)
		}
		if t := s.text[f.End:]; expiry(t) {
			f.Weight += 1.6 // number|month|year|cvv
			f.Note = "payment card number with its date"
		}
		if f.Weight >= 2 {
			s.securityCode(f)
		}
		if s.near(f.Start, f.End, 80, 50, exampleWords) {
			f.Weight /= 3
		} else if s.near(f.Start, f.Start, 40, 0, otherNumbers) {
			f.Weight -= 1.2
		}
	}
}

// securityWords announce a card's security code.
var securityWords = []string{"cv", "csc", "prüf", "crypto", "код", "安全", "セキュリティ", "code", "código", "codice", "sicherheit", "보안"}

// securityCode makes the code that follows a card's number or date a secret of
// the finding: three or four digits that stand alone, after a date or a word for it.
func (s *scanner) securityCode(f *Finding) {
	rest := s.text[f.End:min(len(s.text), f.End+48)]
	if k := strings.IndexByte(rest, '\n'); k >= 0 {
		rest = rest[:k]
	}
	dated := expiry(rest)
	for k := 0; k < len(rest); k++ {
		if !digit(rest[k]) {
			continue
		}
		end := k
		for end < len(rest) && digit(rest[end]) {
			end++
		}
		n := end - k
		if n > 4 {
			return
		}
		alone := k == 0 || rest[k-1] != '/' && rest[k-1] != '-' && !letter(rest[k-1])
		if n >= 3 && alone && !(n == 4 && (rest[k:k+2] == "20" || rest[k:k+2] == "19")) &&
			(dated || hasAny(low(rest[:k]), securityWords)) && (end == len(rest) || !alnum(rest[end])) {
			f.Secrets = append(f.Secrets, [2]int{f.End + k, f.End + end})
			f.End += end
			return
		}
		k = end
	}
}

// expiry says whether a text begins with a month and a year, after a sign.
func expiry(t string) bool {
	if len(t) < 5 || strings.IndexByte("|:;, \t=", t[0]) < 0 {
		return false
	}
	t = strings.TrimLeft(t[:min(len(t), 12)], "|:;, \t=")
	if len(t) < 4 || !digit(t[0]) || !digit(t[1]) || t[0] > '1' || t[0] == '1' && t[1] > '2' {
		return false
	}
	if t = t[2:]; strings.IndexByte("|:;/-", t[0]) < 0 || !digit(t[1]) {
		return false
	}
	return true
}
