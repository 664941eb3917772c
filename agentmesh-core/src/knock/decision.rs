//! What can be decided about a KNOCK, and what a handler of the application gets to see of it.

use crate::{
    Timestamp,
    handshake::{SessionId, Suite},
    identity::Amid,
    keys::VerifyingKey,
};

use super::{Knock, KnockContext, KnockError, KnockRequest, Tier};

/// The decision about a KNOCK.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// The session is opened.
    Accept {
        /// How long it lives, in seconds; as long as was asked for if `None`.
        ttl_s: Option<u64>,
    },
    /// The session is closed, and the peer told why.
    Reject {
        /// Why. The peer reads it; at most 512 bytes of it are sent.
        reason: String,
        /// When the peer may try again, in seconds, if ever.
        retry_after_s: Option<u64>,
    },
    /// The KNOCK stays undecided, and what comes in its session is held. It survives a restart, after which it is asked
    /// about again; after 96 hours it is rejected.
    Later,
}

impl Decision {
    /// Accepts for as long as was asked for.
    pub const fn accept() -> Self {
        Self::Accept { ttl_s: None }
    }

    /// Rejects for good.
    pub fn reject(reason: impl Into<String>) -> Self {
        Self::Reject { reason: reason.into(), retry_after_s: None }
    }

    /// Rejects for now.
    pub fn reject_for(reason: impl Into<String>, retry_after_s: u64) -> Self {
        Self::Reject { reason: reason.into(), retry_after_s: Some(retry_after_s) }
    }

    /// Whether the session is opened.
    pub const fn is_accept(&self) -> bool {
        matches!(self, Self::Accept { .. })
    }
}

/// A KNOCK, verified, as a handler gets it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct KnockInfo {
    /// Who knocks.
    pub from: Amid,
    /// The key behind the AMID.
    pub identity: VerifyingKey,
    /// The session that is asked for.
    pub session_id: SessionId,
    /// The suite of its handshake.
    pub suite: Suite,
    /// What the registry says that the peer is; anonymous if it was not asked.
    pub tier: Tier,
    /// What the registry says of the peer's reputation, 0 to 1; 0 if it was not asked.
    pub reputation: f64,
    /// What the peer says of itself and its request.
    pub request: KnockRequest,
    /// The KNOCK itself, with the request as text.
    pub knock: Knock,
}

impl KnockInfo {
    /// Describes a KNOCK that was believed, now or before it was stored. Tier and reputation start as those of a peer
    /// that the registry does not know.
    ///
    /// # Errors
    /// [`KnockError::Request`] or [`KnockError::Body`] if its request does not parse.
    pub fn new(
        identity: VerifyingKey,
        session_id: SessionId,
        suite: Suite,
        knock: Knock,
    ) -> Result<Self, KnockError> {
        let request = KnockRequest::parse(&knock.request)?;
        Ok(Self::describe(identity, session_id, suite, knock, request))
    }

    pub(super) fn describe(
        identity: VerifyingKey,
        session_id: SessionId,
        suite: Suite,
        knock: Knock,
        request: KnockRequest,
    ) -> Self {
        let from = Amid::of(&identity);
        let (tier, reputation) = (Tier::Anonymous, 0.0);
        Self { from, identity, session_id, suite, tier, reputation, request, knock }
    }

    /// What a policy judges by. Sessions and recent KNOCKs are for the caller to fill in.
    pub fn context(&self, now: Timestamp) -> KnockContext<'_> {
        let mut context =
            KnockContext::new(self.from, &self.request.intent.capability, self.request.ttl_s);
        context.session_type = self.request.session_type;
        context.tier = self.tier.clone();
        context.reputation = self.reputation;
        context.legacy = !self.suite.is_native();
        context.age_ms = now.since(self.knock.time);
        context
    }
}
