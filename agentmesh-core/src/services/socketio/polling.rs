//! Frames without a WebSocket: one request waits for what the server says, others carry what is said to it.
//!
//! The slower way, for networks whose proxies let no WebSocket through. An answer holds any number of frames with a
//! separator between them. Everything else is as over a WebSocket: the server's pings come in answers, so a request that
//! waits longer than they allow is given up by whoever counts them.

use std::{collections::VecDeque, fmt, time::Duration};

use http::{HeaderMap, HeaderValue, Method, header};
use serde::Deserialize;
use url::Url;

use super::{
    MAX_RECEIVED,
    dial::{DialFailure, Received, plain},
};
use crate::client::{
    http::{AnyResponse, HttpClient, HttpConfig, HttpError, HttpRequest, retry_after_seconds},
    platform::BoxFuture,
};

/// Between frames.
const SEPARATOR: char = '\u{1e}';
/// The frame that closes a connection.
const CLOSE: &str = "1";
/// Frames in an answer.
const MAX_FRAMES: usize = 4096;
/// No request waits longer, whatever a server says of its pings.
const LONGEST: Duration = Duration::from_secs(11 * 60);

type Asked = BoxFuture<'static, Result<AnyResponse, HttpError>>;

/// See the module.
pub(crate) struct Polling {
    http: HttpClient,
    /// With the connection's id.
    url: Url,
    came: VecDeque<String>,
    /// The request that waits. Kept here, so that waiting for it can be interrupted.
    asked: Option<Asked>,
}

/// The part of the handshake that says how to go on; the rest is read with the frame.
#[derive(Deserialize)]
struct Opened {
    sid: String,
}

impl Polling {
    /// Shakes hands; the caller bounds the time.
    pub(super) async fn open(config: HttpConfig, mut url: Url) -> Result<Self, DialFailure> {
        let config = HttpConfig {
            read_timeout: LONGEST,
            try_timeout: LONGEST,
            total_timeout: LONGEST,
            max_response: MAX_RECEIVED,
            ..config
        };
        let http = HttpClient::new(config).map_err(|e| DialFailure::Network(e.to_string()))?;
        let answer = http.send_any(request(&url, None)).await.map_err(|error| match error {
            HttpError::Connect { .. } => DialFailure::Network(error.to_string()),
            other => DialFailure::Interrupted(other.to_string()),
        })?;
        let refused = |text: String| DialFailure::Refused {
            status: answer.status.as_u16(),
            text,
            retry_after: retry_after_seconds(&answer.headers).map(Duration::from_secs),
        };
        if !answer.status.is_success() {
            return Err(refused(plain(&answer.body)));
        }
        let came = frames(&answer.body).map_err(|fault| refused(fault.to_owned()))?;
        let opened = came.front().and_then(|frame| frame.strip_prefix('0'));
        let opened: Option<Opened> = opened.and_then(|json| serde_json::from_str(json).ok());
        let Some(Opened { sid }) = opened else {
            return Err(refused("no handshake of Engine.IO".to_owned()));
        };
        url.query_pairs_mut().append_pair("sid", &sid);
        Ok(Self { http, url, came, asked: None })
    }

    /// The next frame. Safe to cancel.
    pub(super) async fn next(&mut self) -> Received {
        loop {
            if let Some(frame) = self.came.pop_front() {
                return Received::Text(frame);
            }
            let asked = self.asked.get_or_insert_with(|| {
                let (http, request) = (self.http.clone(), request(&self.url, None));
                Box::pin(async move { http.send_any(request).await })
            });
            let answer = asked.await;
            self.asked = None;
            match answer {
                Ok(answer) if answer.status.is_success() => match frames(&answer.body) {
                    Ok(came) => self.came = came,
                    Err(fault) => return Received::Fault(fault.to_owned()),
                },
                Ok(answer) => return Received::Gone(closed(&answer)),
                Err(HttpError::TooLong { limit }) => {
                    return Received::Fault(format!("an answer of more than {limit} bytes"));
                }
                Err(error) => return Received::Gone(error.to_string()),
            }
        }
    }

    /// Says something to the server; the caller bounds the time.
    pub(super) async fn send(&mut self, frame: &str) -> Result<(), String> {
        let request = request(&self.url, Some(frame));
        match self.http.send_any(request).await {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(answer) => Err(closed(&answer)),
            Err(error) => Err(error.to_string()),
        }
    }

    pub(super) async fn close(&mut self) -> Result<(), String> {
        self.send(CLOSE).await
    }
}

impl fmt::Debug for Polling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Polling").field("waits", &self.asked.is_some()).finish_non_exhaustive()
    }
}

fn request(url: &Url, frame: Option<&str>) -> HttpRequest {
    let mut headers = HeaderMap::new();
    // Whatever is between must not answer for the server.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if frame.is_some() {
        let kind = HeaderValue::from_static("text/plain;charset=UTF-8");
        headers.insert(header::CONTENT_TYPE, kind);
    }
    let method = if frame.is_some() { Method::POST } else { Method::GET };
    let body = frame.map(|frame| frame.as_bytes().to_vec());
    HttpRequest { what: "Engine.IO", method, url: url.clone(), headers, body }
}

/// What a server says that does not know the connection.
fn closed(answer: &AnyResponse) -> String {
    format!("the server answered with HTTP {}", answer.status.as_u16())
}

fn frames(body: &[u8]) -> Result<VecDeque<String>, &'static str> {
    let text = std::str::from_utf8(body).map_err(|_| "frames that are no text")?;
    if text.matches(SEPARATOR).count() >= MAX_FRAMES {
        return Err("too many frames at once");
    }
    Ok(text.split(SEPARATOR).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_cut_into_frames_within_bounds() {
        assert_eq!(frames("0{}\u{1e}40\u{1e}2".as_bytes()).unwrap(), ["0{}", "40", "2"]);
        assert_eq!(frames(b"").unwrap(), [""], "an empty frame, which is a fault");
        assert!(frames(b"\xff").is_err());
        assert!(frames("\u{1e}".repeat(MAX_FRAMES).as_bytes()).is_err());
    }
}
