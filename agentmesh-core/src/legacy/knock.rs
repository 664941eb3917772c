//! A KNOCK of `agentmesh/0.2`: signed JSON, verified over the text as it was received.

use core::fmt;

use rand_core::CryptoRng;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    LegacyFormatError, LegacyKnockError, LegacyRequest, PROTOCOL, X3dhMessage, canonical_json,
    ecma::write_string,
    request::with_x3dh,
    text::{base64, hex, malformed, unbase64, unhex},
};
use crate::{
    identity::{Amid, Identity},
    keys::{Signature, VerifyingKey},
    knock::KnockRequest,
    limits::{LEGACY_KNOCK_WINDOW, LEGACY_MAX_COUNTER, LEGACY_MAX_KNOCK},
    time::Timestamp,
    wire::json::Object,
};

const WHAT: &str = "KNOCK";

/// A KNOCK. What it says is believed only once it is a [`VerifiedLegacyKnock`].
#[derive(Clone, PartialEq, Eq)]
pub struct LegacyKnock {
    version: String,
    from: Amid,
    to: Amid,
    /// As received, or as JavaScript would print it.
    request: String,
    timestamp: u64,
    /// As received.
    nonce: String,
    signature: Option<Signature>,
}

#[derive(Deserialize)]
struct In<'a> {
    version: String,
    from: String,
    to: String,
    #[serde(borrow)]
    request: &'a RawValue,
    timestamp: u64,
    nonce: String,
    signature: String,
}

/// A KNOCK that its sender has signed, for us and lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedLegacyKnock {
    /// Who knocks.
    pub from: Amid,
    /// The key of that AMID.
    pub signer: VerifyingKey,
    /// What for.
    pub request: LegacyRequest,
    /// When it was made.
    pub time: Timestamp,
    /// To be remembered, so that it counts once: [`ReplayMemory`](crate::knock::ReplayMemory).
    pub nonce: [u8; 16],
    /// The nonce as it was written; answers repeat it.
    pub nonce_text: String,
}

