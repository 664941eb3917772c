//! From an address to a connection that the relay has accepted.

use crate::client::platform::time::timeout;
use base64ct::{Base64, Encoding};
use futures_util::{SinkExt, StreamExt};
use rand_core::CryptoRng;
use url::Url;

use super::{
    CLOSE_REPLACED, RelayConfig, RelayContext, RelayError, RelayEvent,
    convert::{self, Received},
};
use crate::{
    Timestamp,
    client::transport::{BoxSocket, TransportError},
    identity::Identity,
    wire::{
        relay_auth::ConnectAuth,
        relay_features::Features,
        relay_frame::{ClientFrame, ConnectFrame, RELAY_PROTOCOL},
    },
};

/// Frames that a relay may send before `connected`: deployed relays register a connection first, so live messages can
/// overtake the greeting.
const MAX_EARLY: usize = 100;

/// An accepted connection.
pub(super) struct Established {
    pub(super) socket: BoxSocket,
    pub(super) features: Features,
    /// `Connected`, then what had overtaken it.
    pub(super) events: Vec<RelayEvent>,
}

/// Why there is none.
pub(super) struct Failure {
    pub(super) error: RelayError,
    /// What the relay said meanwhile.
    pub(super) events: Vec<RelayEvent>,
    /// Its wish.
    pub(super) retry_after: Option<std::time::Duration>,
}

impl<E: Into<RelayError>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let retry_after = match &error {
            RelayError::Transport {
                source: TransportError::Refused { retry_after_seconds: Some(seconds), .. },
            } => Some(std::time::Duration::from_secs(*seconds)),
            _ => None,
        };
        Self { error, events: Vec::new(), retry_after }
    }
}

/// Dials and authenticates, within the configured times.
pub(super) async fn establish(
    config: &RelayConfig,
    context: &mut RelayContext,
) -> Result<Established, Failure> {
    let dialing = timeout(config.connect_timeout, context.connector.connect(&config.url)).await;
    let mut socket =
        dialing.map_err(|_| TransportError::Timeout { after: config.connect_timeout })??;
    let now = context.clock.now();
    let frame =
        connect_frame(&context.identity, &config.url, config.features, now, &mut *context.rng);
    let greeting = async {
        socket.send(convert::text(&ClientFrame::Connect(frame))).await?;
        await_connected(socket, config.features).await
    };
    let after = config.handshake_timeout;
    timeout(after, greeting).await.map_err(|_| RelayError::HandshakeTimeout { after })?
}

async fn await_connected(
    mut socket: BoxSocket,
    announced: Features,
) -> Result<Established, Failure> {
    let mut early = Vec::new();
    let mut refusal = None;
    let mut retry_after = None;
    let failed = loop {
        let Some(Ok(incoming)) = socket.next().await else { break RelayError::ClosedInHandshake };
        match convert::receive(incoming) {
            Received::Connected { session_id, pending, features } => {
                // A relay cannot switch on what was not announced.
                let features = features.intersection(announced);
                let mut events = vec![RelayEvent::Connected { session_id, pending, features }];
                events.append(&mut early);
                return Ok(Established { socket, features, events });
            }
            Received::Event(RelayEvent::Replaced) | Received::Closed(Some(CLOSE_REPLACED)) => {
                break RelayError::Replaced;
            }
            Received::Closed(_) => break RelayError::ClosedInHandshake,
            Received::Event(event) => {
                if let RelayEvent::Error { code, retry_after: wish, .. } = &event {
                    refusal = Some(RelayError::Refused { code: code.clone() });
                    retry_after = *wish;
                }
                if early.len() >= MAX_EARLY {
                    break RelayError::HandshakeFlooded { frames: early.len() };
                }
                early.push(event);
            }
            Received::AckOnly(_) | Received::Nothing | Received::Malformed => {}
        }
    };
    let error = match (failed, refusal) {
        (RelayError::ClosedInHandshake, Some(refusal)) => refusal,
        (failed, _) => failed,
    };
    Err(Failure { error, events: early, retry_after })
}

/// `connect`, signed for this moment and, with `auth`, for this relay.
fn connect_frame(
    identity: &Identity,
    url: &Url,
    features: Features,
    now: Timestamp,
    rng: &mut dyn CryptoRng,
) -> ConnectFrame {
    let (timestamp, signature) = identity.sign_timestamp(now);
    let auth = features
        .auth
        .then(|| ConnectAuth::sign(identity, &relay_host(url), &timestamp, rng).to_field());
    let key = Base64::encode_string(identity.signing_key().as_bytes());
    ConnectFrame {
        protocol: RELAY_PROTOCOL.into(),
        amid: identity.amid().to_string(),
        public_key: key,
        signature,
        timestamp,
        p2p_capable: false,
        features,
        auth,
    }
}

/// What the `Host` header says: the host, and the port unless it is the scheme's own.
fn relay_host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}
