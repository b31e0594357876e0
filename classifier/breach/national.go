package breach

import "strings"

// The kinds of national numbers.
const (
	idSSN = iota
	idCPF
	idCNPJ
	idDNI
	idNIE
	idFiscale
	idNIR
	idSteuer
	idBSN
	idPESEL
	idPersonnummer
	idHETU
	idBelgian
	idMyNumber
	idKorean
	idChinese
	idAadhaar
	idTCKN
	idRUT
	idNHS
	idNorwegian
	idAHV
	idKinds
)

// idKind is how much a kind of national number weighs: where nothing announces
// it, where its form is its own, and where its name stands beside it.
type idKind struct {
	note                       string
	check                      func(d []byte) bool
	bare, formatted, announced float64
	words                      []string
}

var idKindList [idKinds]idKind

func init() {
	idKindList = [idKinds]idKind{
		idSSN:          {"US social security number", checkSSN, 0, 1.1, 2.3, []string{"ssn", "social security", "social sec", "soc:", "socials"}},
		idCPF:          {"Brazilian CPF, checksum right", checkCPF, 0.4, 1.4, 2.3, []string{"cpf", "cadastro de pessoa"}},
		idCNPJ:         {"Brazilian CNPJ, checksum right", checkCNPJ, 0.2, 0.4, 1.2, nil},
		idDNI:          {"Spanish DNI, letter right", checkDNI, 1.1, 1.1, 2.3, []string{"dni", "nif", "documento", "d.n.i", "identidad"}},
		idNIE:          {"Spanish NIE, letter right", checkDNI, 1.1, 1.1, 2.3, []string{"nie", "n.i.e", "extranjer"}},
		idFiscale:      {"Italian codice fiscale, letter right", checkFiscale, 1.5, 1.5, 2.3, []string{"codice fiscale", "c.f.", "cf", "cod. fisc", "fiscale", "tessera sanitaria"}},
		idNIR:          {"French social security number, checksum right", checkNIR, 1.3, 1.5, 2.3, []string{"nir", "sécu", "secu", "sécurité sociale", "insee", "carte vitale", "numéro ss"}},
		idSteuer:       {"German tax number, checksum right", checkSteuer, 0, 0.9, 2.3, []string{"steuer", "idnr", "tin", "identifikationsnummer", "tax id", "stid"}},
		idBSN:          {"Dutch citizen's number, checksum right", checkBSN, 0, 0.5, 2.3, []string{"bsn", "burgerservice", "sofinummer"}},
		idPESEL:        {"Polish PESEL, checksum right", checkPESEL, 0.4, 0.4, 2.3, []string{"pesel"}},
		idPersonnummer: {"Swedish personnummer, checksum right", checkPersonnummer, 0, 1.1, 2.3, []string{"personnummer", "personnr", "pnr", "personal identity", "samordningsnummer", "p-nr", "födelsenummer"}},
		idHETU:         {"Finnish henkilötunnus, checksum right", checkHETU, 1.3, 1.3, 2.3, []string{"hetu", "henkilötunnu", "sotu", "personbeteckning", "henkilötunnus"}},
		idBelgian:      {"Belgian national number, checksum right", checkBelgian, 0.3, 1.4, 2.3, []string{"rijksregister", "registre national", "national number", "niss", "insz", "rrn", "nationaal nummer", "numéro national", "nn"}},
		idMyNumber:     {"Japanese My Number, checksum right", checkMyNumber, 0, 0.4, 2.3, []string{"マイナンバー", "個人番号", "my number", "mynumber", "個人識別"}},
		idKorean:       {"Korean resident number, checksum right", checkKorean, 0.3, 1.4, 2.3, []string{"주민등록", "주민번호", "주민", "rrn", "resident reg"}},
		idChinese:      {"Chinese resident number, checksum right", checkChinese, 1.5, 1.5, 2.3, []string{"身份证", "身分證", "证件", "公民身份", "id card", "resident id", "id number", "shenfenzheng"}},
		idAadhaar:      {"Indian Aadhaar, checksum right", checkAadhaar, 0, 0.8, 2.3, []string{"aadhaar", "aadhar", "adhar", "आधार", "uidai", "uid"}},
		idTCKN:         {"Turkish identity number, checksum right", checkTCKN, 0.4, 0.4, 2.3, []string{"tckn", "tc kimlik", "kimlik", "t.c.", "tc no", "tc:", "vatandaşlık", "tc"}},
		idRUT:          {"Chilean RUT, checksum right", checkRUT, 0.3, 1, 2.3, []string{"rut", "run", "r.u.t", "cédula", "carnet"}},
		idNHS:          {"UK NHS number, checksum right", checkNHS, 0, 0.2, 2.3, []string{"nhs", "patient"}},
		idNorwegian:    {"Norwegian fødselsnummer, checksum right", checkNorwegian, 0.3, 0.9, 2.3, []string{"fødselsnummer", "fodselsnummer", "fnr", "personnummer", "fødselsnr"}},
		idAHV:          {"Swiss AHV number, checksum right", checkAHV, 0.5, 1.4, 2.3, []string{"ahv", "avs", "sozialversicherung"}},
	}
}

