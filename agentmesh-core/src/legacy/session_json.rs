//! `sessions/<id>.json` of the deployed SDK, read and written: two spaces of indentation, fields in its order, the order
//! of the skipped keys kept.

use core::fmt::{self, Write};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use zeroize::Zeroizing;

use super::{
    LegacyFormatError, LegacyRatchet, LegacySession, LegacySessionState,
    ecma::write_string,
    skipped::{SkippedKey, SkippedKeys},
    text::{PublicKey, SecretKey, base64, malformed, secret_base64},
};
use crate::{
    keys::{DhPublicKey, DhSecretKey, Secret},
    limits::{LEGACY_MAX_COUNTER, LEGACY_MAX_SESSION_ID, MAX_RECORD},
    time::Timestamp,
    wire::json::Object,
};

const WHAT: &str = "session record";
/// Bytes of a record with as many skipped keys as there can be, and of the rest.
const BYTES_PER_SKIPPED_KEY: usize = 128;
const BYTES_BESIDE: usize = 2048;

#[derive(Deserialize)]
struct SessionIn {
    session_id: String,
    peer_amid: String,
    state: String,
    created_at: String,
    last_used: String,
    is_initiator: bool,
    #[serde(default)]
    messages_sent: u64,
    #[serde(default)]
    messages_received: u64,
    ratchet_state: Object<RatchetIn>,
}

#[derive(Deserialize)]
struct RatchetIn {
    dh_private: SecretKey,
    dh_public: PublicKey,
    peer_dh_public: Option<PublicKey>,
    root_key: SecretKey,
    send_chain_key: Option<SecretKey>,
    recv_chain_key: Option<SecretKey>,
    send_message_number: u64,
    recv_message_number: u64,
    previous_chain_length: u64,
    skipped_keys: SkippedIn,
}

struct SkippedIn(Vec<(DhPublicKey, u64, Secret<32>)>);

impl<'de> Deserialize<'de> for SkippedIn {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Ordered;
        impl<'de> Visitor<'de> for Ordered {
            type Value = SkippedIn;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("skipped keys by ratchet key and number")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SkippedIn, A::Error> {
                let mut keys = Vec::new();
                while let Some((SkippedName(ratchet_key, n), SecretKey(key))) = map.next_entry()? {
                    keys.push((ratchet_key, n, key));
                }
                Ok(SkippedIn(keys))
            }
        }
        from.deserialize_map(Ordered)
    }
}

/// `"<base64 ratchet key>:<n>"`.
struct SkippedName(DhPublicKey, u64);

impl<'de> Deserialize<'de> for SkippedName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = SkippedName;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a ratchet key and a number")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<SkippedName, E> {
                let wrong = || E::custom("not a ratchet key and a number");
                let (key, n) = text.rsplit_once(':').ok_or_else(wrong)?;
                let key = super::text::unbase64(key).ok_or_else(wrong)?;
                let key = DhPublicKey::from_slice(&key).map_err(|_| wrong())?;
                Ok(SkippedName(key, n.parse().map_err(|_| wrong())?))
            }
        }
        from.deserialize_str(Name)
    }
}

impl LegacySession {
    /// Reads a session record of the deployed SDK, or of ours.
    ///
    /// Of more than 2,000 skipped keys, the oldest are left out. All of them count as old as the session's last use.
    ///
    /// # Errors
    /// [`LegacyFormatError`]; in particular [`LegacyFormatError::KeyPair`].
    pub fn from_json(json: &str) -> Result<Self, LegacyFormatError> {
        if json.len() > MAX_RECORD {
            let (limit, actual) = (MAX_RECORD, json.len());
            return Err(LegacyFormatError::TooLong { what: WHAT, limit, actual });
        }
        let Object(read): Object<SessionIn> =
            serde_json::from_str(json).map_err(malformed(WHAT))?;
        let invalid = |field| LegacyFormatError::InvalidValue { what: WHAT, field };
        let date = |text: &str, field| Timestamp::parse_rfc3339(text).ok_or_else(|| invalid(field));
        let last_used = date(&read.last_used, "last_used")?;
        if read.session_id.is_empty() || read.session_id.len() > LEGACY_MAX_SESSION_ID {
            return Err(invalid("session_id"));
        }
        if read.messages_sent > LEGACY_MAX_COUNTER || read.messages_received > LEGACY_MAX_COUNTER {
            return Err(invalid("messages"));
        }
        Ok(Self {
            id: read.session_id,
            peer: read.peer_amid.parse().map_err(|_| invalid("peer_amid"))?,
            state: LegacySessionState::from_text(&read.state).ok_or_else(|| invalid("state"))?,
            created_at: date(&read.created_at, "created_at")?,
            last_used,
            initiator: read.is_initiator,
            messages_sent: read.messages_sent,
            messages_received: read.messages_received,
            ratchet: LegacyRatchet::from_read(read.ratchet_state.0, last_used)?,
            peer_session_id: None,
        })
    }

