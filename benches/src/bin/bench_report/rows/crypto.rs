//! Messages and sessions: beside vodozemac, and beside the sum of their primitives.

use super::{
    Goal::{AtMost, FasterBy, Time, TimeAtMost},
    OURS, Peer, Recipe, Row, Section, Unit, beside, row,
};

const CHAIN_STEP: &str = "primitive hmac-sha-256 pair";
const HKDF: &str = "primitive hkdf-sha-256 to 64";
const AGREE: &str = "primitive x25519 agree";
const PUBLIC: &str = "primitive x25519 public";
const SIGN: &str = "primitive ed25519 sign";
const VERIFY: &str = "primitive ed25519 verify";
const SEAL: &str = "primitive aes-256-gcm seal 1024";
const OPEN: &str = "primitive aes-256-gcm open 1024";
const KEM_KEY: &str = "primitive ml-kem-768 key";
const ENCAPSULATE: &str = "primitive ml-kem-768 encapsulate";
const DECAPSULATE: &str = "primitive ml-kem-768 decapsulate";

const ENCRYPT: Recipe = &[(1.0, CHAIN_STEP), (1.0, SEAL)];
const DECRYPT: Recipe = &[(1.0, CHAIN_STEP), (1.0, OPEN)];
const ENCRYPT_64: Recipe = &[(1.0, CHAIN_STEP), (1.0, "primitive aes-256-gcm seal 64")];
const DECRYPT_64: Recipe = &[(1.0, CHAIN_STEP), (1.0, "primitive aes-256-gcm open 64")];
const ENCRYPT_LARGEST: Recipe = &[(1.0, CHAIN_STEP), (1.0, "primitive aes-256-gcm seal 47615")];
const DECRYPT_LARGEST: Recipe = &[(1.0, CHAIN_STEP), (1.0, "primitive aes-256-gcm open 47615")];
/// Two messages: each a new key, an agreement and a root on both sides, and the message itself on both sides.
const TWO_TURNS: Recipe =
    &[(2.0, PUBLIC), (4.0, AGREE), (4.0, HKDF), (4.0, CHAIN_STEP), (2.0, SEAL), (2.0, OPEN)];
/// Bundle and one-time key verified, four agreements with an ephemeral key, one more with the first ratchet key.
const INITIATE: Recipe = &[(2.0, VERIFY), (2.0, PUBLIC), (5.0, AGREE), (2.0, HKDF)];
const INITIATE_KEM: Recipe =
    &[(3.0, VERIFY), (2.0, PUBLIC), (5.0, AGREE), (2.0, HKDF), (1.0, ENCAPSULATE)];
/// Four agreements, two more for the two chains, a ratchet key, and the first message opened.
const ACCEPT: Recipe = &[
    (6.0, AGREE),
    (1.0, PUBLIC),
    (3.0, HKDF),
    (1.0, CHAIN_STEP),
    (1.0, "primitive aes-256-gcm open 64"),
];
const ACCEPT_KEM: Recipe = &[
    (6.0, AGREE),
    (1.0, PUBLIC),
    (3.0, HKDF),
    (1.0, CHAIN_STEP),
    (1.0, "primitive aes-256-gcm open 64"),
    (1.0, DECAPSULATE),
];
const KEYS: Recipe = &[(100.0, PUBLIC)];
const SIGNED_KEYS: Recipe = &[(100.0, PUBLIC), (100.0, SIGN)];
/// One signed prekey, 100 one-time keys, 21 ML-KEM keys, and a signature for each of them and one for the bundle.
const PUBLICATION: Recipe = &[(101.0, PUBLIC), (21.0, KEM_KEY), (122.0, SIGN)];

const NONCE_APART: &str = "agentmesh, nonce apart";
const IN_PLACE: &str = "agentmesh, in place";
const VODOZEMAC: Option<(&str, Peer)> = beside("vodozemac");

const fn limit(recipe: Recipe) -> Option<(&'static str, Peer)> {
    Some(("limit", Peer::Limit(recipe)))
}

const fn pure(recipe: Recipe) -> Option<(&'static str, Peer)> {
    Some(("pure", Peer::Pure(recipe)))
}

pub(super) fn sections() -> [Section; 3] {
    [
        Section { title: "Messages", unit: Unit::Time, rows: messages() },
        Section { title: "Sessions", unit: Unit::Time, rows: sessions() },
        Section { title: "Sizes", unit: Unit::AsIs, rows: sizes() },
    ]
}

