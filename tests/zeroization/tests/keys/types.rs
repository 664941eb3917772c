//! Each type that owns a key, made of keys that are known and dropped.

use agentmesh_core::{
    Timestamp,
    audit::AuditKey,
    handshake::{ResponderKeys, Suite, accept},
    hazmat,
    identity::{Identity, backup},
    keys::{
        DhSecretKey, KemSecretKey, Secret, SigningKey, aead,
        kdf::{HmacKey, hkdf_sha256, hmac_sha256},
        passphrase::{self, PassphraseCost},
    },
    prekeys::{BundleParts, KnownPeer, PreKeyBundle, PreKeys},
    session::Session,
    test_utils::{mesh::START, seeded_rng},
    vault::{StoreKey, Vault},
};
use agentmesh_zeroization::Watch;

use super::nothing_left;

/// What nobody guesses, and the same each time.
fn bytes<const N: usize>(n: u64) -> [u8; N] {
    *Secret::random(&mut seeded_rng(n)).as_bytes()
}

/// `act` makes it, uses it and drops it.
#[track_caller]
fn leaves_nothing(what: &str, keys: &[&[u8]], act: impl FnOnce()) {
    let keys: Vec<_> = keys.iter().map(|key| key.to_vec()).collect();
    nothing_left(what, Watch::armed(&keys, act));
}

#[test]
fn secrets() {
    let key = bytes::<32>(1);
    leaves_nothing("Secret", &[&key], || {
        let secret = Secret::new(key);
        drop(Secret::<32>::from_slice(secret.duplicate().as_bytes()));
    });
    let long = bytes::<64>(2);
    leaves_nothing("Secret of 64 bytes", &[&long], || drop(Secret::new(long)));
    let mac = hmac_sha256(&key, &[b"x"]);
    let derived = hkdf_sha256::<64>(&key, &[&long], &[b"info"]);
    leaves_nothing("what is derived", &[&key, &long, mac.as_bytes(), derived.as_bytes()], || {
        let keys = Box::new(HmacKey::new(&key));
        drop(keys.mac(&[b"x"]));
        drop(hkdf_sha256::<64>(&key, &[&long], &[b"info"]));
    });
}

#[test]
fn agreement_and_signing_keys() {
    let (own, peer, seed) = (bytes::<32>(3), bytes::<32>(4), bytes::<32>(5));
    let shared = DhSecretKey::from_bytes(own)
        .diffie_hellman(DhSecretKey::from_bytes(peer).public_key())
        .unwrap();
    leaves_nothing("DhSecretKey", &[&own, &peer, shared.as_bytes()], || {
        let (own, peer) = (Box::new(DhSecretKey::from_bytes(own)), DhSecretKey::from_bytes(peer));
        drop(own.diffie_hellman(peer.public_key()).unwrap());
    });
    leaves_nothing("SigningKey", &[&seed], || {
        let key = Box::new(SigningKey::from_seed(seed));
        key.verifying_key().verify(b"x", &key.sign(b"x")).unwrap();
    });
}

#[test]
fn encapsulation_keys() {
    let (seed, m) = (bytes::<64>(6), bytes::<32>(7));
    let public = KemSecretKey::from_seed(Secret::new(seed)).public_key();
    let (ciphertext, shared) = hazmat::encapsulate(&public, &Secret::new(m)).unwrap();
    leaves_nothing("KemSecretKey", &[&seed, &m, shared.as_bytes()], || {
        let key = Box::new(KemSecretKey::from_seed(Secret::new(seed)));
        drop(hazmat::encapsulate(&key.public_key(), &Secret::new(m)).unwrap());
        assert!(key.decapsulate(&ciphertext) == shared);
    });
}

#[test]
fn ciphers_and_passphrases() {
    let key = bytes::<32>(8);
    let secret = Secret::new(key);
    let mut sealed = b"hello".to_vec();
    aead::seal_in_place(&secret, &[1; 12], b"", &mut sealed, 0).unwrap();
    leaves_nothing("AES-GCM", &[&key], || {
        let mut again = b"hello".to_vec();
        let secret = Secret::new(key);
        aead::seal_in_place(&secret, &[1; 12], b"", &mut again, 0).unwrap();
        aead::open_in_place(&secret, &[1; 12], b"", &mut again).unwrap();
    });
    let cost = PassphraseCost::new(8 * 1024, 1, 1).unwrap();
    let derived = passphrase::derive("open sesame", &[2; 16], cost).unwrap();
    leaves_nothing("passphrase", &[derived.as_bytes()], || {
        drop(passphrase::derive("open sesame", &[2; 16], cost).unwrap());
    });
}

