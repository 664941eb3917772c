//! Which KNOCKs are accepted: rules of the application's owner, judged in a fixed order without side effects.
//!
//! The rules, their order and their reasons are 0.2's, so that peers read what they know; where 0.2 let something
//! through by accident (an empty capability, a reputation that is no number), this does not. Whatever is unknown or
//! out of range counts against the KNOCK.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Decision, SessionType, Tier, policy_file::PolicyFile};
use crate::{
    identity::Amid,
    limits::{CLOCK_SKEW, DEFAULT_SESSION_TTL},
    wire::json::Object,
};

/// Seconds after which a peer may try again when we were busy.
const BUSY_RETRY_S: u64 = 60;

/// Limits on how often peers come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimit {
    /// KNOCKs of one peer in a minute.
    #[serde(alias = "knocks_per_minute")]
    pub knocks_per_minute: u32,
    /// Messages of one peer in a minute. Not judged here, since a KNOCK says nothing about messages to come: what comes
    /// faster is received, and waits in the inbox until its turn.
    #[serde(alias = "messages_per_minute")]
    pub messages_per_minute: u32,
}

/// Rules by which KNOCKs are accepted or rejected.
///
/// [`Policy::from_json`] reads policy files in both spellings and refuses what it does not understand: a policy that
/// cannot be read is an error, never a policy that accepts everybody.
///
/// ```
/// use agentmesh_core::knock::Policy;
///
/// let policy = Policy::from_json(r#"{"minTier":"verified","allowedIntents":["weather/forecast"]}"#)?;
/// assert!(policy.allowed_intents.contains("weather/forecast"));
/// assert!(Policy::from_json(r#"{"minTeir":"verified"}"#).is_err());
/// # Ok::<(), agentmesh_core::knock::PolicyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "Object<PolicyFile>")]
#[non_exhaustive]
pub struct Policy {
    /// The lowest tier accepted.
    pub min_tier: Tier,
    /// If not empty, the only tiers accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accepted_tiers: Vec<Tier>,
    /// The lowest reputation accepted, 0 to 1.
    pub min_reputation: f64,
    /// If not empty, the only capabilities accepted. Compared as they are: no wildcards.
    pub allowed_intents: BTreeSet<String>,
    /// If not empty, the only ways of using a session that are accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accepted_session_types: Vec<SessionType>,
    /// Capabilities rejected.
    pub blocked_intents: BTreeSet<String>,
    /// Whether `travel` in the two lists above stands for `travel/flights` as well. Off in 0.2's spelling, where
    /// comparison is exact; on in files of the written specification, whose intents are categories.
    pub match_categories: bool,
    /// If not empty, the only agents accepted.
    pub allowed_amids: BTreeSet<Amid>,
    /// Agents rejected.
    pub blocked_amids: BTreeSet<Amid>,
    /// Whether an empty `allowed_amids` accepts nobody, rather than anybody.
    pub strict_mode: bool,
    /// Whether what these rules accept is accepted without asking the application's handler. Not judged here.
    pub auto_accept: bool,
    /// The longest session granted, in seconds. A KNOCK that asks for more is rejected.
    pub max_session_ttl: u64,
    /// Sessions at a time.
    pub max_concurrent_sessions: u32,
    /// Whether peers of the unauthenticated 0.2 suite are accepted at all.
    pub allow_legacy: bool,
    /// How often peers may come, if that is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// Whether KNOCKs are rejected that waited for us while we were offline, more than five minutes.
    pub auto_reject_when_offline: bool,
    /// Whether the registry must say that a peer is not revoked, before a session is accepted or opened. If it cannot be
    /// asked, no session is.
    pub require_revocation_check: bool,
}

impl Default for Policy {
    /// Anybody, for sessions of at most five minutes, 100 at a time; no legacy peers.
    fn default() -> Self {
        Self {
            min_tier: Tier::Anonymous,
            accepted_tiers: Vec::new(),
            min_reputation: 0.0,
            allowed_intents: BTreeSet::new(),
            accepted_session_types: Vec::new(),
            blocked_intents: BTreeSet::new(),
            match_categories: false,
            allowed_amids: BTreeSet::new(),
            blocked_amids: BTreeSet::new(),
            strict_mode: false,
            auto_accept: false,
            max_session_ttl: DEFAULT_SESSION_TTL,
            max_concurrent_sessions: 100,
            allow_legacy: false,
            rate_limit: None,
            auto_reject_when_offline: false,
            require_revocation_check: false,
        }
    }
}

