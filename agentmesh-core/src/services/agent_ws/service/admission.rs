//! Who gets a session: what a request for a WebSocket must have, and how many there may be.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, atomic::Ordering},
};

use http::{HeaderMap, Method, header};
use tokio::sync::mpsc;

use super::{
    super::{SecretText, id},
    Entry, Inner, PUSHES,
};
use crate::rng::SystemRng;

/// Who may come in.
#[derive(Debug, Default)]
pub struct Access {
    /// One of these tokens is needed: as `Authorization: Bearer`, or as the subprotocol `bearer.TOKEN`, which is the only
    /// header that browsers let a page set. Empty: no token is needed.
    pub tokens: Vec<SecretText>,
    /// A token may also stand in the query, as `?token=`, where proxies and logs see it.
    pub token_in_query: bool,
    /// Pages of these origins only. Empty: of any. Clients that are no browsers name none, and are let in.
    pub origins: Vec<String>,
}

/// A request for a WebSocket. Its `Debug` leaves out headers and query: tokens stand there.
pub struct UpgradeRequest<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its query, without the question mark.
    pub query: Option<&'a str>,
    /// Whose it is, if sessions of one address are to be counted.
    pub ip: Option<IpAddr>,
}

impl std::fmt::Debug for UpgradeRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpgradeRequest")
            .field("method", self.method)
            .field("ip", &self.ip)
            .finish_non_exhaustive()
    }
}

/// What to answer instead of 101.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The body, as plain text.
    pub body: &'static str,
}

const fn refusal(status: u16, body: &'static str) -> Refusal {
    Refusal { status, body }
}

/// A place in the service, free again when dropped.
pub struct Seat {
    pub(super) id: String,
    pub(super) pushes: mpsc::Receiver<String>,
    subprotocol: Option<String>,
    service: Arc<Inner>,
}

impl Seat {
    /// The subprotocol that the answer must name, as `Sec-WebSocket-Protocol`.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The session's id.
    pub fn session_id(&self) -> &str {
        &self.id
    }
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.service.lock().remove(&self.id);
        self.service.counters.open.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) fn admit(service: &Arc<Inner>, request: &UpgradeRequest<'_>) -> Result<Seat, Refusal> {
    let UpgradeRequest { method, headers, query, ip } = *request;
    if method != Method::GET {
        return Err(refusal(405, "Method not allowed"));
    }
    if !has_token(headers, header::UPGRADE, "websocket")
        || !has_token(headers, header::CONNECTION, "upgrade")
        || !headers.contains_key(header::SEC_WEBSOCKET_KEY)
    {
        return Err(refusal(400, "Expected WebSocket request"));
    }
    let config = &service.config;
    if !origin_is_allowed(&config.access, headers) {
        return Err(refusal(403, "Origin not allowed"));
    }
    let subprotocol = authorize(&config.access, headers, query)?;
    if service.stopping.is_cancelled() {
        return Err(refusal(503, "Server shutting down"));
    }
    let ip = ip.map(network);
    let id = id::uuid(&mut SystemRng);
    let (push, pushes) = mpsc::channel(PUSHES);
    let mut sessions = service.lock();
    let of_ip = sessions.values().filter(|entry| ip.is_some() && entry.ip == ip).count();
    if reached(config.max_sessions, sessions.len()) || reached(config.max_sessions_per_ip, of_ip) {
        return Err(refusal(503, "Too many connections"));
    }
    sessions.insert(id.clone(), Entry { ip, pushes: push });
    drop(sessions);
    service.counters.open.fetch_add(1, Ordering::Relaxed);
    service.counters.sessions.fetch_add(1, Ordering::Relaxed);
    Ok(Seat { id, pushes, subprotocol, service: Arc::clone(service) })
}

const fn reached(limit: usize, count: usize) -> bool {
    limit != 0 && count >= limit
}

/// Whoever has one IPv6 address has 2^64 of them.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    values(headers, name).any(|value| value.eq_ignore_ascii_case(token))
}

fn values(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

fn origin_is_allowed(access: &Access, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    access.origins.is_empty()
        || access.origins.iter().any(|allowed| origin.as_bytes() == allowed.as_bytes())
}

/// The subprotocol to name in the answer, if the token came as one.
fn authorize(
    access: &Access,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Result<Option<String>, Refusal> {
    let mut offered = values(headers, header::SEC_WEBSOCKET_PROTOCOL);
    if access.tokens.is_empty() {
        // A browser that offers protocols hangs up if none of them is chosen.
        return Ok(offered.find(|name| name.starts_with("bearer.")).map(str::to_owned));
    }
    // All are compared, whichever fits.
    let is_known = |token: &str| {
        access.tokens.iter().fold(false, |known, own| (!own.is_empty() & own.is(token)) | known)
    };
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some((scheme, token)) = bearer.and_then(|value| value.split_once(' '))
        && scheme.eq_ignore_ascii_case("bearer")
        && is_known(token.trim())
    {
        return Ok(None);
    }
    if let Some(protocol) = offered.find(|name| name.strip_prefix("bearer.").is_some_and(is_known))
    {
        return Ok(Some(protocol.to_owned()));
    }
    let in_query = || {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        pairs.filter(|(name, _)| name == "token").any(|(_, token)| is_known(&token))
    };
    if access.token_in_query && in_query() {
        return Ok(None);
    }
    Err(refusal(401, "Unauthorized"))
}
