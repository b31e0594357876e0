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

	"hark/storage"
)

const (
	sessionCookie = "hark_session"
	sessionAge    = 30 * 24 * time.Hour
	tokenKey      = "hark.token" // of the token in an echo.Context
	csrfHeader    = "X-Hark-CSRF"
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
			if err := s.within(c, t); err != nil {
				return err
			}
			// A session's cookie goes along with whatever a browser is made to send.
			if t.Session && changes(c.Request()) && !(s.ownForm(c) && sameText(c.Request().Header.Get(csrfHeader), csrfOf(c))) {
				return problem(http.StatusForbidden, "csrf", "With a session's cookie, send its form token in "+csrfHeader+"; or use a token.")
			}
			c.Response().Header().Set("Cache-Control", "no-store")
			return next(c)
		}
	}
}

// within holds a token to its rate.
func (s *Server) within(c echo.Context, t storage.Token) error {
	if s.requests.allow(t.ID, s.o.Now()) {
		return nil
	}
	retryAfter(c, time.Second)
	return problem(http.StatusTooManyRequests, "rate", fmt.Sprintf("A token may ask %d times a minute.", s.o.RequestsPerMinute))
}

// changes tells whether a request may change something.
func changes(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead
}

func sameText(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }

// page guards a page: who is not signed in is sent to sign in. What changes
// something must come from a page of ours.
func (s *Server) page(scope storage.Scope) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			t, err := s.authenticate(c, scope)
			if errors.Is(err, errNoToken) {
				next := "/search" // what was sent is lost, and is not to be sent again by itself
				if !changes(c.Request()) {
					next = c.Request().URL.RequestURI()
				}
				return c.Redirect(http.StatusSeeOther, "/signin?next="+url.QueryEscape(next))
			}
			if err != nil {
				return err
			}
			if err := s.within(c, t); err != nil {
				return err
			}
			if changes(c.Request()) && !(s.ownForm(c) && sameText(c.FormValue("csrf"), csrfOf(c))) {
				return problem(http.StatusForbidden, "csrf", "This form did not come from a page of this node, or is too old; go back and try again.")
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

// localPath keeps a redirect on this node; what might lead elsewhere becomes
// the search page.
func localPath(p string) string {
	control := func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' } // browsers leave some out, or read "/"
	if !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") || strings.ContainsFunc(p, control) {
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
	if !s.signIns.allow(network(s.client(c.Request())), s.o.Now()) {
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
