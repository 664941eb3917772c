//! Proof that a request to the registry comes from the agent it speaks of.

use agentmesh_core::{
    Timestamp,
    identity::Amid,
    keys::VerifyingKey,
    limits::AUTH_MAX_AGE,
    wire::registry_auth::{RequestAuth, RequestAuthError},
};
use base64ct::{Base64, Encoding};
use http::StatusCode;
use rusqlite::Connection;

use super::{ProofError, verify_timestamp};
use crate::{
    ServerConfig,
    http::call::Call,
    store::{
        nonces::{self, Scope},
        revocations,
    },
};

/// Why a request is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unproven {
    #[error(transparent)]
    Plain(#[from] ProofError),
    #[error(transparent)]
    Bound(#[from] RequestAuthError),
    #[error("this server does not go by the name it was called")]
    ForeignHost,
    #[error("the request is signed by another agent")]
    OtherAgent,
    #[error("this signed request was used before")]
    Replayed,
    #[error("this agent signs its requests; one without a signature is refused")]
    Pledged,
    #[error("this agent is revoked")]
    Revoked,
}

impl Unproven {
    /// For programs.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Plain(ProofError::OutOfWindow) | Self::Bound(RequestAuthError::OutOfWindow) => {
                "TIMESTAMP_OUT_OF_WINDOW"
            }
            Self::Plain(_) | Self::Bound(_) | Self::OtherAgent => "INVALID_SIGNATURE",
            Self::ForeignHost => "FOREIGN_HOST",
            Self::Replayed => "REPLAYED",
            Self::Pledged => "SIGNED_REQUEST_REQUIRED",
            Self::Revoked => "AGENT_REVOKED",
        }
    }

    /// For HTTP.
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::Revoked => StatusCode::FORBIDDEN,
            _ => StatusCode::UNAUTHORIZED,
        }
    }
}

/// A proof whose signature is good; it counts once it was redeemed.
#[derive(Debug, Clone)]
pub(crate) enum Proof {
    /// Over the whole request, once.
    Bound(Box<RequestAuth>),
    /// Over a timestamp, as in 0.2.
    Plain {
        /// Whose.
        amid: String,
        /// What is remembered of it, so that it works once.
        nonce: [u8; 16],
        /// Until when.
        expires_at: Timestamp,
    },
}

/// The plain proof that a body carries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlainProof<'a> {
    pub(crate) amid: &'a str,
    pub(crate) timestamp: &'a str,
    pub(crate) signature: &'a str,
}

/// The signature over the whole request, if it has one.
pub(crate) fn bound(
    call: &Call,
    config: &ServerConfig,
    now: Timestamp,
) -> Result<Option<RequestAuth>, Unproven> {
    let Some(header) = &call.auth else { return Ok(None) };
    let auth = RequestAuth::parse(header)?;
    if !config.is_own_host(&call.host) {
        return Err(Unproven::ForeignHost);
    }
    auth.verify(&call.signed(), now)?;
    Ok(Some(auth))
}

/// Verifies that a write comes from the agent that its body names, whose key is `key`.
pub(crate) fn prove(
    call: &Call,
    config: &ServerConfig,
    plain: PlainProof<'_>,
    key: &VerifyingKey,
    now: Timestamp,
) -> Result<Proof, Unproven> {
    if let Some(auth) = bound(call, config, now)? {
        if plain.amid.parse() != Ok(auth.amid()) || Amid::of(key) != auth.amid() {
            return Err(Unproven::OtherAgent);
        }
        return Ok(Proof::Bound(Box::new(auth)));
    }
    let time = verify_timestamp(key, plain.timestamp, plain.signature, now)?;
    Ok(Proof::Plain {
        amid: plain.amid.to_owned(),
        nonce: signature_nonce(plain.signature),
        expires_at: time.plus_millis(AUTH_MAX_AGE + 1),
    })
}

/// What stands for a signed timestamp, which can be written in several ways.
pub(crate) fn signature_nonce(signature: &str) -> [u8; 16] {
    let signature = Base64::decode_vec(signature).unwrap_or_default();
    signature.first_chunk::<16>().copied().unwrap_or_default()
}

fn standing(connection: &Connection, amid: &str) -> rusqlite::Result<Result<(), Unproven>> {
    let revoked = revocations::is_revoked(connection, amid)?;
    Ok(if revoked { Err(Unproven::Revoked) } else { Ok(()) })
}

impl Proof {
    /// Uses the proof up, in the transaction of what it is for: it works once, wherever it was used; an agent that has
    /// ever signed whole requests is not believed with less; one that is revoked is not believed at all.
    pub(crate) fn redeem(&self, connection: &Connection) -> rusqlite::Result<Result<(), Unproven>> {
        match self {
            Self::Bound(auth) => {
                let amid = auth.amid().to_string();
                nonces::pledge(connection, Scope::Request, &amid)?;
                let expires = auth.expires_at().plus_millis(1);
                let new =
                    nonces::use_once(connection, Scope::Request, &amid, auth.nonce(), expires)?;
                if !new {
                    return Ok(Err(Unproven::Replayed));
                }
                standing(connection, &amid)
            }
            Self::Plain { amid, nonce, expires_at } => {
                if nonces::has_pledged(connection, Scope::Request, amid)? {
                    return Ok(Err(Unproven::Pledged));
                }
                let scope = Scope::Timestamp;
                if !nonces::use_once(connection, scope, amid, nonce, *expires_at)? {
                    return Ok(Err(Unproven::Replayed));
                }
                standing(connection, amid)
            }
        }
    }
}
