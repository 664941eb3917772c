//! A request taken apart: the path decoded once, who asks, the query, and a body of bounded size.

use std::time::Duration;

use agentmesh_core::services::user_data::{Name, NameKind};
use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::{access::Principal, answer::Refusal};
use crate::signaling::query::Query;

/// A slow client must not hold a request for ever. Conversations may be long, and lines slow.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes beyond the limit that are still read.
const THROWN_AWAY: usize = 32 << 20;

/// All of a request but its body.
pub(super) struct Head {
    pub(super) principal: Principal,
    pub(super) method: Method,
    query: Option<Query>,
}

impl Head {
    /// A parameter of the query.
    pub(super) fn parameter(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let query = self.query.as_ref().ok_or_else(|| Refusal::invalid("Malformed query"))?;
        Ok(query.get(name))
    }
}

/// See the module.
pub(super) struct Call {
    pub(super) head: Head,
    body: Body,
}

impl Call {
    pub(super) fn new(principal: Principal, request: Request<Body>) -> Self {
        let (head, body) = request.into_parts();
        let query = Query::parse(head.uri.query().unwrap_or_default());
        // What a body is answered with is left out by the layer below.
        let method = if head.method == Method::HEAD { Method::GET } else { head.method };
        Self { head: Head { principal, method, query }, body }
    }

    /// The body, whole. One that is too large is read to its end, within reason, and thrown away: a client that is still
    /// sending would not see the answer.
    pub(super) async fn body(self, limit: u64) -> Result<Bytes, Refusal> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        timeout(BODY_TIMEOUT, read(self.body, limit)).await.map_err(|_| Refusal::late())?
    }
}

async fn read(mut body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let mut kept = Vec::new();
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::invalid("The body could not be read"))?;
        let Ok(data) = frame.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length <= limit {
            kept.extend_from_slice(&data);
        } else {
            kept = Vec::new();
            if length > limit.saturating_add(THROWN_AWAY) {
                break;
            }
        }
    }
    if length > limit { Err(Refusal::too_large()) } else { Ok(kept.into()) }
}

/// The segments of a path below its first, as they came.
pub(super) fn segments(path: &str) -> Vec<&str> {
    path.split('/').skip(2).collect()
}

/// A segment that is a name.
pub(super) fn name(kind: NameKind, segment: &str) -> Result<Name, Refusal> {
    Ok(Name::from_segment(kind, segment)?)
}
