package server

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"hark/storage"
	"hark/storage/query"
)

func FuzzLocalPath(f *testing.F) {
	for _, p := range []string{"/search?q=storm", "/post/7", "", "search", "//evil.example", "/\t/evil.example", "/\\evil.example", "/\n/evil.example", "/ /evil.example", "https://evil.example/", "/\x00/evil.example"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		got := localPath(p)
		// What a browser makes of it: tabs and line ends go, a backslash is a slash.
		browser := strings.NewReplacer("\t", "", "\n", "", "\r", "", "\\", "/").Replace(strings.Trim(got, " \x00\x01\x1f"))
		if !strings.HasPrefix(browser, "/") || strings.HasPrefix(browser, "//") {
			t.Errorf("%q leads to %q", p, got)
		}
	})
}

func TestClientAddr(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	for _, tt := range []struct{ name, remote, forwarded, want string }{
		{"no proxy", "203.0.113.5:1", "", "203.0.113.5"},
		{"a stranger says so", "203.0.113.5:1", "198.51.100.1", "203.0.113.5"},
		{"one proxy", "127.0.0.1:1", "198.51.100.1", "198.51.100.1"},
		{"two proxies, and what the asker made up", "127.0.0.1:1", "192.0.2.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"},
		{"mapped", "[::ffff:127.0.0.1]:1", "2001:db8::1", "2001:db8::1"},
		{"rubbish", "127.0.0.1:1", "unknown", "127.0.0.1"},
		{"no address", "@", "", "invalid IP"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.remote
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		if got := ClientAddr(r, proxies).String(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if a, b := network(netip.MustParseAddr("2001:db8::1")), network(netip.MustParseAddr("2001:db8::ffff")); a != b {
		t.Errorf("one /64 counts as two: %s, %s", a, b)
	}
}

// A body that does not arrive is given up, and counted.
func TestSlowBody(t *testing.T) {
	h, _ := startWith(t, func(o *Options) { o.BodyTimeout = 50 * time.Millisecond })
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "POST /inbox HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 100\r\n\r\n{", activity); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("status %d", resp.StatusCode)
	}
	if _, figures := ask(t, "GET", h.URL+"/metrics", ""); !strings.Contains(figures, `hark_inbox_unread_total{reason="slow"} 1`) {
		t.Error("not counted")
	}
}

func TestSignInIsSlowedByAddress(t *testing.T) {
	h, _ := startWith(t, func(o *Options) { o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	try := func(address string) int {
		resp, _ := ask(t, "POST", h.URL+"/signin", "token=wrong", "Content-Type", "application/x-www-form-urlencoded", "X-Forwarded-For", address)
		return resp.StatusCode
	}
	var last int
	for range 40 {
		last = try("203.0.113.9")
	}
	if last != 429 || try("198.51.100.7") != 401 {
		t.Errorf("after 40 attempts: %d; somebody else: %d", last, try("198.51.100.7"))
	}
}

// session signs in and returns the headers of a browser that has.
func (n *node) session(scope storage.Scope) []string {
	secret := n.token(scope, func(t *storage.Token) { t.Session = true })
	return []string{"Cookie", sessionCookie + "=" + secret, "Accept", "text/html"}
}

func TestDecisionsByAPI(t *testing.T) {
	h, n := start(t)
	admin := []string{"Authorization", "Bearer " + n.token(storage.ScopeAdmin, nil), "Content-Type", "application/json"}
	search := []string{"Authorization", "Bearer " + n.token(storage.ScopeSearch, nil), "Content-Type", "application/json"}
	browser := append(n.session(storage.ScopeAdmin), "Content-Type", "application/json")
	const actor = `{"actor":"https://m.example/actor"}`
	for _, tt := range []struct {
		name, action, body string
		headers            []string
		status             int
	}{
		{"accept", "accept", actor, admin, 204},
		{"reject", "reject", actor, admin, 204},
		{"remove", "remove", actor, admin, 204},
		{"not known", "remove", `{"actor":"https://x.example/actor"}`, admin, 404},
		{"other verb", "promote", actor, admin, 400},
		{"no actor", "accept", `{}`, admin, 400},
		{"no JSON", "accept", `{`, admin, 400},
		{"a form", "accept", "actor=x", []string{admin[0], admin[1], "Content-Type", "text/plain"}, 415},
		{"may only search", "accept", actor, search, 403},
		{"nobody", "accept", actor, nil, 401},
		{"a cookie that came along", "accept", actor, browser, 403},
	} {
		resp, body := ask(t, "POST", h.URL+"/api/hark/v1/subscribers/"+tt.action, tt.body, tt.headers...)
		if resp.StatusCode != tt.status {
			t.Errorf("%s: %d %s", tt.name, resp.StatusCode, body)
		}
	}
	var actions []string
	for _, e := range n.audited {
		actions = append(actions, e.Action+" "+e.Subject)
	}
	if want := []string{"subscriber.accept https://m.example/actor", "subscriber.reject https://m.example/actor", "subscriber.remove https://m.example/actor"}; !slices.Equal(actions, want) {
		t.Errorf("audited %v", actions)
	}
	// The page's own token lets the cookie through.
	_, page := ask(t, "GET", h.URL+"/admin", "", browser[:4]...)
	_, rest, _ := strings.Cut(page, `name="csrf" value="`)
	csrf, _, _ := strings.Cut(rest, `"`)
	if resp, _ := ask(t, "POST", h.URL+"/api/hark/v1/subscribers/accept", actor, append(browser, csrfHeader, csrf)...); resp.StatusCode != 204 {
		t.Errorf("from the page: %d", resp.StatusCode)
	}
	form := url.Values{"csrf": {csrf}, "act": {"block"}, "host": {"no host!"}}.Encode()
	if resp, _ := ask(t, "POST", h.URL+"/admin/rules", form, append(browser[:4:4], "Content-Type", "application/x-www-form-urlencoded")...); resp.StatusCode != 400 {
		t.Errorf("a host that is none: %d", resp.StatusCode)
	}
}

func TestPagesAreHeldToTheRateToo(t *testing.T) {
	h, n := startWith(t, func(o *Options) { o.RequestsPerMinute = 60 })
	browser := n.session(storage.ScopeSearch)
	for range 100 {
		if resp, _ := ask(t, "GET", h.URL+"/search", "", browser...); resp.StatusCode == 429 {
			return
		}
	}
	t.Error("100 pages at once, and none was refused")
}

func TestFormOfAnEndedSession(t *testing.T) {
	h, _ := start(t)
	resp, _ := ask(t, "POST", h.URL+"/admin/rules", "host=x", "Accept", "text/html", "Content-Type", "application/x-www-form-urlencoded")
	if resp.StatusCode != 303 || resp.Header.Get("Location") != "/signin?next=%2Fsearch" {
		t.Errorf("%d to %q", resp.StatusCode, resp.Header.Get("Location"))
	}
}

func TestHeadOfAStream(t *testing.T) {
	h, n := start(t)
	resp, _ := ask(t, "HEAD", h.URL+"/api/hark/v1/stream?q=storm", "", "Authorization", "Bearer "+n.token(storage.ScopeSearch, nil))
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || len(n.audited) != 0 {
		t.Errorf("%d %q, audited %v", resp.StatusCode, resp.Header.Get("Content-Type"), n.audited)
	}
}

// A stream ends soon after its token was revoked.
func TestStreamEndsWithItsToken(t *testing.T) {
	h, n := startWith(t, func(o *Options) { o.HeartbeatOfStreams = 5 * time.Millisecond })
	secret := n.token(storage.ScopeSearch, nil)
	r, err := http.NewRequestWithContext(t.Context(), "GET", h.URL+"/api/hark/v1/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+secret)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() && lines.Text() != ": alive" {
	}
	if err := n.RevokeToken(t.Context(), string(storage.ScopeSearch)); err != nil {
		t.Fatal(err)
	}
	gap := false
	for lines.Scan() { // ends only because the stream does
		gap = gap || lines.Text() == "event: gap"
	}
	if !gap || lines.Err() != nil {
		t.Errorf("gap %v, %v", gap, lines.Err())
	}
}

func TestStreamsAtOnce(t *testing.T) {
	h, n := startWith(t, func(o *Options) { o.StreamsPerToken = 1 })
	bearer := "Bearer " + n.token(storage.ScopeSearch, nil)
	open := func() *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), "GET", h.URL+"/api/hark/v1/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", bearer)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp
	}
	if a, b := open(), open(); a.StatusCode != 200 || b.StatusCode != 429 || b.Header.Get("Retry-After") == "" {
		t.Errorf("%d, %d", a.StatusCode, b.StatusCode)
	}
}