impl LegacyKnock {
    /// A signed KNOCK with a fresh nonce. With `x3dh`, the handshake goes along under the signature.
    ///
    /// # Errors
    /// [`LegacyFormatError`] if the request is not valid.
    pub fn sign(
        own: &Identity,
        to: Amid,
        request: &KnockRequest,
        x3dh: Option<&X3dhMessage>,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, LegacyFormatError> {
        Self::sign_text(own, to, with_x3dh(request, x3dh)?, now, rng)
    }

    /// A signed KNOCK with a request of any shape; members that peers do not know are kept and signed.
    ///
    /// # Errors
    /// [`LegacyFormatError`] if the request is not a valid one.
    pub fn sign_json(
        own: &Identity,
        to: Amid,
        request: &str,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, LegacyFormatError> {
        LegacyRequest::parse(request)?;
        Self::sign_text(own, to, canonical_json(request)?, now, rng)
    }

    fn sign_text(
        own: &Identity,
        to: Amid,
        request: String,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, LegacyFormatError> {
        let mut nonce = [0; 16];
        rng.fill_bytes(&mut nonce);
        let mut knock = Self {
            version: PROTOCOL.to_owned(),
            from: own.amid(),
            to,
            request,
            timestamp: now.as_millis(),
            nonce: hex(&nonce),
            signature: None,
        };
        knock.signature = own.sign(knock.signing_string().as_bytes()).ok();
        if knock.to_json().len() > LEGACY_MAX_KNOCK {
            let actual = knock.to_json().len();
            return Err(LegacyFormatError::TooLong { what: WHAT, limit: LEGACY_MAX_KNOCK, actual });
        }
        Ok(knock)
    }

    /// Reads a KNOCK, and verifies nothing. A certificate chain, which nobody signs, is left out.
    ///
    /// # Errors
    /// [`LegacyFormatError`].
    pub fn from_json(json: &str) -> Result<Self, LegacyFormatError> {
        if json.len() > LEGACY_MAX_KNOCK {
            let (limit, actual) = (LEGACY_MAX_KNOCK, json.len());
            return Err(LegacyFormatError::TooLong { what: WHAT, limit, actual });
        }
        let Object(read): Object<In<'_>> = serde_json::from_str(json).map_err(malformed(WHAT))?;
        let invalid = |field| LegacyFormatError::InvalidValue { what: WHAT, field };
        if read.timestamp > LEGACY_MAX_COUNTER {
            return Err(invalid("timestamp"));
        }
        Ok(Self {
            from: read.from.parse().map_err(|_| invalid("from"))?,
            to: read.to.parse().map_err(|_| invalid("to"))?,
            version: read.version,
            request: read.request.get().to_owned(),
            timestamp: read.timestamp,
            nonce: unhex::<16>(&read.nonce).map(|_| read.nonce).ok_or_else(|| invalid("nonce"))?,
            signature: unbase64(&read.signature).and_then(|s| Signature::from_slice(&s).ok()),
        })
    }

    /// The KNOCK as it goes over the wire.
    pub fn to_json(&self) -> String {
        let mut json = self.signing_string();
        json.pop();
        json.push_str(",\"signature\":\"");
        json.push_str(&self.signature.as_ref().map(|s| base64(s.as_bytes())).unwrap_or_default());
        json.push_str("\"}");
        json
    }

    /// The text that is signed.
    pub fn signing_string(&self) -> String {
        let mut out = String::from("{\"version\":");
        write_string(&mut out, &self.version);
        for (name, value) in [("from", self.from), ("to", self.to)] {
            out.push_str(&format!(",\"{name}\":\"{value}\""));
        }
        out.push_str(&format!(
            ",\"request\":{},\"timestamp\":{},\"nonce\":\"{}\"}}",
            self.request, self.timestamp, self.nonce
        ));
        out
    }

    /// Who it says it is from.
    pub const fn from(&self) -> Amid {
        self.from
    }

    /// Whom it is for.
    pub const fn to(&self) -> Amid {
        self.to
    }

    /// Names the KNOCK in answers to it.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Verifies the KNOCK with `signer`, the key of the sender. Remember the nonce afterwards.
    ///
    /// # Errors
    /// [`LegacyKnockError::Version`], [`LegacyKnockError::NotForUs`], [`LegacyKnockError::Stale`],
    /// [`LegacyKnockError::Signature`] also if the key is not that of the AMID, [`LegacyKnockError::Format`] if the request cannot be
    /// read.
    pub fn verify(
        &self,
        own: &Amid,
        signer: &VerifyingKey,
        now: Timestamp,
    ) -> Result<VerifiedLegacyKnock, LegacyKnockError> {
        if !self.version.starts_with("agentmesh/") {
            return Err(LegacyKnockError::Version);
        }
        if self.to != *own {
            return Err(LegacyKnockError::NotForUs);
        }
        let time = check_time(self.timestamp, now)?;
        verify(signer, &self.from, &self.signing_string(), self.signature.as_ref())?;
        Ok(VerifiedLegacyKnock {
            from: self.from,
            signer: *signer,
            request: LegacyRequest::parse(&self.request)?,
            time,
            // Checked when it was read.
            nonce: unhex(&self.nonce).ok_or(LegacyKnockError::WrongNonce)?,
            nonce_text: self.nonce.clone(),
        })
    }
}

/// Within five minutes of now, either way.
pub(super) fn check_time(timestamp: u64, now: Timestamp) -> Result<Timestamp, LegacyKnockError> {
    if timestamp.abs_diff(now.as_millis()) > LEGACY_KNOCK_WINDOW {
        return Err(LegacyKnockError::Stale);
    }
    Ok(Timestamp::from_millis(timestamp))
}

/// Whether `signer` is the key of `from`, and signed `text`.
pub(super) fn verify(
    signer: &VerifyingKey,
    from: &Amid,
    text: &str,
    signature: Option<&Signature>,
) -> Result<(), LegacyKnockError> {
    signature
        .filter(|_| Amid::of(signer) == *from)
        .and_then(|signature| signer.verify(text.as_bytes(), signature).ok())
        .ok_or(LegacyKnockError::Signature)
}

impl fmt::Debug for LegacyKnock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LegacyKnock")
            .field("from", &self.from)
            .field("to", &self.to)
            .field("timestamp", &self.timestamp)
            .field("nonce", &self.nonce)
            .field("request_bytes", &self.request.len())
            .finish_non_exhaustive()
    }
}
