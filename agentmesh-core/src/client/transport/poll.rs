//! The relay over HTTPS requests, for platforms that keep no socket open: the same frames, in the bodies of
//! `POST /v1/messages` and `GET /v1/inbox` (`docs/protocol/relay.md` §13).
//!
//! To its owner it looks like any other connection: the first frame out is `connect`, a lost session is a broken
//! connection. Behind it, one task holds a parked request for the inbox and posts what is written meanwhile; it ends with
//! the connection.

use std::{fmt, time::Duration};

use http::{HeaderMap, HeaderValue, Method, header};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;
use url::Url;
use zeroize::Zeroizing;

use super::{BoxSocket, Connector, Incoming, Outgoing, TransportError};
use crate::{
    client::{
        http::{HttpClient, HttpConfig, HttpError, HttpRequest},
        platform::{self, BoxFuture},
    },
    wire::{relay_error::RelayErrorCode, relay_frame::ServerFrame},
};

mod socket;

use socket::PollSocket;

/// Seconds for which the relay may keep a request, if it allows so many: proxies end silent requests after 30 to 60.
const WAIT: u64 = 25;
/// What an answer may take beyond that.
const SLACK: Duration = Duration::from_secs(15);
/// Tries of one request, before the session counts as lost.
const TRIES: u32 = 3;
/// Messages between the task and the owner of the connection, each way.
const QUEUE: usize = 64;
/// Frames and bytes of one request.
const MAX_FRAMES: usize = 64;
const MAX_BYTES: usize = 512 * 1024;
/// WebSocket close code for what a relay refuses.
const POLICY: u16 = 1008;

/// Opens connections that poll.
pub(super) struct PollConnector(HttpClient);

impl fmt::Debug for PollConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PollConnector")
    }
}

impl PollConnector {
    /// With the proxies and certificates of HTTP requests.
    pub(super) fn new(config: &HttpConfig) -> Result<Self, TransportError> {
        let longest = Duration::from_secs(WAIT) + SLACK;
        let client = HttpClient::new(HttpConfig {
            read_timeout: longest,
            try_timeout: longest,
            total_timeout: longest * 2,
            attempts: TRIES,
            ..config.clone()
        });
        let reason = |error: HttpError| TransportError::Proxy { reason: error.to_string() };
        client.map(Self).map_err(reason)
    }
}

impl Connector for PollConnector {
    fn connect<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<BoxSocket, TransportError>> {
        Box::pin(async move {
            let (to_owner, incoming) = mpsc::channel(QUEUE);
            let (outgoing, from_owner) = mpsc::channel(QUEUE);
            let session = Session { http: self.0.clone(), urls: Urls::of(url)?, token: None };
            let task = platform::spawn(session.run(from_owner, to_owner));
            let socket: BoxSocket =
                Box::new(PollSocket { incoming, outgoing: PollSender::new(outgoing), _task: task });
            Ok(socket)
        })
    }
}

#[derive(Clone)]
struct Urls {
    messages: Url,
    inbox: Url,
}

impl Urls {
    /// Beside the path of the WebSocket, over HTTP.
    fn of(relay: &Url) -> Result<Self, TransportError> {
        let invalid = |reason: &str| TransportError::InvalidUrl { reason: reason.to_owned() };
        let mut base = relay.clone();
        let scheme = if matches!(relay.scheme(), "wss" | "https") { "https" } else { "http" };
        base.set_scheme(scheme).map_err(|()| invalid("it is no address of a relay"))?;
        base.set_query(None);
        let beside = |name: &str| base.join(name).map_err(|e| invalid(&e.to_string()));
        Ok(Self { messages: beside("messages")?, inbox: beside("inbox")? })
    }
}

/// What stands for the proof of `connect` from then on: wiped when dropped, never printed.
struct Token(HeaderValue);

#[derive(Deserialize)]
struct Opened {
    token: String,
    #[serde(default)]
    max_wait_seconds: u64,
    inbox: Inbox,
}

