//! Tables of schema version 2: revocations, organizations, reputation, OAuth attempts.

/// What version 2 adds to version 1.
pub(super) const TABLES_2: &str = "
ALTER TABLE agents ADD COLUMN organization_id TEXT;
ALTER TABLE agents ADD COLUMN certificate TEXT;            -- X.509, PEM
ALTER TABLE agents ADD COLUMN verified_identity TEXT;      -- provider and subject
ALTER TABLE agents ADD COLUMN flag TEXT;                   -- rapid_reputation_increase or _decrease
ALTER TABLE agents ADD COLUMN flagged_ms INTEGER;
ALTER TABLE agents ADD COLUMN rated_ms INTEGER;
CREATE TABLE revocations (
    amid TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    reason TEXT NOT NULL,
    revoked_by TEXT NOT NULL,
    revoked_ms INTEGER NOT NULL,
    notes TEXT
) WITHOUT ROWID;
CREATE INDEX revocations_by_time ON revocations (revoked_ms DESC, amid);
CREATE TABLE organizations (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    domain TEXT NOT NULL,
    admin TEXT NOT NULL,
    admin_key TEXT NOT NULL,
    challenge TEXT NOT NULL,
    challenge_expires_ms INTEGER NOT NULL,
    verified_ms INTEGER,
    certificate TEXT,
    created_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX organizations_by_domain ON organizations (domain);
CREATE UNIQUE INDEX organizations_proven ON organizations (domain) WHERE verified_ms IS NOT NULL;
CREATE INDEX organizations_by_admin ON organizations (admin);
CREATE TABLE ratings (
    target TEXT NOT NULL,
    rater TEXT NOT NULL,
    session TEXT NOT NULL,
    id TEXT NOT NULL,
    score REAL NOT NULL,
    tags TEXT NOT NULL,             -- separated by commas
    weight REAL NOT NULL,
    origin TEXT,                    -- hash of address and day
    rated_ms INTEGER NOT NULL,
    PRIMARY KEY (target, rater, session)
) WITHOUT ROWID;
CREATE INDEX ratings_by_rater ON ratings (rater, target, rated_ms);
CREATE TABLE reported_sessions (
    id TEXT PRIMARY KEY,
    initiator TEXT NOT NULL,
    receiver TEXT NOT NULL,
    intent TEXT NOT NULL,
    outcome TEXT NOT NULL,
    started TEXT NOT NULL,
    reporter TEXT NOT NULL,
    reported_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX reported_sessions_by_initiator ON reported_sessions (initiator);
CREATE INDEX reported_sessions_by_receiver ON reported_sessions (receiver);
CREATE TABLE oauth_attempts (
    state TEXT PRIMARY KEY,
    amid TEXT NOT NULL,
    provider TEXT NOT NULL,
    verifier TEXT NOT NULL,         -- of PKCE
    nonce TEXT NOT NULL,
    redirect TEXT NOT NULL,
    used INTEGER NOT NULL DEFAULT 0,
    outcome TEXT,                   -- verified or failed
    identity TEXT,
    error TEXT,
    created_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX oauth_attempts_by_time ON oauth_attempts (created_ms);
";
