//! A session with what the engine needs to know about it: whose it is, who began it, what was decided.

use zeroize::Zeroizing;

use crate::{
    codec::{CodecError, Reader, Write},
    engine::table::Stored,
    handshake::SessionId,
    identity::Amid,
    session::Session,
    storage::RecordKind,
    time::Timestamp,
};

const VERSION: u8 = 2;
/// As version 2, without the time of its end.
const VERSION_WITHOUT_END: u8 = 1;

/// Who sent the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Initiator,
    Responder,
}

/// What became of the KNOCK that opened the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Not answered yet; application messages are held.
    Pending,
    Accepted,
}

/// A live session, or the tombstone of one.
#[derive(Debug)]
pub(crate) struct SessionEntry {
    pub(crate) id: SessionId,
    pub(crate) peer: Amid,
    pub(crate) role: Role,
    /// The responder's signed prekey that the handshake named; a tombstone lives until it is deleted.
    pub(crate) signed_prekey_id: u32,
    pub(crate) knock_time: Timestamp,
    pub(crate) knock_nonce: [u8; 16],
    pub(crate) decision: Decision,
    /// A frame of the peer opened in it, so the peer has it: the handshake need not be sent again. Of a tombstone: no
    /// new session was made yet because the peer does not know of the end.
    pub(crate) confirmed: bool,
    /// When its initiator has to knock again: the time that the peer granted is over. Unset at the responder, who needs
    /// no permission to answer. Of the initiator's tombstone: when it goes.
    pub(crate) expires_at: Option<Timestamp>,
    /// `None` is a tombstone: the id is known and spent, the keys are gone.
    pub(crate) session: Option<Session>,
}

impl SessionEntry {
    pub(crate) const fn is_tombstone(&self) -> bool {
        self.session.is_none()
    }

    /// Whether it is a tombstone that keeps a handshake from being answered twice, and not one of a session of ours.
    pub(crate) const fn is_spent_handshake(&self) -> bool {
        self.is_tombstone() && matches!(self.role, Role::Responder)
    }

    /// Whether a message may be sent in it: neither its keys nor its time are used up.
    pub(crate) fn is_usable(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| at > now)
            && self.session.as_ref().is_some_and(|session| !session.needs_new_handshake(now))
    }

    /// Whether the peer has not shown yet that it has this session of ours.
    pub(crate) fn is_unconfirmed_initiator(&self) -> bool {
        self.role == Role::Initiator && !self.confirmed
    }
}

impl Stored for SessionEntry {
    const KIND: RecordKind = RecordKind::Session;
    type Key = SessionId;

    fn key(&self) -> SessionId {
        self.id
    }

    fn logical(key: &SessionId) -> Vec<u8> {
        key.as_bytes().to_vec()
    }

    fn encode(&self, out: &mut Zeroizing<Vec<u8>>) {
        out.put_u8(VERSION);
        out.put(self.id.as_bytes());
        out.put(self.peer.as_bytes());
        out.put_bool(self.role == Role::Initiator);
        out.put_u32(self.signed_prekey_id);
        out.put_u64(self.knock_time.as_millis());
        out.put(&self.knock_nonce);
        out.put_bool(self.decision == Decision::Accepted);
        out.put_bool(self.confirmed);
        out.put_option(self.expires_at, |w, at| w.put_u64(at.as_millis()));
        out.put_bool(self.session.is_some());
        if let Some(session) = &self.session {
            session.to_record(out);
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes);
        let version = r.u8("version")?;
        if !matches!(version, VERSION_WITHOUT_END | VERSION) {
            return Err(CodecError::UnknownVersion { what: "session record", version });
        }
        let entry = Self {
            id: SessionId::from_bytes(r.array("session id")?),
            peer: Amid::from_bytes(r.array("peer")?),
            role: if r.bool("role")? { Role::Initiator } else { Role::Responder },
            signed_prekey_id: r.u32("signed prekey id")?,
            knock_time: r.timestamp("knock time")?,
            knock_nonce: r.array("knock nonce")?,
            decision: if r.bool("decision")? { Decision::Accepted } else { Decision::Pending },
            confirmed: r.bool("confirmed")?,
            expires_at: match version {
                VERSION_WITHOUT_END => None,
                _ => r.option("expires at", |r| r.timestamp("expires at"))?,
            },
            session: r.option("session", Session::from_record)?,
        };
        r.finish("session record")?;
        Ok(entry)
    }
}
