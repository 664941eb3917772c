//! Which suite a session, or an object from outside, belongs to; and what every suite can do.
//!
//! The seam between the managers and the suites: [`SessionManager`](super::SessionManager) looks at an object, and hands it to the
//! implementation of [`SuiteSessions`] that it belongs to.

use core::{fmt, pin::Pin};

use super::{Bundle, Envelope, Incoming, Initiated, SessionInfo, X3dhMessage};
use crate::{
    Error,
    identity::{Amid, IdentityPublic},
    keys::{DhPublicKey, VerifyingKey},
    knock::KnockRequest,
    wire::plaintext::{MessageType, Payload},
};

/// The future of a method of [`SuiteSessions`].
pub(crate) type SuiteFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// The sessions of one suite. The methods are those of [`SessionManager`](super::SessionManager), documented there.
pub(crate) trait SuiteSessions: fmt::Debug + Send + Sync {
    /// Natively a handshake proves who the peer is, and there is nothing to know before.
    fn know<'a>(&'a self, _: &'a IdentityPublic) -> SuiteFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn initiate<'a>(
        &'a self,
        peer: &'a Amid,
        bundle: &'a Bundle,
        signing_key: &'a VerifyingKey,
        request: &'a KnockRequest,
    ) -> SuiteFuture<'a, Initiated>;

    fn accept<'a>(&'a self, peer: &'a Amid, message: &'a X3dhMessage) -> SuiteFuture<'a, String>;

    fn activate<'a>(&'a self, id: &'a str, ratchet_key: DhPublicKey) -> SuiteFuture<'a, ()>;

    fn ratchet_key<'a>(&'a self, id: &'a str) -> SuiteFuture<'a, Option<DhPublicKey>>;

    fn encrypt<'a>(
        &'a self,
        id: &'a str,
        kind: MessageType,
        payload: Payload,
    ) -> SuiteFuture<'a, Envelope>;

    /// With `json_only`, a message without a JSON payload is refused and stays unread.
    fn decrypt<'a>(
        &'a self,
        id: &'a str,
        envelope: &'a Envelope,
        json_only: bool,
    ) -> SuiteFuture<'a, Incoming>;

    fn close<'a>(&'a self, id: &'a str) -> SuiteFuture<'a, ()>;

    fn describe<'a>(&'a self, id: &'a str) -> SuiteFuture<'a, SessionInfo>;

    fn by_peer<'a>(&'a self, peer: &'a Amid) -> SuiteFuture<'a, Option<SessionInfo>>;

    fn list(&self) -> SuiteFuture<'_, Vec<SessionInfo>>;

    fn maintain(&self) -> SuiteFuture<'_, usize>;
}

/// Which of the suites something belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Native,
    /// `agentmesh/0.2`.
    Legacy,
}

impl Family {
    const fn native_if(native: bool) -> Self {
        if native { Self::Native } else { Self::Legacy }
    }

    pub(super) const fn of_bundle(bundle: &Bundle) -> Self {
        Self::native_if(bundle.native.is_some())
    }

    pub(super) const fn of_message(message: &X3dhMessage) -> Self {
        Self::native_if(message.native.is_some())
    }

    /// Ids of 0.2 begin with `session_`; native ones are 32 hex digits.
    pub(super) fn of_session(id: &str) -> Self {
        Self::native_if(!id.starts_with("session_"))
    }
}
