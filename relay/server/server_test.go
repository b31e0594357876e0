package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"hark/activitypub"
	"hark/relay/delivery"
	"hark/storage"
	"hark/storage/query"
)

// node is a small stand-in for everything behind the surface.
type node struct {
	mu      sync.Mutex
	tokens  map[string]storage.Token // by hash
	audited []storage.AuditEntry
	posts   []storage.Post
	live    chan Event
	decided []string
	filters map[string]string // by actor
	said    []storage.Feedback
	got     []byte
	out     Outcome
}

func (n *node) Receive(_ context.Context, _ *http.Request, body []byte) Outcome {
	n.got = body
	return n.out
}
func (n *node) Actor() []byte { return []byte(`{"id":"https://relay.example/actor"}`) }
func (n *node) WebFinger(r string) ([]byte, error) {
	if r == "acct:relay@relay.example" {
		return []byte(`{"subject":"acct:relay@relay.example"}`), nil
	}
	return nil, storage.ErrNotFound
}
func (n *node) NodeInfoLinks() []byte { return []byte(`{"links":[]}`) }
func (n *node) NodeInfo(_ context.Context, v string) ([]byte, error) {
	return []byte(`{"version":"` + v + `"}`), nil
}
func (n *node) Announce(context.Context, string) ([]byte, error) { return nil, storage.ErrNotFound }
func (n *node) Collection(_ context.Context, name string, page int) ([]byte, error) {
	return fmt.Appendf(nil, `{"name":%q,"page":%d}`, name, page), nil
}
func (n *node) Search(_ context.Context, q *query.Query, page storage.Page) (storage.Hits, error) {
	var h storage.Hits
	for _, p := range n.posts {
		if q.Match(&p) && p.ID > page.MinID {
			h.Posts = append(h.Posts, p)
		}
	}
	return h, nil
}
func (n *node) Count(context.Context, *query.Query, int64) (int64, bool, error) { return 0, false, nil }
func (n *node) GetPost(_ context.Context, id int64) (*storage.Post, error) {
	for i := range n.posts {
		if n.posts[i].ID == id {
			return &n.posts[i], nil
		}
	}
	return nil, storage.ErrNotFound
}
func (n *node) PutFeedback(_ context.Context, f storage.Feedback) error {
	n.said = append(n.said, f)
	return nil
}
func (n *node) Stats(context.Context) (storage.Stats, error) { return storage.Stats{Posts: 1}, nil }
func (n *node) ListCounts(context.Context, string) ([]storage.DayCount, error) {
	return []storage.DayCount{{Day: "2026-11-01", Reason: "profile-#nobot", Count: 7}, {Day: "2026-11-01", Reason: "rare", Count: 2}}, nil
}
func (n *node) Listen(*query.Query) (<-chan Event, func()) { return n.live, func() {} }
func (n *node) GetTokenByHash(_ context.Context, hash []byte) (storage.Token, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if t, ok := n.tokens[string(hash)]; ok {
		return t, nil
	}
	return storage.Token{}, storage.ErrNotFound
}
func (n *node) ConsumeToken(_ context.Context, hash []byte, _ time.Time) (storage.Token, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	t, ok := n.tokens[string(hash)]
	if !ok || !t.OneTime {
		return storage.Token{}, storage.ErrNotFound
	}
	delete(n.tokens, string(hash))
	return t, nil
}
func (n *node) AddToken(_ context.Context, t storage.Token) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tokens[string(t.Hash)] = t
	return nil
}
func (n *node) RevokeToken(_ context.Context, id string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for h, t := range n.tokens {
		if t.ID == id {
			delete(n.tokens, h)
		}
	}
	return nil
}
func (n *node) AddAudit(_ context.Context, e storage.AuditEntry) (storage.AuditEntry, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.audited = append(n.audited, e)
	return e, nil
}
func (n *node) Subscribers(context.Context) ([]storage.Subscriber, error) {
	return []storage.Subscriber{{Actor: "https://m.example/actor", Host: "m.example", State: storage.StateActive}, {Actor: "https://p.example/actor", Host: "p.example", State: storage.StatePending}}, nil
}
func (n *node) Standings(ctx context.Context) ([]delivery.Standing, error) {
	subs, err := n.Subscribers(ctx)
	var out []delivery.Standing
	for i, s := range subs {
		s.Filter, s.Software, s.Version = n.filters[s.Actor], "mastodon", "4.5.1"
		out = append(out, delivery.Standing{Subscriber: s, Lag: 9, Waiting: 90 * time.Second, PerHour: 1_234, Rated: i == 0, Signature: delivery.SignedShared})
	}
	return out, err
}
func (n *node) SetFilter(_ context.Context, actor, filter string) error {
	if actor != "https://m.example/actor" {
		return storage.ErrNotFound
	}
	n.filters[actor] = filter
	return nil
}
func (n *node) Decide(_ context.Context, actor string, accept bool) error {
	n.decided = append(n.decided, fmt.Sprint(actor, accept))
	return nil
}
func (n *node) Remove(_ context.Context, actor string) error {
	if actor != "https://m.example/actor" {
		return storage.ErrNotFound
	}
	return nil
}
func (n *node) Head(context.Context) (int64, error)                 { return 9, nil }
func (n *node) Rules(context.Context) ([]storage.PolicyRule, error) { return nil, nil }
func (n *node) Block(_ context.Context, host, _ string) error {
	_, err := activitypub.NormalizeHost(host)
	return err
}
func (n *node) Unblock(context.Context, string) error { return nil }

