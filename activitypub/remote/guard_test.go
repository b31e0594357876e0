package remote

import (
	"context"
	"errors"
	"net/netip"
	"testing"
)

// TestGuard is A18 by address, in the form in which a dialer sees it.
func TestGuard(t *testing.T) {
	for _, address := range []string{
		"127.0.0.1:443", "127.255.255.254:443", "[::1]:443", "[::]:443", "0.0.0.0:443", "0.1.2.3:80",
		"10.0.0.1:443", "172.16.0.1:443", "172.31.255.255:443", "192.168.1.1:443",
		"169.254.169.254:80", "168.63.129.16:80", "100.64.0.1:443", "100.127.255.255:443", "192.0.0.8:443",
		"198.18.0.1:443", "198.19.255.255:443", "192.0.2.1:443", "198.51.100.1:443", "203.0.113.1:443",
		"224.0.0.1:443", "239.255.255.255:443", "240.0.0.1:443", "255.255.255.255:443", "192.88.99.1:443",
		"[::ffff:127.0.0.1]:443", "[::ffff:10.0.0.1]:443", "[::127.0.0.1]:443",
		"[::ffff:0:127.0.0.1]:443", "[64:ff9b::7f00:1]:443", "[64:ff9b::808:808]:443", "[64:ff9b:1::1]:443",
		"[100::1]:443", "[2001::1]:443", "[2001:10::1]:443", "[2001:20::1]:443", "[2001:db8::1]:443",
		"[2002:7f00:1::]:443", "[3fff::1]:443", "[fc00::1]:443", "[fd12:3456::1]:443", "[fe80::1]:443",
		"[fe80::1%eth0]:443", "[2606:4700::1%eth0]:443", "[fec0::1]:443", "[ff02::1]:443",
		"localhost:443", "", "1.2.3.4",
	} {
		if err := guard("tcp", address, nil); !errors.Is(err, ErrForbiddenAddress) {
			t.Errorf("%s is let through: %v", address, err)
		}
	}
	for _, address := range []string{
		"8.8.8.8:443", "1.1.1.1:80", "168.63.129.17:80", "100.63.255.255:443", "100.128.0.1:443", "172.32.0.1:443", "192.0.1.1:443",
		"198.17.0.1:443", "198.20.0.1:443", "223.255.255.255:443", "[2606:4700::1111]:443", "[2a00:1450::1]:443",
		"[2001:200::1]:443", "[::ffff:8.8.8.8]:443",
	} {
		if err := guard("tcp", address, nil); err != nil {
			t.Errorf("%s is refused: %v", address, err)
		}
	}
	if public(netip.Addr{}) {
		t.Error("no address at all is let through")
	}
}

func TestAddressesThatAreNeverRequested(t *testing.T) {
	c := New(Options{})
	defer c.CloseIdle()
	for _, address := range []string{
		"http://a.example/1", "ftp://a.example/1", "file:///etc/passwd", "https://user:pass@a.example/",
		"https://", "https:///x", "//a.example/", "a.example", "", "https://a.example/\r\nHost: b", "https://a.example:0/",
		"https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://2130706433/", "https://0x7f.1/",
		"https://0177.0.0.1/", "https://localhost/", "https://127.1/", "https://127.0x1/", "https://0300.0250.0.1:8443/", "https://99999999999999999999999/", "https://127.0.0.1./",
	} {
		if _, err := c.Object(context.Background(), address); err == nil {
			t.Errorf("fetched %q", address)
		} else if !errors.Is(err, ErrForbiddenAddress) {
			t.Errorf("%q: %v", address, err)
		}
		if _, err := c.Post(context.Background(), address, nil, nil); err == nil {
			t.Errorf("posted to %q", address)
		}
	}
}
