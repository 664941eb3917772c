//! `POST /registry/status`: whether an agent can be reached, as it says itself.

use agentmesh_core::wire::registry::{StatusRequest, SuccessResponse};
use axum::{body::Body, extract::State, response::Response};
use http::{Request, StatusCode};

use super::write;
use crate::{
    auth::request::PlainProof,
    clock,
    http::{
        call::Call,
        reply::{self, Refused},
    },
    state::Shared,
    store::agents,
};

pub(super) async fn status(
    State(shared): State<Shared>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let call = Call::read(request).await?;
    let StatusRequest { amid, status, timestamp, signature } = call.json()?;
    if !status.is_known() {
        return Err(reply::malformed("status is online, away, offline or dnd"));
    }
    let plain = PlainProof { amid: &amid, timestamp: &timestamp, signature: &signature };
    let (proof, _) = write::authorize(&shared, &call, plain).await?;
    let now = clock::now();
    write::write(&shared, proof, move |c| agents::set_status(c, &amid, &status, now)).await?;
    Ok(reply::json(StatusCode::OK, SuccessResponse { success: true }))
}
