//! The examples of the RFCs themselves.

use super::*;

pub(super) fn hex<const N: usize>(text: &str) -> [u8; N] {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    bytes.try_into().unwrap()
}

/// RFC 5869, A.1 to A.3.
#[test]
fn hkdf_sha_256() {
    let counting = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
    assert_eq!(
        kdf::hkdf_sha256(&counting(0, 12), &[&[0x0b; 22]], &[&counting(0xf0, 0xf9)]),
        Secret::<42>::new(hex(
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        ))
    );
    assert_eq!(
        kdf::hkdf_sha256(&counting(0x60, 0xaf), &[&counting(0, 0x4f)], &[&counting(0xb0, 0xff)]),
        Secret::<82>::new(hex("b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c
             59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71
             cc30c58179ec3e87c14c01d5c1f3434f1d87"))
    );
    assert_eq!(
        kdf::hkdf_sha256(&[], &[&[0x0b; 22]], &[]),
        Secret::<42>::new(hex(
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
        ))
    );
    println!("vectors: RFC 5869 HKDF-SHA-256: 3");
}

/// RFC 7748, 5.2 and 6.1.
#[test]
fn x25519() {
    let shared = |secret: &str, public: &str| {
        DhSecretKey::from_bytes(hex(secret))
            .diffie_hellman(&DhPublicKey::from_bytes(hex(public)))
            .unwrap()
    };
    assert_eq!(
        shared(
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"
        ),
        Secret::new(hex("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"))
    );
    // The top bit of the public key is ignored.
    assert_eq!(
        shared(
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493"
        ),
        Secret::new(hex("95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"))
    );
    let alice = DhSecretKey::from_bytes(hex(
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
    ));
    let bob = DhSecretKey::from_bytes(hex(
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
    ));
    assert_eq!(
        alice.public_key().as_bytes(),
        &hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
    );
    assert_eq!(
        bob.public_key().as_bytes(),
        &hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
    );
    let secret = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    assert_eq!(alice.diffie_hellman(bob.public_key()), Ok(Secret::new(secret)));
    println!("vectors: RFC 7748 X25519: 3");
}

/// RFC 8032, 7.1, tests 1 to 3.
#[test]
fn ed25519() {
    for (seed, public, message, signature) in [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            &[][..],
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155
             5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            &[0x72],
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            &[0xaf, 0x82],
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac
             18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ] {
        let key = SigningKey::from_seed(hex(seed));
        assert_eq!(key.verifying_key().as_bytes(), &hex(public));
        let signature = Signature::from_bytes(hex(signature));
        assert_eq!(key.sign(message), signature);
        assert_eq!(key.verifying_key().verify(message, &signature), Ok(()));
    }
    println!("vectors: RFC 8032 Ed25519: 3");
}

/// FIPS 180-4's first example.
#[test]
fn sha_256() {
    assert_eq!(
        kdf::sha256(&[b"abc"]),
        hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    );
    println!("vectors: RFC FIPS 180-4 SHA-256: 1");
}

/// RFC 9106 has examples only with inputs that we do not use; this one was computed with OpenSSL.
#[test]
fn argon2id() {
    let cost = passphrase::PassphraseCost::new(8192, 2, 2).unwrap();
    assert_eq!(
        passphrase::derive("correct horse", b"0123456789abcdef", cost),
        Ok(Secret::new(hex("f0a89ab1205cd9f4b414d4c08d21317f093b998b7fffbd5e396cf04363775640")))
    );
}
