//! Requests by the platform that embeds the module. Proxies, certificates and connections are its own.

use super::{AnyResponse, HttpConfig, HttpError, HttpRequest};
use crate::client::platform::{HostFailure, HostRequest, host, time::timeout};

/// Sends requests, one try each.
pub(super) struct Exchange;

impl Exchange {
    #[allow(clippy::unnecessary_wraps, reason = "as where it can fail")]
    pub(super) const fn new(_: &HttpConfig) -> Result<Self, HttpError> {
        Ok(Self)
    }

    pub(super) async fn send(
        &self,
        request: HttpRequest,
        host_name: &str,
        config: &HttpConfig,
    ) -> Result<AnyResponse, HttpError> {
        let HttpRequest { what: _, method, url, headers, body } = request;
        let max_response = config.max_response;
        let request = HostRequest { method, url, headers, body, max_response };
        match timeout(config.try_timeout, host().fetch(request)).await {
            Ok(Ok(answer)) => {
                let (status, headers, body) = (answer.status, answer.headers, answer.body);
                Ok(AnyResponse { status, headers, body })
            }
            Ok(Err(HostFailure::Network(reason))) => {
                Err(HttpError::Connect { host: host_name.to_owned(), reason })
            }
            Ok(Err(HostFailure::TooLong)) => Err(HttpError::TooLong { limit: max_response }),
            Err(_) => Err(HttpError::Timeout { after: config.try_timeout }),
        }
    }
}
