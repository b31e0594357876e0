package breach

import (
	"crypto/sha256"
	"strings"
)

// wallet finds the addresses and keys of cryptographic currencies in the word
// from i to end. A single address is often meant for donations: it weighs little.
func (s *scanner) wallet(i, end int) bool {
	w := s.text[i:end]
	n := len(w)
	if i > 0 && (s.text[i-1] == '_' || s.text[i-1] == '-' || s.text[i-1] == '/' && i < s.url) {
		return false
	}
	switch c := w[0]; {
	case n >= 26 && n <= 35 && (c == '1' || c == '3' || c == 'L' || c == 'M' || c == 'D' || c == 'T' || c == 'X'):
		if base58check(w, 25) {
			s.secret(i, end, "wallet", 0.85, "address of a wallet, checksum right")
			return true
		}
	case walletDocumented[w]:
		return false
	case (n == 51 && c == '5' || n == 52 && (c == 'K' || c == 'L')) && base58check(w, n-14):
		s.secret(i, end, "wallet-key", 6, "private key of a wallet, checksum right")
		return true
	case n >= 42 && n <= 62 && (c|0x20 == 'b' || c|0x20 == 'l') && bech32(low(w)):
		s.secret(i, end, "wallet", 0.85, "address of a wallet, checksum right")
		return true
	case n == 42 && c == '0' && w[1] == 'x' && onlyHex(w[2:]):
		return s.ethereum(i, end)
	case n == 66 && c == '0' && w[1] == 'x' && onlyHex(w[2:]) && random(w[2:]):
		return s.rawKey(i, end)
	case n == 64 && onlyHex(w):
		return s.rawKey(i, end)
	case (n == 95 || n == 106) && (c == '4' || c == '8') && onlyBase58(w) && entropy(w) > 4.5:
		s.secret(i, end, "wallet", 0.85, "address of a Monero wallet, by its shape")
		return true
	}
	return false
}

// walletDocumented are the private keys that documentation shows.
// ref: Bitcoin wiki, "Wallet import format"; Mastering Bitcoin, chapter 4
var walletDocumented = map[string]bool{
	"5Kd3NBUAdUnhyzenEwVLy9pB" + "KxSwXvE9FMPyR4UKZvpe6E3AgLr": true, "5HueCGU8rMjxEXxiPuD5BDku" + "4MkFqeZyd4dZ1jvhTVqvbTLvyTJ": true,
	"5J3mBbAH58CpQ3Y5RNJpUKPE" + "62SQ5tfcvU2JpbnkeyhfsYB1Jcn": true, "KxFC1jmwwCoACiCAWZ3eXa96" + "mBM6tb3TYzGmf6YwgdGWZgawvrtJ": true,
}

const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

var base58Value = func() (v [256]int8) {
	for k := range v {
		v[k] = -1
	}
	for k := range len(base58) {
		v[base58[k]] = int8(k)
	}
	return v
}()

func onlyBase58(w string) bool {
	for k := range len(w) {
		if base58Value[w[k]] < 0 {
			return false
		}
	}
	return true
}

// base58check says whether a word is so many bytes (at most 40), the last four
// their checksum.
// ref: Bitcoin wiki, "Base58Check encoding"
func base58check(w string, size int) bool {
	var b [40]byte
	if size > len(b) {
		return false
	}
	for k := range len(w) {
		carry := int(base58Value[w[k]])
		if carry < 0 {
			return false
		}
		for j := size - 1; j >= 0; j-- {
			carry += 58 * int(b[j])
			b[j] = byte(carry)
			carry >>= 8
		}
		if carry != 0 {
			return false
		}
	}
	zeros := 0
	for k := 0; k < size && b[k] == 0; k++ {
		zeros++
	}
	if size > 25 && b[0] != 0x80 || zeros > 5 {
		return false
	}
	sum := sha256.Sum256(b[:size-4])
	sum = sha256.Sum256(sum[:])
	return [4]byte(sum[:4]) == [4]byte(b[size-4:size])
}

// bech32 checks an address of Bitcoin or Litecoin, in small letters.
// ref: BIP-173, BIP-350
func bech32(w string) bool {
	const charset = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	human, data, ok := strings.Cut(w, "1")
	if !ok || human != "bc" && human != "ltc" || len(data) < 8 {
		return false
	}
	check := uint32(1)
	step := func(v byte) {
		top := check >> 25
		check = check&0x1ffffff<<5 ^ uint32(v)
		for k, g := range [5]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>k&1 == 1 {
				check ^= g
			}
		}
	}
	for k := range len(human) {
		step(human[k] >> 5)
	}
	step(0)
	for k := range len(human) {
		step(human[k] & 31)
	}
	for k := range len(data) {
		v := strings.IndexByte(charset, data[k])
		if v < 0 {
			return false
		}
		step(byte(v))
	}
	return check == 1 || check == 0x2bc830a3
}

