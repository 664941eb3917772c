//! Policy files: 0.2's `policy.json` in camelCase, and the written specification's in snake_case.
//!
//! Fail closed. A file that is not understood to the last member is an error: a misspelt block list would otherwise be
//! no block list. One rule given in both spellings is an error as well, since one of the two would be lost. A file
//! that leaves a rule out gets the default.
//!
//! | written specification | becomes |
//! |---|---|
//! | `accept_tiers` | `accepted_tiers`; numbers 2, 1, 1.5 are anonymous, verified, organization |
//! | `accepted_intents`, `rejected_intents` | `allowed_intents`, `blocked_intents`, matched by category |
//! | `allowlist`, `blocklist` | `allowed_amids`, `blocked_amids`; the allow list counts even without `strict_mode` |
//! | `strict_mode` | an empty allow list accepts nobody |
//! | `rate_limit`, `max_concurrent_sessions`, `min_reputation`, `auto_reject_when_offline` | the same |
//! | `store_transcripts`, `notify_owner` | nothing: they do not say which KNOCKs to accept |

use core::fmt;
use std::collections::BTreeSet;

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny},
};

use super::{Policy, RateLimit, SessionType, Tier};
use crate::{error::errors, identity::Amid, limits::MAX_POLICY_FILE, wire::json::Object};

errors! {
    /// Why a policy file was refused. Nothing of it is in force then.
    pub enum PolicyError {
        /// Larger than a policy can sensibly be.
        #[error("policy of {actual} bytes exceeds the limit of {limit}")]
        TooLong {
            /// The limit in bytes.
            limit: usize,
            /// What was given.
            actual: usize,
        } = "POLICY_TOO_LONG", InvalidInput, permanent;
        /// Not JSON, or a member is unknown, of the wrong type, out of range or given twice.
        #[error("policy: {problem}")]
        Malformed {
            /// What and where, for whoever edits the file. Quotes the file.
            problem: String,
        } = "POLICY_MALFORMED", InvalidInput, permanent;
    }
}

impl Policy {
    /// Reads a policy file in either spelling.
    ///
    /// # Errors
    /// [`PolicyError`]. Do not go on with another policy then.
    pub fn from_json(text: &str) -> Result<Self, PolicyError> {
        if text.len() > MAX_POLICY_FILE {
            return Err(PolicyError::TooLong { limit: MAX_POLICY_FILE, actual: text.len() });
        }
        serde_json::from_str(text)
            .map_err(|error| PolicyError::Malformed { problem: error.to_string() })
    }

    /// The policy as a file, in camelCase. [`Policy::from_json`] gives it back.
    ///
    /// # Errors
    /// [`PolicyError::Malformed`] for a policy that no file can say, such as a minimum reputation that is no number.
    pub fn to_json(&self) -> Result<String, PolicyError> {
        let malformed = |problem: String| PolicyError::Malformed { problem };
        let text = serde_json::to_string_pretty(self).map_err(|e| malformed(e.to_string()))?;
        Self::from_json(&text).map(|_| text)
    }
}

/// A file as written. Members that are left out take their value from [`Policy::default`]; `null` is no value.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct PolicyFile {
    #[serde(alias = "min_tier")]
    min_tier: NamedTier,
    #[serde(alias = "accept_tiers", alias = "accepted_tiers", deserialize_with = "some")]
    accepted_tiers: Vec<AnyTier>,
    #[serde(alias = "min_reputation")]
    min_reputation: f64,
    #[serde(alias = "allowed_intents", alias = "acceptedIntents")]
    allowed_intents: BTreeSet<String>,
    #[serde(alias = "accepted_session_types", deserialize_with = "some_types")]
    accepted_session_types: Vec<SessionType>,
    #[serde(alias = "blocked_intents", alias = "rejectedIntents")]
    blocked_intents: BTreeSet<String>,
    #[serde(rename = "accepted_intents", deserialize_with = "given")]
    accepted_categories: Option<BTreeSet<String>>,
    #[serde(rename = "rejected_intents", deserialize_with = "given")]
    rejected_categories: Option<BTreeSet<String>>,
    #[serde(alias = "match_categories")]
    match_categories: bool,
    #[serde(alias = "allowed_amids", alias = "allowlist")]
    allowed_amids: BTreeSet<Amid>,
    #[serde(alias = "blocked_amids", alias = "blocklist")]
    blocked_amids: BTreeSet<Amid>,
    #[serde(alias = "strict_mode")]
    strict_mode: bool,
    #[serde(alias = "auto_accept")]
    auto_accept: bool,
    #[serde(alias = "max_session_ttl")]
    max_session_ttl: u64,
    #[serde(alias = "max_concurrent_sessions")]
    max_concurrent_sessions: u32,
    #[serde(alias = "allow_legacy")]
    allow_legacy: bool,
    #[serde(alias = "rate_limit", deserialize_with = "given")]
    rate_limit: Option<Object<RateLimit>>,
    #[serde(alias = "auto_reject_when_offline")]
    auto_reject_when_offline: bool,
    #[serde(alias = "require_revocation_check")]
    require_revocation_check: bool,
    #[serde(rename = "store_transcripts")]
    _store_transcripts: bool,
    #[serde(rename = "notify_owner")]
    _notify_owner: IgnoredAny,
}

