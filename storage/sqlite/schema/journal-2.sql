-- What a subscriber's software can take depends on its version.
ALTER TABLE subscriber ADD COLUMN version TEXT NOT NULL DEFAULT '';
