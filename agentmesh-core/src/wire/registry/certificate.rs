//! What deployed registries call a certificate: unsigned JSON, which proves nothing.
//!
//! Comes as base64 of a JSON object, or as text between `-----BEGIN AGENTMESH CERTIFICATE-----` lines. It is read so that
//! it can be shown and told from X.509; nothing in it is ever believed.

use base64ct::{Base64, Encoding};
use serde::Deserialize;

/// Longest text that is looked at.
const MAX_TEXT: usize = 16 * 1024;
const BEGIN: &str = "-----BEGIN AGENTMESH CERTIFICATE-----";
const END: &str = "-----END AGENTMESH CERTIFICATE-----";

/// An unsigned certificate of a 0.2 registry. **Unverified and unverifiable**: anybody can write one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct LegacyCertificate {
    /// What it calls itself.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// The agent it speaks of.
    #[serde(default)]
    pub amid: Option<String>,
    /// The tier it claims.
    #[serde(default)]
    pub tier: Option<String>,
    /// The key it claims.
    #[serde(default)]
    pub signing_public_key: Option<String>,
    /// When it says that it was issued, RFC 3339.
    #[serde(default)]
    pub issued_at: Option<String>,
    /// When it says that it ends, RFC 3339.
    #[serde(default)]
    pub expires_at: Option<String>,
    /// Who it says issued it.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Its number.
    #[serde(default)]
    pub serial_number: Option<String>,
}

impl LegacyCertificate {
    /// Reads either form; `None` for anything else, X.509 in PEM included.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let text = text.trim();
        let encoded = match text.strip_prefix(BEGIN) {
            Some(rest) => rest.trim_end().strip_suffix(END)?,
            None => text,
        };
        let encoded: String = encoded.split_whitespace().collect();
        serde_json::from_slice(&Base64::decode_vec(&encoded).ok()?).ok()
    }
}
