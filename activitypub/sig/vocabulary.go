package sig

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/piprate/json-gold/ld"
)

// Limits on the @context of a signed document. Mastodon's has three entries
// and forty terms, Misskey's and PeerTube's eighty.
const (
	maxContextEntries = 16
	maxContextTerms   = 256
	maxContextBytes   = 16 << 10
	maxContextValue   = 512
	// cachedContexts is how many parsed contexts are kept. A server uses one
	// or two, always the same, and parsing takes longer than the rest.
	cachedContexts = 64
)

// watched are the names that readers of plain JSON act upon, beyond the
// Activity Streams core. A context may neither give such a name to something
// else nor give the thing another name, or a reader of JSON and a reader of
// JSON-LD would see different documents.
var watched = map[string]bool{
	"Emoji": true, "Hashtag": true, "PropertyValue": true, "Key": true, "Multikey": true,
	"_misskey_content": true, "_misskey_quote": true, "_misskey_summary": true,
	"assertionMethod": true, "atomUri": true, "blurhash": true, "conversation": true,
	"discoverable": true, "featured": true, "indexable": true, "inReplyToAtomUri": true,
	"interactionPolicy": true, "isCat": true, "likeAuthorization": true, "listMessage": true,
	"directMessage": true, "manuallyApprovesFollowers": true, "movedTo": true, "proof": true,
	"publicKey": true, "publicKeyPem": true, "quote": true, "quoteAuthorization": true, "quoteUri": true,
	"quoteUrl": true, "searchableBy": true, "sensitive": true, "signature": true, "suspended": true,
	"value": true, "votersCount": true, "webfinger": true,
}

// vocabulary is what the @context of a document says, found to be safe. It is
// immutable and may be used concurrently.
type vocabulary struct {
	active *ld.Context
	terms  map[string]*term
}

// contextCache keeps vocabularies by the text of their @context, so that a
// server's context is parsed once. It guards itself.
var contextCache = sync.OnceValue(func() *lru.Cache[string, *vocabulary] {
	c, err := lru.New[string, *vocabulary](cachedContexts)
	if err != nil {
		return nil // only for a size below one
	}
	return c
})

// parseVocabulary reads the value of @context. Errors are ErrUnknownContext
// and ErrUnsafeDocument. The caller calls keep once the document has proved to
// be good, which puts the result into the cache: strangers cannot wash it out.
func parseVocabulary(raw any) (v *vocabulary, keep func(), err error) {
	text, err := json.Marshal(raw)
	if err != nil || len(text) > maxContextBytes {
		return nil, nil, refuse("@context of %d bytes", len(text))
	}
	key := string(text)
	if v, ok := contextCache().Get(key); ok {
		return v, func() {}, nil
	}
	if err := checkContext(raw); err != nil {
		return nil, nil, err
	}
	active, err := activeContext(raw)
	if err != nil {
		return nil, nil, err
	}
	if err := checkTerms(active); err != nil {
		return nil, nil, err
	}
	if err := checkProtected(raw, active); err != nil {
		return nil, nil, err
	}
	v = &vocabulary{active: active, terms: writableTerms(active)}
	return v, func() { contextCache().Add(key, v) }, nil
}

// core is the Activity Streams context alone: what its terms must still mean
// in every document.
var core = sync.OnceValues(func() (*ld.Context, error) { return activeContext(contextAS) })

// coreNames maps what the core terms stand for to true.
var coreNames = sync.OnceValue(func() map[string]bool {
	names := make(map[string]bool, 200)
	if c, err := core(); err == nil {
		for _, d := range c.TermDefinitions {
			names[d.ID] = true
		}
	}
	return names
})

func activeContext(raw any) (*ld.Context, error) {
	return guarded(func() (*ld.Context, error) {
		return ld.NewContext(nil, processorOptions()).Parse(raw)
	})
}

// guarded turns a panic of the JSON-LD library into an error. What is handed
// to it has been checked; this is the second line, because it asserts types in
// many places and a panic in a handler must not be a stranger's to cause.
func guarded[T any](f func() (T, error)) (result T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = refuse("JSON-LD processor failed: %v", p)
		}
	}()
	result, err = f()
	if err != nil {
		err = fmt.Errorf("%w: %w", err, ErrUnsafeDocument)
	}
	return result, err
}

