//! Talking to providers.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use jsonwebtoken::jwk::JwkSet;
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, ExtraTokenFields, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    StandardTokenResponse, TokenResponse, TokenUrl,
    basic::{
        BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
        BasicTokenType,
    },
    url::Url,
};
use serde::{Deserialize, Serialize};

use super::{
    config::{OAuthEndpoints, OAuthProvider, is_private},
    id_token::{self, Discovery, TokenError},
};
use crate::{
    outbound::{Outbound, OutboundError},
    store::oauth::Attempt,
};

/// How long a discovery document and its keys are used.
const FRESH: Duration = Duration::from_secs(3600);
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest code that is passed on.
pub(super) const MAX_CODE: usize = 4096;

/// Why a provider did not confirm an account. What the provider said in detail is not shown to the outside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProviderError {
    #[error("the provider cannot be used: {0}")]
    Outbound(#[from] OutboundError),
    #[error(
        "the provider's discovery document is not for this issuer, or names addresses without TLS"
    )]
    Discovery,
    #[error("the provider did not accept the code")]
    Code,
    #[error("the provider sent no ID token")]
    NoIdToken,
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the provider does not say who logged in")]
    NoSubject,
}

/// The token answer's member that OpenID Connect adds.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct IdTokenField {
    #[serde(default)]
    id_token: Option<String>,
}

impl ExtraTokenFields for IdTokenField {}

type Tokens = StandardTokenResponse<IdTokenField, BasicTokenType>;
type Client = oauth2::Client<
    BasicErrorResponse,
    Tokens,
    BasicTokenIntrospectionResponse,
    oauth2::StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// All providers.
#[derive(Debug)]
pub(crate) struct Providers {
    list: Vec<OAuthProvider>,
    http: Outbound,
    discovered: Mutex<HashMap<String, (Instant, Discovery)>>,
}

/// The addresses of a provider.
struct Addresses {
    authorize: String,
    token: String,
    discovery: Option<Discovery>,
}

impl Providers {
    pub(crate) fn new(list: Vec<OAuthProvider>, http: Outbound) -> Self {
        Self { list, http, discovered: Mutex::default() }
    }

    pub(super) fn list(&self) -> &[OAuthProvider] {
        &self.list
    }

    /// The provider of this name, in any case.
    pub(super) fn find(&self, name: &str) -> Option<&OAuthProvider> {
        self.list.iter().find(|provider| provider.name.eq_ignore_ascii_case(name))
    }

    async fn addresses(&self, provider: &OAuthProvider) -> Result<Addresses, ProviderError> {
        let issuer = match &provider.endpoints {
            OAuthEndpoints::Explicit { authorize, token, .. } => {
                let (authorize, token) = (authorize.clone(), token.clone());
                return Ok(Addresses { authorize, token, discovery: None });
            }
            OAuthEndpoints::Discovery { issuer } => issuer,
        };
        let known = {
            let discovered = self.discovered.lock().unwrap_or_else(PoisonError::into_inner);
            discovered.get(&provider.name).filter(|(at, _)| at.elapsed() < FRESH).cloned()
        };
        let discovery = match known {
            Some((_, discovery)) => discovery,
            None => {
                let url =
                    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
                let discovery: Discovery = self.json(&url).await?;
                let all = [
                    &discovery.authorization_endpoint,
                    &discovery.token_endpoint,
                    &discovery.jwks_uri,
                ];
                if discovery.issuer != *issuer || !all.iter().all(|url| is_private(url)) {
                    return Err(ProviderError::Discovery);
                }
                let mut discovered = self.discovered.lock().unwrap_or_else(PoisonError::into_inner);
                discovered.insert(provider.name.clone(), (Instant::now(), discovery.clone()));
                discovery
            }
        };
        Ok(Addresses {
            authorize: discovery.authorization_endpoint.clone(),
            token: discovery.token_endpoint.clone(),
            discovery: Some(discovery),
        })
    }

