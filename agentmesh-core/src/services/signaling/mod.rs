//! WebRTC signaling: agents meet in a room of a signaling server and pass each other what they need to connect. Nothing
//! is encrypted end to end. The guide is `docs/guides/signaling.md`.
//!
//! [`SignalingClient`] joins a room, keeps its place in it over lost connections, and sends signals at the rate that
//! servers allow. [`Payload`] and [`Negotiator`] are for those who connect by WebRTC: what signals look like, and who
//! offers. This crate brings no WebRTC stack. Knows nothing of agents of the mesh but the identity key that may sign
//! descriptions ([`sign_signal`]).

mod auth;
mod client;
mod error;
mod event;
mod ice;
mod machine;
mod negotiation;
mod payload;
mod peer_id;
#[cfg(test)]
mod redaction;
mod room_name;
mod timings;

pub use self::{
    auth::{SignalContext, sign_signal, verify_signal},
    client::{SessionCredentials, SignalingBuilder, SignalingClient},
    error::SignalingError,
    event::{Author, Roster, Signal, SignalingEvent},
    ice::{IceServer, IceServers, normalize_ice_servers},
    negotiation::{IceState, Negotiator, PeerAction, PeerInput, PeerTimings},
    payload::{Candidate, Description, DescriptionKind, Payload},
    peer_id::PeerId,
    room_name::RoomName,
    timings::SignalingTimings,
};
pub use super::SecretText;

/// Bytes of a request that servers take, signal and envelope together.
pub const MAX_BODY: usize = 64 * 1024;
