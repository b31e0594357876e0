package server

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestKept(t *testing.T) {
	var k kept
	made, now := 0, time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	write := func() ([]byte, error) {
		made++
		return fmt.Append(nil, made), nil
	}
	read := func(name string) string {
		t.Helper()
		b, err := k.read(name, now, write)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, want := range []string{"a1", "a1", "b2", "a1"} {
		if got := read(want[:1]); got != want[1:] {
			t.Errorf("%s is %s, so it was made again within its time", want, got)
		}
	}
	if now = now.Add(keptFor); read("a") != "3" {
		t.Error("a document is kept too long")
	}
	if now = now.Add(-time.Hour); read("a") != "4" {
		t.Error("a document from the future is kept")
	}
	broken := errors.New("broken")
	if _, err := k.read("c", now, func() ([]byte, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	if read("c") != "5" {
		t.Error("a failure is remembered")
	}
	for i := range 3 * keptMost {
		read(fmt.Sprint(i))
	}
	if len(k.docs) > keptMost {
		t.Errorf("%d documents are kept", len(k.docs))
	}
}
