//! Sessions of the suite `legacy-0.2`, one step a call: load, compute, commit. Behind [`SessionManager::with_legacy`].
//!
//! The formats, X3DH and the ratchet are those of [`crate::legacy`]; this keeps what they need between two calls, seals it like the
//! native records, and adds what 0.2 leaves open: who the peer is, which session is written in, which handshakes were
//! taken. `docs/protocol/legacy-0.2.md`, and `docs/protocol/state.md`, "Managed records".
//!
//! [`SessionManager::with_legacy`]: super::SessionManager::with_legacy

mod contact;
mod knock;
mod knocking;
mod memory;
mod objects;
mod steps;

use crate::{
    Error,
    codec::{CodecError, Reader},
    handshake::{HandshakeError, Suite},
    identity::Amid,
    legacy::{LegacySession, LegacySessionState},
    storage::Changes,
    time::Timestamp,
};

use super::{
    ManagerError, PrekeyManager, SealedStore, SessionInfo, SessionState, native::NativeSessions,
    store::Slot,
};
use contact::Contact;
use memory::KnockMemory;

pub use knock::{AnsweredLegacyKnock, LegacyKnockInfo, LegacyKnockProtocol, LegacyKnocked};

/// The sessions of one identity with peers that speak only 0.2.
#[derive(Debug, Clone)]
pub(super) struct LegacySessions {
    prekeys: PrekeyManager,
    native: NativeSessions,
}

impl LegacySessions {
    pub(super) fn new(prekeys: PrekeyManager) -> Self {
        Self { native: NativeSessions::new(prekeys.clone()), prekeys }
    }

    fn store(&self) -> &SealedStore {
        self.prekeys.store()
    }

    fn now(&self) -> Timestamp {
        self.store().context().now()
    }

    fn own(&self) -> Amid {
        self.prekeys.identity().amid()
    }

    fn sessions_prefix(&self) -> String {
        format!("sessions-0.2/{}/", self.own())
    }

    fn contacts_prefix(&self) -> String {
        format!("peers-0.2/{}/", self.own())
    }

    fn knocks_prefix(&self) -> String {
        format!("knocks-0.2/{}/", self.own())
    }

    /// What is remembered of the KNOCKs between us and a peer.
    async fn knocks(&self, peer: Amid) -> Result<Slot<KnockMemory>, Error> {
        let name = format!("{}{peer}", self.knocks_prefix());
        self.store().load(name, KnockMemory::decode).await
    }

    fn put_knocks(&self, to: &mut Changes, slot: &Slot<KnockMemory>) -> Result<(), Error> {
        match &slot.value {
            Some(knocks) => self.store().put(to, slot, |out| knocks.encode(out)),
            None => Ok(()),
        }
    }

    async fn session(&self, id: &str) -> Result<Slot<LegacySession>, Error> {
        let name = format!("{}{id}", self.sessions_prefix());
        self.store().load(name, decode_session).await
    }

    /// A session that is there, and its record.
    async fn live(&self, id: &str) -> Result<(Slot<()>, LegacySession), Error> {
        let not_found = || ManagerError::SessionNotFound { session_id: id.to_owned() };
        // What is no id of ours may be too long for a name, too.
        if id.len() != ID_LENGTH {
            return Err(not_found().into());
        }
        let Slot { name, id: record, version, value } = self.session(id).await?;
        Ok((Slot { name, id: record, version, value: None }, value.ok_or_else(not_found)?))
    }

    async fn contact(&self, peer: Amid) -> Result<Slot<Contact>, Error> {
        let name = format!("{}{peer}", self.contacts_prefix());
        self.store().load(name, Contact::decode).await
    }

    fn put_session(
        &self,
        to: &mut Changes,
        slot: &Slot<()>,
        session: &LegacySession,
    ) -> Result<(), Error> {
        self.store().put(to, slot, |out| session.to_record(out))
    }

    /// Notes a session that was just made.
    fn add_session(&self, to: &mut Changes, session: &LegacySession) -> Result<(), Error> {
        let name = format!("{}{}", self.sessions_prefix(), session.id());
        self.put_session(to, &self.store().unused(name), session)
    }

    /// Keeps a session that something else made.
    #[cfg(test)]
    pub(super) async fn adopt(&self, session: &LegacySession) -> Result<(), Error> {
        let mut changes = Changes::new();
        self.add_session(&mut changes, session)?;
        self.store().commit(changes).await
    }

    fn put_contact(&self, to: &mut Changes, slot: &Slot<Contact>) -> Result<(), Error> {
        match &slot.value {
            Some(contact) => self.store().put(to, slot, |out| contact.encode(out)),
            None => Ok(()),
        }
    }

    /// Notes that sessions which no longer fit go, with their keys.
    async fn delete_all(&self, to: &mut Changes, ids: Vec<String>) -> Result<(), Error> {
        for id in ids {
            let slot = self.session(&id).await?;
            if slot.version > 0 {
                self.store().delete(to, &slot);
            }
        }
        Ok(())
    }

    /// Whoever was seen with a native suite is never spoken to in this one again: somebody else may offer it in its name.
    async fn refuse_downgrade(&self, peer: Amid) -> Result<(), Error> {
        let pinned = self.native.suite_pin(peer).await?;
        let offered = Suite::Legacy02.id();
        if pinned > offered {
            return Err(HandshakeError::SuiteDowngrade { wanted: pinned, offered }.into());
        }
        Ok(())
    }

    async fn all_sessions(&self) -> Result<Vec<LegacySession>, Error> {
        let found = self.store().list(&self.sessions_prefix(), decode_session).await?;
        Ok(found.into_iter().filter_map(|slot| slot.value).collect())
    }

    async fn all_contacts(&self) -> Result<Vec<Slot<Contact>>, Error> {
        self.store().list(&self.contacts_prefix(), Contact::decode).await
    }
}

/// `session_` and 32 hex digits.
const ID_LENGTH: usize = 40;

fn decode_session(bytes: &[u8]) -> Result<LegacySession, CodecError> {
    let mut reader = Reader::new(bytes);
    let session = LegacySession::from_record(&mut reader)?;
    reader.finish("0.2 session")?;
    Ok(session)
}

fn describe(session: &LegacySession, is_sending: bool) -> SessionInfo {
    let pending = session.state() == LegacySessionState::Pending;
    SessionInfo {
        session_id: session.id().to_owned(),
        peer_amid: session.peer(),
        state: if pending { SessionState::Pending } else { SessionState::Active },
        is_initiator: session.is_initiator(),
        is_accepted: !pending,
        is_sending,
        suite: Suite::Legacy02,
        created_at: session.created_at(),
        description: None,
    }
}
