package breach_test

import (
	"strings"
	"testing"

	"hark/classifier"
	"hark/classifier/breach"
)

// TestNationalNumbers: announced and right it is one, with another digit (SSN:
// with an area that is never given) it is none, alone it stays below the threshold.
func TestNationalNumbers(t *testing.T) {
	for _, c := range []struct{ kind, word, number string }{
		{"SSN", "ssn", "361-55-9684"},
		{"CPF", "cpf", "073.021.573-32"},
		{"CPF without signs", "cpf", "68193036450"},
		{"DNI", "dni", "34437781L"},
		{"NIE", "nie", "Y8686862Y"},
		{"codice fiscale", "codice fiscale", "RRNDDB55B05D322A"},
		{"NIR", "sécurité sociale", "1 63 06 33 482 496 27"},
		{"Steuer-ID", "Steuer-ID", "70 945 134 684"},
		{"BSN", "bsn", "364233679"},
		{"PESEL", "pesel", "97081285840"},
		{"personnummer", "personnummer", "940804-9543"},
		{"HETU", "hetu", "030747-215M"},
		{"Belgium", "registre national", "66.09.20-372.89"},
		{"My Number", "マイナンバー", "2548 1454 2124"},
		{"Korea", "주민등록번호", "911210-2201981"},
		{"China", "身份证", "330106197001085475"},
		{"Aadhaar", "aadhaar", "7945 2669 8572"},
		{"TCKN", "TC kimlik", "39697329132"},
		{"RUT", "rut", "17.781.500-4"},
		{"NHS", "nhs number", "461 599 8252"},
		{"AHV", "AHV", "756.9666.3747.62"},
		{"fødselsnummer", "fødselsnummer", "13038894441"},
	} {
		if v := score(c.word + " " + c.number); v < classifier.DefaultThreshold {
			t.Errorf("%s: %s scores %.2f", c.kind, c.number, v)
		}
		if m := breach.Mask(c.word + ": " + c.number); strings.Contains(m, c.number) {
			t.Errorf("%s: %q is not masked", c.kind, m)
		}
		if v := score("it was " + c.number + " then"); v >= classifier.DefaultThreshold {
			t.Errorf("%s: alone %s scores %.2f", c.kind, c.number, v)
		}
		wrong := "9" + c.number[1:]
		if c.kind != "SSN" {
			k := strings.IndexAny(c.number[2:], "0123456789") + 2
			wrong = c.number[:k] + string('0'+(c.number[k]-'0'+1)%10) + c.number[k+1:]
		}
		if v := score(c.word + " " + wrong); v >= classifier.DefaultThreshold {
			t.Errorf("%s: %s scores %.2f", c.kind, wrong, v)
		}
	}
}
