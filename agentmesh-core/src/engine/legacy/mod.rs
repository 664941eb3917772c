//! Sessions of the suite `legacy-0.2` in the engine: what is kept of a peer that speaks only that, and when it is spoken.
//!
//! Only while [`EngineConfig::allow_legacy`](super::EngineConfig::allow_legacy) is set, and never with a peer that was seen with
//! a native suite. Everything goes the way of native frames: state and frame are committed together, then the frame is
//! sent. Deployed peers confirm nothing and fail on a frame that comes twice, so a message is handed to a relay that does not
//! acknowledge once at most, and `StoredByRelay` is the last that is ever known of it. `docs/protocol/legacy-0.2.md`.

mod inbound;
mod knocking;
mod outbound;
mod records;

use core::fmt;

pub(crate) use records::LegacyPeer;

use super::{Engine, Event, LoadError, Need, records::Peer, table::Table};
use crate::{
    handshake::{SessionId, Suite},
    identity::{Amid, IdentityPublic},
    legacy::{Bundle, LegacySession, VerifiedLegacyKnock},
    limits::LEGACY_KNOCK_WINDOW,
    maps::HashMap,
    storage::Storage,
    time::Timestamp,
    wire::{relay_frame::RelayMessageType, relay_id::RelayMessageId},
};

/// A payload of JSON, as the relay delivered it.
#[derive(Clone, PartialEq, Eq)]
pub struct LegacyInbound {
    /// Whom the relay names as the sender.
    pub from: Amid,
    /// The sender's name for the frame, if the relay speaks the `ack` extension.
    pub relay_id: Option<RelayMessageId>,
    /// The payload.
    pub text: String,
}

impl fmt::Debug for LegacyInbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LegacyInbound")
            .field("from", &self.from)
            .field("relay_id", &self.relay_id)
            .field("bytes", &self.text.len())
            .finish()
    }
}

/// What a registry has of a peer without a native bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyOffer {
    /// The key of the peer's AMID, and the exchange key that it registered.
    pub peer: IdentityPublic,
    /// Its bundle; the engine verifies it.
    pub bundle: Bundle,
}

/// What the engine remembers of peers that speak 0.2.
#[derive(Debug, Default)]
pub(super) struct LegacyState {
    pub(super) peers: Table<LegacyPeer>,
    /// KNOCKs that the policy has not decided on. One that is lost in a restart is too old by the time it could matter.
    undecided: HashMap<SessionId, (VerifiedLegacyKnock, Timestamp)>,
    /// KNOCKs of peers whose keys the registry was asked for, unacknowledged.
    parked: Vec<(LegacyInbound, Timestamp)>,
}

impl LegacyState {
    pub(super) fn undecided_peer(&self, session: &SessionId) -> Option<Amid> {
        self.undecided.get(session).map(|(knock, _)| knock.from)
    }
}

/// What names a legacy session in events and decisions: the digits of its own name.
fn session_id(session: &LegacySession) -> SessionId {
    let digits = session.id().strip_prefix("session_").unwrap_or_default();
    let mut id = [0; 16];
    for (byte, pair) in id.iter_mut().zip(digits.as_bytes().as_chunks::<2>().0) {
        let text = core::str::from_utf8(pair).unwrap_or_default();
        *byte = u8::from_str_radix(text, 16).unwrap_or_default();
    }
    SessionId::from_bytes(id)
}

/// Whether a frame of ours is JSON: a native one begins with its version.
pub(super) fn is_legacy_frame(frame: &[u8]) -> bool {
    frame.first() == Some(&b'{')
}

/// What the relay is told that a frame of ours is. It begins as we write it.
pub(super) fn relay_kind(frame: &[u8]) -> RelayMessageType {
    for (start, kind) in [
        (&b"{\"version\":"[..], RelayMessageType::Knock),
        (b"{\"type\":\"ACCEPT\"", RelayMessageType::Accept),
        (b"{\"type\":\"REJECT\"", RelayMessageType::Reject),
        (b"{\"type\":\"close\"", RelayMessageType::Close),
    ] {
        if frame.starts_with(start) {
            return kind;
        }
    }
    RelayMessageType::Message
}

impl Engine {
    /// Whether `peer` was seen with a native suite: then it is never spoken to in the old one again.
    fn native_pin(&self, peer: &Amid) -> Option<u8> {
        self.peers.get(peer).map(|p| p.suite_pin).filter(|pin| *pin > Suite::Legacy02.id())
    }

    /// Whether a legacy session with `peer` exists or is under way: messages go there or wait for it.
    pub(super) fn has_legacy_session(&self, peer: &Amid) -> bool {
        self.config.allow_legacy
            && self.native_pin(peer).is_none()
            && self.legacy.peers.get(peer).is_some_and(|p| p.session.is_some())
    }

    /// Loads every peer that a legacy session may exist with.
    pub(super) async fn load_legacy_peers(
        &mut self,
        storage: &dyn Storage,
    ) -> Result<(), LoadError> {
        let legacy = |p: &&Peer| p.suite_pin == Suite::Legacy02.id();
        let peers = self.peers.values().filter(legacy);
        let needs: Vec<_> = peers.map(|p| Need::LegacyPeer(p.amid)).collect();
        self.fetch(storage, needs).await
    }

    /// Ends the legacy session with a peer; its name, if there was one.
    pub(super) fn drop_legacy_session(&mut self, peer: Amid) -> Option<SessionId> {
        self.legacy.peers.get(&peer)?.session.as_ref()?;
        let known = self.legacy.peers.modify(&peer)?;
        known.older.clear();
        known.knock_nonce = None;
        let id = known.session.take().map(|session| session_id(&session))?;
        self.legacy.undecided.remove(&id);
        self.out.events.push(Event::SessionClosed { peer, session: id });
        Some(id)
    }

    /// Gives up KNOCKs that nobody answered while they could be believed, and those that nobody decided on.
    pub(super) fn expire_legacy(&mut self, now: Timestamp) {
        let old = |at: Timestamp| now.since(at) > LEGACY_KNOCK_WINDOW;
        self.legacy.undecided.retain(|_, (_, at)| !old(*at));
        self.legacy.parked.retain(|(_, at)| !old(*at));
        let unanswered = self.legacy.peers.values().filter(|known| !known.accepted);
        let mut stale: Vec<_> = unanswered
            .filter(|known| known.session.as_ref().is_some_and(|s| old(s.created_at())))
            .map(|known| known.amid)
            .collect();
        stale.sort_unstable();
        for peer in stale {
            self.drop_legacy_session(peer);
        }
    }
}
