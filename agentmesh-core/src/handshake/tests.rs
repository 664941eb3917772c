use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;

use super::*;
use crate::{
    error::ErrorInfo,
    identity::Label,
    prekeys::{BundleParts, KnownPeer, OneTimePart, Publication, SignedOneTime},
    test_utils::seeded_rng,
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_millis(1_770_206_400_000);

struct Pair {
    alice: Identity,
    bob: Identity,
    prekeys: PreKeys,
    publication: Publication,
    rng: ChaCha20Rng,
}

fn pair() -> Pair {
    let mut rng = seeded_rng(1);
    let alice = Identity::generate(NOW, &mut rng);
    let bob = Identity::generate(NOW, &mut rng);
    let prekeys = PreKeys::generate(&bob, NOW, &mut rng);
    let publication = prekeys.publication(&bob);
    Pair { alice, bob, prekeys, publication, rng }
}

fn part(key: &SignedOneTime) -> OneTimePart<'_> {
    OneTimePart { id: key.id, key: &key.key, signature: key.signature.as_bytes() }
}

impl Pair {
    fn bundle(&self, one_time: bool, one_time_kem: bool) -> PreKeyBundle {
        let parts = BundleParts {
            blob: &self.publication.bundle,
            one_time: self.publication.one_time.first().filter(|_| one_time).map(part),
            one_time_kem: self.publication.one_time_kem.first().filter(|_| one_time_kem).map(part),
        };
        PreKeyBundle::verify(parts, &KnownPeer::first_contact(self.bob.amid()), NOW).unwrap()
    }

    /// Bob's bundle, signed again with suite 3 as its only one, as another implementation might offer it.
    fn offer_the_hybrid_alone(&mut self) {
        let blob = &mut self.publication.bundle;
        blob.truncate(blob.len() - 64);
        // At the end: `lp(suites)`, and the date.
        let suites = blob.len() - 8 - 6;
        assert_eq!(
            blob.splice(suites..suites + 6, [0, 0, 0, 1, 3]).collect::<Vec<_>>(),
            [0, 0, 0, 2, 2, 3]
        );
        let signature = self.bob.sign_labelled(Label::Bundle, &[blob]);
        blob.extend_from_slice(signature.as_bytes());
    }

    fn initiate(&mut self, suite: Suite, opk: bool, kopk: bool) -> (InitialMessage, Established) {
        let bundle = self.bundle(opk, kopk);
        initiate(&self.alice, &bundle, suite, &mut self.rng).unwrap()
    }

    fn accept(&self, message: &InitialMessage) -> Result<Established, HandshakeError> {
        accept(message, ResponderKeys::find(self.bob.signing_key(), &self.prekeys, message)?)
    }
}

#[test]
fn both_sides_agree_with_and_without_one_time_keys() {
    let mut pair = pair();
    for (suite, opk, kopk, len, kind) in [
        (Suite::X25519, false, false, 110, KemKind::None),
        (Suite::X25519, true, true, 110, KemKind::None),
        (Suite::X25519MlKem768, false, false, 1198, KemKind::LastResort),
        (Suite::X25519MlKem768, true, false, 1198, KemKind::LastResort),
        (Suite::X25519MlKem768, false, true, 1198, KemKind::OneTime),
        (Suite::X25519MlKem768, true, true, 1198, KemKind::OneTime),
    ] {
        let (message, ours) = pair.initiate(suite, opk, kopk);
        assert_eq!(message.as_bytes().len(), len);
        assert_eq!(InitialMessage::len_of_suite(message.as_bytes()[0]), Some(len));
        assert_eq!(message.kem_kind(), kind);
        assert_eq!(message.one_time_prekey_id(), u32::from(opk));
        assert_eq!(message.one_time_kem_id(), u32::from(kind == KemKind::OneTime));
        assert_eq!(message.initiator(), pair.alice.amid());
        let received = InitialMessage::parse(message.as_bytes()).unwrap();
        assert_eq!(received, message);
        let theirs = pair.accept(&received).unwrap();
        assert_eq!(ours, theirs);
        let id = session_id(pair.bob.signing_key(), message.as_bytes());
        assert_eq!(ours.session_id, id);
        assert_eq!(id.to_string().parse(), Ok(id));
    }
}

#[test]
fn every_handshake_is_its_own_session() {
    let mut pair = pair();
    let (one, a) = pair.initiate(Suite::X25519, false, false);
    let (two, b) = pair.initiate(Suite::X25519, false, false);
    assert_ne!(one, two);
    assert_ne!(a.shared_secret, b.shared_secret);
    assert_ne!(a.associated_data, b.associated_data);
    assert_ne!(a.session_id, b.session_id);
}