fn messages() -> Vec<Row> {
    vec![
        row("encrypt 64 B", "encrypt/64", NONCE_APART, limit(ENCRYPT_64), Time),
        row("encrypt 64 B, with nonce", "encrypt/64", OURS, VODOZEMAC, FasterBy(10.0)),
        row("encrypt 1 KiB", "encrypt/1024", NONCE_APART, limit(ENCRYPT), TimeAtMost(2.0)),
        row("encrypt 1 KiB", "encrypt/1024", NONCE_APART, pure(ENCRYPT), Time),
        row("encrypt 1 KiB, with nonce", "encrypt/1024", OURS, VODOZEMAC, FasterBy(10.0)),
        row(
            "encrypt the largest frame, in place",
            "encrypt/47615",
            IN_PLACE,
            limit(ENCRYPT_LARGEST),
            TimeAtMost(1.3),
        ),
        row("encrypt the largest frame", "encrypt/47615", OURS, VODOZEMAC, Time),
        row("decrypt 64 B", "decrypt/64", OURS, limit(DECRYPT_64), Time),
        row("decrypt 64 B", "decrypt/64", OURS, VODOZEMAC, FasterBy(2.0)),
        row("decrypt 1 KiB", "decrypt/1024", OURS, limit(DECRYPT), TimeAtMost(2.0)),
        row("decrypt 1 KiB", "decrypt/1024", OURS, pure(DECRYPT), Time),
        row("decrypt 1 KiB", "decrypt/1024", OURS, VODOZEMAC, FasterBy(2.0)),
        row(
            "decrypt the largest frame",
            "decrypt/47615",
            OURS,
            limit(DECRYPT_LARGEST),
            TimeAtMost(1.3),
        ),
        row("decrypt the largest frame", "decrypt/47615", OURS, VODOZEMAC, FasterBy(2.0)),
        row(
            "encrypt, decrypt and write the record, after 1,000 others",
            "message after/1000",
            OURS,
            Some(("after 1", Peer::Other("message after/1", OURS))),
            TimeAtMost(1.15),
        ),
        row(
            "the same after 100,000 others",
            "message after/100000",
            OURS,
            Some(("after 1,000", Peer::Other("message after/1000", OURS))),
            TimeAtMost(1.05),
        ),
        row("two turns of the ratchet", "two turns", OURS, limit(TWO_TURNS), TimeAtMost(1.15)),
        row("two turns of the ratchet", "two turns", OURS, pure(TWO_TURNS), Time),
        row("two turns of the ratchet", "two turns", OURS, VODOZEMAC, Time),
    ]
}

fn sessions() -> Vec<Row> {
    vec![
        row("initiate, x25519", "initiate/x25519", OURS, limit(INITIATE), TimeAtMost(1.15)),
        row("initiate, x25519", "initiate/x25519", OURS, pure(INITIATE), Time),
        row("initiate, x25519", "initiate/x25519", OURS, VODOZEMAC, Time),
        row("initiate, with ML-KEM", "initiate/x25519-mlkem768", OURS, limit(INITIATE_KEM), Time),
        // libsignal took 690 µs where the limit without ML-KEM was 164.
        row(
            "initiate, with ML-KEM",
            "initiate/x25519-mlkem768",
            OURS,
            Some(("limit without ML-KEM", Peer::Limit(INITIATE))),
            TimeAtMost(690.0 / 164.0 / 2.0),
        ),
        row("accept, x25519", "accept/x25519", OURS, limit(ACCEPT), TimeAtMost(1.15)),
        row("accept, x25519", "accept/x25519", OURS, pure(ACCEPT), Time),
        row("accept, x25519", "accept/x25519", OURS, VODOZEMAC, Time),
        row("accept, with ML-KEM", "accept/x25519-mlkem768", OURS, limit(ACCEPT_KEM), Time),
        // libsignal took 818 µs where the limit without ML-KEM was 114.
        row(
            "accept, with ML-KEM",
            "accept/x25519-mlkem768",
            OURS,
            Some(("limit without ML-KEM", Peer::Limit(ACCEPT))),
            TimeAtMost(818.0 / 114.0 / 2.0),
        ),
        row("100 one-time keys", "100 one-time keys", OURS, limit(KEYS), TimeAtMost(1.15)),
        row("100 one-time keys", "100 one-time keys", OURS, VODOZEMAC, Time),
        row(
            "100 one-time keys, signed",
            "100 one-time keys",
            "agentmesh, signed",
            limit(SIGNED_KEYS),
            TimeAtMost(1.15),
        ),
        row(
            "an agent's first publication, with 21 ML-KEM keys",
            "publication",
            OURS,
            limit(PUBLICATION),
            Time,
        ),
        row("seal a stored session", "session seal", OURS, VODOZEMAC, FasterBy(2.0)),
        row("open a stored session", "session open", OURS, VODOZEMAC, FasterBy(2.0)),
    ]
}

fn sizes() -> Vec<Row> {
    let group = "stored session, bytes";
    vec![
        row("a session in the store, sealed, bytes", group, OURS, None, AtMost(1024.0)),
        row("a session in the store, sealed, bytes", group, OURS, VODOZEMAC, Time),
    ]
}