// A reader that comes back gets what it missed, once, oldest first.
func TestStreamCatchesUp(t *testing.T) {
	h, n := start(t)
	first := n.posts[0]
	n.posts = nil
	for id := int64(9); id >= 7; id-- { // newest first, as a store answers
		p := first
		p.ID = id
		n.posts = append(n.posts, p)
	}
	n.live <- Event{Kind: "post", ID: 9, Post: &n.posts[0]}
	n.live <- Event{Kind: "update", ID: 7, Post: &n.posts[2]}
	close(n.live)
	bearer := []string{"Authorization", "Bearer " + n.token(storage.ScopeSearch, nil)}
	_, body := ask(t, "GET", h.URL+"/api/hark/v1/stream?q=storm&as=html&after=1", "", append(bearer, "Last-Event-ID", "7")...)
	var got []string
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "event: ") || strings.HasPrefix(line, "id: ") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	if want := []string{"event: post", "id: 8", "event: post", "id: 9", "event: update", "event: gap"}; !slices.Equal(got, want) {
		t.Errorf("%v in %s", got, body)
	}
	for line := range strings.Lines(body) {
		data, ok := strings.CutPrefix(line, "data: ")
		var e struct{ ID, HTML string }
		if ok && json.Unmarshal([]byte(data), &e) == nil && e.HTML != "" {
			if !strings.Contains(e.HTML, `id="p`+e.ID+`"`) || strings.Contains(e.HTML, "<img") || strings.Contains(e.HTML, "\u202e") || strings.Contains(e.HTML, "javascript:") {
				t.Errorf("card %s", e.HTML)
			}
		}
	}
	if resp, _ := ask(t, "GET", h.URL+"/api/hark/v1/stream?after=x", "", bearer...); resp.StatusCode != 400 {
		t.Errorf("after=x: %d", resp.StatusCode)
	}
}

