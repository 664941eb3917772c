//! Defects of earlier implementations of this design, by the numbers that `docs/testing.md` gives them: seen through
//! the public API, where no test beside the code has the name.

use agentmesh_core::{
    engine::{Event, Input, LoadError, Stage, StoredIdentity},
    handshake::{Established, SessionId, Suite},
    identity::Identity,
    keys::{DhSecretKey, Secret, kdf},
    knock::Decision,
    limits,
    prekeys::{BundleError, BundleParts, KnownPeer, PreKeyBundle, PreKeys},
    session::{DecryptError, Session},
    storage::{Changes, MemoryStorage, RecordKind, Storage},
    test_utils::{
        block_on,
        mesh::{Mesh, START},
        seeded_rng,
    },
    vault::{StoreKey, Vault},
};
use rand_chacha::ChaCha20Rng;
use serde_json::Value;

/// Two ends of one session, the first message delivered.
struct Pair {
    alice: Session,
    bob: Session,
    rng: ChaCha20Rng,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let mut rng = seeded_rng(seed);
        let prekey = DhSecretKey::generate(&mut rng);
        let established = || Established {
            shared_secret: Secret::new([7; 32]),
            associated_data: [8; 32],
            session_id: SessionId::from_bytes([9; 16]),
        };
        let suite = Suite::X25519;
        let mut alice =
            Session::initiate(suite, established(), prekey.public_key(), START, &mut rng).unwrap();
        let first = send(&mut alice, b"knock", &mut rng);
        let mut bob =
            Session::accept(suite, established(), &prekey, &first, START, &mut rng).unwrap();
        assert_eq!(bob.decrypt(&first, START).unwrap(), b"knock");
        Self { alice, bob, rng }
    }

    fn say(&mut self, text: &[u8]) -> Vec<u8> {
        send(&mut self.alice, text, &mut self.rng)
    }

    fn turn(&mut self) {
        let m = send(&mut self.bob, b"pong", &mut self.rng);
        assert_eq!(self.alice.decrypt(&m, START).unwrap(), b"pong");
        let m = self.say(b"ping");
        assert_eq!(self.bob.decrypt(&m, START).unwrap(), b"ping");
    }

    /// Bob refuses a frame, and his state stays what it was.
    fn refused(&mut self, frame: &[u8]) -> DecryptError {
        let before = record(&self.bob);
        let error = self.bob.decrypt(frame, START).unwrap_err();
        assert_eq!(record(&self.bob), before);
        error
    }
}

/// A message as it is opened: without the session id in front.
fn send(session: &mut Session, text: &[u8], rng: &mut ChaCha20Rng) -> Vec<u8> {
    session.encrypt(text, START, rng).unwrap().split_off(16)
}

fn record(session: &Session) -> Vec<u8> {
    let mut out = Default::default();
    session.to_record(&mut out);
    out.to_vec()
}

#[test]
fn r1_a_turn_derives_only_what_is_missing() {
    let mut pair = Pair::new(1);
    for _ in 0..20 {
        pair.turn();
    }
    assert!(record(&pair.bob).len() < 1300);
}

#[test]
fn r2_a_forged_ratchet_key_kills_neither_direction() {
    let mut pair = Pair::new(2);
    pair.turn();
    let genuine = pair.say(b"genuine");
    let mut forged = genuine.clone();
    forged[2..34].copy_from_slice(DhSecretKey::generate(&mut pair.rng).public_key().as_bytes());
    pair.refused(&forged);
    assert_eq!(pair.bob.decrypt(&genuine, START).unwrap(), b"genuine");
    pair.turn();
}

#[test]
fn r3_a_duplicate_does_not_rewind_the_chain() {
    let mut pair = Pair::new(3);
    let once = pair.say(b"once");
    pair.bob.decrypt(&once, START).unwrap();
    assert_eq!(pair.refused(&once), DecryptError::Duplicate);
    let next = pair.say(b"next");
    assert_eq!(pair.bob.decrypt(&next, START).unwrap(), b"next");
}

#[test]
fn r4_a_replay_from_an_older_chain_takes_no_turn() {
    let mut pair = Pair::new(4);
    let old = pair.say(b"old");
    pair.bob.decrypt(&old, START).unwrap();
    for _ in 0..3 {
        pair.turn();
    }
    pair.refused(&old);
    pair.turn();
}

#[test]
fn r5_a_forgery_does_not_use_up_a_skipped_key() {
    let mut pair = Pair::new(5);
    let (late, early) = (pair.say(b"late"), pair.say(b"early"));
    pair.bob.decrypt(&early, START).unwrap();
    let mut forged = late.clone();
    *forged.last_mut().unwrap() ^= 1;
    pair.refused(&forged);
    assert_eq!(pair.bob.decrypt(&late, START).unwrap(), b"late");
}

