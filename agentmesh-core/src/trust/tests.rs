//! Chains made with another library, good ones and every kind of bad one.

use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData, SanType,
};
use time::OffsetDateTime;

use super::*;
use crate::{
    identity::Identity, keys::VerifyingKey, test_utils::seeded_rng, time::DAY, time::Timestamp,
    wire::registry::Tier,
};

const NOW: Timestamp = Timestamp::from_millis(1_770_206_400_000);

struct AgentKey(VerifyingKey);

impl PublicKeyData for AgentKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_ED25519
    }
}

fn date(days: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_770_206_400 + days * 86_400).unwrap()
}

fn authority(name: &str, path: BasicConstraints) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(path);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = date(-10);
    params.not_after = date(1000);
    params
}

fn leaf(identity: &Identity) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, identity.amid().to_string());
    params.distinguished_name.push(DnType::OrganizationalUnitName, "organization");
    params.distinguished_name.push(DnType::OrganizationName, "Example");
    params.subject_alt_names = vec![SanType::URI(identity.amid().did().try_into().unwrap())];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.not_before = date(-1);
    params.not_after = date(365);
    params
}

struct Root {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

fn root(name: &str, path: BasicConstraints) -> Root {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let params = authority(name, path);
    let pem = params.self_signed(&key).unwrap().pem();
    Root { issuer: Issuer::new(params, key), pem }
}

impl Root {
    fn roots(&self) -> TrustRoots {
        TrustRoots::from_pem(&self.pem).unwrap()
    }

    fn issue(&self, params: &CertificateParams, identity: &Identity) -> String {
        params.signed_by(&AgentKey(*identity.signing_key()), &self.issuer).unwrap().pem()
    }

    fn below(&self, name: &str, path: BasicConstraints) -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let params = authority(name, path);
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }
}

fn identity(seed: u64) -> Identity {
    Identity::generate(NOW, &mut seeded_rng(seed))
}

fn verify(pem: &str, roots: &TrustRoots) -> Result<AgentCertificate, CertificateError> {
    CertificateChain::from_pem(pem)?.verify(roots, NOW)
}

#[test]
fn certificate_of_a_configured_root_is_believed() {
    let (root, alice) = (root("Root", BasicConstraints::Constrained(0)), identity(1));
    let found = verify(&root.issue(&leaf(&alice), &alice), &root.roots()).unwrap();
    assert_eq!((found.amid, found.signing_key), (alice.amid(), *alice.signing_key()));
    assert_eq!(found.tier, Tier::Organization);
    assert_eq!(found.organization.as_deref(), Some("Example"));
    assert_eq!(found.not_after, NOW.plus_millis(365 * DAY));
}

#[test]
fn certificate_of_nobody_we_know_or_of_an_impostor_is_not() {
    let alice = identity(1);
    let (root, other) = (
        root("Root", BasicConstraints::Unconstrained),
        root("Other", BasicConstraints::Unconstrained),
    );
    let pem = root.issue(&leaf(&alice), &alice);
    assert_eq!(verify(&pem, &other.roots()), Err(CertificateError::Untrusted));
    assert_eq!(verify(&pem, &TrustRoots::default()), Err(CertificateError::Untrusted));
    let impostor = self::root("Root", BasicConstraints::Unconstrained);
    assert_eq!(verify(&pem, &impostor.roots()), Err(CertificateError::BadSignature));
    // Both of the same name: the right one is found.
    assert!(verify(&pem, &impostor.roots().with(root.roots())).is_ok());
    // A root that comes along proves nothing.
    let with_root = format!("{pem}{}", root.pem);
    assert_eq!(verify(&with_root, &other.roots()), Err(CertificateError::Untrusted));
}

#[test]
fn self_signed_leaf_is_not_believed() {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let signing = VerifyingKey::from_slice(key.der_bytes()).unwrap();
    let amid = crate::identity::Amid::of(&signing);
    let mut params = leaf(&identity(1));
    params.distinguished_name.push(DnType::CommonName, amid.to_string());
    params.subject_alt_names = vec![SanType::URI(amid.did().try_into().unwrap())];
    let pem = params.self_signed(&key).unwrap().pem();
    let root = root("Root", BasicConstraints::Unconstrained);
    assert_eq!(verify(&pem, &root.roots()), Err(CertificateError::Untrusted));
    assert!(matches!(TrustRoots::from_pem(&pem), Err(CertificateError::NotAllowedToSign)));
}

#[test]
fn dates_count_for_every_certificate_of_the_chain() {
    let (root, alice) = (root("Root", BasicConstraints::Unconstrained), identity(1));
    let chain = CertificateChain::from_pem(&root.issue(&leaf(&alice), &alice)).unwrap();
    let at = |days: u64| chain.verify(&root.roots(), NOW.plus_millis(days * DAY));
    assert!(at(365).is_ok());
    assert_eq!(at(366), Err(CertificateError::Expired));
    let early = chain.verify(&root.roots(), NOW.minus_millis(2 * DAY));
    assert_eq!(early, Err(CertificateError::NotYetValid));
    let mut long = leaf(&alice);
    long.not_after = date(2000);
    let chain = CertificateChain::from_pem(&root.issue(&long, &alice)).unwrap();
    let after_root = chain.verify(&root.roots(), NOW.plus_millis(1500 * DAY));
    assert_eq!(after_root, Err(CertificateError::Expired));
}

