//! What an OpenID Connect provider says of itself, and what its ID tokens prove.

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{Jwk, JwkSet, PublicKeyUse},
};
use serde::Deserialize;

/// Signatures that others can verify; anything with a shared secret is not among them.
const ALGORITHMS: [Algorithm; 8] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// Seconds by which clocks may differ.
const LEEWAY: u64 = 60;
/// Longest subject, as the specification has it.
const MAX_SUBJECT: usize = 255;

/// The part of a discovery document that is needed.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Discovery {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) jwks_uri: String,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default)]
    azp: Option<String>,
    #[serde(default)]
    aud: Option<serde_json::Value>,
}

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenError {
    #[error("the ID token is not signed in a way that can be verified")]
    Algorithm,
    #[error("the ID token is signed with a key that the provider does not announce")]
    UnknownKey,
    #[error("the ID token is not valid")]
    Invalid,
    #[error("the ID token is not for this attempt")]
    Nonce,
}

/// Verifies an ID token and returns its subject.
pub(super) fn verify(
    token: &str,
    keys: &JwkSet,
    issuer: &str,
    client_id: &str,
    nonce: &str,
) -> Result<String, TokenError> {
    let header = decode_header(token).map_err(|_| TokenError::Invalid)?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(TokenError::Algorithm);
    }
    let key = find(keys, header.kid.as_deref()).ok_or(TokenError::UnknownKey)?;
    let key = DecodingKey::from_jwk(key).map_err(|_| TokenError::UnknownKey)?;
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[client_id]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    let claims =
        decode::<Claims>(token, &key, &validation).map_err(|_| TokenError::Invalid)?.claims;
    // A token for several has to say whom it was given to.
    let shared = claims.aud.as_ref().and_then(|aud| aud.as_array()).is_some_and(|a| a.len() > 1);
    if (shared || claims.azp.is_some()) && claims.azp.as_deref() != Some(client_id) {
        return Err(TokenError::Invalid);
    }
    if claims.nonce.as_deref() != Some(nonce) {
        return Err(TokenError::Nonce);
    }
    if claims.sub.is_empty() || claims.sub.len() > MAX_SUBJECT {
        return Err(TokenError::Invalid);
    }
    Ok(claims.sub)
}

/// The key with this id; the only key, if the token names none.
fn find<'a>(keys: &'a JwkSet, id: Option<&str>) -> Option<&'a Jwk> {
    let signs = |key: &&Jwk| !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
    let mut keys = keys.keys.iter().filter(signs);
    match id {
        Some(id) => keys.find(|key| key.common.key_id.as_deref() == Some(id)),
        None => {
            let only = keys.next();
            if keys.next().is_some() { None } else { only }
        }
    }
}