/// What a policy judges.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct KnockContext<'a> {
    /// Who knocks, verified.
    pub from: Amid,
    /// What the registry says that the peer is. Never what the KNOCK claims.
    pub tier: Tier,
    /// What the registry says of the peer's reputation.
    pub reputation: f64,
    /// The capability asked for.
    pub capability: &'a str,
    /// How the session is to be used.
    pub session_type: SessionType,
    /// The lifetime asked for, in seconds.
    pub ttl_s: u64,
    /// Whether the session would be of the 0.2 suite.
    pub legacy: bool,
    /// How old the KNOCK is, in milliseconds.
    pub age_ms: u64,
    /// KNOCKs of this peer within the last minute, without this one.
    pub knocks_last_minute: u32,
    /// Sessions that are open, without this one.
    pub sessions: usize,
    /// What the registry says of whether the peer was revoked.
    pub revocation: RevocationState,
}

/// Whether an agent was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevocationState {
    /// The registry was not asked, or could not be.
    Unchecked,
    /// It says no.
    Clear,
    /// It says yes.
    Revoked,
}

impl<'a> KnockContext<'a> {
    /// A native KNOCK of just now, of a peer that the registry does not know, with nothing else going on.
    pub const fn new(from: Amid, capability: &'a str, ttl_s: u64) -> Self {
        Self {
            from,
            tier: Tier::Anonymous,
            reputation: 0.0,
            capability,
            session_type: SessionType::OneShot,
            ttl_s,
            legacy: false,
            age_ms: 0,
            knocks_last_minute: 0,
            sessions: 0,
            revocation: RevocationState::Unchecked,
        }
    }
}

impl Policy {
    /// Accepts anybody without asking the handler; otherwise the default.
    pub fn permissive() -> Self {
        Self { auto_accept: true, ..Self::default() }
    }

    /// Accepts verified agents and organizations of a reputation of 0.5 and more.
    pub fn verified() -> Self {
        Self { min_tier: Tier::Verified, min_reputation: 0.5, ..Self::default() }
    }

    /// Accepts organizations of a reputation of 0.7 and more.
    pub fn organization() -> Self {
        Self { min_tier: Tier::Organization, min_reputation: 0.7, ..Self::default() }
    }

    /// Judges a KNOCK. The first rule that it breaks gives the reason.
    ///
    /// ```
    /// use agentmesh_core::{identity::Amid, knock::{Decision, KnockContext, Policy, Tier}};
    ///
    /// let mut knock = KnockContext::new(Amid::from_bytes([7; 20]), "weather/forecast", 300);
    /// assert!(Policy::default().evaluate(&knock).is_accept());
    /// assert_eq!(
    ///     Policy::verified().evaluate(&knock),
    ///     Decision::reject("Tier anonymous below minimum verified")
    /// );
    /// knock.tier = Tier::Verified;
    /// knock.reputation = 0.8;
    /// assert!(Policy::verified().evaluate(&knock).is_accept());
    /// ```
    pub fn evaluate(&self, knock: &KnockContext<'_>) -> Decision {
        match self.objection(knock) {
            Some(objection) => objection,
            None => Decision::Accept { ttl_s: Some(knock.ttl_s) },
        }
    }

    fn objection(&self, knock: &KnockContext<'_>) -> Option<Decision> {
        // What 0.2 does not know comes before and after its rules, whose order is part of the protocol.
        if knock.legacy && !self.allow_legacy {
            return Some(Decision::reject("Legacy protocol not allowed"));
        }
        self.peer_objection(knock)
            .or_else(|| self.intent_objection(knock.capability))
            .or_else(|| self.type_objection(knock.session_type))
            .or_else(|| self.ttl_objection(knock.ttl_s))
            .map(Decision::reject)
            .or_else(|| self.revocation_objection(knock.revocation))
            .or_else(|| self.load_objection(knock))
    }

