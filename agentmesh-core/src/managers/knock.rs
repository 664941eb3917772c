//! [`KnockProtocol`]: asking for a session and answering, for applications that move bytes themselves.

use serde::Serialize;

use super::{Bundle, Envelope, Initiated, SessionManager, X3dhMessage};
use crate::{
    Error,
    identity::Amid,
    keys::VerifyingKey,
    knock::{Answer, Decision, KnockInfo, KnockRequest, Policy},
};

/// An answer to a KNOCK, for the one who knocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnsweredKnock {
    /// The session that the KNOCK asked for.
    pub session_id: String,
    /// ACCEPT or REJECT, encrypted and signed, for [`KnockProtocol::verify_answer`].
    pub envelope: Envelope,
}

/// KNOCKs and their answers.
///
/// Natively a KNOCK is the first message of the session it asks for, encrypted and signed inside the X3DH message: nobody on
/// the way reads what is asked for. It needs no memory of nonces, since no handshake opens two sessions.
///
/// ```no_run
/// # use agentmesh_core::{identity::Amid, knock::Policy, managers::{KnockProtocol, SessionManager, X3dhMessage}};
/// # async fn example(sessions: SessionManager, from: Amid, message: X3dhMessage) -> Result<(), agentmesh_core::Error> {
/// let knocks = KnockProtocol::new(&sessions, Policy::verified());
/// let mut knock = knocks.verify_knock(&from, &message).await?; // nothing has changed yet
/// # let (tier, reputation) = (agentmesh_core::knock::Tier::Verified, 0.9);
/// knock.tier = tier; // what the registry says
/// knock.reputation = reputation;
/// let decision = knocks.evaluate(&knock).await?;
/// let answer = knocks.answer_knock(&from, &message, &decision).await?;
/// // answer.envelope goes back to the peer, which calls `verify_answer`.
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct KnockProtocol {
    sessions: SessionManager,
    policy: Policy,
}

impl KnockProtocol {
    /// KNOCKs for the sessions of that manager.
    pub fn new(sessions: &SessionManager, policy: Policy) -> Self {
        Self { sessions: sessions.clone(), policy }
    }

    /// The same with peers that speak only `agentmesh/0.2`: the same steps, with the signed KNOCKs and answers of that protocol.
    ///
    /// # Errors
    /// [`ManagerError::LegacyDisabled`](super::ManagerError::LegacyDisabled) unless the manager was made
    /// [`with_legacy`](SessionManager::with_legacy).
    #[cfg(feature = "legacy-0-2")]
    pub fn legacy(&self) -> Result<super::LegacyKnockProtocol, Error> {
        super::LegacyKnockProtocol::new(&self.sessions, self.policy.clone())
    }

    /// Knocks: opens a session that says what it is wanted for.
    ///
    /// # Errors
    /// As [`SessionManager::initiate_session_for`]; [`SendError::RejectedRecently`](crate::engine::SendError::RejectedRecently) while
    /// the peer asked to be left alone.
    pub async fn create_knock(
        &self,
        peer_amid: &Amid,
        peer_bundle: &Bundle,
        peer_signing_key: &VerifyingKey,
        request: &KnockRequest,
    ) -> Result<Initiated, Error> {
        let sessions = &self.sessions;
        sessions.initiate_session_for(peer_amid, peer_bundle, peer_signing_key, request).await
    }

    /// Believes a KNOCK and changes nothing: it is signed by the agent of that AMID, for us, is at most four days old,
    /// and was not answered before. Tier and reputation are for the application to fill in, from the registry.
    ///
    /// # Errors
    /// [`KnockError::Replayed`](crate::knock::KnockError::Replayed) if its session is open, and as
    /// [`SessionManager::accept_session`].
    pub async fn verify_knock(
        &self,
        from: &Amid,
        message: &X3dhMessage,
    ) -> Result<KnockInfo, Error> {
        self.sessions.native().verify_knock(from, message).await
    }

    /// What the policy says of a KNOCK, with as many sessions open as there are, of either suite.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn evaluate(&self, knock: &KnockInfo) -> Result<Decision, Error> {
        let mut context = knock.context(self.sessions.native().now());
        context.sessions = self.sessions.sessions().await?.len();
        Ok(self.policy.evaluate(&context))
    }

    /// Answers a KNOCK. Accepting opens our end of the session; rejecting uses the KNOCK up, so that it cannot come again.
    ///
    /// If the answer was lost before it was sent, the same call makes another one; after a rejection there is none.
    ///
    /// # Errors
    /// As [`SessionManager::accept_session`].
    pub async fn answer_knock(
        &self,
        from: &Amid,
        message: &X3dhMessage,
        decision: &Decision,
    ) -> Result<AnsweredKnock, Error> {
        self.sessions.native().answer_knock(from, message, decision).await
    }

    /// Accepts a KNOCK, for so many seconds if not for as long as was asked for.
    ///
    /// # Errors
    /// As [`answer_knock`](Self::answer_knock).
    pub async fn accept_knock(
        &self,
        from: &Amid,
        message: &X3dhMessage,
        ttl_s: Option<u64>,
    ) -> Result<AnsweredKnock, Error> {
        self.answer_knock(from, message, &Decision::Accept { ttl_s }).await
    }

    /// Rejects a KNOCK.
    ///
    /// # Errors
    /// As [`answer_knock`](Self::answer_knock).
    pub async fn reject_knock(
        &self,
        from: &Amid,
        message: &X3dhMessage,
        reason: &str,
        retry_after_s: Option<u64>,
    ) -> Result<AnsweredKnock, Error> {
        let decision = Decision::Reject { reason: reason.to_owned(), retry_after_s };
        self.answer_knock(from, message, &decision).await
    }

    /// Believes the answer to a KNOCK of ours: it opened in the KNOCK's session, the peer signed it, and it is the
    /// first. A rejected session is closed.
    ///
    /// # Errors
    /// [`ManagerError::NotPending`](super::ManagerError::NotPending) if it was answered or is not ours, [`Error::Knock`],
    /// [`Error::Decrypt`].
    pub async fn verify_answer(
        &self,
        session_id: &str,
        envelope: &Envelope,
    ) -> Result<Answer, Error> {
        self.sessions.native().verify_answer(session_id, envelope).await
    }
}