// idForm is a form in which a kind of number is written: counts of digits and
// the signs between them; L is a letter, K a digit, K or X.
type idForm struct {
	kind      int
	form      string
	formatted bool // the form is the kind's own
}

var idForms = []idForm{
	{idSSN, "3-2-4", true}, {idSSN, "3 2 4", false}, {idSSN, "9", false},
	{idCPF, "3.3.3-2", true}, {idCPF, "11", false}, {idCPF, "9-2", false},
	{idCNPJ, "2.3.3/4-2", true}, {idCNPJ, "14", false},
	{idDNI, "8-L", true}, {idDNI, "2.3.3-L", true}, {idDNI, "8 L", false}, {idDNI, "2.3.3L", true},
	{idNIR, "1 2 2 2 3 3 2", true}, {idNIR, "15", false}, {idNIR, "13 2", true},
	{idSteuer, "2 3 3 3", true}, {idSteuer, "11", false},
	{idBSN, "9", false}, {idBSN, "4.2.3", true}, {idBSN, "3.3.3", false}, {idBSN, "4 2 3", false},
	{idPESEL, "11", false},
	{idPersonnummer, "6-4", true}, {idPersonnummer, "8-4", true}, {idPersonnummer, "6+4", true}, {idPersonnummer, "12", false}, {idPersonnummer, "10", false},
	{idHETU, "6-3L", true}, {idHETU, "6-4", true}, {idHETU, "6+3L", true},
	{idBelgian, "2.2.2-3.2", true}, {idBelgian, "11", false},
	{idMyNumber, "4 4 4", false}, {idMyNumber, "4-4-4", false}, {idMyNumber, "12", false},
	{idKorean, "6-7", true}, {idKorean, "13", false},
	{idChinese, "18", true},
	{idAadhaar, "4 4 4", true}, {idAadhaar, "4-4-4", true}, {idAadhaar, "12", false},
	{idTCKN, "11", false},
	{idRUT, "2.3.3-K", true}, {idRUT, "1.3.3-K", true}, {idRUT, "8-K", true}, {idRUT, "7-K", true},
	{idNHS, "3 3 4", false}, {idNHS, "10", false}, {idNHS, "3-3-4", false},
	{idNorwegian, "6 5", true}, {idNorwegian, "11", false},
	{idAHV, "3.4.4.2", true}, {idAHV, "13", false},
}

// formsBy are the forms by the length of their first run of digits.
var formsBy = func() (by [20][]idForm) {
	for _, f := range idForms {
		n := 0
		for k := 0; k < len(f.form) && digit(f.form[k]); k++ {
			n = n*10 + int(f.form[k]-'0')
		}
		by[n] = append(by[n], f)
	}
	return by
}()

// idHit is a number whose checksum is right for a kind.
type idHit struct {
	start, end, kind int
	formatted        bool
	announced        bool
}

// matchForm reads a form at i: the characters of the number without signs.
func matchForm(t string, i int, form string, out *[24]byte) (n, end int) {
	for k := 0; k < len(form); k++ {
		switch c := form[k]; {
		case digit(c):
			count := int(c - '0')
			for k+1 < len(form) && digit(form[k+1]) {
				k++
				count = count*10 + int(form[k]-'0')
			}
			if i+count > len(t) {
				return 0, 0
			}
			for range count {
				if !digit(t[i]) {
					return 0, 0
				}
				out[n] = t[i]
				n++
				i++
			}
			if i < len(t) && digit(t[i]) {
				return 0, 0
			}
		case c == 'L' || c == 'K':
			if i >= len(t) || c == 'L' && !letter(t[i]) || c == 'K' && !digit(t[i]) && t[i]|0x20 != 'k' {
				return 0, 0
			}
			out[n] = t[i]
			if letter(t[i]) {
				out[n] &^= 0x20
			}
			n++
			i++
		default:
			if i >= len(t) || t[i] != c {
				return 0, 0
			}
			i++
		}
	}
	if i < len(t) && (alnum(t[i]) || t[i] == '_' || t[i] == '@' || (t[i] == '-' || t[i] == '/' || t[i] == '.' || t[i] == ',') && i+1 < len(t) && digit(t[i+1])) {
		return 0, 0
	}
	return n, i
}

