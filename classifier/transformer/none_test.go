//go:build !transformer

package transformer

import (
	"errors"
	"testing"
)

func TestNotBuilt(t *testing.T) {
	if _, err := Open(Options{Dir: folderOf(t, tinyConfig, bertTokenizer, []byte("m"))}); !errors.Is(err, ErrNotBuilt) {
		t.Errorf("%v", err)
	}
}
