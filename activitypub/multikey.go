package activitypub

import "fmt"

// allKeysOf reads the keys of an actor: its publicKey and its
// assertionMethods, each an object or a list of those. Keys that are only
// linked to are left out.
//
// ref: FEP-521a
func allKeysOf(actor value) []PublicKey {
	keys := keysOf(actor.get("publicKey"))
	for _, key := range keysOf(actor.get("assertionMethod")) {
		key.Assertion = true
		known := false
		for i := range keys {
			// One id must not stand for two keys: the first is what counts.
			if keys[i].ID == key.ID {
				known = true
				keys[i].Assertion = keys[i].Assertion || keys[i].PEM == key.PEM && keys[i].Multibase == key.Multibase
			}
		}
		if !known && len(keys) < maxActorKeys {
			keys = append(keys, key)
		}
	}
	return keys
}

// keysOf reads a key or a list of keys.
func keysOf(v value) []PublicKey {
	var keys []PublicKey
	for k := range v.items() {
		if key, ok := keyOf(k); ok && len(keys) < maxActorKeys {
			keys = append(keys, key)
		}
	}
	return keys
}

// keyOf reads a CryptographicKey (owner, publicKeyPem) or a Multikey
// (controller, publicKeyMultibase).
func keyOf(v value) (PublicKey, bool) {
	key := PublicKey{ID: v.get("id").str(), Owner: v.get("owner").id(), PEM: v.get("publicKeyPem").str()}
	if key.PEM == "" && v.hasType("Multikey") {
		key.Owner, key.Multibase = v.get("controller").id(), v.get("publicKeyMultibase").str()
	}
	if checkAddress(key.ID) != nil || key.PEM == "" && key.Multibase == "" || key.Owner != "" && checkAddress(key.Owner) != nil {
		return PublicKey{}, false
	}
	return key, true
}

// ParseKey reads a document that is a key by itself, as some servers answer at
// a keyId without a fragment. Its owner must then be fetched and must list it.
// It returns ErrType if the document is not a key that names its owner, else
// the errors of ParseEnvelope.
//
// ref: attack A5; FEP-521a
func ParseKey(doc []byte) (PublicKey, error) {
	d, err := scan(doc, Limits{})
	if err != nil {
		return PublicKey{}, fmt.Errorf("read key: %w", err)
	}
	key, ok := keyOf(d.root())
	if !ok || key.Owner == "" {
		return PublicKey{}, fmt.Errorf("read key: %w", ErrType)
	}
	return key, nil
}
