//! What every write to the registry has in common: the agent has to exist, the request has to be its own, and both are
//! decided in the transaction of the write itself.

use agentmesh_core::keys::VerifyingKey;
use http::StatusCode;
use rusqlite::Connection;

use super::bounds;
use crate::{
    auth::{
        request::{PlainProof, Proof, Unproven, bound, prove},
        signing_key,
    },
    clock,
    http::{
        call::Call,
        reply::{self, Refused},
    },
    state::Shared,
    store::agents,
};

/// 401 in the registry's shape.
pub(crate) fn unauthorized(why: &Unproven) -> Refused {
    reply::error(why.status(), why.code(), why)
}

/// 404 in the registry's shape.
pub(crate) fn not_found() -> Refused {
    reply::error(StatusCode::NOT_FOUND, "AGENT_NOT_FOUND", "Agent not found")
}

/// Verifies that a write comes from the registered agent that it names.
pub(crate) async fn authorize(
    shared: &Shared,
    call: &Call,
    plain: PlainProof<'_>,
) -> Result<(Proof, VerifyingKey), Refused> {
    let amid = plain.amid.to_owned();
    let key = shared.store.read(move |c| agents::signing_key(c, &amid)).await;
    let key = key.map_err(|e| reply::internal("an agent could not be read", &e))?;
    // Checked when it was registered.
    let key = key.and_then(|key| signing_key(&key).ok()).ok_or_else(not_found)?;
    let proof = prove(call, &shared.config, plain, &key, clock::now());
    Ok((proof.map_err(|why| unauthorized(&why))?, key))
}

/// Verifies that a write comes from the agent that it names, who need not be registered here if it signs the whole request:
/// its key is in the signature, and the AMID is the key's.
pub(crate) async fn authorize_signer(
    shared: &Shared,
    call: &Call,
    plain: PlainProof<'_>,
) -> Result<Proof, Refused> {
    if call.auth.is_none() {
        return authorize(shared, call, plain).await.map(|(proof, _)| proof);
    }
    let now = clock::now();
    let auth = bound(call, &shared.config, now).map_err(|why| unauthorized(&why))?;
    match auth {
        Some(auth) if plain.amid.parse() == Ok(auth.amid()) => Ok(Proof::Bound(Box::new(auth))),
        _ => Err(unauthorized(&Unproven::OtherAgent)),
    }
}

/// Uses the proof up and runs `write`, both or neither.
pub(crate) async fn write<T, F>(shared: &Shared, proof: Proof, write: F) -> Result<T, Refused>
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
{
    let written = shared.store.write(move |connection| match proof.redeem(connection)? {
        Ok(()) => write(connection).map(Ok),
        Err(unproven) => Ok(Err(unproven)),
    });
    match written.await {
        Ok(Ok(written)) => Ok(written),
        Ok(Err(unproven)) => Err(unauthorized(&unproven)),
        Err(error) => Err(reply::internal("a write to the registry failed", &error)),
    }
}

/// Refuses what is too long to be meant.
pub(crate) fn check_capabilities(capabilities: &[String]) -> Result<(), Refused> {
    if capabilities.len() > bounds::CAPABILITIES {
        let why = format!("an agent may have {} capabilities", bounds::CAPABILITIES);
        return Err(reply::error(StatusCode::BAD_REQUEST, "TOO_MANY_CAPABILITIES", why));
    }
    capabilities.iter().try_for_each(|c| check_length("a capability", c, bounds::CAPABILITY))
}

/// Refuses what is too long to be meant.
pub(crate) fn check_length(what: &str, text: &str, limit: usize) -> Result<(), Refused> {
    if text.len() <= limit {
        return Ok(());
    }
    let why = format!("{what} may have {limit} bytes");
    Err(reply::error(StatusCode::BAD_REQUEST, "FIELD_TOO_LONG", why))
}
