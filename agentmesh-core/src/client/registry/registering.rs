//! An agent makes itself known.

use base64ct::{Base64, Encoding};

use super::{AnswerError, HttpError, Listing, RegistryClient, RegistryError};
use crate::{
    Timestamp,
    prekeys::KnownPeer,
    wire::registry::{
        EXCHANGE_KEY_PREFIX, RegisterRequest, RegisterResponse, SIGNING_KEY_PREFIX, Tier,
    },
};

/// What an agent says about itself when it registers. Registries never change any of it later.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registration {
    /// A name for people.
    pub display_name: Option<String>,
    /// What it can do; these alone can be changed later.
    pub capabilities: Vec<String>,
    /// The relay where it can be reached.
    pub relay_endpoint: Option<String>,
    /// Where it can be reached without a relay.
    pub direct_endpoint: Option<String>,
    /// Proof of a verified account.
    pub verification_token: Option<String>,
}

/// The outcome of a registration.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// False if the agent was registered before.
    pub newly: bool,
    /// The tier the registry gave.
    pub tier: Tier,
    /// A certificate of the registry, if it issued one. Unsigned, and never proof of anything.
    pub certificate: Option<String>,
    /// What the registry now says about this agent.
    pub listing: Listing,
}

impl RegistryClient {
    /// Registers this agent. Being registered already is a success.
    ///
    /// Either way the registry is then asked for the entry, and has to show our own keys.
    ///
    /// # Errors
    /// [`AnswerError::OtherExchangeKey`] and [`AnswerError::KeySwapped`] if it does not; see [`RegistryError`].
    pub async fn register(&self, registration: &Registration) -> Result<Registered, RegistryError> {
        let registered = self.register_with_any_key(registration).await?;
        if self.is_own_exchange_key(&registered.listing) {
            Ok(registered)
        } else {
            Err(AnswerError::OtherExchangeKey.into())
        }
    }

    /// As [`RegistryClient::register`], also if the registry holds an earlier exchange key of ours. Publishing the bundle
    /// puts that right, where the registry knows bundles.
    pub(crate) async fn register_with_any_key(
        &self,
        registration: &Registration,
    ) -> Result<Registered, RegistryError> {
        let identity = &self.identity();
        let key = |prefix: &str, bytes: &[u8]| format!("{prefix}{}", Base64::encode_string(bytes));
        let answer = self
            .post("register", "registry/register", |amid, timestamp, signature| RegisterRequest {
                amid,
                signing_public_key: key(SIGNING_KEY_PREFIX, identity.signing_key().as_bytes()),
                exchange_public_key: key(EXCHANGE_KEY_PREFIX, identity.exchange_key().as_bytes()),
                display_name: registration.display_name.clone(),
                capabilities: registration.capabilities.clone(),
                relay_endpoint: registration.relay_endpoint.clone(),
                direct_endpoint: registration.direct_endpoint.clone(),
                verification_token: registration.verification_token.clone(),
                timestamp,
                signature,
            })
            .await;
        let created: Option<RegisterResponse> = match answer {
            Ok(response) => Some(response.json()?),
            Err(RegistryError::Http(HttpError::Conflict { .. })) => None,
            Err(error) => return Err(error),
        };
        if created.as_ref().is_some_and(|response| !response.success) {
            return Err(AnswerError::NotAccepted { what: "the registration" }.into());
        }
        let listing = self.lookup(&identity.amid()).await?;
        Ok(Registered {
            newly: created.is_some(),
            tier: listing.details.tier.clone(),
            certificate: created.and_then(|response| response.certificate),
            listing,
        })
    }

    pub(crate) fn is_own_exchange_key(&self, listing: &Listing) -> bool {
        listing.exchange_key == *self.identity().exchange_key()
    }

    /// The date of the bundle of ours that the registry serves, if it serves a valid one.
    pub(crate) async fn own_bundle_date(&self) -> Option<Timestamp> {
        let own = KnownPeer::first_contact(self.identity().amid());
        self.inspect_bundle(&own).await.ok().map(|bundle| bundle.created_at())
    }
}
