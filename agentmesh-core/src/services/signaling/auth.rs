//! `signal.auth`: a signature by an agent's identity key, so that a signaling server which rewrites session descriptions
//! is noticed (signaling protocol §5). An addition: who does not know it ignores the member.
//!
//! Signed is `S("signal", lp(room) || lp(sender) || lp(to) || lp(fingerprints) || nonce)`: the room as servers know it,
//! both ids, every DTLS fingerprint of the description, sorted and separated by line feeds, and 16 random bytes. Not the
//! whole description: candidates and codecs may be rewritten, but only who has the certificate's key can use it.

use base64ct::{Base64, Encoding};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Author, Payload, PeerId, RoomName, SignalingError};
use crate::{
    identity::{Amid, Identity, Label},
    keys::{Signature, VerifyingKey, kdf::lp_len},
};

const MEMBER: &str = "auth";
const NONCE: usize = 16;

/// What stands in `auth`.
#[derive(Serialize, Deserialize)]
struct Auth {
    /// The identity key, base64; whose hash is the AMID.
    key: String,
    nonce: String,
    signature: String,
}

/// What a signature is about besides the signal itself.
#[derive(Debug, Clone, Copy)]
pub struct SignalContext<'a> {
    /// The room.
    pub room: &'a RoomName,
    /// Who sends.
    pub sender: &'a PeerId,
    /// To whom.
    pub to: &'a PeerId,
}

/// Signs a signal that is a JSON object. [`SignalingBuilder::sign_with`](super::SignalingBuilder::sign_with) does this
/// for every description that a client sends.
pub fn sign_signal(
    signal: &mut Value,
    context: SignalContext<'_>,
    identity: &Identity,
    rng: &mut dyn CryptoRng,
) {
    let mut nonce = [0; NONCE];
    rng.fill_bytes(&mut nonce);
    let fingerprints = fingerprints(signal);
    let signature = with_parts(context, &fingerprints, &nonce, |parts| {
        identity.sign_labelled(Label::Signal, parts)
    });
    let auth = Auth {
        key: Base64::encode_string(identity.signing_key().as_bytes()),
        nonce: Base64::encode_string(&nonce),
        signature: Base64::encode_string(signature.as_bytes()),
    };
    if let (Some(members), Ok(auth)) = (signal.as_object_mut(), serde_json::to_value(auth)) {
        members.insert(MEMBER.into(), auth);
    }
}

/// Says who signed a signal. Whether that agent is welcome is the application's to decide: compare the AMID with the one
/// that is expected.
pub fn verify_signal(signal: &Value, context: SignalContext<'_>) -> Author {
    match signal.get(MEMBER) {
        None | Some(Value::Null) => Author::Unsigned,
        Some(auth) => match verify(signal, auth, context) {
            Ok(amid) => Author::Signed(amid),
            Err(problem) => Author::Invalid(SignalingError::BadSignature { problem }),
        },
    }
}

fn verify(signal: &Value, auth: &Value, context: SignalContext<'_>) -> Result<Amid, &'static str> {
    let auth = Auth::deserialize(auth).map_err(|_| "it is incomplete")?;
    let decode = |text: &str| Base64::decode_vec(text).map_err(|_| "it is not base64");
    let key = VerifyingKey::from_slice(&decode(&auth.key)?).map_err(|_| "it has no key")?;
    let signature =
        Signature::from_slice(&decode(&auth.signature)?).map_err(|_| "it is no signature")?;
    let nonce = decode(&auth.nonce)?;
    if nonce.len() != NONCE {
        return Err("its nonce does not have 16 bytes");
    }
    with_parts(context, &fingerprints(signal), &nonce, |parts| {
        key.verify_labelled(Label::Signal, parts, &signature)
    })
    .map_err(|_| "it is not about this signal")?;
    Ok(Amid::of(&key))
}

fn fingerprints(signal: &Value) -> String {
    let description = Payload::parse(signal).and_then(|payload| payload.description);
    description.map(|description| description.fingerprints().join("\n")).unwrap_or_default()
}

fn with_parts<T>(
    context: SignalContext<'_>,
    fingerprints: &str,
    nonce: &[u8],
    f: impl FnOnce(&[&[u8]]) -> T,
) -> T {
    let SignalContext { room, sender, to } = context;
    let texts = [room.as_str(), sender.as_str(), to.as_str(), fingerprints].map(str::as_bytes);
    let lengths = texts.map(lp_len);
    let mut parts: Vec<&[u8]> = Vec::with_capacity(9);
    for (length, text) in lengths.iter().zip(texts) {
        parts.extend([length.as_slice(), text]);
    }
    parts.push(nonce);
    f(&parts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Timestamp, test_utils::seeded_rng};

    const SDP: &str = "v=0\na=fingerprint:sha-256 AA:BB\n";

    fn offer(sdp: &str) -> Value {
        json!({"sdp": {"type": "offer", "sdp": sdp}})
    }

    #[test]
    fn signature_holds_for_this_signal_and_no_other() {
        let mut rng = seeded_rng(1);
        let identity = Identity::generate(Timestamp::ZERO, &mut rng);
        let [room, other_room] = ["room", "other"].map(|name| RoomName::parse(name).unwrap());
        let (a, b) = (PeerId::from("a"), PeerId::from("b"));
        let context = SignalContext { room: &room, sender: &a, to: &b };
        let mut signal = offer(SDP);
        assert_eq!(verify_signal(&signal, context), Author::Unsigned);
        sign_signal(&mut signal, context, &identity, &mut rng);
        assert_eq!(verify_signal(&signal, context), Author::Signed(identity.amid()));
        let mut candidates = signal.clone();
        candidates["sdp"]["sdp"] = format!("{SDP}a=candidate:1\n").into();
        assert_eq!(verify_signal(&candidates, context), Author::Signed(identity.amid()));

        let mut forged = signal.clone();
        forged["sdp"]["sdp"] = SDP.replace("AA:BB", "CC:DD").into();
        let mut added = signal.clone();
        added["sdp"]["sdp"] = format!("{SDP}a=fingerprint:sha-256 CC:DD\n").into();
        for (signal, context) in [
            (&forged, context),
            (&added, context),
            (&signal, SignalContext { room: &other_room, ..context }),
            (&signal, SignalContext { sender: &b, ..context }),
            (&signal, SignalContext { to: &a, ..context }),
        ] {
            let author = verify_signal(signal, context);
            let Author::Invalid(error) = author else { panic!("{author:?}") };
            assert!(matches!(error, SignalingError::BadSignature { .. }));
        }
        for auth in [json!(5), json!({}), json!({"key": "!", "nonce": "", "signature": ""})] {
            signal["auth"] = auth;
            assert!(matches!(verify_signal(&signal, context), Author::Invalid(_)));
        }
    }
}
