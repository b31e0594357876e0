package breach

import "strings"

// lower is the text in ASCII small letters, of the same length.
func (s *scanner) lower() string {
	if s.low == "" {
		s.low = low(s.text)
		s.ascii = ascii(s.text)
	}
	return s.low
}

func ascii(t string) bool {
	for k := range len(t) {
		if t[k] >= 0x80 {
			return false
		}
	}
	return true
}

// near says whether one of the words stands in a finding, so many bytes before
// it or so many after. Words of three ASCII letters and fewer stand alone;
// longer ones begin a word.
func (s *scanner) near(start, end, before, after int, words []string) bool {
	l := s.lower()
	window := l[max(0, start-before):min(len(l), end+after)]
	if end == start {
		window = l[max(0, start-before):start]
	}
	for _, w := range words {
		if (!s.ascii || ascii(w)) && wordAt(window, w) >= 0 {
			return true
		}
	}
	return false
}

func hasWord(window string, words []string) bool {
	for _, w := range words {
		if wordAt(window, w) >= 0 {
			return true
		}
	}
	return false
}

// wordAt is where a word begins in a text; -1 if nowhere.
func wordAt(window, w string) int {
	for from := 0; ; {
		k := strings.Index(window[from:], w)
		if k < 0 {
			return -1
		}
		k += from
		end := k + len(w)
		free := k == 0 || !letter(w[0]) || !letter(window[k-1])
		if len(w) <= 3 && w[0] < 0x80 && end < len(window) && alnum(window[end]) {
			free = false
		}
		if free {
			return k
		}
		from = k + 1
	}
}

// exampleWords stand where something is shown that is not real.
var exampleWords = []string{
	"example", "test card", "test number", "testing", "test data", "dummy", "fake", "fictional", "sample", "placeholder", "not real", "made-up", "made up",
	"demo", "beispiel", "testdaten", "testnummer", "ejemplo", "de prueba", "exemple", "fictif", "esempio", "exemplo", "fictíci", "ficticio",
	"voorbeeld", "przykład", "exempel", "esimerkki", "örnek", "пример", "тестов", "例：", "例:", "ダミー", "サンプル", "テスト", "示例", "例如", "测试",
	"예시", "테스트", "مثال", "specimen", "documentation", "mock", "sandbox", "don't use", "do not use", "never use",
	"tutorial", "regex", "validator", "generator", "xkcd",
}

// guestWords stand where a password is meant for everybody.
var guestWords = []string{
	"wifi", "wi-fi", "wlan", "guest", "gäste", "gast", "invitad", "invité", "ospiti", "hóspede", "visitor", "zoom", "meeting", "webinar", "zip",
	"archive", "unrar", "rar", "gast-", "гост", "вайфай", "ゲスト", "와이파이", "public demo", "passcode", "password manager",
}

// otherNumbers stand where numbers are not of persons or accounts.
var otherNumbers = []string{
	"order", "tracking", "invoice", "bestell", "sendung", "commande", "pedido", "isbn", "imei", "ean", "gtin", "serial", "sku", "ticket", "parcel",
	"paket", "colis", "doi", "issn", "tel", "phone", "call", "fax", "upc", "barcode", "item", "part no", "part number", "artikel", "rechnung",
	"facture", "reference", "ref", "case", "incident", "build", "version", "timestamp", "unix", "epoch", "port", "mac", "firmware", "model",
	"flight", "booking", "voucher", "coupon", "lottery", "isrc", "patent", "docket", "http", "whatsapp", "ordre",
	"номер заказа", "трек", "заказ", "注文", "伝票", "追跡", "订单", "快递", "运单", "주문", "송장", "sipariş", "kargo", "przesył", "zamówie",
	"tilaus", "seuranta", "beställ", "zending", "bestelnummer", "encomenda", "rastrei", "ordine", "spedizione", "envío", "factura", "seguimiento",
}

