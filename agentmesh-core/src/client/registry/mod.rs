//! The client of a registry: register, look up, search, publish prekeys, fetch bundles (docs/protocol/registry.md and, for
//! what is native, docs/protocol/native.md §3).
//!
//! Works against deployed 0.2 registries as against ours: timestamps are signed in the form that every verifier there
//! accepts, keys come with or without prefixes, each try carries a signature of its own, and every request is signed as a
//! whole besides, which 0.2 registries ignore. Knows HTTP bodies and the identity that signs; stores nothing.

#[cfg(feature = "trust")]
mod certificates;
mod did;
mod error;
mod listing;
mod oauth;
mod organizations;
mod prekeys;
mod registering;
mod reputation;
mod revocation;

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Serialize;
use url::{Host, ParseError, Position, Url};

#[cfg(feature = "legacy-0-2")]
pub use self::prekeys::FetchedBundle;
pub(crate) use self::revocation::RevocationCache;
pub use self::{
    error::{AnswerError, RegistryError},
    listing::{AgentSearch, Listing, SearchPage},
    oauth::OAuthAttempt,
    organizations::{NewOrganization, OrgConsent},
    prekeys::Upload,
    registering::{Registered, Registration},
    reputation::EndedSession,
};
use super::{
    http::{HttpClient, HttpError, HttpRequest, HttpResponse},
    platform::Clock,
};
use crate::{
    Timestamp,
    identity::{Amid, Identity},
    rng::SystemRng,
    wire::{
        registry::{
            AgentLookup, CapabilitiesRequest, HealthResponse, SearchResponse, StatusRequest,
            SuccessResponse,
        },
        registry_auth::{REQUEST_AUTH_HEADER, RequestAuth, SignedRequest},
        relay_frame::PresenceStatus,
    },
};

/// Seconds by which clocks may differ before a refused signature is blamed on them. Registries allow a minute ahead.
const CLOCK_SKEW_SECONDS: u64 = 45;
/// Most search results asked for at once.
const MAX_SEARCH_LIMIT: u64 = 500;

/// Talks to one registry in the name of one agent. Cloning it is cheap.
#[derive(Clone)]
pub struct RegistryClient {
    http: HttpClient,
    base: Url,
    /// One for all clones: when the exchange key is rotated, all go on with the new one.
    identity: Arc<RwLock<Arc<Identity>>>,
    clock: Clock,
}

