//! What is remembered of a peer for good: its pins, which session is used, and how often we may bother it.

use zeroize::Zeroizing;

use crate::{
    codec::{CodecError, Reader, Write},
    engine::table::Stored,
    handshake::SessionId,
    identity::Amid,
    keys::VerifyingKey,
    limits,
    storage::RecordKind,
    time::Timestamp,
};

const VERSION: u8 = 1;

/// A superseded session, kept for frames that are still under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReceiveOnly {
    pub(crate) session: SessionId,
    pub(crate) until: Timestamp,
}

/// A peer that was seen with a valid signature at least once, or is written to.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) amid: Amid,
    /// The identity key. It is determined by the AMID, so it never changes once known.
    pub(crate) identity: Option<VerifyingKey>,
    /// Strongest suite seen with a valid signature; never goes down by itself. 0 is none.
    pub(crate) suite_pin: u8,
    /// Newest bundle seen; an older one is `StaleBundle`.
    pub(crate) newest_bundle: Timestamp,
    /// The session that messages are sent in.
    pub(crate) sending: Option<SessionId>,
    pub(crate) receive_only: Vec<ReceiveOnly>,
    /// Number of the next message to this peer; survives new handshakes.
    pub(crate) next_seq: u64,
    /// The peer rejected our KNOCK and asked not to be knocked on before this.
    pub(crate) rejected_until: Timestamp,
    /// When refusals made us try again, at most three within the last hour.
    pub(crate) refused_at: Vec<Timestamp>,
}

impl Peer {
    pub(crate) fn new(amid: Amid) -> Self {
        Self {
            amid,
            identity: None,
            suite_pin: 0,
            newest_bundle: Timestamp::ZERO,
            sending: None,
            receive_only: Vec::new(),
            next_seq: 0,
            rejected_until: Timestamp::ZERO,
            refused_at: Vec::new(),
        }
    }

    /// Every session that this peer's frames may belong to.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.sending.into_iter().chain(self.receive_only.iter().map(|r| r.session))
    }

    /// Forgets `session`, whichever role it had.
    pub(crate) fn forget(&mut self, session: SessionId) {
        if self.sending == Some(session) {
            self.sending = None;
        }
        self.receive_only.retain(|r| r.session != session);
    }

    /// Keeps `session` for receiving; returns those that no longer fit.
    pub(crate) fn keep_for_receiving(
        &mut self,
        session: SessionId,
        now: Timestamp,
    ) -> Vec<SessionId> {
        self.forget(session);
        self.receive_only
            .push(ReceiveOnly { session, until: now.plus_millis(limits::RECEIVE_ONLY_AGE) });
        let excess = self.receive_only.len().saturating_sub(limits::RECEIVE_ONLY_SESSIONS);
        self.receive_only.drain(..excess).map(|r| r.session).collect()
    }
}

impl Stored for Peer {
    const KIND: RecordKind = RecordKind::Peer;
    type Key = Amid;

    fn key(&self) -> Amid {
        self.amid
    }

    fn logical(key: &Amid) -> Vec<u8> {
        key.as_bytes().to_vec()
    }

    fn encode(&self, out: &mut Zeroizing<Vec<u8>>) {
        out.put_u8(VERSION);
        out.put(self.amid.as_bytes());
        out.put_option(self.identity, |w, key| w.put(key.as_bytes()));
        out.put_u8(self.suite_pin);
        out.put_u64(self.newest_bundle.as_millis());
        out.put_option(self.sending, |w, id| w.put(id.as_bytes()));
        out.put_count(self.receive_only.len());
        for kept in &self.receive_only {
            out.put(kept.session.as_bytes());
            out.put_u64(kept.until.as_millis());
        }
        out.put_u64(self.next_seq);
        out.put_u64(self.rejected_until.as_millis());
        out.put_count(self.refused_at.len());
        for at in &self.refused_at {
            out.put_u64(at.as_millis());
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes);
        let version = r.u8("version")?;
        if version != VERSION {
            return Err(CodecError::UnknownVersion { what: "peer record", version });
        }
        let amid = Amid::from_bytes(r.array("amid")?);
        let identity = r.option("identity", |r| {
            VerifyingKey::from_bytes(r.array("identity")?)
                .map_err(|_| CodecError::InvalidValue { field: "identity" })
        })?;
        let suite_pin = r.u8("suite pin")?;
        let newest_bundle = r.timestamp("newest bundle")?;
        let sending = r.option("sending", |r| r.array("sending").map(SessionId::from_bytes))?;
        let mut receive_only = Vec::new();
        for _ in 0..r.count(limits::RECEIVE_ONLY_SESSIONS, "receive-only sessions")? {
            receive_only.push(ReceiveOnly {
                session: SessionId::from_bytes(r.array("session")?),
                until: r.timestamp("until")?,
            });
        }
        let next_seq = r.u64("next seq")?;
        let rejected_until = r.timestamp("rejected until")?;
        let mut refused_at = Vec::new();
        for _ in 0..r.count(limits::REFUSED_RETRIES_PER_HOUR, "refusals")? {
            refused_at.push(r.timestamp("refused at")?);
        }
        r.finish("peer record")?;
        Ok(Self {
            amid,
            identity,
            suite_pin,
            newest_bundle,
            sending,
            receive_only,
            next_seq,
            rejected_until,
            refused_at,
        })
    }
}