func TestFiguresInSnakeCase(t *testing.T) {
	h, n := start(t)
	_, body := ask(t, "GET", h.URL+"/api/hark/v1/stats", "", "Authorization", "Bearer "+n.token(storage.ScopeSearch, nil))
	if !strings.Contains(body, `{"day":"2026-11-01","reason":"rare","count":2}`) {
		t.Errorf("%s", body)
	}
	_, body = ask(t, "GET", h.URL+"/api/hark/v1/search?explain=1&q="+url.QueryEscape("a -b OR (c d)"), "", "Authorization", "Bearer "+n.token(storage.ScopeSearch, nil))
	if !strings.Contains(body, `"tree":{"or":[{"and":["a",{"not":"b"}]},{"and":["c","d"]}]}`) {
		t.Errorf("%s", body)
	}
}

// Everything that a stranger wrote arrives on the pages as text.
func TestHostilePost(t *testing.T) {
	h, n := start(t)
	bad := "\"'><script>alert(1)</script>\u202e\u200b\u2066"
	n.posts[0] = storage.Post{
		ID: 7, URI: "https://m.example/" + bad, URL: "data:text/html," + bad, Type: bad, Actor: bad, Handle: bad, Name: bad, Host: bad, Via: bad, Software: bad,
		Language: bad, Text: "storm " + bad, Warning: bad, InReplyTo: bad, Quote: bad, Tags: []string{bad}, Mentions: []string{bad}, Links: []string{"javascript:" + bad, bad},
		Attachments: []storage.Attachment{{URL: "javascript:" + bad, Kind: bad, Description: bad}, {URL: "https://m.example/" + bad, Description: bad}},
		Poll:        []string{bad}, ModelVer: bad, Consent: bad, Raw: []byte(bad), Evidence: storage.Evidence{KeyID: bad, Signature: bad},
		Labels:    []storage.Label{{Name: bad, Over: true, Score: 0.9, Model: bad, Reasons: []storage.Reason{{Text: bad, Rule: bad, Note: bad, Start: -4, End: 1 << 40}, {Text: "storm", Rule: bad}}}, {Name: bad, Score: 0.5, Model: bad, Reasons: []storage.Reason{{Text: bad, Weight: -1}}}},
		Published: time.Now(), Received: time.Now(), Edited: time.Now(),
	}
	browser := n.session(storage.ScopeSearch)
	for _, path := range []string{"/search?q=storm", "/post/7", "/search?q=" + url.QueryEscape(bad), "/search?tz=UTC&q=" + url.QueryEscape(`foo:bar `+bad), "/signin?next=" + url.QueryEscape(bad) + "&token=" + url.QueryEscape(bad), "/" + url.PathEscape(bad)} {
		_, body := ask(t, "GET", h.URL+path, "", browser...)
		for _, never := range []string{"<script>alert", "href=\"javascript:", "href=\"data:", "\u202e", "\u200b", "\u2066", "'><", "ZgotmplZ"} {
			if strings.Contains(body, never) {
				at := strings.Index(body, never)
				t.Errorf("%s holds %q: …%s…", path, never, body[max(0, at-60):min(len(body), at+60)])
			}
		}
	}
}

