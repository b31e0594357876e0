package train

import (
	"strings"

	"hark/classifier/fold"
)

// identityWords name groups of people, neutrally. In training they are hidden at
// times, so that a model learns what is said of a group and not who the group is.
const identityWords = `
muslim muslims islam islamic jew jews jewish judaism christian christians christianity catholic catholics hindu hindus hinduism
buddhist buddhists sikh sikhs atheist atheists mormon mormons arab arabs arabic black blacks white whites asian asians african
africans american americans mexican mexicans latino latinos latina latinas hispanic hispanics chinese japanese korean koreans
indian indians pakistani pakistanis turk turks turkish russian russians ukrainian ukrainians polish poles somali somalis nigerian
nigerians syrian syrians iranian iranians israeli israelis palestinian palestinians german germans french italian italians romani
roma gypsy gypsies indigenous aboriginal aboriginals native natives immigrant immigrants migrant migrants refugee refugees
foreigner foreigners asylum seeker seekers woman women girl girls man men boy boys female females male males feminist feminists
gay gays lesbian lesbians bisexual bisexuals trans transgender transsexual queer homosexual homosexuals lgbt lgbtq straight
nonbinary disabled disability disabilities blind deaf autistic autism wheelchair crippled elderly old
muslime moslems juden jude jüdin jüdisch jüdische christen schwarze schwarzer türken türke araber ausländer flüchtling flüchtlinge
frauen frau männer mann schwule schwuler lesben behinderte behinderter homosexuelle roma sinti
musulmanes musulmán judíos judío cristianos negros negro gitanos gitano inmigrantes inmigrante refugiados mujeres mujer hombres
lesbianas gais árabes moros extranjeros discapacitados
musulmans musulman juifs juif chrétiens noirs noir arabe arabes immigrés immigré réfugiés femmes femme hommes lesbiennes
handicapés étrangers
muçulmanos judeus judeu cristãos negros imigrantes refugiados mulheres mulher homens lésbicas gays deficientes nordestinos
イスラム教徒 ユダヤ人 黒人 白人 外国人 中国人 韓国人 朝鮮人 日本人 女性 男性 障害者 移民 難民 老人
무슬림 유대인 흑인 백인 외국인 중국인 일본인 한국인 여자 남자 여성 남성 장애인 이민자 난민 동성애자 조선족
穆斯林 犹太人 黑人 白人 外国人 河南人 东北人 女人 男人 女性 男性 残疾人 移民 难民 同性恋
المسلمين اليهود المسيحيين السود العرب النساء المرأة الرجال اللاجئين المهاجرين
`

// identities has them folded, word by word; those of scripts without spaces are
// too few letters to be told apart and are left out.
var identities = func() map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(identityWords) {
		m[fold.Phrase(w)] = true
	}
	return m
}()

func identity(word []byte) bool { return identities[string(word)] }