// refuse makes an ErrUnsafeDocument that says why.
func refuse(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrUnsafeDocument)...)
}

// checkContext admits known addresses and flat objects of simple terms, and
// among them the Activity Streams context.
func checkContext(raw any) error {
	entries, ok := raw.([]any)
	if !ok {
		entries = []any{raw}
	}
	if len(entries) > maxContextEntries {
		return refuse("@context of %d entries", len(entries))
	}
	hasAS := false
	for _, e := range entries {
		switch e := e.(type) {
		case string:
			if _, ok := contextDocuments[e]; !ok {
				return fmt.Errorf("%.200q: %w", e, ErrUnknownContext)
			}
			hasAS = hasAS || e == contextAS
		case map[string]any:
			if err := checkInline(e); err != nil {
				return err
			}
		default:
			return refuse("@context entry of type %T", e)
		}
	}
	if !hasAS {
		return refuse("@context without Activity Streams")
	}
	return nil
}

func checkInline(c map[string]any) error {
	if len(c) > maxContextTerms {
		return refuse("@context of %d terms", len(c))
	}
	for term, definition := range c {
		if term == "" || len(term) > maxContextValue || strings.ContainsAny(term, "@:/") {
			return refuse("term %.80q in @context", term)
		}
		parts, ok := definition.(map[string]any)
		if !ok {
			parts = map[string]any{"@id": definition}
		}
		for k, v := range parts {
			if err := checkDefinition(term, k, v); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkDefinition(term, key string, value any) error {
	v, ok := value.(string)
	if !ok || v == "" || len(v) > maxContextValue || strings.HasPrefix(v, "_:") {
		return refuse("term %.80q: value of %.80q", term, key)
	}
	keyword := strings.HasPrefix(v, "@")
	switch key {
	case "@id":
		ok = !keyword || term == "id" && v == "@id" || term == "type" && v == "@type"
	case "@type":
		ok = !keyword || v == "@id"
	case "@container":
		ok = v == "@list" || v == "@set" || v == "@language"
	default:
		ok = false
	}
	if !ok {
		return refuse("term %.80q: %.80q is %.80q", term, key, v)
	}
	return nil
}

// checkTerms looks at what the parsed context means as a whole: the core is
// intact, and nothing goes by a second name.
func checkTerms(active *ld.Context) error {
	as, err := core()
	if err != nil {
		return err
	}
	for term, d := range as.TermDefinitions {
		now := active.TermDefinitions[term]
		if now == nil || !ld.DeepCompareTermDef(d, now, true) {
			return refuse("@context redefines %q", term)
		}
	}
	for term, d := range active.TermDefinitions {
		if _, ok := as.TermDefinitions[term]; ok || d == nil {
			continue // d is nil for the hidden terms of a known context: nobody can use them
		}
		if err := checkExtension(term, d); err != nil {
			return err
		}
	}
	return nil
}

// protectedTerms are the terms of the protected contexts, by address.
var protectedTerms = sync.OnceValues(func() (map[string]map[string]*ld.TermDefinition, error) {
	all := make(map[string]map[string]*ld.TermDefinition, len(protectedContexts))
	for _, address := range protectedContexts {
		c, err := activeContext(address)
		if err != nil {
			return nil, err
		}
		all[address] = c.TermDefinitions
	}
	return all, nil
})

// checkProtected sees to it that the terms of protected contexts, and hidden
// ones among them, mean at the end what those contexts say. Other processors
// would refuse the document.
//
// ref: JSON-LD 1.1 §4.1.11
func checkProtected(raw any, active *ld.Context) error {
	protected, err := protectedTerms()
	if err != nil {
		return err
	}
	entries, ok := raw.([]any)
	if !ok {
		entries = []any{raw}
	}
	for _, e := range entries {
		address, ok := e.(string)
		if !ok {
			continue
		}
		for term, d := range protected[address] {
			now := active.TermDefinitions[term]
			if (d == nil) != (now == nil) || d != nil && !ld.DeepCompareTermDef(d, now, true) {
				return refuse("@context redefines %q", term)
			}
		}
	}
	return nil
}

func checkExtension(term string, d *ld.TermDefinition) error {
	switch {
	case d == nil, d.Reverse, d.HasContext, d.Nest != "", d.Index != "", d.Protected, d.HasDirection, d.HasLanguage:
		return refuse("term %q uses what JSON readers cannot follow", term)
	case strings.HasPrefix(d.ID, "@"), strings.HasPrefix(d.ID, "_:"), !strings.Contains(d.ID, ":"), delimits(d.ID), delimits(d.Type):
		return refuse("term %q stands for %.80q", term, d.ID)
	case coreNames()[d.ID]:
		return refuse("term %q is a second name of %q", term, d.ID)
	}
	name := localName(d.ID)
	if local, ok := strings.CutPrefix(d.ID, nsAS); ok {
		if local != term || d.Type != "" && d.Type != "@id" || len(d.Container) > 0 && d.Container[0] != "@set" {
			return refuse("term %q renames or retypes %q", term, d.ID)
		}
	}
	if (watched[term] || watched[name]) && name != term && !sameThing[term+"="+name] {
		return refuse("term %q is another name than %q", term, d.ID)
	}
	return nil
}

// sameThing lists the names that a known context itself gives to something
// with another local name.
var sameThing = map[string]bool{"CryptographicKey=Key": true}

// localName is what follows the last '#', '/' or ':'.
func localName(iri string) string {
	return iri[strings.LastIndexAny(iri, "#/:")+1:]
}

// property finds the definition of a key of an object: a term, or a prefixed
// name such as "vcard:bday". ok is false for keys that the context does not
// define, which a signature does not cover, and for those of RDF itself, which
// would say by another name what "type" and lists say.
func (v *vocabulary) property(key string) (d ld.TermDefinition, ok bool) {
	if d := v.active.TermDefinitions[key]; d != nil {
		return *d, !strings.HasPrefix(d.ID, "@") && !strings.HasPrefix(d.ID, nsRDF)
	}
	if !strings.Contains(key, ":") {
		return d, false
	}
	id, err := v.active.ExpandIri(key, false, true, nil, nil)
	hidden := err != nil || id == "" || delimits(id) || strings.HasPrefix(id, "_:") || strings.HasPrefix(id, "@") ||
		strings.HasPrefix(id, nsAS) || strings.HasPrefix(id, nsRDF) || coreNames()[id] || watched[localName(id)]
	return ld.TermDefinition{ID: id}, !hidden
}

// typeName reports whether a value of "type" is covered and says the same to
// readers of JSON and of JSON-LD.
func (v *vocabulary) typeName(name string) bool {
	id, err := v.active.ExpandIri(name, false, true, nil, nil)
	if err != nil || strings.HasPrefix(id, "_:") || strings.HasPrefix(id, "@") || !strings.Contains(id, ":") || delimits(id) {
		return false
	}
	local := localName(id)
	if strings.HasPrefix(id, nsAS) || watched[local] || watched[name] {
		return name == local || sameThing[name+"="+local]
	}
	return true
}

// address reports whether a string in the place of an address is one, and the
// same one to readers of JSON and of JSON-LD.
func (v *vocabulary) address(s string) bool {
	if s == "as:Public" {
		return true
	}
	id, err := v.active.ExpandIri(s, true, false, nil, nil)
	return err == nil && id == s && strings.Contains(s, ":") && !strings.HasPrefix(s, "_:") && !delimits(s)
}

// delimits reports whether an address holds what separates the parts of a
// statement, so that one line could be read as two different statements.
//
// ref: RDF 1.1 N-Quads, production IRIREF
func delimits(iri string) bool {
	for i := 0; i < len(iri); i++ {
		if c := iri[i]; c <= ' ' || c == '<' || c == '>' || c == '"' || c == '\\' {
			return true
		}
	}
	return false
}
