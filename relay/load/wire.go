package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http/httputil"
	"strconv"
)

// The limits of a request that a simulated host reads, in bytes.
const (
	maxHead = 32 << 10
	maxBody = 1 << 20
)

// errWire is returned when a request is not HTTP/1.1, or larger than the
// limits. The connection cannot be used any more.
var errWire = errors.New("not a request that can be read")

// request is a request as a simulated host needs it. Reading the next one
// overwrites it.
type request struct {
	head      []byte // request line and headers, with the empty line behind them
	body      []byte
	target    []byte // within head
	post      bool
	last      bool // the connection ends with its answer
	length    int64
	chunked   bool
	expecting bool // waits for "100 Continue" before it sends the body
}

// read reads a request. It returns io.EOF where the connection ended before
// one began. The general server would take a third of what the relay under
// measurement takes for the same request.
//
// ref: RFC 9112 §2.1, §6.3, §9.3
func (r *request) read(br *bufio.Reader, w io.Writer) error {
	if err := r.readHead(br); err != nil {
		return err
	}
	if r.expecting {
		if _, err := io.WriteString(w, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return err
		}
	}
	if r.chunked {
		var b bytes.Buffer
		if _, err := io.Copy(&b, io.LimitReader(httputil.NewChunkedReader(br), maxBody+1)); err != nil {
			return fmt.Errorf("%w: %w", errWire, err)
		}
		// The reader leaves the line that ends the trailer.
		if line, err := br.ReadSlice('\n'); err != nil || len(bytes.TrimSpace(line)) > 0 || b.Len() > maxBody {
			return errWire
		}
		r.body = append(r.body[:0], b.Bytes()...)
		return nil
	}
	if r.length > maxBody {
		return fmt.Errorf("%w: a body of %d bytes", errWire, r.length)
	}
	if int64(cap(r.body)) < r.length {
		r.body = make([]byte, r.length)
	}
	r.body = r.body[:r.length]
	if _, err := io.ReadFull(br, r.body); err != nil {
		return fmt.Errorf("%w: %w", errWire, err)
	}
	return nil
}

func (r *request) readHead(br *bufio.Reader) error {
	*r = request{head: r.head[:0], body: r.body[:0], length: 0}
	for first := true; ; first = false {
		start := len(r.head)
		for more := true; more; { // a line may be longer than the reader's room
			part, err := br.ReadSlice('\n')
			r.head = append(r.head, part...)
			if more = errors.Is(err, bufio.ErrBufferFull); err != nil && !more {
				if errors.Is(err, io.EOF) && len(r.head) == 0 {
					return io.EOF
				}
				return fmt.Errorf("%w: %w", errWire, err)
			}
			if len(r.head) > maxHead {
				return fmt.Errorf("%w: a head of more than %d bytes", errWire, maxHead)
			}
		}
		line := bytes.TrimRight(r.head[start:], "\r\n")
		if first {
			if err := r.requestLine(line); err != nil {
				return err
			}
			continue
		}
		if len(line) == 0 {
			break
		}
		if err := r.header(line); err != nil {
			return err
		}
	}
	if r.chunked && r.length != 0 {
		return errWire
	}
	// The buffer may have moved while it grew.
	from := bytes.IndexByte(r.head, ' ') + 1
	to := from + bytes.IndexByte(r.head[from:], ' ')
	r.target = r.head[from:to]
	return nil
}

func (r *request) requestLine(line []byte) error {
	method, rest, ok := bytes.Cut(line, []byte(" "))
	target, version, ok2 := bytes.Cut(rest, []byte(" "))
	if !ok || !ok2 || len(target) == 0 || target[0] != '/' || len(method) == 0 || string(version) != "HTTP/1.1" && string(version) != "HTTP/1.0" {
		return fmt.Errorf("%w: %.40q", errWire, line)
	}
	r.post, r.last = string(method) == "POST", string(version) == "HTTP/1.0"
	return nil
}

func (r *request) header(line []byte) error {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return fmt.Errorf("%w: %.40q", errWire, line)
	}
	value = bytes.TrimSpace(value)
	switch {
	case is(name, "content-length"):
		n, err := strconv.ParseUint(string(value), 10, 63)
		if err != nil {
			return fmt.Errorf("%w: content-length %.20q", errWire, value)
		}
		r.length = int64(n)
	case is(name, "transfer-encoding"):
		if !is(value, "chunked") {
			return fmt.Errorf("%w: transfer-encoding %.20q", errWire, value)
		}
		r.chunked = true
	case is(name, "connection"):
		r.last = r.last || is(value, "close")
	case is(name, "expect"):
		r.expecting = is(value, "100-continue")
	}
	return nil
}

// is compares a word with one in lower case, without regard to case. Most
// headers differ in length, which costs nothing to see.
func is(word []byte, lower string) bool {
	return len(word) == len(lower) && bytes.EqualFold(word, []byte(lower))
}
