-- An archive as version 1 made it, with a row or two. Frozen: never change this file.
PRAGMA application_id = 1214345793;
PRAGMA user_version = 1;

CREATE TABLE post (
  id          INTEGER PRIMARY KEY,
  uri         TEXT    NOT NULL UNIQUE,
  url         TEXT    NOT NULL,
  type        TEXT    NOT NULL,
  actor       TEXT    NOT NULL,
  handle      TEXT    NOT NULL,
  name        TEXT    NOT NULL,
  host        TEXT    NOT NULL,
  via         TEXT    NOT NULL,
  software    TEXT    NOT NULL,
  published   INTEGER NOT NULL,
  received    INTEGER NOT NULL,
  edited      INTEGER NOT NULL,
  language    TEXT    NOT NULL,
  text        TEXT    NOT NULL,
  warning     TEXT    NOT NULL,
  sensitive   INTEGER NOT NULL,
  in_reply_to TEXT    NOT NULL,
  quote       TEXT    NOT NULL,
  bot         INTEGER NOT NULL,
  tags        TEXT    NOT NULL,
  mentions    TEXT    NOT NULL,
  links       TEXT    NOT NULL,
  attachments TEXT    NOT NULL,
  poll        TEXT    NOT NULL,
  emojis      INTEGER NOT NULL,
  labels      TEXT    NOT NULL,
  model_ver   TEXT    NOT NULL,
  simhash     INTEGER NOT NULL,
  consent     TEXT    NOT NULL,
  activity_id TEXT    NOT NULL,
  evidence    TEXT    NOT NULL,
  raw         BLOB    NOT NULL -- zstd
) STRICT;
CREATE INDEX post_actor     ON post (actor);
CREATE INDEX post_host      ON post (host);
CREATE INDEX post_received  ON post (received);
CREATE INDEX post_published ON post (published);

CREATE TABLE post_label (
  post_id INTEGER NOT NULL REFERENCES post (id) ON DELETE CASCADE,
  name    TEXT    NOT NULL,
  score   REAL    NOT NULL,
  over    INTEGER NOT NULL,
  PRIMARY KEY (post_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX post_label_name ON post_label (name, post_id);

CREATE VIRTUAL TABLE post_fts USING fts5 (text, meta,
  tokenize = "ascii tokenchars '!""#$%&''()*+,-./:;<=>?@[\]^_`{|}~'");
INSERT INTO post_fts (post_fts, rank) VALUES ('secure-delete', 1);

CREATE TABLE tombstone (
  key   BLOB    PRIMARY KEY,
  at    INTEGER NOT NULL,
  until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tombstone_until ON tombstone (until) WHERE until > 0;

CREATE TABLE actor (
  id       TEXT    PRIMARY KEY,
  host     TEXT    NOT NULL,
  handle   TEXT    NOT NULL,
  name     TEXT    NOT NULL,
  fetched  INTEGER NOT NULL,
  gone     INTEGER NOT NULL,
  document BLOB    NOT NULL -- zstd
) STRICT;
CREATE INDEX actor_host    ON actor (host);
CREATE INDEX actor_fetched ON actor (fetched);

CREATE TABLE token (
  id        TEXT    PRIMARY KEY,
  hash      BLOB    NOT NULL UNIQUE,
  scopes    TEXT    NOT NULL,
  holder    TEXT    NOT NULL,
  purpose   TEXT    NOT NULL,
  one_time  INTEGER NOT NULL,
  session   INTEGER NOT NULL,
  created   INTEGER NOT NULL,
  expires   INTEGER NOT NULL,
  last_used INTEGER NOT NULL,
  revoked   INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
  seq     INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  token   TEXT    NOT NULL,
  action  TEXT    NOT NULL,
  subject TEXT    NOT NULL,
  count   INTEGER NOT NULL,
  prev    BLOB    NOT NULL,
  hash    BLOB    NOT NULL
) STRICT;

CREATE TABLE day_count (
  day    TEXT    NOT NULL,
  reason TEXT    NOT NULL,
  count  INTEGER NOT NULL,
  PRIMARY KEY (day, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE state (
  one           INTEGER PRIMARY KEY CHECK (one = 1),
  listen_cursor INTEGER NOT NULL,
  last_id       INTEGER NOT NULL,
  audit_seq     INTEGER NOT NULL,
  audit_hash    BLOB    NOT NULL
) STRICT;
INSERT INTO state (one, listen_cursor, last_id, audit_seq, audit_hash) VALUES (1, 0, 0, 0, zeroblob(32));

INSERT INTO post (id, uri, url, type, actor, handle, name, host, via, software, published, received, edited, language, text, warning, sensitive, in_reply_to, quote, bot,
  tags, mentions, links, attachments, poll, emojis, labels, model_ver, simhash, consent, activity_id, evidence, raw)
VALUES (1000, 'https://a.example/notes/1', '', 'Note', 'https://a.example/users/ann', 'ann@a.example', 'Ann', 'a.example', 'a.example', 'mastodon', 1767268800000, 1767268800000, 0,
  'en', 'frozen words', '', 0, '', '', 0, '["storm"]', '[]', '[]', '[]', '[]', 0, '[{"name":"threat","score":0.9,"over":true,"model":"m"}]', 'm', -1, 'opt-out', 'a1', '{}', x'28b52ffd04005900007b226964223a226131227d58922684');
INSERT INTO post_label (post_id, name, score, over) VALUES (1000, 'threat', 0.9, 1);
INSERT INTO post_fts (rowid, text, meta) VALUES (1000, 'frozen words', '');
INSERT INTO token VALUES ('t1', x'68617368', '["search"]', 'ann', 'study', 1, 0, 1767268800000, 0, 0, 0);
INSERT INTO audit VALUES (1, 1767268800000, 'cli', 'export', 'lang:ja', 3, zeroblob(32), x'922f81189733ababb0366e467d8e89641fa57893aa1b42dc40c2888ddf9e79e7');
UPDATE state SET listen_cursor = 5, last_id = 1000, audit_seq = 1, audit_hash = x'922f81189733ababb0366e467d8e89641fa57893aa1b42dc40c2888ddf9e79e7';
