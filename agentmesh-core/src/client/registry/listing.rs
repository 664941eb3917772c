//! What a registry says about an agent, checked as far as it can be: the signing key is that of the AMID. Everything else
//! (exchange key, names, tiers, reputation) is the registry's word.

use base64ct::{Base64, Encoding};

use super::{AnswerError, RegistryError};
use crate::{
    Timestamp,
    identity::Amid,
    keys::{DhPublicKey, VerifyingKey},
    wire::{
        registry::{
            AgentLookup, EXCHANGE_KEY_PREFIX, SIGNING_KEY_PREFIX, SearchQuery, Tier,
            strip_key_prefix,
        },
        relay_frame::PresenceStatus,
    },
};

/// An agent in a registry.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// Who.
    pub amid: Amid,
    /// Its signing key. Verified: the AMID is its hash.
    pub signing_key: VerifyingKey,
    /// The exchange key it registered. Not verified; native sessions take it from the signed bundle instead.
    pub exchange_key: DhPublicKey,
    /// Last sign of life.
    pub last_seen: Option<Timestamp>,
    /// All that the registry says, as it says it.
    pub details: AgentLookup,
}

impl Listing {
    /// Checks an entry; `asked` is the agent that it must be.
    pub(super) fn check(details: AgentLookup, asked: Option<Amid>) -> Result<Self, RegistryError> {
        let amid = match (details.amid.parse::<Amid>(), asked) {
            (Ok(amid), None) => amid,
            (Ok(amid), Some(asked)) if amid == asked => amid,
            (_, Some(asked)) => return Err(AnswerError::KeySwapped { amid: asked }.into()),
            (Err(_), None) => return Err(AnswerError::UnreadableField { field: "amid" }.into()),
        };
        let signing =
            key_bytes(&details.signing_public_key, SIGNING_KEY_PREFIX, "signing_public_key")?;
        let signing_key = VerifyingKey::from_bytes(signing)
            .ok()
            .filter(|key| Amid::of(key) == amid)
            .ok_or(AnswerError::KeySwapped { amid })?;
        let exchange =
            key_bytes(&details.exchange_public_key, EXCHANGE_KEY_PREFIX, "exchange_public_key")?;
        let last_seen = details.last_seen.as_deref().and_then(Timestamp::parse_rfc3339);
        let exchange_key = DhPublicKey::from_bytes(exchange);
        Ok(Self { amid, signing_key, exchange_key, last_seen, details })
    }
}

/// A key in base64, with its prefix or without.
fn key_bytes(text: &str, prefix: &str, field: &'static str) -> Result<[u8; 32], AnswerError> {
    let mut bytes = [0; 32];
    match Base64::decode(strip_key_prefix(text, prefix), &mut bytes) {
        Ok(decoded) if decoded.len() == 32 => Ok(bytes),
        _ => Err(AnswerError::UnreadableField { field }),
    }
}

/// Which agents to look for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AgentSearch {
    /// With exactly this capability.
    pub capability: Option<String>,
    /// Of this tier or a higher one.
    pub min_tier: Option<Tier>,
    /// With at least this reputation, 0 to 1.
    pub min_reputation: Option<f64>,
    /// With exactly this status.
    pub status: Option<PresenceStatus>,
    /// How many, 20 if absent.
    pub limit: Option<u64>,
    /// How many to skip.
    pub offset: Option<u64>,
    /// Revoked agents as well.
    pub include_revoked: bool,
}

impl AgentSearch {
    pub(super) fn query(&self) -> SearchQuery {
        SearchQuery {
            capability: self.capability.clone(),
            tier_min: self.min_tier.as_ref().map(SearchQuery::level_of),
            reputation_min: self.min_reputation,
            status: self.status.clone(),
            limit: self.limit,
            offset: self.offset,
            include_revoked: self.include_revoked.then_some(true),
        }
    }

    /// What the registry cannot filter: it does not tell organisations from verified agents.
    pub(super) fn admits(&self, listing: &Listing) -> bool {
        self.min_tier != Some(Tier::Organization) || listing.details.tier == Tier::Organization
    }
}

/// A page of search results.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchPage {
    /// By reputation, then by last sign of life.
    pub agents: Vec<Listing>,
    /// How many the registry counts on all pages.
    pub total: u64,
    /// Where the next page begins, if this one was full.
    pub next_offset: Option<u64>,
    /// Entries left out, because their key is not that of their AMID or cannot be read.
    pub rejected: usize,
}
