package sig

import "testing"

// common are the documents of which most are signed.
var common = []string{"mastodon-create", "misskey-create", "mastodon-delete", "mastodon-update-question", "fedify-create"}

func BenchmarkVerifyLD(b *testing.B) {
	for _, name := range common {
		signed := signLD(b, samples(b)[name])
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := verifyLD(signed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCanonicalFast(b *testing.B) {
	for _, name := range common {
		v, object, _, _ := checked(samples(b)[name])
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, ok := fastHash(v, object); !ok {
					b.Fatal("not fast")
				}
			}
		})
	}
}

func BenchmarkCanonicalGeneral(b *testing.B) {
	for _, name := range common {
		v, object, _, _ := checked(samples(b)[name])
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := generalHash(v, object); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