#[test]
fn intermediates_count_with_their_flags_and_path_lengths() {
    let alice = identity(1);
    let top = root("Root", BasicConstraints::Constrained(1));
    let middle = top.below("Middle", BasicConstraints::Constrained(0));
    let pem = middle.issue(&leaf(&alice), &alice);
    assert!(verify(&format!("{pem}{}", middle.pem), &top.roots()).is_ok());
    assert_eq!(verify(&pem, &top.roots()), Err(CertificateError::Untrusted));

    let deeper = middle.below("Deeper", BasicConstraints::Unconstrained);
    let pem = deeper.issue(&leaf(&alice), &alice);
    let chain = format!("{pem}{}{}", deeper.pem, middle.pem);
    assert_eq!(verify(&chain, &top.roots()), Err(CertificateError::NotAllowedToSign));
    let free = root("Free", BasicConstraints::Unconstrained);
    let one = free.below("One", BasicConstraints::Unconstrained);
    let two = one.below("Two", BasicConstraints::Unconstrained);
    let pem = two.issue(&leaf(&alice), &alice);
    assert!(verify(&format!("{pem}{}{}", two.pem, one.pem), &free.roots()).is_ok());
    let shuffled = format!("{pem}{}{}", one.pem, two.pem);
    assert_eq!(verify(&shuffled, &free.roots()), Err(CertificateError::Untrusted));
}

#[test]
fn an_agent_cannot_sign_for_another() {
    let (top, bob) = (root("Root", BasicConstraints::Unconstrained), identity(2));
    // Alice holds a leaf and signs Bob's with it.
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    for (is_ca, usages) in [
        (IsCa::ExplicitNoCa, vec![KeyUsagePurpose::DigitalSignature]),
        (IsCa::NoCa, vec![KeyUsagePurpose::KeyCertSign]),
        (IsCa::Ca(BasicConstraints::Unconstrained), vec![KeyUsagePurpose::DigitalSignature]),
    ] {
        let mut params = authority("Alice", BasicConstraints::Unconstrained);
        params.is_ca = is_ca;
        params.key_usages = usages;
        let alice = params.signed_by(&key, &top.issuer).unwrap().pem();
        let issuer = Issuer::new(params, &key);
        let forged = leaf(&bob).signed_by(&AgentKey(*bob.signing_key()), &issuer).unwrap().pem();
        let found = verify(&format!("{forged}{alice}"), &top.roots());
        assert_eq!(found, Err(CertificateError::NotAllowedToSign));
    }
}

#[test]
fn subject_has_to_be_the_agent_of_the_key() {
    let (root, alice, bob) =
        (root("Root", BasicConstraints::Unconstrained), identity(1), identity(2));
    let refused = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = leaf(&alice);
        change(&mut params);
        verify(&root.issue(&params, &alice), &root.roots()).unwrap_err()
    };
    // Everything right, but for another key.
    let swapped = root.issue(&leaf(&alice), &bob);
    assert_eq!(verify(&swapped, &root.roots()), Err(CertificateError::Subject));
    let subject: [&dyn Fn(&mut CertificateParams); 7] = [
        &|p| p.distinguished_name.push(DnType::CommonName, bob.amid().to_string()),
        &|p| p.subject_alt_names.clear(),
        &|p| p.subject_alt_names = vec![SanType::URI(bob.amid().did().try_into().unwrap())],
        &|p| p.distinguished_name.push(DnType::OrganizationalUnitName, "emperor"),
        &|p| p.distinguished_name.push(DnType::OrganizationalUnitName, "verified"),
        &|p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
        &|p| p.key_usages.push(KeyUsagePurpose::KeyCertSign),
    ];
    for (n, change) in subject.into_iter().enumerate() {
        assert_eq!(refused(change), CertificateError::Subject, "{n}");
    }
    let mut critical = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
    critical.set_criticality(true);
    let error = refused(&|p| p.custom_extensions.push(critical.clone()));
    assert_eq!(error, CertificateError::CriticalExtension);
}

#[test]
fn other_algorithms_unsigned_forms_and_noise_are_refused() {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let params = authority("Root", BasicConstraints::Unconstrained);
    let ecdsa = params.self_signed(&key).unwrap().pem();
    assert!(matches!(TrustRoots::from_pem(&ecdsa), Err(CertificateError::Algorithm)));
    let unsigned = "eyJhbWlkIjoiQSIsInRpZXIiOiJ2ZXJpZmllZCJ9";
    assert!(matches!(CertificateChain::from_pem(unsigned), Err(CertificateError::Unsigned)));
    for noise in ["", " ", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert!(matches!(CertificateChain::from_pem(noise), Err(CertificateError::Malformed)));
    }
    let long = "x".repeat(100_000);
    assert!(matches!(CertificateChain::from_pem(&long), Err(CertificateError::TooLong { .. })));
}

proptest! {
    #[test]
    fn no_change_of_a_single_byte_is_believed_and_none_panics(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        use base64ct::{Base64, Encoding};
        let (root, alice) = (root("Root", BasicConstraints::Unconstrained), identity(1));
        let pem = root.issue(&leaf(&alice), &alice);
        let body: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
        let mut der = Base64::decode_vec(&body).unwrap();
        let at = at.index(der.len());
        der[at] ^= 1 << bit;
        let changed = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            Base64::encode_string(&der)
        );
        prop_assert!(verify(&changed, &root.roots()).is_err());
    }

    #[test]
    fn noise_never_panics(text in ".{0,200}", base64 in "[A-Za-z0-9+/=]{0,200}") {
        let _ = CertificateChain::from_pem(&text);
        let _ = CertificateChain::from_pem(&format!(
            "-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----"
        ));
    }
}
