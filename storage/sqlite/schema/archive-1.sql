-- The archive: what may be searched, who may search it, and who did.
-- Times are Unix milliseconds, 0 for none; booleans are 0 and 1; lists are JSON.

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

-- Tokens come prepared, separated by spaces: every printable ASCII character
-- belongs to a token, as every other does anyhow. A normal table, because a
-- contentless one keeps a copy of what is erased.
CREATE VIRTUAL TABLE post_fts USING fts5 (text, meta,
  tokenize = "ascii tokenchars '!""#$%&''()*+,-./:;<=>?@[\]^_`{|}~'");
INSERT INTO post_fts (post_fts, rank) VALUES ('secure-delete', 1);

-- What was deleted, as hashes of URI and author: a Create that arrives late,
-- or an import, does not bring it back. until = 0 means for ever.
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

-- One row: how far the listener has read the journal, the newest id given to
-- a post, and the end of the audit chain (which lines cut off its end would
-- otherwise hide).
CREATE TABLE state (
  one           INTEGER PRIMARY KEY CHECK (one = 1),
  listen_cursor INTEGER NOT NULL,
  last_id       INTEGER NOT NULL,
  audit_seq     INTEGER NOT NULL,
  audit_hash    BLOB    NOT NULL
) STRICT;
INSERT INTO state (one, listen_cursor, last_id, audit_seq, audit_hash) VALUES (1, 0, 0, 0, zeroblob(32));
