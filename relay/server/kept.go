package server

import (
	"sync"
	"time"
)

// Bounds of kept.
const (
	keptFor  = 5 * time.Second
	keptMost = 256 // documents; past that all are made anew
)

// kept remembers documents that are read from the store for anybody who asks,
// so that asking often costs no more than asking once, and makes one at a time.
type kept struct {
	mu   sync.Mutex // guards docs, and is held while one is made
	docs map[string]keptDocument
}

type keptDocument struct {
	at   time.Time
	body []byte
}

// read returns the document of that name, made anew if it is too old. What
// fails is not remembered.
func (k *kept) read(name string, now time.Time, write func() ([]byte, error)) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if d, ok := k.docs[name]; ok {
		if age := now.Sub(d.at); 0 <= age && age < keptFor {
			return d.body, nil
		}
	}
	body, err := write()
	if err != nil {
		return nil, err
	}
	if k.docs == nil || len(k.docs) >= keptMost {
		k.docs = map[string]keptDocument{}
	}
	k.docs[name] = keptDocument{now, body}
	return body, nil
}
