//! Payloads of JSON: encrypted messages, KNOCKs and answers, and what is neither.

use std::borrow::Cow;

use rand_core::CryptoRng;
use serde::{Deserialize, de::IgnoredAny};

use super::{LegacyInbound, session_id};
use crate::{
    engine::{DropReason, Engine, Event, inbound::Source, left_behind::Until, records::InboxState},
    identity::Amid,
    legacy::{Envelope, LegacyAnswer, LegacyDecryptError, LegacyVerdict},
    limits::MAX_PAYLOAD,
    time::Timestamp,
    wire::{
        id::MessageId,
        json::check_json,
        plaintext::{MessageType, Payload, Plaintext},
    },
};

/// Enough of an object to tell what it is.
#[derive(Default, Deserialize)]
struct Peek<'a> {
    #[serde(default, borrow)]
    r#type: Option<Cow<'a, str>>,
    #[serde(default)]
    version: Option<IgnoredAny>,
    #[serde(default)]
    request: Option<IgnoredAny>,
    #[serde(default)]
    signature: Option<IgnoredAny>,
    #[serde(default, rename = "knockNonce")]
    knock_nonce: Option<IgnoredAny>,
}

impl Engine {
    /// Looks at a payload of JSON.
    pub(in crate::engine) fn receive_legacy(
        &mut self,
        inbound: LegacyInbound,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        let source = Source { from: inbound.from, relay_id: inbound.relay_id };
        let dropped = if self.is_blocked(&source.from) {
            Some(DropReason::Blocked)
        } else if !self.config.allow_legacy {
            Some(DropReason::Legacy)
        } else if self.native_pin(&source.from).is_some() {
            // Whoever speaks natively does not go back; somebody else does in its name.
            Some(DropReason::SuiteDowngrade)
        } else if !inbound.text.starts_with('{') || check_json(&inbound.text).is_err() {
            Some(DropReason::Malformed)
        } else {
            None
        };
        if let Some(reason) = dropped {
            self.drop_frame(source, reason);
            return;
        }
        let peek: Peek<'_> = serde_json::from_str(&inbound.text).unwrap_or_default();
        let kind = peek.r#type.as_deref();
        if kind == Some("encrypted") {
            self.on_legacy_envelope(source, &inbound.text, now, rng);
        } else if matches!(kind, Some("ACCEPT" | "REJECT")) && peek.knock_nonce.is_some() {
            self.on_legacy_answer(source, &inbound.text, now, rng);
        } else if [peek.version, peek.request, peek.signature].iter().all(Option::is_some) {
            self.on_legacy_knock(source, inbound, now, rng);
        } else {
            // Nobody can say who wrote it: the relay's word is all there is.
            self.ack(source);
            let (from, payload) = (source.from, inbound.text);
            self.out.events.push(Event::Unauthenticated { from, payload });
        }
    }

