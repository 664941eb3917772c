//! Conversations: replayed from their first key on, and step by step from the states in between.

use std::collections::HashMap;

use super::{super::*, Node, ScriptedRng, identities::identity, keys, pretty};
use crate::{
    Timestamp,
    identity::Identity,
    keys::{DhPublicKey, kdf},
    test_utils::seeded_rng,
};

const NONCE: usize = 24;

pub(super) fn transcripts(section: Node<'_>) -> usize {
    let mut cases = 0;
    for case in section.list() {
        let name = case.get("name").text();
        let mut sessions = begin(case);
        let mut sent: HashMap<String, (Envelope, Option<String>)> = HashMap::new();
        for step in case.get("steps").list() {
            let (op, by) = (step.get("op").text(), step.get("by").text());
            let label = step.get("label").text();
            let session = sessions.get_mut(&by).unwrap();
            let at = format!("{name}, {by} {op} {label}");
            match op.as_str() {
                "send" => {
                    let text = step.find("plaintext_json").map(Node::text);
                    if let (Some(text), Some(digest)) = (&text, step.find("plaintext_json_sha256"))
                    {
                        assert_eq!(digest.hex(), kdf::sha256(&[text.as_bytes()]), "{at}");
                    }
                    let envelope = send(session, step.get("envelope"), text.as_deref(), &at);
                    sent.insert(label, (envelope, text));
                }
                "receive" => {
                    let (envelope, text) = &sent[&label];
                    receive(session, step, envelope, text.as_deref(), &at);
                }
                other => panic!("{name}: nobody knows the step {other}"),
            }
            cases += 1;
        }
    }
    cases
}

/// Both sessions, made with the keys that were drawn, and compared with the files that were written.
fn begin(case: Node<'_>) -> HashMap<String, LegacySession> {
    let [alice, bob] = ["alice_identity", "bob_identity"].map(|name| identity(case.get(name)));
    let [pending, activated, accepted] =
        ["alice_session_pending_json", "alice_session_initial_json", "bob_session_initial_json"]
            .map(|name| case.get(name));
    let mut rng = generated(case.get("alice_generated_keys_in_order"), pending);
    let bundle = bundle(case, &bob);
    let now = time(pending, "created_at");
    let (mut at_alice, message) =
        LegacySession::initiate(&alice, &bob.public(), &bundle, now, &mut rng).unwrap();
    assert_eq!(message, X3dhMessage::from_json(case.get("x3dh_message").json()).unwrap());
    same_file(&mut at_alice, pending);

    let signed_prekey = case.get("bob_signed_prekey").pair();
    let one_time = case.find("bob_one_time_prekey").map(Node::pair);
    let keys = LegacyResponderKeys {
        exchange: bob.exchange_secret(),
        signed_prekey: &signed_prekey,
        one_time_prekey: one_time.as_ref(),
    };
    let mut rng = generated(case.get("bob_generated_keys_in_order"), accepted);
    let now = time(accepted, "created_at");
    let mut at_bob = LegacySession::accept(&alice.public(), &message, keys, now, &mut rng).unwrap();
    same_file(&mut at_bob, accepted);
    let handed = case.get("bob_ratchet_key_handed_to_alice");
    assert_eq!(*at_bob.ratchet_public_key(), handed.public());

    at_alice.activate(&ratchet_key_from_json(handed.json()).unwrap(), now).unwrap();
    same_file(&mut at_alice, activated);
    assert!(at_bob.must_wait() && !at_alice.must_wait());
    HashMap::from([("alice".to_owned(), at_alice), ("bob".to_owned(), at_bob)])
}

fn bundle(case: Node<'_>, bob: &Identity) -> Bundle {
    let signed = case.get("bob_signed_prekey");
    let one_time = case.find("bob_one_time_prekey");
    Bundle {
        identity_key: *bob.exchange_key(),
        signed_prekey: *signed.pair().public_key(),
        signed_prekey_signature: Some(signed.get("signature").signature()),
        signed_prekey_id: signed.get("id").parse(),
        one_time_prekeys: one_time
            .map(|key| (key.get("id").parse(), *key.pair().public_key()))
            .into_iter()
            .collect(),
        uploaded_at: None,
    }
}

