package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hark/storage"
)

// Access checks tokens and the audit log. Tamper changes the store behind its
// back in the manner of that name: "change" alters the subject of the audit
// entry 2, "remove" deletes it, "cut" deletes the newest entry.
func Access(t *testing.T, open func(t *testing.T) AccessStore, tamper func(t *testing.T, manner string)) {
	t.Run("Tokens", func(t *testing.T) { tokens(t, started(t, open)) })
	t.Run("OneTime", func(t *testing.T) { oneTime(t, started(t, open)) })
	t.Run("Decisions", func(t *testing.T) { decisions(t, started(t, open)) })
	t.Run("Audit", func(t *testing.T) { audit(t, started(t, open)) })
	for _, manner := range []string{"change", "remove", "cut"} {
		t.Run("Tamper/"+manner, func(t *testing.T) {
			s := started(t, open)
			for i := range 4 {
				must[storage.AuditEntry](t)(s.AddAudit(t.Context(), storage.AuditEntry{Token: "t", Action: "search", Subject: fmt.Sprint(i)}))
			}
			if n := must[int64](t)(s.VerifyAudit(t.Context())); n != 4 {
				t.Fatalf("%d entries hold, want 4", n)
			}
			tamper(t, manner)
			_, err := s.VerifyAudit(t.Context())
			wantError(t, err, storage.ErrTampered)
		})
	}
}

func tokens(t *testing.T, s AccessStore) {
	ctx := t.Context()
	k := storage.Token{ID: "k1", Hash: []byte("hash-1"), Scopes: []storage.Scope{storage.ScopeSearch, storage.ScopeExport},
		Holder: "ann", Purpose: "study", Session: true, Created: day0, Expires: day0.AddDate(1, 0, 0), LastUsed: day0}
	noError(t, s.AddToken(ctx, k))
	wantError(t, s.AddToken(ctx, k), storage.ErrExists)
	twin := k
	twin.ID = "k2"
	wantError(t, s.AddToken(ctx, twin), storage.ErrExists)
	equal(t, "token", must[storage.Token](t)(s.GetTokenByHash(ctx, k.Hash)), k)
	_, err := s.GetTokenByHash(ctx, []byte("other"))
	wantError(t, err, storage.ErrNotFound)
	_, err = s.ConsumeToken(ctx, k.Hash, day0)
	wantError(t, err, storage.ErrNotFound) // not a one-time token
	noError(t, s.RevokeToken(ctx, k.ID))
	wantError(t, s.RevokeToken(ctx, "k9"), storage.ErrNotFound)
	if !must[storage.Token](t)(s.GetTokenByHash(ctx, k.Hash)).Revoked {
		t.Error("the token is not revoked")
	}
	newer := storage.Token{ID: "k0", Hash: []byte("hash-0"), Created: day0.Add(time.Hour)}
	noError(t, s.AddToken(ctx, newer))
	if all := must[[]storage.Token](t)(s.ListTokens(ctx)); len(all) != 2 || all[0].ID != "k0" {
		t.Errorf("tokens: %+v", all)
	}
}

func oneTime(t *testing.T, s AccessStore) {
	ctx := t.Context()
	link := storage.Token{ID: "link", Hash: []byte("hash"), Scopes: []storage.Scope{storage.ScopeAdmin}, OneTime: true, Created: day0, Expires: day0.Add(time.Minute)}
	noError(t, s.AddToken(ctx, link))
	_, err := s.ConsumeToken(ctx, link.Hash, day0.Add(time.Minute))
	wantError(t, err, storage.ErrNotFound) // expired by then
	var used atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			k, err := s.ConsumeToken(ctx, link.Hash, day0)
			if err != nil {
				return
			}
			used.Add(1)
			if k.ID != link.ID || k.Revoked || len(k.Scopes) != 1 {
				t.Errorf("consumed %+v", k)
			}
		})
	}
	wg.Wait()
	if used.Load() != 1 {
		t.Errorf("used %d times", used.Load())
	}
	_, err = s.ConsumeToken(ctx, link.Hash, day0)
	wantError(t, err, storage.ErrNotFound)
}

func audit(t *testing.T, s AccessStore) {
	const writers, each = 4, 10
	ctx := t.Context()
	if n := must[int64](t)(s.VerifyAudit(ctx)); n != 0 {
		t.Errorf("%d entries in an empty log", n)
	}
	e := must[storage.AuditEntry](t)(s.AddAudit(ctx, storage.AuditEntry{At: day0, Token: "cli", Action: "export", Subject: "lang:ja", Count: 12}))
	if e.Seq != 1 || len(e.Hash) == 0 {
		t.Errorf("first entry: %+v", e)
	}
	equal(t, "log", must[[]storage.AuditEntry](t)(s.ListAudit(ctx, 0, 10)), []storage.AuditEntry{e})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := s.AddAudit(ctx, storage.AuditEntry{Token: fmt.Sprint(w), Action: "search", Subject: fmt.Sprint(i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := must[int64](t)(s.VerifyAudit(ctx)); n != 1+writers*each {
		t.Errorf("%d entries hold, want %d", n, 1+writers*each)
	}
	if rest := must[[]storage.AuditEntry](t)(s.ListAudit(ctx, 38, 10)); len(rest) != 3 || rest[0].Seq != 39 {
		t.Errorf("the rest of the log: %+v", rest)
	}
}

// decisions: each is found by every id that it is about, newest first, and by
// nothing else; the ids themselves are not given back.
func decisions(t *testing.T, s AccessStore) {
	ctx := t.Context()
	first := storage.Decision{
		At: day0, Ref: "abc", ActivityID: "https://a.example/1", ObjectID: "https://a.example/n/1", Actor: "https://a.example/u",
		Type: "Create", Via: "a.example", Stage: storage.StageInbox, Reason: "digest", Status: 401, Detail: "no",
	}
	second := storage.Decision{At: day0.Add(time.Hour), Actor: "https://a.example/u", Stage: storage.StageListen, Reason: "objected"}
	noError(t, s.AddDecisions(ctx, nil))
	noError(t, s.AddDecisions(ctx, []storage.Decision{first, second}))
	bare := func(d storage.Decision) storage.Decision {
		d.ActivityID, d.ObjectID, d.Actor = "", "", ""
		return d
	}
	for id, want := range map[string][]storage.Decision{
		"abc": {bare(first)}, first.ActivityID: {bare(first)}, first.ObjectID: {bare(first)},
		first.Actor: {bare(second), bare(first)}, "": nil, "https://b.example": nil,
	} {
		equal(t, "decisions about "+id, must[[]storage.Decision](t)(s.ListDecisions(ctx, id, 10)), want)
	}
	if got := must[[]storage.Decision](t)(s.ListDecisions(ctx, first.Actor, 1)); len(got) != 1 || got[0].Reason != second.Reason {
		t.Errorf("one decision: %+v", got)
	}
	noError(t, s.ExpireDecisions(ctx, day0.Add(time.Minute)))
	equal(t, "decisions that are left", must[[]storage.Decision](t)(s.ListDecisions(ctx, first.Actor, 10)), []storage.Decision{bare(second)})
}
