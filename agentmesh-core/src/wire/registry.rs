//! Bodies of the registry's HTTP interface: 0.2 (`docs/protocol/registry.md`) and the native fields of
//! `docs/protocol/native.md` §3.
//!
//! Plain data. Reads what deployed registries and clients write: snake_case and camelCase, one or many one-time
//! prekeys, dates with any number of digits, keys with or without a prefix. Writes the documented shapes. Does not
//! verify anything: that is the business of who holds keys.

use serde::{Deserialize, Serialize};

use super::{relay_frame::PresenceStatus, text_enum::text_enum};

/// Prefix of Ed25519 keys in 0.2 documents.
pub const SIGNING_KEY_PREFIX: &str = "ed25519:";
/// Prefix of X25519 keys in 0.2 documents.
pub const EXCHANGE_KEY_PREFIX: &str = "x25519:";

/// A key without `prefix`, which may be absent.
///
/// A *different* prefix is left in place, so that decoding the base64 fails instead of taking one kind of key for
/// the other.
pub fn strip_key_prefix<'a>(key: &'a str, prefix: &str) -> &'a str {
    key.strip_prefix(prefix).unwrap_or(key)
}

text_enum! {
    /// How well the registry knows who is behind an agent. Not a cryptographic fact.
    pub enum Tier {
        /// Nobody vouches for it.
        Anonymous = "anonymous";
        /// A person or account was verified.
        Verified = "verified";
        /// An organisation was verified.
        Organization = "organization";
    }
}

/// `POST /registry/register`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterRequest {
    /// Who registers.
    pub amid: String,
    /// Ed25519 key, base64, usually prefixed.
    pub signing_public_key: String,
    /// X25519 key, base64, usually prefixed.
    pub exchange_public_key: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What it can do.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Where it can be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay_endpoint: Option<String>,
    /// Where it can be reached without a relay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct_endpoint: Option<String>,
    /// Proof of a verified account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification_token: Option<String>,
    /// RFC 3339.
    pub timestamp: String,
    /// Over the timestamp as sent, base64.
    pub signature: String,
}

/// The answer to [`RegisterRequest`]: 201, or 401 and 409 with `error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterResponse {
    /// Whether the agent is now registered.
    pub success: bool,
    /// Who asked.
    pub amid: String,
    /// The tier it got.
    pub tier: Tier,
    /// Unsigned and never proof of anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One agent, as `lookup` and `search` return it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentLookup {
    /// Who.
    pub amid: String,
    /// What the registry thinks of it.
    #[serde(default = "anonymous")]
    pub tier: Tier,
    /// A name for people.
    #[serde(default, alias = "displayName")]
    pub display_name: Option<String>,
    /// Its organisation.
    #[serde(default)]
    pub organization: Option<String>,
    /// Ed25519 key exactly as registered.
    #[serde(alias = "signingPublicKey")]
    pub signing_public_key: String,
    /// X25519 key exactly as registered.
    #[serde(alias = "exchangePublicKey")]
    pub exchange_public_key: String,
    /// What it can do.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Where it can be reached.
    #[serde(default, alias = "relayEndpoint")]
    pub relay_endpoint: Option<String>,
    /// Where it can be reached without a relay.
    #[serde(default, alias = "directEndpoint")]
    pub direct_endpoint: Option<String>,
    /// Whether it says it can be reached.
    #[serde(default = "offline")]
    pub status: PresenceStatus,
    /// 0 to 1.
    #[serde(default, alias = "reputationScore")]
    pub reputation_score: f64,
    /// Last sign of life, RFC 3339 with 0 to 9 digits of fraction.
    #[serde(default, alias = "lastSeen")]
    pub last_seen: Option<String>,
    /// Unsigned and never proof of anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Marks of the registry's reputation system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<Vec<String>>,
    /// How many ratings the score rests on.
    #[serde(default, alias = "ratingsCount", skip_serializing_if = "Option::is_none")]
    pub ratings_count: Option<u64>,
    /// `rated` from 5 ratings on, else `unrated`.
    #[serde(default, alias = "reputationStatus", skip_serializing_if = "Option::is_none")]
    pub reputation_status: Option<String>,
}

const fn anonymous() -> Tier {
    Tier::Anonymous
}

const fn offline() -> PresenceStatus {
    PresenceStatus::Offline
}

/// The query of `GET /registry/search`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SearchQuery {
    /// Exactly this capability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
    /// On the registry's scale: 2 = everybody, 1 = verified and organisations, 0 = nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier_min: Option<u8>,
    /// At least this reputation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reputation_min: Option<f64>,
    /// Exactly this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<PresenceStatus>,
    /// How many, 20 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// How many to skip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

impl SearchQuery {
    /// The registry's number for agents of at least `tier`. It cannot tell organisations from verified agents: filter
    /// the results for the former.
    pub const fn level_of(tier: &Tier) -> u8 {
        match tier {
            Tier::Verified | Tier::Organization => 1,
            _ => 2,
        }
    }
}