#[derive(Deserialize)]
struct Inbox {
    cursor: u64,
    frames: Vec<Box<RawValue>>,
    #[serde(default)]
    closed: Option<u16>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    code: RelayErrorCode,
}

type Owner = mpsc::Sender<Result<Incoming, TransportError>>;

/// How a session ended: by the relay, with its close code, or by its owner.
struct Ended(Option<u16>);

struct Session {
    http: HttpClient,
    urls: Urls,
    token: Option<Token>,
}

impl Session {
    async fn run(mut self, mut outgoing: mpsc::Receiver<Outgoing>, owner: Owner) {
        let last = match self.serve(&mut outgoing, &owner).await {
            Ok(Ended(code)) => Ok(Incoming::Close(code)),
            Err(error) => Err(error),
        };
        // An owner that is gone needs no goodbye.
        let _ = owner.send(last).await;
    }

    async fn serve(
        &mut self,
        outgoing: &mut mpsc::Receiver<Outgoing>,
        owner: &Owner,
    ) -> Result<Ended, TransportError> {
        let Some(connect) = outgoing.recv().await else { return Ok(Ended(None)) };
        let (inbox, wait) = match self.open(connect).await? {
            Ok(opened) => opened,
            Err(refusal) => {
                let frame = ServerFrame::error(refusal.code, refusal.error).to_json();
                let _ = owner.send(Ok(Incoming::Text(frame))).await;
                return Ok(Ended(Some(POLICY)));
            }
        };
        tokio::select! {
            ended = self.fetch(inbox, wait, owner) => ended,
            posted = self.post(outgoing) => posted,
        }
    }

    /// Shows the proof. Not tried a second time: it is good for one session only.
    async fn open(
        &mut self,
        connect: Outgoing,
    ) -> Result<Result<(Inbox, u64), Refusal>, TransportError> {
        let host = self.urls.messages.host_str().unwrap_or_default().to_owned();
        let lost = |error| lost(error, &host);
        let body = Some(body(vec![connect]));
        let request = self.request("relay connect", Method::POST, &self.urls.messages, body);
        let answer = self.http.send_any(request).await.map_err(lost)?;
        if let Some(error) = answer.error() {
            return match serde_json::from_slice::<Refusal>(&answer.body) {
                Ok(refusal) if matches!(answer.status.as_u16(), 400 | 401) => Ok(Err(refusal)),
                _ => Err(lost(error)),
            };
        }
        let broken = || TransportError::Broken { reason: "the relay's answer is none".to_owned() };
        let opened: Opened = serde_json::from_slice(&answer.body).map_err(|_| broken())?;
        let token = Zeroizing::new(opened.token);
        let bearer = Zeroizing::new(format!("Bearer {}", *token));
        let mut value = HeaderValue::from_str(&bearer).map_err(|_| broken())?;
        value.set_sensitive(true);
        self.token = Some(Token(value));
        Ok(Ok((opened.inbox, opened.max_wait_seconds.min(WAIT))))
    }

    /// Hands over what comes, and asks for more.
    async fn fetch(
        &self,
        mut inbox: Inbox,
        wait: u64,
        owner: &Owner,
    ) -> Result<Ended, TransportError> {
        loop {
            for frame in inbox.frames {
                let text = String::from(Box::<str>::from(frame));
                if owner.send(Ok(Incoming::Text(text))).await.is_err() {
                    return Ok(Ended(None));
                }
            }
            if inbox.closed.is_some() {
                return Ok(Ended(inbox.closed));
            }
            let mut url = self.urls.inbox.clone();
            url.set_query(Some(&format!("cursor={}&wait={wait}", inbox.cursor)));
            let answer = self.exchange("relay inbox", Method::GET, &url, None).await;
            inbox = match answer {
                Ok(answer) => answer.json().map_err(|error| self.lost(error))?,
                Err(error) => return self.ended(error),
            };
        }
    }

