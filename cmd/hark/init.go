package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"hark/activitypub"
	"hark/storage/sqlite"
)

func (p *program) initCommand() *cobra.Command {
	var domain, dir, listen string
	cmd := &cobra.Command{
		Use:   "init --domain DOMAIN",
		Short: "Prepare a node: configuration, key and store",
		Long: `Init writes the configuration, makes the key of the relay actor and the store,
and prints what DNS and the proxy in front need. It overwrites nothing.`,
		Example: `  hark init --domain relay.example
  hark init --domain relay.example --config /etc/hark/hark.toml --dir /var/lib/hark`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file := p.configFile
			if file == "" {
				file = p.vars["HARK_CONFIG"]
			}
			if file == "" {
				file = defaultConfigFile
			}
			return p.initNode(cmd.Context(), domain, dir, listen, file)
		},
	}
	cmd.Flags().StringVar(&domain, "domain", "", "the domain under which the world reaches the node (required)")
	cmd.Flags().StringVar(&dir, "dir", defaults().Storage.Path, "`folder` of key and store")
	cmd.Flags().StringVar(&listen, "listen", defaults().Server.Listen, "`address` that the proxy passes requests to")
	return cmd
}

// initNode prepares a node. Everything is looked at before anything is
// written; what could not be finished is taken back.
func (p *program) initNode(ctx context.Context, domain, dir, listen, file string) (err error) {
	if domain == "" {
		return usagef("name the domain: hark init --domain relay.example")
	}
	host, err := activitypub.NormalizeHost(domain)
	if err != nil || strings.ContainsAny(domain, "/:@ ") || !strings.Contains(host, ".") || isLoopbackHost(host) || net.ParseIP(host) != nil {
		return usagef("%q is not a domain that servers can reach; write it as relay.example, without https://", domain)
	}
	if _, _, err := net.SplitHostPort(listen); err != nil {
		return usagef("--listen %q is not host:port, as 127.0.0.1:8080", listen)
	}
	keyFile := filepath.Join(dir, actorKeyFile)
	for _, f := range []string{file, keyFile} {
		if _, err := os.Lstat(f); err == nil {
			return fmt.Errorf("%s is there already and is not overwritten; move it away, or choose another --config and --dir", f)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if entries, err := filepath.Glob(filepath.Join(dir, "*.db")); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s holds a database already (%s) and is not touched; choose another --dir", dir, filepath.Base(entries[0]))
	}
	var made []string
	defer func() {
		if err != nil {
			for _, f := range made {
				err = errors.Join(err, os.Remove(f))
			}
		}
	}()
	text, err := initConfig(host, dir, listen, file)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("make the folder of the configuration: %w", err)
	}
	if err := writeNew(file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	made = append(made, file)
	if _, err := makeKey(keyFile); err != nil {
		return err
	}
	made = append(made, keyFile)
	store, err := sqlite.Open(ctx, sqlite.Options{Dir: dir, Create: true})
	if err != nil {
		return err
	}
	if err := store.Close(); err != nil {
		return err
	}
	if _, err := loadConfig(file, nil); err != nil {
		return err
	}
	return p.printf("%s", initReport(host, dir, listen, file))
}

// initConfig writes the configuration of a new node.
func initConfig(host, dir, listen, file string) (string, error) {
	path, err := pathFrom(filepath.Dir(file), dir)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`# Configuration of Hark. Every other key has its default;
# config.example.toml documents them all.

[server]
domain = %q
listen = %q
# The proxy that stands in front of the node on this machine:
trusted_proxies = ["127.0.0.1", "::1"]

[storage]
path = %q

[relay]
# Shown to admins who consider adding the relay:
name = "Hark"
description = ""
contact = ""
`, host, listen, path), nil
}

// pathFrom writes a folder as a configuration in the folder base names it:
// relative to it where it stands inside, else absolute.
func pathFrom(base, dir string) (string, error) {
	absBase, err := filepath.Abs(base)
	if err != nil {
		return "", err
	}
	absDir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(absBase, absDir)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return absDir, nil
	}
	return rel, nil
}

// initReport says what is left to do.
func initReport(host, dir, listen, file string) string {
	start := "hark serve"
	if file != defaultConfigFile {
		start = "hark serve --config " + file
	}
	return fmt.Sprintf(`Prepared a node for %[1]s.

  %[3]s
      the configuration; config.example.toml documents every key
  %[4]s
      the key of the relay actor: secret, and never to be replaced,
      because subscribers trust this key and no other
  %[2]s
      the store, two SQLite databases

What the world needs

1. DNS: an A record (and an AAAA record, if the machine has IPv6) for
   %[1]s with the address of this machine.

2. A reverse proxy that ends TLS on port 443 and passes everything to
   %[5]s with the Host header kept, since signatures cover it.

   Caddy:

     %[1]s {
         reverse_proxy %[5]s
     }

   nginx:

     server {
         listen 443 ssl;
         listen [::]:443 ssl;
         server_name %[1]s;
         ssl_certificate     /path/to/fullchain.pem;
         ssl_certificate_key /path/to/privkey.pem;
         client_max_body_size 1m;
         location / {
             proxy_pass http://%[5]s;
             proxy_set_header Host $host;
             proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
             proxy_set_header X-Forwarded-Proto https;
             proxy_buffering off;
         }
     }

Start it

     %[6]s

   then look at https://%[1]s/. Admins add https://%[1]s/inbox to
   Mastodon or Misskey, or follow https://%[1]s/actor from Pleroma or Akkoma.

Back up

   %[4]s once, in a safe place, and %[3]s.
   The databases in %[2]s with sqlite3's .backup while the node runs, or by
   copying the folder while it is stopped.
`, host, dir, file, filepath.Join(dir, actorKeyFile), listen, start)
}
