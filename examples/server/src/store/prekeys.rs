//! Rows of prekeys. A one-time key leaves once: handing it out and marking it as gone is one transaction, and a key
//! that was handed out stays gone when its owner, who did not hear our answer, uploads it again.

use agentmesh_core::{
    Timestamp,
    keys::DhPublicKey,
    wire::registry::{
        NativeBundleJson, NativeStock, OneTimePrekeyJson, PrekeyResponse, SignedPrekeyJson,
    },
};
use base64ct::{Base64, Encoding};
use rusqlite::{Connection, OptionalExtension, params};

use super::agents::{self, to_sql};

/// A native bundle whose signature was verified.
#[derive(Debug, Clone)]
pub(crate) struct Bundle {
    pub(crate) blob: Vec<u8>,
    pub(crate) created_at: Timestamp,
    /// What it says that the agent's exchange key is.
    pub(crate) exchange_key: DhPublicKey,
}

/// What an upload brings.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    pub(crate) amid: String,
    pub(crate) signed_prekey: String,
    pub(crate) signed_prekey_signature: String,
    pub(crate) signed_prekey_id: u32,
    pub(crate) one_time: Vec<OneTimePrekeyJson>,
    pub(crate) bundle: Option<Bundle>,
    pub(crate) opks: Vec<SignedPrekeyJson>,
    pub(crate) kopks: Vec<SignedPrekeyJson>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It is in.
    Yes,
    /// A newer bundle is here already.
    Stale,
}

/// Which kind of one-time key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    X25519 = 0,
    MlKem = 1,
}

/// Takes an upload in.
pub(crate) fn store(connection: &Connection, upload: &Upload) -> rusqlite::Result<Stored> {
    if let Some(bundle) = &upload.bundle {
        let newest: Option<i64> = connection
            .prepare_cached("SELECT bundle_created_ms FROM signed_prekeys WHERE amid = ?1")?
            .query_row([&upload.amid], |row| row.get(0))
            .optional()?
            .flatten();
        if newest.is_some_and(|newest| to_sql(bundle.created_at.as_millis()) < newest) {
            return Ok(Stored::Stale);
        }
        // The owner's word, signed and dated; so peers of 0.2, who read both, never see two that do not belong together.
        agents::set_exchange_key(connection, &upload.amid, &bundle.exchange_key)?;
    }
    // An upload without a bundle leaves the one that is there: it is signed, and checked by whoever fetches it.
    connection
        .prepare_cached(
            "INSERT INTO signed_prekeys (amid, id, key, signature, bundle, bundle_created_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (amid) DO UPDATE SET id = excluded.id, key = excluded.key,
                signature = excluded.signature, bundle = coalesce(excluded.bundle, bundle),
                bundle_created_ms = coalesce(excluded.bundle_created_ms, bundle_created_ms)",
        )?
        .execute(params![
            upload.amid,
            upload.signed_prekey_id,
            upload.signed_prekey,
            upload.signed_prekey_signature,
            upload.bundle.as_ref().map(|bundle| &bundle.blob),
            upload.bundle.as_ref().map(|bundle| to_sql(bundle.created_at.as_millis())),
        ])?;
    for key in &upload.one_time {
        add(connection, &upload.amid, Kind::X25519, key.id, &key.key, None)?;
    }
    for (kind, keys) in [(Kind::X25519, &upload.opks), (Kind::MlKem, &upload.kopks)] {
        for key in keys {
            add(connection, &upload.amid, kind, key.id, &key.key, Some(&key.signature))?;
        }
    }
    Ok(Stored::Yes)
}

/// The same key again changes nothing but that it may gain a signature; another key under the same id is that of an
/// owner who lost its state, and is new.
fn add(
    connection: &Connection,
    amid: &str,
    kind: Kind,
    id: u32,
    key: &str,
    signature: Option<&str>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO one_time_prekeys (amid, kem, id, key, signature) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (amid, kem, id) DO UPDATE SET
                consumed_ms = CASE WHEN key = excluded.key THEN consumed_ms END,
                signature = CASE WHEN key = excluded.key THEN coalesce(excluded.signature, signature)
                                 ELSE excluded.signature END,
                key = excluded.key",
        )?
        .execute(params![amid, kind as i64, id, key, signature])?;
    Ok(())
}

