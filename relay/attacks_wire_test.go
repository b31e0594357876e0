package relay_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// say writes bytes to the node and returns the answer: status, reason and
// whether the connection was closed afterwards.
func say(t *testing.T, addr, text string) answered {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	// The node may answer and hang up before it has read everything.
	_, _ = io.WriteString(conn, text)
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return answered{text: err.Error()}
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var p struct{ Reason string }
	_ = json.Unmarshal(body, &p) // the HTTP server's own refusals have none
	return answered{status: resp.StatusCode, reason: p.Reason, text: string(body)}
}

// TestWireAttacks (A30): what is wrong with the request as HTTP is answered at
// once and costs nothing but the answer. Where the reason is empty, the HTTP
// server refused before there was a request to give a reason for.
func TestWireAttacks(t *testing.T) {
	s := attacked(t, nil)
	s.now(t)
	addr := s.n.Addr()
	const typ = "Content-Type: application/activity+json\r\n"
	post := func(headers, body string) string {
		return "POST /inbox HTTP/1.1\r\nHost: " + addr + "\r\n" + headers + "\r\n" + body
	}
	length := func(n int) string { return fmt.Sprintf("Content-Length: %d\r\n", n) }
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(bytes.Repeat([]byte(" "), 32<<20))
	_ = z.Close()
	chunks := strings.Repeat("8000\r\n"+strings.Repeat("x", 0x8000)+"\r\n", 40) // 1.25 MiB, and no last one
	for _, tt := range []struct {
		name, request string
		status        int
		reason        string
	}{
		{"1 MiB + 1", post(typ+length(1<<20+1), strings.Repeat("x", 1<<20+1)), 413, "too-large"},
		{"a petabyte is announced", post(typ+"Content-Length: 1125899906842624\r\n", "{"), 413, "too-large"},
		{"chunked without end", post(typ+"Transfer-Encoding: chunked\r\n", chunks), 413, "too-large"},
		{"chunk of a wrong size", post(typ+"Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"), 400, "body"},
		{"a huge chunk is announced", post(typ+"Transfer-Encoding: chunked\r\n", "ffffffffffffffff\r\n{}"), 400, "body"},
		{"shorter than it says", post(typ+length(100), "{}"), 400, "body"},
		{"bomb by Content-Encoding", post(typ+"Content-Encoding: gzip\r\n"+length(packed.Len()), packed.String()), 415, "content-encoding"},
		{"identity and gzip", post(typ+"Content-Encoding: identity\r\nContent-Encoding: gzip\r\n"+length(2), "{}"), 415, "content-encoding"},
		{"brotli", post(typ+"Content-Encoding: br\r\n"+length(2), "{}"), 415, "content-encoding"},
		{"bomb by Transfer-Encoding", post(typ+"Transfer-Encoding: gzip, chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"), 501, ""},
		{"two content types", post(typ+"Content-Type: text/html\r\n"+length(2), "{}"), 415, "content-type"},
		{"no content type", post(length(2), "{}"), 415, "content-type"},
		{"a form", post("Content-Type: multipart/form-data; boundary=x\r\n"+length(2), "{}"), 415, "content-type"},
		{"two lengths", post(typ+length(2)+length(3), "{}"), 400, ""},
		{"a negative length", post(typ+"Content-Length: -1\r\n", ""), 400, ""},
		{"length and chunks", post(typ+"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"), 400, "field"},
		{"NUL in a header", post(typ+"X: a\x00b\r\n"+length(2), "{}"), 400, ""},
		{"bare CR in a header", post(typ+"X: a\rb\r\n"+length(2), "{}"), 400, ""},
		{"folded header", post(typ+"X: a\r\n b\r\n"+length(2), "{}"), 400, "field"},
		{"space before the colon", post(typ+"Signature : x\r\n"+length(2), "{}"), 400, ""},
		{"header without a name", post(typ+": x\r\n"+length(2), "{}"), 400, ""},
		{"no Host", "POST /inbox HTTP/1.1\r\n" + typ + length(2) + "\r\n{}", 400, ""},
		{"two Hosts", post("Host: other.example\r\n"+typ+length(2), "{}"), 400, ""},
		{"Host with a space", "POST /inbox HTTP/1.1\r\nHost: a b\r\n" + typ + length(2) + "\r\n{}", 400, ""},
		{"Host with a path", "POST /inbox HTTP/1.1\r\nHost: a/../b\r\n" + typ + length(2) + "\r\n{}", 400, ""},
		{"NUL in the path", "POST /in\x00box HTTP/1.1\r\nHost: x\r\n\r\n", 400, ""},
		{"LF in the path", "POST /in\nbox HTTP/1.1\r\nHost: x\r\n\r\n", 400, ""},
		{"CONNECT", "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n", 404, "not-found"},
		{"as a proxy", "GET http://127.0.0.1:1/x HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n", 404, "not-found"},
		{"another method", "PUT /inbox HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405, "method-not-allowed"},
		{"TRACE", "TRACE /inbox HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method-not-allowed"},
		{"64 KiB in one header", post(typ+"X: "+strings.Repeat("x", 64<<10)+"\r\n"+length(2), "{}"), 431, ""},
		{"ten thousand headers", post(typ+strings.Repeat("X: y\r\n", 10_000)+length(2), "{}"), 431, ""},
		{"HTTP/3.7", "POST /inbox HTTP/3.7\r\nHost: x\r\n\r\n", 505, ""},
		{"TLS to a port without it", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, ""},
	} {
		t.Run(tt.name, func(t *testing.T) { say(t, addr, tt.request).want(t, tt.status, tt.reason) })
	}
	s.untouched(t)
}

// TestBodyAttacks (A30): documents that cost more than they are, or that two
// readers would read differently, are refused before any key is fetched.
func TestBodyAttacks(t *testing.T) {
	s := attacked(t, nil)
	s.now(t)
	eve := s.lair.url + "/nobody"
	head := `{"type":"Create","id":"` + s.lair.url + `/1","actor":"` + eve + `"`
	for _, tt := range []struct {
		name, body string
		status     int
		reason     string
	}{
		{"depth 10,000", head + `,"object":` + strings.Repeat(`[`, 10_000) + strings.Repeat(`]`, 10_000) + `}`, 400, "nesting"},
		{"a hundred thousand entries", head + `,"tag":[` + strings.Repeat(`1,`, 100_000) + `1]}`, 413, "too-large"},
		{"many keys", head + `,"object":{` + manyKeys(30_000) + `}}`, 413, "too-large"},
		{"a key twice", head + `,"type":"Delete"}`, 400, "duplicate-key"},
		{"a key twice, escaped", head + `,"\u0074ype":"Delete"}`, 400, "duplicate-key"},
		{"a key twice, inside", head + `,"object":{"id":"a","id":"b"}}`, 400, "duplicate-key"},
		{"NUL", head + ",\"name\":\"\x00\"}", 400, "encoding"},
		{"an escaped NUL", head + `,"name":"\u0000"}`, 400, "encoding"},
		{"not UTF-8", head + ",\"name\":\"\xff\"}", 400, "encoding"},
		{"a byte order mark", "\ufeff" + head + `}`, 400, "encoding"},
		{"UTF-16", "\xff\xfe{\x00", 400, "encoding"},
		{"cut off", head, 400, "json"},
		{"two documents", head + `}{}`, 400, "json"},
		{"a list", `[` + head + `}]`, 400, "json"},
		{"nothing", ``, 400, "json"},
		{"number as id", strings.Replace(head, `"id":"`+s.lair.url+`/1"`, `"id":1`, 1) + `}`, 400, "field"},
		{"CR and LF in the id", strings.Replace(head, `/1"`, `/1\r\nX: y"`, 1) + `}`, 400, "field"},
		{"CR and LF in the actor", strings.Replace(head, `/nobody"`, `/nobody\r\nX: y"`, 1) + `}`, 400, "field"},
		{"user name in the actor", strings.Replace(head, `"actor":"http://`, `"actor":"http://a:b@`, 1) + `}`, 400, "field"},
		{"actor by script", strings.Replace(head, `"actor":"`+eve+`"`, `"actor":"javascript:alert(1)"`, 1) + `}`, 400, "field"},
		{"actor is a file", strings.Replace(head, `"actor":"`+eve+`"`, `"actor":"file:///etc/passwd"`, 1) + `}`, 400, "field"},
		{"an address of a megabyte", strings.Replace(head, `/nobody"`, `/`+strings.Repeat("x", 1_000_000)+`"`, 1) + `}`, 400, "field"},
		{"a context to fetch (A17)", head + `,"@context":"` + s.lair.url + `/context","signature":{"type":"RsaSignature2017"}}`, 401, "key-unavailable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			send(t, s.n, letter{body: []byte(tt.body), keyID: eve + "#main-key"}).want(t, tt.status, tt.reason)
		})
	}
	if n := s.lair.asked("GET "); n != 1 {
		t.Errorf("the attacker's server was asked %d times, want once, for the key of the only good document", n)
	}
	if s.lair.asked("GET /context") != 0 {
		t.Error("a context was fetched")
	}
	s.untouched(t)
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"k%d":0,`, i)
	}
	return b.String() + `"k":0`
}

// TestContextIsNeverFetched (A17): not even for a subscriber whose activity
// says that it needs it.
func TestContextIsNeverFetched(t *testing.T) {
	s := attacked(t, nil)
	eve := s.join(t, s.lair)
	s.now(t)
	context := s.lair.serve("/context", "application/ld+json", `{"@context":{"content":"as:summary"}}`)
	for _, at := range []any{context, []any{"https://www.w3.org/ns/activitystreams", context}, map[string]any{"@import": context}, "http://169.254.169.254/latest/meta-data/"} {
		body := noteBy(eve, s.lair.url, func(a, _ map[string]any) {
			a["@context"] = at
			a["signature"] = map[string]any{"type": "RsaSignature2017", "creator": eve + "#main-key", "created": time.Now().UTC().Format(time.RFC3339), "signatureValue": "c2ln"}
		})
		// The request's own signature holds, so the post counts: announced, not forwarded.
		send(t, s.n, letter{body: body, keyID: eve + "#main-key"}).want(t, 202, "relayed")
	}
	eventually(t, 10*time.Second, func() string {
		announced := 0
		for _, r := range s.to.Received() {
			if r.Type == "Create" {
				t.Fatal("an activity whose proof fails was forwarded")
			}
			if r.Type == "Announce" {
				announced++
			}
		}
		if announced < 4 {
			return "not announced"
		}
		return ""
	})
	s.settled(t)
	if n := s.lair.asked("GET /context"); n != 0 {
		t.Errorf("a context was fetched %d times", n)
	}
}