var etherWords = []string{"eth", "wallet", "ethereum", "erc", "usdt", "address", "adres", "dirección", "endereço", "indirizzo", "кошел", "адрес", "cüzdan", "地址", "지갑", "ウォレット", "bsc", "bnb", "0x wallet", "0x address", "metamask", "portefeuille"}

// ethereum keeps an address with the checksum of its capitals, or one that is
// announced.
// ref: ERC-55
func (s *scanner) ethereum(i, end int) bool {
	w := s.text[i+2 : end]
	l := low(w)
	if entropy(l) < 2.8 || standsIn(w) {
		return false
	}
	up := strings.ToUpper(w)
	if w == l || w == up {
		if !s.near(i, end, 60, 30, etherWords) {
			return false
		}
		s.secret(i, end, "wallet", 0.7, "address of a wallet")
		return true
	}
	sum := keccak256([]byte(l))
	for k := range len(w) {
		nibble := sum[k/2] >> 4
		if k%2 == 1 {
			nibble = sum[k/2] & 15
		}
		if letter(w[k]) && upper(w[k]) != (nibble >= 8) {
			return false
		}
	}
	s.secret(i, end, "wallet", 0.85, "address of a wallet, checksum right")
	return true
}

var rawKeyWords = []string{"private key", "privkey", "private_key", "privatekey", "secret key", "clave privada", "clé privée", "chave privada", "chiave privata", "приватный ключ", "秘密鍵", "私钥", "개인키", "privater schlüssel", "özel anahtar"}

// rawKey finds 64 hexadecimal digits that are announced as a private key.
func (s *scanner) rawKey(i, end int) bool {
	if !random(strings.TrimPrefix(s.text[i:end], "0x")) || !s.near(i, i, 40, 0, rawKeyWords) {
		return false
	}
	s.secret(i, end, "wallet-key", 4, "private key, announced as such")
	return true
}

// seedWords begin what announces a wallet's words.
var seedWords = map[string]bool{"seed": true, "mnemonic": true, "phrase": true, "semilla": true, "wallet": true}

// seedAnnounced are what announces a wallet's words, after which they stand.
var seedAnnounced = []string{
	"seed phrase", "seedphrase", "recovery phrase", "mnemonic", "mnemonic phrase", "seed words", "wallet seed", "secret recovery phrase", "seed",
	"phrase de récupération", "phrase secrète", "wallet phrase", "wiederherstellungsphrase", "semilla", "frase semilla", "seed frase",
}

// notSeeds are words that are in no wallet's list and in most sentences.
// ref: BIP-39 English wordlist, which has none of them
var notSeeds = map[string]bool{
	"the": true, "and": true, "for": true, "are": true, "was": true, "not": true, "your": true, "never": true, "with": true, "from": true,
	"have": true, "please": true, "anyone": true, "words": true, "share": false, "them": true, "they": true, "will": true, "its": true, "into": true,
	"our": true, "has": true, "but": true, "their": true, "should": true, "always": true, "is": true, "a": true, "to": true, "in": true, "of": true,
}

// seed finds twelve to twenty-four words of a wallet after what announces them.
// ref: BIP-39
func (s *scanner) seed(i, end int) {
	t := s.text
	k := end
	for n := 0; k < len(t) && n < 48 && t[k] != ':' && t[k] != '=' && t[k] != '\n'; n++ {
		k++
	}
	if k >= len(t) || t[k] != ':' && t[k] != '=' && t[k] != '\n' || k-end > 40 {
		return
	}
	if t[k] == '\n' && k-end > 12 {
		return
	}
	if !hasWord(low(t[i:k]), seedAnnounced) {
		return
	}
	k++
	for n := 0; n < 3 && k < len(t) && (t[k] <= ' ' || t[k] == '"'); n++ {
		k++
	}
	from, to, words := k, k, 0
	seen := map[string]bool{}
	for words <= 25 {
		at := k
		for k < len(t) && (digit(t[k]) || t[k] == '.' || t[k] == ')') && k-at < 3 { // "1. word"
			k++
		}
		for k < len(t) && t[k] == ' ' && k-at < 4 {
			k++
		}
		start := k
		for k < len(t) && k-start < 9 && t[k] >= 'a' && t[k] <= 'z' {
			k++
		}
		w := t[start:k]
		if len(w) < 3 || len(w) > 8 || notSeeds[w] || k < len(t) && (alnum(t[k]) || t[k] >= 0x80 || t[k] == '\'') {
			break
		}
		words++
		seen[w] = true
		to = k
		if k < len(t) && t[k] == ',' {
			k++
		}
		if k >= len(t) || t[k] != ' ' && t[k] != '\n' {
			break
		}
		k++
	}
	if words != 12 && words != 15 && words != 18 && words != 21 && words != 24 || len(seen) < 10 {
		return
	}
	s.add(Finding{Start: i, End: to, Rule: "wallet-key", Weight: 4, Note: "words that open a wallet", Secrets: [][2]int{{from, to}}})
}
