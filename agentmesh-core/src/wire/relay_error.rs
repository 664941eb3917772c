//! The codes of a relay's `error` frame: those of 0.2, and ours. A code that this build does not know is kept.

use super::text_enum::text_enum;

text_enum! {
    /// What a relay's `error` frame says went wrong.
    pub enum RelayErrorCode {
        /// The signature in `connect` does not verify, or its timestamp is out of the window.
        InvalidSignature = "INVALID_SIGNATURE";
        /// `to` is not an AMID.
        UnknownRecipient = "UNKNOWN_RECIPIENT";
        /// The recipient is absent and the frame is of a kind that is not stored, or the relay's store is full.
        RecipientOffline = "RECIPIENT_OFFLINE";
        /// Too many frames; `retry_after_seconds` says when to go on.
        RateLimited = "RATE_LIMITED";
        /// `encrypted_payload` is over the relay's limit, which the message names.
        MessageTooLarge = "MESSAGE_TOO_LARGE";
        /// The frame does not parse, or came at the wrong time.
        InvalidMessage = "INVALID_MESSAGE";
        /// The relay failed; the frame was not accepted.
        InternalError = "INTERNAL_ERROR";
        /// The relay does not speak the protocol that `connect` names.
        ProtocolMismatch = "PROTOCOL_MISMATCH";
        /// `connect` is missing, incomplete, replayed, or lacks the `auth` that this AMID has used before.
        Unauthorized = "UNAUTHORIZED";
        /// The recipient has as many unacknowledged messages as the relay keeps for one agent (ours).
        InboxFull = "INBOX_FULL";
        /// Nothing was heard from the client for too long, not even a pong; a close follows (ours).
        IdleTimeout = "IDLE_TIMEOUT";
        /// Another connection of the same agent took over; do not reconnect (ours, close code 4006).
        Replaced = "REPLACED";
        /// The server is going down; reconnect after a pause (ours).
        ShuttingDown = "SHUTTING_DOWN";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_stable_and_unknown_ones_are_kept() {
        for code in RelayErrorCode::KNOWN {
            assert_eq!(RelayErrorCode::from(code.as_str()), *code);
        }
        let strange = serde_json::from_str::<RelayErrorCode>(r#""TEAPOT""#).unwrap();
        assert_eq!(strange, RelayErrorCode::Unknown("TEAPOT".into()));
        assert_eq!(serde_json::to_string(&strange).unwrap(), r#""TEAPOT""#);
    }
}
