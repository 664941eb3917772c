//! Two parties with a session between them: ours, and vodozemac's.

use agentmesh_core::{
    Timestamp,
    handshake::{self, InitialMessage, ResponderKeys, Suite},
    identity::Identity,
    prekeys::{
        BundleParts, KnownPeer, OneTimePart, PreKeyBundle, PreKeys, Publication, SignedOneTime,
    },
    session::Session,
};
use rand_core::CryptoRng;
use vodozemac::olm::{Account, OlmMessage, SessionConfig};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_780_000_000_000);
/// Bytes of a session id in front of each message.
pub(crate) const SID: usize = 16;
/// The longest plaintext that fits a frame; there are no frames of 64 KiB.
pub(crate) const LARGEST: usize = agentmesh_core::limits::MAX_PLAINTEXT - 1;

/// A responder and what it published.
pub(crate) struct Responder {
    pub(crate) identity: Identity,
    pub(crate) prekeys: PreKeys,
    pub(crate) publication: Publication,
}

impl Responder {
    pub(crate) fn new(rng: &mut dyn CryptoRng) -> Self {
        let identity = Identity::generate(NOW, rng);
        let prekeys = PreKeys::generate(&identity, NOW, rng);
        let publication = prekeys.publication(&identity);
        Self { identity, prekeys, publication }
    }

    /// What an initiator gets from the registry: the bundle, a one-time prekey, and for suite 3 one for ML-KEM.
    pub(crate) fn parts(&self, suite: Suite) -> BundleParts<'_> {
        let kem = suite == Suite::X25519MlKem768;
        BundleParts {
            blob: &self.publication.bundle,
            one_time: self.publication.one_time.first().map(part),
            one_time_kem: self.publication.one_time_kem.first().filter(|_| kem).map(part),
        }
    }

    /// The initiator's whole part.
    pub(crate) fn initiate(
        &self,
        own: &Identity,
        suite: Suite,
        rng: &mut dyn CryptoRng,
    ) -> (InitialMessage, Session) {
        let peer = KnownPeer::first_contact(self.identity.amid());
        let bundle = PreKeyBundle::verify(self.parts(suite), &peer, NOW).unwrap();
        let (message, established) = handshake::initiate(own, &bundle, suite, rng).unwrap();
        let (_, prekey) = bundle.signed_prekey();
        (message, Session::initiate(suite, established, prekey, NOW, rng).unwrap())
    }

    /// The responder's whole part: the session, and the first message opened in it.
    pub(crate) fn accept(
        &self,
        message: &[u8],
        first: &mut [u8],
        rng: &mut dyn CryptoRng,
    ) -> Session {
        let message = InitialMessage::parse(message).unwrap();
        let keys =
            ResponderKeys::find(self.identity.signing_key(), &self.prekeys, &message).unwrap();
        let triple = keys.triple;
        let established = handshake::accept(&message, keys).unwrap();
        let mut session =
            Session::accept(message.suite(), established, triple.key(), first, NOW, rng).unwrap();
        let opened = session.open(first, NOW).unwrap();
        session.commit(opened).unwrap();
        session
    }
}

fn part(signed: &SignedOneTime) -> OneTimePart<'_> {
    OneTimePart { id: signed.id, key: &signed.key, signature: signed.signature.as_ref() }
}

/// Two ends of ours that have both received.
pub(crate) struct Pair {
    pub(crate) alice: Session,
    pub(crate) bob: Session,
}

impl Pair {
    pub(crate) fn new(rng: &mut dyn CryptoRng) -> Self {
        let responder = Responder::new(rng);
        let own = Identity::generate(NOW, rng);
        let (message, mut alice) = responder.initiate(&own, Suite::X25519, rng);
        let mut first = alice.encrypt(b"hello", NOW, rng).unwrap();
        let bob = responder.accept(message.as_bytes(), &mut first[SID..], rng);
        let mut pair = Self { alice, bob };
        pair.round_trip(b"there you are", rng);
        pair
    }

    /// A message each way, each with a turn of the ratchet.
    pub(crate) fn round_trip(&mut self, text: &[u8], rng: &mut dyn CryptoRng) {
        let mut frame = self.bob.encrypt(text, NOW, rng).unwrap();
        receive(&mut self.alice, &mut frame);
        let mut frame = self.alice.encrypt(text, NOW, rng).unwrap();
        receive(&mut self.bob, &mut frame);
    }
}

/// Opens a frame in place, as the engine does.
pub(crate) fn receive(session: &mut Session, frame: &mut [u8]) -> usize {
    let opened = session.open(&mut frame[SID..], NOW).unwrap();
    session.commit(opened).unwrap().len()
}

/// Two ends of vodozemac's that have both received.
pub(crate) struct OlmPair {
    pub(crate) alice: vodozemac::olm::Session,
    pub(crate) bob: vodozemac::olm::Session,
}

impl OlmPair {
    pub(crate) fn new() -> Self {
        let alice = Account::new();
        let mut bob = Account::new();
        let mut session = olm_outbound(&alice, &mut bob);
        let OlmMessage::PreKey(first) = session.encrypt("hello").unwrap() else {
            return Self::new();
        };
        let created = bob
            .create_inbound_session(SessionConfig::version_1(), alice.curve25519_key(), &first)
            .unwrap();
        let mut pair = Self { alice: session, bob: created.session };
        pair.round_trip(b"there you are");
        pair
    }

    pub(crate) fn round_trip(&mut self, text: &[u8]) {
        let message = self.bob.encrypt(text).unwrap();
        self.alice.decrypt(&message).unwrap();
        let message = self.alice.encrypt(text).unwrap();
        self.bob.decrypt(&message).unwrap();
    }
}

/// A session of `alice` with a one-time key that `bob` generates for it.
pub(crate) fn olm_outbound(alice: &Account, bob: &mut Account) -> vodozemac::olm::Session {
    bob.generate_one_time_keys(1);
    let one_time = bob.one_time_keys().into_values().next().unwrap();
    bob.mark_keys_as_published();
    alice
        .create_outbound_session(SessionConfig::version_1(), bob.curve25519_key(), one_time)
        .unwrap()
}
