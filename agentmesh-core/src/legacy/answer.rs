//! What is said to a KNOCK of `agentmesh/0.2`.
//!
//! The deployed ACCEPT carries no keys. Ours adds the responder's ratchet key, which the initiator needs, with a signature of
//! its own; deployed parsers ignore both.

use serde::Deserialize;

use super::{
    LegacyFormatError, LegacyKnockError, VerifiedLegacyKnock,
    ecma::write_string,
    knock::{check_time, verify},
    text::{PublicKey, base64, malformed, unbase64},
};
use crate::{
    identity::{Amid, Identity},
    keys::{DhPublicKey, Signature, VerifyingKey},
    limits::{LEGACY_MAX_COUNTER, LEGACY_MAX_KNOCK, LEGACY_MAX_SESSION_ID, MAX_REASON},
    time::Timestamp,
    wire::json::Object,
};

const WHAT: &str = "KNOCK response";

/// Yes or no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegacyVerdict {
    /// Accepted.
    Accept {
        /// The name that the responder gives the session: `sess_` and 32 hex digits by itself.
        session_id: String,
        /// The responder's ratchet key, if it hands it over here.
        ratchet_key: Option<DhPublicKey>,
    },
    /// Rejected.
    Reject {
        /// Why.
        reason: String,
    },
}

/// An answer to a KNOCK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyAnswer {
    verdict: LegacyVerdict,
    timestamp: u64,
    from: Amid,
    to: Amid,
    knock_nonce: String,
    signature: Option<Signature>,
    ratchet_key_signature: Option<Signature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct In {
    r#type: String,
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    timestamp: u64,
    from: String,
    to: String,
    knock_nonce: String,
    signature: String,
    #[serde(default)]
    ratchet_key: Option<PublicKey>,
    #[serde(default)]
    ratchet_key_signature: Option<String>,
}

impl LegacyAnswer {
    /// A signed answer to `knock`.
    pub fn sign(
        own: &Identity,
        knock: &VerifiedLegacyKnock,
        verdict: LegacyVerdict,
        now: Timestamp,
    ) -> Self {
        let mut answer = Self {
            verdict,
            timestamp: now.as_millis(),
            from: own.amid(),
            to: knock.from,
            knock_nonce: knock.nonce_text.clone(),
            signature: None,
            ratchet_key_signature: None,
        };
        // Neither text begins like anything that the native protocol signs.
        answer.signature = own.sign(answer.signing_string().as_bytes()).ok();
        answer.ratchet_key_signature =
            answer.ratchet_key_string().and_then(|text| own.sign(text.as_bytes()).ok());
        answer
    }

    /// Reads an answer, and verifies nothing.
    ///
    /// # Errors
    /// [`LegacyFormatError`].
    pub fn from_json(json: &str) -> Result<Self, LegacyFormatError> {
        if json.len() > LEGACY_MAX_KNOCK {
            let (limit, actual) = (LEGACY_MAX_KNOCK, json.len());
            return Err(LegacyFormatError::TooLong { what: WHAT, limit, actual });
        }
        let Object(read): Object<In> = serde_json::from_str(json).map_err(malformed(WHAT))?;
        let invalid = |field| LegacyFormatError::InvalidValue { what: WHAT, field };
        if read.timestamp > LEGACY_MAX_COUNTER {
            return Err(invalid("timestamp"));
        }
        let signature = |text: &str| unbase64(text).and_then(|s| Signature::from_slice(&s).ok());
        let verdict = match (read.r#type.as_str(), read.session_id, read.reason) {
            ("ACCEPT", Some(session_id), _) if session_id.len() <= LEGACY_MAX_SESSION_ID => {
                let ratchet_key = read.ratchet_key.map(|key| key.0);
                LegacyVerdict::Accept { session_id, ratchet_key }
            }
            ("ACCEPT", ..) => return Err(invalid("sessionId")),
            ("REJECT", _, Some(reason)) if reason.len() <= MAX_REASON => {
                LegacyVerdict::Reject { reason }
            }
            ("REJECT", ..) => return Err(invalid("reason")),
            _ => return Err(invalid("type")),
        };
        Ok(Self {
            verdict,
            timestamp: read.timestamp,
            from: read.from.parse().map_err(|_| invalid("from"))?,
            to: read.to.parse().map_err(|_| invalid("to"))?,
            knock_nonce: read.knock_nonce,
            signature: signature(&read.signature),
            ratchet_key_signature: read.ratchet_key_signature.as_deref().and_then(signature),
        })
    }

