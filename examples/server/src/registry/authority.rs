//! `GET /registry/authority`: the root certificate, for those who want to pin it. Over TLS, or compare it by other means.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};

use crate::state::Shared;

pub(super) async fn authority(State(shared): State<Shared>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/x-pem-file")];
    (StatusCode::OK, kind, shared.authority.root().to_owned()).into_response()
}