func start(t *testing.T) (*httptest.Server, *node) { return startWith(t, nil) }

func startWith(t *testing.T, change func(*Options)) (*httptest.Server, *node) {
	t.Helper()
	n := &node{tokens: map[string]storage.Token{}, filters: map[string]string{}, live: make(chan Event, 8), out: Outcome{Status: 202, Reason: "relayed", Detail: "ok"}}
	n.posts = []storage.Post{{
		ID: 7, URI: "https://m.example/1", URL: "javascript:alert(1)", Handle: "eve@m.example", Name: `<b onmouseover="x">Eve</b>`, Host: "m.example",
		Text: "storm <img src=x onerror=alert(1)> \u202eleft", Language: "en", Received: time.Now(), Published: time.Now(),
		Labels: []storage.Label{{Name: "hazard", Score: 0.9, Over: true, Reasons: []storage.Reason{{Text: "<i>storm</i>", Rule: "weather"}}}},
	}}
	o := Options{
		BaseURL: "https://relay.example", Domain: "relay.example", Name: "Hark", MaxBody: 1000, Retention: 720 * time.Hour,
		Inbox: n, Federation: n, Archive: n, Live: n, Tokens: n, Audit: n, Operator: n, Metrics: prometheus.NewRegistry(),
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), RequestsPerMinute: 600,
	}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s.Handler())
	t.Cleanup(h.Close)
	return h, n
}

// token adds a token with a scope and returns its secret.
func (n *node) token(scope storage.Scope, change func(*storage.Token)) string {
	secret := NewSecret()
	t := storage.Token{ID: string(scope), Hash: HashToken(secret), Scopes: []storage.Scope{scope}}
	if change != nil {
		change(&t)
	}
	n.tokens[string(t.Hash)] = t
	return secret
}

func ask(t *testing.T, method, address, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

const activity = "application/activity+json"

func TestInbox(t *testing.T) {
	h, n := start(t)
	tests := []struct {
		name, contentType, encoding, body string
		out                               Outcome
		status                            int
		reason                            string
	}{
		{"taken", activity, "", "{}", Outcome{Status: 202, Reason: "relayed"}, 202, "relayed"},
		{"ld+json", `application/ld+json; profile="https://www.w3.org/ns/activitystreams"`, "", "{}", Outcome{Status: 202, Reason: "relayed"}, 202, "relayed"},
		{"refused", activity, "", "{}", Outcome{Status: 401, Reason: "signature-digest", Detail: "why"}, 401, "signature-digest"},
		{"later", activity, "", "{}", Outcome{Status: 429, Reason: "rate-host", Detail: "why", RetryAfter: 1500 * time.Millisecond}, 429, "rate-host"},
		{"other type", "text/plain", "", "{}", Outcome{}, 415, "content-type"},
		{"compressed", activity, "gzip", "{}", Outcome{}, 415, "content-encoding"},
		{"large", activity, "", strings.Repeat("x", 1001), Outcome{}, 413, "too-large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n.out = tt.out
			headers := []string{"Content-Type", tt.contentType}
			if tt.encoding != "" {
				headers = append(headers, "Content-Encoding", tt.encoding)
			}
			resp, body := ask(t, "POST", h.URL+"/inbox", tt.body, headers...)
			var p struct{ Reason, Detail string }
			if err := json.Unmarshal([]byte(body), &p); err != nil || resp.StatusCode != tt.status || p.Reason != tt.reason {
				t.Errorf("%d %s, %v", resp.StatusCode, body, err)
			}
			if taken := strings.Contains(body, `"status":"accepted"`); taken != (resp.StatusCode == 202) {
				t.Errorf("%d says %s", resp.StatusCode, body)
			}
			if resp.StatusCode >= 400 && resp.Header.Get("Content-Type") != problemType {
				t.Errorf("content type %q", resp.Header.Get("Content-Type"))
			}
			if tt.out.RetryAfter > 0 && resp.Header.Get("Retry-After") != "2" {
				t.Errorf("Retry-After %q", resp.Header.Get("Retry-After"))
			}
		})
	}
}

