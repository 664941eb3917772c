//! What others may send: nothing of it changes a byte on disk.

use super::{super::*, Clock, Party, pair};
use crate::{
    Error,
    engine::{
        records::{Decision, Role, SessionEntry},
        table::Stored,
    },
    handshake::{HandshakeError, SessionId, initiate},
    knock::KnockError,
    limits,
    prekeys::{BundleError, KnownPeer},
    session::{DecryptError, Session},
    storage::{Changes, RecordKind, Storage},
    test_utils::block_on,
    wire::{
        frame::HANDSHAKE_PREFIX,
        id::MessageId,
        plaintext::{MessageType, Payload, Plaintext},
    },
};

fn flip(bytes: &mut [u8], at: usize) {
    let len = bytes.len();
    bytes[at % len] ^= 0x20;
}

#[test]
fn forged_and_repeated_envelopes_leave_every_record_byte_for_byte() {
    let (alice, bob, session) = pair(21);
    let first = alice.encrypt(&session, 1).unwrap();
    let second = alice.encrypt(&session, 2).unwrap();
    bob.decrypt(&session, &first).unwrap();
    let before = bob.records();
    let refused = |envelope: &Envelope| {
        let error = bob.decrypt(&session, envelope).expect_err("it is not genuine");
        assert_eq!(bob.records(), before);
        error
    };
    assert_eq!(refused(&first), DecryptError::Duplicate.into());
    for at in 0..second.ciphertext.len() {
        let mut forged = second.clone();
        flip(&mut forged.ciphertext, at);
        assert_eq!(refused(&forged), DecryptError::Authentication.into());
    }
    let mut forged = second.clone();
    forged.header.n += 1;
    refused(&forged);
    forged.header.n = 5000;
    assert!(matches!(refused(&forged), Error::Decrypt(DecryptError::TooManySkipped { .. })));
    let mut forged = second.clone();
    forged.header.pn = 1;
    refused(&forged);
    let mut forged = second.clone();
    forged.header.dh_public_key = *bob.identity().exchange_key();
    refused(&forged);
    let mut forged = second.clone();
    forged.suite = Some(2);
    refused(&forged);
    forged.suite = None;
    assert_eq!(refused(&forged), ManagerError::LegacyDisabled.into());
    let mut forged = second.clone();
    forged.ciphertext.truncate(30);
    refused(&forged);
    let mut forged = second.clone();
    forged.session_id = "0".repeat(32);
    refused(&forged);
    // Our own message, sent back.
    let own = bob.encrypt(&session, 3).unwrap();
    let before = bob.records();
    assert!(bob.decrypt(&session, &own).is_err());
    assert_eq!(bob.records(), before);
    assert_eq!(bob.decrypt(&session, &second).unwrap(), 2, "and nothing was lost");
}

#[test]
fn forged_handshakes_consume_nothing() {
    let clock = Clock::new();
    let (alice, bob, eve) =
        (Party::new(23, &clock), Party::new(24, &clock), Party::new(25, &clock));
    let bundle = bob.bundle();
    let begun = alice.initiate(&bob, &bundle).unwrap();
    let before = bob.records();
    // In the name of somebody else.
    let stolen = bob.accept(&eve, &begun.x3dh_message);
    assert!(matches!(stolen, Err(Error::Manager(ManagerError::WrongPeer { .. }))), "{stolen:?}");
    let frame = begun.x3dh_message.native.clone().unwrap();
    for at in (0..frame.len()).step_by(7).chain([0, 1, 2, 97, 101, 105, 106]) {
        let mut bytes = frame.clone();
        flip(&mut bytes, at);
        let result = match X3dhMessage::from_frame(bytes) {
            Ok(message) => bob.accept(&alice, &message).map(drop),
            Err(error) => Err(error.into()),
        };
        assert!(result.is_err(), "byte {at}");
    }
    let mut contradicting = begun.x3dh_message.clone();
    contradicting.signed_prekey_id += 1;
    assert!(bob.accept(&alice, &contradicting).is_err());
    let mut foreign = begun.x3dh_message.clone();
    foreign.native = None;
    assert_eq!(bob.accept(&alice, &foreign), Err(ManagerError::LegacyDisabled.into()));
    assert_eq!(bob.records(), before);
    bob.accept(&alice, &begun.x3dh_message).unwrap();
}

