package relay_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"hark/relay"
	"hark/relay/neighbourhood"
)

// browser starts a headless Chromium. Without one the test is skipped, unless
// HARK_TEST_REQUIRE says that nothing may be.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		if os.Getenv("HARK_TEST_REQUIRE") != "" {
			t.Fatal("no Chromium, and HARK_TEST_REQUIRE is set")
		}
		t.Skip("no Chromium on this machine")
	}
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1200, 1400),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	if os.Getenv("HARK_TEST_DARK") != "" {
		opts = append(opts, chromedp.Flag("blink-settings", "preferredColorScheme=0"))
	}
	actx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(actx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // starts it, and must not be timed
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(ctx, 90*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// page is the browser's tab, with a test that fails when a step does.
type page struct {
	t   *testing.T
	ctx context.Context
}

func (p page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

func (p page) read(a chromedp.Action[string]) string {
	p.t.Helper()
	s, err := chromedp.Run(p.ctx, a)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// shot keeps a picture of the page where HARK_TEST_SHOTS names a folder.
func (p page) shot(name string) {
	p.t.Helper()
	dir := os.Getenv("HARK_TEST_SHOTS")
	if dir == "" {
		return
	}
	b, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), b, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// TestAnalystInABrowser signs in by the one-time link, searches, reads why a
// post was labelled, and sees a new one arrive live.
func TestAnalystInABrowser(t *testing.T) {
	ctx := browser(t)
	n, store := node(t, func(o *relay.Options) {
		o.Classifier = nil // the real one
		o.Consent = relay.ConsentPublic
	})
	hood := neighbours(t, n, neighbourhood.Options{Mastodon: 2, Pleroma: 1, Misskey: 1, AuthorsPerInstance: 4})
	if err := hood.Subscribe(ctx); err != nil {
		t.Fatal(err)
	}
	corpus := neighbourhood.Corpus()
	flood := entry(t, func(e neighbourhood.Entry) bool { return slices.Contains(e.Labels, "hazard") && e.Lang == "en" })
	for i := range 24 {
		if _, err := hood.Instances()[i%4].Publish(ctx, neighbourhood.Post{Entry: corpus[i*len(corpus)/24], Author: i}); err != nil {
			t.Fatal(err)
		}
	}
	hostile := flood
	hostile.Text = "<script>document.title='owned'</script> \u202eneedleword " + flood.Text
	if _, err := hood.Instances()[0].Publish(ctx, neighbourhood.Post{Entry: hostile}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, func() string {
		if st, err := store.Stats(ctx); err != nil || st.Posts < 25 {
			return "the posts are not stored"
		}
		return ""
	})
	link, err := n.SignInLink(ctx)
	if err != nil {
		t.Fatal(err)
	}
	p := page{t, ctx}
	p.do(chromedp.Navigate(n.BaseURL() + "/"))
	landing := p.read(chromedp.Text("main"))
	p.shot("landing")
	p.do(chromedp.Navigate(link))
	p.shot("signin")
	p.do(chromedp.Click("main form button", chromedp.NodeVisible), chromedp.WaitVisible("#hits .post"))
	p.shot("search")
	p.do(chromedp.Navigate(n.BaseURL()+"/search?q=needleword"), chromedp.WaitVisible("#hits mark"), chromedp.Click("#hits details.label summary"))
	hits, reasons, title := p.read(chromedp.Text("#hits")), p.read(chromedp.Text("#hits table.reasons")), p.read(chromedp.Title())
	p.shot("hit")
	p.do(chromedp.Click("#hits header a"), chromedp.WaitReady("pre"))
	p.shot("post")
	p.do(chromedp.Navigate(n.BaseURL() + "/admin"))
	admin := p.read(chromedp.Text("main"))
	p.shot("admin")
	p.do(chromedp.Navigate(n.BaseURL()+"/search?q=livelyword"), chromedp.Click("#live", chromedp.NodeVisible))
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](`document.getElementById("live-state").textContent === "listening" && document.getElementById("live").getAttribute("aria-pressed") === "true"`)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(landing, n.BaseURL()+"/inbox") || !strings.Contains(landing, "Misskey") {
		t.Errorf("the first page does not say how to add the relay: %s", landing)
	}
	if !strings.Contains(hits, "<script>") || strings.Contains(title, "owned") || strings.Contains(hits, "\u202e") {
		t.Errorf("a hostile post: title %q, hits %q", title, hits)
	}
	if !strings.Contains(hits, "hazard") || strings.TrimSpace(reasons) == "" {
		t.Errorf("no reasons for the label: %q", reasons)
	}
	if !strings.Contains(admin, hood.Instances()[0].Host()) {
		t.Errorf("the operator's page lacks a subscriber: %s", admin)
	}
	lively := flood
	lively.Text = "livelyword arrives while somebody watches"
	if _, err := hood.Instances()[1].Publish(ctx, neighbourhood.Post{Entry: lively}); err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.WaitVisible("#hits .post.new mark"))
	live := p.read(chromedp.Text("#hits"))
	p.shot("live")
	if !strings.Contains(live, "livelyword") {
		t.Errorf("live: %q", live)
	}
	// The link worked once.
	resp, err := post(n.BaseURL()+"/signin", "token="+link[strings.Index(link, "token=")+6:])
	if err != nil || resp != 401 {
		t.Errorf("the sign-in link works twice: %d, %v", resp, err)
	}
}