#[test]
fn any_changed_field_gives_another_secret_or_an_error() {
    let mut pair = pair();
    let (message, ours) = pair.initiate(Suite::X25519MlKem768, true, true);
    for at in (0..HANDSHAKE_LEN).chain((HANDSHAKE_LEN..HANDSHAKE_KEM_LEN).step_by(101)) {
        let mut bytes = message.as_bytes().to_vec();
        bytes[at] ^= 1;
        let accepted = InitialMessage::parse(&bytes).and_then(|message| pair.accept(&message));
        if let Ok(theirs) = accepted {
            assert_ne!(theirs.shared_secret, ours.shared_secret, "byte {at}");
            assert_ne!(theirs.associated_data, ours.associated_data, "byte {at}");
            assert_ne!(theirs.session_id, ours.session_id, "byte {at}");
        }
    }
}

#[test]
fn used_and_unknown_prekeys_are_gone() {
    let mut pair = pair();
    let (message, _) = pair.initiate(Suite::X25519MlKem768, true, true);
    pair.prekeys.consume(message.one_time_prekey_id(), 0);
    let gone = |kind, id| Err(HandshakeError::PreKeyGone { kind, id });
    assert_eq!(pair.accept(&message), gone("one-time prekey", 1));
    let (message, _) = pair.initiate(Suite::X25519MlKem768, false, true);
    pair.prekeys.consume(0, message.one_time_kem_id());
    assert_eq!(pair.accept(&message), gone("one-time ML-KEM prekey", 1));

    // The next is 1 again, of an identity whose prekeys were lost.
    let (message, _) = pair.initiate(Suite::X25519MlKem768, false, false);
    pair.prekeys = PreKeys::recover(&pair.bob, NOW, &mut pair.rng);
    assert_eq!(pair.accept(&message), gone("signed prekey", 1));
}

#[test]
fn keys_that_the_handshake_does_not_name_are_refused() {
    let mut pair = pair();
    let (message, _) = pair.initiate(Suite::X25519MlKem768, true, false);
    let right = ResponderKeys::find(pair.bob.signing_key(), &pair.prekeys, &message).unwrap();
    for wrong in [ResponderKeys { one_time: None, ..right }, ResponderKeys { kem: None, ..right }] {
        assert_eq!(accept(&message, wrong), Err(HandshakeError::WrongKeys));
    }
}

#[test]
fn small_order_keys_are_refused() {
    let mut pair = pair();
    let (message, _) = pair.initiate(Suite::X25519, false, false);
    let zeroed = |at: usize| {
        let mut bytes = message.as_bytes().to_vec();
        bytes[at..at + 32].fill(0);
        InitialMessage::parse(&bytes)
    };
    assert_eq!(zeroed(1), Err(HandshakeError::UnusableKey { field: "the identity key" }));
    // The exchange key and the ephemeral key; found when they are used, not before.
    for at in [33, 65] {
        let message = zeroed(at).unwrap();
        assert_eq!(pair.accept(&message), Err(HandshakeError::NonContributory));
    }
}

#[test]
fn the_parser_is_strict() {
    let mut pair = pair();
    let (classic, _) = pair.initiate(Suite::X25519, true, false);
    let (hybrid, _) = pair.initiate(Suite::X25519MlKem768, true, false);
    let changed = |message: &InitialMessage, at: usize, to: &[u8]| {
        let mut bytes = message.as_bytes().to_vec();
        bytes[at..at + to.len()].copy_from_slice(to);
        InitialMessage::parse(&bytes).unwrap_err().code()
    };
    const SPK: usize = 97;
    const OPK: usize = 101;
    const KIND: usize = 105;
    const KEM: usize = 106;
    let malformed = "HANDSHAKE_MALFORMED";
    assert_eq!(changed(&classic, 0, &[1]), "HANDSHAKE_UNSUPPORTED_SUITE");
    assert_eq!(changed(&classic, 0, &[9]), "HANDSHAKE_UNSUPPORTED_SUITE");
    assert_eq!(changed(&classic, 0, &[3]), malformed);
    assert_eq!(changed(&hybrid, 0, &[2]), malformed);
    assert_eq!(changed(&classic, SPK, &[0; 4]), malformed);
    assert_eq!(changed(&classic, SPK, &[0x80, 0, 0, 0]), malformed);
    assert_eq!(changed(&classic, OPK, &[0x80, 0, 0, 0]), malformed);
    assert_eq!(changed(&classic, KIND, &[1]), malformed);
    assert_eq!(changed(&hybrid, KIND, &[0]), malformed);
    assert_eq!(changed(&hybrid, KIND, &[3]), malformed);
    assert_eq!(changed(&classic, KEM, &[0, 0, 0, 1]), malformed);
    assert_eq!(changed(&hybrid, KEM, &[0; 4]), malformed);
    for message in [&classic, &hybrid] {
        let bytes = message.as_bytes();
        for wrong in [&[][..], &bytes[..bytes.len() - 1], &[bytes, &[0]].concat()] {
            assert!(InitialMessage::parse(wrong).is_err());
        }
    }
}