func TestDocuments(t *testing.T) {
	h, _ := start(t)
	for _, tt := range []struct {
		path, accept string
		status       int
		contentType  string
		contains     string
	}{
		{"/actor", activity, 200, "application/activity+json; charset=utf-8", "relay.example/actor"},
		{"/actor", "", 200, "application/activity+json; charset=utf-8", ""},
		{"/actor", "text/html", 303, "", ""},
		{"/friendica", "", 200, "application/activity+json; charset=utf-8", ""},
		{"/followers?page=2", "", 200, "application/activity+json; charset=utf-8", `"page":2`},
		{"/followers?page=x", "", 400, problemType, ""},
		{"/outbox", "", 200, "application/activity+json; charset=utf-8", ""},
		{"/.well-known/webfinger?resource=acct:relay@relay.example", "", 200, "application/jrd+json", ""},
		{"/.well-known/webfinger?resource=acct:other@relay.example", "", 404, problemType, ""},
		{"/.well-known/webfinger", "", 400, problemType, ""},
		{"/.well-known/nodeinfo", "", 200, "application/json", ""},
		{"/nodeinfo/2.0", "", 200, "", "2.0"},
		{"/nodeinfo/2.1", "", 200, "", "2.1"},
		{"/nodeinfo/9.9", "", 404, problemType, ""},
		{"/icon.png", "", 200, "image/png", "PNG"},
		{"/icon.svg", "", 200, "image/svg+xml", "</svg>"},
		{"/robots.txt", "", 200, "", "Disallow: /"},
		{"/healthz", "", 200, "", "ok"},
		{"/readyz", "", 200, "", "ready"},
		{"/metrics", "", 200, "", "hark_http_requests_total"},
		{"/assets/hark.css", "", 200, "text/css; charset=utf-8", ""},
		{"/", "text/html", 200, "text/html; charset=UTF-8", "https://relay.example/inbox"},
		{"/about", "text/html", 200, "text/html; charset=UTF-8", "profile-#nobot"},
		{"/nothing", "text/html", 404, "text/html; charset=UTF-8", "Not Found"},
	} {
		resp, body := ask(t, "GET", h.URL+tt.path, "", "Accept", tt.accept)
		if resp.StatusCode != tt.status || tt.contentType != "" && !strings.HasPrefix(resp.Header.Get("Content-Type"), tt.contentType) || !strings.Contains(body, tt.contains) {
			t.Errorf("%s (%s): %d %s %.200s", tt.path, tt.accept, resp.StatusCode, resp.Header.Get("Content-Type"), body)
		}
		if resp.Header.Get("Content-Security-Policy") == "" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s lacks the headers of every answer", tt.path)
		}
		head, empty := ask(t, "HEAD", h.URL+tt.path, "", "Accept", tt.accept)
		if head.StatusCode != tt.status || empty != "" {
			t.Errorf("HEAD %s: %d %q", tt.path, head.StatusCode, empty)
		}
	}
	if _, body := ask(t, "GET", h.URL+"/about", ""); strings.Contains(body, "rare") {
		t.Error("a count below five is published")
	}
	if resp, _ := ask(t, "GET", h.URL+"/metrics", "", "X-Forwarded-For", "203.0.113.9"); resp.StatusCode != 401 {
		t.Errorf("/metrics for somebody behind the proxy: %d", resp.StatusCode)
	}
}