impl Default for PolicyFile {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            min_tier: NamedTier(policy.min_tier),
            accepted_tiers: Vec::new(),
            min_reputation: policy.min_reputation,
            allowed_intents: policy.allowed_intents,
            accepted_session_types: Vec::new(),
            blocked_intents: policy.blocked_intents,
            accepted_categories: None,
            rejected_categories: None,
            match_categories: policy.match_categories,
            allowed_amids: policy.allowed_amids,
            blocked_amids: policy.blocked_amids,
            strict_mode: policy.strict_mode,
            auto_accept: policy.auto_accept,
            max_session_ttl: policy.max_session_ttl,
            max_concurrent_sessions: policy.max_concurrent_sessions,
            allow_legacy: policy.allow_legacy,
            rate_limit: None,
            auto_reject_when_offline: policy.auto_reject_when_offline,
            require_revocation_check: policy.require_revocation_check,
            _store_transcripts: false,
            _notify_owner: IgnoredAny,
        }
    }
}

impl TryFrom<Object<PolicyFile>> for Policy {
    type Error = &'static str;

    fn try_from(Object(file): Object<PolicyFile>) -> Result<Self, &'static str> {
        if !(0.0..=1.0).contains(&file.min_reputation) {
            return Err("the minimum reputation is not between 0 and 1");
        }
        let by_category = file.accepted_categories.is_some() || file.rejected_categories.is_some();
        let exact = !file.allowed_intents.is_empty() || !file.blocked_intents.is_empty();
        if by_category && exact {
            return Err("intents are given in both spellings");
        }
        Ok(Self {
            min_tier: file.min_tier.0,
            accepted_tiers: file.accepted_tiers.into_iter().map(|tier| tier.0).collect(),
            min_reputation: file.min_reputation,
            allowed_intents: file.accepted_categories.unwrap_or(file.allowed_intents),
            accepted_session_types: file.accepted_session_types,
            blocked_intents: file.rejected_categories.unwrap_or(file.blocked_intents),
            match_categories: file.match_categories || by_category,
            allowed_amids: file.allowed_amids,
            blocked_amids: file.blocked_amids,
            strict_mode: file.strict_mode,
            auto_accept: file.auto_accept,
            max_session_ttl: file.max_session_ttl,
            max_concurrent_sessions: file.max_concurrent_sessions,
            allow_legacy: file.allow_legacy,
            rate_limit: file.rate_limit.map(|Object(limit)| limit),
            auto_reject_when_offline: file.auto_reject_when_offline,
            require_revocation_check: file.require_revocation_check,
        })
    }
}

/// A value that must not be `null`.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// A list that must not be empty: empty, it would say that nobody is accepted, and do the opposite.
fn some<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<AnyTier>, D::Error> {
    let list = Vec::deserialize(from)?;
    if list.is_empty() { Err(de::Error::custom("a list of tiers is empty")) } else { Ok(list) }
}

fn some_types<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<SessionType>, D::Error> {
    let list = Vec::deserialize(from)?;
    if list.is_empty() {
        return Err(de::Error::custom("a list of session types is empty"));
    }
    Ok(list)
}

/// A tier by its name.
struct NamedTier(Tier);

impl<'de> Deserialize<'de> for NamedTier {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Tier::deserialize(from)? {
            Tier::Unknown(_) => Err(de::Error::custom("unknown tier")),
            tier => Ok(Self(tier)),
        }
    }
}

/// A tier by its name, or by its number in the written specification.
struct AnyTier(Tier);

impl<'de> Deserialize<'de> for AnyTier {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = AnyTier;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anonymous, verified or organization, or 2, 1 or 1.5")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<AnyTier, E> {
                match Tier::from(text) {
                    Tier::Unknown(_) => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                    tier => Ok(AnyTier(tier)),
                }
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<AnyTier, E> {
                match number {
                    1 => Ok(AnyTier(Tier::Verified)),
                    2 => Ok(AnyTier(Tier::Anonymous)),
                    _ => Err(E::invalid_value(de::Unexpected::Unsigned(number), &self)),
                }
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<AnyTier, E> {
                match number {
                    1.0 => Ok(AnyTier(Tier::Verified)),
                    1.5 => Ok(AnyTier(Tier::Organization)),
                    2.0 => Ok(AnyTier(Tier::Anonymous)),
                    _ => Err(E::invalid_value(de::Unexpected::Float(number), &self)),
                }
            }
        }
        from.deserialize_any(Visitor)
    }
}
