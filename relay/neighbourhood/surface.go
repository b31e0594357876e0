package neighbourhood

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"hark/activitypub/wellknown"
)

// Fetch is a document that somebody asked an instance for.
type Fetch struct {
	Time   time.Time
	Path   string
	KeyID  string // that signed, or claims to have: only a secure instance checks it; "" unsigned
	Status int    // of the answer
}

// Fetched are the requests for documents so far, oldest first.
func (in *Instance) Fetched() []Fetch {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.fetches)
}

// software is what its NodeInfo says.
func (in *Instance) software() (name, version string) {
	switch in.kind {
	case Pleroma:
		return "pleroma", "2.9.1"
	case Misskey:
		return "misskey", "2026.10.0"
	}
	return "mastodon", "4.5.2"
}

// ServeHTTP is its HTTP surface.
func (in *Instance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in.open.RLock()
	defer in.open.RUnlock()
	if in.closed {
		http.Error(w, "closed", http.StatusServiceUnavailable)
		return
	}
	switch {
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/inbox"):
		in.inbox(w, r)
	case r.Method == http.MethodPost:
		http.NotFound(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "GET or POST", http.StatusMethodNotAllowed)
	case r.URL.Path == wellknown.WebFingerPath:
		in.webFinger(w, r)
	case r.URL.Path == wellknown.NodeInfoPath:
		answer(w, "application/json", map[string]any{"links": []any{
			map[string]any{"rel": "http://nodeinfo.diaspora.software/ns/schema/2.0", "href": in.origin + "/nodeinfo/2.0"},
		}})
	case r.URL.Path == "/nodeinfo/2.0":
		name, version := in.software()
		answer(w, "application/json; charset=utf-8", map[string]any{
			"version": "2.0", "software": map[string]any{"name": name, "version": version}, "protocols": []string{"activitypub"},
			"services": map[string]any{"inbound": []any{}, "outbound": []any{}}, "openRegistrations": false,
			"usage": map[string]any{"users": map[string]any{"total": len(in.authors)}}, "metadata": map[string]any{},
		})
	default:
		in.document(w, r)
	}
}

// document serves actors, their collections and public posts, and remembers
// who asked.
func (in *Instance) document(w http.ResponseWriter, r *http.Request) {
	f := Fetch{Time: time.Now(), Path: r.URL.Path, Status: http.StatusOK}
	var body []byte
	reason := ""
	if h := r.Header.Get("Signature"); h != "" {
		if s, err := parseSignature(h); err == nil {
			f.KeyID = s.keyID
		}
	}
	// The instance actor answers everybody: otherwise two secure servers wait
	// for each other's keys.
	if in.secure && in.origin+r.URL.Path != in.ActorURI() {
		if _, err := in.checkRequest(r.Context(), r, nil); err != nil {
			f.Status, reason = http.StatusUnauthorized, "secure mode: "+err.Error()
		}
	}
	if f.Status == http.StatusOK {
		body, f.Status = in.lookUp(r.URL.Path)
	}
	if f.Status == http.StatusOK && !asksForActivity(r) {
		f.Status, reason = http.StatusNotAcceptable, "there are no pages here, only ActivityPub documents"
	}
	in.mu.Lock()
	in.fetches = newest(in.n.o.Keep, append(in.fetches, f))
	in.mu.Unlock()
	if f.Status != http.StatusOK {
		if reason == "" {
			reason = http.StatusText(f.Status)
		}
		http.Error(w, reason, f.Status)
		return
	}
	w.Header().Set("Content-Type", "application/activity+json; charset=utf-8")
	w.Header().Set("Vary", "Accept")
	_, _ = w.Write(body)
}

func (in *Instance) lookUp(path string) (body []byte, status int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.gone[path] {
		return nil, http.StatusGone
	}
	if doc, ok := in.docs[path]; ok {
		return doc, http.StatusOK
	}
	if o, ok := in.objects[in.origin+path]; ok && o.public {
		return o.body, http.StatusOK
	}
	return nil, http.StatusNotFound
}

// asksForActivity tells whether a client would take an ActivityPub document:
// without a word about it, real servers answer with a page for people.
//
// ref: ActivityPub §3.2
func asksForActivity(r *http.Request) bool {
	return slices.ContainsFunc(strings.Split(strings.Join(r.Header.Values("Accept"), ","), ","), func(t string) bool {
		return isActivity(strings.TrimSpace(t))
	})
}

func answer(w http.ResponseWriter, contentType string, doc any) {
	body, err := json.Marshal(doc)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(body)
}

// newest forgets the oldest records once there are twice as many as are kept.
func newest[T any](keep int, records []T) []T {
	if keep <= 0 || len(records) <= 2*keep {
		return records
	}
	return append(records[:0:0], records[len(records)-keep:]...)
}

// webFinger knows the authors, and the actor that subscribes.
func (in *Instance) webFinger(w http.ResponseWriter, r *http.Request) {
	type person struct{ id, name, page string }
	known := []person{{in.ActorURI(), in.systemName(), ""}}
	for _, a := range in.authors {
		known = append(known, person{a.id, a.name, in.profile(a.name)})
	}
	resource := r.URL.Query().Get("resource")
	for _, p := range known {
		subject := "acct:" + p.name + "@" + in.host
		if resource != subject && resource != p.id {
			continue
		}
		doc, err := wellknown.WebFinger(subject, p.id, p.page)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", wellknown.WebFingerContentType)
		_, _ = w.Write(doc)
		return
	}
	http.NotFound(w, r)
}
