//! `GET /registry/did/{amid}`: an agent's DID document, with keys in multibase as the specification has it.

use agentmesh_core::{
    identity::{
        IdentityPublic,
        did::{DidDocument, DidService},
    },
    keys::DhPublicKey,
    wire::registry::{EXCHANGE_KEY_PREFIX, strip_key_prefix},
};
use axum::{
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use base64ct::{Base64, Encoding};
use http::{Request, StatusCode, header};

use crate::{
    auth::signing_key,
    http::{
        call::Call,
        reply::{self, Refused},
    },
    state::Shared,
    store::agents,
};

pub(super) async fn did(
    State(shared): State<Shared>,
    Path(amid): Path<String>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let call = Call::read(request).await?;
    let found = shared.store.read(move |c| agents::dated(c, &amid)).await;
    let found = found.map_err(|e| reply::internal("an agent could not be read", &e))?;
    let not_found = || reply::error(StatusCode::NOT_FOUND, "DID_NOT_FOUND", "DID not found");
    let agent = found.ok_or_else(not_found)?;
    // Both were checked when they came.
    let signing = signing_key(&agent.signing_key).map_err(|_| not_found())?;
    let exchange = exchange_key(&agent.exchange_key).ok_or_else(not_found)?;
    let relay = agent.relay_endpoint.unwrap_or_else(|| shared.relay_url(&call.host));
    let document = DidDocument::new(&IdentityPublic { signing, exchange })
        .with_service(DidService::relay(relay))
        .with_dates(agent.registered_at, agent.updated_at);
    let kind = [(header::CONTENT_TYPE, "application/did+ld+json")];
    Ok((StatusCode::OK, kind, document.to_json()).into_response())
}

/// The key in a document, with or without its prefix.
pub(crate) fn exchange_key(text: &str) -> Option<DhPublicKey> {
    let bytes = Base64::decode_vec(strip_key_prefix(text, EXCHANGE_KEY_PREFIX)).ok()?;
    Some(DhPublicKey::from_bytes(bytes.try_into().ok()?))
}