/// The answer to a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchResponse {
    /// By reputation, then by last sign of life.
    pub results: Vec<AgentLookup>,
    /// How many there are on all pages.
    pub total: u64,
    /// The limit used.
    #[serde(default)]
    pub limit: u64,
    /// The offset used.
    #[serde(default)]
    pub offset: u64,
}

/// `POST /registry/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusRequest {
    /// Whose.
    pub amid: String,
    /// The new status.
    pub status: PresenceStatus,
    /// RFC 3339.
    pub timestamp: String,
    /// Over the timestamp, base64.
    pub signature: String,
}

/// `POST /registry/capabilities`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapabilitiesRequest {
    /// Whose.
    pub amid: String,
    /// All of them; the former list is replaced.
    pub capabilities: Vec<String>,
    /// RFC 3339.
    pub timestamp: String,
    /// Over the timestamp, base64.
    pub signature: String,
}

/// `{"success":true}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuccessResponse {
    /// Whether it was done.
    pub success: bool,
}

/// A one-time prekey of 0.2: unsigned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneTimePrekeyJson {
    /// 1 to 2^31-1.
    pub id: u32,
    /// X25519 key, base64.
    pub key: String,
}

/// A native one-time prekey: X25519 or ML-KEM-768, signed with the label `opk` or `kem`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedPrekeyJson {
    /// 1 to 2^31-1.
    pub id: u32,
    /// The key, base64.
    pub key: String,
    /// The identity's signature, base64.
    pub signature: String,
}

/// The native part of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeUpload {
    /// The signed bundle, base64.
    pub bundle: String,
    /// One-time prekeys that the registry does not have yet.
    #[serde(default)]
    pub opks: Vec<SignedPrekeyJson>,
    /// One-time ML-KEM prekeys that the registry does not have yet.
    #[serde(default)]
    pub kopks: Vec<SignedPrekeyJson>,
}

/// `POST /registry/prekeys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrekeyUpload {
    /// Whose.
    pub amid: String,
    /// X25519 key, base64.
    pub signed_prekey: String,
    /// Over the 32 bytes of the key, base64.
    pub signed_prekey_signature: String,
    /// Its id.
    pub signed_prekey_id: u32,
    /// For peers that speak only 0.2.
    #[serde(default)]
    pub one_time_prekeys: Vec<OneTimePrekeyJson>,
    /// RFC 3339.
    pub timestamp: String,
    /// Over the timestamp, base64.
    pub signature: String,
    /// Ignored by a plain 0.2 registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<NativeUpload>,
}

/// The answer to [`PrekeyUpload`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrekeyUploadResponse {
    /// Whether it was stored.
    pub success: bool,
    /// The id now served.
    #[serde(default)]
    pub signed_prekey_id: u32,
    /// How many one-time prekeys were submitted.
    #[serde(default)]
    pub one_time_prekeys_stored: u64,
    /// How much native material the registry holds now; absent if it knows none, and then the upload was plain 0.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<NativeStock>,
}

/// What a registry holds of an agent's native one-time prekeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeStock {
    /// One-time prekeys left.
    #[serde(default)]
    pub opks: u64,
    /// One-time ML-KEM prekeys left.
    #[serde(default)]
    pub kopks: u64,
}

/// The native part of a download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeBundleJson {
    /// The signed bundle, base64.
    pub bundle: String,
    /// A one-time prekey, for signed requests while there are some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opk: Option<SignedPrekeyJson>,
    /// A one-time ML-KEM prekey, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kopk: Option<SignedPrekeyJson>,
}

/// `GET /registry/prekeys/{amid}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrekeyResponse {
    /// The registered X25519 key, usually prefixed.
    pub identity_key: String,
    /// X25519 key, base64.
    pub signed_prekey: String,
    /// Over the 32 bytes of the key, base64.
    pub signed_prekey_signature: String,
    /// Its id.
    pub signed_prekey_id: u32,
    /// One of two spellings of the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_time_prekey: Option<OneTimePrekeyJson>,
    /// The other spelling: a list of at most one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_time_prekeys: Option<Vec<OneTimePrekeyJson>>,
    /// Absent from a plain 0.2 registry and for plain 0.2 agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<NativeBundleJson>,
}

impl PrekeyResponse {
    /// The one-time prekey under either spelling.
    pub fn one_time(&self) -> Option<&OneTimePrekeyJson> {
        self.one_time_prekey.as_ref().or_else(|| self.one_time_prekeys.as_ref()?.first())
    }
}

/// `GET /health` below `/v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthResponse {
    /// `healthy`, or `starting`.
    pub status: String,
    /// The protocol spoken.
    #[serde(default)]
    pub version: String,
    /// Agents known.
    #[serde(default, alias = "agentCount")]
    pub agents_registered: u64,
    /// Agents whose status is `online`.
    #[serde(default)]
    pub agents_online: u64,
}

/// `GET /registry/stats`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StatsResponse {
    /// Agents known.
    pub total_agents: u64,
    /// Agents whose status is `online`.
    pub online_agents: u64,
    /// How many of each tier.
    #[serde(default)]
    pub by_tier: std::collections::BTreeMap<String, u64>,
    /// How many of each status.
    #[serde(default)]
    pub by_status: std::collections::BTreeMap<String, u64>,
    /// Mean reputation.
    #[serde(default)]
    pub average_reputation: f64,
}

