//! Two ends of one session, and what the protocol promises about them. Tests named after a defect are regressions
//! of what broke in earlier implementations of this design.

mod candidate;
mod defects;
mod forged;
mod limits;
mod model;
mod record;
mod vectors;

use rand_chacha::ChaCha20Rng;
use zeroize::Zeroizing;

use super::*;
use crate::{codec::Reader, keys::Secret, ratchet::HEADER_LEN, test_utils::seeded_rng};

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_780_000_000_000);
/// Session id in front of a message.
pub(super) const SID: usize = 16;

pub(super) fn established(associated_data: [u8; 32]) -> Established {
    Established {
        shared_secret: Secret::new([0x5e; 32]),
        associated_data,
        session_id: SessionId::from_bytes([0x1d; 16]),
    }
}

/// One end with its own randomness.
pub(super) struct End {
    pub(super) session: Session,
    pub(super) rng: ChaCha20Rng,
    pub(super) now: Timestamp,
}

impl End {
    /// A message as [`Session::open`] takes it, without the session id.
    pub(super) fn send(&mut self, plaintext: &[u8]) -> Vec<u8> {
        let mut frame = self.session.encrypt(plaintext, self.now, &mut self.rng).unwrap();
        assert_eq!(frame[..SID], *self.session.id().as_bytes());
        frame.drain(..SID);
        frame
    }

    /// Receives; on an error the state must be as it was, byte for byte.
    pub(super) fn receive(&mut self, message: &[u8]) -> Result<Vec<u8>, DecryptError> {
        let before = self.record();
        let result = self.session.decrypt(message, self.now);
        if result.is_err() {
            assert_eq!(*self.record(), *before, "a refused frame changed the state");
        }
        result
    }

    pub(super) fn record(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::new());
        self.session.to_record(&mut out);
        out
    }

    /// Stops and starts again from what was stored.
    pub(super) fn restart(&mut self) {
        let record = self.record();
        let mut r = Reader::new(&record);
        self.session = Session::from_record(&mut r).unwrap();
        r.finish("session").unwrap();
        assert_eq!(*self.record(), *record);
    }
}

pub(super) struct Pair {
    pub(super) alice: End,
    pub(super) bob: End,
}

/// A session whose first message has arrived.
pub(super) fn pair(seed: u64) -> Pair {
    let (alice, first, make_bob) = initiated(seed);
    let mut bob = make_bob(&first);
    assert_eq!(bob.receive(&first).unwrap(), b"knock");
    Pair { alice, bob }
}

/// The initiator, its first message, and how the responder comes to be.
pub(super) fn initiated(seed: u64) -> (End, Vec<u8>, impl Fn(&[u8]) -> End) {
    let mut rng = seeded_rng(seed);
    let prekey = DhSecretKey::generate(&mut rng);
    let session = Session::initiate(
        Suite::X25519,
        established([0xad; 32]),
        prekey.public_key(),
        NOW,
        &mut rng,
    )
    .unwrap();
    let mut alice = End { session, rng, now: NOW };
    let first = alice.send(b"knock");
    let make_bob = move |first: &[u8]| {
        let mut rng = seeded_rng(seed ^ 0xb0b);
        let session =
            Session::accept(Suite::X25519, established([0xad; 32]), &prekey, first, NOW, &mut rng)
                .unwrap();
        End { session, rng, now: NOW }
    };
    (alice, first, make_bob)
}

/// Bob answers and Alice reads it, so that both have received.
pub(super) fn round_trip(pair: &mut Pair) {
    let to_bob = pair.alice.send(b"ping");
    assert_eq!(pair.bob.receive(&to_bob).unwrap(), b"ping");
    let to_alice = pair.bob.send(b"pong");
    assert_eq!(pair.alice.receive(&to_alice).unwrap(), b"pong");
}

pub(super) fn set_n(message: &mut [u8], n: u32) {
    message[38..42].copy_from_slice(&n.to_be_bytes());
}

pub(super) fn set_pn(message: &mut [u8], pn: u32) {
    message[34..38].copy_from_slice(&pn.to_be_bytes());
}

pub(super) fn set_ratchet_key(message: &mut [u8], key: &[u8; 32]) {
    message[2..34].copy_from_slice(key);
}

#[test]
fn a_conversation() {
    let mut p = pair(1);
    for i in 0..5u8 {
        round_trip(&mut p);
        let text = vec![i; usize::from(i) * 200];
        let m = p.bob.send(&text);
        assert_eq!(p.alice.receive(&m).unwrap(), text);
    }
}

#[test]
fn both_ends_say_what_they_agreed_on_and_since_when() {
    let p = pair(11);
    for end in [&p.alice, &p.bob] {
        assert_eq!(end.session.associated_data(), &[0xad; 32]);
        assert_eq!((end.session.created_at(), end.session.suite()), (NOW, Suite::X25519));
    }
}