func TestWhyIsMarked(t *testing.T) {
	p := &storage.Post{Text: "a <b> storm, a storm near", Labels: []storage.Label{
		{Name: "hazard", Over: true, Reasons: []storage.Reason{
			{Text: "storm", Start: 15, End: 20, Rule: "weather"}, {Text: "storm near", Start: 15, End: 25, Rule: "overlaps"},
			{Text: "storm", Start: 0, End: 5, Rule: "moved"}, {Text: "calm", Rule: "absent"}, {Text: "a", Weight: -1, Rule: "against"},
		}},
		{Name: "spam", Reasons: []storage.Reason{{Text: "near", Rule: "not over"}}},
	}}
	want := `a &lt;b&gt; <mark class="why" title="hazard: moved">storm</mark>, a <mark class="why" title="hazard: weather">storm</mark> near`
	if got := string(cardWhy(p).Shown); got != want {
		t.Errorf("%s", got)
	}
}

// What the search page teaches is understood.
func TestTaughtLanguage(t *testing.T) {
	for _, q := range examples {
		if w := query.Parse(q, query.Options{}).Warnings; len(w) > 0 {
			t.Errorf("%s: %v", q, w)
		}
	}
	for _, f := range fields {
		if w := query.Parse(f.Write, query.Options{}).Warnings; len(w) > 0 {
			t.Errorf("%s: %v", f.Write, w)
		}
	}
}

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{720 * time.Hour: "30 days", 24 * time.Hour: "1 day", 12 * time.Hour: "12 hours", 36 * time.Hour: "36 hours", time.Minute: "1 hour"} {
		if got := span(d); got != want {
			t.Errorf("%v: %s", d, got)
		}
	}
	for in, want := range map[string]string{"ops@relay.example": "mailto:ops@relay.example", "https://relay.example/us": "https://relay.example/us", "javascript:alert(1)": "", "@ops@relay.example": "", "Ops <ops@relay.example>": ""} {
		if got := contact(in); got != want {
			t.Errorf("%s: %q", in, got)
		}
	}
}

