//! A session as it is sealed into our own store: the deployed record, and what it has no place for.

use zeroize::Zeroizing;

use super::LegacySession;
use crate::{
    codec::{CodecError, Reader, Write},
    limits::{LEGACY_MAX_SESSION_ID, MAX_RECORD, MAX_SKIPPED_KEYS},
};

const VERSION: u8 = 1;

impl LegacySession {
    /// Writes its record: version 1, `lp` of [`LegacySession::to_json`], the peer's session id if it is known, then count
    /// u32 and the time u64 at which each skipped key was put aside.
    pub fn to_record(&self, out: &mut Zeroizing<Vec<u8>>) {
        let json = self.to_json();
        // At once, so that growing leaves no copy behind.
        out.reserve_exact(json.len() + LEGACY_MAX_SESSION_ID + 8 * self.skipped_keys() + 64);
        out.put_u8(VERSION);
        out.put_lp(json.as_bytes());
        out.put_option(self.peer_session_id.as_deref(), |w, id| w.put_lp(id.as_bytes()));
        out.put_count(self.ratchet.skipped.len());
        for key in self.ratchet.skipped.iter() {
            out.put_u64(key.since.as_millis());
        }
    }

    /// Reads a record, and nothing after it.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn from_record(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let version = input.u8("version")?;
        if version != VERSION {
            return Err(CodecError::UnknownVersion { what: "0.2 session", version });
        }
        let invalid = |field| CodecError::InvalidValue { field };
        let json = input.text(MAX_RECORD, "0.2 session")?;
        let mut session = Self::from_json(json).map_err(|_| invalid("0.2 session"))?;
        session.peer_session_id = input.option("peer session id", |r| {
            r.text(LEGACY_MAX_SESSION_ID, "peer session id").map(str::to_owned)
        })?;
        if input.count(MAX_SKIPPED_KEYS, "skipped keys")? != session.skipped_keys() {
            return Err(invalid("skipped keys"));
        }
        for key in session.ratchet.skipped.iter_mut() {
            key.since = input.timestamp("skipped at")?;
        }
        Ok(session)
    }
}
