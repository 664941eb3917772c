//! `POST /registry/register`: an agent makes itself known, once. What changes afterwards is in the signed bundle, the
//! exchange key included.

use agentmesh_core::wire::registry::{RegisterRequest, RegisterResponse, Tier};
use axum::{body::Body, extract::State, response::Response};
use http::{Request, StatusCode};

use super::{bounds, exchange_key, write};
use crate::{
    auth::{
        request::{PlainProof, Unproven, prove},
        signing_key_of,
    },
    clock,
    http::{
        call::Call,
        reply::{self, Refused},
    },
    state::Shared,
    store::agents,
};

fn refused(status: StatusCode, amid: &str, why: impl ToString) -> Refused {
    let response = RegisterResponse {
        success: false,
        amid: amid.to_owned(),
        tier: Tier::Anonymous,
        certificate: None,
        error: Some(why.to_string()),
    };
    reply::json(status, response).into()
}

pub(super) async fn register(
    State(shared): State<Shared>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let call = Call::read(request).await?;
    let request: RegisterRequest = call.json()?;
    let amid = request.amid.clone();
    let unproven = |why: Unproven| refused(why.status(), &amid, why);
    let key = signing_key_of(&amid, &request.signing_public_key).map_err(|e| unproven(e.into()))?;
    let plain =
        PlainProof { amid: &amid, timestamp: &request.timestamp, signature: &request.signature };
    let now = clock::now();
    let proof = prove(&call, &shared.config, plain, &key, now).map_err(unproven)?;
    check(&request)?;
    let added = shared.store.write(move |connection| match proof.redeem(connection)? {
        Ok(()) => agents::insert(connection, &request, now).map(Ok),
        Err(why) => Ok(Err(why)),
    });
    match added.await {
        Ok(Ok(true)) => {
            tracing::info!(amid, "registered");
            let response = RegisterResponse {
                success: true,
                amid,
                tier: Tier::Anonymous,
                certificate: None,
                error: None,
            };
            Ok(reply::json(StatusCode::CREATED, response))
        }
        Ok(Ok(false)) => {
            Err(refused(StatusCode::CONFLICT, &amid, "this agent is registered already"))
        }
        Ok(Err(why)) => Err(unproven(why)),
        Err(error) => Err(reply::internal("an agent could not be registered", &error)),
    }
}

fn check(request: &RegisterRequest) -> Result<(), Refused> {
    if exchange_key(&request.exchange_public_key).is_none() {
        let why = "exchange_public_key is not an X25519 key in base64";
        return Err(reply::error(StatusCode::BAD_REQUEST, "INVALID_KEY", why));
    }
    write::check_capabilities(&request.capabilities)?;
    for (what, text, limit) in [
        ("display_name", &request.display_name, bounds::NAME),
        ("relay_endpoint", &request.relay_endpoint, bounds::URL),
        ("direct_endpoint", &request.direct_endpoint, bounds::URL),
    ] {
        write::check_length(what, text.as_deref().unwrap_or_default(), limit)?;
    }
    Ok(())
}