#[test]
fn the_initiator_sends_any_number_of_messages_without_waiting() {
    let (mut alice, first, make_bob) = initiated(2);
    let later: Vec<_> = (0..20u8).map(|i| alice.send(&[i])).collect();
    let mut bob = make_bob(&first);
    bob.receive(&first).unwrap();
    for (i, m) in (0..20u8).zip(&later) {
        assert_eq!(bob.receive(m).unwrap(), [i]);
    }
}

#[test]
fn the_responder_may_write_first_after_the_handshake() {
    let mut p = pair(3);
    let m = p.bob.send(b"accept");
    assert_eq!(p.alice.receive(&m).unwrap(), b"accept");
}

#[test]
fn messages_are_padded_to_256() {
    let mut p = pair(4);
    let overhead = HEADER_LEN + 12 + 16;
    for (len, padded) in [(0, 256), (255, 256), (256, 512)] {
        assert_eq!(p.alice.send(&vec![1; len]).len(), padded + overhead);
    }
}

#[test]
fn plaintext_is_encrypted_without_growing_so_that_none_is_left_behind() {
    let End { mut session, mut rng, now } = pair(10).alice;
    let message = session.encrypt(&[1; 300], now, &mut rng).unwrap();
    assert_eq!(message.len(), MESSAGE_PREFIX_LEN + 512 + 16);
    assert_eq!(message.capacity(), message.len());
    let mut buffer = Vec::with_capacity(message.len());
    buffer.resize(MESSAGE_PREFIX_LEN + 300, 1);
    let at = buffer.as_ptr();
    session.encrypt_in_place(&mut buffer, 0, now, &mut rng).unwrap();
    assert_eq!((buffer.len(), buffer.as_ptr()), (message.len(), at));
}

#[test]
fn debug_and_description_hold_numbers_only() {
    let mut p = pair(5);
    round_trip(&mut p);
    p.bob.send(b"lost");
    let m = p.bob.send(b"kept");
    p.alice.receive(&m).unwrap();
    let id = "1d".repeat(16);
    assert_eq!(
        format!("{:?}", p.alice.session),
        format!(
            "Session(SessionDescription {{ id: SessionId({id}), suite: X25519, created_at: \
             Timestamp(1780000000000), sent: 0, turn_due: true, previous: 2, received: Some(3), \
             skipped: 1, recent: 2 }})"
        )
    );
    assert_eq!(
        p.alice.session.describe().to_string(),
        format!(
            "session {id} (x25519): next message begins a chain, 2 in the one before, expects 3, 1 skipped"
        )
    );
    assert_eq!(
        p.bob.session.describe().to_string(),
        format!(
            "session {id} (x25519): sent 3 in this chain, 0 in the one before, expects 2, 0 skipped"
        )
    );
    let mut m = p.bob.send(b"secret");
    let opened = p.alice.session.open(&mut m, NOW).unwrap();
    assert_eq!(
        format!("{opened:?}"),
        format!("Opened {{ session: SessionId({id}), plaintext_len: 6, .. }}")
    );
}

#[test]
fn every_secret_type_prints_redacted() {
    let p = pair(6);
    let text = format!("{:?}", p.bob.session.ratchet);
    assert_eq!(
        text,
        "DoubleRatchet(Indices { sent: 0, turn_due: false, previous: 0, received: Some(1), skipped: 0 })"
    );
}

#[test]
fn sessions_refuse_the_legacy_suite_and_low_order_keys() {
    let mut rng = seeded_rng(7);
    let prekey = DhSecretKey::generate(&mut rng);
    let legacy = Session::initiate(
        Suite::Legacy02,
        established([0; 32]),
        prekey.public_key(),
        NOW,
        &mut rng,
    );
    assert_eq!(legacy.unwrap_err(), SessionError::UnsupportedSuite);
    let low = DhPublicKey::from_bytes([0; 32]);
    let session = Session::initiate(Suite::X25519, established([0; 32]), &low, NOW, &mut rng);
    assert_eq!(session.unwrap_err(), SessionError::NonContributory);

    let (_, mut forged, _) = initiated(8);
    set_ratchet_key(&mut forged, &[0; 32]);
    let accepted =
        Session::accept(Suite::X25519, established([0; 32]), &prekey, &forged, NOW, &mut rng);
    assert_eq!(accepted.unwrap_err(), SessionError::NonContributory);
}

#[test]
fn a_session_begins_with_message_0_of_chain_0_of_its_suite() {
    let mut rng = seeded_rng(9);
    let prekey = DhSecretKey::generate(&mut rng);
    let (_, first, _) = initiated(9);
    let mut accept = |message: &[u8]| {
        Session::accept(Suite::X25519, established([0; 32]), &prekey, message, NOW, &mut rng)
            .map(|_| ())
    };
    assert_eq!(accept(&first), Ok(()));
    for change in [
        |m: &mut Vec<u8>| set_n(m, 1),
        |m: &mut Vec<u8>| set_pn(m, 1),
        |m: &mut Vec<u8>| m[0] = 4,
        |m: &mut Vec<u8>| m[1] = 3,
        |m: &mut Vec<u8>| m.truncate(41),
    ] {
        let mut m = first.clone();
        change(&mut m);
        assert_eq!(accept(&m), Err(SessionError::NotFirst));
    }
}