#[test]
fn r6_the_responder_may_speak_first() {
    let mut pair = Pair::new(6);
    let m = send(&mut pair.bob, b"welcome", &mut pair.rng);
    assert_eq!(pair.alice.decrypt(&m, START).unwrap(), b"welcome");
    pair.turn();
}

#[test]
fn r7_a_message_two_turns_late_is_read() {
    let mut pair = Pair::new(7);
    let late = pair.say(b"late");
    pair.turn();
    pair.turn();
    assert_eq!(pair.bob.decrypt(&late, START).unwrap(), b"late");
}

#[test]
fn r8_no_two_messages_share_a_key() {
    // `encrypt` takes the session exclusively, so that two calls cannot race; and the numbers go up.
    let mut pair = Pair::new(8);
    let frames: Vec<_> = (0..5u8).map(|i| pair.say(&[i])).collect();
    for (i, frame) in (0..5u8).zip(&frames) {
        assert_eq!(frame[38..42], (u32::from(i) + 1).to_be_bytes());
        assert_eq!(pair.bob.decrypt(frame, START).unwrap(), [i]);
    }
}

#[test]
fn r9_every_byte_of_the_header_is_authenticated() {
    let mut pair = Pair::new(9);
    pair.turn();
    let genuine = pair.say(b"genuine");
    for at in 0..42 {
        let mut changed = genuine.clone();
        changed[at] ^= 1;
        pair.refused(&changed);
    }
    assert_eq!(pair.bob.decrypt(&genuine, START).unwrap(), b"genuine");
}

#[test]
fn r10_a_gap_over_the_limit_changes_nothing() {
    let mut pair = Pair::new(10);
    let genuine = pair.say(b"genuine");
    let mut far = genuine.clone();
    far[38..42].copy_from_slice(&5000u32.to_be_bytes());
    assert!(matches!(pair.refused(&far), DecryptError::TooManySkipped { .. }));
    assert_eq!(pair.bob.decrypt(&genuine, START).unwrap(), b"genuine");
}

#[test]
fn r11_the_largest_payload_arrives_and_a_larger_one_costs_nothing() {
    let mut mesh = Mesh::new(2, 11);
    let text = "x".repeat(limits::MAX_PAYLOAD - 2);
    let id = mesh.send(0, 1, &text).unwrap();
    let too_large = "x".repeat(limits::MAX_LARGE_PAYLOAD - 1);
    assert!(mesh.send(0, 1, &too_large).is_err());
    mesh.run();
    assert_eq!(mesh.handled(1), [id]);
    let after = mesh.send(0, 1, "after").unwrap();
    mesh.run();
    assert_eq!(mesh.handled(1), [id, after]);
}

#[test]
fn r12_numbers_are_numbers() {
    let mut pair = Pair::new(12);
    let mut odd = pair.say(b"odd");
    odd[38..42].fill(0xff);
    assert_eq!(pair.refused(&odd), DecryptError::Malformed);
}

#[test]
fn x1_a_handshake_under_anothers_address_is_dropped() {
    let mut mesh = Mesh::new(3, 21);
    let id = mesh.send(0, 1, "hello").unwrap();
    let victim = mesh.amid(2);
    let frames: Vec<_> = mesh.wiretap.iter().map(|(_, stored)| stored.frame.clone()).collect();
    let before = mesh.nodes[1].events.len();
    for frame in frames {
        mesh.inject(1, victim, None, frame);
    }
    let ready =
        |e: &Event| matches!(e, Event::MessageReady { .. } | Event::SessionEstablished { .. });
    assert!(!mesh.nodes[1].events[before..].iter().any(ready));
    mesh.run();
    assert_eq!(mesh.handled(1), [id]);
}

#[test]
fn x2_x4_another_agents_keys_are_refused() {
    let mut rng = seeded_rng(22);
    let (bob, mallory) = (Identity::generate(START, &mut rng), Identity::generate(START, &mut rng));
    let bundle = PreKeys::generate(&mallory, START, &mut rng).bundle(&mallory);
    let known = KnownPeer::first_contact(bob.amid());
    let refused = PreKeyBundle::verify(BundleParts::bundle_only(&bundle), &known, START);
    assert_eq!(refused.unwrap_err(), BundleError::AmidMismatch);
}

