//! Rows of messages that wait for their recipient's acknowledgement.

use std::sync::Arc;

use agentmesh_core::{
    Timestamp,
    wire::{relay_frame::RelayMessageType, relay_id::RelayMessageId},
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::envelope::{Envelope, Payload};

/// A message to be written.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its place in the order of arrival.
    pub(crate) seq: u64,
    /// Whom it is for.
    pub(crate) recipient: Arc<str>,
    /// The message.
    pub(crate) envelope: Arc<Envelope>,
}

/// What the relay keeps in memory of a message on the disk.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) seq: u64,
    pub(crate) recipient: String,
    pub(crate) sender: String,
    pub(crate) id: RelayMessageId,
    pub(crate) time: Timestamp,
}

/// SQLite's integers are signed; ours are far from the difference.
fn to_sql(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn from_sql(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

pub(super) fn insert(connection: &Connection, row: &Row) -> rusqlite::Result<()> {
    let Envelope { from, id, kind, time, payload } = &*row.envelope;
    let (is_frame, bytes) = match payload {
        Payload::Json(text) => (false, text.as_bytes()),
        Payload::Frame(bytes) => (true, &**bytes),
    };
    connection
        .prepare_cached(
            "INSERT INTO messages (seq, recipient, sender, id, kind, time_ms, is_frame, payload)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            to_sql(row.seq),
            row.recipient,
            from,
            id.as_bytes(),
            kind.as_str(),
            to_sql(time.as_millis()),
            is_frame,
            bytes,
        ])?;
    Ok(())
}

pub(super) fn delete(connection: &Connection, seq: u64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM messages WHERE seq = ?1")?.execute([to_sql(seq)])?;
    Ok(())
}

/// All messages without their payloads, oldest first.
pub(super) fn heads(connection: &Connection) -> rusqlite::Result<Vec<Head>> {
    let mut statement = connection
        .prepare("SELECT seq, recipient, sender, id, time_ms FROM messages ORDER BY seq")?;
    let rows = statement.query_map((), |row| {
        Ok(Head {
            seq: from_sql(row.get(0)?),
            recipient: row.get(1)?,
            sender: row.get(2)?,
            id: RelayMessageId::from_bytes(row.get(3)?),
            time: Timestamp::from_millis(from_sql(row.get(4)?)),
        })
    })?;
    rows.collect()
}

/// The messages with these numbers, as far as they are there.
pub(crate) fn load(
    connection: &Connection,
    seqs: &[u64],
) -> rusqlite::Result<Vec<(u64, Arc<Envelope>)>> {
    let mut statement = connection.prepare_cached(
        "SELECT sender, id, kind, time_ms, is_frame, payload FROM messages WHERE seq = ?1",
    )?;
    let mut found = Vec::with_capacity(seqs.len());
    for seq in seqs {
        let envelope = statement
            .query_row([to_sql(*seq)], |row| {
                Ok(Envelope {
                    from: row.get(0)?,
                    id: RelayMessageId::from_bytes(row.get(1)?),
                    kind: RelayMessageType::from(row.get_ref(2)?.as_str()?),
                    time: Timestamp::from_millis(from_sql(row.get(3)?)),
                    payload: payload(row.get(4)?, row.get(5)?)?,
                })
            })
            .optional()?;
        found.extend(envelope.map(|e| (*seq, Arc::new(e))));
    }
    Ok(found)
}

fn payload(is_frame: bool, bytes: Vec<u8>) -> rusqlite::Result<Payload> {
    if is_frame {
        return Ok(Payload::Frame(bytes.into_boxed_slice()));
    }
    let text = String::from_utf8(bytes).map_err(|e| e.utf8_error())?;
    Ok(Payload::Json(text.into_boxed_str()))
}
