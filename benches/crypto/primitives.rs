//! The bare primitives, by library: aws-lc, ring, and `pure` for dalek and RustCrypto.
//!
//! The limit of an operation is the sum of its primitives, each by whichever library is fastest.

use std::hint::black_box;

use aes_gcm::{
    Aes256Gcm, KeyInit as _,
    aead::{AeadInOut, inout::InOutBuf},
};
use agentmesh_benches::cpu_time::CpuTime;
use aws_lc_rs::{agreement, kem};
use criterion::{BatchSize, Criterion};
use ed25519_dalek::ed25519::signature::Signer;
use hmac::{Hmac, Mac};
use ml_kem::{Decapsulate, DecapsulationKey768, EncapsulationKey768, KeyExport, TryKeyInit};
use sha2::{Digest, Sha256};

use crate::peers::LARGEST;

const KEY: [u8; 32] = [7; 32];
const NONCE: [u8; 12] = [1; 12];
/// `AD || header`.
const AAD: [u8; 74] = [2; 74];

pub(crate) fn bench(c: &mut Criterion<CpuTime>) {
    x25519(c);
    ed25519(c);
    for len in [64, 1024, LARGEST] {
        aes_256_gcm(c, len);
    }
    hashes(c);
    ml_kem_768(c);
}

fn x25519(c: &mut Criterion<CpuTime>) {
    let own = agreement::PrivateKey::from_private_key(&agreement::X25519, &KEY).unwrap();
    let public = own.compute_public_key().unwrap();

    let mut group = c.benchmark_group("primitive x25519 public");
    group.bench_function("aws-lc", |b| {
        b.iter(|| agreement::PrivateKey::from_private_key(&agreement::X25519, &KEY).unwrap());
    });
    group.bench_function("pure", |b| {
        b.iter(|| x25519_dalek::PublicKey::from(&x25519_dalek::StaticSecret::from(black_box(KEY))));
    });
    group.finish();

    let mut group = c.benchmark_group("primitive x25519 agree");
    group.bench_function("aws-lc", |b| {
        b.iter(|| {
            let peer = agreement::UnparsedPublicKey::new(&agreement::X25519, &public);
            agreement::agree(&own, peer, (), |secret| Ok(<[u8; 32]>::try_from(secret).unwrap()))
        });
    });
    let peer: [u8; 32] = public.as_ref().try_into().unwrap();
    group.bench_function("pure", |b| {
        b.iter(|| {
            x25519_dalek::StaticSecret::from(black_box(KEY)).diffie_hellman(&peer.into()).to_bytes()
        });
    });
    group.finish();
}

fn ed25519(c: &mut Criterion<CpuTime>) {
    let message = [3; 64];
    let aws = aws_lc_rs::signature::Ed25519KeyPair::from_seed_unchecked(&KEY).unwrap();
    let ring = ring::signature::Ed25519KeyPair::from_seed_unchecked(&KEY).unwrap();
    let dalek = ed25519_dalek::SigningKey::from_bytes(&KEY);
    let mut group = c.benchmark_group("primitive ed25519 sign");
    group.bench_function("aws-lc", |b| b.iter(|| aws.sign(&message)));
    group.bench_function("ring", |b| b.iter(|| ring.sign(&message)));
    group.bench_function("pure", |b| b.iter(|| dalek.sign(&message)));
    group.finish();

    let signature = dalek.sign(&message);
    let (bytes, public) = (signature.to_bytes(), dalek.verifying_key().to_bytes());
    let mut group = c.benchmark_group("primitive ed25519 verify");
    group.bench_function("aws-lc", |b| {
        use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
        b.iter(|| UnparsedPublicKey::new(&ED25519, &public).verify(&message, &bytes).unwrap());
    });
    group.bench_function("ring", |b| {
        use ring::signature::{ED25519, UnparsedPublicKey};
        b.iter(|| UnparsedPublicKey::new(&ED25519, &public).verify(&message, &bytes).unwrap());
    });
    group.bench_function("pure", |b| {
        b.iter(|| {
            let key = ed25519_dalek::VerifyingKey::from_bytes(&public).unwrap();
            key.verify_strict(&message, &signature).unwrap();
        });
    });
    group.finish();
}

/// With a key of its own for each message, as a ratchet has it.
macro_rules! ring_like {
    ($group:ident, $name:literal, $aead:path, $buffer:ident) => {
        $group.bench_function($name, |b| {
            use $aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
            b.iter(|| {
                let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &KEY).unwrap());
                let nonce = Nonce::assume_unique_for_key(NONCE);
                key.seal_in_place_separate_tag(nonce, Aad::from(AAD), &mut $buffer).unwrap()
            });
        });
    };
    (open $group:ident, $name:literal, $aead:path, $sealed:ident) => {
        $group.bench_function($name, |b| {
            use $aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
            b.iter_batched_ref(
                || $sealed.clone(),
                |sealed| {
                    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &KEY).unwrap());
                    let nonce = Nonce::assume_unique_for_key(NONCE);
                    key.open_in_place(nonce, Aad::from(AAD), sealed).unwrap().len()
                },
                BatchSize::NumIterations(64),
            );
        });
    };
}

