-- The database, version by version. A file is migrated in a single transaction, statement by statement.

-- Version 1

CREATE TABLE organization (
    id INTEGER PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL              -- Unix milliseconds, as every *_at column
) STRICT;

CREATE TABLE api_key (
    id TEXT PRIMARY KEY,
    organization_id INTEGER NOT NULL REFERENCES organization (id),
    environment TEXT NOT NULL CHECK (environment IN ('development', 'production', 'eval')),
    hash TEXT NOT NULL UNIQUE,               -- SHA-256 of the plain key, in hex; the plain key is never stored
    prefix TEXT NOT NULL,                    -- what people see of the key: sk_dev_ and four characters
    name TEXT NOT NULL,
    permissions TEXT NOT NULL,               -- JSON array
    scope TEXT,                              -- JSON object {entity type slug: filters}; NULL is no scope
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;

CREATE TABLE entity_type (
    id INTEGER PRIMARY KEY AUTOINCREMENT,    -- creation order; never used twice, since it names a search table
    organization_id INTEGER NOT NULL REFERENCES organization (id),
    environment TEXT NOT NULL CHECK (environment IN ('development', 'production', 'eval')),
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    schema TEXT NOT NULL,                    -- JSON object, word for word as defined
    search_fields TEXT NOT NULL,             -- JSON array; empty means every top-level string
    tokenizer TEXT NOT NULL,                 -- what the type's search table was made with
    created_at INTEGER NOT NULL,
    UNIQUE (organization_id, environment, slug)
) STRICT;

-- An entity type with id 7 has its own FTS5 table search_7, made and dropped with the type,
-- so that ranking in one type or tenant never depends on another's text. Its rowid is entity.sequence.

CREATE TABLE entity (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,  -- creation order = commit order: there is one writer at a time
    id TEXT NOT NULL,
    type_id INTEGER NOT NULL REFERENCES entity_type (id),
    status TEXT NOT NULL,
    data TEXT NOT NULL,                      -- JSON object as written by documents.encode
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (type_id, id)
) STRICT;

CREATE INDEX live_entity ON entity (type_id) WHERE status <> 'deleted';

-- Version 2

ALTER TABLE api_key ADD COLUMN rate_limit TEXT;  -- such as 600/minute, or off; NULL is the server's

-- Version 3

CREATE TABLE field_index (
    id INTEGER PRIMARY KEY AUTOINCREMENT,    -- never used twice, since it names a table
    type_id INTEGER NOT NULL REFERENCES entity_type (id),
    field TEXT NOT NULL,                     -- names from data inwards, with dots between them
    reason TEXT NOT NULL CHECK (reason IN ('declared', 'slow')),
    created_at INTEGER NOT NULL,
    filled_to INTEGER,                       -- NULL once every entity is in it, else 0
    dropped_at INTEGER,                      -- by a person: the table is gone, and only a declaration brings it back
    UNIQUE (type_id, field)
) STRICT;

-- A field index with id 7 is the table field_7 of the field's values and the sequences of live entities that have them,
-- written with the entity. SQLite's own CREATE INDEX would keep writers waiting until it has read every entity.

-- Version 4: triggers on entity kept the field indexes until then. What a version selects is executed after it.

SELECT 'DROP TRIGGER ' || name FROM sqlite_schema WHERE type = 'trigger' AND name GLOB 'field_*';
