//! What types that own a secret show of it: nothing. One snapshot, to be read by whoever changes it.
//!
//! Records of the engine are in `engine/tests/redaction.rs`, the client's types in `client/redaction.rs`, those of
//! `agentmesh/0.2` in `legacy/redaction.rs`. That no such type is missing is checked by `tests/src/architecture/secrets.rs`.

use std::fmt::{Debug, Write};

use crate::{
    audit::{AuditKey, Chain, Verifier},
    handshake::{ResponderKeys, Suite, initiate},
    identity::{Identity, backup::Restored},
    keys::{DhSecretKey, KemSecretKey, Secret, SigningKey, kdf::HmacKey},
    knock::{Knock, KnockRequest, Tier},
    managers::Incoming,
    prekeys::{BundleParts, KnownPeer, PreKeyBundle, PreKeys},
    session::Session,
    storage::MemoryStorage,
    test_utils::{mesh::START, seeded_rng},
    vault::{StoreKey, Vault, encrypted::EncryptedStorage},
    wire::{
        id::MessageId,
        plaintext::{MessageType, Payload, Plaintext},
        registry_auth::{RequestAuth, SignedRequest},
        relay_auth::ConnectAuth,
    },
};

/// Types and what they print, a line each.
#[derive(Default)]
pub(crate) struct Shown(String);

impl Shown {
    pub(crate) fn add(&mut self, name: &str, value: &dyn Debug) {
        writeln!(self.0, "{name}: {value:?}").unwrap();
    }

    /// The text, which holds none of `secrets`: not as text, as a list of numbers, or as hex.
    pub(crate) fn without(self, secrets: &[&[u8]]) -> String {
        for secret in secrets {
            let hex: String = secret.iter().map(|b| format!("{b:02x}")).collect();
            let list = format!("{secret:?}");
            let list = list.trim_matches(['[', ']']);
            for form in [hex.as_str(), list, &String::from_utf8_lossy(secret)] {
                assert!(!self.0.contains(form), "{form} is in\n{}", self.0);
            }
        }
        self.0
    }
}

const SECRET: [u8; 32] = [0xab; 32];
const TEXT: &str = "open sesame";

#[test]
fn keys_and_identities_print_redacted() {
    let mut shown = Shown::default();
    shown.add("Secret", &Secret::new(SECRET));
    shown.add("DhSecretKey", &DhSecretKey::from_bytes(SECRET));
    shown.add("KemSecretKey", &KemSecretKey::from_seed(Secret::new([0xab; 64])));
    shown.add("SigningKey", &SigningKey::from_seed(SECRET));
    shown.add("HmacKey", &HmacKey::new(&SECRET));
    shown.add("StoreKey", &StoreKey::from_bytes(SECRET));
    let audit = AuditKey::from_store_key(&StoreKey::from_bytes(SECRET));
    shown.add("AuditKey", &audit);
    let amid = Identity::generate(START, &mut seeded_rng(1)).amid();
    shown.add("Chain", &Chain::new(amid, Some(&audit), &mut seeded_rng(2)));
    shown.add("Vault", &Vault::new(&StoreKey::from_bytes(SECRET)));
    let store =
        EncryptedStorage::new(MemoryStorage::new(), &StoreKey::from_bytes(SECRET), seeded_rng(3));
    shown.add("EncryptedStorage", &store);
    shown.add("Verifier", &Verifier::new(Some(audit), None));
    let own = || {
        let (signing, exchange) = (SigningKey::from_seed(SECRET), DhSecretKey::from_bytes(SECRET));
        Identity::from_keys(signing, exchange, START)
    };
    shown.add("Identity", &own());
    let continuation = Some(TEXT.as_bytes().to_vec());
    shown.add("Restored", &Restored { identity: own(), continuation });
    insta::assert_snapshot!(shown.without(&[&SECRET[..8], TEXT.as_bytes()]));
}

#[test]
fn prekeys_handshakes_and_sessions_print_redacted() {
    let (mut shown, mut rng) = (Shown::default(), seeded_rng(1));
    let alice = Identity::generate(START, &mut rng);
    let bob = Identity::generate(START, &mut rng);
    let prekeys = PreKeys::generate(&bob, START, &mut rng);
    shown.add("PreKeys", &prekeys);
    shown.add("SignedPreKey", prekeys.current());
    let blob = prekeys.publication(&bob).bundle;
    let parts = BundleParts::bundle_only(&blob);
    let known = KnownPeer::first_contact(bob.amid());
    let bundle = PreKeyBundle::verify(parts, &known, START).unwrap();
    let suite = Suite::X25519MlKem768;
    let (message, established) = initiate(&alice, &bundle, suite, &mut rng).unwrap();
    shown.add("Established", &established);
    let keys = ResponderKeys::find(bob.signing_key(), &prekeys, &message).unwrap();
    shown.add("ResponderKeys", &keys);
    let shared = *established.shared_secret.as_bytes();
    let (_, remote) = bundle.signed_prekey();
    let mut session = Session::initiate(suite, established, remote, START, &mut rng).unwrap();
    let mut sent = session.encrypt(TEXT.as_bytes(), START, &mut rng).unwrap().split_off(16);
    shown.add("Session", &session);
    let theirs = crate::handshake::accept(&message, keys).unwrap();
    let own = prekeys.current().key();
    let theirs = Session::accept(suite, theirs, own, &sent, START, &mut rng).unwrap();
    let opened = theirs.open(&mut sent, START).unwrap();
    shown.add("Opened", &opened);
    shown.add("Advance", &opened.split().1);
    let secrets = [bob.seed().as_slice(), own.secret_bytes(), &shared, TEXT.as_bytes()];
    insta::assert_snapshot!(shown.without(&secrets));
}

#[test]
fn what_is_said_prints_redacted() {
    let (mut shown, mut rng) = (Shown::default(), seeded_rng(2));
    let identity = Identity::generate(START, &mut rng);
    shown.add("Payload", &Payload::Json(TEXT.into()));
    shown.add("Payload", &Payload::Bytes(TEXT.into()));
    let mut plaintext =
        Plaintext::new(MessageId::new_v7(START, &mut rng), MessageType::Request, 7, START);
    plaintext.payload = Payload::Json(TEXT.into());
    shown.add("Plaintext", &plaintext);
    let mut request = KnockRequest::new("door", "knock");
    request.intent.params = Some(format!("{TEXT:?}"));
    shown.add("KnockRequest", &request);
    let knock = Knock::new(&request, Tier::Anonymous, &[2, 3], START, &mut rng).unwrap();
    shown.add("Knock", &knock);
    let incoming = Incoming {
        from: identity.amid(),
        id: Some(plaintext.id),
        kind: MessageType::Request,
        in_reply_to: None,
        sent_at: Some(START),
        payload: Payload::Json(TEXT.into()),
    };
    shown.add("Incoming", &incoming);
    let request = SignedRequest {
        method: "POST",
        host: "registry.example",
        target: "/v1/registry/status",
        body: TEXT.as_bytes(),
    };
    // Good once and for one server; not secret, but nothing for a log either way.
    shown.add("RequestAuth", &RequestAuth::sign(&identity, &request, START, &mut rng));
    shown.add("ConnectAuth", &ConnectAuth::sign(&identity, "relay.example", "T", &mut rng));
    insta::assert_snapshot!(shown.without(&[TEXT.as_bytes()]));
}
