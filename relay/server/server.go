// Package server is the node's HTTP surface on echo: federation, the search
// API, the pages and the metrics. It judges who may ask and shapes answers; it
// decides nothing about activities. Only this package knows the router.
package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/base32"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"hark/relay/delivery"
	"hark/storage"
	"hark/storage/query"
)

// Outcome is the answer to one delivery.
type Outcome struct {
	Ref        string // of a refusal: how it can be asked about
	Status     int
	Reason     string // machine code, as "signature-digest"
	Detail     string // a sentence for the sender
	RetryAfter time.Duration
}

// Inbox judges deliveries; the body was read within the size limit.
type Inbox interface {
	Receive(ctx context.Context, r *http.Request, body []byte) Outcome
}

// Federation are the documents in which the node describes itself.
type Federation interface {
	Actor() []byte
	WebFinger(resource string) ([]byte, error)
	NodeInfoLinks() []byte
	NodeInfo(ctx context.Context, version string) ([]byte, error)
	Collection(ctx context.Context, name string, page int) ([]byte, error)
	// Announce is the one whose id ends in name, or storage.ErrNotFound.
	Announce(ctx context.Context, name string) ([]byte, error)
}

// Archive is what can be searched.
type Archive interface {
	Search(ctx context.Context, q *query.Query, p storage.Page) (storage.Hits, error)
	Count(ctx context.Context, q *query.Query, most int64) (int64, bool, error)
	GetPost(ctx context.Context, id int64) (*storage.Post, error)
	PutFeedback(ctx context.Context, f storage.Feedback) error
	Stats(ctx context.Context) (storage.Stats, error)
	ListCounts(ctx context.Context, fromDay string) ([]storage.DayCount, error)
}

// Event is one change of the archive.
type Event struct {
	Kind string // post, update, delete
	ID   int64
	Post *storage.Post // nil for delete
}

// Live passes changes on; the channel is closed when its reader was too slow
// or the node stops.
type Live interface {
	Listen(q *query.Query) (<-chan Event, func())
}

// Tokens keeps access tokens.
type Tokens interface {
	GetTokenByHash(ctx context.Context, hash []byte) (storage.Token, error)
	ConsumeToken(ctx context.Context, hash []byte, now time.Time) (storage.Token, error)
	AddToken(ctx context.Context, t storage.Token) error
	RevokeToken(ctx context.Context, id string) error
}

// Audit keeps who asked what.
type Audit interface {
	AddAudit(ctx context.Context, e storage.AuditEntry) (storage.AuditEntry, error)
}

// Operator is what the operator may see and do.
type Operator interface {
	Subscribers(ctx context.Context) ([]storage.Subscriber, error)
	Standings(ctx context.Context) ([]delivery.Standing, error)
	SetFilter(ctx context.Context, actor, filter string) error
	Decide(ctx context.Context, actor string, accept bool) error
	Remove(ctx context.Context, actor string) error
	Head(ctx context.Context) (int64, error)
	Rules(ctx context.Context) ([]storage.PolicyRule, error)
	Block(ctx context.Context, host, reason string) error
	Unblock(ctx context.Context, host string) error
}

// Options are all that a Server needs. Zero values mean the defaults named
// beside each field; the interfaces, and names and addresses, have none.
type Options struct {
	BaseURL, Domain, Name, Description, Contact string

	Retention          time.Duration // of posts; not positive: for ever
	Consent            string
	Publishers         string
	Approval           bool
	MaxBody            int64 // bytes of a delivery
	Inbox              Inbox
	Federation         Federation
	Archive            Archive
	Live               Live
	Tokens             Tokens
	Audit              Audit
	Operator           Operator
	Metrics            *prometheus.Registry
	Ready              func(context.Context) error
	Log                *slog.Logger
	Now                func() time.Time
	Version            string
	PublicMetrics      bool // /metrics without a token
	SecureCookies      bool
	TrustedProxies     []netip.Prefix // whose X-Forwarded-For is believed
	RequestsPerMinute  int            // of one token; 0: 300
	StreamsPerToken    int            // live streams at once; 0: 8
	HeartbeatOfStreams time.Duration  // 0: 15 s; at each, a stream's token is looked at again
	BodyTimeout        time.Duration  // for a delivery's body to arrive; 0: 20 s
}

