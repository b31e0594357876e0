-- The journal: what has been accepted and for whom it waits.
-- Times are Unix milliseconds, 0 for none; booleans are 0 and 1.

CREATE TABLE journal (
  seq         INTEGER PRIMARY KEY,
  received    INTEGER NOT NULL,
  activity_id TEXT    NOT NULL,
  type        TEXT    NOT NULL,
  actor       TEXT    NOT NULL,
  object_id   TEXT    NOT NULL,
  object_key  TEXT    NOT NULL,
  via         TEXT    NOT NULL,
  origin      TEXT    NOT NULL,
  proof       TEXT    NOT NULL,
  proof_until INTEGER NOT NULL,
  relay       INTEGER NOT NULL,
  listen      INTEGER NOT NULL,
  evidence    TEXT    NOT NULL,
  erased      INTEGER NOT NULL DEFAULT 0,
  body        BLOB    NOT NULL,
  object      BLOB
) STRICT;
CREATE INDEX journal_object  ON journal (object_id) WHERE object_id <> '';
CREATE INDEX journal_actor   ON journal (actor);
CREATE INDEX journal_fetched ON journal (seq) WHERE object IS NOT NULL;

-- The last sequence and arrival given out; outlives the rows themselves, so
-- that neither falls when everything has been trimmed.
CREATE TABLE journal_head (
  one      INTEGER PRIMARY KEY CHECK (one = 1),
  seq      INTEGER NOT NULL,
  received INTEGER NOT NULL
) STRICT;
INSERT INTO journal_head (one, seq, received) VALUES (1, 0, 0);

-- What has been seen: a kind byte and the first bytes of a SHA-256, so that
-- remembering an id does not keep it.
CREATE TABLE seen (
  key BLOB    PRIMARY KEY,
  at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_at ON seen (at);

CREATE TABLE unresolved (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  received    INTEGER NOT NULL,
  activity_id TEXT    NOT NULL,
  actor       TEXT    NOT NULL,
  object_id   TEXT    NOT NULL,
  via         TEXT    NOT NULL,
  attempts    INTEGER NOT NULL,
  next_at     INTEGER NOT NULL,
  evidence    TEXT    NOT NULL,
  body        BLOB    NOT NULL
) STRICT;
CREATE INDEX unresolved_next   ON unresolved (next_at, id);
CREATE INDEX unresolved_via    ON unresolved (via);
CREATE INDEX unresolved_object ON unresolved (object_id);

CREATE TABLE subscriber (
  actor          TEXT    PRIMARY KEY,
  host           TEXT    NOT NULL,
  inbox          TEXT    NOT NULL,
  flavour        TEXT    NOT NULL,
  state          TEXT    NOT NULL,
  follow_id      TEXT    NOT NULL,
  follow         BLOB    NOT NULL,
  follow_back_id TEXT    NOT NULL,
  mutual         INTEGER NOT NULL,
  software       TEXT    NOT NULL,
  actor_type     TEXT    NOT NULL,
  is_relay       INTEGER NOT NULL,
  signature_form TEXT    NOT NULL,
  filter         TEXT    NOT NULL,
  cursor         INTEGER NOT NULL,
  created        INTEGER NOT NULL,
  updated        INTEGER NOT NULL,
  last_success   INTEGER NOT NULL,
  last_error     TEXT    NOT NULL,
  last_error_at  INTEGER NOT NULL,
  failing_since  INTEGER NOT NULL,
  failures       INTEGER NOT NULL,
  retry_at       INTEGER NOT NULL,
  delivered      INTEGER NOT NULL,
  skipped        INTEGER NOT NULL,
  gaps           INTEGER NOT NULL,
  last_skip      TEXT    NOT NULL,
  last_activity  INTEGER NOT NULL
) STRICT;
CREATE INDEX subscriber_host ON subscriber (host, actor);

CREATE TABLE control (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  actor    TEXT    NOT NULL,
  inbox    TEXT    NOT NULL,
  kind     TEXT    NOT NULL,
  body     BLOB    NOT NULL,
  attempts INTEGER NOT NULL,
  next_at  INTEGER NOT NULL,
  created  INTEGER NOT NULL
) STRICT;
CREATE INDEX control_next  ON control (next_at, id);
CREATE INDEX control_actor ON control (actor);

CREATE TABLE policy (
  host    TEXT    PRIMARY KEY,
  action  TEXT    NOT NULL,
  reason  TEXT    NOT NULL,
  created INTEGER NOT NULL
) STRICT;

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;
