package breach_test

import (
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"hark/classifier/breach"
)

// TestHostileTextsAreQuick: what looks like the beginning of a secret at every
// byte takes linear time.
func TestHostileTextsAreQuick(t *testing.T) {
	for _, unit := range []string{
		"eyJhbGciOiJIUzI1NiJ9-", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7vQ ", "a@", "$2a$", "1 ", "4444 ", "DE44", "://",
		"ghp_", "password:", "@", "http://a:b@", "a@b.cd:x\n", "PuTTY-User-Key-File-", "INSERT INTO users VALUES(", "INSERT INTO users VALUES('",
		"seed phrase: abc def ", "a:b1c2d3\n", "email,password\n", "user:x:0:0::/:\n", "0123456789abcdef0123456789abcdef\n", "8Q~", "*A1", "12.345.678-5 ",
		"123-45-6789 ", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa ", "pw=", "密码：", "AIza", "ann@gmail.com Ann\n", "x:", "https://a.b/c:d:e1 ", "password is ",
		"ann@mail.host:Summer2023\n", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed ", "leak ", "password: ann@mail.host a1b2c3 ",
	} {
		const most = 2 * time.Second // of a machine that has other things to do
		text := strings.Repeat(unit, 1<<19/len(unit))
		start := time.Now()
		breach.Scan(text)
		scanned := time.Since(start)
		breach.Mask(text)
		if took := time.Since(start); took > most {
			t.Errorf("%q took %v, %v to scan", unit, took, scanned)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{
		"ann@mail.host:Summer2023", "4539 1488 0343 6467", "DE44 5001 0517 5407 3249 31", hashes, "eyJhbGciOiJIUzI1NiJ9." + jwtBody,
		"-----BEGIN PRIVATE KEY-----", "a@b.cd:\xff\xfe\xfd123", "postgres://a:bcdefg@h.io/", "\x00é@ü.de:pässwort1", "密码：a…b1C2d3",
	} {
		f.Add(s)
	}
	for k, s := range samples(f) {
		if k%11 == 0 {
			f.Add(s.text)
		}
	}
	var key [32]byte
	key[0] = 1
	keyed := breach.NewMasker(key)
	f.Fuzz(func(t *testing.T, text string) {
		for _, found := range breach.Scan(text) {
			if found.Start < 0 || found.End <= found.Start || found.End > len(text) {
				t.Fatalf("%+v in %d bytes", found, len(text))
			}
			last := found.Start
			for _, s := range found.Secrets {
				if s[0] < last || s[1] > found.End || s[0] >= s[1] {
					t.Fatalf("secrets outside or not rising: %+v", found)
				}
				last = s[1]
			}
		}
		for _, mask := range []func(string) string{breach.Mask, keyed.Mask} {
			masked := mask(text)
			if utf8.ValidString(text) && !utf8.ValidString(masked) {
				t.Fatalf("%q", masked)
			}
			if again := mask(masked); again != masked {
				t.Fatalf("%q becomes %q, then %q", text, masked, again)
			}
		}
	})
}

// BenchmarkScan is a post of 220 characters with a link, an address, numbers.
func BenchmarkScan(b *testing.B) {
	post := "Look at https://blog.garden.host/2024/11/winter-vegetables?utm=x and tell ann@garden.host, order 10023948571 of 2024-11-03: " +
		strings.Repeat("some words of a quiet post ", 4)
	b.SetBytes(int64(len(post)))
	for b.Loop() {
		breach.Scan(post)
	}
}

// BenchmarkCorpus scans the lines of testdata/breach.tsv, padded to posts of 200
// and of 500 bytes at least; one operation is one post.
func BenchmarkCorpus(b *testing.B) {
	all := samples(b)
	for _, least := range []int{200, 500} {
		posts, size := make([]string, len(all)), 0
		for k, s := range all {
			posts[k] = s.text
			if n := len(s.text); n < least {
				posts[k] += " " + strings.Repeat("and 42 other words of 2024, see lena@garden.host: ", 10)[:least-n]
			}
			size += len(posts[k])
		}
		b.Run(strconv.Itoa(least), func(b *testing.B) {
			b.SetBytes(int64(size / len(posts)))
			k := 0
			for b.Loop() {
				breach.Scan(posts[k])
				if k++; k == len(posts) {
					k = 0
				}
			}
		})
	}
}

// BenchmarkMask masks the same lines.
func BenchmarkMask(b *testing.B) {
	all := samples(b)
	k := 0
	for b.Loop() {
		breach.Mask(all[k].text)
		if k++; k == len(all) {
			k = 0
		}
	}
}
