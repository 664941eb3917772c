//! Rooms of a signaling server: joining, sending, what happens in them.

use std::{sync::Arc, time::Duration};

use agentmesh_core::services::signaling::{
    Author, IceServer, Roster, SecretText, SessionCredentials, Signal,
    SignalingClient as CoreClient, SignalingEvent, SignalingTimings,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Item, ItemStream, millis};
use crate::{FacadeError, Identity, owned::Owned};

/// How to join a room, without what is secret.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignalingSettings {
    /// The server: its origin, or the part of the path before `/api`.
    pub url: String,
    /// The room.
    pub room: String,
    /// Whether `http` may reach other machines.
    pub allow_insecure: bool,
    /// For a connection and the head of its answer.
    pub open_timeout_ms: Option<u64>,
    /// A stream that is silent for so long is dead.
    pub idle_timeout_ms: Option<u64>,
    /// For a signal, from sending on.
    pub send_timeout_ms: Option<u64>,
    /// Attempts in a row that fail before the client gives up.
    pub attempts: Option<u32>,
    /// Signals that wait, at most.
    pub max_queued: Option<usize>,
}

/// How to join a room. `Debug` shows nothing that is secret.
#[derive(Debug, Default)]
pub struct SignalingOpening {
    /// Everything that is not secret.
    pub settings: SignalingSettings,
    /// The key that the room wants.
    pub join_key: Option<SecretText>,
    /// A session of before.
    pub resume: Option<SignalingCredentials>,
    /// Who signs descriptions.
    pub sign_with: Option<Identity>,
}

/// Who a client is in a room. Prints no token.
#[derive(Debug)]
pub struct SignalingCredentials {
    /// Its id, which everybody in the room knows.
    pub id: String,
    /// What proves it.
    pub token: SecretText,
    /// The server takes credentials in headers.
    pub header_auth: bool,
}

/// A place in a room. A clone is the same place; it is given up when it is left or the last clone is dropped.
#[derive(Debug, Clone)]
pub struct SignalingClient(Arc<Owned<CoreClient>>);

impl SignalingClient {
    /// Joins a room. With `wait`, returns when it is joined, or with why it is not; without, at once, and tries on.
    ///
    /// # Errors
    /// `SIGNALING_CONFIG` and, with `wait`, whatever the first attempt failed with.
    pub async fn join(opening: SignalingOpening, wait: bool) -> Result<Self, FacadeError> {
        let SignalingOpening { settings, join_key, resume, sign_with } = opening;
        let timings = settings.timings();
        let mut builder = CoreClient::builder(settings.url, settings.room).timings(timings);
        if settings.allow_insecure {
            builder = builder.allow_insecure();
        }
        if let Some(key) = join_key {
            builder = builder.join_key(key);
        }
        if let Some(SignalingCredentials { id, token, header_auth }) = resume {
            builder = builder.resume(SessionCredentials { id: id.into(), token, header_auth });
        }
        if let Some(identity) = sign_with {
            builder = builder.sign_with(identity.core());
        }
        let client = if wait { builder.connect().await? } else { builder.start()? };
        Ok(Self(Arc::new(Owned::new(client))))
    }

    /// Sends a signal, JSON text, and waits until the server took it.
    ///
    /// # Errors
    /// As the core's `SignalingClient::send`.
    pub async fn send(&self, to: &str, signal: &str) -> Result<(), FacadeError> {
        let signal: Value = serde_json::from_str(signal)?;
        Ok(self.0.get()?.send(to, &signal).await?)
    }

    /// What happens. The first to ask gets everything since the start.
    ///
    /// # Errors
    /// `BINDING_FORKED`, as every method below.
    pub fn events(&self) -> Result<ItemStream, FacadeError> {
        Ok(ItemStream::events(self.0.get()?.events(), item))
    }