func TestWhoMayAsk(t *testing.T) {
	h, n := start(t)
	search, admin, export := n.token(storage.ScopeSearch, nil), n.token(storage.ScopeAdmin, nil), n.token(storage.ScopeExport, nil)
	expired := n.token(storage.ScopeSearch, func(t *storage.Token) { t.Expires = time.Now().Add(-time.Second) })
	revoked := n.token(storage.ScopeSearch, func(t *storage.Token) { t.Revoked = true })
	once := n.token(storage.ScopeSearch, func(t *storage.Token) { t.OneTime = true })
	session := n.token(storage.ScopeSearch, func(t *storage.Token) { t.Session = true })
	for _, tt := range []struct {
		name, path, secret string
		status             int
	}{
		{"nobody", "search?q=storm", "", 401}, {"wrong", "search?q=storm", "hark_x", 401}, {"search", "search?q=storm", search, 200},
		{"admin", "search?q=storm", admin, 200}, {"export only", "search?q=storm", export, 403}, {"expired", "search?q=storm", expired, 401},
		{"revoked", "search?q=storm", revoked, 401}, {"sign-in link", "search?q=storm", once, 401}, {"session as bearer", "search?q=storm", session, 401},
		{"post", "posts/7", search, 200}, {"no post", "posts/8", search, 404}, {"odd post", "posts/x", search, 404},
		{"subscribers", "subscribers", search, 403}, {"subscribers as admin", "subscribers", admin, 200}, {"stats", "stats", search, 200},
		{"stream", "stream?q=storm", "", 401},
	} {
		headers := []string{}
		if tt.secret != "" {
			headers = []string{"Authorization", "Bearer " + tt.secret}
		}
		resp, body := ask(t, "GET", h.URL+"/api/hark/v1/"+tt.path, "", headers...)
		if resp.StatusCode != tt.status {
			t.Errorf("%s: %d %s", tt.name, resp.StatusCode, body)
		}
		if tt.status == 401 && resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no WWW-Authenticate", tt.name)
		}
	}
	if len(n.audited) != 3 || n.audited[0].Action != "search" || n.audited[0].Subject != "storm" || n.audited[0].Count != 1 || n.audited[2].Action != "view" {
		t.Errorf("audited %+v", n.audited)
	}
}

func TestSearch(t *testing.T) {
	h, n := start(t)
	bearer := []string{"Authorization", "Bearer " + n.token(storage.ScopeSearch, nil)}
	resp, body := ask(t, "GET", h.URL+"/api/hark/v1/search?explain=1&q="+url.QueryEscape("storm foo:bar"), "", bearer...)
	var out SearchJSON
	if err := json.Unmarshal([]byte(body), &out); err != nil || resp.StatusCode != 200 || len(out.Warnings) != 1 || out.Query == "" || out.TookMS == nil || out.Posts == nil {
		t.Errorf("%d %s, %v", resp.StatusCode, body, err)
	}
	for path, want := range map[string]int{"search?strict=1&q=foo:bar": 400, "search?q=storm&limit=0": 400, "search?q=storm&limit=201": 400, "search?tz=Nowhere/Land": 400, "search?tz=Asia/Tokyo&q=after:today": 200, "search": 200} {
		if resp, body := ask(t, "GET", h.URL+"/api/hark/v1/"+path, "", bearer...); resp.StatusCode != want {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
}

func TestStream(t *testing.T) {
	h, n := start(t)
	n.live <- Event{Kind: "post", ID: 7, Post: &n.posts[0]}
	n.live <- Event{Kind: "delete", ID: 7}
	close(n.live)
	resp, body := ask(t, "GET", h.URL+"/api/hark/v1/stream?q=storm", "", "Authorization", "Bearer "+n.token(storage.ScopeSearch, nil))
	if resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("content type %q", resp.Header.Get("Content-Type"))
	}
	for _, want := range []string{"event: post\nid: 7\ndata: {\"id\":\"7\"", "event: delete\ndata: {\"id\":\"7\"}\n\n", "event: gap\n"} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing in %s", want, body)
		}
	}
}