// leakWords are the talk of leaks. They weigh only beside something found: the
// rules judge talk alone.
var leakWords = []string{
	"leak", "dump", "combo", "fullz", "breach", "pwned", "hacked", "stolen", "doxx", "doxed", "d0x", "carding", "cvv2", "exfil", "ransom", "for sale",
	"fresh logs", "stealer", "database of", "full db", "sql db", "cracked", "compromised", "data of",
	"filtrad", "filtraci", "robad", "hackead", "vazad", "vazamento", "vazou", "roubad", "fuite", "fuité", "piraté", "volé",
	"geleakt", "gestohlen", "gehackt", "datenleck", "abgegriffen", "erbeutet", "darknet", "trapelat", "rubat", "hackerat", "violat", "gelekt",
	"gestolen", "gehackte", "wyciek", "wykradz", "skradzi", "слит", "слив", "Слив", "утечк", "Утечк", "взлом", "Взлом", "украден", "продам базу",
	"sızdır", "sızınt", "çalın", "hacklen", "läckt", "läcka", "läckor", "stulen", "stulna", "hackad", "vuoto", "vuodet", "vuoda", "varastet",
	"流出", "漏洩", "ハッキング", "유출", "해킹", "泄露", "洩漏", "外泄", "泄漏", "社工库", "被盗", "تسريب", "تسرب", "مسرب", "مسروق", "लीक", "divulgad",
	"lækket", "lekket", "lekkasje", "únik", "uniklá", "kiszivárg", "διαρροή", "rò rỉ", "bocor", "רשימה שדלפה", "דליפ",
}

// giftWords are the talk of those who ask for donations.
var giftWords = []string{
	"donat", "donor", "support", "tip jar", "tips", "spende", "unterstütz", "dona ", "donación", "donar", "doação", "doações", "apoia", "apoya", "don ", "dons ",
	"soutenir", "soutien", "cagnotte", "aiuta", "sostien", "donazion", "doneer", "steun", "wesprz", "wpłat", "zbiórk", "zrzut", "пожертв", "донат", "поддерж",
	"bağış", "skänk", "stötta", "stöd", "lahjoit", "tukea", "寄付", "支援", "カンパ", "후원", "기부", "捐款", "捐赠", "打赏", "تبرع", "दान", "fundrais",
	"buy me a coffee", "contribut", "mutual aid", "crowdfund", "sponsor", "verein", "charity", "hilf", "ayuda", "ajuda", "koffie", "kaffee",
	"invoice", "rechnung", "factura", "facture", "fattura", "faktura", "miete", "überweis", "pay ", "payment",
}

// settleTalk adds the talk of leaks to what is weighed by what it comes with.
func (s *scanner) settleTalk() {
	soft, sum := false, 0.0
	for _, f := range s.found {
		soft = soft || softRules[f.Rule]
		sum += f.Weight
	}
	// From a sum of 5 on the score is sure without.
	if !soft || sum < 0.5 || sum > 5 || len(s.found) >= s.most {
		return
	}
	l := s.lower()
	for _, w := range leakWords {
		if s.ascii && !ascii(w) {
			continue
		}
		k := wordAt(l, w)
		if k < 0 {
			continue
		}
		s.found = append(s.found, Finding{Start: k, End: k + len(w), Rule: "leak-talk", Weight: 1.3, Note: "talk of a leak beside data"})
		return
	}
}

// softRules are those whose findings are often honest.
var softRules = map[string]bool{
	"iban": true, "wallet": true, "paste-link": true, "onion-link": true, "contacts": true, "card": true, "hash-dump": true, "password-hash": true,
	"passwd": true, "password": true, "credentials": true, "national-id": true, "user-list": true, "sql-dump": true, "csv-dump": true,
}

// settleLists makes many of one kind weigh more, and what is asked for less.
func (s *scanner) settleLists() {
	var ibans, wallets int
	seen := map[string]bool{}
	for _, f := range s.found {
		if f.Rule != "iban" && f.Rule != "wallet" || seen[s.text[f.Start:f.End]] {
			continue
		}
		seen[s.text[f.Start:f.End]] = true
		if f.Rule == "iban" {
			ibans++
		} else {
			wallets++
		}
	}
	if ibans+wallets == 0 {
		return
	}
	gift := s.near(0, len(s.text), 0, 0, giftWords) && !s.near(0, len(s.text), 0, 0, leakWords)
	for i := range s.found {
		f := &s.found[i]
		switch {
		case f.Rule == "iban" && ibans >= 3 && !gift, f.Rule == "iban" && ibans >= 5, f.Rule == "wallet" && wallets >= 5 && !gift:
			f.Weight = 2.2
		case (f.Rule == "iban" || f.Rule == "wallet") && gift:
			f.Weight /= 2
		}
	}
}