    /// The session record as the deployed SDK writes it, byte for byte.
    ///
    /// **Contains the ratchet's secrets in the clear**, as its files do.
    pub fn to_json(&self) -> Zeroizing<String> {
        // Longer than it gets, so that no reallocation leaves a copy behind.
        let capacity = BYTES_BESIDE + self.ratchet.skipped.len() * BYTES_PER_SKIPPED_KEY;
        let mut out = Zeroizing::new(String::with_capacity(capacity));
        out.push_str("{\n");
        for (name, value) in [
            ("session_id", &self.id),
            ("peer_amid", &self.peer.to_string()),
            ("state", &self.state.as_str().to_owned()),
            ("created_at", &self.created_at.to_rfc3339_millis()),
            ("last_used", &self.last_used.to_rfc3339_millis()),
        ] {
            let _ = write!(out, "  \"{name}\": ");
            write_string(&mut out, value);
            out.push_str(",\n");
        }
        let _ = write!(
            out,
            "  \"is_initiator\": {},\n  \"messages_sent\": {},\n  \"messages_received\": {},\n  \"ratchet_state\": ",
            self.initiator, self.messages_sent, self.messages_received
        );
        self.ratchet.write_json(&mut out, "  ");
        out.push_str("\n}");
        out
    }
}

impl LegacyRatchet {
    /// Reads a ratchet state by itself, its skipped keys as old as `since`.
    ///
    /// # Errors
    /// [`LegacyFormatError`].
    pub fn from_json(json: &str, since: Timestamp) -> Result<Self, LegacyFormatError> {
        let Object(read) = serde_json::from_str(json).map_err(malformed(WHAT))?;
        Self::from_read(read, since)
    }

    /// The ratchet state by itself, as it stands in a session record, without the outer indentation.
    ///
    /// **Contains its secrets in the clear.**
    pub fn to_json(&self) -> Zeroizing<String> {
        let capacity = BYTES_BESIDE + self.skipped.len() * BYTES_PER_SKIPPED_KEY;
        let mut out = Zeroizing::new(String::with_capacity(capacity));
        self.write_json(&mut out, "");
        out
    }

    fn from_read(read: RatchetIn, since: Timestamp) -> Result<Self, LegacyFormatError> {
        let invalid = |field| LegacyFormatError::InvalidValue { what: WHAT, field };
        let counter = |n: u64, field| {
            if n > LEGACY_MAX_COUNTER { Err(invalid(field)) } else { Ok(n) }
        };
        let own = DhSecretKey::from_secret(read.dh_private.0);
        if *own.public_key() != read.dh_public.0 {
            return Err(LegacyFormatError::KeyPair { what: WHAT, field: "dh_public" });
        }
        let skipped = read.skipped_keys.0.into_iter();
        let skipped =
            skipped.map(|(ratchet_key, n, key)| SkippedKey { ratchet_key, n, key, since });
        Ok(Self {
            own,
            peer: read.peer_dh_public.map(|key| key.0),
            root: read.root_key.0,
            send_chain: read.send_chain_key.map(|key| key.0),
            receive_chain: read.recv_chain_key.map(|key| key.0),
            sent: counter(read.send_message_number, "send_message_number")?,
            received: counter(read.recv_message_number, "recv_message_number")?,
            previous: counter(read.previous_chain_length, "previous_chain_length")?,
            skipped: SkippedKeys::new(skipped.collect()),
        })
    }

    fn write_json(&self, out: &mut String, indent: &str) {
        let secret = |key: &Secret<32>| secret_base64(key.as_bytes());
        out.push_str("{\n");
        let mut line = |name: &str, value: Option<&str>| {
            let quote = if value.is_some() { "\"" } else { "" };
            let value = value.unwrap_or("null");
            let _ = writeln!(out, "{indent}  \"{name}\": {quote}{value}{quote},");
        };
        line("dh_private", Some(&secret_base64(self.own.secret_bytes())));
        line("dh_public", Some(&base64(self.own.public_key().as_bytes())));
        line("peer_dh_public", self.peer.map(|key| base64(key.as_bytes())).as_deref());
        line("root_key", Some(&secret(&self.root)));
        let optional = |key: &Option<Secret<32>>| key.as_ref().map(secret);
        line("send_chain_key", optional(&self.send_chain).as_ref().map(|s| s.as_str()));
        line("recv_chain_key", optional(&self.receive_chain).as_ref().map(|s| s.as_str()));
        let _ = write!(
            out,
            "{indent}  \"send_message_number\": {},\n{indent}  \"recv_message_number\": {},\n{indent}  \"previous_chain_length\": {},\n{indent}  \"skipped_keys\": {{",
            self.sent, self.received, self.previous
        );
        let mut separator = "";
        for key in self.skipped.iter() {
            let name = base64(key.ratchet_key.as_bytes());
            let value = secret(&key.key);
            let _ = write!(out, "{separator}\n{indent}    \"{name}:{}\": \"{}\"", key.n, *value);
            separator = ",";
        }
        if !separator.is_empty() {
            let _ = write!(out, "\n{indent}  ");
        }
        let _ = write!(out, "}}\n{indent}}}");
    }
}