#[test]
fn x3_a_first_message_without_a_one_time_key_cannot_be_replayed() {
    let mut mesh = Mesh::new(2, 23);
    let (alice, bob) = (mesh.amid(0), mesh.amid(1));
    let published = mesh.registry.get_mut(&bob).unwrap();
    published.one_time.clear();
    published.one_time_kem.clear();
    let id = mesh.send(0, 1, "once").unwrap();
    mesh.run();
    let frames: Vec<_> = mesh.wiretap.iter().filter(|(to, _)| *to == bob).cloned().collect();
    let sessions = |mesh: &Mesh| {
        let established = |e: &&Event| matches!(e, Event::SessionEstablished { .. });
        mesh.nodes[1].events.iter().filter(established).count()
    };
    assert_eq!(sessions(&mesh), 1);
    mesh.restart(1);
    mesh.connect(1);
    for (_, stored) in frames {
        mesh.inject(1, alice, None, stored.frame);
    }
    mesh.run();
    assert_eq!((sessions(&mesh), mesh.handled(1)), (1, vec![id]));
}

#[test]
fn p1_agt_1428_the_bundle_of_a_reloaded_store_is_signed_and_checked() {
    let mut rng = seeded_rng(31);
    let bob = Identity::generate(START, &mut rng);
    let prekeys = PreKeys::generate(&bob, START, &mut rng);
    let reloaded = PreKeys::from_record(&prekeys.to_record()).unwrap();
    let bundle = reloaded.bundle(&bob);
    let known = KnownPeer::first_contact(bob.amid());
    let verify =
        |bytes: &[u8]| PreKeyBundle::verify(BundleParts::bundle_only(bytes), &known, START);
    let signed_prekey = *verify(&bundle).unwrap().signed_prekey().1.as_bytes();
    let at = bundle.windows(32).position(|w| w == signed_prekey).unwrap();
    let mut swapped = bundle;
    swapped[at] ^= 1;
    assert_eq!(verify(&swapped).unwrap_err(), BundleError::BadSignature);
}

#[test]
fn p2_ids_are_not_used_again_after_a_loss() {
    let mut rng = seeded_rng(32);
    let bob = Identity::generate(START, &mut rng);
    let lost = PreKeys::generate(&bob, START, &mut rng).publication(&bob);
    let made = PreKeys::recover(&bob, START, &mut rng).publication(&bob);
    let highest = lost.one_time.iter().map(|key| key.id).max().unwrap();
    assert!(made.one_time.iter().all(|key| key.id >= 1 << 20 && key.id > highest));
}

#[test]
fn p5_junk_uses_up_no_one_time_key() {
    let mut mesh = Mesh::new(2, 35);
    let alice = mesh.amid(0);
    let id = mesh.send(0, 1, "genuine").unwrap();
    let first = mesh.wiretap[0].1.frame.clone();
    for at in [20, 60, first.len() - 1] {
        let mut junk = first.clone();
        junk[at] ^= 1;
        mesh.inject(1, alice, None, junk);
    }
    mesh.run();
    assert_eq!(mesh.handled(1), [id], "the keys of the genuine handshake were still there");
    assert_eq!(mesh.handshakes(), 1);
}

#[test]
fn s1_s5_a_closed_session_is_gone_and_the_next_one_works() {
    let mut mesh = Mesh::new(2, 41);
    let (alice, bob) = (mesh.amid(0), mesh.amid(1));
    let first = mesh.send(0, 1, "first").unwrap();
    mesh.run();
    let old = mesh.wiretap.iter().filter(|(to, _)| *to == bob).cloned().collect::<Vec<_>>();
    mesh.feed(0, Input::CloseSession(bob)).unwrap();
    mesh.run();
    assert!(mesh.nodes[1].events.iter().any(|e| matches!(e, Event::SessionClosed { .. })));
    for (_, stored) in old {
        mesh.inject(1, alice, None, stored.frame);
    }
    let second = mesh.send(0, 1, "second").unwrap();
    mesh.run();
    assert_eq!(mesh.handled(1), [first, second]);
    assert_eq!(mesh.handshakes(), 2);
}

#[test]
fn s2_sessions_survive_a_restart() {
    let mut mesh = Mesh::new(2, 42);
    mesh.send(0, 1, "before").unwrap();
    mesh.run();
    for node in 0..2 {
        mesh.restart(node);
        mesh.connect(node);
    }
    let id = mesh.send(1, 0, "after").unwrap();
    mesh.run();
    assert_eq!(mesh.handled(0), [id]);
    assert_eq!(mesh.handshakes(), 1);
}

