//! The three requests over HTTP (signaling protocol §1). Credentials are in headers where the server takes them there,
//! else where the protocol has them: in the query of a connect, in the body of the others. Never in a log, and never to
//! another server than the one that was configured.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use reqwest::RequestBuilder;
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use url::Url;
use zeroize::Zeroizing;

use super::{
    super::{
        PeerId, RoomName, SecretText, SignalingError,
        machine::{OpenFailure, Outcome},
    },
    SessionCredentials,
};
use crate::client::http::{reasons, retry_after_seconds};

const SESSION: HeaderName = HeaderName::from_static("x-session-id");
const ATTEMPT: HeaderName = HeaderName::from_static("x-attempt");
const JOIN_KEY: HeaderName = HeaderName::from_static("x-join-key");
const FEATURES: HeaderName = HeaderName::from_static("x-signal-features");
const HEADER_AUTH: &str = "header-auth";
const EVENT_STREAM: &str = "text/event-stream";
/// Redirections on the same server, at most.
const MAX_REDIRECTS: usize = 3;
/// Bytes of an answer that is no stream.
const MAX_ANSWER: usize = 16 * 1024;
/// For the rest of an answer whose head came.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Characters of a server's words.
const MAX_TEXT: usize = 200;

/// Where the server is, and what is sent with everything.
pub(in super::super) struct Transport {
    /// For streams, which have no timeout of their own: the state machine watches them.
    pub(super) client: reqwest::Client,
    pub(super) base: Url,
    pub(super) room: RoomName,
    /// The room as it was given: servers normalise it themselves.
    pub(super) room_text: String,
    pub(super) join_key: Option<SecretText>,
    /// Whose attempts are counted.
    pub(super) process: u64,
}

/// A stream that is open.
pub(super) struct Opened {
    pub(super) response: reqwest::Response,
    pub(super) header_auth: bool,
}

#[derive(Serialize)]
struct SignalBody<'a> {
    sender: &'a PeerId,
    to: &'a PeerId,
    token: &'a str,
    signal: &'a RawValue,
}

#[derive(Serialize)]
struct LeaveBody<'a> {
    sender: &'a PeerId,
    token: &'a str,
}

