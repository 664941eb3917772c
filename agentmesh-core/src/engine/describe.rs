//! What there is of sessions, for people: whose they are and where they stand. No key, public or private, is in it.

use crate::{identity::Amid, session::SessionDescription, storage::Storage, time::Timestamp};

use super::{
    Engine, LoadError,
    records::{Decision, Role},
};

/// A session of an agent, without anything secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionSummary {
    /// The peer.
    pub peer: Amid,
    /// The session's id: of a native one 32 hexadecimal digits, as both ends have it; of 0.2 its own name for it.
    pub id: String,
    /// The suite's name: `x25519-mlkem768`, `x25519`, or `legacy-0.2`.
    pub suite: &'static str,
    /// When this end was made.
    pub created_at: Timestamp,
    /// Whether this agent began it.
    pub initiator: bool,
    /// Whether its KNOCK was accepted, as far as this end knows.
    pub accepted: bool,
    /// Whether the peer has shown that it has the session.
    pub confirmed: bool,
    /// Whether the next message to the peer goes here. At most one session a peer; the others only receive.
    pub sending: bool,
    /// Where its chains stand; nothing in 0.2.
    pub chains: Option<SessionDescription>,
}

impl Engine {
    /// Describes every session that has keys, by peer and age. Loads those that are not in memory.
    ///
    /// # Errors
    /// [`LoadError`]
    pub async fn describe_sessions(
        &mut self,
        storage: &dyn Storage,
    ) -> Result<Vec<SessionSummary>, LoadError> {
        self.load_sessions(storage).await?;
        let mut all = Vec::new();
        for entry in self.sessions.values() {
            let Some(session) = &entry.session else { continue };
            all.push(SessionSummary {
                peer: entry.peer,
                id: entry.id.to_string(),
                suite: session.suite().name(),
                created_at: session.created_at(),
                initiator: entry.role == Role::Initiator,
                accepted: entry.decision == Decision::Accepted,
                confirmed: entry.confirmed,
                sending: self.sending_session(entry.peer) == Some(entry.id),
                chains: Some(session.describe()),
            });
        }
        #[cfg(feature = "legacy-0-2")]
        self.describe_legacy(&mut all);
        all.sort_by(|a, b| (a.peer, a.created_at, &a.id).cmp(&(b.peer, b.created_at, &b.id)));
        Ok(all)
    }

    #[cfg(feature = "legacy-0-2")]
    fn describe_legacy(&self, all: &mut Vec<SessionSummary>) {
        for known in self.legacy.peers.values() {
            let sessions = known.session.iter().map(|s| (s, true));
            for (session, newest) in sessions.chain(known.older.iter().map(|s| (s, false))) {
                all.push(SessionSummary {
                    peer: known.amid,
                    id: session.id().to_owned(),
                    suite: crate::handshake::Suite::Legacy02.name(),
                    created_at: session.created_at(),
                    initiator: session.is_initiator(),
                    accepted: known.accepted || !newest,
                    confirmed: session.messages_received() > 0,
                    sending: newest && known.accepted,
                    chains: None,
                });
            }
        }
    }
}
