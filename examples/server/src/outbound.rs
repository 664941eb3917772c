//! Requests that this server makes to others: resolvers and OAuth providers. Bounded in time and size, and never
//! redirected: an answer counts only from the address that was configured or announced.

use std::{pin::Pin, time::Duration};

use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse, url::Url};
use reqwest::header;

use crate::ServerError;

/// Longest answer that makes sense.
const MAX_ANSWER: usize = 256 * 1024;
const CONNECT: Duration = Duration::from_secs(5);
const TOTAL: Duration = Duration::from_secs(10);

/// Why another server could not be asked. Says nothing of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OutboundError {
    #[error("an address is not usable")]
    Address,
    #[error("the server could not be reached or did not finish its answer")]
    Network,
    #[error("no answer in time")]
    Timeout,
    #[error("the answer is too long")]
    TooLong,
    #[error("the server answered with status {status}")]
    Status { status: u16 },
    #[error("the answer cannot be understood")]
    Unreadable,
    #[error("the resolver answered with code {code}")]
    Dns { code: u32 },
}

/// A client with its bounds. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Outbound(reqwest::Client);

impl Outbound {
    pub(crate) fn new() -> Result<Self, ServerError> {
        reqwest::Client::builder()
            .user_agent(concat!("agentmesh-server/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(TOTAL)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map(Self)
            .map_err(|e| ServerError::Start(std::io::Error::other(e)))
    }

    /// The body of an answer of 200.
    pub(crate) async fn get(
        &self,
        url: Url,
        accept: Option<&str>,
        bearer: Option<&str>,
        limit: Duration,
    ) -> Result<Vec<u8>, OutboundError> {
        let mut request = self.0.get(url).timeout(limit);
        request = request.header(header::ACCEPT, accept.unwrap_or("application/json"));
        if let Some(token) = bearer {
            request = request.bearer_auth(token);
        }
        let (status, _, body) = read(request.send().await.map_err(network)?).await?;
        if status == 200 { Ok(body) } else { Err(OutboundError::Status { status }) }
    }

    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, OutboundError> {
        let (head, body) = request.into_parts();
        let url = Url::parse(&head.uri.to_string()).map_err(|_| OutboundError::Address)?;
        let sent = self.0.request(head.method, url).headers(head.headers).body(body).send().await;
        let (status, headers, body) = read(sent.map_err(network)?).await?;
        let mut response = HttpResponse::new(body);
        *response.status_mut() =
            http::StatusCode::from_u16(status).map_err(|_| OutboundError::Unreadable)?;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

impl<'c> AsyncHttpClient<'c> for Outbound {
    type Error = OutboundError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, OutboundError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.exchange(request))
    }
}

fn network(error: reqwest::Error) -> OutboundError {
    if error.is_timeout() { OutboundError::Timeout } else { OutboundError::Network }
}

async fn read(
    mut response: reqwest::Response,
) -> Result<(u16, http::HeaderMap, Vec<u8>), OutboundError> {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(network)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(OutboundError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok((status, headers, body))
}
