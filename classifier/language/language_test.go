package language_test

import (
	"strings"
	"testing"
	"time"

	"hark/classifier/language"
)

func TestDetect(t *testing.T) {
	for tag, texts := range map[string][]string{
		"en": {"Does anybody know a good place for lunch near the harbour?", "My sister bought a red bicycle and now she rides it to work every day"},
		"de": {"Weiß jemand, wo man in der Nähe vom Hafen gut essen kann?", "Meine Schwester hat sich ein rotes Fahrrad gekauft"},
		"fr": {"Quelqu'un connaît un bon endroit pour déjeuner près du port ?", "Ma sœur s'est acheté un vélo rouge"},
		"es": {"¿Alguien conoce un buen sitio para comer cerca del puerto?", "Mi hermana se ha comprado una bicicleta roja"},
		"it": {"Qualcuno conosce un buon posto per pranzare vicino al porto?", "Mia sorella si è comprata una bicicletta rossa"},
		"pt": {"Alguém conhece um bom lugar para almoçar perto do porto?", "Minha irmã comprou uma bicicleta vermelha"},
		"nl": {"Weet iemand een goede plek om te lunchen in de buurt van de haven?", "Mijn zus heeft een rode fiets gekocht"},
		"sv": {"Vet någon ett bra ställe att äta lunch nära hamnen?", "Min syster har köpt en röd cykel"},
		"da": {"Er der nogen, der kender et godt sted at spise frokost nær havnen?"},
		"nb": {"Er det noen som vet om et bra sted å spise lunsj i nærheten av havna?"},
		"fi": {"Tietääkö joku hyvän lounaspaikan sataman lähellä?", "Siskoni osti punaisen polkupyörän"},
		"et": {"Kas keegi teab head kohta, kus sadama lähedal lõunat süüa?"},
		"pl": {"Czy ktoś zna dobre miejsce na obiad w pobliżu portu?", "Moja siostra kupiła czerwony rower"},
		"cs": {"Zná někdo dobré místo na oběd poblíž přístavu?", "Moje sestra si koupila červené kolo a teď na něm jezdí do práce"},
		"sk": {"Pozná niekto dobré miesto na obed blízko prístavu?"},
		"hu": {"Tud valaki egy jó helyet ebédelni a kikötő közelében?", "A nővérem vett egy piros biciklit"},
		"ro": {"Știe cineva un loc bun pentru prânz lângă port?", "Sora mea și-a cumpărat o bicicletă roșie"},
		"tr": {"Limanın yakınında öğle yemeği için iyi bir yer bilen var mı?", "Ablam kırmızı bir bisiklet aldı ve artık işe her gün onunla gidiyor"},
		"id": {"Ada yang tahu tempat makan siang yang enak di dekat pelabuhan?"},
		"vi": {"Có ai biết chỗ nào ăn trưa ngon gần cảng không?"},
		"ca": {"Algú coneix un bon lloc per dinar a prop del port?"},
		"eo": {"Ĉu iu konas bonan lokon por tagmanĝi proksime de la haveno?"},
		"lv": {"Vai kāds zina labu vietu pusdienām netālu no ostas?"},
		"lt": {"Ar kas nors žino gerą vietą pietums netoli uosto?"},
		"sl": {"Ali kdo pozna kakšen dober kraj za kosilo blizu pristanišča?"},
		"hr": {"Zna li netko dobro mjesto za ručak u blizini luke? Gdje je ljepše?"},
		"ru": {"Кто-нибудь знает хорошее место, где пообедать рядом с портом?"},
		"uk": {"Хтось знає гарне місце, де пообідати біля порту?"},
		"bg": {"Някой знае ли хубаво място за обяд близо до пристанището?"},
		"sr": {"Да ли неко зна добро место за ручак у близини луке?"},
		"el": {"Ξέρει κανείς ένα καλό μέρος για φαγητό;"},
		"he": {"מישהו מכיר מקום טוב לצהריים ליד הנמל?"},
		"ar": {"هل يعرف أحد مكانا جيدا للغداء قرب الميناء؟"},
		"fa": {"کسی جای خوبی برای ناهار نزدیک بندر می\u200cشناسد؟"},
		"ur": {"کیا کسی کو بندرگاہ کے قریب دوپہر کے کھانے کی اچھی جگہ معلوم ہے؟"},
		"hi": {"क्या किसी को बंदरगाह के पास खाने की अच्छी जगह पता है?"},
		"mr": {"बंदराजवळ जेवणासाठी चांगली जागा कोणाला माहीत आहे का?"},
		"th": {"มีใครรู้จักร้านอาหารดีๆ ใกล้ท่าเรือไหม"},
		"ta": {"துறைமுகத்திற்கு அருகில் நல்ல உணவகம் தெரியுமா?"},
		"bn": {"বন্দরের কাছে ভালো খাবারের জায়গা কেউ জানেন?"},
		"ja": {"港の近くでおいしい昼ご飯が食べられるところを知りませんか", "赤い自転車を買った"},
		"zh": {"有人知道港口附近有什么好吃的吗？", "我姐姐買了一輛紅色的腳踏車，她很喜歡"},
		"ko": {"항구 근처에 점심 먹기 좋은 곳 아시는 분?"},
	} {
		for _, text := range texts {
			if got, sure := language.Detect(text+" https://example.org/the-and-of @ann@fedi.example #english", ""); got != tag || sure <= 0 || sure > 1 {
				t.Errorf("%q: %s %.2f, want %s", text, got, sure, tag)
			}
		}
	}
}