fn aes_256_gcm(c: &mut Criterion<CpuTime>, len: usize) {
    let mut buffer = vec![5; len];
    let mut group = c.benchmark_group(format!("primitive aes-256-gcm seal {len}"));
    ring_like!(group, "aws-lc", aws_lc_rs::aead, buffer);
    ring_like!(group, "ring", ring::aead, buffer);
    group.bench_function("pure", |b| {
        b.iter(|| {
            Aes256Gcm::new(&KEY.into())
                .encrypt_inout_detached(&NONCE.into(), &AAD, InOutBuf::from(&mut buffer[..]))
                .unwrap()
        });
    });
    group.finish();

    let tag = Aes256Gcm::new(&KEY.into())
        .encrypt_inout_detached(&NONCE.into(), &AAD, InOutBuf::from(&mut buffer[..]))
        .unwrap();
    let sealed = [&buffer[..], &tag].concat();
    let mut group = c.benchmark_group(format!("primitive aes-256-gcm open {len}"));
    ring_like!(open group, "aws-lc", aws_lc_rs::aead, sealed);
    ring_like!(open group, "ring", ring::aead, sealed);
    group.bench_function("pure", |b| {
        b.iter_batched_ref(
            || buffer.clone(),
            |buffer| {
                Aes256Gcm::new(&KEY.into())
                    .decrypt_inout_detached(
                        &NONCE.into(),
                        &AAD,
                        InOutBuf::from(&mut buffer[..]),
                        &tag,
                    )
                    .unwrap();
            },
            BatchSize::NumIterations(64),
        );
    });
    group.finish();
}

fn hashes(c: &mut Criterion<CpuTime>) {
    // A step of the chain: one key, two messages of one byte.
    let mut group = c.benchmark_group("primitive hmac-sha-256 pair");
    group.bench_function("aws-lc", |b| {
        use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
        b.iter(|| {
            let key = Key::new(HMAC_SHA256, &KEY);
            (sign(&key, &[1]), sign(&key, &[2]))
        });
    });
    group.bench_function("pure", |b| {
        b.iter(|| {
            let key = Hmac::<Sha256>::new_from_slice(&black_box(KEY)).unwrap();
            [1, 2].map(|byte| {
                let mut mac = key.clone();
                mac.update(&[byte]);
                mac.finalize().into_bytes()
            })
        });
    });
    group.finish();

    let mut group = c.benchmark_group("primitive hkdf-sha-256 to 64");
    group.bench_function("pure", |b| {
        b.iter(|| {
            let mut out = [0; 64];
            hkdf::Hkdf::<Sha256>::new(Some(&KEY), &black_box(KEY))
                .expand(b"agentmesh/0.3 root", &mut out)
                .unwrap();
            out
        });
    });
    group.finish();

    let transcript = [9; 1400];
    let mut group = c.benchmark_group("primitive sha-256 1400");
    group.bench_function("aws-lc", |b| {
        b.iter(|| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &transcript));
    });
    group.bench_function("pure", |b| b.iter(|| Sha256::digest(transcript)));
    group.finish();
}

fn ml_kem_768(c: &mut Criterion<CpuTime>) {
    let seed = [5; 64];
    let own = DecapsulationKey768::from_seed(seed.into());
    let public: [u8; 1184] = own.encapsulation_key().to_bytes().into();
    let (ciphertext, _) = own.encapsulation_key().encapsulate_deterministic(&KEY.into());
    let aws = kem::DecapsulationKey::generate(&kem::ML_KEM_768).unwrap();

    let mut group = c.benchmark_group("primitive ml-kem-768 key");
    group.bench_function("aws-lc", |b| {
        b.iter(|| kem::DecapsulationKey::generate(&kem::ML_KEM_768).unwrap());
    });
    group.bench_function("pure", |b| b.iter(|| DecapsulationKey768::from_seed(seed.into())));
    group.finish();

    let mut group = c.benchmark_group("primitive ml-kem-768 encapsulate");
    group.bench_function("aws-lc", |b| {
        b.iter(|| {
            let key = kem::EncapsulationKey::new(&kem::ML_KEM_768, &public).unwrap();
            key.encapsulate().unwrap()
        });
    });
    group.bench_function("pure", |b| {
        b.iter(|| {
            let key = <EncapsulationKey768 as TryKeyInit>::new(&public.into()).unwrap();
            key.encapsulate_deterministic(&KEY.into())
        });
    });
    group.finish();

    let mut group = c.benchmark_group("primitive ml-kem-768 decapsulate");
    group.bench_function("aws-lc", |b| {
        b.iter(|| aws.decapsulate(kem::Ciphertext::from(&ciphertext[..])).unwrap());
    });
    group.bench_function("pure", |b| b.iter(|| own.decapsulate(&ciphertext)));
    group.finish();
}
