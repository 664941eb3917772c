//! Sessions of the native suites, one step a call: load, compute, commit.
//!
//! The rules are the engine's: the same handshake, the same checks in the same order, the same records of sessions and
//! peers. What differs is who decides when.

mod admission;
mod steps;

use std::sync::Arc;

use crate::{
    Error,
    engine::{
        records::{Peer, Role, SessionEntry},
        table::Stored,
    },
    handshake::SessionId,
    identity::Amid,
    session::Session,
    storage::Changes,
    time::Timestamp,
};

use super::{ManagerError, PrekeyManager, SealedStore, info::SessionInfo, store::Slot};

/// Ids of the suites that we speak, ascending.
const SUITES: [u8; 2] = [2, 3];
/// Changes in one commit of housekeeping.
const BATCH: usize = 256;

/// The native sessions of one identity.
#[derive(Debug, Clone)]
pub(super) struct NativeSessions {
    prekeys: PrekeyManager,
    /// What the names of our records begin with; writing an AMID in base58 takes as long as sealing a record.
    sessions_prefix: Arc<str>,
    peers_prefix: Arc<str>,
}

impl NativeSessions {
    pub(super) fn new(prekeys: PrekeyManager) -> Self {
        let own = prekeys.identity().amid();
        Self {
            sessions_prefix: format!("sessions/{own}/").into(),
            peers_prefix: format!("peers/{own}/").into(),
            prekeys,
        }
    }

    #[cfg(feature = "legacy-0-2")]
    pub(super) const fn prekeys(&self) -> &PrekeyManager {
        &self.prekeys
    }

    /// Id of the strongest suite that the peer was seen with; 0 if none.
    #[cfg(feature = "legacy-0-2")]
    pub(super) async fn suite_pin(&self, peer: Amid) -> Result<u8, Error> {
        Ok(self.peer(peer).await?.value.map_or(0, |known| known.suite_pin))
    }

    fn store(&self) -> &SealedStore {
        self.prekeys.store()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.store().context().now()
    }

    fn own(&self) -> Amid {
        self.prekeys.identity().amid()
    }

    async fn session(&self, id: SessionId) -> Result<Slot<SessionEntry>, Error> {
        let name = format!("{}{id}", self.sessions_prefix);
        self.store().load(name, SessionEntry::decode).await
    }

    async fn peer(&self, amid: Amid) -> Result<Slot<Peer>, Error> {
        let name = format!("{}{amid}", self.peers_prefix);
        self.store().load(name, Peer::decode).await
    }

    /// A session that can be used.
    async fn live(&self, id: &str) -> Result<Slot<SessionEntry>, Error> {
        let not_found = || ManagerError::SessionNotFound { session_id: id.to_owned() };
        let slot = self.session(id.parse().map_err(|_| not_found())?).await?;
        if slot.value.as_ref().is_some_and(|entry| !entry.is_tombstone()) {
            Ok(slot)
        } else {
            Err(not_found().into())
        }
    }

    fn put_session(&self, to: &mut Changes, slot: &Slot<SessionEntry>) -> Result<(), Error> {
        match &slot.value {
            Some(entry) => self.store().put(to, slot, |out| entry.encode(out)),
            None if slot.version > 0 => {
                self.store().delete(to, slot);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn put_peer(&self, to: &mut Changes, slot: &Slot<Peer>) -> Result<(), Error> {
        match &slot.value {
            Some(peer) => self.store().put(to, slot, |out| peer.encode(out)),
            None => Ok(()),
        }
    }

    /// Sessions of a peer that no longer fit, or whose time is up, go.
    async fn retire_all(
        &self,
        changes: &mut Changes,
        sessions: Vec<SessionId>,
    ) -> Result<(), Error> {
        for id in sessions {
            let mut slot = self.session(id).await?;
            retire(&mut slot);
            self.put_session(changes, &slot)?;
        }
        Ok(())
    }

    async fn all_peers(&self) -> Result<Vec<Slot<Peer>>, Error> {
        self.store().list(&self.peers_prefix, Peer::decode).await
    }

    async fn all_sessions(&self) -> Result<Vec<Slot<SessionEntry>>, Error> {
        self.store().list(&self.sessions_prefix, SessionEntry::decode).await
    }
}

/// Deletes the keys of a session. A responder remembers its id, or a replayed handshake would open it again.
fn retire(slot: &mut Slot<SessionEntry>) {
    match &mut slot.value {
        Some(entry) if entry.role == Role::Responder => entry.session = None,
        value => *value = None,
    }
}

/// The session that is used for sending, if it is there and can be used.
fn usable(entry: Option<&SessionEntry>, now: Timestamp) -> Option<&SessionEntry> {
    let fresh = |session: &Session| !session.needs_new_handshake(now);
    entry.filter(|entry| entry.session.as_ref().is_some_and(fresh))
}

fn describe(entry: &SessionEntry, is_sending: bool) -> Option<SessionInfo> {
    entry.session.as_ref().map(|session| SessionInfo::new(entry, session, is_sending))
}
