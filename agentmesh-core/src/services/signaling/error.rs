//! Why there is no stream, or why a signal did not go out.

use std::time::Duration;

use super::PeerId;
use crate::error::{errors, words};

errors! {
    /// Why something about signaling failed.
    pub enum SignalingError {
        /// The client cannot be set up with these settings.
        #[error("{setting}: {problem}")]
        Config {
            /// Which.
            setting: &'static str,
            /// What is wrong with it.
            problem: String,
        } = "SIGNALING_CONFIG", InvalidInput, permanent;
        /// The server refuses to open a stream for good (400, 404, 405): not this room, or not a signaling server.
        #[error("the server refused with HTTP {status}{}", words(.text))]
        Refused {
            /// The HTTP status.
            status: u16,
            /// The server's words, cut.
            text: String,
        } = "SIGNALING_REFUSED", InvalidInput, permanent;
        /// 401 or 403: on joining, the join key is missing or wrong; on a signal, the session is not known any more, and
        /// the client joins again by itself.
        #[error("not authorised{}", words(.text))]
        Unauthorized {
            /// The server's words, cut.
            text: String,
        } = "SIGNALING_UNAUTHORIZED", Authentication, permanent;
        /// The server sends the client elsewhere. Tokens do not go to another server.
        #[error("the server redirects to {to}")]
        Redirected {
            /// Scheme, host and port, or what is wrong with the redirection.
            to: String,
        } = "SIGNALING_REDIRECTED", Protocol, permanent;
        /// The answer is not what a signaling server sends, such as the page of a proxy.
        #[error("the server answered with {found}")]
        UnexpectedContentType {
            /// Its content type.
            found: String,
        } = "SIGNALING_CONTENT_TYPE", Protocol, permanent;
        /// No stream could be opened now: network, TLS, or a server that is busy (429, 5xx).
        #[error("cannot connect: {reason}")]
        Connect {
            /// What went wrong.
            reason: String,
        } = "SIGNALING_CONNECT", Network, retryable;
        /// The stream ended or fell silent. The client resumes by itself.
        #[error("the stream was lost: {reason}")]
        StreamLost {
            /// How.
            reason: String,
        } = "SIGNALING_STREAM_LOST", Network, retryable;
        /// The stream holds something that no server may send: a `joined` without a token, a line over 1 MiB.
        #[error("the server broke the protocol: {problem}")]
        Protocol {
            /// What it sent.
            problem: &'static str,
        } = "SIGNALING_PROTOCOL", Protocol, retryable;
        /// Nothing can be sent before the room was joined.
        #[error("the room is not joined yet")]
        NotJoined = "SIGNALING_NOT_JOINED", Conflict, retryable;
        /// As many signals wait already as may.
        #[error("{limit} signals are waiting already")]
        QueueFull {
            /// The limit.
            limit: usize,
        } = "SIGNALING_QUEUE_FULL", RateLimited, retryable;
        /// The signal is longer than what servers take, or `null`.
        #[error("the signal cannot be sent: {problem}")]
        InvalidSignal {
            /// What is wrong with it.
            problem: &'static str,
        } = "SIGNALING_INVALID_SIGNAL", InvalidInput, permanent;
        /// The recipient is not in the room.
        #[error("{peer} is not in the room")]
        PeerGone {
            /// The recipient.
            peer: PeerId,
        } = "SIGNALING_PEER_GONE", NotFound, permanent;
        /// The server limited the rate three times in a row.
        #[error("the server limits the rate")]
        RateLimited = "SIGNALING_RATE_LIMITED", RateLimited, retryable;
        /// The server does not take this signal.
        #[error("the server refused the signal with HTTP {status}{}", words(.text))]
        Rejected {
            /// The HTTP status.
            status: u16,
            /// The server's words, cut.
            text: String,
        } = "SIGNALING_REJECTED", InvalidInput, permanent;
        /// Three tries brought no answer. The peer may have got the signal all the same.
        #[error("the signal may not have arrived: {reason}")]
        NotConfirmed {
            /// What the last try failed with.
            reason: String,
        } = "SIGNALING_NOT_CONFIRMED", Network, retryable;
        /// The server gave this client another id while the signal waited; peers do not know that one yet.
        #[error("this client has another id now")]
        IdentityChanged = "SIGNALING_IDENTITY_CHANGED", Conflict, retryable;
        /// The signal waited too long.
        #[error("not sent within {} ms", .after.as_millis())]
        Timeout {
            /// How long.
            after: Duration,
        } = "SIGNALING_TIMEOUT", Timeout, retryable;
        /// The signature in a signal does not fit what it is about.
        #[error("the signal's signature is not good: {problem}")]
        BadSignature {
            /// Why not.
            problem: &'static str,
        } = "SIGNALING_BAD_SIGNATURE", Authentication, permanent;
        /// Another process took the session over.
        #[error("another client resumed this session")]
        Superseded = "SIGNALING_SUPERSEDED", Closed, permanent;
        /// The client left or was dropped.
        #[error("the client is closed")]
        Closed = "SIGNALING_CLOSED", Closed, permanent;
    }
}
