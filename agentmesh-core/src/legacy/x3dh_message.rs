//! The message that opens a session: which keys the initiator used.

use serde::{Deserialize, Serialize};

use super::{
    LegacyFormatError,
    text::{PublicKey, base64, malformed},
};
use crate::{keys::DhPublicKey, wire::json::Object};

/// An X3DH message.
///
/// ```
/// use agentmesh_core::{keys::DhPublicKey, legacy::X3dhMessage};
///
/// let message = X3dhMessage {
///     identity_key: DhPublicKey::from_bytes([1; 32]),
///     ephemeral_key: DhPublicKey::from_bytes([2; 32]),
///     signed_prekey_id: 1,
///     one_time_prekey_id: None,
/// };
/// assert_eq!(X3dhMessage::from_json(&message.to_json())?, message);
/// # Ok::<(), agentmesh_core::legacy::LegacyFormatError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct X3dhMessage {
    /// The initiator's exchange key. Nothing in here proves whose it is.
    pub identity_key: DhPublicKey,
    /// The key made for this session.
    pub ephemeral_key: DhPublicKey,
    /// Which of the responder's signed prekeys.
    pub signed_prekey_id: u32,
    /// Which of its one-time prekeys, if one was taken.
    pub one_time_prekey_id: Option<u32>,
}

#[derive(Serialize)]
struct Out {
    identity_key: String,
    ephemeral_key: String,
    signed_prekey_id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    one_time_prekey_id: Option<u32>,
}

#[derive(Deserialize)]
struct In {
    #[serde(alias = "identityKey")]
    identity_key: PublicKey,
    #[serde(alias = "ephemeralKey")]
    ephemeral_key: PublicKey,
    #[serde(alias = "signedPrekeyId")]
    signed_prekey_id: u32,
    #[serde(default, alias = "oneTimePrekeyId")]
    one_time_prekey_id: Option<u32>,
}

impl X3dhMessage {
    /// Compact JSON, with base64 and the names of the deployed SDK's serialiser.
    pub fn to_json(&self) -> String {
        let out = Out {
            identity_key: base64(self.identity_key.as_bytes()),
            ephemeral_key: base64(self.ephemeral_key.as_bytes()),
            signed_prekey_id: self.signed_prekey_id,
            one_time_prekey_id: self.one_time_prekey_id,
        };
        serde_json::to_string(&out).unwrap_or_default()
    }

    /// Reads both shapes in use: `identity_key` and base64, or `identityKey` and arrays of numbers.
    ///
    /// # Errors
    /// [`LegacyFormatError::Malformed`].
    pub fn from_json(json: &str) -> Result<Self, LegacyFormatError> {
        let Object(read): Object<In> =
            serde_json::from_str(json).map_err(malformed("X3DH message"))?;
        Ok(Self {
            identity_key: read.identity_key.0,
            ephemeral_key: read.ephemeral_key.0,
            signed_prekey_id: read.signed_prekey_id,
            one_time_prekey_id: read.one_time_prekey_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_shapes_and_writes_one() {
        let numbers = |n: u8| format!("{:?}", [n; 32]);
        let camel = format!(
            r#"{{"identityKey":{},"ephemeralKey":{},"signedPrekeyId":3,"oneTimePrekeyId":7}}"#,
            numbers(1),
            numbers(2)
        );
        let message = X3dhMessage::from_json(&camel).unwrap();
        assert_eq!(
            message.to_json(),
            r#"{"identity_key":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=","ephemeral_key":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=","signed_prekey_id":3,"one_time_prekey_id":7}"#
        );
        assert_eq!(X3dhMessage::from_json(&message.to_json()), Ok(message));
        let without = X3dhMessage { one_time_prekey_id: None, ..message };
        assert!(without.to_json().ends_with(r#""signed_prekey_id":3}"#));
        let null = camel.replace(":7", ":null");
        assert_eq!(X3dhMessage::from_json(&null), Ok(without));
    }

    #[test]
    fn ratchet_keys_are_read_in_both_shapes() {
        let (key, numbers) = (DhPublicKey::from_bytes([1; 32]), format!("{:?}", [1; 32]));
        let text = crate::legacy::ratchet_key_to_json(&key);
        for json in [&text, &numbers] {
            assert_eq!(crate::legacy::ratchet_key_from_json(json), Ok(key), "{json}");
        }
        assert!(crate::legacy::ratchet_key_from_json("[1,2,3]").is_err());
    }

    #[test]
    fn keys_have_32_bytes() {
        for len in [0, 31, 33] {
            let keys = format!("{:?}", vec![1; len]);
            let json =
                format!(r#"{{"identityKey":{keys},"ephemeralKey":{keys},"signedPrekeyId":1}}"#);
            assert!(X3dhMessage::from_json(&json).is_err(), "{len}");
        }
        let odd = r#"{"identity_key":"AQ==","ephemeral_key":"AQ==","signed_prekey_id":1}"#;
        assert!(X3dhMessage::from_json(odd).is_err());
    }
}
