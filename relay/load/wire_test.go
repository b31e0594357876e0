package load

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

func TestReadRequest(t *testing.T) {
	long := strings.Repeat("a", 6000) // more than the reader's room
	tests := []struct {
		name, in     string
		target, body string
		post, last   bool
		err          error
	}{
		{"get", "GET /actor HTTP/1.1\r\nHost: a\r\n\r\n", "/actor", "", false, false, nil},
		{"post", "POST /inbox HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "/inbox", "hello", true, false, nil},
		{"lower case, close", "POST /inbox HTTP/1.1\r\ncontent-length:5\r\nconnection: Close\r\n\r\nhello", "/inbox", "hello", true, true, nil},
		{"bare line feeds", "POST /inbox HTTP/1.1\nContent-Length: 2\n\nhi", "/inbox", "hi", true, false, nil},
		{"1.0", "GET / HTTP/1.0\r\n\r\n", "/", "", false, true, nil},
		{"chunked", "POST /inbox HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "/inbox", "abcde", true, false, nil},
		{"a long header", "POST /inbox HTTP/1.1\r\nSignature: " + long + "\r\nContent-Length: 2\r\n\r\nhi", "/inbox", "hi", true, false, nil},
		{"nothing", "", "", "", false, false, io.EOF},
		{"half a line", "POST /in", "", "", false, false, errWire},
		{"a short body", "POST /inbox HTTP/1.1\r\nContent-Length: 9\r\n\r\nhello", "", "", false, false, errWire},
		{"a body without end", "POST /inbox HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", "", "", false, false, errWire},
		{"a negative length", "POST /inbox HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "", "", false, false, errWire},
		{"two framings", "POST /inbox HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", "", false, false, errWire},
		{"another coding", "POST /inbox HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", "", "", false, false, errWire},
		{"a head without end", "GET / HTTP/1.1\r\nX: " + strings.Repeat("b", maxHead), "", "", false, false, errWire},
		{"another protocol", "PRI * HTTP/2.0\r\n\r\n", "", "", false, false, errWire},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r request
			err := r.read(bufio.NewReaderSize(strings.NewReader(tt.in), 4096), io.Discard)
			if !errors.Is(err, tt.err) || tt.err == nil && err != nil {
				t.Fatalf("got error %v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			if string(r.target) != tt.target || string(r.body) != tt.body || r.post != tt.post || r.last != tt.last {
				t.Errorf("got %q, %.20q, post %v, last %v", r.target, r.body, r.post, r.last)
			}
		})
	}
}

// Requests follow each other on one connection and leave nothing behind.
func TestReadRequestsInTurn(t *testing.T) {
	br := bufio.NewReader(strings.NewReader("POST /inbox HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello" +
		"POST /b/inbox HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nGET /c HTTP/1.1\r\n\r\n"))
	var r request
	var asked bytes.Buffer
	for _, want := range []string{"/inbox hello", "/b/inbox hi", "/c "} {
		if err := r.read(br, &asked); err != nil {
			t.Fatal(err)
		}
		if got := string(r.target) + " " + string(r.body); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if err := r.read(br, &asked); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
	if asked.String() != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Errorf("asked %q", asked.String())
	}
}

// FuzzReadRequest: what the general server reads as a request is read alike;
// nothing else does harm.
func FuzzReadRequest(f *testing.F) {
	f.Add([]byte("POST /inbox HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"))
	f.Add([]byte("POST /inbox HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
	f.Add([]byte("GET /.well-known/nodeinfo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var r request
		if err := r.read(bufio.NewReaderSize(bytes.NewReader(in), 4096), io.Discard); err != nil {
			return
		}
		if len(r.head) > maxHead+4096 || len(r.body) > maxBody || len(r.target) == 0 || r.target[0] != '/' {
			t.Fatalf("a head of %d bytes, a body of %d, target %q", len(r.head), len(r.body), r.target)
		}
		general, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(in)))
		if err != nil {
			return
		}
		body, err := io.ReadAll(general.Body)
		if err == nil && (!bytes.Equal(body, r.body) || general.RequestURI != string(r.target) || (general.Method == "POST") != r.post) {
			t.Errorf("read %q %.40q, the general server %q %.40q", r.target, r.body, general.RequestURI, body)
		}
	})
}

func TestFindActivity(t *testing.T) {
	n := numbers{base: 7_000_000, count: 10}
	id := func(i int) string {
		return "http://127.0.0.1:1/users/ann/statuses/" + strconv.FormatInt(n.base+int64(i), 10)
	}
	tests := []struct {
		name, body string
		want       int
		ok         bool
	}{
		{"a Create", `{"id":"` + id(3) + `/activity","object":{"id":"` + id(3) + `"}}`, 3, true},
		{"an Announce", `{"id":"https://relay.example/1","object":"` + id(4) + `"}`, 4, true},
		{"escaped slashes", `{"object":"` + strings.ReplaceAll(id(4), "/", `\/`) + `"}`, 4, true},
		{"an Update", `{"id":"` + id(3) + `#updates/7000005","object":{"id":"` + id(3) + `"}}`, 5, true},
		{"an Update, its object first", `{"object":{"id":"` + id(3) + `"},"id":"` + id(3) + `#updates\/7000005"}`, 5, true},
		{"of another run", `{"id":"http://127.0.0.1:1/users/ann/statuses/6999999"}`, 0, false},
		{"beyond the last", `{"id":"` + id(10) + `"}`, 0, false},
		{"no number", `{"text":"statuses statuses/ statuses/x statuses/99999999999999999999999"}`, 0, false},
		{"another first", `{"inReplyTo":"https://x.example/statuses/1","id":"` + id(9) + `"}`, 9, true},
		{"nothing", ``, 0, false},
	}
	for _, tt := range tests {
		if got, ok := n.find([]byte(tt.body)); got != tt.want || ok != tt.ok {
			t.Errorf("%s: got %d, %v", tt.name, got, ok)
		}
	}
}

func FuzzFindActivity(f *testing.F) {
	n := numbers{base: 7_000_000, count: 10}
	f.Add([]byte(`{"id":"http://h/users/ann/statuses/7000003#updates/7000004"}`))
	f.Add([]byte(`statuses\/7000003`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if i, ok := n.find(body); i < 0 || i >= int(n.count) || !ok && i != 0 {
			t.Errorf("got %d, %v", i, ok)
		}
	})
}
