//! `POST /registry/capabilities`: what an agent can do, all of it.

use agentmesh_core::wire::registry::{CapabilitiesRequest, SuccessResponse};
use axum::{body::Body, extract::State, response::Response};
use http::{Request, StatusCode};

use super::write;
use crate::{
    auth::request::PlainProof,
    http::{
        call::Call,
        reply::{self, Refused},
    },
    state::Shared,
    store::agents,
};

pub(super) async fn capabilities(
    State(shared): State<Shared>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let call = Call::read(request).await?;
    let CapabilitiesRequest { amid, capabilities, timestamp, signature } = call.json()?;
    let plain = PlainProof { amid: &amid, timestamp: &timestamp, signature: &signature };
    let (proof, _) = write::authorize(&shared, &call, plain).await?;
    write::check_capabilities(&capabilities)?;
    let set = move |c: &rusqlite::Connection| agents::set_capabilities(c, &amid, &capabilities);
    write::write(&shared, proof, set).await?;
    Ok(reply::json(StatusCode::OK, SuccessResponse { success: true }))
}
