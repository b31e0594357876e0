package breach

import "strings"

// card finds payment card numbers that begin at i: 13 to 19 digits, together or
// in the groups that are printed on cards, with the issuer's range and checksum.
// ref: ISO/IEC 7812-1 annex B (Luhn)
func (s *scanner) card(i int) bool {
	t := s.text
	if i > 0 && strings.IndexByte(".,+#_/=", t[i-1]) >= 0 && i > 1 && t[i-1] != ' ' {
		if t[i-1] != '=' && t[i-1] != ',' {
			return false
		}
	}
	var digits [20]byte
	var groups [8]int
	n, g, at := 0, 0, i
	var sep byte
	for at < len(t) {
		switch c := t[at]; {
		case digit(c):
			if n == 19 {
				return false
			}
			digits[n] = c - '0'
			n++
			groups[g]++
			at++
			continue
		case (c == ' ' || c == '-') && (sep == 0 || sep == c) && at+1 < len(t) && digit(t[at+1]) && g+1 < len(groups) && groups[g] >= 4:
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
func issued(d []byte) bool {
	n := len(d)
	p2 := int(d[0])*10 + int(d[1])
	p3 := p2*10 + int(d[2])
	p4 := p3*10 + int(d[3])
	switch {
	case d[0] == 4:
		return n == 13 || n == 16 || n == 19
	case p2 >= 51 && p2 <= 55, p4 >= 2221 && p4 <= 2720:
		return n == 16
	case p2 == 34, p2 == 37:
		return n == 15
	case p4 == 6011, p2 == 65, p3 >= 644 && p3 <= 649, p2 == 62, p4 >= 3528 && p4 <= 3589:
		return n >= 16
	case p3 >= 300 && p3 <= 305, p2 == 36, p2 == 38:
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
	"4532015112830366": true, "4539578763621486": true, "4716108999716531": true,
}

// testCard says whether a number is for tests: one of the known, or with too few
// different digits.
func testCard(d []byte) bool {
	var b [20]byte
	seen, longest, run := 0, 0, 0
	for k, v := range d {
		b[k] = v + '0'
		seen |= 1 << v
		if k > 0 && d[k-1] == v {
			run++
		} else {
			run = 1
		}
		longest = max(longest, run)
	}
	distinct := 0
	for ; seen > 0; seen &= seen - 1 {
		distinct++
	}
	return distinct < 4 || longest >= 6 || testCards[string(b[:len(d)])]
}

// cardWords make a number with the right checksum a card number.
var cardWords = []string{
	"card", "visa", "mastercard", "amex", "cvv", "cvc", "exp", "karte", "kreditkarte", "tarjeta", "carte", "cartão", "carta di credito",
	"カード", "카드", "بطاقة",
}

// settleCards weighs card numbers by what stands around them: one in ten numbers
// of that length has the right checksum.
func (s *scanner) settleCards() {
	for i := range s.found {
		f := &s.found[i]
		if f.Rule != "card" {
			continue
		}
		f.Weight = 1
		if f.End-f.Start > 16 { // grouped as on a card
			f.Weight = 2.2
		}
		around := strings.ToLower(s.text[max(0, f.Start-60):f.Start] + " " + s.text[f.End:min(len(s.text), f.End+60)])
		for _, w := range cardWords {
			if strings.Contains(around, w) {
				f.Weight += 1.4
				break
			}
		}
		if t := s.text[f.End:]; len(t) > 6 && (t[0] == '|' || t[0] == ':') && digit(t[1]) && digit(t[2]) {
			f.Weight += 1.6 // number|month|year|cvv
			f.Note = "payment card number with its date"
		}
	}
}

// ibanLength is the length of account numbers by country.
// ref: ISO 13616, SWIFT IBAN registry
var ibanLength = map[string]int{
	"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28, "CH": 21, "CR": 22,
	"CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22,
	"GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20,
	"LB": 28, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MT": 31, "NL": 18, "NO": 15, "PK": 24,
	"PL": 28, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TN": 24, "TR": 26, "UA": 29,
	"XK": 20,
}

// ibanDocumented are the account numbers that documentation shows.
var ibanDocumented = map[string]bool{
	"DE89370400440532013000": true, "GB29NWBK60161331926819": true, "GB82WEST12345698765432": true, "FR1420041010050500013M02606": true,
	"ES9121000418450200051332": true, "IT60X0542811101000000123456": true, "NL91ABNA0417164300": true, "CH9300762011623852957": true,
	"AT611904300234573201": true, "BE68539007547034": true, "PL61109010140000071219812874": true, "SE4550000000058398257466": true,
	"FR7630006000011234567890189": true, "DE75512108001245126199": true, "NO9386011117947": true, "DK5000400440116243": true,
	"FI2112345600000785": true, "IE29AIBK93115212345678": true, "PT50000201231234567890154": true, "GB33BUKB20201555555555": true,
}

// iban finds bank account numbers that begin at i. A single one is often meant
// for donations: it weighs little.
func (s *scanner) iban(i int) bool {
	t := s.text
	if i+15 > len(t) || !upper(t[i]) || !upper(t[i+1]) || !digit(t[i+2]) || !digit(t[i+3]) {
		return false
	}
	want := ibanLength[t[i:i+2]]
	if want == 0 {
		return false
	}
	var b [34]byte
	n, at := 0, i
	for at < len(t) && n < want {
		c := t[at]
		if c == ' ' && n%4 == 0 && n > 0 && t[at-1] != ' ' {
			at++
			continue
		}
		if !digit(c) && !upper(c) {
			return false
		}
		b[n] = c
		n++
		at++
	}
	if n != want || at < len(t) && alnum(t[at]) || !mod97(b[:n]) || ibanDocumented[string(b[:n])] {
		return false
	}
	s.secret(i, at, "iban", 1.1, "bank account number, checksum right")
	return true
}

// mod97 checks an account number.
// ref: ISO 7064 MOD 97-10
func mod97(b []byte) bool {
	rest := 0
	for k := range b {
		c := b[(k+4)%len(b)]
		if digit(c) {
			rest = (rest*10 + int(c-'0')) % 97
		} else {
			rest = (rest*100 + int(c-'A') + 10) % 97
		}
	}
	return rest == 1
}
