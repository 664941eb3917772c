//! X3DH, prekey files, bundles, and the derivations.

use super::{super::*, Node, ScriptedRng, identities::identity, pretty};
use crate::{
    Timestamp,
    keys::{DhSecretKey, kdf as keys_kdf},
};

pub(super) fn kdf(section: Node<'_>) -> usize {
    let root = section.get("root").list();
    for case in &root {
        let derived = root_step(&case.get("root_key").secret(), &case.get("dh_output").secret());
        assert_eq!(derived, (case.get("new_root_key").secret(), case.get("chain_key").secret()));
    }
    let chain = section.get("chain").list();
    for case in &chain {
        let derived = chain_step(&case.get("chain_key").secret());
        let expected = (case.get("message_key").secret(), case.get("next_chain_key").secret());
        assert_eq!(derived, expected);
    }
    let hkdf = section.get("hkdf").list();
    for case in &hkdf {
        let (salt, ikm) = (case.get("salt").base64(), case.get("ikm").base64());
        let info = case.get("info").text();
        // All outputs of HKDF begin alike; the longest there is holds every other.
        let okm = keys_kdf::hkdf_sha256::<8160>(&salt, &[&ikm], &[info.as_bytes()]);
        let expected = case.get("output").base64();
        assert_eq!(case.get("length").parse::<usize>(), expected.len());
        assert_eq!(okm.as_bytes()[..expected.len()], expected, "{info}");
    }
    assert!(!root.is_empty() && !chain.is_empty() && !hkdf.is_empty());
    root.len() + chain.len() + hkdf.len()
}

pub(super) fn x3dh(section: Node<'_>) -> usize {
    let cases = section.list();
    cases.iter().for_each(|case| one_x3dh(*case));
    cases.len()
}

fn one_x3dh(case: Node<'_>) {
    let label = case.get("label").text();
    let [alice, bob] =
        ["initiator_identity", "responder_identity"].map(|name| identity(case.get(name)));
    let ephemeral = DhSecretKey::from_secret(case.get("ephemeral_private").secret());
    assert_eq!(*ephemeral.public_key(), case.get("ephemeral_public").public());
    let signed_prekey = case.get("signed_prekey").pair();
    let one_time = case.find("one_time_prekey").map(Node::pair);

    let serialized = case.get("bundle_serialized").json();
    let bundle = Bundle::from_json(serialized).unwrap();
    assert_eq!(bundle.to_json(), canonical_json(serialized).unwrap(), "{label}");
    assert_eq!(bundle.verify(bob.signing_key()), Ok(()));
    assert_eq!(
        bundle.verify(alice.signing_key()),
        Err(LegacyHandshakeError::SignedPrekeySignature)
    );
    assert_eq!(
        bundle.signed_prekey_signature,
        Some(case.get("signed_prekey").get("signature").signature())
    );
    assert_eq!(bundle.signed_prekey, *signed_prekey.public_key());
    let first = bundle.one_time_prekeys.first().map(|(_, key)| key);
    assert_eq!(first, one_time.as_ref().map(DhSecretKey::public_key), "{label}");

    let message = X3dhMessage::from_json(case.get("initiator_message").json()).unwrap();
    let text = canonical_json(case.get("initiator_message").json()).unwrap();
    assert_eq!(message.to_json(), text, "{label}");

    let outputs: Vec<_> = [
        (alice.exchange_secret(), Some(&bundle.signed_prekey)),
        (&ephemeral, Some(&bundle.identity_key)),
        (&ephemeral, Some(&bundle.signed_prekey)),
        (&ephemeral, first),
    ]
    .into_iter()
    .filter_map(|(own, peer)| Some(own.diffie_hellman(peer?).unwrap().as_bytes().to_vec()))
    .collect();
    let listed: Vec<_> = case.get("dh_outputs").list().iter().map(|dh| dh.base64()).collect();
    assert_eq!(outputs, listed, "{label}");
    assert_eq!(case.get("ikm_hex").hex(), listed.concat(), "{label}");

    let secret = case.get("shared_secret").secret();
    let ours = shared_secret_as_initiator(alice.exchange_secret(), &ephemeral, &bundle);
    assert_eq!(ours, Ok(secret.duplicate()), "{label}");
    let keys = LegacyResponderKeys {
        exchange: bob.exchange_secret(),
        signed_prekey: &signed_prekey,
        one_time_prekey: one_time.as_ref(),
    };
    let theirs = shared_secret_as_responder(keys, &message);
    assert_eq!(theirs, Ok(secret.duplicate()), "{label}");
    prekey_file(case, &bob, &bundle, &message, &secret);

    // The same by way of a session.
    let now = Timestamp::from_millis(1_770_206_400_000);
    let mut rng = ScriptedRng::of(ephemeral.secret_bytes());
    rng.push(&[7; 32]);
    rng.push(&[8; 16]);
    let (session, made) =
        LegacySession::initiate(&alice, &bob.public(), &bundle, now, &mut rng).unwrap();
    assert_eq!(made, message, "{label}");
    assert_eq!(session.ratchet.root, secret, "{label}");
}

fn prekey_file(
    case: Node<'_>,
    bob: &crate::identity::Identity,
    bundle: &Bundle,
    message: &X3dhMessage,
    secret: &crate::keys::Secret<32>,
) {
    let stored = case.get("responder_prekey_state_json_trimmed").json();
    let prekeys = LegacyPrekeys::from_json(stored).unwrap();
    assert_eq!(*prekeys.to_json(), pretty(stored));
    // The signature is not stored; it comes out the same.
    let again = prekeys.bundle(bob, prekeys.signed_created());
    assert_eq!(again.signed_prekey, bundle.signed_prekey);
    assert_eq!(again.signed_prekey_signature, bundle.signed_prekey_signature);
    assert_eq!(again.signed_prekey_id, bundle.signed_prekey_id);
    assert_eq!(again.identity_key, bundle.identity_key);
    // The file was trimmed, so it need not hold the key that was taken.
    if message.one_time_prekey_id.is_none_or(|id| prekeys.one_time(id).is_some()) {
        let keys = prekeys.responder_keys(bob, message, prekeys.signed_created()).unwrap();
        assert_eq!(shared_secret_as_responder(keys, message), Ok(secret.duplicate()));
    }
    let gone = X3dhMessage { one_time_prekey_id: Some(u32::MAX), ..*message };
    assert!(prekeys.responder_keys(bob, &gone, prekeys.signed_created()).is_err());
    let gone = X3dhMessage { signed_prekey_id: u32::MAX, ..*message };
    assert!(prekeys.responder_keys(bob, &gone, prekeys.signed_created()).is_err());
}