// Server is the HTTP surface.
type Server struct {
	o       Options
	echo    *echo.Echo
	pages   *template.Template
	icon    []byte
	metrics http.Handler
	total   *prometheus.CounterVec // requests
	unread  *prometheus.CounterVec // deliveries refused before the Inbox saw them

	requests *limiters // of tokens
	signIns  *limiters // of addresses
	figures  figures
	kept     kept    // documents that anybody may ask for
	bodies   *bodies // of deliveries

	mu      sync.Mutex     // guards streams
	streams map[string]int // by token id
}

//go:embed assets templates
var files embed.FS

// New returns a Server; it serves nothing by itself, Handler does.
func New(o Options) (*Server, error) {
	if o.RequestsPerMinute == 0 {
		o.RequestsPerMinute = 300
	}
	if o.StreamsPerToken == 0 {
		o.StreamsPerToken = 8
	}
	if o.HeartbeatOfStreams == 0 {
		o.HeartbeatOfStreams = 15 * time.Second
	}
	if o.BodyTimeout == 0 {
		o.BodyTimeout = 20 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.MaxBody == 0 {
		o.MaxBody = 1 << 20
	}
	s := &Server{
		o: o, echo: echo.New(), streams: map[string]int{},
		requests: newLimiters(o.RequestsPerMinute, max(10, o.RequestsPerMinute/5)),
		signIns:  newLimiters(10, 20),
		bodies:   newBodies(o.MaxBody),
	}
	pages, err := template.New("").Funcs(s.functions()).ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("page templates: %w", err)
	}
	s.pages = pages
	if s.icon, err = iconPNG(); err != nil {
		return nil, fmt.Errorf("icon: %w", err)
	}
	s.total = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hark_http_requests_total", Help: "HTTP requests, by route and class of status."}, []string{"route", "class"})
	s.unread = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hark_inbox_unread_total", Help: "Deliveries refused before they were read, by reason."}, []string{"reason"})
	if o.Metrics != nil {
		for _, c := range []prometheus.Collector{s.total, s.unread} {
			if err := o.Metrics.Register(c); err != nil {
				return nil, fmt.Errorf("register metrics: %w", err)
			}
		}
		s.metrics = promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{})
	}
	s.echo.HideBanner, s.echo.HidePort = true, true
	s.echo.HTTPErrorHandler = s.failed
	s.echo.Use(s.counted, s.recovered, s.headers, s.bounded)
	return s, s.routes()
}

// Handler is the HTTP handler.
func (s *Server) Handler() http.Handler { return s.echo }

func (s *Server) routes() error {
	e := s.echo
	get := func(path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) {
		e.Match([]string{http.MethodGet, http.MethodHead}, path, h, m...)
	}
	e.POST("/inbox", s.inbox)
	get("/actor", s.actor)
	get("/friendica", s.actor)
	for _, name := range []string{"outbox", "followers", "following"} {
		get("/"+name, s.collection(name))
	}
	get("/announces/:name", s.announce)
	get("/.well-known/webfinger", s.webFinger)
	get("/.well-known/nodeinfo", s.nodeInfoLinks)
	get("/nodeinfo/:version", s.nodeInfo)
	get("/icon.png", func(c echo.Context) error { return cached(c, "image/png", s.icon) })
	drawing := iconSVG()
	get("/icon.svg", func(c echo.Context) error { return cached(c, "image/svg+xml", drawing) })
	get("/robots.txt", func(c echo.Context) error { return c.String(http.StatusOK, "User-agent: *\nDisallow: /\n") })
	get("/healthz", func(c echo.Context) error { return c.String(http.StatusOK, "ok\n") })
	get("/readyz", s.ready)
	get("/metrics", s.serveMetrics)
	assets, err := fs.Sub(files, "assets")
	if err != nil {
		return err
	}
	get("/assets/*", echo.WrapHandler(http.StripPrefix("/assets/", http.FileServerFS(assets))))

	get("/", s.landing)
	get("/about", s.about)
	get("/signin", s.signInPage)
	e.POST("/signin", s.signIn)
	e.POST("/signout", s.signOut, s.page(""))
	get("/search", s.searchPage, s.page(storage.ScopeSearch))
	get("/post/:id", s.postPage, s.page(storage.ScopeSearch))
	e.POST("/post/:id/feedback", s.pageFeedback, s.page(storage.ScopeSearch))
	get("/admin", s.adminPage, s.page(storage.ScopeAdmin))
	e.POST("/admin/subscribers", s.adminSubscribers, s.page(storage.ScopeAdmin))
	e.POST("/admin/rules", s.adminRules, s.page(storage.ScopeAdmin))

	const api = "/api/hark/v1"
	get(api+"/search", s.apiSearch, s.api(storage.ScopeSearch))
	get(api+"/posts/:id", s.apiPost, s.api(storage.ScopeSearch))
	e.POST(api+"/posts/:id/feedback", s.apiFeedback, s.api(storage.ScopeSearch))
	get(api+"/stream", s.apiStream, s.api(storage.ScopeSearch))
	get(api+"/stats", s.apiStats, s.api(storage.ScopeSearch))
	get(api+"/subscribers", s.apiSubscribers, s.api(storage.ScopeAdmin))
	e.POST(api+"/subscribers/:action", s.apiDecide, s.api(storage.ScopeAdmin))
	return nil
}

