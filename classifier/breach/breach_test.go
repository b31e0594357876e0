package breach_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"hark/classifier"
	"hark/classifier/breach"
)

// The keys are made up, and put together here so that nobody takes them for
// real ones.
const (
	random36 = "Xq7vT2mZ9kLw4RbN8sYc3HdJ6fGp1uEa5oVi"
	jwtBody  = "eyJzdWIiOiI4ODE3MjYiLCJyb2xlIjoiYWRtaW4ifQ.Zk3vW9xQ2rT7yU1iO5pA8sD4fG6hJ0kL2zX9cV3bN7m"
	hashes   = "5f4dcc3b5aa765d61d8327deb882cf99\ne99a18c428cb38d5f260853678922e03\nd8578edf8458ce06fbc5bb76a58c5ca4"
)

func TestFinds(t *testing.T) {
	for name, c := range map[string]struct{ text, rule, hidden string }{
		"credential list":   {"ann@mail.host:Summer2023\nbob@mail.host:hunde77x", "credentials", "Summer2023"},
		"password and mail": {"login ann@mail.host\npassword: Tr0ub4dor&3", "password", "Tr0ub4dor&3"},
		"private key":       {"-----BEGIN RSA PRIVATE KEY-----\n" + strings.Repeat("MIIEpAIBAAKCAQEA7v", 4) + "\n-----END RSA PRIVATE KEY-----", "private-key", "MIIEpAIBAAKCAQEA7vMI"},
		"aws":               {"key=AKIA" + "QX3ZB7MNP4RTVW6K;", "aws-key", "QX3ZB7MNP4RTVW6K"},
		"github":            {"token ghp_" + random36, "github-token", random36},
		"slack":             {"xoxb-" + "2893741058-" + random36, "slack-token", random36},
		"slack webhook":     {"https://hooks.slack.com/services/T0" + "3KX7QPL/B04MZ81WQ/" + random36[:24], "slack-webhook", random36[:24]},
		"stripe":            {"sk_live_" + random36, "stripe-key", random36},
		"google":            {"AIza" + "Sy" + random36[:33], "google-key", random36[:33]},
		"bot":               {"7293810456:AA" + random36[:33], "bot-token", random36[:33]},
		"basic":             {"Authorization: Basic " + "YW5uOlN1bW1lcjIwMjN4", "password", "lN1bW1lcjIw"},
		"track":             {"%B4539148803436467^LEE/ANN^2712201000000000000?", "card", "91488034"},
		"jwt":               {"Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + jwtBody, "jwt", jwtBody},
		"card":              {"4539 1488 0343 6467", "card", "1488 0343"},
		"card with dashes":  {"visa 4539-1488-0343-6467", "card", "1488-0343"},
		"amex":              {"amex 3728 471950 38165 cvv 1234", "card", "471950"},
		"card dump":         {"4539148803436467|09|27|913", "card", "9148803436"},
		"iban":              {"DE44 5001 0517 5407 3249 31", "iban", "5001 0517"},
		"hash dump":         {hashes, "hash-dump", "5f4dcc3b5aa765d61d8327deb882cf99"},
		"user and hash":     {"a:" + strings.ReplaceAll(hashes, "\n", "\nb:"), "hash-dump", "e99a18c428cb38d5f260853678922e03"},
		"bcrypt":            {"$2b$12$" + "9kLw4RbN8sYc3HdJ6fGp1uEa5oViXq7vT2mZ9kLw4RbN8sYc3HdJ6", "password-hash", "9kLw4RbN8sYc3HdJ6fGp1u"},
		"connection":        {"postgres://app:Vq93xT7m@db.shop.host:5432/main", "connection-string", "Vq93xT7m"},
		"onion":             {"http://7rivqlobyzpq6jjt3gftqg4qv7xkofy7rmm7c6de6q5kjuopxxlowiid.onion/dump", "onion-link", ""},
		"paste":             {"all here https://pastebin.com/Zx81Qq7P", "paste-link", ""},
	} {
		found := breach.Scan(c.text)
		if !slices.ContainsFunc(found, func(f breach.Finding) bool { return f.Rule == c.rule }) {
			t.Errorf("%s: %s is missing in %+v", name, c.rule, found)
		}
		if masked := breach.Mask(c.text); c.hidden != "" && strings.Contains(masked, c.hidden) {
			t.Errorf("%s: %q shows the secret", name, masked)
		}
	}
}

// TestForms: the ways in which a password is given away.
func TestForms(t *testing.T) {
	for _, text := range []string{
		"curl -u ann:SECRET https://intranet.altamar.es/api",
		"sshpass -p 'SECRET' ssh root@10.1.2.3",
		"mysql -u root -pSECRET shop",
		"machine db.altamar.es login ann password SECRET",
		"pg.altamar.es:5432:crm:ann:SECRET",
		"Login: annlee Passwort: SECRET",
		"Benutzername annlee\nKennwort SECRET",
		"jdbc:mysql://db.altamar.es/crm?user=ann&password=SECRET",
		"sftp password for ann@files.altamar.es is SECRET",
		"1) annlee:SECRET\n2) bobray:Winter99x\n3) cara77:Liver77x",
		"ann@gmail.com SECRET\nbob@gmail.com Winter99x\ncara@gmail.com Liver77x",
		"https://shop.tecnorte.com/login:annlee:SECRET",
		"EMAIL: ann@gmail.com | PASS: SECRET | COUNTRY: US",
		"ユーザー名 ann パスワード：SECRET",
		`{"user":"ann","password":"SECRET"}`,
	} {
		const secret = "Summer2023x"
		text = strings.Replace(text, "SECRET", secret, 1)
		if v := score(text); v < classifier.DefaultThreshold {
			t.Errorf("%q scores %.2f", text, v)
		}
		if m := breach.Mask(text); strings.Contains(m, secret) {
			t.Errorf("%q shows the password", m)
		}
	}
}

func TestNearMisses(t *testing.T) {
	for _, text := range []string{
		"Use 4111 1111 1111 1111 or 5555-5555-5555-4444 or 378282246310005 to test",
		"4539 1488 0343 6468", // wrong checksum
		"9999 1488 0343 6467", // no issuer
		"AKIAIOSFODNN7EXAMPLE", "AKIA" + strings.Repeat("X", 16),
		"ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		"sk_test_" + random36,
		"ann@example.com:Summer2023", "user@example.org:password1",
		"git clone git@codeberg.org:ann/garden.git",
		"scp notes.txt ann@box.garden.host:docs/notes.txt",
		"sip:ann@pbx.garden.host:5060",
		"mail me: ann@garden.host; thanks", "ann@garden.host, bob@garden.host: hello",
		"commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
		"9fceb02 fix\n9fceb02d0ae598e95dc970b74767f19372d61af8 add beds\n1fceb02d0ae598e95dc970b74767f19372d61af9 water\n2fceb02d0ae598e95dc970b74767f19372d61afa weed",
		"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  a.tar.gz\n1f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  b.tar.gz\n2f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  c.tar.gz",
		"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		"123e4567-e89b-12d3-a456-426614174000",
		"ISBN 978-3-16-148410-0", "+49 30 901820 17", "+1 (212) 555-0198", "192.168.100.200:8080", "v10.15.7-rc.1",
		"order 10023948571", "https://social.example/@ann/113456789012345678",
		"GB82 WEST 1234 5698 7654 32", "DE89 3704 0044 0532 0130 00",
		"password: forgotten", "password: <your password>", "the pass: 2019-2020", "PW=${DB_PASSWORD}",
		"postgres://user:password@localhost/db",
		"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
		"3.14159265358979323846", "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
		"call 09062424937", "Zoom https://us02web.zoom.us/j/83948217753?pwd=aXlTb2lQZ3ZJNkZ5RmxQdz09", "SIRET 732 829 320 00074", "ABN 51 824 753 556",
		"ORCID 0000-0002-1825-0097", "SW-4839-2017-4820", "NIP 123-456-32-18", "Barcode 4006381333931", "password for the archive is Summer2023x", "#4539148803436467x", "2024-11-03 12:34:56 17:45 1999-2004",
	} {
		for _, s := range (breach.Judge{}).Judge(context.Background(), classifier.Input{Text: text}, classifier.Language{}) {
			if s.Score >= classifier.DefaultThreshold {
				t.Errorf("%q: %+v", text, s)
			}
		}
	}
}

func TestSlipAndDump(t *testing.T) {
	score := func(text string) float64 {
		scores := (breach.Judge{}).Judge(context.Background(), classifier.Input{Text: text}, classifier.Language{})
		if len(scores) == 0 {
			return 0
		}
		return scores[0].Score
	}
	one, many := score("DE44 5001 0517 5407 3249 31"), score("DE44 5001 0517 5407 3249 31\nDE02 1203 0000 0000 2020 51\nDE02 5001 0517 0137 0750 30\nDE02 1001 0010 0006 8201 01")
	if one >= classifier.DefaultThreshold || many <= one {
		t.Errorf("one account number %.2f, a list %.2f", one, many)
	}
	if bare, card := score("4539148803436467"), score("card 4539148803436467 cvv 913"); bare >= classifier.DefaultThreshold || card < classifier.DefaultThreshold {
		t.Errorf("bare number %.2f, card %.2f", bare, card)
	}
}

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		"nothing here":                            "nothing here",
		"x ann@mail.host:Sömmer2023 y":            "x …@mail.host:S…3 y",
		"key AKIA" + "QX3ZB7MNP4RTVW6K, rotate":   "key AKIA…VW6K, rotate",
		"4539 1488 0343 6467":                     "45…67",
		"redis://default:Vq93xT7m@cache.shop.org": "redis://default:V…m@cache.shop.org",
	} {
		if got := breach.Mask(in); got != want {
			t.Errorf("Mask(%q) = %q, want %q", in, got, want)
		}
	}
}