#[test]
fn s3_a_damaged_record_is_an_error_and_never_a_fresh_start() {
    let mut rng = seeded_rng(43);
    let storage = MemoryStorage::new();
    let vault = Vault::new(&StoreKey::from_bytes([1; 32]));
    let identity = Identity::generate(START, &mut rng);
    block_on(StoredIdentity::create(&storage, &vault, identity, START, &mut rng)).unwrap();
    let stored = block_on(storage.list(RecordKind::Identity, None, 1)).unwrap().remove(0);
    let mut sealed = stored.sealed;
    sealed[40] ^= 1;
    let mut changes = Changes::new();
    changes.put(stored.id, stored.version, sealed);
    block_on(storage.commit(changes)).unwrap();
    let found = block_on(StoredIdentity::find(&storage, &vault));
    assert!(matches!(found, Err(LoadError::Vault { .. })), "{found:?}");
}

#[test]
fn s4_nothing_is_stored_in_clear() {
    let mut mesh = Mesh::new(2, 44);
    mesh.nodes[1].handles = false;
    mesh.send(0, 1, "a text that would be found").unwrap();
    mesh.run();
    let seed = mesh.nodes[1].engine.identity().to_record()[1..33].to_vec();
    let mut bytes = 0;
    for kind in RecordKind::ALL {
        for record in block_on(mesh.nodes[1].storage.list(kind, None, 1000)).unwrap() {
            let holds = |needle: &[u8]| record.sealed.windows(needle.len()).any(|w| w == needle);
            assert!(!holds(&seed) && !holds(b"would be found"), "{kind:?}");
            bytes += record.sealed.len();
        }
    }
    assert!(bytes > 1000);
}

#[test]
fn agt_557_prefixed_keys_and_the_timestamp_that_all_servers_verify() {
    let mut rng = seeded_rng(51);
    let identity = Identity::generate(START, &mut rng);
    let mut json: Value = serde_json::from_str(&identity.to_json()).unwrap();
    for value in json.as_object_mut().unwrap().values_mut() {
        let bare = value.as_str().and_then(|text| {
            text.strip_prefix("ed25519:")
                .or_else(|| text.strip_prefix("x25519:"))
                .map(str::to_owned)
        });
        if let Some(bare) = bare {
            *value = Value::String(bare);
        }
    }
    assert_eq!(Identity::from_json(&json.to_string()).unwrap().amid(), identity.amid());
    let (first, _) = identity.sign_timestamp(START);
    let (second, _) = identity.sign_timestamp(START);
    for text in [&first, &second] {
        assert_eq!(text.len(), "2026-02-04T12:00:00.001+00:00".len(), "{text}");
        assert!(text.ends_with("+00:00") && !text.contains(".000+"), "{text}");
    }
    assert!(first < second);
}

#[test]
fn agt_1926_agt_3128_hkdf_is_that_of_the_rfc() {
    // RFC 5869, test case 1; salt and key material swapped give something else.
    let ikm = [0x0b; 22];
    let salt: Vec<u8> = (0..=0x0c).collect();
    let info: Vec<u8> = (0xf0..=0xf9).collect();
    let okm = kdf::hkdf_sha256::<32>(&salt, &[&ikm], &[&info]);
    let hex: String = okm.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
    assert_ne!(kdf::hkdf_sha256::<32>(&ikm, &[&salt], &[&info]), okm);
}

#[test]
fn agt_1451_kars_27_what_was_missed_comes_after_the_reconnect() {
    let mut mesh = Mesh::new(2, 53);
    mesh.send(0, 1, "hello").unwrap();
    mesh.run();
    mesh.disconnect(1);
    let missed: Vec<_> = (0..5).map(|i| mesh.send(0, 1, &format!("{i}")).unwrap()).collect();
    mesh.run();
    assert_eq!(mesh.stage_or_outbox(0, missed[4]), Some(Stage::StoredByRelay));
    mesh.connect(1);
    mesh.run();
    assert_eq!(mesh.handled(1)[1..], missed);
}

#[test]
fn agt_2003_the_first_decision_on_a_knock_stands() {
    let mut mesh = Mesh::new(2, 54);
    let first = mesh.send(0, 1, "hello").unwrap();
    mesh.run();
    let session = mesh.nodes[1]
        .events
        .iter()
        .find_map(|event| match event {
            Event::SessionEstablished { session, .. } => Some(*session),
            _ => None,
        })
        .unwrap();
    // The handler's timer fires after its answer.
    let decision = Decision::reject_for("no decision in time", 60);
    mesh.feed(1, Input::Decide { session, decision }).unwrap();
    let second = mesh.send(0, 1, "still there").unwrap();
    mesh.run();
    assert_eq!(mesh.handled(1), [first, second]);
}