#[test]
fn a_handshake_opens_one_session_however_often_it_comes() {
    let clock = Clock::new();
    let (alice, mut bob) = (Party::new(26, &clock), Party::new(27, &clock));
    let mut bundle = bob.bundle();
    bundle.one_time_prekeys.clear();
    bundle.native.as_mut().unwrap().kopks.clear();
    let begun = alice.initiate(&bob, &bundle).unwrap();
    let session = bob.accept(&alice, &begun.x3dh_message).unwrap();
    let before = bob.records();
    assert_eq!(bob.accept(&alice, &begun.x3dh_message).unwrap(), session);
    bob.restart();
    assert_eq!(bob.accept(&alice, &begun.x3dh_message).unwrap(), session);
    assert_eq!(bob.records(), before);
    // Closed, it stays closed until its prekeys are gone, and then they are gone.
    block_on(bob.sessions.close_session(&session)).unwrap();
    let closed = |bob: &Party| {
        let again = bob.accept(&alice, &begun.x3dh_message);
        assert!(
            matches!(again, Err(Error::Manager(ManagerError::SessionClosed { .. }))),
            "{again:?}"
        );
    };
    closed(&bob);
    assert_eq!(block_on(bob.sessions.maintain()).unwrap(), 0);
    closed(&bob);
    block_on(bob.prekeys.rotate_signed_prekey()).unwrap();
    bob.clock.advance(limits::SIGNED_PREKEY_GRACE);
    bob.bundle();
    assert_eq!(block_on(bob.sessions.maintain()).unwrap(), 1);
    let again = bob.accept(&alice, &begun.x3dh_message);
    assert!(matches!(again, Err(Error::Handshake(HandshakeError::PreKeyGone { .. }))), "{again:?}");
}

#[test]
fn bundles_are_believed_as_far_as_they_are_signed() {
    let clock = Clock::new();
    let (alice, bob, eve) =
        (Party::new(28, &clock), Party::new(29, &clock), Party::new(30, &clock));
    let old = bob.bundle();
    clock.advance(1000);
    let new = block_on(bob.prekeys.rotate_signed_prekey()).unwrap();
    let before = alice.records();
    let refused = |peer: &Party, bundle: &Bundle| {
        let error = alice.initiate(peer, bundle).expect_err("it is not to be believed");
        assert_eq!(alice.records(), before);
        error
    };
    assert_eq!(refused(&eve, &new), BundleError::AmidMismatch.into());
    let mut forged = new.clone();
    flip(&mut forged.native.as_mut().unwrap().bundle, 40);
    refused(&bob, &forged);
    let mut without = new.clone();
    without.native = None;
    assert_eq!(refused(&bob, &without), ManagerError::NoNativeBundle.into());
    let (key, amid) = (*eve.identity().signing_key(), bob.identity().amid());
    let swapped = block_on(alice.sessions.initiate_session(&amid, &new, &key));
    assert!(matches!(swapped, Err(Error::Manager(ManagerError::WrongPeer { .. }))));
    refused(&alice, &alice_own(&alice));

    let begun = alice.initiate(&bob, &new).unwrap();
    block_on(alice.sessions.close_session(&begun.session_id)).unwrap();
    let stale = alice.initiate(&bob, &old);
    assert!(matches!(stale, Err(Error::Bundle(BundleError::Stale { .. }))), "{stale:?}");
}

fn alice_own(alice: &Party) -> Bundle {
    // Read without writing anything.
    let clock = Clock::new();
    let other = Party::on(alice.disk.clone(), 77, &clock);
    match block_on(other.prekeys.bundle()) {
        Ok(bundle) => bundle,
        Err(_) => Party::new(31, &clock).bundle(),
    }
}

#[test]
fn a_first_message_that_is_no_knock_opens_nothing() {
    let clock = Clock::new();
    let (alice, bob) = (Party::new(36, &clock), Party::new(37, &clock));
    let (now, mut rng) = (bob.store.context().now(), crate::test_utils::seeded_rng(1));
    let known = KnownPeer::first_contact(bob.identity().amid());
    let bundle = bob.bundle();
    let verified = bundle.verify(&known, now, 0).unwrap();
    let suite = crate::handshake::Suite::X25519;
    let (hs, established) = initiate(alice.identity(), &verified, suite, &mut rng).unwrap();
    let (_, remote) = verified.signed_prekey();
    let mut session = Session::initiate(suite, established, remote, now, &mut rng).unwrap();
    let id = MessageId::new_v7(now, &mut rng);
    let mut hello = Plaintext::new(id, MessageType::Message, 1, now);
    hello.payload = Payload::Json("1".into());
    let mut frame = HANDSHAKE_PREFIX.to_vec();
    frame.extend_from_slice(hs.as_bytes());
    session.encrypt_into(&hello.encode().unwrap(), &mut frame, now, &mut rng).unwrap();
    let before = bob.records();
    let refused = bob.accept(&alice, &X3dhMessage::from_frame(frame).unwrap());
    assert_eq!(refused, Err(Error::Knock(KnockError::NotAKnock)));
    assert_eq!(bob.records(), before);
}

