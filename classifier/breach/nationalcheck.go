package breach

// idDocumented are the numbers that documentation shows, without signs.
var idDocumented = map[string]bool{
	"123456789": true, "078051120": true, "219099999": true, "457555462": true, "987654321": true, "111223333": true, "123456782": true,
	"12345678Z": true, "00000000T": true, "00000001R": true, "99999999R": true, "11111111H": true, "X1234567L": true, "X0000000T": true,
	"Y1234567X": true, "Z1234567R": true, "12345678909": true, "11144477735": true, "52998224725": true, "11222333000181": true,
	"11444777000161": true, "44051401359": true, "02070803628": true, "90090515836": true, "44051401458": true, "131052308T": true,
	"010101123N": true, "311280888Y": true, "8112289874": true, "6408233234": true, "6709199530": true, "198112289874": true, "121212121212": true,
	"191212121212": true, "1212121212": true, "85073003328": true, "9434765919": true, "9434765870": true, "4010232137": true, "9999999999": true,
	"RSSMRA85T10A562S": true, "RSSMRA80A01H501U": true, "RSSMRA70A01L726S": true, "MRTMTT25D09F205Z": true, "RSSMRA85M01H501Z": true,
	"RSSMRA80A01F205X": true, "BNCRSS80A01H501K": true, "255081416802538": true, "151024610204325": true, "184127645108946": true,
	"86095742719": true, "47036892816": true, "65929970489": true, "57549285017": true, "25768131411": true, "10000000146": true,
	"11010519491231002X": true, "440524188001010014": true, "110101199003078515": true, "11010119900307395X": true, "234123412346": true,
	"999999990019": true, "499118665246": true, "9001011234567": true, "123456785": true, "760864285": true, "301112345": true,
	"123456789018": true, "7569217076985": true, "7561234567897": true, "64082332": true,
}

// number is the value of digits.
func value(d []byte) int {
	v := 0
	for _, c := range d {
		v = v*10 + int(c-'0')
	}
	return v
}

// date says whether month and day are possible.
func date(month, day int) bool { return month >= 1 && month <= 12 && day >= 1 && day <= 31 }

// ref: SSA, "Social Security Number Randomization"
func checkSSN(d []byte) bool {
	area := value(d[:3])
	return area != 0 && area != 666 && area < 900 && value(d[3:5]) != 0 && value(d[5:]) != 0
}

// weigh is the sum of digits times weights.
func weigh(d []byte, weights ...int) int {
	sum := 0
	for k, w := range weights {
		sum += int(d[k]-'0') * w
	}
	return sum
}

// check11 is the digit 11 − sum mod 11, with 10 and 11 as 0.
func check11(sum int) byte {
	if r := sum % 11; r >= 2 {
		return byte(11-r) + '0'
	}
	return '0'
}

// ref: Receita Federal, IN RFB 1548/2015
func checkCPF(d []byte) bool {
	return check11(weigh(d, 10, 9, 8, 7, 6, 5, 4, 3, 2)) == d[9] && check11(weigh(d, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2)) == d[10]
}

// ref: Receita Federal, IN RFB 2119/2022
func checkCNPJ(d []byte) bool {
	return check11(weigh(d, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)) == d[12] && check11(weigh(d, 6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)) == d[13]
}

// ref: Real Decreto 1553/2005 (DNI), Orden INT/2058/2008 (NIE)
func checkDNI(d []byte) bool {
	if len(d) != 9 {
		return false
	}
	b := [8]byte(d[:8])
	if b[0] >= 'X' && b[0] <= 'Z' {
		b[0] -= 'X' - '0'
	}
	for _, c := range b {
		if !digit(c) {
			return false
		}
	}
	return "TRWAGMYFPDXBNJZSQVHLCKE"[value(b[:])%23] == d[8]
}

// ref: Decreto Ministeriale 23 dicembre 1976
func checkFiscale(d []byte) bool {
	const form = "LLLLLLNNLNNLNNNL"
	odd := [36]int{1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23}
	sum := 0
	for k, c := range d {
		if (form[k] == 'L') != upper(c) {
			return false
		}
		v := int(c - '0')
		if upper(c) {
			v = int(c-'A') + 10
		}
		switch {
		case k == 15:
		case k%2 == 0:
			sum += odd[v]
		case v >= 10:
			sum += v - 10
		default:
			sum += v
		}
	}
	months := "ABCDEHLMPRST"
	month := false
	for k := range len(months) {
		month = month || months[k] == d[8]
	}
	day := value(d[9:11])
	return month && (day >= 1 && day <= 31 || day >= 41 && day <= 71) && byte(sum%26)+'A' == d[15]
}

// ref: INSEE, numéro d'inscription au répertoire
func checkNIR(d []byte) bool {
	month := value(d[3:5])
	return (d[0] == '1' || d[0] == '2') && (month >= 1 && month <= 12 || month >= 20 && month <= 42) && 97-value(d[:13])%97 == value(d[13:])
}

// ref: Bundeszentralamt für Steuern, Prüfziffernverfahren (ISO 7064 MOD 11,10)
func checkSteuer(d []byte) bool {
	if d[0] == '0' {
		return false
	}
	var counts [10]int
	product := 10
	for _, c := range d[:10] {
		counts[c-'0']++
		sum := (int(c-'0') + product) % 10
		if sum == 0 {
			sum = 10
		}
		product = sum * 2 % 11
	}
	more := 0
	for _, n := range counts {
		if n > 3 {
			return false
		}
		if n > 1 {
			more++
		}
	}
	return more == 1 && byte((11-product)%10)+'0' == d[10]
}

