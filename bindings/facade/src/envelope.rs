//! Envelopes: as JSON text, or member by member for a binding whose language has objects of its own. That saves both ends the text,
//! which takes longer to write and read than its message takes to encrypt.

use std::borrow::Cow;

use agentmesh_core::{
    keys::DhPublicKey,
    managers::{Envelope as CoreEnvelope, EnvelopeHeader, ManagerError},
    wire::plaintext::MessageType,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{FacadeError, IncomingEnvelope, Payload, SessionManager, values::message_type};

/// One encrypted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope(CoreEnvelope);

/// The members of an envelope as its JSON has them, but for `type`, which is always `encrypted`. Bytes are base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeParts<'a> {
    /// The session.
    pub session_id: Cow<'a, str>,
    /// The native suite; absent in 0.2.
    pub suite: Option<u8>,
    /// In `header`: the sender's ratchet key.
    pub dh_public_key: Cow<'a, str>,
    /// In `header`: how many messages the sender's previous chain had.
    pub pn: u32,
    /// In `header`: the message's number in its chain.
    pub n: u32,
    /// Nonce, ciphertext and tag.
    pub ciphertext: Cow<'a, str>,
}

const MALFORMED: ManagerError = ManagerError::Malformed { what: "envelope" };

impl Envelope {
    /// Reads JSON, in all the forms that the core reads.
    ///
    /// # Errors
    /// `MANAGER_MALFORMED`
    pub fn from_json(json: &str) -> Result<Self, FacadeError> {
        serde_json::from_str(json).map(Self).map_err(|_| MALFORMED.into())
    }

    /// As JSON.
    ///
    /// # Errors
    /// None that are known.
    pub fn to_json(&self) -> Result<String, FacadeError> {
        Ok(serde_json::to_string(&self.0)?)
    }

    /// Joins its members.
    ///
    /// # Errors
    /// `MANAGER_MALFORMED` for what is not base64, or no key.
    pub fn from_parts(parts: &EnvelopeParts<'_>) -> Result<Self, FacadeError> {
        let mut key = [0; 33];
        let len = STANDARD.decode_slice(&*parts.dh_public_key, &mut key).map_err(|_| MALFORMED)?;
        let key = key.get(..len).ok_or(MALFORMED)?;
        let dh_public_key = DhPublicKey::from_slice(key).map_err(|_| MALFORMED)?;
        let ciphertext = STANDARD.decode(&*parts.ciphertext).map_err(|_| MALFORMED)?;
        let header = EnvelopeHeader { dh_public_key, pn: parts.pn, n: parts.n };
        let session_id = parts.session_id.clone().into_owned();
        Ok(Self(CoreEnvelope::new(session_id, parts.suite, header, ciphertext)))
    }

    /// Takes it apart.
    pub fn parts(&self) -> EnvelopeParts<'_> {
        let CoreEnvelope { session_id, suite, header, ciphertext, .. } = &self.0;
        EnvelopeParts {
            session_id: session_id.into(),
            suite: *suite,
            dh_public_key: STANDARD.encode(header.dh_public_key.as_bytes()).into(),
            pn: header.pn,
            n: header.n,
            ciphertext: STANDARD.encode(ciphertext).into(),
        }
    }
}

impl SessionManager {
    /// Encrypts JSON or bytes.
    ///
    /// # Errors
    /// As the core's, as for every method here.
    pub async fn encrypt(&self, session: &str, payload: Payload) -> Result<Envelope, FacadeError> {
        let encrypting = self.core()?.encrypt_payload(session, MessageType::Message, payload);
        Ok(Envelope(encrypting.await?))
    }

    /// Decrypts a message of the application; its JSON, as the peer wrote it.
    ///
    /// # Errors
    /// As the core's.
    pub async fn decrypt(&self, session: &str, envelope: &Envelope) -> Result<String, FacadeError> {
        Ok(self.core()?.decrypt_json(session, &envelope.0).await?)
    }

    /// Decrypts a message of whatever type.
    ///
    /// # Errors
    /// As the core's.
    pub async fn open(
        &self,
        session: &str,
        envelope: &Envelope,
    ) -> Result<IncomingEnvelope, FacadeError> {
        let incoming = self.core()?.open_envelope(session, &envelope.0).await?;
        Ok(IncomingEnvelope {
            sender: incoming.from.to_string(),
            id: incoming.id.map(|id| id.to_string()),
            kind: message_type(incoming.kind),
            in_reply_to: incoming.in_reply_to.map(|id| id.to_string()),
            sent_at: incoming.sent_at.map(|at| at.as_millis()),
            payload: incoming.payload.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"session_id":"00000000000000000000000000000001","type":"encrypted","suite":2,"header":{"dh_public_key":"CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=","pn":1,"n":2},"ciphertext":"AQID"}"#;

    #[test]
    fn its_members_and_its_json_say_the_same() {
        let envelope = Envelope::from_json(JSON).unwrap();
        assert_eq!(envelope.to_json().unwrap(), JSON);
        let parts = envelope.parts();
        assert_eq!((parts.pn, parts.n, &*parts.ciphertext), (1, 2, "AQID"));
        assert_eq!(Envelope::from_parts(&parts), Ok(envelope.clone()));
        for bad in [
            EnvelopeParts { dh_public_key: "AQID".into(), ..parts.clone() },
            EnvelopeParts { dh_public_key: "A".repeat(48).into(), ..parts.clone() },
            EnvelopeParts { ciphertext: "AQI".into(), ..parts },
        ] {
            assert_eq!(Envelope::from_parts(&bad).unwrap_err().code, "MANAGER_MALFORMED");
        }
    }
}