    fn on_legacy_envelope(
        &mut self,
        source: Source,
        text: &str,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        let from = source.from;
        let Ok(envelope) = Envelope::from_json(text) else {
            return self.drop_frame(source, DropReason::Malformed);
        };
        if envelope.ciphertext.len() > MAX_PAYLOAD {
            return self.drop_frame(source, DropReason::Malformed);
        }
        if self.is_left_behind(&from, None) {
            return;
        }
        if !self.has_inbox_room(from, false, envelope.ciphertext.len()) {
            // Unacked and unopened: a relay that keeps frames sends it again once there is room.
            self.leave_message(from, Until::Room);
            return;
        }
        // Changes nothing unless it opens; only then it has to be written.
        let Some(known) = self.legacy.peers.modify_lazily(&from) else {
            return self.drop_frame(source, DropReason::NoSession);
        };
        let sessions = known.likeliest_first(&envelope.session_id);
        let mut reason = DropReason::NoSession;
        let mut opened = None;
        for session in sessions {
            match session.decrypt(&envelope, now, rng) {
                Ok(text) => {
                    opened = Some((session_id(session), Ok(text)));
                    break;
                }
                Err(LegacyDecryptError::NotJson) => {
                    opened = Some((session_id(session), Err(DropReason::Malformed)));
                    break;
                }
                Err(LegacyDecryptError::Duplicate) => reason = DropReason::Duplicate,
                Err(_) if reason != DropReason::Duplicate => reason = DropReason::Undecryptable,
                Err(_) => {}
            }
        }
        let Some((session, opened)) = opened else {
            return self.drop_frame(source, reason);
        };
        // It has changed, and has to be written.
        let _ = self.legacy.peers.modify(&from);
        match opened.and_then(|text| plaintext(text, now, rng)) {
            Err(reason) => self.drop_frame(source, reason),
            Ok((plaintext, encoded)) => {
                self.ack(source);
                let state = InboxState::Ready;
                self.store_message(from, session, &plaintext, encoded, state, now);
                // There are no receipts in 0.2.
                self.receipts.forget(&from);
            }
        }
        // A responder may write from now on.
        self.transmit_waiting(from, now, rng);
    }

    /// The peer's answer to our KNOCK.
    fn on_legacy_answer(
        &mut self,
        source: Source,
        text: &str,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        let from = source.from;
        let verdict = self.legacy_verdict(from, text, now);
        let Some((session, verdict)) = verdict else {
            return self.drop_frame(source, DropReason::Rejected);
        };
        self.ack(source);
        let ratchet_key = match verdict {
            LegacyVerdict::Accept { ratchet_key, .. } => ratchet_key,
            LegacyVerdict::Reject { reason } => {
                return self.on_legacy_refusal(from, reason);
            }
        };
        let activated = self.legacy.peers.modify(&from).is_some_and(|known| {
            known.knock_nonce = None;
            let key = ratchet_key.as_ref();
            let session = known.session.as_mut().zip(key);
            known.accepted = session.is_some_and(|(s, key)| s.activate(key, now).is_ok());
            known.accepted
        });
        if !activated {
            // The deployed SDK accepts without the key that the initiator needs.
            return self.on_legacy_refusal(from, "accepted without a ratchet key".to_owned());
        }
        self.out.events.push(Event::KnockAccepted { peer: from, session });
        self.legacy_established(from, session, true);
        self.transmit_waiting(from, now, rng);
    }

    fn legacy_verdict(
        &self,
        from: Amid,
        text: &str,
        now: Timestamp,
    ) -> Option<(crate::handshake::SessionId, LegacyVerdict)> {
        let answer = LegacyAnswer::from_json(text).ok()?;
        let known = self.legacy.peers.get(&from)?;
        let session = session_id(known.session.as_ref()?);
        let nonce = known.knock_nonce.as_deref()?;
        let signer = self.peers.get(&from)?.identity?;
        let verdict = answer.verify(&self.identity.amid(), &signer, nonce, now).ok()?;
        Some((session, verdict.clone()))
    }

    fn on_legacy_refusal(&mut self, peer: Amid, reason: String) {
        self.drop_legacy_session(peer);
        let retry_after_s = None;
        self.out.events.push(Event::KnockRejected { peer, reason: reason.clone(), retry_after_s });
        self.fail_peer(peer, &crate::engine::SendFailure::Rejected { reason, retry_after_s });
    }
}

/// A message of 0.2 as the inbox keeps messages. It has no id of its own; each frame is one.
fn plaintext(
    text: String,
    now: Timestamp,
    rng: &mut dyn CryptoRng,
) -> Result<(Plaintext, Vec<u8>), DropReason> {
    let id = MessageId::new_v7(now, rng);
    let mut plaintext = Plaintext::new(id, MessageType::Message, 0, now);
    plaintext.payload = Payload::Json(text);
    let encoded = plaintext.encode().map_err(|_| DropReason::Malformed)?;
    Ok((plaintext, encoded))
}