// ref: Rijksdienst voor Identiteitsgegevens, elfproef
func checkBSN(d []byte) bool {
	return value(d) > 9999999 && weigh(d, 9, 8, 7, 6, 5, 4, 3, 2, -1)%11 == 0
}

// ref: Ustawa o ewidencji ludności, art. 15
func checkPESEL(d []byte) bool {
	return date(value(d[2:4])%20, value(d[4:6])) && (10-weigh(d, 1, 3, 7, 9, 1, 3, 7, 9, 1, 3)%10)%10 == int(d[10]-'0')
}

// ref: Skatteverket SKV 704
func checkPersonnummer(d []byte) bool {
	if len(d) == 12 {
		if c := value(d[:2]); c != 19 && c != 20 {
			return false
		}
		d = d[2:]
	}
	day := value(d[4:6])
	return len(d) == 10 && (date(value(d[2:4]), day) || date(value(d[2:4]), day-60)) && luhnText(d)
}

func luhnText(d []byte) bool {
	var v [20]byte
	for k, c := range d {
		v[k] = c - '0'
	}
	return luhn(v[:len(d)])
}

// ref: Digi- ja väestötietovirasto, henkilötunnus
func checkHETU(d []byte) bool {
	if len(d) != 10 {
		return false
	}
	for _, c := range d[:9] {
		if !digit(c) {
			return false
		}
	}
	return date(value(d[2:4]), value(d[:2])) && "0123456789ABCDEFHJKLMNPRSTUVWXY"[value(d[:9])%31] == d[9]
}

// ref: Koninklijk besluit van 3 april 1984
func checkBelgian(d []byte) bool {
	if !date(value(d[2:4]), value(d[4:6])) {
		return false
	}
	v, c := value(d[:9]), value(d[9:])
	return 97-v%97 == c || 97-(v+2000000000)%97 == c
}

// ref: 行政手続における特定の個人を識別するための番号の利用等に関する法律施行令 §8
func checkMyNumber(d []byte) bool {
	sum := weigh(d, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
	return check11(sum) == d[11]
}

// ref: 주민등록법 시행규칙 §2
func checkKorean(d []byte) bool {
	return date(value(d[2:4]), value(d[4:6])) && d[6] >= '1' && d[6] <= '8' &&
		(11-weigh(d, 2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)%11)%10 == int(d[12]-'0')
}

// ref: GB 11643-1999
func checkChinese(d []byte) bool {
	for _, c := range d[:17] {
		if !digit(c) {
			return false
		}
	}
	year := value(d[6:10])
	return d[0] != '0' && d[0] != '9' && year >= 1900 && year <= 2030 && date(value(d[10:12]), value(d[12:14])) &&
		"10X98765432"[weigh(d, 7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)%11] == d[17]
}

// The tables of Verhoeff's scheme.
var (
	verhoeffProduct = [10]string{
		"0123456789", "1234067895", "2340178956", "3401289567", "4012395678", "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
	}
	verhoeffTurn = [8]string{"0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258"}
)

// ref: UIDAI; J. Verhoeff, "Error Detecting Decimal Codes" (1969)
func checkAadhaar(d []byte) bool {
	c := byte('0')
	for k := range d {
		c = verhoeffProduct[c-'0'][verhoeffTurn[k%8][d[len(d)-1-k]-'0']-'0']
	}
	return c == '0' && d[0] > '1'
}

// ref: Nüfus ve Vatandaşlık İşleri Genel Müdürlüğü
func checkTCKN(d []byte) bool {
	odd := weigh(d, 1, 0, 1, 0, 1, 0, 1, 0, 1)
	even := weigh(d, 0, 1, 0, 1, 0, 1, 0, 1, 0)
	return d[0] != '0' && ((odd*7-even)%10+10)%10 == int(d[9]-'0') && (odd+even+int(d[9]-'0'))%10 == int(d[10]-'0')
}

// ref: Servicio de Registro Civil e Identificación (módulo 11)
func checkRUT(d []byte) bool {
	sum, w := 0, 2
	for k := len(d) - 2; k >= 0; k-- {
		sum += int(d[k]-'0') * w
		if w++; w > 7 {
			w = 2
		}
	}
	return "0K987654321"[sum%11] == d[len(d)-1] && value(d[:len(d)-1]) > 1000000
}

// ref: NHS Data Dictionary, NHS NUMBER
func checkNHS(d []byte) bool {
	c := 11 - weigh(d, 10, 9, 8, 7, 6, 5, 4, 3, 2)%11
	return c != 10 && c%11 == int(d[9]-'0')
}

// ref: Skatteetaten, fødselsnummer
func checkNorwegian(d []byte) bool {
	day, month := value(d[:2]), value(d[2:4])
	return date(month%40, day%40) && weigh(d, 3, 7, 6, 1, 8, 9, 4, 5, 2, 1, 0)%11 == 0 && weigh(d, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)%11 == 0
}

// ref: ZAS, AHV-Nummer (EAN-13)
func checkAHV(d []byte) bool {
	return value(d[:3]) == 756 && weigh(d, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1)%10 == 0
}