impl Transport {
    /// Opens a stream. `attempt` grows, so that the server can tell a request that comes late from the one that was made
    /// instead: the one would take the stream of the other.
    pub(super) async fn open(
        &self,
        credentials: Option<&SessionCredentials>,
        attempt: u64,
    ) -> Result<Opened, OpenFailure> {
        let mut url = self.url("connect");
        // An id that no header can carry goes into the query all the same.
        let fits = |held: &&SessionCredentials| held.header_auth && held.id.as_str().is_ascii();
        let in_query = credentials.filter(|held| !fits(held));
        if let Some(held) = in_query {
            url.query_pairs_mut()
                .append_pair("session_id", held.id.as_str())
                .append_pair("token", held.token.expose());
        }
        let in_headers = credentials.filter(fits);
        let dressed = |mut request: RequestBuilder| {
            request = request
                .header(header::ACCEPT, EVENT_STREAM)
                // Compressed streams are flushed late.
                .header(header::ACCEPT_ENCODING, "identity")
                .header(header::CACHE_CONTROL, "no-store");
            if credentials.is_some() {
                request = request.header(ATTEMPT, format!("{:016x}/{attempt}", self.process));
            }
            if let Some(key) = &self.join_key {
                request = request.header(JOIN_KEY, secret_value(key.expose())?);
            }
            if let Some(held) = in_headers {
                let bearer = Zeroizing::new(format!("Bearer {}", held.token.expose()));
                request = request
                    .header(SESSION, held.id.as_str())
                    .header(header::AUTHORIZATION, secret_value(&bearer)?);
            }
            Ok(request)
        };
        let response = self.send(Method::GET, url, dressed).await?;
        let status = response.status();
        if status != StatusCode::OK {
            let retry_after = retry_after_seconds(response.headers()).map(Duration::from_secs);
            let text = words(response).await;
            return Err(OpenFailure::Status { status: status.as_u16(), text, retry_after });
        }
        let kind = response.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("no content type");
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case(EVENT_STREAM) {
            let found = plain(kind);
            return Err(OpenFailure::Fatal(SignalingError::UnexpectedContentType { found }));
        }
        let header_auth = response
            .headers()
            .get_all(FEATURES)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|feature| feature.trim().eq_ignore_ascii_case(HEADER_AUTH));
        Ok(Opened { response, header_auth })
    }

    pub(super) async fn signal(
        &self,
        credentials: &SessionCredentials,
        to: &PeerId,
        signal: &str,
        within: Duration,
    ) -> Outcome {
        let Ok(signal) = serde_json::from_str(signal) else {
            let problem = "it is no JSON";
            return Outcome::Fatal(SignalingError::InvalidSignal { problem });
        };
        let token = credentials.token.expose();
        let body = SignalBody { sender: &credentials.id, to, token, signal };
        self.post("signal", &body, within).await
    }

    pub(super) async fn leave(&self, credentials: &SessionCredentials, within: Duration) {
        let body = LeaveBody { sender: &credentials.id, token: credentials.token.expose() };
        // Whatever comes back, there is nothing left to do: 403 and 404 mean that the session is gone already.
        let _ = self.post("leave", &body, within).await;
    }

    async fn post(&self, path: &str, body: &impl Serialize, within: Duration) -> Outcome {
        let body = match serde_json::to_vec(body) {
            Ok(body) => Zeroizing::new(body),
            Err(error) => return Outcome::Network(error.to_string()),
        };
        let dressed = |request: RequestBuilder| {
            let request = request.timeout(within);
            Ok(request.header(header::CONTENT_TYPE, "application/json").body(body.to_vec()))
        };
        let response = match self.send(Method::POST, self.url(path), dressed).await {
            Ok(response) => response,
            Err(OpenFailure::Fatal(error)) => return Outcome::Fatal(error),
            Err(OpenFailure::Network(reason)) => return Outcome::Network(reason),
            Err(OpenFailure::Status { status, text, retry_after }) => {
                return Outcome::Status { status, text, retry_after };
            }
        };
        let status = response.status();
        if !status.is_success() {
            let retry_after = retry_after_seconds(response.headers()).map(Duration::from_secs);
            let text = words(response).await;
            return Outcome::Status { status: status.as_u16(), text, retry_after };
        }
        match serde_json::from_slice::<Value>(&answer(response).await) {
            Ok(answer) if answer.get("success") == Some(&Value::Bool(true)) => Outcome::Accepted,
            _ => Outcome::Fatal(SignalingError::UnexpectedContentType {
                found: "something else than a signaling server's answer".to_owned(),
            }),
        }
    }

    /// Sends a request, after redirections on the same server.
    async fn send(
        &self,
        method: Method,
        mut url: Url,
        dressed: impl Fn(RequestBuilder) -> Result<RequestBuilder, OpenFailure>,
    ) -> Result<reqwest::Response, OpenFailure> {
        for _ in 0..=MAX_REDIRECTS {
            let request = dressed(self.client.request(method.clone(), url.clone()))?;
            // The server, and not the whole address, which may hold a token.
            let failed = |error: reqwest::Error| {
                let server = self.base.origin().ascii_serialization();
                OpenFailure::Network(format!("{server}: {}", reasons(&error.without_url())))
            };
            let response = request.send().await.map_err(failed)?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            url = self.redirected(&url, &method, &response).map_err(OpenFailure::Fatal)?;
        }
        let to = "itself, again and again".to_owned();
        Err(OpenFailure::Fatal(SignalingError::Redirected { to }))
    }

    /// Where an answer points to, if that is the same server and the request stays what it is.
    fn redirected(
        &self,
        from: &Url,
        method: &Method,
        response: &reqwest::Response,
    ) -> Result<Url, SignalingError> {
        let location = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
        let elsewhere = |to: &str| SignalingError::Redirected { to: plain(to) };
        let to = location.and_then(|to| from.join(to).ok()).ok_or_else(|| elsewhere("nowhere"))?;
        if to.origin() != self.base.origin() {
            return Err(elsewhere(&to.origin().ascii_serialization()));
        }
        // All others make a GET of a POST.
        let keeps = matches!(response.status().as_u16(), 307 | 308);
        if *method == Method::GET || keeps { Ok(to) } else { Err(elsewhere("a page")) }
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_query(None);
        url.set_fragment(None);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", path]);
        }
        url.query_pairs_mut().append_pair("room", &self.room_text);
        url
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

fn secret_value(text: &str) -> Result<HeaderValue, OpenFailure> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        let problem = "it cannot be sent in a header".to_owned();
        OpenFailure::Fatal(SignalingError::Config { setting: "token or join key", problem })
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// A short answer; what is too long or too late is cut.
async fn answer(mut response: reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    let read = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = MAX_ANSWER - body.len();
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if body.len() >= MAX_ANSWER {
                break;
            }
        }
    };
    // What came until then is what there is.
    let _ = tokio::time::timeout(ANSWER_TIMEOUT, read).await;
    body
}

/// What a server says of an error; nothing for a page of HTML.
async fn words(response: reqwest::Response) -> String {
    let body = answer(response).await;
    match serde_json::from_slice::<Value>(&body) {
        Ok(value) => plain(value.get("error").and_then(Value::as_str).unwrap_or_default()),
        Err(_) => {
            let text = String::from_utf8_lossy(&body);
            if text.trim_start().starts_with('<') { String::new() } else { plain(&text) }
        }
    }
}

/// On one line, cut.
fn plain(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect()
}
