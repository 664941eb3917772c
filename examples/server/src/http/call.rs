//! A request read whole: what a signature may cover, and a body of bounded size.

use std::time::Duration;

use agentmesh_core::wire::{
    json::Object,
    registry_auth::{REQUEST_AUTH_HEADER, SignedRequest},
};
use axum::{body::Body, extract::OriginalUri};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::reply::{self, Refused};
use crate::relay::host;

/// As the deployed registry.
const MAX_BODY: usize = 2 * 1024 * 1024;
/// A slow client must not hold a request for ever.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug)]
pub(crate) struct Call {
    method: String,
    pub(crate) host: String,
    target: String,
    query: String,
    /// The header of [`agentmesh_core::wire::registry_auth`].
    pub(crate) auth: Option<String>,
    body: Vec<u8>,
}

impl Call {
    /// Reads the request's body.
    pub(crate) async fn read(request: Request<Body>) -> Result<Self, Refused> {
        let host = host(&request);
        let (head, body) = request.into_parts();
        // Routers below a prefix see a shortened path; what was signed is the whole.
        let uri = head.extensions.get::<OriginalUri>().map_or(&head.uri, |original| &original.0);
        let target = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        let auth = match head.headers.get(REQUEST_AUTH_HEADER).map(|value| value.to_str()) {
            None => None,
            Some(Ok(text)) => Some(text.to_owned()),
            // Fails to parse later, with the right answer.
            Some(Err(_)) => Some(String::new()),
        };
        let body = timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect());
        let late = || reply::refused(StatusCode::REQUEST_TIMEOUT, "the body took too long");
        let body = body.await.map_err(|_| late())?.map_err(|error| {
            if error.downcast_ref::<LengthLimitError>().is_some() {
                reply::refused(StatusCode::PAYLOAD_TOO_LARGE, "the body is over 2 MiB")
            } else {
                reply::malformed("the body could not be read")
            }
        })?;
        Ok(Self {
            method: head.method.to_string(),
            host,
            target,
            query: head.uri.query().unwrap_or_default().to_owned(),
            auth,
            body: body.to_bytes().to_vec(),
        })
    }

    /// The body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        let read = serde_json::from_slice::<Object<T>>(&self.body);
        read.map(|read| read.0).map_err(|error| {
            reply::malformed(format!("the body is not what it should be: {error}"))
        })
    }

    /// The query.
    pub(crate) fn query<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        let uri = http::Uri::builder().path_and_query(format!("/?{}", self.query)).build();
        let uri = uri.map_err(|_| reply::malformed("the query is malformed"))?;
        axum::extract::Query::try_from_uri(&uri)
            .map(|query| query.0)
            .map_err(|error| reply::malformed(error.body_text()))
    }

    /// What a signature over this request covers.
    pub(crate) fn signed(&self) -> SignedRequest<'_> {
        let Self { method, host, target, body, .. } = self;
        SignedRequest { method, host, target, body }
    }
}