// nationalID keeps the numbers that begin with the digits from i to end. True:
// it is one for sure, and what follows is not looked at as another number.
func (s *scanner) nationalID(i, end int) bool {
	if end-i >= len(formsBy) {
		return false
	}
	sure := false
	d := &s.digits
	for _, f := range formsBy[end-i] {
		n, to := matchForm(s.text, i, f.form, d)
		if n == 0 {
			continue
		}
		sure = s.identify(f.kind, d[:n], i, to, f.formatted) || sure
	}
	return sure
}

// identify keeps a number if its checksum is right, and counts it if not.
func (s *scanner) identify(kind int, d []byte, i, end int, formatted bool) bool {
	if !idKindList[kind].check(d) || idDocumented[string(d)] || shown(d) {
		s.missed[kind]++
		return false
	}
	if len(s.numbers) < 4*s.most {
		s.numbers = append(s.numbers, idHit{start: i, end: end, kind: kind, formatted: formatted})
	}
	if formatted {
		s.end = max(s.end, end)
	}
	return formatted
}

// mixedID finds the numbers that are one word of letters and digits.
func (s *scanner) mixedID(i, end int) bool {
	w := s.text[i:end]
	var kind int
	switch n := len(w); {
	case n == 16 && letter(w[0]) && letter(w[15]) && digit(w[7]) && letter(w[8]):
		kind = idFiscale
	case n == 9 && digit(w[0]) && digit(w[7]) && letter(w[8]):
		kind = idDNI
	case n == 9 && w[0] >= 'X' && w[0] <= 'Z' && letter(w[8]) && digit(w[1]):
		kind = idNIE
	case n == 11 && digit(w[0]) && digit(w[5]) && letter(w[6]):
		kind = idHETU
	case n == 18 && w[17]|0x20 == 'x' && digit(w[0]):
		kind = idChinese
	default:
		return false
	}
	if i > 0 && strings.IndexByte("-_/#.", s.text[i-1]) >= 0 || end < len(s.text) && (s.text[end] == '-' || s.text[end] == '_') {
		return false
	}
	d := &s.digits
	n := 0
	for k := range len(w) {
		c := w[k]
		if letter(c) {
			c &^= 0x20
		}
		if kind == idHETU && k == 6 {
			continue
		}
		d[n] = c
		n++
	}
	return s.identify(kind, d[:n], i, end, true)
}

// shown says whether a number is one for show: of two signs or fewer, or a
// sequence.
func shown(d []byte) bool {
	seen, up, down := 0, 0, 0
	for k, c := range d {
		if !digit(c) {
			continue
		}
		seen |= 1 << (c - '0')
		if k > 0 {
			if c == d[k-1]+1 || c == '0' && d[k-1] == '9' {
				up++
			}
			if c == d[k-1]-1 {
				down++
			}
		}
	}
	distinct := 0
	for ; seen > 0; seen &= seen - 1 {
		distinct++
	}
	return distinct < 3 || up >= 7 || down >= 7
}

// settleNumbers makes findings of the national numbers: those announced, those
// in their own form, and lists.
func (s *scanner) settleNumbers() {
	if len(s.numbers) == 0 {
		return
	}
	var count, announced [idKinds]int
	for k := range s.numbers {
		h := &s.numbers[k]
		kind := &idKindList[h.kind]
		h.announced = s.near(h.start, h.end, 48, 24, kind.words)
		count[h.kind]++
		if h.announced {
			announced[h.kind]++
		}
	}
	for _, h := range s.numbers {
		kind := &idKindList[h.kind]
		n := count[h.kind]
		weight := kind.bare
		if h.formatted {
			weight = kind.formatted
		}
		if h.announced || announced[h.kind] > 0 && n >= 2 {
			weight = kind.announced
		}
		if n >= 3 && s.missed[h.kind] <= n/4 && weight >= 0.4 {
			weight = max(weight, min(kind.announced, 2.2))
		}
		if s.near(h.start, h.end, 80, 50, exampleWords) || !h.announced && s.near(h.start, h.start, 40, 0, otherNumbers) {
			weight /= 3
		}
		if weight < 0.45 || len(s.found) >= s.most {
			continue // likelier a telephone or an order
		}
		s.add(Finding{Start: h.start, End: h.end, Rule: "national-id", Weight: weight, Note: kind.note, Secrets: [][2]int{{h.start, h.end}}})
	}
	s.oneEach()
}

// oneEach leaves of several national numbers at one place the weightiest.
func (s *scanner) oneEach() {
	kept := s.found[:0]
	for _, f := range s.found {
		if n := len(kept); n > 0 && f.Rule == "national-id" && kept[n-1].Rule == f.Rule && kept[n-1].Start == f.Start {
			if f.Weight > kept[n-1].Weight {
				kept[n-1] = f
			}
			continue
		}
		kept = append(kept, f)
	}
	s.found = kept
}
