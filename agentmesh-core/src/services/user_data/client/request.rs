//! One request: built from parts, sent until it succeeds or the tries are used up, and its answer read.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use rand_core::Rng;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;
use url::Url;
use zeroize::Zeroizing;

use super::{
    super::{UserDataError, retry::Repeat},
    UserDataClient,
};
use crate::{
    client::{
        http::{AnyResponse, HttpError, HttpRequest},
        platform,
    },
    error::ErrorInfo,
    rng::SystemRng,
};

/// Ties a request to the lines about it in the server's log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Characters of a server's request id.
const MAX_ID: usize = 128;

/// What is asked.
pub(super) struct Call<'a> {
    /// Its kind, for logs.
    pub(super) what: &'static str,
    pub(super) method: Method,
    /// Below the base URL; each is percent-encoded.
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) body: Option<Vec<u8>>,
    pub(super) limit: Duration,
    pub(super) repeat: Repeat,
    /// Whether the key goes with it.
    pub(super) protected: bool,
}

impl<'a> Call<'a> {
    pub(super) fn get(what: &'static str, path: &'a [&'a str], limit: Duration) -> Self {
        Self {
            what,
            method: Method::GET,
            path,
            query: &[],
            body: None,
            limit,
            repeat: Repeat::Idempotent,
            protected: true,
        }
    }

    pub(super) fn delete(what: &'static str, path: &'a [&'a str], limit: Duration) -> Self {
        Self { method: Method::DELETE, ..Self::get(what, path, limit) }
    }

    pub(super) fn send(
        what: &'static str,
        method: Method,
        path: &'a [&'a str],
        body: &Value,
        limit: Duration,
    ) -> Self {
        Self { method, body: Some(body.to_string().into_bytes()), ..Self::get(what, path, limit) }
    }
}

impl UserDataClient {
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        call: Call<'_>,
    ) -> Result<T, UserDataError> {
        let mut tries = 0;
        loop {
            let error = match self.try_once(&call).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            tries += 1;
            tracing::debug!(target: "agentmesh", what = call.what, tries, code = error.code(), "user data request failed");
            match self.0.retry.pause(tries, call.repeat, &error, &mut SystemRng) {
                Some(pause) => platform::sleep(pause).await,
                None => return Err(error),
            }
        }
    }

    async fn try_once<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, UserDataError> {
        let ours = request_id();
        let mut headers = HeaderMap::new();
        if let Ok(id) = HeaderValue::from_str(&ours) {
            headers.insert(REQUEST_ID, id);
        }
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(key) = self.key().filter(|_| call.protected) {
            let bearer = Zeroizing::new(format!("Bearer {}", key.expose()));
            let mut value = HeaderValue::from_str(&bearer)
                .map_err(|_| UserDataError::config("API key", "it is not fit for a header"))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let request = HttpRequest {
            what: call.what,
            method: call.method.clone(),
            url: self.url(call.path, call.query)?,
            headers,
            body: call.body.clone(),
        };
        let answer = match timeout(call.limit, self.0.http.send_any(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(UserDataError::from_http(error, None, ours)),
            Err(_) => return Err(UserDataError::Timeout { after: call.limit }),
        };
        let theirs = answer.headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        let id = theirs.map_or(ours, |id| id.chars().take(MAX_ID).collect());
        tracing::debug!(target: "agentmesh", what = call.what, status = answer.status.as_u16(), request_id = id, "user data request");
        read(&answer, call.what, id)
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, UserDataError> {
        let mut url = self.0.base.clone();
        url.path_segments_mut()
            .map_err(|()| UserDataError::config("URL", "it has no path"))?
            .pop_if_empty()
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}

fn read<T: DeserializeOwned>(
    answer: &AnyResponse,
    what: &'static str,
    request_id: String,
) -> Result<T, UserDataError> {
    let status = answer.status.as_u16();
    if let Some(error) = answer.error() {
        let page = is_page(answer) && !matches!(status, 408 | 425 | 429 | 500..);
        return Err(if page {
            let problem = format!("a page with status {status}");
            UserDataError::Protocol { problem, request_id }
        } else {
            UserDataError::from_http(error, Some(status), request_id)
        });
    }
    if is_page(answer) {
        let problem = "a page instead of JSON".to_owned();
        return Err(UserDataError::Protocol { problem, request_id });
    }
    serde_json::from_slice(&answer.body).map_err(|_| {
        UserDataError::from_http(HttpError::Unreadable { what }, Some(status), request_id)
    })
}

/// Whether somebody answered with a page of HTML: a proxy, a login, another program.
fn is_page(answer: &AnyResponse) -> bool {
    let kind = answer.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().starts_with("text/html"))
        || answer.body.trim_ascii_start().starts_with(b"<")
}

fn request_id() -> String {
    let mut bytes = [0; 16];
    SystemRng.fill_bytes(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}