// A post's raw activity may hold a secret that is masked everywhere else: only
// who may see posts verbatim is shown it.
func TestRawSecretsNeedTheScope(t *testing.T) {
	h, n := start(t)
	const secret = "AKIA" + "QX3ZB7MNP4RTVW6K"
	plain := n.posts[0]
	leak := plain
	leak.ID, leak.Raw = 8, []byte(`{"type":"Create","object":{"content":"my key `+secret+`"}}`)
	labelled := plain
	labelled.ID, labelled.Raw = 9, []byte(`{"content":"in another form"}`)
	labelled.Labels = []storage.Label{{Name: "breach", Score: 0.3, Model: "breach/2"}}
	n.posts = append(n.posts, leak, labelled)
	for _, c := range []struct {
		path  string
		scope storage.Scope
		want  string
	}{
		{"/post/8", storage.ScopeSearch, "only a token with the scope verbatim"},
		{"/post/9", storage.ScopeSearch, "only a token with the scope verbatim"},
		{"/post/8", storage.ScopeAdmin, secret},
	} {
		resp, body := ask(t, "GET", h.URL+c.path, "", n.session(c.scope)...)
		if resp.StatusCode != 200 || !strings.Contains(body, c.want) || c.scope == storage.ScopeSearch && strings.Contains(body, secret) {
			t.Errorf("%s with %s: status %d, the text wanted: %v", c.path, c.scope, resp.StatusCode, strings.Contains(body, c.want))
		}
	}
	if _, body := ask(t, "GET", h.URL+"/post/7", "", n.session(storage.ScopeSearch)...); strings.Contains(body, "scope verbatim") {
		t.Error("a post without a secret is withheld")
	}
}

// Feedback by the API and by the page is kept with who said it; a stranger's form,
// a label that nobody gives and a post that is not there are refused.
func TestFeedback(t *testing.T) {
	h, n := start(t)
	n.posts[0].Labels = []storage.Label{{Name: "hate", Score: 0.8, Over: true, Model: "m"}, {Name: "ours", Score: 0.6, Over: true, Model: "o"}}
	bearer := []string{"Authorization", "Bearer " + n.token(storage.ScopeSearch, nil), "Content-Type", "application/json"}
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"7", `{"label":"hate","holds":false}`, 204},
		{"7", `{"label":"ours","holds":true}`, 204},
		{"7", `{"label":"theft","holds":true}`, 204},
		{"7", `{"label":"nonsense","holds":true}`, 400},
		{"7", `{"label":"hate"}`, 400},
		{"7", `{`, 400},
		{"99", `{"label":"hate","holds":false}`, 404},
		{"x", `{"label":"hate","holds":false}`, 404},
	} {
		resp, body := ask(t, "POST", h.URL+"/api/hark/v1/posts/"+c.path+"/feedback", c.body, bearer...)
		if resp.StatusCode != c.status {
			t.Errorf("%s %s: %d %s", c.path, c.body, resp.StatusCode, body)
		}
	}
	if len(n.said) != 3 || n.said[0].Label != "hate" || n.said[0].Holds || n.said[0].Score != 0.8 || n.said[0].Token == "" || n.said[2].Score != 0 {
		t.Fatalf("%+v", n.said)
	}
	browser := n.session(storage.ScopeSearch)
	_, page := ask(t, "GET", h.URL+"/post/7", "", browser...)
	_, after, _ := strings.Cut(page, `name="csrf" value="`)
	csrf, _, _ := strings.Cut(after, `"`)
	if !strings.Contains(page, ">not hate<") || !strings.Contains(page, "<option>theft</option>") || csrf == "" {
		t.Fatal("the page does not ask")
	}
	form := append([]string{"Content-Type", "application/x-www-form-urlencoded"}, browser...)
	if resp, _ := ask(t, "POST", h.URL+"/post/7/feedback", "label=hate&holds=false", form...); resp.StatusCode != 403 {
		t.Errorf("without the token of the page: %d", resp.StatusCode)
	}
	resp, body := ask(t, "POST", h.URL+"/post/7/feedback", "label=hate&holds=false&csrf="+url.QueryEscape(csrf), form...)
	if resp.StatusCode != 303 && resp.StatusCode != 200 || len(n.said) != 4 {
		t.Errorf("%d, %d kept: %.200s", resp.StatusCode, len(n.said), body)
	}
}