    async fn json<T: serde::de::DeserializeOwned>(&self, url: &str) -> Result<T, OutboundError> {
        let url = Url::parse(url).map_err(|_| OutboundError::Address)?;
        let body = self.http.get(url, None, None, TIMEOUT).await?;
        serde_json::from_slice(&body).map_err(|_| OutboundError::Unreadable)
    }

    fn client(
        provider: &OAuthProvider,
        addresses: &Addresses,
        redirect: &str,
    ) -> Result<Client, OutboundError> {
        let address = |_| OutboundError::Address;
        let client = oauth2::Client::new(ClientId::new(provider.client_id.clone()))
            .set_auth_uri(AuthUrl::new(addresses.authorize.clone()).map_err(address)?)
            .set_token_uri(TokenUrl::new(addresses.token.clone()).map_err(address)?)
            .set_redirect_uri(RedirectUrl::new(redirect.to_owned()).map_err(address)?)
            .set_auth_type(AuthType::RequestBody);
        Ok(match &provider.client_secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.clone())),
            None => client,
        })
    }

    /// Where the owner has to go.
    pub(super) async fn authorization_url(
        &self,
        provider: &OAuthProvider,
        attempt: &Attempt,
    ) -> Result<String, ProviderError> {
        let addresses = self.addresses(provider).await?;
        let client = Self::client(provider, &addresses, &attempt.redirect)?;
        let verifier = PkceCodeVerifier::new(attempt.verifier.clone());
        let state = attempt.state.clone();
        let mut request = client
            .authorize_url(|| CsrfToken::new(state))
            .add_scopes(provider.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        if addresses.discovery.is_some() {
            request = request.add_extra_param("nonce", attempt.nonce.clone());
        }
        Ok(request.url().0.to_string())
    }

    /// Exchanges a code, and finds out whose it is.
    pub(super) async fn subject(
        &self,
        provider: &OAuthProvider,
        attempt: &Attempt,
        code: &str,
    ) -> Result<String, ProviderError> {
        let addresses = self.addresses(provider).await?;
        let client = Self::client(provider, &addresses, &attempt.redirect)?;
        let tokens = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(attempt.verifier.clone()))
            .request_async(&self.http)
            .await
            .map_err(|error| match error {
                oauth2::RequestTokenError::Request(error) => ProviderError::Outbound(error),
                _ => ProviderError::Code,
            })?;
        match (&provider.endpoints, addresses.discovery) {
            (OAuthEndpoints::Explicit { userinfo, subject, .. }, _) => {
                let token = tokens.access_token().secret();
                self.userinfo(userinfo, subject, token).await
            }
            (OAuthEndpoints::Discovery { .. }, Some(discovery)) => {
                let fields = tokens.extra_fields();
                let token = fields.id_token.as_deref().ok_or(ProviderError::NoIdToken)?;
                let keys: JwkSet = self.json(&discovery.jwks_uri).await?;
                let (issuer, nonce) = (&discovery.issuer, &attempt.nonce);
                Ok(id_token::verify(token, &keys, issuer, &provider.client_id, nonce)?)
            }
            (OAuthEndpoints::Discovery { .. }, None) => Err(ProviderError::Discovery),
        }
    }

    async fn userinfo(
        &self,
        url: &str,
        subject: &str,
        token: &str,
    ) -> Result<String, ProviderError> {
        let url = Url::parse(url).map_err(|_| OutboundError::Address)?;
        let body = self.http.get(url, None, Some(token), TIMEOUT).await?;
        let answer: serde_json::Value =
            serde_json::from_slice(&body).map_err(|_| OutboundError::Unreadable)?;
        let subject = match answer.get(subject) {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(serde_json::Value::Number(number)) => number.to_string(),
            _ => return Err(ProviderError::NoSubject),
        };
        if (1..=255).contains(&subject.len()) { Ok(subject) } else { Err(ProviderError::NoSubject) }
    }
}
