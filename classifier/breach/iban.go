package breach

// ibanLength is the length of account numbers by country.
// ref: ISO 13616, SWIFT IBAN registry release 99
var ibanLength = map[string]int{
	"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29, "BY": 28, "CH": 21, "CR": 22,
	"CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22,
	"GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30,
	"KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20,
	"MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22,
	"RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26,
	"UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}

// ibanDocumented are the account numbers that documentation shows.
var ibanDocumented = map[string]bool{
	"DE89370400440532013000": true, "GB29NWBK60161331926819": true, "GB82WEST12345698765432": true, "FR1420041010050500013M02606": true,
	"ES9121000418450200051332": true, "IT60X0542811101000000123456": true, "NL91ABNA0417164300": true, "CH9300762011623852957": true,
	"AT611904300234573201": true, "BE68539007547034": true, "PL61109010140000071219812874": true, "SE4550000000058398257466": true,
	"FR7630006000011234567890189": true, "DE75512108001245126199": true, "NO9386011117947": true, "DK5000400440116243": true,
	"FI2112345600000785": true, "IE29AIBK93115212345678": true, "PT50000201231234567890154": true, "GB33BUKB20201555555555": true,
	"CZ6508000000192000145399": true, "GR1601101250000000012300695": true, "HU42117730161111101800000000": true, "LU280019400644750000": true,
	"SK3112000000198742637541": true, "TR330006100519786457841326": true, "NL02ABNA0123456789": true, "BE71096123456769": true,
	"ES7921000813610123456789": true, "IT60X0542811101000000654321": true, "CH5604835012345678009": true, "DK9520000123456789": true,
	"EE471000001020145685": true, "FI1410093000123458": true, "IE64IRCE92050112345678": true, "LT601010012345678901": true,
	"NO8330001234567": true, "PL10105000997603123456789123": true, "PT50002700000001234567833": true, "SE7280000810340009783242": true,
	"GB98MIDL07009312345678": true, "AT483200000012345864": true, "FR7630001007941234567890185": true,
	"SA0380000000608010167519": true, "AE070331234567890123456": true, "BR1800360305000010009795493C1": true, "RO49AAAA1B31007593840000": true,
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
		if (c == ' ' || c == '-') && n%4 == 0 && n > 0 && alnum(t[at-1]) {
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
	if n != want || at < len(t) && alnum(t[at]) || !mod97(b[:n]) || ibanDocumented[string(b[:n])] || monotone(b[4:n]) {
		return false
	}
	s.secret(i, at, "iban", 1.1, "bank account number, checksum right")
	return true
}

// monotone says whether an account number is one for show: of three signs or
// fewer.
func monotone(b []byte) bool {
	var seen [256]bool
	n := 0
	for _, c := range b {
		if !seen[c] {
			seen[c] = true
			n++
		}
	}
	return n < 4
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
