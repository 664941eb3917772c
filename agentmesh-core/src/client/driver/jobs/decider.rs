//! How a KNOCK is decided: registry, policy, application, in this order.

use std::{sync::Arc, time::Duration};

use crate::client::platform::time::timeout;

use super::super::policy::InForce;
use crate::{
    Timestamp,
    client::{
        agent::KnockHandler,
        registry::{AnswerError, RegistryClient, RevocationCache},
    },
    identity::Amid,
    knock::{Decision, KnockInfo, Policy, RevocationState, Tier},
};

/// What a peer is told to wait while there is no policy.
const POLICY_RETRY_S: u64 = 60;

/// Asks the registry what the policy wants to know, then the policy, then the application.
pub(super) struct Decider {
    pub(super) registry: Option<RegistryClient>,
    pub(super) policy: InForce,
    pub(super) revocations: Arc<RevocationCache>,
    pub(super) handler: Option<KnockHandler>,
    pub(super) limit: Duration,
    pub(super) now: Timestamp,
    pub(super) sessions: usize,
    pub(super) knocks_last_minute: u32,
}

/// Whether the policy asks for more than the KNOCK itself proves.
fn needs_standing(policy: &Policy) -> bool {
    policy.min_tier != Tier::Anonymous
        || policy.min_reputation > 0.0
        || !policy.accepted_tiers.is_empty()
}

impl Decider {
    pub(super) async fn decide(self, mut knock: KnockInfo) -> Decision {
        let Ok(policy) = self.policy.clone() else {
            return Decision::reject_for("policy_unavailable", POLICY_RETRY_S);
        };
        // Nothing the peer says of itself counts; without the registry's word, unchanged on its way, it is anonymous.
        if needs_standing(&policy)
            && let Some(registry) = &self.registry
            && registry.is_private()
            && let Ok(listing) = registry.lookup(&knock.from).await
        {
            knock.tier = Tier::from(listing.details.tier.as_str());
            knock.reputation = listing.details.reputation_score;
        }
        let mut context = knock.context(self.now);
        context.sessions = self.sessions;
        context.knocks_last_minute = self.knocks_last_minute;
        if policy.require_revocation_check {
            context.revocation = self.revocation(&knock.from).await;
        }
        // Who is on the allow list waits for nobody.
        let asks = !policy.allowed_amids.contains(&knock.from);
        match (policy.evaluate(&context), self.handler.filter(|_| asks)) {
            (Decision::Accept { ttl_s }, Some(handler)) => {
                match timeout(self.limit, handler(knock)).await {
                    Ok(Decision::Accept { ttl_s: theirs }) => {
                        Decision::Accept { ttl_s: theirs.or(ttl_s) }
                    }
                    Ok(reject) => reject,
                    Err(_) => Decision::reject_for("no decision in time", 60),
                }
            }
            (decision, _) => decision,
        }
    }

    async fn revocation(&self, peer: &Amid) -> RevocationState {
        let Some(registry) = &self.registry else { return RevocationState::Unchecked };
        match self.revocations.check_for_session(registry, peer).await {
            Ok(()) => RevocationState::Clear,
            Err(AnswerError::Revoked { .. }) => RevocationState::Revoked,
            Err(error) => {
                tracing::warn!(target: "agentmesh", %error, "a KNOCK is refused");
                RevocationState::Unchecked
            }
        }
    }
}
