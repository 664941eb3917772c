//! Known answers, so that no change to the key schedule goes unnoticed; checked with an independent implementation.

use super::*;
use crate::{
    keys::SigningKey,
    prekeys::{BundleParts, KnownPeer, OneTimePart},
    test_utils::seeded_rng,
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_millis(1_770_206_400_000);

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The handshake of fixed keys.
fn handshake(suite: Suite, one_time: bool) -> Established {
    let identity = |seed: u8, exchange: u8| {
        let exchange = DhSecretKey::from_bytes([exchange; 32]);
        Identity::from_keys(SigningKey::from_seed([seed; 32]), exchange, NOW)
    };
    let (alice, bob) = (identity(1, 2), identity(3, 4));
    let prekeys = PreKeys::generate(&bob, NOW, &mut seeded_rng(1));
    let publication = prekeys.publication(&bob);
    let opk = &publication.one_time[0];
    let parts = BundleParts {
        blob: &publication.bundle,
        one_time: one_time.then_some(OneTimePart {
            id: opk.id,
            key: &opk.key,
            signature: opk.signature.as_bytes(),
        }),
        one_time_kem: None,
    };
    let bundle = PreKeyBundle::verify(parts, &KnownPeer::first_contact(bob.amid()), NOW).unwrap();
    let ephemeral = DhSecretKey::from_bytes([5; 32]);
    let (message, established) =
        initiate_with(&alice, &bundle, suite, &ephemeral, || Secret::new([6; 32])).unwrap();
    let keys = ResponderKeys::find(bob.signing_key(), &prekeys, &message).unwrap();
    assert_eq!(accept(&message, keys).unwrap(), established);
    established
}

#[test]
fn known_answers() {
    for (suite, one_time, session_id, associated_data, shared_secret) in [
        (
            Suite::X25519,
            false,
            "b5854c90c512242e71188aa1b6c91197",
            "40f891933e73a05a093fa2f529ea904947498e833d9356ac6f855d2fad902dbf",
            "d472fbe5e1b68f8ba94def78497433e22834b1798ebaf1cde955abea25189371",
        ),
        (
            Suite::X25519,
            true,
            "d9be6958706d03e40aa5b3fbaa200c3f",
            "900c4ab27d05af94fcd5c4be28aae888e53979d94fb1d566b6dc74969a33f4d0",
            "c009b443dcc18272c5e29345bbe05d74e32f4e28d449915641f2418c5d7ff274",
        ),
        (
            Suite::X25519MlKem768,
            false,
            "8cda174d868588ae8ad54c70e29847f0",
            "4e439aa50aad99f1a92cb36562e2ce607f005dffcea34171be301bbac34188b4",
            "c409311c467b12c97d871c6a3e11ebc71fe737663dbbd449feace6195b0b3d4d",
        ),
        (
            Suite::X25519MlKem768,
            true,
            "a8a0b6294f99289ff2c13aca74aacb5b",
            "6583d6eabd5c125219b181ce0b970e8f1e156b7a6704468b42fea0df64fe1097",
            "493d68def13470551d52dc3e67cdc3705dac7c4ba16a7422b2c760b609359a42",
        ),
    ] {
        let established = handshake(suite, one_time);
        assert_eq!(established.session_id.to_string(), session_id);
        assert_eq!(hex(&established.associated_data), associated_data);
        assert_eq!(hex(established.shared_secret.as_bytes()), shared_secret);
    }
}
