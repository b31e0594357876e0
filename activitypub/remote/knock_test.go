package remote

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"hark/activitypub"
	"hark/activitypub/sig"
)

// door is a server that takes certain schemes and answers others with a
// status; it notes which came.
type door struct {
	takes  []sig.Scheme
	answer int

	mu   sync.Mutex // guards came
	came []sig.Scheme
}

func (d *door) handle(_ string, w http.ResponseWriter, r *http.Request) {
	scheme := sig.SchemeCavage
	if r.Header.Get("Signature-Input") != "" {
		scheme = sig.SchemeRFC9421
	}
	d.mu.Lock()
	d.came = append(d.came, scheme)
	good := slices.Contains(d.takes, scheme)
	d.mu.Unlock()
	if !good {
		w.WriteHeader(d.answer)
		return
	}
	if r.Method == http.MethodPost {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.Header().Set("Content-Type", activitypub.ContentType)
	_, _ = w.Write([]byte(`{"id":"http://` + r.Host + r.URL.Path + `"}`))
}

func (d *door) seen() []sig.Scheme {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() { d.came = nil }()
	return d.came
}

// TestDoubleKnock: which schemes reach a host, request after request.
func TestDoubleKnock(t *testing.T) {
	const cavage, rfc = sig.SchemeCavage, sig.SchemeRFC9421
	signer := &sig.Signer{KeyID: "https://relay.example/actor#main-key", Private: testKey()}
	post := func(c *Client, base string) (int, error) {
		resp, err := c.Post(context.Background(), base+"/inbox", []byte(`{}`), func(r *http.Request, s sig.Scheme) error {
			return signer.SignAs(s, r, []byte(`{}`), testNow)
		})
		return resp.Status, err
	}
	get := func(c *Client, base string) (int, error) {
		_, err := c.Object(context.Background(), base+"/o")
		var status ErrStatus
		if errors.As(err, &status) {
			return int(status), nil
		}
		return 200, err
	}
	type ask = func(*Client, string) (int, error)
	for _, tt := range []struct {
		name   string
		takes  []sig.Scheme
		answer int
		asks   []ask
		status []int
		came   []sig.Scheme
	}{
		{"a server of today", []sig.Scheme{cavage, rfc}, 401, []ask{post, get}, []int{202, 200}, []sig.Scheme{cavage, cavage}},
		{"one of tomorrow, by POST", []sig.Scheme{rfc}, 401, []ask{post, post, get}, []int{202, 202, 200}, []sig.Scheme{cavage, rfc, rfc, rfc}},
		{"one of tomorrow, by GET", []sig.Scheme{rfc}, 400, []ask{get, get, post}, []int{200, 200, 202}, []sig.Scheme{cavage, rfc, rfc, rfc}},
		{"403 to a GET", []sig.Scheme{rfc}, 403, []ask{get}, []int{200}, []sig.Scheme{cavage, rfc}},
		{"400 to a POST is not about the scheme", []sig.Scheme{rfc}, 400, []ask{post, post}, []int{400, 400}, []sig.Scheme{cavage, cavage}},
		{"one that blocks us", nil, 401, []ask{post, post, get}, []int{401, 401, 401}, []sig.Scheme{cavage, rfc, cavage, cavage}},
		{"404", nil, 404, []ask{post}, []int{404}, []sig.Scheme{cavage}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &door{takes: tt.takes, answer: tt.answer}
			base := site(t, map[string]handler{"/": d.handle})
			c := local(t, Options{Signer: signer})
			for i, ask := range tt.asks {
				if status, err := ask(c, base); err != nil || status != tt.status[i] {
					t.Errorf("request %d: %d, %v, want %d", i, status, err, tt.status[i])
				}
			}
			if came := d.seen(); !slices.Equal(came, tt.came) {
				t.Errorf("came %v, want %v", came, tt.came)
			}
		})
	}
}

// TestKnockIsForgotten: a host that refused both schemes is tried with both
// again after a while, and one that changes its mind is followed.
func TestKnockIsForgotten(t *testing.T) {
	now := testNow
	d := &door{answer: 401}
	base := site(t, map[string]handler{"/": d.handle})
	c := New(Options{AllowPrivate: true, AllowHTTP: true, Now: func() time.Time { return now }, Signer: &sig.Signer{KeyID: "https://relay.example/actor#main-key", Private: testKey()}})
	t.Cleanup(c.CloseIdle)
	try := func() int {
		_, _ = c.Object(context.Background(), base+"/o")
		return len(d.seen())
	}
	if n := try(); n != 2 {
		t.Errorf("%d requests to a new host", n)
	}
	if n := try(); n != 1 {
		t.Errorf("%d requests to a host that refuses both", n)
	}
	now = now.Add(knockPause)
	if n := try(); n != 2 {
		t.Errorf("%d requests after the pause", n)
	}
	now = now.Add(knockPause)
	d.takes = []sig.Scheme{sig.SchemeRFC9421}
	if n := try(); n != 2 {
		t.Errorf("%d requests to learn the new scheme", n)
	}
	if n := try(); n != 1 {
		t.Errorf("%d requests after it was learnt", n)
	}
	d.takes = []sig.Scheme{sig.SchemeCavage}
	if n := try(); n != 2 {
		t.Errorf("%d requests to learn that it went back", n)
	}
}