    /// The answer as it goes over the wire.
    pub fn to_json(&self) -> String {
        let text = |s: &Option<Signature>| s.map(|s| base64(s.as_bytes())).unwrap_or_default();
        let mut json = self.signing_string();
        json.pop();
        json.push_str(&format!(",\"signature\":\"{}\"", text(&self.signature)));
        if let LegacyVerdict::Accept { ratchet_key: Some(key), .. } = &self.verdict {
            json.push_str(&format!(
                ",\"ratchetKey\":\"{}\",\"ratchetKeySignature\":\"{}\"",
                base64(key.as_bytes()),
                text(&self.ratchet_key_signature)
            ));
        }
        json.push('}');
        json
    }

    /// The text that is signed.
    pub fn signing_string(&self) -> String {
        let (kind, name, value) = match &self.verdict {
            LegacyVerdict::Accept { session_id, .. } => ("ACCEPT", "sessionId", session_id),
            LegacyVerdict::Reject { reason } => ("REJECT", "reason", reason),
        };
        let mut out = format!("{{\"type\":\"{kind}\",\"{name}\":");
        write_string(&mut out, value);
        out.push_str(&format!(
            ",\"timestamp\":{},\"from\":\"{}\",\"to\":\"{}\",\"knockNonce\":",
            self.timestamp, self.from, self.to
        ));
        write_string(&mut out, &self.knock_nonce);
        out.push('}');
        out
    }

    /// The text under the ratchet key's own signature; none if there is no key.
    fn ratchet_key_string(&self) -> Option<String> {
        let LegacyVerdict::Accept { session_id, ratchet_key: Some(key) } = &self.verdict else {
            return None;
        };
        let (nonce, key) = (&self.knock_nonce, base64(key.as_bytes()));
        Some(format!("agentmesh-ratchet-key:{nonce}:{session_id}:{key}"))
    }

    /// Who it says it is from.
    pub const fn from(&self) -> Amid {
        self.from
    }

    /// Which KNOCK it answers.
    pub fn knock_nonce(&self) -> &str {
        &self.knock_nonce
    }

    /// Verifies the answer to our KNOCK with that nonce, sent to the owner of `signer`.
    ///
    /// # Errors
    /// [`LegacyKnockError::WrongNonce`], [`LegacyKnockError::NotForUs`], [`LegacyKnockError::Stale`],
    /// [`LegacyKnockError::Signature`], [`LegacyKnockError::RatchetKeySignature`].
    pub fn verify(
        &self,
        own: &Amid,
        signer: &VerifyingKey,
        knock_nonce: &str,
        now: Timestamp,
    ) -> Result<&LegacyVerdict, LegacyKnockError> {
        if self.knock_nonce != knock_nonce {
            return Err(LegacyKnockError::WrongNonce);
        }
        if self.to != *own {
            return Err(LegacyKnockError::NotForUs);
        }
        check_time(self.timestamp, now)?;
        verify(signer, &self.from, &self.signing_string(), self.signature.as_ref())?;
        if let Some(text) = self.ratchet_key_string() {
            verify(signer, &self.from, &text, self.ratchet_key_signature.as_ref())
                .map_err(|_| LegacyKnockError::RatchetKeySignature)?;
        }
        Ok(&self.verdict)
    }
}