    /// This client's id, once it joined.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn id(&self) -> Result<Option<String>, FacadeError> {
        Ok(self.0.get()?.id().map(|id| id.to_string()))
    }

    /// The room, as servers know it.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn room(&self) -> Result<String, FacadeError> {
        Ok(self.0.get()?.room().as_str().to_owned())
    }

    /// Who else is in the room, by the last roster.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn peers(&self) -> Result<Vec<String>, FacadeError> {
        Ok(self.0.get()?.peers().iter().map(ToString::to_string).collect())
    }

    /// ICE servers, by the last `joined`: a list of objects as WebRTC libraries take them.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn ice_servers(&self) -> Result<Value, FacadeError> {
        Ok(ice_servers(&self.0.get()?.ice_servers()))
    }

    /// Whether there is a stream now.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn is_online(&self) -> Result<bool, FacadeError> {
        Ok(self.0.get()?.is_online())
    }

    /// What another process needs to go on as this client.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn credentials(&self) -> Result<Option<SignalingCredentials>, FacadeError> {
        let session = self.0.get()?.credentials();
        Ok(session.map(|session| SignalingCredentials {
            id: session.id.to_string(),
            token: session.token.duplicate(),
            header_auth: session.header_auth,
        }))
    }

    /// Gives the place up, and waits for the server's word: five seconds at most, or two if it is urgent. Again is fine.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub async fn leave(&self, urgent: bool) -> Result<(), FacadeError> {
        let client = self.0.get()?;
        if urgent {
            client.shutdown().await;
        } else {
            client.leave().await;
        }
        Ok(())
    }
}

impl SignalingSettings {
    fn timings(&self) -> SignalingTimings {
        let default = SignalingTimings::default();
        let or = |ms: Option<u64>, default| ms.map_or(default, Duration::from_millis);
        SignalingTimings {
            open: or(self.open_timeout_ms, default.open),
            idle: or(self.idle_timeout_ms, default.idle),
            send: or(self.send_timeout_ms, default.send),
            attempts: self.attempts,
            max_queued: self.max_queued.unwrap_or(default.max_queued),
            ..default
        }
    }
}

fn ice_servers(servers: &[IceServer]) -> Value {
    let server = |server: &IceServer| {
        let mut members = json!({"urls": server.urls});
        if let (Some(username), Some(credential), Value::Object(members)) =
            (&server.username, &server.credential, &mut members)
        {
            members.insert("username".to_owned(), username.as_str().into());
            members.insert("credential".to_owned(), credential.expose().into());
        }
        members
    };
    servers.iter().map(server).collect()
}

fn item(event: SignalingEvent) -> Item {
    use SignalingEvent as E;
    match event {
        E::Joined { id, ice_servers: servers } => {
            Item::new("joined", json!({"id": id, "ice_servers": ice_servers(&servers)}))
        }
        E::Resumed { id, ice_servers: servers } => {
            Item::new("resumed", json!({"id": id, "ice_servers": ice_servers(&servers)}))
        }
        E::IdentityLost { id } => Item::new("identity_lost", json!({"id": id})),
        E::IdentityChanged { old, new, ice_servers: servers } => Item::new(
            "identity_changed",
            json!({"old": old, "new": new, "ice_servers": ice_servers(&servers)}),
        ),
        E::Roster(Roster { peers, joined, left, first, .. }) => Item::new(
            "roster",
            json!({"peers": peers, "joined": joined, "left": left, "first": first}),
        ),
        E::Signal(signal) => signal_item(signal),
        E::Unreadable { problem } => Item::new("unreadable", json!({"problem": problem})),
        E::Disconnected { error, retry_in } => Item::new(
            "disconnected",
            json!({"error": FacadeError::from(error).to_value(), "retry_in_ms": millis(retry_in)}),
        ),
        E::Superseded => Item::new("superseded", json!({})),
        E::Closed { error } => {
            Item::new("closed", json!({"error": FacadeError::from(error).to_value()}))
        }
        E::Lagged { missed } => Item::new("lagged", json!({"missed": missed})),
        _ => Item::new("other", json!({})),
    }
}

fn signal_item(Signal { sender, value, author, .. }: Signal) -> Item {
    let (signed_by, problem) = match author {
        Author::Signed(amid) => (Some(amid.to_string()), None),
        Author::Invalid(error) => (None, Some(FacadeError::from(error).to_value())),
        _ => (None, None),
    };
    Item::new(
        "signal",
        json!({"sender": sender, "value": value, "signed_by": signed_by, "problem": problem}),
    )
}

#[cfg(test)]
mod tests {
    use agentmesh_core::services::signaling::normalize_ice_servers;

    use super::*;

    #[test]
    fn ice_servers_are_what_webrtc_libraries_take() {
        let given =
            json!([{"urls": ["turn:a"], "username": "u", "credential": "c"}, {"urls": ["stun:b"]}]);
        assert_eq!(ice_servers(&normalize_ice_servers(&given)), given);
    }

    #[test]
    fn nothing_secret_is_printed() {
        let item = Item::new("signal", json!({"value": "hush"}));
        let opening = SignalingOpening {
            join_key: Some(SecretText::new("hush")),
            ..SignalingOpening::default()
        };
        assert!(!format!("{item:?}{opening:?}").contains("hush"));
    }
}
