package remote

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"hark/activitypub"
)

// reserved are the networks that no public server is in. Addresses that carry
// an IPv4 address inside are refused as a whole: whoever means to be reached
// has a plain one.
//
// ref: IANA IPv4 and IPv6 special-purpose address registries; RFC 6890
var reserved = prefixes(
	"0.0.0.0/8",         // this network
	"10.0.0.0/8",        // private
	"100.64.0.0/10",     // shared by carriers, cloud metadata of some
	"127.0.0.0/8",       // loopback
	"168.63.129.16/32",  // the host of a virtual machine at Azure
	"169.254.0.0/16",    // link-local, cloud metadata
	"172.16.0.0/12",     // private
	"192.0.0.0/24",      // protocol assignments
	"192.0.2.0/24",      // documentation
	"192.31.196.0/24",   // AS112
	"192.52.193.0/24",   // automatic multicast tunnelling
	"192.88.99.0/24",    // 6to4 relays
	"192.168.0.0/16",    // private
	"192.175.48.0/24",   // AS112
	"198.18.0.0/15",     // benchmarking
	"198.51.100.0/24",   // documentation
	"203.0.113.0/24",    // documentation
	"224.0.0.0/4",       // multicast
	"240.0.0.0/4",       // reserved, broadcast
	"::/8",              // unspecified, loopback, IPv4-compatible, IPv4-mapped and -translated
	"64:ff9b::/96",      // NAT64
	"64:ff9b:1::/48",    // local NAT64
	"100::/64",          // discard
	"100:0:0:1::/64",    // dummy
	"2001::/23",         // protocol assignments, Teredo, ORCHID
	"2001:db8::/32",     // documentation
	"2002::/16",         // 6to4
	"2620:4f:8000::/48", // AS112
	"3fff::/20",         // documentation
	"5f00::/16",         // segment routing
	"fc00::/7",          // unique local
	"fe80::/10",         // link-local
	"fec0::/10",         // site-local
	"ff00::/8",          // multicast
)

func prefixes(texts ...string) []netip.Prefix {
	p := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		p[i] = netip.MustParsePrefix(t)
	}
	return p
}

// public reports whether an address may be connected to.
func public(addr netip.Addr) bool {
	if !addr.IsValid() || addr.Zone() != "" {
		return false
	}
	addr = addr.Unmap()
	for _, p := range reserved {
		if p.Contains(addr) {
			return false
		}
	}
	return true
}

// guard runs between the resolution of a name and the connection, so that no
// name, notation, redirect or second answer of a name server leads inside.
//
// ref: federation threat A18
func guard(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%q: %w", address, ErrForbiddenAddress)
	}
	if !public(ap.Addr()) {
		return fmt.Errorf("%s: %w", ap.Addr(), ErrForbiddenAddress)
	}
	return nil
}

// usable normalises an address that may be requested: https, or http where
// that is allowed, without a user name.
func (c *Client) usable(address string) (activitypub.IRI, error) {
	iri, err := activitypub.ParseIRI(address)
	if err != nil {
		return "", fmt.Errorf("%w: %w", err, ErrForbiddenAddress)
	}
	if !c.o.AllowHTTP && strings.HasPrefix(string(iri), "http:") {
		return "", fmt.Errorf("%q is not https: %w", iri, ErrForbiddenAddress)
	}
	if numeric(iri.Host()) {
		return "", fmt.Errorf("%q has a number for a host: %w", iri, ErrForbiddenAddress)
	}
	return iri, nil
}

// numeric reports whether a host is a number that some resolvers take for an
// IPv4 address in one of its old notations: 2130706433, 0x7f.1, 127.1. Names
// never end in a numeric label; plain addresses are left to the guard.
//
// ref: WHATWG URL §3.5, "ends in a number"
func numeric(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return false
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	_, err := strconv.ParseUint(last, 0, 64)
	return err == nil || last != "" && strings.Trim(last, "0123456789") == ""
}
