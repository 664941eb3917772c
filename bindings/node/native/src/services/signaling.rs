//! Rooms of a signaling server, and who offers in them.

use agentmesh_facade as facade;
use facade::{SecretText, SignalingCredentials, SignalingOpening};
use napi::{Env, bindgen_prelude::Object};
use napi_derive::napi;

use super::{
    items::{Item, ItemStream},
    unit_call,
};
use crate::{
    bridge::{Canceller, call},
    error::run,
    identity::Identity,
    json, settings,
};

/// A place in a room.
#[napi]
pub struct SignalingClient(facade::SignalingClient);

/// Who a client is in a room.
#[napi(object)]
pub struct Credentials {
    /// The client's id.
    pub id: String,
    /// What proves it.
    pub token: String,
    /// Whether the server takes them in headers.
    pub header_auth: bool,
}

/// Joins a room.
#[napi]
pub fn join_signaling<'env>(
    env: &'env Env,
    how: String,
    join_key: Option<String>,
    resume: Option<Credentials>,
    sign_with: Option<&Identity>,
    wait: bool,
    canceller: Option<&Canceller>,
) -> napi::Result<Object<'env>> {
    let resume = resume.map(|Credentials { id, token, header_auth }| SignalingCredentials {
        id,
        token: SecretText::new(token),
        header_auth,
    });
    let opening = SignalingOpening {
        settings: settings(Some(&how))?,
        join_key: join_key.map(SecretText::new),
        resume,
        sign_with: sign_with.map(|identity| identity.0.clone()),
    };
    call(env, canceller, async move {
        Ok(SignalingClient(facade::SignalingClient::join(opening, wait).await?))
    })
}

#[napi]
impl SignalingClient {
    /// Sends a signal, JSON.
    #[napi]
    pub fn send<'env>(
        &self,
        env: &'env Env,
        to: String,
        signal: String,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        unit_call!(self, env, canceller, |client| client.send(&to, &signal))
    }

    /// What happens.
    #[napi]
    pub fn events(&self) -> napi::Result<ItemStream> {
        run(|| self.0.events().map(ItemStream::new))
    }

    /// The client's id.
    #[napi]
    pub fn id(&self) -> napi::Result<Option<String>> {
        run(|| self.0.id())
    }

    /// The room.
    #[napi]
    pub fn room(&self) -> napi::Result<String> {
        run(|| self.0.room())
    }

    /// Who else is there.
    #[napi]
    pub fn peers(&self) -> napi::Result<Vec<String>> {
        run(|| self.0.peers())
    }

    /// ICE servers, as JSON.
    #[napi]
    pub fn ice_servers(&self) -> napi::Result<String> {
        run(|| json(&self.0.ice_servers()?))
    }

    /// Whether there is a stream now.
    #[napi]
    pub fn is_online(&self) -> napi::Result<bool> {
        run(|| self.0.is_online())
    }

    /// What another process needs to go on as this client.
    #[napi]
    pub fn credentials(&self) -> napi::Result<Option<Credentials>> {
        let credentials = run(|| self.0.credentials())?;
        Ok(credentials.map(|SignalingCredentials { id, token, header_auth }| Credentials {
            id,
            token: token.expose().to_owned(),
            header_auth,
        }))
    }

    /// Gives the place up.
    #[napi]
    pub fn leave<'env>(&self, env: &'env Env, urgent: bool) -> napi::Result<Object<'env>> {
        unit_call!(self, env, None, |client| client.leave(urgent))
    }
}

/// Negotiates with one peer.
#[napi]
pub struct Negotiator(facade::Negotiator);

#[napi]
impl Negotiator {
    /// With whom.
    #[napi(constructor)]
    pub fn new(local: String, remote: String, offers: bool, mode: Option<String>) -> Self {
        Self(facade::Negotiator::new(&local, &remote, offers, mode))
    }

    /// A signal of the peer's; whether it is one of WebRTC's.
    #[napi]
    pub fn received(&self, signal: String) -> napi::Result<bool> {
        run(|| self.0.received(&signal))
    }

    /// Something that happened, as JSON.
    #[napi]
    pub fn handle(&self, input: String) -> napi::Result<()> {
        run(|| self.0.handle(&input))
    }

    /// Does what is due.
    #[napi]
    pub fn tick(&self) {
        self.0.tick();
    }

    /// Milliseconds until then.
    #[napi]
    #[allow(clippy::cast_precision_loss, reason = "minutes")]
    pub fn next_wake(&self) -> Option<f64> {
        self.0.next_wake().map(|wake| wake as f64)
    }

    /// What there is to do.
    #[napi]
    pub fn take_actions(&self) -> Vec<Item> {
        self.0.take_actions().iter().map(Item::new).collect()
    }

    /// Whether this side gives way.
    #[napi]
    pub fn is_polite(&self) -> bool {
        self.0.is_polite()
    }

    /// Whether it is over.
    #[napi]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}