    /// A revoked peer is rejected even if nobody asked for the check.
    fn revocation_objection(&self, state: RevocationState) -> Option<Decision> {
        match state {
            RevocationState::Clear => None,
            RevocationState::Revoked => Some(Decision::reject("Agent is revoked")),
            RevocationState::Unchecked => self
                .require_revocation_check
                .then(|| Decision::reject_for("Revocation could not be checked", BUSY_RETRY_S)),
        }
    }

    fn peer_objection(&self, knock: &KnockContext<'_>) -> Option<String> {
        let KnockContext { from, tier, reputation, .. } = knock;
        if self.blocked_amids.contains(from) {
            return Some("AMID is blocked".into());
        }
        let restricted = self.strict_mode || !self.allowed_amids.is_empty();
        if restricted && !self.allowed_amids.contains(from) {
            return Some("AMID not in allow list".into());
        }
        if level(tier).unwrap_or(0) < level(&self.min_tier).unwrap_or(u8::MAX) {
            return Some(format!("Tier {tier} below minimum {}", self.min_tier));
        }
        if !self.accepted_tiers.is_empty() && !self.accepts_tier(tier) {
            return Some(format!("Tier {tier} not accepted"));
        }
        // True of NaN on either side as well.
        if !(reputation.is_finite() && *reputation >= self.min_reputation) {
            return Some(format!("Reputation {reputation} below minimum {}", self.min_reputation));
        }
        None
    }

    fn accepts_tier(&self, tier: &Tier) -> bool {
        let held = level(tier).unwrap_or(0);
        self.accepted_tiers.iter().any(|accepted| level(accepted) == Some(held))
    }

    fn intent_objection(&self, capability: &str) -> Option<String> {
        if self.lists(&self.blocked_intents, capability) {
            return Some(format!("Intent category {capability} is blocked"));
        }
        if !self.allowed_intents.is_empty() && !self.lists(&self.allowed_intents, capability) {
            return Some(format!("Intent category {capability} not in allow list"));
        }
        None
    }

    fn lists(&self, intents: &BTreeSet<String>, capability: &str) -> bool {
        let mut categories =
            capability.match_indices('/').filter_map(|(end, _)| capability.get(..end));
        intents.contains(capability)
            || self.match_categories && categories.any(|category| intents.contains(category))
    }

    fn type_objection(&self, asked: SessionType) -> Option<String> {
        let accepted = &self.accepted_session_types;
        let refused = !accepted.is_empty() && !accepted.contains(&asked);
        refused.then(|| format!("Session type {asked} not accepted"))
    }

    fn ttl_objection(&self, ttl_s: u64) -> Option<String> {
        let max = self.max_session_ttl;
        (ttl_s > max).then(|| format!("Requested TTL {ttl_s}s exceeds maximum {max}s"))
    }

    fn load_objection(&self, knock: &KnockContext<'_>) -> Option<Decision> {
        if self.auto_reject_when_offline && knock.age_ms > CLOCK_SKEW {
            return Some(Decision::reject("Agent was offline"));
        }
        if let Some(RateLimit { knocks_per_minute: limit, .. }) = self.rate_limit
            && knock.knocks_last_minute >= limit
        {
            let reason = format!("More than {limit} KNOCKs per minute");
            return Some(Decision::reject_for(reason, BUSY_RETRY_S));
        }
        let limit = self.max_concurrent_sessions;
        if knock.sessions >= usize::try_from(limit).unwrap_or(usize::MAX) {
            let reason = format!("Maximum of {limit} concurrent sessions reached");
            return Some(Decision::reject_for(reason, BUSY_RETRY_S));
        }
        None
    }
}

/// How much a tier is worth. What is unknown is worth nothing to the peer, and cannot be reached as a minimum.
const fn level(tier: &Tier) -> Option<u8> {
    match tier {
        Tier::Anonymous => Some(0),
        Tier::Verified => Some(1),
        Tier::Organization => Some(2),
        _ => None,
    }
}
