package sig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
)

func parseWithoutCheck(t *testing.T, text string) crypto.PublicKey {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatal("not PEM")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return public
}

func TestKeysSurviveTheirPEM(t *testing.T) {
	private, err := MarshalPrivatePEM(alice())
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParsePrivatePEM(private)
	if err != nil || !again.Equal(alice()) {
		t.Fatalf("private key: %v", err)
	}
	public, err := PublicPEM(&alice().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(public), "-----BEGIN PUBLIC KEY-----\n") {
		t.Errorf("not SPKI: %.40s", public)
	}
	// Some servers escape or trim the line breaks around it.
	for _, text := range []string{string(public), strings.TrimSpace(string(public)), "\n" + string(public) + "\n\n"} {
		got, err := ParsePublicPEM([]byte(text))
		if err != nil || !alice().PublicKey.Equal(got) {
			t.Fatalf("public key: %v", err)
		}
	}
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&alice().PublicKey)})
	if got, err := ParsePublicPEM(pkcs1); err != nil || !alice().PublicKey.Equal(got) {
		t.Fatalf("PKCS #1: %v", err)
	}
	short, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := PublicPEM(short)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParsePublicPEM(text); err != nil || !short.Equal(got) {
		t.Fatalf("Ed25519: %v", err)
	}
}

func TestBadPEM(t *testing.T) {
	good, err := PublicPEM(&alice().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	private, err := MarshalPrivatePEM(alice())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":     "",
		"noise":     "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
		"two":       string(good) + string(good),
		"private":   string(private),
		"very long": strings.Repeat(" ", maxPEM) + string(good),
	} {
		if _, err := ParsePublicPEM([]byte(text)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := ParsePrivatePEM(good); err == nil {
		t.Error("a public key was accepted as a private one")
	}
	other, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := PublicPEM(&other.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParsePublicPEM(text); !errors.Is(err, ErrWeakKey) {
		t.Errorf("a key on a curve that no standard here names: %v", err)
	}
}