/// The keys that were drawn, and then the session's name.
fn generated(list: Node<'_>, session: Node<'_>) -> ScriptedRng {
    let mut rng = keys(list.get("keys"));
    let id = session.get("session_id").text();
    rng.push(&text::unhex::<16>(id.strip_prefix("session_").unwrap()).unwrap());
    rng
}

fn time(session: Node<'_>, field: &str) -> Timestamp {
    Timestamp::parse_rfc3339(&session.get(field).text()).unwrap()
}

/// Byte for byte, in both directions.
fn same_file(session: &mut LegacySession, expected: Node<'_>) {
    // The clock may have ticked between two fields.
    session.last_used = time(expected, "last_used");
    let file = pretty(expected.json());
    assert_eq!(*session.to_json(), file);
    assert_eq!(*LegacySession::from_json(&file).unwrap().to_json(), file);
}

fn send(session: &mut LegacySession, node: Node<'_>, text: Option<&str>, at: &str) -> Envelope {
    let envelope = Envelope::from_json(node.json()).unwrap();
    assert_eq!(envelope.to_json(), canonical_json(node.json()).unwrap(), "{at}");
    // Messages in between may have been left out of the file.
    let (now, rng) = (session.last_used, &mut seeded_rng(1));
    while session.ratchet.sent < envelope.header.n {
        session.encrypt("{}", now, rng).unwrap();
    }
    let mut rng = ScriptedRng::of(&envelope.ciphertext[..NONCE]);
    let Some(text) = text else {
        session.encrypt("{}", now, &mut rng).unwrap();
        return envelope;
    };
    assert_eq!(session.encrypt(text, now, &mut rng).as_ref(), Ok(&envelope), "{at}");
    envelope
}

fn receive(
    session: &mut LegacySession,
    step: Node<'_>,
    envelope: &Envelope,
    text: Option<&str>,
    at: &str,
) {
    let now = session.last_used;
    // From the state that the deployed SDK had,
    if let Some(before) = step.find("ratchet_state_before") {
        let mut ratchet = LegacyRatchet::from_json(before.json(), now).unwrap();
        let mut rng = keys(step.get("generated_keys"));
        let opened = ratchet.decrypt(&envelope.header, &envelope.ciphertext, now, &mut rng);
        let opened = opened.unwrap_or_else(|e| panic!("{at}: {e}"));
        assert!(text.is_none_or(|text| text.as_bytes() == opened.as_slice()), "{at}");
    }
    // and from our own, which was never written down.
    let mut rng = keys(step.get("generated_keys"));
    let opened = session.decrypt(envelope, now, &mut rng).unwrap_or_else(|e| panic!("{at}: {e}"));
    assert!(text.is_none_or(|text| text == opened), "{at}");
    rng.assert_used_up();
    let again = session.to_json();
    assert_eq!(session.decrypt(envelope, now, &mut seeded_rng(2)).ok(), None, "{at}, again");
    assert_eq!(*session.to_json(), *again, "{at}, again");
    if let Some(after) = step.find("ratchet_state_after_js") {
        // All but the skipped keys, of which the deployed SDK keeps too many.
        let after = LegacyRatchet::from_json(after.json(), now).unwrap();
        let ours = &session.ratchet;
        assert_eq!(ours.own.public_key(), after.own.public_key(), "{at}");
        assert_eq!(ours.peer, after.peer, "{at}");
        assert_eq!(ours.root, after.root, "{at}");
        assert_eq!(ours.send_chain, after.send_chain, "{at}");
        assert_eq!(ours.receive_chain, after.receive_chain, "{at}");
        let counters = |r: &LegacyRatchet| (r.sent, r.received, r.previous);
        assert_eq!(counters(ours), counters(&after), "{at}");
    }
}

