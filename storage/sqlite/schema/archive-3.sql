-- What people said of the labels of posts: a text is kept once, in its post, and
-- when that goes, so does what was said of it.
CREATE TABLE feedback (
  post  INTEGER NOT NULL,
  label TEXT    NOT NULL,
  token TEXT    NOT NULL,
  holds INTEGER NOT NULL,
  score REAL    NOT NULL,
  model TEXT    NOT NULL,
  at    INTEGER NOT NULL,
  PRIMARY KEY (post, label, token)
) STRICT, WITHOUT ROWID;
CREATE INDEX feedback_at ON feedback (at);
CREATE TRIGGER feedback_gone AFTER DELETE ON post BEGIN
  DELETE FROM feedback WHERE post = OLD.id;
END;
