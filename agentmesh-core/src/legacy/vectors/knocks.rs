//! KNOCKs and their answers: parsed, verified, and made again byte for byte.

use super::{super::*, Node, ScriptedRng, identities::identity};
use crate::{Timestamp, identity::Identity};

pub(super) fn knocks(section: Node<'_>) -> usize {
    let mut cases = 0;
    for case in section.list() {
        let [alice, bob] =
            ["initiator_identity", "responder_identity"].map(|name| identity(case.get(name)));
        let verified = knock(&alice, &bob, case);
        for kind in ["accept", "reject"] {
            answer(&alice, &bob, case, kind, &verified);
        }
        cases += 3;
    }
    cases
}

fn knock(alice: &Identity, bob: &Identity, case: Node<'_>) -> VerifiedLegacyKnock {
    let wire = case.get("knock_wire").text();
    let knock = LegacyKnock::from_json(&wire).unwrap();
    assert_eq!(knock.signing_string(), case.get("knock_signing_string").text());
    // A certificate chain, which nobody signs, would come behind.
    assert!(wire.starts_with(knock.to_json().trim_end_matches('}')), "{wire}");

    let raw = Node::new(&wire);
    let time = Timestamp::from_millis(raw.get("timestamp").parse());
    let (own, signer) = (bob.amid(), alice.signing_key());
    let verified = knock.verify(&own, signer, time).unwrap();
    assert_eq!(verified.from, alice.amid());
    assert_eq!(verified.time, time);

    let request = raw.get("request");
    assert_eq!(verified.request.session_type, request.get("type").text());
    let intent = request.get("intent");
    assert_eq!(verified.request.capability, intent.get("capability").text());
    assert_eq!(verified.request.action, intent.get("action").text());
    let params = intent.find("params").map(|params| params.json().to_owned());
    assert_eq!(verified.request.params, params);

    if raw.get("version").text() == PROTOCOL {
        let mut rng = ScriptedRng::of(&raw.get("nonce").hex());
        let made = LegacyKnock::sign_json(alice, own, request.json(), time, &mut rng).unwrap();
        assert_eq!(made.to_json(), knock.to_json());
    }

    let stale = [time.plus_millis(300_001), time.minus_millis(300_001)];
    for now in stale {
        assert_eq!(knock.verify(&own, signer, now), Err(LegacyKnockError::Stale));
    }
    assert!(knock.verify(&own, signer, time.plus_millis(300_000)).is_ok());
    let refused = Err(LegacyKnockError::Signature);
    assert_eq!(knock.verify(&own, bob.signing_key(), time), refused);
    assert_eq!(knock.verify(&alice.amid(), signer, time), Err(LegacyKnockError::NotForUs));
    let text = wire.replace("\"capability\":\"", "\"capability\":\"x");
    let altered = LegacyKnock::from_json(&text).unwrap();
    assert_eq!(altered.verify(&own, signer, time), refused);
    let signature = raw.get("signature").text();
    let unsigned = LegacyKnock::from_json(&wire.replace(&signature, "AAAA")).unwrap();
    assert_eq!(unsigned.verify(&own, signer, time), refused);
    verified
}

fn answer(
    alice: &Identity,
    bob: &Identity,
    case: Node<'_>,
    kind: &str,
    knock: &VerifiedLegacyKnock,
) {
    let wire = case.get(&format!("{kind}_wire")).text();
    let answer = LegacyAnswer::from_json(&wire).unwrap();
    assert_eq!(answer.signing_string(), case.get(&format!("{kind}_signing_string")).text());
    assert_eq!(answer.to_json(), wire);

    let raw = Node::new(&wire);
    let time = Timestamp::from_millis(raw.get("timestamp").parse());
    let (own, signer, nonce) = (alice.amid(), bob.signing_key(), &knock.nonce_text);
    let verdict = answer.verify(&own, signer, nonce, time).unwrap().clone();
    match &verdict {
        LegacyVerdict::Accept { session_id, .. } => {
            assert_eq!((kind, session_id), ("accept", &raw.get("sessionId").text()));
        }
        LegacyVerdict::Reject { reason } => {
            assert_eq!((kind, reason), ("reject", &raw.get("reason").text()));
        }
    }
    assert_eq!(LegacyAnswer::sign(bob, knock, verdict, time), answer);

    let other = "0".repeat(32);
    assert_eq!(answer.verify(&own, signer, &other, time), Err(LegacyKnockError::WrongNonce));
    let late = time.plus_millis(300_001);
    assert_eq!(answer.verify(&own, signer, nonce, late), Err(LegacyKnockError::Stale));
    assert_eq!(answer.verify(&bob.amid(), signer, nonce, time), Err(LegacyKnockError::NotForUs));
    let flipped = if kind == "accept" {
        wire.replace("\"ACCEPT\",", "\"REJECT\",\"reason\":\"\",")
    } else {
        wire.replace("\"REJECT\",", "\"ACCEPT\",\"sessionId\":\"x\",")
    };
    let flipped = LegacyAnswer::from_json(&flipped).unwrap();
    let refused = Err(LegacyKnockError::Signature);
    assert_eq!(flipped.verify(&own, signer, nonce, time), refused);
    assert_eq!(answer.verify(&own, alice.signing_key(), nonce, time), refused);
}
