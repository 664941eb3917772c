//! The persisted form of a session: the same bytes from every language, and the same bytes after reading and writing.
//!
//! | field | bytes |
//! |---|---|
//! | version | u8: 1 |
//! | suite | u8: 2 or 3 |
//! | session id | 16 |
//! | AD | 32 |
//! | created at | ms u64 |
//! | ratchet | see `ratchet/record.rs` |
//! | recent frames | count u32, each the first 8 bytes of a tag, oldest first |
//!
//! It holds keys: it is sealed before it goes anywhere. Its length does not grow with the conversation: at most
//! 272 bytes when fresh, 1.3 KB later, and 36 bytes more for each skipped key.

use zeroize::Zeroizing;

use crate::{
    codec::{CodecError, Reader, Write},
    handshake::{SessionId, Suite},
    ratchet::DoubleRatchet,
    session::{Session, recent::RecentFrames},
};

const VERSION: u8 = 1;

impl Session {
    /// Appends the session's record to `out`. It contains keys; seal it before it is stored.
    pub fn to_record(&self, out: &mut Zeroizing<Vec<u8>>) {
        let len = 1 + 1 + 16 + 32 + 8 + self.ratchet.encoded_len() + self.recent.encoded_len();
        if out.capacity() - out.len() < len {
            // One growth instead of several; what was there is wiped as it is replaced.
            let mut bigger = Vec::with_capacity(out.len() + len);
            bigger.extend_from_slice(out);
            *out = Zeroizing::new(bigger);
        }
        out.put_u8(VERSION);
        out.put_u8(self.suite.id());
        out.put(self.id.as_bytes());
        out.put(&self.associated_data);
        out.put_u64(self.created_at.as_millis());
        self.ratchet.write(out);
        self.recent.write(out);
    }

    /// Reads a record back. What follows it is left to the caller.
    ///
    /// # Errors
    /// [`CodecError`]: truncated, of a newer version, or not as this library would have written it.
    pub fn from_record(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let version = r.u8("version")?;
        if version != VERSION {
            return Err(CodecError::UnknownVersion { what: "session", version });
        }
        let suite = Suite::from_u8(r.u8("suite")?)
            .filter(|suite| suite.is_native())
            .ok_or(CodecError::InvalidValue { field: "suite" })?;
        let id = SessionId::from_bytes(r.array("session id")?);
        let associated_data = r.array("associated data")?;
        let created_at = r.timestamp("created at")?;
        let ratchet = DoubleRatchet::read(r)?;
        let recent = RecentFrames::read(r)?;
        Ok(Self { suite, id, associated_data, created_at, ratchet, recent, commits: 0 })
    }
}
