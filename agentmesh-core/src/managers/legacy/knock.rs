//! [`LegacyKnockProtocol`]: KNOCKs and answers of `agentmesh/0.2` in the steps of [`KnockProtocol`](super::super::KnockProtocol).

use crate::{
    Error,
    identity::{Amid, IdentityPublic},
    keys::VerifyingKey,
    knock::{Decision, KnockContext, KnockRequest, Policy, SessionType, Tier},
    legacy::{LegacyAnswer, LegacyKnock, LegacyVerdict, VerifiedLegacyKnock},
};

use super::{
    super::{Bundle, SessionManager},
    LegacySessions,
};

/// A KNOCK of ours, and the session that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyKnocked {
    /// The session, by our own name for it.
    pub session_id: String,
    /// For the peer, as JSON ([`LegacyKnock::to_json`]). It carries the X3DH message, and is believed for five minutes.
    pub knock: LegacyKnock,
}

/// A KNOCK that was believed, and what the registry says of its sender.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LegacyKnockInfo {
    /// The KNOCK.
    pub knock: VerifiedLegacyKnock,
    /// What the registry says that the peer is; anonymous until the application fills it in.
    pub tier: Tier,
    /// What the registry says of the peer's reputation, 0 to 1; 0 until the application fills it in.
    pub reputation: f64,
}

/// An answer to a KNOCK, for the one who knocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredLegacyKnock {
    /// Our end of the session, by our own name for it. None if the KNOCK was rejected.
    pub session_id: Option<String>,
    /// ACCEPT with our ratchet key, or REJECT; goes out as JSON ([`LegacyAnswer::to_json`]).
    pub answer: LegacyAnswer,
}

/// KNOCKs and their answers with peers that speak only `agentmesh/0.2`
/// ([`KnockProtocol::legacy`](super::super::KnockProtocol::legacy)).
///
/// The methods are those of [`KnockProtocol`](super::super::KnockProtocol). Their objects are others: here a KNOCK is signed JSON that
/// everybody on the way can read, it carries the X3DH message, and the answer carries the ratchet key without which the
/// initiator cannot write. Each KNOCK counts once: its nonce is kept in the store until it is too old to be believed.
///
/// ```no_run
/// # use agentmesh_core::{identity::IdentityPublic, knock::Policy, legacy::LegacyKnock};
/// # use agentmesh_core::managers::{KnockProtocol, SessionManager};
/// # async fn example(sessions: SessionManager, peer: IdentityPublic, text: &str) -> Result<(), agentmesh_core::Error> {
/// let knocks = KnockProtocol::new(&sessions.with_legacy(), Policy::default()).legacy()?;
/// let knock = LegacyKnock::from_json(text)?;
/// let info = knocks.verify_knock(&peer, &knock).await?; // nothing has changed yet
/// let decision = knocks.evaluate(&info).await?;
/// let answered = knocks.answer_knock(&peer, &knock, &decision).await?;
/// let answer = answered.answer.to_json(); // back to the peer, which calls `verify_answer`
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct LegacyKnockProtocol {
    sessions: SessionManager,
    legacy: LegacySessions,
    policy: Policy,
}

impl LegacyKnockProtocol {
    pub(in super::super) fn new(sessions: &SessionManager, policy: Policy) -> Result<Self, Error> {
        Ok(Self { legacy: sessions.legacy()?, sessions: sessions.clone(), policy })
    }

    /// Knocks: opens a session, and signs what it is wanted for together with its handshake.
    ///
    /// # Errors
    /// As [`SessionManager::initiate_session`]; [`Error::LegacyFormat`] for a request that is too long.
    pub async fn create_knock(
        &self,
        peer_amid: &Amid,
        peer_bundle: &Bundle,
        peer_signing_key: &VerifyingKey,
        request: &KnockRequest,
    ) -> Result<LegacyKnocked, Error> {
        self.legacy.create_knock(*peer_amid, peer_bundle, peer_signing_key, request).await
    }