    /// Posts what the owner writes, until it closes.
    async fn post(&self, outgoing: &mut mpsc::Receiver<Outgoing>) -> Result<Ended, TransportError> {
        while let Some(first) = outgoing.recv().await {
            let mut bytes = size(&first);
            let mut batch = vec![first];
            while batch.len() < MAX_FRAMES && bytes < MAX_BYTES {
                let Ok(next) = outgoing.try_recv() else { break };
                bytes += size(&next);
                batch.push(next);
            }
            let (url, body) = (&self.urls.messages, body(batch));
            if let Err(error) = self.exchange("relay messages", Method::POST, url, Some(body)).await
            {
                return self.ended(error);
            }
        }
        Ok(Ended(None))
    }

    /// One request, tried again where that helps: answers have numbers, messages have ids.
    async fn exchange(
        &self,
        what: &'static str,
        method: Method,
        url: &Url,
        body: Option<Vec<u8>>,
    ) -> Result<crate::client::http::HttpResponse, HttpError> {
        self.http.send(|| Ok(self.request(what, method.clone(), url, body.clone()))).await
    }

    fn request(
        &self,
        what: &'static str,
        method: Method,
        url: &Url,
        body: Option<Vec<u8>>,
    ) -> HttpRequest {
        let mut headers = HeaderMap::new();
        if let Some(Token(token)) = &self.token {
            headers.insert(header::AUTHORIZATION, token.clone());
        }
        HttpRequest { what, method, url: url.clone(), headers, body }
    }

    /// A relay that does not know the session (any more) has closed it.
    fn ended(&self, error: HttpError) -> Result<Ended, TransportError> {
        match error {
            HttpError::Unauthorized { .. } | HttpError::Conflict { .. } => Ok(Ended(None)),
            error => Err(self.lost(error)),
        }
    }

    fn lost(&self, error: HttpError) -> TransportError {
        lost(error, self.urls.messages.host_str().unwrap_or_default())
    }
}

fn lost(error: HttpError, host: &str) -> TransportError {
    let host = host.to_owned();
    match error {
        HttpError::Connect { host, reason } => TransportError::Connect { host, reason },
        HttpError::Timeout { after } => TransportError::Timeout { after },
        HttpError::RateLimited { retry_after_seconds } => {
            TransportError::Refused { host, status: 429, retry_after_seconds }
        }
        HttpError::Unavailable { status, retry_after_seconds, .. } => {
            TransportError::Refused { host, status, retry_after_seconds }
        }
        HttpError::NotFound { .. } => {
            TransportError::Refused { host, status: 404, retry_after_seconds: None }
        }
        error => TransportError::Broken { reason: error.to_string() },
    }
}

fn size(message: &Outgoing) -> usize {
    match message {
        Outgoing::Text(text) => text.len(),
        Outgoing::Binary(_) => 0,
    }
}

/// Binary frames are not spoken here, and nobody writes any.
fn body(frames: Vec<Outgoing>) -> Vec<u8> {
    let texts: Vec<String> = frames
        .into_iter()
        .filter_map(|frame| match frame {
            Outgoing::Text(text) => Some(text),
            Outgoing::Binary(_) => None,
        })
        .collect();
    format!(r#"{{"frames":[{}]}}"#, texts.join(",")).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_beside_the_path_of_the_websocket() {
        for (relay, inbox) in [
            ("wss://relay.example/v1/connect", "https://relay.example/v1/inbox"),
            ("ws://127.0.0.1:8787/v1/connect", "http://127.0.0.1:8787/v1/inbox"),
            (
                "wss://relay.example:8443/mesh/v1/connect?x=1",
                "https://relay.example:8443/mesh/v1/inbox",
            ),
        ] {
            let urls = Urls::of(&relay.parse().unwrap()).unwrap();
            assert_eq!(urls.inbox.as_str(), inbox);
            assert_eq!(urls.messages.as_str(), inbox.replace("inbox", "messages"));
        }
    }

    #[test]
    fn frames_are_put_into_one_body() {
        let frames = vec![Outgoing::Text(r#"{"type":"a"}"#.into()), Outgoing::Text("{}".into())];
        assert_eq!(body(frames), br#"{"frames":[{"type":"a"},{}]}"#);
    }
}
