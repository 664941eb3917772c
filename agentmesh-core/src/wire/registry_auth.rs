//! Requests to a registry that are signed as a whole (our extension to `docs/protocol/registry.md`).
//!
//! In 0.2 a signature covers a timestamp only: whoever sees one can use it for another request until it is five
//! minutes old. Clients that know better send
//!
//! ```text
//! AgentMesh-Auth: v1 <amid> <b64 signing key> <time ms> <b64 nonce, 16 bytes> <b64 signature>
//! signature = S("request", lp(method) || lp(host) || lp(path?query) || time u64 || nonce || SHA-256(body))
//! ```
//!
//! on every request. `host` is the `Host` header in lower case. A server refuses a nonce that it has seen, and from
//! then on refuses writes of that agent without the header. Knows nothing of HTTP libraries.

use core::fmt;

use base64ct::{Base64, Encoding};
use rand_core::CryptoRng;

use crate::{
    Timestamp,
    error::errors,
    identity::{Amid, Identity, Label},
    keys::{Signature, VerifyingKey, kdf},
    limits::{AUTH_MAX_AGE, AUTH_MAX_AHEAD},
};

/// The header's name, in lower case as HTTP libraries want it.
pub const REQUEST_AUTH_HEADER: &str = "agentmesh-auth";

/// Longest value that can be valid: 28 characters of AMID, 44 of key, 20 digits, 24 of nonce, 88 of signature.
const MAX_VALUE: usize = 256;

errors! {
    /// Why a signed request was refused.
    pub enum RequestAuthError {
        /// The header does not parse.
        #[error("the AgentMesh-Auth header is malformed")]
        Malformed = "REQUEST_AUTH_MALFORMED", InvalidInput, permanent;
        /// The key in the header is not that of the AMID in it.
        #[error("the AMID does not belong to the signing key")]
        AmidMismatch = "REQUEST_AUTH_AMID_MISMATCH", Authentication, permanent;
        /// Signed too long ago, or in the future: one of the clocks is wrong.
        #[error("the request was signed at a time too far from now; check the clock")]
        OutOfWindow = "REQUEST_AUTH_OUT_OF_WINDOW", Authentication, permanent;
        /// The signature is not one over this request.
        #[error("the signature is not one over this request")]
        BadSignature = "REQUEST_AUTH_BAD_SIGNATURE", Authentication, permanent;
    }
}

/// What a signature covers.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// The `Host` header; compared in lower case.
    pub host: &'a str,
    /// Path and query as they stand in the request line.
    pub target: &'a str,
    /// The body as sent; empty for `GET`.
    pub body: &'a [u8],
}

impl SignedRequest<'_> {
    fn with_parts<T>(&self, time: Timestamp, nonce: &[u8; 16], f: impl FnOnce(&[&[u8]]) -> T) -> T {
        let host = self.host.to_ascii_lowercase();
        let [method, host, target] = [self.method, &host, self.target].map(str::as_bytes);
        f(&[
            &kdf::lp_len(method),
            method,
            &kdf::lp_len(host),
            host,
            &kdf::lp_len(target),
            target,
            &time.as_millis().to_be_bytes(),
            nonce,
            &kdf::sha256(&[self.body]),
        ])
    }
}

/// The content of the header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestAuth {
    amid: Amid,
    key: VerifyingKey,
    time: Timestamp,
    nonce: [u8; 16],
    signature: Signature,
}

impl RequestAuth {
    /// Signs a request with a fresh nonce.
    pub fn sign(
        identity: &Identity,
        request: &SignedRequest<'_>,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Self {
        let mut nonce = [0; 16];
        rng.fill_bytes(&mut nonce);
        let signature =
            request.with_parts(now, &nonce, |parts| identity.sign_labelled(Label::Request, parts));
        Self { amid: identity.amid(), key: *identity.signing_key(), time: now, nonce, signature }
    }

    /// The header's value.
    pub fn to_header(&self) -> String {
        format!(
            "v1 {} {} {} {} {}",
            self.amid,
            Base64::encode_string(self.key.as_bytes()),
            self.time.as_millis(),
            Base64::encode_string(&self.nonce),
            Base64::encode_string(self.signature.as_bytes()),
        )
    }

    /// Reads the header's value. Nothing is verified yet but that AMID and key belong together.
    ///
    /// # Errors
    /// [`RequestAuthError::Malformed`], [`RequestAuthError::AmidMismatch`].
    pub fn parse(value: &str) -> Result<Self, RequestAuthError> {
        Self::parse_fields(value).ok_or(RequestAuthError::Malformed).and_then(|auth| {
            if Amid::of(&auth.key) == auth.amid {
                Ok(auth)
            } else {
                Err(RequestAuthError::AmidMismatch)
            }
        })
    }

    fn parse_fields(value: &str) -> Option<Self> {
        if value.len() > MAX_VALUE {
            return None;
        }
        let mut fields = value.split(' ');
        if fields.next()? != "v1" {
            return None;
        }
        let auth = Self {
            amid: fields.next()?.parse().ok()?,
            key: VerifyingKey::from_bytes(decode(fields.next()?)?).ok()?,
            time: Timestamp::from_millis(digits(fields.next()?)?),
            nonce: decode(fields.next()?)?,
            signature: Signature::from_bytes(decode(fields.next()?)?),
        };
        fields.next().is_none().then_some(auth)
    }