#[test]
fn vaults() {
    let key = bytes::<32>(9);
    let part = |info: &[u8]| hkdf_sha256::<32>(b"agentmesh/0.3 store", &[&key], &[info]);
    let (id, seal) = (part(b"record id"), part(b"record seal"));
    let content = bytes::<64>(10);
    let keys: [&[u8]; 4] = [&key, id.as_bytes(), seal.as_bytes(), &content];
    leaves_nothing("Vault", &keys, || {
        let store = Box::new(StoreKey::from_bytes(key));
        let vault = Box::new(Vault::new(&store.duplicate()));
        drop(AuditKey::from_store_key(&store));
        let id = vault.record_id(agentmesh_core::storage::RecordKind::Session, b"name");
        let sealed = vault.seal(id, 1, &content, &mut seeded_rng(11)).unwrap();
        let record = agentmesh_core::storage::Record { id, version: 1, sealed };
        assert_eq!(**vault.open(&record).unwrap(), content);
    });
}

#[test]
fn identities() {
    let (seed, exchange) = (bytes::<32>(12), bytes::<32>(13));
    let own = || hazmat::identity(seed, exchange, START);
    let derived = own().derive_secret(b"info");
    leaves_nothing("Identity", &[&seed, &exchange, derived.as_bytes()], || {
        let identity = Box::new(own());
        drop(identity.derive_secret(b"info"));
        identity.sign(b"x").unwrap();
        drop(Identity::from_record(&identity.to_record()).unwrap());
        drop(Identity::from_json(&identity.to_json()).unwrap());
        let cost = PassphraseCost::new(8 * 1024, 1, 1).unwrap();
        let sealed = backup::seal(&identity, "open sesame", cost, &mut seeded_rng(14)).unwrap();
        drop(backup::open(&sealed, "open sesame").unwrap());
    });
}

/// Handshake, session, a message each way, records. What it makes on the way is said to `learn`.
fn handshake(mut learn: impl FnMut(&[u8])) {
    let mut rng = seeded_rng(15);
    let now = Timestamp::from_millis(START.as_millis());
    let alice = Identity::generate(now, &mut rng);
    let bob = Identity::generate(now, &mut rng);
    for identity in [&alice, &bob] {
        let (seed, exchange) = hazmat::identity_keys(identity);
        learn(seed.as_bytes());
        learn(exchange.as_bytes());
    }
    let mut prekeys = PreKeys::generate(&bob, now, &mut rng);
    let blob = prekeys.bundle(&bob);
    let known = KnownPeer::first_contact(bob.amid());
    let bundle = PreKeyBundle::verify(BundleParts::bundle_only(&blob), &known, now).unwrap();
    let ephemeral = DhSecretKey::generate(&mut rng);
    learn(hazmat::dh_secret(&ephemeral).as_bytes());
    let m = Secret::random(&mut rng);
    learn(m.as_bytes());
    let suite = Suite::X25519MlKem768;
    let (message, established) = hazmat::initiate(&alice, &bundle, suite, &ephemeral, &m).unwrap();
    learn(established.shared_secret.as_bytes());
    for (own, peer) in [
        (&ephemeral, bob.exchange_key()),
        (&ephemeral, prekeys.current().key().public_key()),
        (prekeys.current().key(), alice.exchange_key()),
    ] {
        learn(own.diffie_hellman(peer).unwrap().as_bytes());
    }
    let keys = ResponderKeys::find(bob.signing_key(), &prekeys, &message).unwrap();
    learn(hazmat::dh_secret(keys.triple.key()).as_bytes());
    learn(hazmat::kem_seed(keys.kem.unwrap()).as_bytes());
    let theirs = accept(&message, keys).unwrap();
    let (_, remote) = bundle.signed_prekey();
    let mut session = Session::initiate(suite, established, remote, now, &mut rng).unwrap();
    let mut frame = session.encrypt(b"hello", now, &mut rng).unwrap().split_off(16);
    let own = prekeys.current().key();
    let theirs = Session::accept(suite, theirs, own, &frame, now, &mut rng).unwrap();
    drop(theirs.open(&mut frame, now).unwrap());
    drop(PreKeys::from_record(&prekeys.to_record()).unwrap());
    assert!(prekeys.rotate(&bob, now.plus_millis(1), &mut rng));
}

#[test]
fn handshakes() {
    let mut keys = Vec::new();
    handshake(|key| keys.push(key.to_vec()));
    assert!(keys.len() > 10);
    nothing_left("a handshake", Watch::armed(&keys, || handshake(|_| {})));
}
