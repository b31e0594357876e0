-- An operator may set a cursor back; progress from before that is ignored.
ALTER TABLE subscriber ADD COLUMN rewinds INTEGER NOT NULL DEFAULT 0;
