//! What an engine takes in.

use crate::{
    handshake::SessionId,
    identity::Amid,
    keys::VerifyingKey,
    knock,
    prekeys::{PreKeyBundle, Stock, UploadReceipt},
    wire::{id::MessageId, relay_id::RelayMessageId},
};

use super::{CircuitChange, Need, NewMessage, NewStatus, Opened, SendFailure, StreamStep};
#[cfg(feature = "legacy-0-2")]
use super::{LegacyInbound, LegacyOffer};

/// A native frame as the relay delivered it.
#[derive(Clone, PartialEq, Eq)]
pub struct Inbound {
    /// Whom the relay names as the sender; believed only once a session or a signature proves it.
    pub from: Amid,
    /// The sender's name for the frame, if the relay speaks the `ack` extension.
    pub relay_id: Option<RelayMessageId>,
    /// The frame.
    pub frame: Vec<u8>,
}

impl core::fmt::Debug for Inbound {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Inbound")
            .field("from", &self.from)
            .field("relay_id", &self.relay_id)
            .field("bytes", &self.frame.len())
            .finish()
    }
}

/// Everything that can happen to an agent.
#[derive(Debug)]
pub enum Input {
    /// A frame came from the relay.
    Frame(Inbound),
    /// A frame was opened; the engine asked for records before it could go on.
    Opened(Box<Opened>),
    /// The application sends a message.
    Send(NewMessage),
    /// The application says how far something is.
    SendStatus(NewStatus),
    /// A stream moves.
    Stream(Box<StreamStep>),
    /// The registry answered with a peer's bundle.
    Bundle {
        /// The peer.
        peer: Amid,
        /// The bundle; the engine checks it against what it knows of the peer.
        bundle: Box<PreKeyBundle>,
    },
    /// There is no bundle to be had, for good.
    NoBundle {
        /// The peer.
        peer: Amid,
        /// Why.
        reason: SendFailure,
    },
    /// The registry answered with a peer's identity key, and it matches the AMID.
    PeerKey {
        /// The peer.
        peer: Amid,
        /// The key.
        key: VerifyingKey,
    },
    /// A payload of JSON came from the relay.
    #[cfg(feature = "legacy-0-2")]
    Legacy(LegacyInbound),
    /// The registry has no native bundle of a peer, but one of 0.2.
    #[cfg(feature = "legacy-0-2")]
    LegacyOffer {
        /// The peer.
        peer: Amid,
        /// Its keys and bundle.
        offer: Box<LegacyOffer>,
    },
    /// The registry's word on a peer that knocks in 0.2: the key of its AMID, and its exchange key.
    #[cfg(feature = "legacy-0-2")]
    LegacyKeys {
        /// The peer.
        peer: Amid,
        /// Its keys.
        keys: crate::identity::IdentityPublic,
    },
    /// The policy decided on a KNOCK.
    Decide {
        /// The session that the KNOCK opened.
        session: SessionId,
        /// The decision.
        decision: knock::Decision,
    },
    /// The application handled a message.
    Handled {
        /// The sender.
        from: Amid,
        /// The message.
        id: MessageId,
    },
    /// The relay has a frame of ours on its disk.
    RelayAcked(RelayMessageId),
    /// The relay refused a frame of ours.
    RelayRefused {
        /// The frame.
        relay_id: RelayMessageId,
        /// Whether it can succeed later.
        retryable: bool,
        /// How long to wait, in milliseconds, if the relay said so.
        retry_after: Option<u64>,
    },
    /// The relay connection stands. `acks` tells whether the relay confirms what it stored.
    Connected {
        /// Whether the relay speaks the `ack` extension.
        acks: bool,
    },
    /// The relay had nothing more for us.
    QueueDrained,
    /// New public prekeys reached the registry.
    PrekeysPublished {
        /// What the upload contained.
        receipt: UploadReceipt,
        /// What the registry has left, if it says so.
        stock: Option<Stock>,
    },
    /// The registry has lost what was published there.
    RegistryForgot,
    /// Receipts for a peer are due.
    FlushReceipts(Amid),
    /// End the session with a peer; the next message knocks anew.
    CloseSession(Amid),
    /// Take a message back that was not delivered yet.
    Cancel(MessageId),
    /// An order to the circuit breakers.
    Circuit(CircuitChange),
    /// Parts of large payloads can be sent or checked: see [`Engine::parts_due`](super::Engine::parts_due).
    Parts,
    /// Replace our exchange key; see [`Engine::rotation_refusal`](super::Engine::rotation_refusal).
    RotateExchangeKey,
    /// Time passed.
    Tick,
}

/// How far [`Engine::handle`](super::Engine::handle) came.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "lives for one turn of the driver's loop")]
pub enum Step {
    /// The input is dealt with.
    Done,
    /// These records must be loaded first; then the input is to be handed in again.
    Load(Vec<Need>, Input),
}
