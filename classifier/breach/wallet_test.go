package breach_test

import (
	"slices"
	"strings"
	"testing"

	"hark/classifier/breach"
)

// TestWallets: an address has its checksum, a changed one has not.
func TestWallets(t *testing.T) {
	for name, c := range map[string]struct{ text, rule, wrong string }{
		"Bitcoin":         {"3DSCS1BEaXg1p52qSxPWTaqNKaop3oq5km", "wallet", "3DSCS1BEaXg1p52qSxPWTaqNKaop3oq5k2"},
		"Bitcoin's first": {"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "wallet", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"},                                                         // ref: Bitcoin's genesis block
		"segwit":          {"BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "wallet", "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T5"},                                         // ref: BIP-173
		"taproot":         {"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", "wallet", "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj1"}, // ref: BIP-350
		"Ethereum":        {"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "wallet", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD"},                                         // ref: ERC-55
		"exported key":    {"L34GgY" + "ZxCeUkCmiAz4TLehodrQKhSFDCwDwTcSJbMbTumwRYbiCD", "wallet-key", "L34GgY" + "ZxCeUkCmiAz4TLehodrQKhSFDCwDwTcSJbMbTumwRYbiCa"},
		"words":           {"seed phrase: hammer oxygen lemon salmon agent velvet tunnel engine donkey marble beach cactus", "wallet-key", "seed phrase: hammer oxygen lemon salmon agent velvet tunnel engine donkey marble beach cactus zebra"},
	} {
		has := func(text string) bool {
			return slices.ContainsFunc(breach.Scan(text), func(f breach.Finding) bool { return f.Rule == c.rule })
		}
		if !has(c.text) || has(c.wrong) {
			t.Errorf("%s: right %v, wrong %v", name, has(c.text), has(c.wrong))
		}
		if m := breach.Mask("to " + c.text + "."); strings.Contains(m, c.text) {
			t.Errorf("%s: %q is not masked", name, m)
		}
	}
}