func TestSignIn(t *testing.T) {
	h, n := start(t)
	once := n.token(storage.ScopeAdmin, func(t *storage.Token) { t.OneTime = true })
	if resp, _ := ask(t, "GET", h.URL+"/search?q=storm", "", "Accept", "text/html"); resp.StatusCode != 303 || resp.Header.Get("Location") != "/signin?next=%2Fsearch%3Fq%3Dstorm" {
		t.Errorf("not signed in: %d to %q", resp.StatusCode, resp.Header.Get("Location"))
	}
	if resp, body := ask(t, "GET", h.URL+"/signin?token="+once, ""); resp.StatusCode != 200 || !strings.Contains(body, once) {
		t.Errorf("the link's page: %d", resp.StatusCode)
	}
	form := url.Values{"token": {once}, "next": {"//evil.example/"}}.Encode()
	head := []string{"Content-Type", "application/x-www-form-urlencoded"}
	if resp, _ := ask(t, "POST", h.URL+"/signin", form, append(head, "Sec-Fetch-Site", "cross-site")...); resp.StatusCode != 403 {
		t.Errorf("a form of another site: %d", resp.StatusCode)
	}
	resp, _ := ask(t, "POST", h.URL+"/signin", form, head...)
	if resp.StatusCode != 303 || resp.Header.Get("Location") != "/search" || len(resp.Cookies()) != 1 {
		t.Fatalf("%d to %q, %v", resp.StatusCode, resp.Header.Get("Location"), resp.Cookies())
	}
	c := resp.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode {
		t.Errorf("cookie %+v", c)
	}
	if resp, _ := ask(t, "POST", h.URL+"/signin", form, head...); resp.StatusCode != 401 {
		t.Errorf("the link works twice: %d", resp.StatusCode)
	}
	cookie := []string{"Cookie", c.Name + "=" + c.Value, "Accept", "text/html"}
	resp, body := ask(t, "GET", h.URL+"/search?q=storm", "", cookie...)
	for _, bad := range []string{"<img src=x", `<b onmouseover`, "<i>storm", "\u202e", "javascript:alert"} {
		if strings.Contains(body, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	if resp.StatusCode != 200 || !strings.Contains(body, "<mark>storm</mark>") || !strings.Contains(body, "hazard") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if resp, body := ask(t, "GET", h.URL+"/post/7", "", cookie...); resp.StatusCode != 200 || strings.Contains(body, "<img src=x") {
		t.Errorf("post: %d", resp.StatusCode)
	}
	resp, body = ask(t, "GET", h.URL+"/admin", "", cookie...)
	_, rest, ok := strings.Cut(body, `name="csrf" value="`)
	if resp.StatusCode != 200 || !ok {
		t.Fatalf("admin: %d", resp.StatusCode)
	}
	csrf, _, _ := strings.Cut(rest, `"`)
	decide := func(csrf string, extra ...string) int {
		form := url.Values{"actor": {"https://p.example/actor"}, "act": {"accept"}, "csrf": {csrf}}.Encode()
		resp, _ := ask(t, "POST", h.URL+"/admin/subscribers", form, append(append(head, cookie...), extra...)...)
		return resp.StatusCode
	}
	if s := decide("wrong"); s != 403 {
		t.Errorf("without the form's token: %d", s)
	}
	if s := decide(csrf, "Origin", "https://evil.example"); s != 403 {
		t.Errorf("from another origin: %d", s)
	}
	if s := decide(csrf); s != 303 || len(n.decided) != 1 {
		t.Errorf("from the page: %d, %v", s, n.decided)
	}
	if resp, _ := ask(t, "POST", h.URL+"/signout", "csrf="+csrf, append(head, cookie...)...); resp.StatusCode != 303 {
		t.Errorf("sign out: %d", resp.StatusCode)
	}
	if resp, _ := ask(t, "GET", h.URL+"/search", "", cookie...); resp.StatusCode != 303 {
		t.Errorf("after signing out: %d", resp.StatusCode)
	}
}

func TestRateLimit(t *testing.T) {
	h, n := start(t)
	bearer := []string{"Authorization", "Bearer " + n.token(storage.ScopeSearch, nil)}
	for range 400 {
		if resp, _ := ask(t, "GET", h.URL+"/api/hark/v1/stats", "", bearer...); resp.StatusCode == 429 {
			if resp.Header.Get("Retry-After") == "" {
				t.Error("429 without Retry-After")
			}
			return
		}
	}
	t.Error("400 requests at once, and none was refused")
}

// Every sentinel of storage, as its source declares them, has a row of its own.
func TestEveryErrorHasAnAnswer(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../storage/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared []string
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			for _, name := range v.Names {
				declared = append(declared, name.Name)
			}
		}
		return true
	})
	sentinels := map[string]error{
		"ErrNotFound": storage.ErrNotFound, "ErrExists": storage.ErrExists, "ErrClosed": storage.ErrClosed, "ErrNewer": storage.ErrNewer,
		"ErrMissing": storage.ErrMissing, "ErrTampered": storage.ErrTampered, "ErrCursor": storage.ErrCursor,
	}
	if len(declared) == 0 {
		t.Error("no sentinel was found")
	}
	for _, name := range declared {
		if sentinels[name] == nil {
			t.Errorf("storage.%s is not looked at here", name)
		}
	}
	sentinels["canceled"], sentinels["deadline"] = context.Canceled, context.DeadlineExceeded
	for name, err := range sentinels {
		if p := problemOf(fmt.Errorf("act %q: %w", "x", err)); p.Reason == "internal" || p.Detail == "" || strings.Contains(p.Detail, "x\"") {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if p := problemOf(errors.New("disk on fire at /secret/path")); p.Status != 500 || strings.Contains(p.Detail, "secret") {
		t.Errorf("%+v", p)
	}
}
