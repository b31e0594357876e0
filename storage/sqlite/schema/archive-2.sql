-- Why deliveries were refused or dropped, for a while. Ids are kept as digests:
-- who knows an id can ask for it, who reads the file learns none.
CREATE TABLE decision (
  id       INTEGER PRIMARY KEY,
  at       INTEGER NOT NULL,
  ref      TEXT    NOT NULL,
  activity BLOB    NOT NULL,
  object   BLOB    NOT NULL,
  actor    BLOB    NOT NULL,
  type     TEXT    NOT NULL,
  via      TEXT    NOT NULL,
  stage    TEXT    NOT NULL,
  reason   TEXT    NOT NULL,
  status   INTEGER NOT NULL,
  detail   TEXT    NOT NULL
) STRICT;
CREATE INDEX decision_ref      ON decision (ref) WHERE ref <> '';
CREATE INDEX decision_activity ON decision (activity);
CREATE INDEX decision_object   ON decision (object);
CREATE INDEX decision_actor    ON decision (actor);
CREATE INDEX decision_at       ON decision (at);