impl RegistryClient {
    /// A client of the registry at `base`, which includes the version path, as in `https://registry.example/v1`.
    ///
    /// # Errors
    /// [`HttpError::InvalidUrl`].
    pub fn new(
        base: &str,
        identity: Arc<Identity>,
        http: HttpClient,
        clock: Clock,
    ) -> Result<Self, RegistryError> {
        let invalid = |reason: &str| HttpError::InvalidUrl { reason: reason.to_owned() };
        let scheme = "a registry's address begins with http:// or https://";
        let mut base = Url::parse(base).map_err(|error| match error {
            ParseError::RelativeUrlWithoutBase => invalid(scheme),
            error => invalid(&error.to_string()),
        })?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(invalid(scheme).into());
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(invalid("it holds credentials").into());
        }
        base.set_query(None);
        base.set_fragment(None);
        // Joining replaces the last segment unless it is empty.
        let path = format!("{}/", base.path().trim_end_matches('/'));
        base.set_path(&path);
        Ok(Self { http, base, identity: Arc::new(RwLock::new(identity)), clock })
    }

    /// Whether the registry is up, and how many agents it knows.
    ///
    /// # Errors
    /// [`RegistryError::Http`].
    pub async fn health(&self) -> Result<HealthResponse, RegistryError> {
        Ok(self.get("health", "health", &[]).await?.json()?)
    }

    /// This client and its clones go on with another generation of the same identity.
    pub(crate) fn set_identity(&self, identity: Arc<Identity>) {
        *self.identity.write().unwrap_or_else(PoisonError::into_inner) = identity;
    }

    pub(crate) fn identity(&self) -> Arc<Identity> {
        Arc::clone(&self.identity.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the registry says about an agent. Its signing key is checked against the AMID.
    ///
    /// # Errors
    /// [`AnswerError::AgentNotFound`], [`AnswerError::KeySwapped`]; see [`RegistryError`].
    pub async fn lookup(&self, amid: &Amid) -> Result<Listing, RegistryError> {
        let found = self.get("lookup", "registry/lookup", &[("amid", amid.to_string())]).await;
        let details: AgentLookup = match found {
            Ok(response) => response.json()?,
            // An empty 404 comes from an address that is no registry.
            Err(RegistryError::Http(HttpError::NotFound { message })) if !message.is_empty() => {
                return Err(AnswerError::AgentNotFound { amid: *amid }.into());
            }
            Err(error) => return Err(error),
        };
        Listing::check(details, Some(*amid))
    }

    /// Looks for agents. Entries whose key is not that of their AMID are left out and counted.
    ///
    /// # Errors
    /// [`RegistryError::Http`].
    pub async fn search(&self, search: &AgentSearch) -> Result<SearchPage, RegistryError> {
        let mut query = search.query();
        query.limit = query.limit.map(|limit| limit.min(MAX_SEARCH_LIMIT));
        let mut pairs = Vec::new();
        let mut add = |name, value: Option<String>| pairs.extend(value.map(|value| (name, value)));
        add("capability", query.capability);
        add("tier_min", query.tier_min.map(|n| n.to_string()));
        add("reputation_min", query.reputation_min.map(|n| n.to_string()));
        add("status", query.status.map(|status| status.to_string()));
        add("limit", query.limit.map(|n| n.to_string()));
        add("offset", query.offset.map(|n| n.to_string()));
        add("include_revoked", query.include_revoked.map(|yes| yes.to_string()));
        let page: SearchResponse = self.get("search", "registry/search", &pairs).await?.json()?;

        let entries = page.results.len();
        let checked: Vec<_> =
            page.results.into_iter().flat_map(|entry| Listing::check(entry, None)).collect();
        let rejected = entries - checked.len();
        let shown = u64::try_from(entries).unwrap_or(u64::MAX);
        let end = search.offset.unwrap_or(0).saturating_add(shown);
        Ok(SearchPage {
            agents: checked.into_iter().filter(|listing| search.admits(listing)).collect(),
            total: page.total,
            next_offset: (shown > 0 && end < page.total).then_some(end),
            rejected,
        })
    }

    /// Says whether this agent can be reached.
    ///
    /// # Errors
    /// [`RegistryError`]; not found means that the agent has to register first.
    pub async fn set_status(&self, status: &PresenceStatus) -> Result<(), RegistryError> {
        let request = |amid, timestamp, signature| StatusRequest {
            amid,
            status: status.clone(),
            timestamp,
            signature,
        };
        self.change("set status", "registry/status", request).await
    }

    /// Replaces what this agent says it can do.
    ///
    /// # Errors
    /// [`RegistryError`]; not found means that the agent has to register first.
    pub async fn set_capabilities(&self, capabilities: &[String]) -> Result<(), RegistryError> {
        let request = |amid, timestamp, signature| CapabilitiesRequest {
            amid,
            capabilities: capabilities.to_vec(),
            timestamp,
            signature,
        };
        self.change("set capabilities", "registry/capabilities", request).await
    }

    /// How far the registry's clock is ahead of this machine's, in seconds, as its last answer dated itself.
    pub fn clock_offset_seconds(&self) -> Option<i64> {
        self.http.server_clock_offset_seconds()
    }

    /// Whether nobody between here and the registry can change what it says: TLS, or this machine.
    pub fn is_private(&self) -> bool {
        match self.base.host() {
            _ if self.base.scheme() == "https" => true,
            Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn change<T: Serialize>(
        &self,
        what: &'static str,
        path: &str,
        body: impl Fn(String, String, String) -> T,
    ) -> Result<(), RegistryError> {
        let answer: SuccessResponse = self.post(what, path, body).await?.json()?;
        if answer.success { Ok(()) } else { Err(AnswerError::NotAccepted { what }.into()) }
    }

    /// `GET`, signed as a whole.
    async fn get(
        &self,
        what: &'static str,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<HttpResponse, RegistryError> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.get_with(what, &url, || self.sign(&Method::GET, &url, b"")).await
    }

    /// `GET` in nobody's name.
    async fn get_unsigned(
        &self,
        what: &'static str,
        path: &str,
    ) -> Result<HttpResponse, RegistryError> {
        self.get_with(what, &self.url(path)?, || Ok(HeaderMap::new())).await
    }

    async fn get_with(
        &self,
        what: &'static str,
        url: &Url,
        headers: impl Fn() -> Result<HeaderMap, HttpError>,
    ) -> Result<HttpResponse, RegistryError> {
        let build = || {
            let (url, headers) = (url.clone(), headers()?);
            Ok(HttpRequest { what, method: Method::GET, url, headers, body: None })
        };
        self.http.send(build).await.map_err(|error| self.explain(error))
    }

    /// `POST` of a body that `body` makes of our AMID, a timestamp and the signature over it; signed as a whole as well.
    async fn post<T: Serialize>(
        &self,
        what: &'static str,
        path: &str,
        body: impl Fn(String, String, String) -> T,
    ) -> Result<HttpResponse, RegistryError> {
        let url = self.url(path)?;
        let sent = self
            .http
            .send(|| {
                let (timestamp, signature) = self.identity().sign_timestamp(self.now());
                let body = body(self.identity().amid().to_string(), timestamp, signature);
                let body = serde_json::to_vec(&body)
                    .map_err(|e| HttpError::Setup { reason: e.to_string() })?;
                let headers = self.sign(&Method::POST, &url, &body)?;
                let url = url.clone();
                Ok(HttpRequest { what, method: Method::POST, url, headers, body: Some(body) })
            })
            .await;
        sent.map_err(|error| self.explain(error))
    }

    fn url(&self, path: &str) -> Result<Url, HttpError> {
        self.base.join(path).map_err(|e| HttpError::InvalidUrl { reason: e.to_string() })
    }

    fn sign(&self, method: &Method, url: &Url, body: &[u8]) -> Result<HeaderMap, HttpError> {
        let host = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
            None => url.host_str().unwrap_or_default().to_owned(),
        };
        let target = &url[Position::BeforePath..Position::AfterQuery];
        let request = SignedRequest { method: method.as_str(), host: &host, target, body };
        let auth = RequestAuth::sign(&self.identity(), &request, self.now(), &mut SystemRng);
        let value = HeaderValue::from_str(&auth.to_header())
            .map_err(|e| HttpError::Setup { reason: e.to_string() })?;
        Ok(HeaderMap::from_iter([(HeaderName::from_static(REQUEST_AUTH_HEADER), value)]))
    }

    /// A refused signature and a server with another time: it is the clock.
    fn explain(&self, error: HttpError) -> RegistryError {
        if let HttpError::Unauthorized { .. } = &error
            && let Some(seconds) = self.http.server_clock_offset_seconds()
            && seconds.unsigned_abs() > CLOCK_SKEW_SECONDS
        {
            return AnswerError::ClockSkew { seconds }.into();
        }
        error.into()
    }
}

impl fmt::Debug for RegistryClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryClient")
            .field("base", &self.base.as_str())
            .field("amid", &self.identity().amid())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