/// One-time keys left.
pub(crate) fn stock(connection: &Connection, amid: &str) -> rusqlite::Result<NativeStock> {
    let count = |kind: Kind| -> rusqlite::Result<u64> {
        let count: i64 = connection
            .prepare_cached(
                "SELECT count(*) FROM one_time_prekeys
                 WHERE amid = ?1 AND kem = ?2 AND consumed_ms IS NULL AND signature IS NOT NULL",
            )?
            .query_row(params![amid, kind as i64], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    };
    Ok(NativeStock { opks: count(Kind::X25519)?, kopks: count(Kind::MlKem)? })
}

/// One-time keys of all kinds that an agent has here, used ones included.
pub(crate) fn rows(connection: &Connection, amid: &str) -> rusqlite::Result<u64> {
    let count: i64 = connection
        .prepare_cached("SELECT count(*) FROM one_time_prekeys WHERE amid = ?1")?
        .query_row([amid], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Forgets used keys with the lowest ids, beyond the newest `keep` rows. Ids only grow, so no honest owner uploads
/// them again.
pub(crate) fn trim(connection: &Connection, amid: &str, keep: u64) -> rusqlite::Result<()> {
    let excess = rows(connection, amid)?.saturating_sub(keep);
    if excess > 0 {
        connection
            .prepare_cached(
                "DELETE FROM one_time_prekeys WHERE amid = ?1 AND (kem, id) IN (
                    SELECT kem, id FROM one_time_prekeys
                    WHERE amid = ?1 AND consumed_ms IS NOT NULL ORDER BY consumed_ms, id LIMIT ?2)",
            )?
            .execute(params![amid, to_sql(excess)])?;
    }
    Ok(())
}

/// What a requester gets. Native one-time keys only `with_one_time`, because whoever asks without a name could take
/// them all.
pub(crate) fn fetch(
    connection: &Connection,
    amid: &str,
    with_one_time: bool,
    now: Timestamp,
) -> rusqlite::Result<Option<PrekeyResponse>> {
    let found = connection
        .prepare_cached(
            "SELECT a.exchange_key, p.key, p.signature, p.id, p.bundle
             FROM signed_prekeys p JOIN agents a ON a.amid = p.amid WHERE p.amid = ?1",
        )?
        .query_row([amid], |row| {
            let bundle: Option<Vec<u8>> = row.get(4)?;
            Ok(PrekeyResponse {
                identity_key: row.get(0)?,
                signed_prekey: row.get(1)?,
                signed_prekey_signature: row.get(2)?,
                signed_prekey_id: row.get(3)?,
                one_time_prekey: None,
                one_time_prekeys: None,
                native: bundle.map(|blob| NativeBundleJson {
                    bundle: Base64::encode_string(&blob),
                    opk: None,
                    kopk: None,
                }),
            })
        })
        .optional()?;
    let Some(mut response) = found else { return Ok(None) };
    let mut one_time = None;
    if let Some(native) = &mut response.native
        && with_one_time
    {
        let signed = |key: Taken| Some((key.signature?, key.id, key.key));
        let json = |(signature, id, key)| SignedPrekeyJson { id, key, signature };
        native.opk = take(connection, amid, Kind::X25519, true, now)?.and_then(signed).map(json);
        native.kopk = take(connection, amid, Kind::MlKem, true, now)?.and_then(signed).map(json);
        // The same key under its 0.2 name: it is used for all suites at once.
        one_time = native.opk.as_ref().map(|key| (key.id, key.key.clone()));
    }
    if one_time.is_none() {
        one_time = take(connection, amid, Kind::X25519, false, now)?.map(|key| (key.id, key.key));
    }
    if let Some((id, key)) = one_time {
        let key = OneTimePrekeyJson { id, key };
        response.one_time_prekeys = Some(vec![key.clone()]);
        response.one_time_prekey = Some(key);
    }
    Ok(Some(response))
}

struct Taken {
    id: u32,
    key: String,
    signature: Option<String>,
}

/// Takes the oldest key that is left: one with a signature, or one without.
fn take(
    connection: &Connection,
    amid: &str,
    kind: Kind,
    signed: bool,
    now: Timestamp,
) -> rusqlite::Result<Option<Taken>> {
    connection
        .prepare_cached(
            "UPDATE one_time_prekeys SET consumed_ms = ?4
             WHERE amid = ?1 AND kem = ?2 AND id = (
                SELECT min(id) FROM one_time_prekeys
                WHERE amid = ?1 AND kem = ?2 AND consumed_ms IS NULL AND (signature IS NOT NULL) = ?3)
             RETURNING id, key, signature",
        )?
        .query_row(params![amid, kind as i64, signed, to_sql(now.as_millis())], |row| {
            Ok(Taken { id: row.get(0)?, key: row.get(1)?, signature: row.get(2)? })
        })
        .optional()
}
