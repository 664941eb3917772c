//! `S(x, m) = Ed25519(IKs, lp("agentmesh/0.3 " || x) || m)`: what an identity signs in the native protocol, each
//! use under a label of its own.

use crate::keys::{KeyError, Signature, VerifyingKey, kdf::lp_len};

/// What a signature is for. A signature made under one label is worth nothing under another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Label {
    /// A prekey bundle.
    Bundle,
    /// A one-time prekey.
    Opk,
    /// A one-time ML-KEM prekey.
    Kem,
    /// A KNOCK.
    Knock,
    /// Its acceptance.
    Accept,
    /// Its rejection.
    Reject,
    /// A probe for a session.
    Probe,
    /// The answer to a probe.
    ProbeReply,
    /// A refused handshake.
    Refuse,
    /// A connection to a relay.
    Connect,
    /// A request to a registry.
    Request,
    /// A DID document.
    Did,
    /// An agent's membership in an organization.
    OrgAgent,
    /// The end of an audit log.
    Audit,
    /// A signal to a peer, over a signaling server.
    Signal,
}

/// What all labels begin with, after their length. Longer ones may come, so [`is_reserved`] goes by less.
const RESERVED: &[u8] = b"agentmesh/";

macro_rules! label_text {
    ($x:literal) => {
        concat!("agentmesh/0.3 ", $x)
    };
}

impl Label {
    /// `"agentmesh/0.3 " || x`.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Bundle => label_text!("bundle"),
            Self::Opk => label_text!("opk"),
            Self::Kem => label_text!("kem"),
            Self::Knock => label_text!("knock"),
            Self::Accept => label_text!("accept"),
            Self::Reject => label_text!("reject"),
            Self::Probe => label_text!("probe"),
            Self::ProbeReply => label_text!("probe-reply"),
            Self::Refuse => label_text!("refuse"),
            Self::Connect => label_text!("connect"),
            Self::Request => label_text!("request"),
            Self::Did => label_text!("did"),
            Self::OrgAgent => label_text!("org-agent"),
            Self::Audit => label_text!("audit"),
            Self::Signal => label_text!("signal"),
        }
    }

    /// `lp("agentmesh/0.3 " || x)`: what precedes the message under this label.
    pub fn prefix(self) -> Vec<u8> {
        self.with_parts(&[], |parts| parts.concat())
    }

    /// Calls `f` with the parts of what is signed.
    pub(super) fn with_parts<T>(self, message: &[&[u8]], f: impl FnOnce(&[&[u8]]) -> T) -> T {
        let text = self.text().as_bytes();
        let len = lp_len(text);
        let mut parts = Vec::with_capacity(2 + message.len());
        parts.extend([&len[..], text]);
        parts.extend(message);
        f(&parts)
    }
}

/// Whether `message` begins like a labelled message, of this version of the protocol or of another.
pub(super) fn is_reserved(message: &[u8]) -> bool {
    message.get(4..).is_some_and(|rest| rest.starts_with(RESERVED))
}

impl VerifyingKey {
    /// Verifies `S(label, message)` of a message in parts.
    ///
    /// # Errors
    /// [`KeyError::BadSignature`].
    pub fn verify_labelled(
        &self,
        label: Label,
        message: &[&[u8]],
        signature: &Signature,
    ) -> Result<(), KeyError> {
        label.with_parts(message, |parts| self.verify(&parts.concat(), signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Label; 15] = [
        Label::Bundle,
        Label::Opk,
        Label::Kem,
        Label::Knock,
        Label::Accept,
        Label::Reject,
        Label::Probe,
        Label::ProbeReply,
        Label::Refuse,
        Label::Connect,
        Label::Request,
        Label::Did,
        Label::OrgAgent,
        Label::Audit,
        Label::Signal,
    ];

    #[test]
    fn prefix_is_length_prefixed_text() {
        assert_eq!(Label::Opk.prefix(), b"\0\0\0\x11agentmesh/0.3 opk");
        assert_eq!(Label::ProbeReply.prefix(), b"\0\0\0\x19agentmesh/0.3 probe-reply");
    }

    #[test]
    fn labels_are_distinct_and_reserved() {
        for (i, a) in ALL.iter().enumerate() {
            assert!(is_reserved(&a.prefix()));
            for b in &ALL[i + 1..] {
                assert_ne!(a.text(), b.text());
            }
        }
        assert!(!is_reserved(b"agentmesh/0.3 opk"));
        assert!(!is_reserved(b"\0\0\0\x11agentmesh"));
        assert!(!is_reserved(b""));
    }
}