// counted counts requests by route; what has no route is one of them.
func (s *Server) counted(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		err := next(c)
		if err != nil {
			c.Error(err)
		}
		route := c.Path()
		if route == "" || c.Response().Status == http.StatusNotFound && !strings.HasPrefix(route, "/api") {
			route = "other"
		}
		s.total.WithLabelValues(route, strconv.Itoa(c.Response().Status/100)+"xx").Inc()
		return nil
	}
}

// recovered keeps a bug in one request from ending the program.
func (s *Server) recovered(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			if v := recover(); v != nil {
				s.o.Log.Error("a request failed badly", "route", c.Path(), "panic", fmt.Sprint(v))
				err = echo.NewHTTPError(http.StatusInternalServerError)
			}
		}()
		return next(c)
	}
}

// headers are the same for every answer. Nothing is loaded from elsewhere, and
// no script stands in a page.
func (s *Server) headers(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Content-Security-Policy", "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("X-Robots-Tag", "noindex, nofollow")
		if s.o.SecureCookies {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		return next(c)
	}
}

// maxForm is the length in bytes of what people and programs send to anything
// but the inbox: a token, a name, a reason.
const maxForm = 64 << 10

// bounded limits bodies before anything reads them: a form parser would take
// 32 MiB into memory, and a file of any size to disk, from whoever asks. The
// inbox has limits of its own.
func (s *Server) bounded(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if c.Path() == "/inbox" {
			return next(c)
		}
		if r.ContentLength > maxForm {
			return problem(http.StatusRequestEntityTooLarge, "too-large", "The body is larger than "+strconv.Itoa(maxForm)+" bytes.")
		}
		if strings.HasPrefix(strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Type"))), "multipart/") {
			return problem(http.StatusUnsupportedMediaType, "content-type", "Nothing here takes files; send application/x-www-form-urlencoded or JSON.")
		}
		r.Body = http.MaxBytesReader(c.Response(), r.Body, maxForm)
		return next(c)
	}
}

func cached(c echo.Context, contentType string, body []byte) error {
	c.Response().Header().Set("Cache-Control", "public, max-age=86400")
	return c.Blob(http.StatusOK, contentType, body)
}

func (s *Server) ready(c echo.Context) error {
	if s.o.Ready != nil {
		if err := s.o.Ready(c.Request().Context()); err != nil {
			s.o.Log.Warn("not ready", "error", err.Error())
			return c.String(http.StatusServiceUnavailable, "not ready\n")
		}
	}
	return c.String(http.StatusOK, "ready\n")
}

// serveMetrics is for the operator: from the machine itself, with a token of
// scope admin, or for everybody if configured.
func (s *Server) serveMetrics(c echo.Context) error {
	if s.metrics == nil {
		return echo.ErrNotFound
	}
	r := c.Request()
	// What a proxy passes on does not come from the machine itself.
	own := s.client(r).IsLoopback() && r.Header.Get("X-Forwarded-For") == "" && r.Header.Get("Forwarded") == ""
	if !s.o.PublicMetrics && !own {
		if _, err := s.authenticate(c, storage.ScopeAdmin); err != nil {
			return err
		}
	}
	s.metrics.ServeHTTP(c.Response(), r)
	return nil
}

// HashToken is what is kept of a token's secret.
func HashToken(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// NewSecret makes the secret of a token: "hark_" and 32 random bytes in base32.
func NewSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails, by its contract
	return "hark_" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}

// render writes a page; it is made in memory first, so that a fault is an error
// and not half a page.
func (s *Server) render(c echo.Context, status int, name string, data any) error {
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, name, data); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.HTMLBlob(status, b.Bytes())
}

var errNoToken = errors.New("no usable token")