    /// Checks time and signature. Whether the nonce was seen before is the caller's business.
    ///
    /// # Errors
    /// [`RequestAuthError::OutOfWindow`], [`RequestAuthError::BadSignature`].
    pub fn verify(
        &self,
        request: &SignedRequest<'_>,
        now: Timestamp,
    ) -> Result<(), RequestAuthError> {
        if now.since(self.time) > AUTH_MAX_AGE || self.time.since(now) > AUTH_MAX_AHEAD {
            return Err(RequestAuthError::OutOfWindow);
        }
        request
            .with_parts(self.time, &self.nonce, |parts| {
                self.key.verify_labelled(Label::Request, parts, &self.signature)
            })
            .map_err(|_| RequestAuthError::BadSignature)
    }

    /// Who signed.
    pub const fn amid(&self) -> Amid {
        self.amid
    }

    /// The key that signed; the AMID is its.
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// To be accepted once.
    pub const fn nonce(&self) -> &[u8; 16] {
        &self.nonce
    }

    /// When the nonce may be forgotten: no server accepts the signature any more.
    pub const fn expires_at(&self) -> Timestamp {
        self.time.plus_millis(AUTH_MAX_AGE)
    }
}

/// Without nonce and signature: whoever reads a log may be quicker than the request.
impl fmt::Debug for RequestAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { amid, key: _, time, nonce: _, signature: _ } = self;
        f.debug_struct("RequestAuth")
            .field("amid", amid)
            .field("time", time)
            .finish_non_exhaustive()
    }
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    (Base64::decode(text, &mut bytes).ok()?.len() == N).then_some(bytes)
}

/// Decimal digits in their one form: `u64::from_str` would take a sign and leading zeros as well.
fn digits(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    (digits && (text == "0" || !text.starts_with('0'))).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        test_utils::seeded_rng,
        time::{MINUTE, SECOND},
    };

    const NOW: Timestamp = Timestamp::from_millis(1_770_206_400_123);
    const REQUEST: SignedRequest<'static> = SignedRequest {
        method: "POST",
        host: "registry.example:8787",
        target: "/v1/registry/status?x=1",
        body: b"{}",
    };

    fn signed() -> RequestAuth {
        let mut rng = seeded_rng(1);
        RequestAuth::sign(&Identity::generate(NOW, &mut rng), &REQUEST, NOW, &mut rng)
    }

    #[test]
    fn header_survives_a_round_trip_and_verifies() {
        let auth = signed();
        let header = auth.to_header();
        assert!(header.len() <= MAX_VALUE);
        assert_eq!(RequestAuth::parse(&header), Ok(auth));
        assert_eq!(auth.verify(&REQUEST, NOW), Ok(()));
        let upper = SignedRequest { host: "Registry.Example:8787", ..REQUEST };
        assert_eq!(auth.verify(&upper, NOW), Ok(()));
    }

    #[test]
    fn is_bound_to_method_host_path_query_and_body() {
        let auth = signed();
        for other in [
            SignedRequest { method: "GET", ..REQUEST },
            SignedRequest { host: "evil.example:8787", ..REQUEST },
            SignedRequest { target: "/v1/registry/status?x=2", ..REQUEST },
            SignedRequest { target: "/v1/registry/prekeys", ..REQUEST },
            SignedRequest { body: b"[]", ..REQUEST },
        ] {
            assert_eq!(auth.verify(&other, NOW), Err(RequestAuthError::BadSignature), "{other:?}");
        }
    }

    #[test]
    fn window_is_five_minutes_back_and_one_ahead() {
        let auth = signed();
        assert_eq!(auth.verify(&REQUEST, NOW.plus_millis(5 * MINUTE)), Ok(()));
        assert_eq!(
            auth.verify(&REQUEST, NOW.plus_millis(5 * MINUTE + 1)),
            Err(RequestAuthError::OutOfWindow)
        );
        assert_eq!(auth.verify(&REQUEST, NOW.minus_millis(60 * SECOND)), Ok(()));
        assert_eq!(
            auth.verify(&REQUEST, NOW.minus_millis(60 * SECOND + 1)),
            Err(RequestAuthError::OutOfWindow)
        );
    }

    #[test]
    fn refuses_malformed_headers_and_borrowed_names() {
        let good = signed().to_header();
        let fields: Vec<&str> = good.split(' ').collect();
        for i in 0..fields.len() {
            let mut bad = fields.clone();
            bad[i] = "x";
            assert!(RequestAuth::parse(&bad.join(" ")).is_err(), "{i}");
        }
        for bad in [format!("{good} x"), good.replacen(' ', "  ", 1), good.replace("v1 ", "v2 ")] {
            assert_eq!(RequestAuth::parse(&bad), Err(RequestAuthError::Malformed));
        }
        let mut other = fields.clone();
        other[1] = "3vaLv8qnmGSndxmYvHiHWN3cb312";
        assert_eq!(RequestAuth::parse(&other.join(" ")), Err(RequestAuthError::AmidMismatch));
        for prefix in ["+", "-", "0"] {
            let mut other_form = fields.clone();
            let number = format!("{prefix}{}", other_form[3]);
            other_form[3] = &number;
            assert_eq!(RequestAuth::parse(&other_form.join(" ")), Err(RequestAuthError::Malformed));
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,300}") {
            let _ = RequestAuth::parse(&text);
        }
    }
}
