//! Rooms of a signaling server, and who offers to whom in them.

use std::sync::Arc;

use agentmesh_facade::{
    Negotiator, SecretText, SignalingClient, SignalingCredentials, SignalingOpening, from_json,
};

use super::secret;
use crate::{
    NativeError, NativeIdentity, NativeItem, NativeItems,
    calls::{call, run},
};

/// Who a client is in a room.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
pub struct NativeSignalingCredentials {
    /// Its id, which everybody in the room knows.
    pub id: String,
    /// What proves it.
    pub token: String,
    /// The server takes credentials in headers.
    pub header_auth: bool,
}

/// How to join a room.
#[derive(uniffi::Record)]
pub struct NativeSignalingOpening {
    /// Everything that is not secret: the facade's `SignalingSettings`.
    pub settings: String,
    /// The key that the room wants.
    pub join_key: Option<String>,
    /// A session of before.
    pub resume: Option<NativeSignalingCredentials>,
    /// Who signs descriptions.
    pub sign_with: Option<Arc<NativeIdentity>>,
}

/// A place in a room. It is given up when it is left or the last reference is dropped.
#[derive(uniffi::Object)]
pub struct NativeSignalingClient(SignalingClient);

/// Joins a room. With `wait`, returns when it is joined, or with why it is not; without, at once, and tries on.
///
/// # Errors
/// `SIGNALING_CONFIG` and, with `wait`, whatever the first attempt failed with.
#[uniffi::export]
pub async fn join_signaling(
    opening: NativeSignalingOpening,
    wait: bool,
) -> Result<Arc<NativeSignalingClient>, NativeError> {
    let opening = SignalingOpening {
        settings: run(|| from_json(&opening.settings))?,
        join_key: secret(opening.join_key),
        resume: opening.resume.map(|resume| SignalingCredentials {
            id: resume.id,
            token: SecretText::new(resume.token),
            header_auth: resume.header_auth,
        }),
        sign_with: opening.sign_with.map(|identity| identity.0.clone()),
    };
    call(async move {
        let client = SignalingClient::join(opening, wait).await?;
        Ok(Arc::new(NativeSignalingClient(client)))
    })
    .await
}

#[uniffi::export]
impl NativeSignalingClient {
    /// Sends a signal, JSON text, and waits until the server took it.
    pub async fn send(&self, to: String, signal: String) -> Result<(), NativeError> {
        let client = self.0.clone();
        call(async move { client.send(&to, &signal).await }).await
    }

    /// What happens. The first to ask gets everything since the start.
    pub fn events(&self) -> Result<Arc<NativeItems>, NativeError> {
        run(|| Ok(NativeItems::new(self.0.events()?)))
    }

    /// This client's id, once it joined.
    pub fn id(&self) -> Result<Option<String>, NativeError> {
        run(|| self.0.id())
    }

    /// The room, as servers know it.
    pub fn room(&self) -> Result<String, NativeError> {
        run(|| self.0.room())
    }

    /// Who else is in the room, by the last roster.
    pub fn peers(&self) -> Result<Vec<String>, NativeError> {
        run(|| self.0.peers())
    }

    /// ICE servers: a list of objects as WebRTC libraries take them.
    pub fn ice_servers(&self) -> Result<String, NativeError> {
        run(|| Ok(self.0.ice_servers()?.to_string()))
    }

    /// Whether there is a stream now.
    pub fn is_online(&self) -> Result<bool, NativeError> {
        run(|| self.0.is_online())
    }

    /// What another process needs to go on as this client.
    pub fn credentials(&self) -> Result<Option<NativeSignalingCredentials>, NativeError> {
        run(|| {
            Ok(self.0.credentials()?.map(|credentials| NativeSignalingCredentials {
                id: credentials.id,
                token: credentials.token.expose().to_owned(),
                header_auth: credentials.header_auth,
            }))
        })
    }

    /// Gives the place up, and waits for the server's word. Again is fine.
    pub async fn leave(&self, urgent: bool) -> Result<(), NativeError> {
        let client = self.0.clone();
        call(async move { client.leave(urgent).await }).await
    }
}

/// Negotiates with one peer: inputs in, actions out, for a WebRTC library of the application's.
#[derive(uniffi::Object)]
pub struct NativeNegotiator(Negotiator);

#[uniffi::export]
impl NativeNegotiator {
    /// Begins with a peer; `offers` if it was in this client's first roster.
    #[uniffi::constructor]
    pub fn new(local: String, remote: String, offers: bool, mode: Option<String>) -> Arc<Self> {
        Arc::new(Self(Negotiator::new(&local, &remote, offers, mode)))
    }

    /// A signal of the peer's, JSON text. False if it is none of WebRTC's, but the application's own.
    pub fn received(&self, signal: String) -> Result<bool, NativeError> {
        run(|| self.0.received(&signal))
    }

    /// Something happened here: an object with a `type`.
    pub fn handle(&self, input: String) -> Result<(), NativeError> {
        run(|| self.0.handle(&input))
    }

    /// Does whatever is due now.
    pub fn tick(&self) {
        self.0.tick();
    }

    /// Milliseconds until `tick` is due, nothing if it never is.
    pub fn next_wake(&self) -> Option<u64> {
        self.0.next_wake()
    }

    /// What there is to do, in this order.
    pub fn take_actions(&self) -> Vec<NativeItem> {
        self.0.take_actions().into_iter().map(Into::into).collect()
    }

    /// Whether this side gives way if both offer at once.
    pub fn is_polite(&self) -> bool {
        self.0.is_polite()
    }

    /// Whether it is over.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}
