package server

import (
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"hark/storage"
)

const (
	sessionCookie = "hark_session"
	sessionAge    = 30 * 24 * time.Hour
	tokenKey      = "hark.token" // of the token in an echo.Context
	maxLimiters   = 10_000
)

// authenticate finds the token of a request, by its Authorization header or
// the session cookie, and checks its scope; "" asks for none.
func (s *Server) authenticate(c echo.Context, scope storage.Scope) (storage.Token, error) {
	secret, fromCookie := "", false
	if h := c.Request().Header.Get("Authorization"); h != "" {
		kind, value, _ := strings.Cut(h, " ")
		if !strings.EqualFold(kind, "Bearer") {
			return storage.Token{}, errNoToken
		}
		secret = strings.TrimSpace(value)
	} else if cookie, err := c.Cookie(sessionCookie); err == nil {
		secret, fromCookie = cookie.Value, true
	}
	if secret == "" || len(secret) > 256 {
		return storage.Token{}, errNoToken
	}
	t, err := s.o.Tokens.GetTokenByHash(c.Request().Context(), HashToken(secret))
	if errors.Is(err, storage.ErrNotFound) {
		return storage.Token{}, errNoToken
	}
	if err != nil {
		return storage.Token{}, fmt.Errorf("look the token up: %w", err)
	}
	switch {
	case t.Revoked, t.OneTime, t.Session != fromCookie, !t.Expires.IsZero() && !s.o.Now().Before(t.Expires):
		return storage.Token{}, errNoToken
	case scope != "" && !slices.Contains(t.Scopes, scope) && !slices.Contains(t.Scopes, storage.ScopeAdmin):
		return storage.Token{}, problem(http.StatusForbidden, "scope", fmt.Sprintf("This token lacks the scope %q.", scope))
	}
	c.Set(tokenKey, t)
	return t, nil
}

func tokenOf(c echo.Context) storage.Token {
	t, _ := c.Get(tokenKey).(storage.Token)
	return t
}

// api guards an endpoint: a token with the scope, within its rate.
func (s *Server) api(scope storage.Scope) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			t, err := s.authenticate(c, scope)
			if err != nil {
				return err
			}
			if !s.limiter(t.ID).AllowN(s.o.Now(), 1) {
				retryAfter(c, time.Second)
				return problem(http.StatusTooManyRequests, "rate", fmt.Sprintf("A token may ask %d times a minute.", s.o.RequestsPerMinute))
			}
			c.Response().Header().Set("Cache-Control", "no-store")
			return next(c)
		}
	}
}

func (s *Server) limiter(id string) *rate.Limiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.limits) > maxLimiters {
		clear(s.limits) // full buckets again, for all alike
	}
	l, ok := s.limits[id]
	if !ok {
		l = rate.NewLimiter(rate.Limit(float64(s.o.RequestsPerMinute)/60), max(10, s.o.RequestsPerMinute/5))
		s.limits[id] = l
	}
	return l
}

// page guards a page: who is not signed in is sent to sign in. What changes
// something must come from a page of ours.
func (s *Server) page(scope storage.Scope) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			_, err := s.authenticate(c, scope)
			if errors.Is(err, errNoToken) {
				if c.Request().Method == http.MethodGet {
					return c.Redirect(http.StatusSeeOther, "/signin?next="+url.QueryEscape(c.Request().URL.RequestURI()))
				}
				return err
			}
			if err != nil {
				return err
			}
			if c.Request().Method == http.MethodPost {
				if !s.ownForm(c) || !hmac.Equal([]byte(c.FormValue("csrf")), []byte(csrfOf(c))) {
					return problem(http.StatusForbidden, "csrf", "This form did not come from a page of this node, or is too old; go back and try again.")
				}
			}
			return next(c)
		}
	}
}

// ownForm tells whether a form was sent by a page of this node.
func (s *Server) ownForm(c echo.Context) bool {
	r := c.Request()
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	if origin := r.Header.Get("Origin"); origin != "" && origin != "null" {
		u, err := url.Parse(origin)
		return err == nil && u.Host == r.Host
	}
	return true
}