#[test]
fn sessions_without_one_time_keys_end_where_no_more_closed_ones_can_be_remembered() {
    let clock = Clock::new();
    let (alice, bob) = (Party::new(38, &clock), Party::new(39, &clock));
    let mut bundle = bob.bundle();
    bundle.one_time_prekeys.clear();
    bundle.native.as_mut().unwrap().kopks.clear();
    let begun = alice.initiate(&bob, &bundle).unwrap();
    let mut changes = Changes::new();
    for n in 0..limits::MAX_TOMBSTONES {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(n as u64).to_be_bytes());
        let id = SessionId::from_bytes(id);
        let entry = SessionEntry {
            id,
            peer: alice.identity().amid(),
            role: Role::Responder,
            signed_prekey_id: 1,
            knock_time: bob.store.context().now(),
            knock_nonce: [0; 16],
            decision: Decision::Accepted,
            confirmed: true,
            expires_at: None,
            session: None,
        };
        let name = format!("sessions/{}/{id}", bob.identity().amid());
        let slot = bob.store.unused::<()>(name);
        bob.store.put(&mut changes, &slot, |out| entry.encode(out)).unwrap();
    }
    block_on(bob.store.commit(changes)).unwrap();
    let refused = bob.accept(&alice, &begun.x3dh_message);
    assert_eq!(refused, Err(ManagerError::TooManyClosed.into()));
    // With a one-time key it cannot be replayed, so it needs no memory.
    let carol = Party::new(40, &clock);
    let begun = carol.initiate(&bob, &bob.bundle()).unwrap();
    bob.accept(&carol, &begun.x3dh_message).unwrap();
}

#[test]
fn records_of_another_release_are_named_and_what_is_no_frame_is_refused() {
    let (_, bob, session) = pair(34);
    let vault = crate::vault::Vault::new(&super::key());
    let mut rng = crate::test_utils::seeded_rng(1);
    for record in bob.records() {
        let mut plain = vault.open(&record).unwrap();
        plain[0] = 0xee;
        let sealed = vault.seal(record.id, record.version + 1, &plain, &mut rng).unwrap();
        let mut changes = Changes::new();
        changes.put(record.id, record.version, sealed);
        block_on(bob.disk.commit(changes)).unwrap();
    }
    let before = bob.records();
    let error = bob.encrypt(&session, 1).unwrap_err();
    assert!(matches!(error, Error::Manager(ManagerError::Undecodable { .. })), "{error:?}");
    assert_eq!(bob.records(), before);
    let error = X3dhMessage::from_frame(vec![1, 2, 3]).unwrap_err();
    assert_eq!(error, ManagerError::Malformed { what: "X3DH message" });
}

#[test]
fn damaged_records_are_errors_and_never_replaced() {
    let (alice, bob, session) = pair(32);
    let envelope = alice.encrypt(&session, 1).unwrap();
    for record in bob.records() {
        assert_eq!(record.id.kind, RecordKind::Managed);
        let mut damaged = record.sealed.clone();
        flip(&mut damaged, 60);
        let mut changes = Changes::new();
        // The seal is bound to the version; so this puts the record where it was.
        changes.delete(record.id, record.version);
        block_on(bob.disk.commit(changes)).unwrap();
        for version in 0..record.version {
            let mut changes = Changes::new();
            changes.put(record.id, version, damaged.clone());
            block_on(bob.disk.commit(changes)).unwrap();
        }
    }
    let before = bob.records();
    let clock = Clock::new();
    let store = SealedStore::new(bob.disk.clone(), &super::key(), clock.context(5));
    let identity = block_on(crate::identity::Identity::load(&store, "session-identity"));
    assert!(matches!(identity, Err(IdentityStoreError::LoadFailed { .. })), "{identity:?}");
    let generated =
        block_on(crate::identity::Identity::load_or_generate(&store, "session-identity"));
    assert!(generated.is_err());
    let sealed = |error: Error| {
        assert!(matches!(error, Error::Manager(ManagerError::Sealed { .. })), "{error:?}");
    };
    sealed(block_on(bob.prekeys.load_or_initialize()).unwrap_err());
    sealed(block_on(bob.prekeys.rotate_signed_prekey()).unwrap_err());
    sealed(bob.decrypt(&session, &envelope).unwrap_err());
    sealed(bob.encrypt(&session, 1).unwrap_err());
    sealed(block_on(bob.sessions.sessions()).unwrap_err());
    assert_eq!(bob.records(), before);
}