/// The body of a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What went wrong, for people.
    pub error: String,
    /// What went wrong, for programs (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lookup_accepts_both_spellings_and_odd_dates() {
        let snake = r#"{"amid":"A","tier":"anonymous","display_name":null,"organization":null,"signing_public_key":"ed25519:x","exchange_public_key":"x25519:y","capabilities":["a"],"relay_endpoint":"w","direct_endpoint":null,"status":"busy","reputation_score":0.5,"last_seen":"2026-02-04T12:00:00.123456789Z","ratings_count":0,"reputation_status":"unrated"}"#;
        let camel = r#"{"amid":"A","tier":"anonymous","displayName":null,"signingPublicKey":"ed25519:x","exchangePublicKey":"x25519:y","capabilities":["a"],"relayEndpoint":"w","directEndpoint":null,"status":"busy","reputationScore":0.5,"lastSeen":"2026-02-04T12:00:00.123456789Z","ratingsCount":0,"reputationStatus":"unrated","new":[1]}"#;
        let a: AgentLookup = serde_json::from_str(snake).unwrap();
        let b: AgentLookup = serde_json::from_str(camel).unwrap();
        assert_eq!(a, b);
        assert_eq!(a.status, PresenceStatus::Unknown("busy".into()));
        assert_eq!(serde_json::to_string(&a).unwrap(), snake);
    }

    #[test]
    fn one_time_prekey_is_found_under_both_spellings() {
        let base = r#""identity_key":"x25519:y","signed_prekey":"s","signed_prekey_signature":"g","signed_prekey_id":1"#;
        let read = |more: &str| {
            serde_json::from_str::<PrekeyResponse>(&format!("{{{base}{more}}}")).unwrap()
        };
        assert_eq!(read("").one_time(), None);
        assert_eq!(read(r#","one_time_prekeys":[]"#).one_time(), None);
        let key = OneTimePrekeyJson { id: 7, key: "k".into() };
        assert_eq!(read(r#","one_time_prekey":{"id":7,"key":"k"}"#).one_time(), Some(&key));
        assert_eq!(read(r#","one_time_prekeys":[{"id":7,"key":"k"}]"#).one_time(), Some(&key));
    }

    #[test]
    fn plain_upload_has_no_native_field() {
        let mut upload = PrekeyUpload {
            amid: "A".into(),
            signed_prekey: "s".into(),
            signed_prekey_signature: "g".into(),
            signed_prekey_id: 1,
            one_time_prekeys: vec![],
            timestamp: "T".into(),
            signature: "S".into(),
            native: None,
        };
        assert_eq!(
            serde_json::to_string(&upload).unwrap(),
            r#"{"amid":"A","signed_prekey":"s","signed_prekey_signature":"g","signed_prekey_id":1,"one_time_prekeys":[],"timestamp":"T","signature":"S"}"#
        );
        upload.native = Some(NativeUpload { bundle: "b".into(), opks: vec![], kopks: vec![] });
        assert!(
            serde_json::to_string(&upload)
                .unwrap()
                .ends_with(r#""native":{"bundle":"b","opks":[],"kopks":[]}}"#)
        );
    }

    #[test]
    fn prefixes_are_optional_and_never_swapped() {
        assert_eq!(strip_key_prefix("ed25519:AAA=", SIGNING_KEY_PREFIX), "AAA=");
        assert_eq!(strip_key_prefix("AAA=", SIGNING_KEY_PREFIX), "AAA=");
        assert_eq!(strip_key_prefix("x25519:AAA=", SIGNING_KEY_PREFIX), "x25519:AAA=");
    }

    #[test]
    fn tiers_on_the_registrys_scale() {
        assert_eq!(SearchQuery::level_of(&Tier::Anonymous), 2);
        assert_eq!(SearchQuery::level_of(&Tier::Verified), 1);
        assert_eq!(SearchQuery::level_of(&Tier::Organization), 1);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,200}") {
            let _ = serde_json::from_str::<AgentLookup>(&text);
            let _ = serde_json::from_str::<PrekeyResponse>(&text);
            let _ = serde_json::from_str::<PrekeyUpload>(&text);
            let _ = serde_json::from_str::<SearchResponse>(&text);
        }

        #[test]
        fn register_survives_a_round_trip(amid in ".{0,30}", name in prop::option::of(".{0,30}"), capabilities in prop::collection::vec(".{0,10}", 0..4)) {
            let request = RegisterRequest {
                amid,
                signing_public_key: "ed25519:x".into(),
                exchange_public_key: "x25519:y".into(),
                display_name: name,
                capabilities,
                relay_endpoint: None,
                direct_endpoint: None,
                verification_token: None,
                timestamp: "T".into(),
                signature: "S".into(),
            };
            let json = serde_json::to_string(&request).unwrap();
            prop_assert_eq!(serde_json::from_str::<RegisterRequest>(&json).unwrap(), request);
        }
    }
}
