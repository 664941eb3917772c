//! Why a query got no answer, or a connection none.

use std::time::Duration;

use crate::error::{errors, words};

errors! {
    /// Why a query got no answer, or why there is no connection.
    pub enum AgentWebSocketError {
        /// The client cannot be set up with these settings.
        #[error("{setting}: {problem}")]
        Config {
            /// Which.
            setting: &'static str,
            /// What is wrong with it.
            problem: String,
        } = "AGENT_WS_CONFIG", InvalidInput, permanent;
        /// The server refuses a WebSocket for good: a wrong address (400, 404) or a missing permission (401, 403).
        #[error("the server refused with HTTP {status}{}", words(.text))]
        Refused {
            /// The HTTP status.
            status: u16,
            /// The server's words, cut.
            text: String,
        } = "AGENT_WS_REFUSED", Authentication, permanent;
        /// No connection could be made now: network, TLS, or a server that is busy.
        #[error("cannot connect: {reason}")]
        Connect {
            /// What went wrong.
            reason: String,
        } = "AGENT_WS_CONNECT", Network, retryable;
        /// The connection ended before the answer. The query is not sent again by itself: it may have been worked on.
        #[error("the connection was lost: {reason}")]
        ConnectionLost {
            /// How it ended.
            reason: String,
        } = "AGENT_WS_CONNECTION_LOST", Network, retryable;
        /// No answer came before the query's deadline.
        #[error("no answer within {} ms", .after.as_millis())]
        Timeout {
            /// The deadline.
            after: Duration,
        } = "AGENT_WS_TIMEOUT", Timeout, retryable;
        /// The agent answered with an error. What it says is in `message`.
        #[error("the agent answered with an error{}", words(.message))]
        Agent {
            /// The agent's words, cut.
            message: String,
            /// When the agent wants to be asked again.
            retry_after_ms: Option<u64>,
        } = "AGENT_WS_AGENT", Network, retryable;
        /// A query without any text, which every server refuses.
        #[error("the content is empty")]
        Empty = "AGENT_WS_EMPTY", InvalidInput, permanent;
        /// Longer than a server's frame.
        #[error("the message exceeds {limit} bytes")]
        TooLong {
            /// The limit, with the envelope.
            limit: usize,
        } = "AGENT_WS_TOO_LONG", InvalidInput, permanent;
        /// As many queries wait already as may.
        #[error("{limit} queries are waiting already")]
        TooManyWaiting {
            /// The limit.
            limit: usize,
        } = "AGENT_WS_TOO_MANY_WAITING", RateLimited, retryable;
        /// A command or feedback for a server that tells no answer from another: what it answers would be taken for the
        /// answer to a query.
        #[error("this server is not known to understand commands")]
        CommandsUnknown = "AGENT_WS_COMMANDS_UNKNOWN", InvalidInput, permanent;
        /// Nothing can be sent at the moment: the connection is being made again.
        #[error("there is no connection now")]
        NotConnected = "AGENT_WS_NOT_CONNECTED", Network, retryable;
        /// The client was closed, or the server ended the session for good.
        #[error("the connection is closed: {reason}")]
        Closed {
            /// Why.
            reason: String,
        } = "AGENT_WS_CLOSED", Closed, permanent;
    }
}
