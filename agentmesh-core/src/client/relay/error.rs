//! Why a relay connection cannot be used, was refused, or ended.

use std::time::Duration;

use crate::{client::transport::TransportError, error::errors, wire::relay_error::RelayErrorCode};

errors! {
    /// Why a relay connection could not be used, was refused, or ended.
    pub enum RelayError {
        /// There is no connection at the moment; another attempt is on its way.
        #[error("not connected to the relay")]
        NotConnected = "RELAY_NOT_CONNECTED", Network, retryable;
        /// The queue towards the relay is full.
        #[error("the queue to the relay is full")]
        Busy = "RELAY_BUSY", RateLimited, retryable;
        /// Another connection of the same agent took over. This one does not come back.
        #[error("another connection of this agent took over")]
        Replaced = "RELAY_REPLACED", Conflict, permanent;
        /// The connection was closed by its owner.
        #[error("the relay connection was closed")]
        Closed = "RELAY_CLOSED", Closed, permanent;
        /// The connection could not be made, or broke.
        #[error("{source}")]
        Transport {
            /// How.
            source: TransportError,
        } = "RELAY_TRANSPORT", Network, retryable;
        /// The relay said no to `connect`. Common causes: a clock that is wrong by more than a minute, and relays that
        /// know this agent under a stricter authentication.
        #[error("the relay refused the connection: {code}")]
        Refused {
            /// The relay's code.
            code: RelayErrorCode,
        } = "RELAY_REFUSED", Authentication, retryable;
        /// The relay closed before it said `connected`. Relays of 0.2 do that, without a word, when they do not accept
        /// the signature or the timestamp.
        #[error("the relay closed the connection during the handshake; is this machine's clock right?")]
        ClosedInHandshake = "RELAY_CLOSED_IN_HANDSHAKE", Authentication, retryable;
        /// The relay did not answer `connect`.
        #[error("the relay did not answer within {} ms", .after.as_millis())]
        HandshakeTimeout {
            /// The deadline.
            after: Duration,
        } = "RELAY_HANDSHAKE_TIMEOUT", Timeout, retryable;
        /// The relay sent more than it may before `connected`.
        #[error("the relay did not say `connected` before {frames} other frames")]
        HandshakeFlooded {
            /// How many other frames came.
            frames: usize,
        } = "RELAY_HANDSHAKE_FLOODED", Protocol, retryable;
        /// Nothing arrived after a ping: the connection is dead or deaf.
        #[error("the relay did not answer a ping within {} ms", .after.as_millis())]
        Silent {
            /// The deadline.
            after: Duration,
        } = "RELAY_SILENT", Timeout, retryable;
        /// The relay closed the connection.
        #[error("the relay closed the connection ({})", .code.map_or("no code".into(), |c| c.to_string()))]
        ClosedByRelay {
            /// Its WebSocket close code.
            code: Option<u16>,
        } = "RELAY_CLOSED_BY_RELAY", Network, retryable;
    }
}

impl From<TransportError> for RelayError {
    fn from(source: TransportError) -> Self {
        Self::Transport { source }
    }
}
