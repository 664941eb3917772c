//! What is kept of a peer that speaks 0.2: the exchange key it registered, its session and KNOCKs. One record a peer.

use zeroize::Zeroizing;

use crate::{
    codec::{CodecError, Reader, Write},
    engine::table::Stored,
    identity::Amid,
    keys::DhPublicKey,
    knock::ReplayMemory,
    legacy::LegacySession,
    limits::{LEGACY_MAX_SESSION_ID, RECEIVE_ONLY_AGE},
    storage::RecordKind,
    time::Timestamp,
};

const VERSION: u8 = 1;
/// Sessions kept for what is still under way in them.
const OLDER: usize = 2;

/// A peer of the suite `legacy-0.2`.
#[derive(Debug)]
pub(crate) struct LegacyPeer {
    pub(crate) amid: Amid,
    /// The exchange key that it registered; registries of 0.2 never change it.
    pub(crate) exchange: Option<DhPublicKey>,
    /// The session in use, or under way.
    pub(crate) session: Option<LegacySession>,
    /// Whether its KNOCK, ours or the peer's, was accepted.
    pub(crate) accepted: bool,
    /// The nonce of our KNOCK, while it is unanswered.
    pub(crate) knock_nonce: Option<String>,
    /// Sessions before, the newest first.
    pub(crate) older: Vec<LegacySession>,
    /// The peer's KNOCKs.
    pub(crate) replay: ReplayMemory,
}

impl LegacyPeer {
    pub(crate) fn new(amid: Amid) -> Self {
        Self {
            amid,
            exchange: None,
            session: None,
            accepted: false,
            knock_nonce: None,
            older: Vec::new(),
            replay: ReplayMemory::default(),
        }
    }

    /// Begins another session; the one before is kept for a while if it was in use.
    pub(crate) fn replace_session(&mut self, session: LegacySession, now: Timestamp) {
        self.older.retain(|old| now.since(old.last_used()) < RECEIVE_ONLY_AGE);
        let in_use = core::mem::take(&mut self.accepted);
        if let Some(old) = self.session.replace(session).filter(|_| in_use) {
            self.older.insert(0, old);
            self.older.truncate(OLDER);
        }
        self.knock_nonce = None;
    }

    /// Sessions that envelopes of the peer may belong to. Its name for one is a hint as to which; nobody vouches for it.
    pub(crate) fn likeliest_first(&mut self, name: &str) -> Vec<&mut LegacySession> {
        let current = self.session.iter_mut().filter(|_| self.accepted);
        let mut sessions: Vec<_> = current.chain(&mut self.older).collect();
        sessions.sort_by_key(|s| s.peer_session_id() != Some(name));
        sessions
    }
}

impl Stored for LegacyPeer {
    const KIND: RecordKind = RecordKind::Meta;
    type Key = Amid;

    fn key(&self) -> Amid {
        self.amid
    }

    fn logical(key: &Amid) -> Vec<u8> {
        [b"legacy-0.2 peer".as_slice(), key.as_bytes()].concat()
    }

    fn encode(&self, out: &mut Zeroizing<Vec<u8>>) {
        out.put_u8(VERSION);
        out.put(self.amid.as_bytes());
        out.put_option(self.exchange, |w, key| w.put(key.as_bytes()));
        out.put_bool(self.accepted);
        out.put_option(self.knock_nonce.as_deref(), |w, nonce| w.put_lp(nonce.as_bytes()));
        let sessions = || self.session.iter().chain(&self.older);
        out.put_bool(self.session.is_some());
        out.put_count(sessions().count());
        for session in sessions() {
            session.to_record(out);
        }
        self.replay.to_record(&mut **out);
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes);
        let version = r.u8("version")?;
        if version != VERSION {
            return Err(CodecError::UnknownVersion { what: "0.2 peer record", version });
        }
        let amid = Amid::from_bytes(r.array("amid")?);
        let exchange =
            r.option("exchange key", |r| r.array("exchange key").map(DhPublicKey::from_bytes))?;
        let accepted = r.bool("accepted")?;
        let knock_nonce = r.option("KNOCK nonce", |r| {
            r.text(LEGACY_MAX_SESSION_ID, "KNOCK nonce").map(str::to_owned)
        })?;
        let current = r.bool("session")?;
        let mut older = Vec::new();
        for _ in 0..r.count(OLDER + 1, "sessions")? {
            older.push(LegacySession::from_record(&mut r)?);
        }
        if current && older.is_empty() {
            return Err(CodecError::InvalidValue { field: "sessions" });
        }
        let session = current.then(|| older.remove(0));
        let replay = ReplayMemory::from_record(&mut r)?;
        r.finish("0.2 peer record")?;
        Ok(Self { amid, exchange, session, accepted, knock_nonce, older, replay })
    }
}

#[cfg(test)]
mod tests;
