package server

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hark/storage"
)

// TestFilterOfASubscriber: the operator alone sets one, by the API and on the
// page, and one that would surprise is refused with the reason.
func TestFilterOfASubscriber(t *testing.T) {
	h, n := start(t)
	const actor = "https://m.example/actor"
	bearer := func(scope storage.Scope) []string {
		return []string{"Authorization", "Bearer " + n.token(scope, nil), "Content-Type", "application/json"}
	}
	address := h.URL + "/api/hark/v1/subscribers/filter"
	for _, tt := range []struct {
		name   string
		scope  storage.Scope
		body   string
		status int
		says   string
		filter string // afterwards
	}{
		{"a filter", storage.ScopeAdmin, `{"actor":"` + actor + `","filter":" lang:ja -label:spam "}`, http.StatusNoContent, "", "lang:ja -label:spam"},
		{"not the operator", storage.ScopeSearch, `{"actor":"` + actor + `","filter":"cats"}`, http.StatusForbidden, "scope", "lang:ja -label:spam"},
		{"not understood", storage.ScopeAdmin, `{"actor":"` + actor + `","filter":"lang:ja place:kyoto"}`, http.StatusBadRequest, "cannot be searched for yet", "lang:ja -label:spam"},
		{"everything", storage.ScopeAdmin, `{"actor":"` + actor + `","filter":"()"}`, http.StatusBadRequest, "nothing can match", "lang:ja -label:spam"},
		{"nobody", storage.ScopeAdmin, `{"actor":"https://nobody.example/actor","filter":"cats"}`, http.StatusNotFound, "not-found", "lang:ja -label:spam"},
		{"none any more", storage.ScopeAdmin, `{"actor":"` + actor + `"}`, http.StatusNoContent, "", ""},
	} {
		resp, body := ask(t, "POST", address, tt.body, bearer(tt.scope)...)
		if resp.StatusCode != tt.status || !strings.Contains(body, tt.says) || n.filters[actor] != tt.filter {
			t.Errorf("%s: %d %s, filter %q", tt.name, resp.StatusCode, body, n.filters[actor])
		}
	}
	if e := n.audited[0]; e.Action != "subscriber.filter" || e.Subject != actor+" lang:ja -label:spam" {
		t.Errorf("audited %+v", e)
	}

	browser := n.session(storage.ScopeAdmin)
	_, page := ask(t, "GET", h.URL+"/admin", "", browser...)
	_, rest, _ := strings.Cut(page, `name="csrf" value="`)
	csrf, _, _ := strings.Cut(rest, `"`)
	set := func(filter string) (*http.Response, string) {
		form := url.Values{"csrf": {csrf}, "act": {"filter"}, "actor": {actor}, "filter": {filter}}.Encode()
		return ask(t, "POST", h.URL+"/admin/subscribers", form, append(browser[:4:4], "Content-Type", "application/x-www-form-urlencoded")...)
	}
	if resp, body := set(`"><script>"`); resp.StatusCode != http.StatusSeeOther || n.filters[actor] != `"><script>"` {
		t.Errorf("on the page: %d %s", resp.StatusCode, body)
	}
	if resp, body := set("flood OR"); resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, "OR stands beside nothing") {
		t.Errorf("not understood: %d %s", resp.StatusCode, body)
	}
	_, page = ask(t, "GET", h.URL+"/admin", "", browser...)
	for _, want := range []string{`value="&#34;&gt;&lt;script&gt;&#34;"`, "mastodon 4.5.1", "90 seconds", "1,234", "shared"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}