// csrfOf is what the forms of a session carry.
func csrfOf(c echo.Context) string {
	cookie, err := c.Cookie(sessionCookie)
	if err != nil {
		return ""
	}
	return hex.EncodeToString(HashToken("form " + cookie.Value)[:16])
}

// signInPage shows a form even where the link has the token: what previews a
// link does not use it up.
func (s *Server) signInPage(c echo.Context) error {
	f := s.frame(c, "Sign in", nil)
	f.Data = map[string]string{"Token": c.QueryParam("token"), "Next": localPath(c.QueryParam("next"))}
	return s.render(c, http.StatusOK, "signin", f)
}

// localPath keeps a redirect on this node.
func localPath(p string) string {
	if !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") || strings.ContainsAny(p, "\\\r\n") {
		return "/search"
	}
	return p
}

// signIn takes a one-time link or a token and opens a session.
func (s *Server) signIn(c echo.Context) error {
	if !s.ownForm(c) {
		return problem(http.StatusForbidden, "csrf", "This form did not come from a page of this node.")
	}
	secret := strings.TrimSpace(c.FormValue("token"))
	if !s.limiter("signin").AllowN(s.o.Now(), 1) {
		retryAfter(c, 10*time.Second)
		return problem(http.StatusTooManyRequests, "rate", "Too many attempts to sign in; wait a little.")
	}
	ctx, now := c.Request().Context(), s.o.Now()
	t, err := s.o.Tokens.ConsumeToken(ctx, HashToken(secret), now)
	if errors.Is(err, storage.ErrNotFound) {
		t, err = s.o.Tokens.GetTokenByHash(ctx, HashToken(secret))
		if err == nil && (t.Revoked || t.OneTime || t.Session || !t.Expires.IsZero() && !now.Before(t.Expires)) {
			err = storage.ErrNotFound
		}
	}
	if errors.Is(err, storage.ErrNotFound) {
		f := s.frame(c, "Sign in", nil)
		f.Notice = "That link or token is not valid, or was used already. A new link comes from: hark token signin"
		f.Data = map[string]string{"Next": localPath(c.FormValue("next"))}
		return s.render(c, http.StatusUnauthorized, "signin", f)
	}
	if err != nil {
		return err
	}
	session := NewSecret()
	hash := HashToken(session)
	expires := now.Add(sessionAge)
	if !t.OneTime && !t.Expires.IsZero() && t.Expires.Before(expires) {
		expires = t.Expires
	}
	if err := s.o.Tokens.AddToken(ctx, storage.Token{
		ID: "session-" + hex.EncodeToString(hash[:6]), Hash: hash, Scopes: t.Scopes, Holder: t.Holder, Purpose: "session of " + t.ID,
		Session: true, Created: now, Expires: expires,
	}); err != nil {
		return err
	}
	if err := s.audit(c, storage.AuditEntry{Token: t.ID, Action: "signin"}); err != nil {
		return err
	}
	c.SetCookie(&http.Cookie{
		Name: sessionCookie, Value: session, Path: "/", Expires: expires, HttpOnly: true, Secure: s.o.SecureCookies, SameSite: http.SameSiteStrictMode,
	})
	return c.Redirect(http.StatusSeeOther, localPath(c.FormValue("next")))
}

func (s *Server) signOut(c echo.Context) error {
	if err := s.o.Tokens.RevokeToken(c.Request().Context(), tokenOf(c).ID); err != nil {
		return err
	}
	c.SetCookie(&http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, HttpOnly: true, Secure: s.o.SecureCookies, SameSite: http.SameSiteStrictMode})
	return c.Redirect(http.StatusSeeOther, "/")
}

// audit leaves a line; what cannot be noted is not shown.
func (s *Server) audit(c echo.Context, e storage.AuditEntry) error {
	if e.Token == "" {
		e.Token = tokenOf(c).ID
	}
	e.At = s.o.Now()
	if _, err := s.o.Audit.AddAudit(c.Request().Context(), e); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}
