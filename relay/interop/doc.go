// Package interop holds the node against implementations of ActivityPub that
// nobody here wrote, running beside it on loopback. It consists of tests.
package interop
