//! Tables of schema version 3: agents, instructions, tools and nodes of the AIWM service.

/// What version 3 adds to version 2.
pub(super) const TABLES_3: &str = "
CREATE TABLE aiwm_objects (
    id TEXT PRIMARY KEY,            -- 24 hexadecimal digits
    kind TEXT NOT NULL,             -- agent, instruction, tool or node
    org TEXT NOT NULL,
    body TEXT NOT NULL,             -- JSON, without secrets of ours
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    deleted_ms INTEGER
);
-- Within a millisecond, the order of lists is that of the rows.
CREATE INDEX aiwm_objects_by_kind ON aiwm_objects (kind, created_ms);
CREATE TABLE aiwm_agents (
    id TEXT PRIMARY KEY,
    secret_hash TEXT,               -- bcrypt
    token_version INTEGER NOT NULL DEFAULT 0,
    connections INTEGER NOT NULL DEFAULT 0,
    connected_ms INTEGER,
    heartbeat_ms INTEGER,
    reported TEXT                   -- the last heartbeat's status and metrics
) WITHOUT ROWID;
CREATE TABLE aiwm_audit (
    at_ms INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL
);
";