pub(super) fn raw(section: Node<'_>) -> usize {
    let now = Timestamp::from_millis(1_770_206_400_000);
    let secret = || section.get("shared_secret").secret();
    let initial = |key: &str, peer: DhPublicKey, state: &str| {
        let mut rng = ScriptedRng::of(section.get(key).pair().secret_bytes());
        let ratchet = LegacyRatchet::new(secret(), Some(peer), &mut rng);
        assert_eq!(*ratchet.to_json(), pretty(section.get(state).json()), "{state}");
    };
    let bob = *section.get("bob_initial_key").pair().public_key();
    initial("alice_initial_key", bob, "alice_initial_state");
    let ephemeral = section.get("peer_ephemeral_public").public();
    initial("bob_initial_key", ephemeral, "bob_initial_state");

    let steps = section.get("steps").list();
    for step in &steps {
        let header = EnvelopeHeader::from_json(step.get("header").json()).unwrap();
        let (ciphertext, plaintext) =
            (step.get("ciphertext").base64(), step.get("plaintext_b64").base64());
        let sender = step.get("sender_state_before").json();
        let mut ratchet = LegacyRatchet::from_json(sender, now).unwrap();
        let mut rng = ScriptedRng::of(&ciphertext[..NONCE]);
        assert_eq!(ratchet.encrypt(&plaintext, &mut rng), Ok((header, ciphertext.clone())));

        let receiver = step.get("receiver_state_before").json();
        let mut ratchet = LegacyRatchet::from_json(receiver, now).unwrap();
        assert_eq!(*ratchet.to_json(), pretty(receiver));
        let mut rng = keys(step.get("receiver_generated_keys"));
        let opened = ratchet.decrypt(&header, &ciphertext, now, &mut rng).unwrap();
        assert_eq!(*opened, plaintext);
        rng.assert_used_up();
    }
    steps.len()
}

pub(super) fn negative(section: Node<'_>) -> usize {
    let now = Timestamp::from_millis(1_770_206_400_000);
    let cases = section.list();
    for case in &cases {
        let label = case.get("label").text();
        let state = case.get("ratchet_state").json();
        let mut ratchet = LegacyRatchet::from_json(state, now).unwrap();
        let before = ratchet.to_json();
        assert_eq!(*before, pretty(state), "{label}");
        // Some do not even parse.
        if let Ok(bad) = Envelope::from_json(case.get("bad_envelope").json()) {
            let opened = ratchet.decrypt(&bad.header, &bad.ciphertext, now, &mut seeded_rng(3));
            assert!(opened.is_err(), "{label} was opened");
        }
        assert_eq!(*ratchet.to_json(), *before, "{label} changed the state");

        let then = Envelope::from_json(case.get("then_envelope").json()).unwrap();
        let mut rng = keys(case.get("generated_keys_for_then"));
        let opened = ratchet.decrypt(&then.header, &then.ciphertext, now, &mut rng);
        let opened = opened.unwrap_or_else(|e| panic!("after {label}: {e}"));
        assert_eq!(*opened, case.get("then_plaintext_json").text().into_bytes(), "{label}");
        rng.assert_used_up();
    }
    cases.len()
}

pub(super) fn big_state(section: Node<'_>) -> usize {
    let file = section.get("bob_session_json").json();
    let mut session = LegacySession::from_json(file).unwrap();
    assert_eq!(*session.to_json(), pretty(file));
    let count = section.get("skipped_key_count").parse::<usize>();
    assert_eq!(session.skipped_keys(), count);
    let envelopes = section.get("envelopes").list();
    for case in &envelopes {
        let envelope = Envelope::from_json(case.get("envelope").json()).unwrap();
        let now = session.last_used;
        let opened = session.decrypt(&envelope, now, &mut seeded_rng(4)).unwrap();
        assert_eq!(opened, case.get("plaintext_json").text());
    }
    // What is left is in the order it had.
    let order = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.contains("=:"));
        lines.map(|line| line.trim_matches([' ', ',']).to_owned()).collect()
    };
    let (before, after) = (order(&pretty(file)), order(&session.to_json()));
    assert_eq!(before.len(), count);
    let mut rest = before.iter();
    for kept in after.iter().filter(|kept| before.contains(kept)) {
        assert!(rest.any(|known| known == kept), "the order of skipped keys was lost");
    }
    envelopes.len()
}