func TestAuthor(t *testing.T) {
	for _, c := range []struct{ text, author, want string }{
		{"ok", "sv", "sv"},
		{"", "", "und"},
		{"https://example.org @ann@fedi.example", "", "und"},
		{"👍👍👍", "de-CH", "de"},
		{"12345 67890", "no", "nb"},
		{"hm", "", "und"},
		{"はい", "", "ja"},
		{"Dies ist ein ganzer Satz, und der ist ohne Zweifel deutsch.", "en", "de"},
		{"東京都千代田区丸の内一丁目", "ja", "ja"},
		{"Grüezi mitenand, das isch jetzt eifach es bitzli andersch gschribe", "gsw", "gsw"},
		{"quokka zyzzyva", "en-AU", "en"},
		{"Αυτό είναι ελληνικά χωρίς αμφιβολία", "en", "el"},
		{"This is English without any doubt", "nonsense-tag", "en"},
	} {
		if got, sure := language.Detect(c.text, c.author); got != c.want || sure < 0 || sure > 1 {
			t.Errorf("%q by %q: %s %.2f, want %s", c.text, c.author, got, sure, c.want)
		}
	}
}

func TestPrimary(t *testing.T) {
	for in, want := range map[string]string{
		"pt-BR": "pt", "zh_Hant": "zh", "EN": "en", "iw": "he", "": "und", "x": "und", "mul": "und", "d3": "und", "english": "und", " fr ": "fr",
	} {
		if got := language.Primary(in); got != want {
			t.Errorf("Primary(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestHostileTextsAreQuick(t *testing.T) {
	for _, unit := range []string{"a", "a@", "a ", "@", "#", "é", "\xff", "ﷺ", "日", "http://"} {
		start := time.Now()
		language.Detect(strings.Repeat(unit, 1<<20/len(unit)), "")
		if took := time.Since(start); took > time.Second {
			t.Errorf("%q took %v", unit, took)
		}
	}
}

func FuzzDetect(f *testing.F) {
	for _, s := range []string{"hello there, you", "привет как дела", "日本語です", "\xff\xfe", "a@b c:d #e", "ǅ ß İ", "क्या है यह सब"} {
		f.Add(s, "en")
	}
	f.Fuzz(func(t *testing.T, text, author string) {
		tag, sure := language.Detect(text, author)
		if len(tag) < 2 || len(tag) > 3 || !(sure >= 0 && sure <= 1) || tag == language.Unknown && sure != 0 {
			t.Fatalf("%q by %q: %q %v", text, author, tag, sure)
		}
	})
}

func BenchmarkDetect(b *testing.B) {
	const text = "Does anybody know a good place for lunch near the harbour? My sister bought a red bicycle and now she rides it to work every day, whatever the weather. It is raining again, but nobody seems to mind it much."
	for range b.N {
		language.Detect(text, "")
	}
}