    /// Believes a KNOCK and changes nothing: it is signed by `peer`, for us, within five minutes of now, its handshake names
    /// the exchange key of `peer`, and it was not answered before. `peer` is what the registry has of the sender.
    ///
    /// # Errors
    /// [`Error::LegacyKnock`]; [`KnockError::Replayed`](crate::knock::KnockError::Replayed) if it was answered,
    /// [`KnockError::TooMany`](crate::knock::KnockError::TooMany) if the peer knocked more than 1,024 times within five minutes;
    /// `LEGACY_EXCHANGE_KEY_MISMATCH`; `HANDSHAKE_SUITE_DOWNGRADE` if the peer was seen with a native suite.
    pub async fn verify_knock(
        &self,
        peer: &IdentityPublic,
        knock: &LegacyKnock,
    ) -> Result<LegacyKnockInfo, Error> {
        let knock = self.legacy.verify_knock(peer, knock).await?;
        Ok(LegacyKnockInfo { knock, tier: Tier::Anonymous, reputation: 0.0 })
    }

    /// What the policy says of a KNOCK, with as many sessions open as there are, of either suite.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn evaluate(&self, info: &LegacyKnockInfo) -> Result<Decision, Error> {
        let (knock, asked) = (&info.knock, &info.knock.request);
        let mut context = KnockContext::new(knock.from, &asked.capability, asked.ttl_s);
        context.tier = info.tier.clone();
        context.reputation = info.reputation;
        context.session_type = match asked.session_type.as_str() {
            "streaming" => SessionType::Streaming,
            "persistent" => SessionType::Persistent,
            _ => SessionType::OneShot,
        };
        context.legacy = true;
        context.age_ms = self.sessions.native().now().since(knock.time);
        context.sessions = self.sessions.sessions().await?.len();
        Ok(self.policy.evaluate(&context))
    }

    /// Answers a KNOCK, after all the checks of [`verify_knock`](Self::verify_knock). Its nonce is remembered in the same commit.
    /// Accepting opens our end of the session, uses its one-time prekey up and takes the exchange key for the peer's, as
    /// [`SessionManager::know_peer`] does; rejecting opens nothing and uses no key up. The wire has no room for how long a session is
    /// granted, nor for when to try again.
    ///
    /// If the answer was lost before it was sent, the same call makes another one as long as the KNOCK is believed and nothing
    /// was read in the session; after a rejection there is none. [`Decision::Later`] is a rejection: peers of 0.2 do not wait.
    ///
    /// # Errors
    /// As [`verify_knock`](Self::verify_knock) and [`SessionManager::accept_session`].
    /// [`ManagerError::Malformed`](super::super::ManagerError::Malformed) for accepting a KNOCK without a handshake.
    pub async fn answer_knock(
        &self,
        peer: &IdentityPublic,
        knock: &LegacyKnock,
        decision: &Decision,
    ) -> Result<AnsweredLegacyKnock, Error> {
        self.legacy.answer_knock(peer, knock, decision).await
    }

    /// Accepts a KNOCK.
    ///
    /// # Errors
    /// As [`answer_knock`](Self::answer_knock).
    pub async fn accept_knock(
        &self,
        peer: &IdentityPublic,
        knock: &LegacyKnock,
    ) -> Result<AnsweredLegacyKnock, Error> {
        self.answer_knock(peer, knock, &Decision::accept()).await
    }

    /// Rejects a KNOCK.
    ///
    /// # Errors
    /// As [`answer_knock`](Self::answer_knock).
    pub async fn reject_knock(
        &self,
        peer: &IdentityPublic,
        knock: &LegacyKnock,
        reason: &str,
    ) -> Result<AnsweredLegacyKnock, Error> {
        self.answer_knock(peer, knock, &Decision::reject(reason)).await
    }

    /// Believes the answer to a KNOCK of ours: it answers the nonce of that KNOCK, the peer signed it within five minutes of
    /// now, and it is the first. An accepted session can be written in at once; a rejected one is closed. An ACCEPT without a
    /// ratchet key, as the deployed SDK writes it, leaves the session waiting for
    /// [`activate_session`](SessionManager::activate_session).
    ///
    /// # Errors
    /// [`ManagerError::NotPending`](super::super::ManagerError::NotPending) if it was answered or is not ours,
    /// [`ManagerError::SessionNotFound`](super::super::ManagerError::SessionNotFound); [`Error::LegacyKnock`] for what is not genuine;
    /// `LEGACY_NON_CONTRIBUTORY` for a bad ratchet key.
    pub async fn verify_answer(
        &self,
        session_id: &str,
        answer: &LegacyAnswer,
    ) -> Result<LegacyVerdict, Error> {
        self.legacy.verify_answer(session_id, answer).await
    }
}