mod suites {
    use super::*;

    #[test]
    fn the_strongest_common_suite_is_chosen() {
        let bundle = pair().bundle(false, false);
        let choose = |ours: &[u8], pinned| Suite::choose(ours, &bundle, pinned);
        assert_eq!(choose(&[2, 3], None), Ok(Suite::X25519MlKem768));
        assert_eq!(choose(&[2], None), Ok(Suite::X25519));
        assert_eq!(choose(&[1], None), Err(HandshakeError::NoCommonSuite));
        assert_eq!(
            choose(&[2], Some(Suite::X25519MlKem768)),
            Err(HandshakeError::SuiteDowngrade { wanted: 3, offered: 2 })
        );
        assert_eq!(choose(&[2, 3], Some(Suite::X25519)), Ok(Suite::X25519MlKem768));
    }

    #[test]
    fn a_handshake_weaker_than_what_both_speak_is_a_downgrade() {
        let downgrade = Err(HandshakeError::SuiteDowngrade { wanted: 3, offered: 2 });
        let check = |knock: &[u8], pinned| Suite::X25519.check_accepted(&[2, 3], knock, pinned);
        assert_eq!(check(&[2], None), Ok(()));
        assert_eq!(check(&[2, 3], None), downgrade);
        assert_eq!(check(&[2], Some(Suite::X25519MlKem768)), downgrade);
        assert_eq!(Suite::X25519MlKem768.check_accepted(&[2, 3], &[2, 3], None), Ok(()));
    }

    #[test]
    fn a_suite_that_the_bundle_does_not_offer_is_not_used() {
        let mut pair = pair();
        let both = pair.bundle(false, false);
        pair.offer_the_hybrid_alone();
        let hybrid = pair.bundle(false, false);
        assert_eq!((both.suites(), hybrid.suites()), (&[2, 3][..], &[3][..]));
        for (bundle, suite) in [(both, Suite::Legacy02), (hybrid, Suite::X25519)] {
            let refused = initiate(&pair.alice, &bundle, suite, &mut pair.rng).unwrap_err();
            assert_eq!(refused, HandshakeError::NoCommonSuite);
        }
    }

    #[test]
    fn ids_and_names() {
        for suite in [Suite::Legacy02, Suite::X25519, Suite::X25519MlKem768] {
            assert_eq!(Suite::from_u8(suite.id()), Some(suite));
        }
        assert_eq!(Suite::from_u8(0), None);
        assert_eq!(Suite::from_u8(4), None);
        assert_eq!(Suite::X25519MlKem768.to_string(), "x25519-mlkem768");
    }
}

#[test]
fn debug_shows_no_secret() {
    let mut pair = pair();
    let (message, established) = pair.initiate(Suite::X25519, true, false);
    assert!(format!("{established:?}").contains("shared_secret: [redacted]"));
    let keys = ResponderKeys::find(pair.bob.signing_key(), &pair.prekeys, &message).unwrap();
    let text = format!("{keys:?}");
    let secret = pair.prekeys.current().key().secret_bytes();
    assert!(text.contains("[redacted]") && !text.contains(&format!("{secret:?}")));
}

#[test]
fn session_ids_are_parsed_strictly() {
    for bad in ["", "0", &"g".repeat(32), &"A".repeat(32), &format!("+{}", "0".repeat(31))] {
        assert!(bad.parse::<SessionId>().is_err(), "{bad}");
    }
    assert!(SessionId::from_slice(&[0; 15]).is_err());
}

proptest! {
    #[test]
    fn parsers_never_panic(suite in 0u8..5, bytes in prop::collection::vec(any::<u8>(), 0..1300)) {
        let mut bytes = bytes;
        let _ = InitialMessage::parse(&bytes);
        bytes.insert(0, suite);
        let _ = InitialMessage::parse(&bytes);
        bytes.resize(if suite == 3 { HANDSHAKE_KEM_LEN } else { HANDSHAKE_LEN }, 0);
        if let Ok(message) = InitialMessage::parse(&bytes) {
            prop_assert_eq!(message.as_bytes(), &bytes);
        }
        let _ = String::from_utf8_lossy(&bytes).parse::<SessionId>();
    }
}
