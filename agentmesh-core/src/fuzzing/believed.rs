//! What stands behind a signature or a handshake. No fuzzer makes one of those, and would never come past it: so they are made
//! here, by a peer that is who it says it is and means ill.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a fixture: failing loudly is its job"
)]

use std::sync::OnceLock;

use rand_chacha::ChaCha20Rng;

use crate::{
    codec::Write,
    handshake::{InitialMessage, ResponderKeys, Suite, accept, initiate},
    identity::{Identity, Label},
    keys::{
        aead::{NONCE_LEN, TAG_LEN},
        kdf::lp_len,
    },
    knock::{Answer, Knock, KnockChecks, Policy},
    limits::PADDING_BLOCK,
    prekeys::{BundleParts, KnownPeer, PreKeyBundle, PreKeys},
    ratchet::HEADER_LEN,
    session::Session,
    test_utils::{mesh::START, seeded_rng},
    wire::plaintext::{MessageType, SignedBody},
};

const SIGNATURE_LEN: usize = 64;
const ASSOCIATED_DATA: [u8; 32] = [5; 32];

/// An agent, its peer, and what they have with each other.
struct Parties {
    own: Identity,
    prekeys: PreKeys,
    /// The own end, after a message in each direction.
    session: Session,
    peer: Identity,
}

fn parties() -> &'static Parties {
    static PARTIES: OnceLock<Parties> = OnceLock::new();
    PARTIES.get_or_init(|| meet().0)
}

/// And the messages that came from the peer.
fn meet() -> (Parties, Vec<Vec<u8>>) {
    let rng = &mut seeded_rng(0);
    let (own, peer) = (Identity::generate(START, rng), Identity::generate(START, rng));
    let prekeys = PreKeys::generate(&own, START, rng);
    let blob = prekeys.bundle(&own);
    let known = KnownPeer::first_contact(own.amid());
    let bundle = PreKeyBundle::verify(BundleParts::bundle_only(&blob), &known, START).unwrap();
    let suite = Suite::X25519MlKem768;
    let (hs, established) = initiate(&peer, &bundle, suite, rng).unwrap();
    let (_, spk) = bundle.signed_prekey();
    let mut theirs = Session::initiate(suite, established, spk, START, rng).unwrap();
    // What follows the session's id.
    let write = |session: &mut Session, rng: &mut ChaCha20Rng| {
        session.encrypt(b"text", START, rng).unwrap().split_off(session.id().as_bytes().len())
    };
    let mut came = vec![write(&mut theirs, rng)];
    let keys = ResponderKeys::find(own.signing_key(), &prekeys, &hs).unwrap();
    let (established, spk) = (accept(&hs, keys).unwrap(), keys.triple.key());
    let mut session = Session::accept(suite, established, spk, &came[0], START, rng).unwrap();
    session.decrypt(&came[0], START).unwrap();
    let answer = write(&mut session, rng);
    theirs.decrypt(&answer, START).unwrap();
    came.extend((0..3).map(|_| write(&mut theirs, rng)));
    session.decrypt(&came[1], START).unwrap();
    (Parties { own, prekeys, session, peer }, came)
}

/// A bundle of whatever was in `blob`, with its owner's keys and signature instead of those that it had. What is believed can
/// be made a handshake with. Says whether it was.
pub(super) fn bundle(blob: &[u8]) -> bool {
    let Parties { own, peer, .. } = parties();
    let Some((length, rest)) = blob.get(32..).and_then(|rest| rest.split_first_chunk()) else {
        return false;
    };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    let Some(body) = rest.get(length..rest.len().saturating_sub(SIGNATURE_LEN)) else {
        return false;
    };
    let mut blob = Vec::new();
    blob.put(peer.signing_key().as_bytes());
    blob.put_lp(peer.amid().to_string().as_bytes());
    blob.put(body);
    let signature = peer.sign_labelled(Label::Bundle, &[&blob]);
    blob.put(signature.as_bytes());
    let known = KnownPeer::first_contact(peer.amid());
    let parts = BundleParts::bundle_only(&blob);
    let Ok(bundle) = PreKeyBundle::verify(parts, &known, START) else { return false };
    assert_eq!(*bundle.amid(), peer.amid());
    for suite in Suite::NATIVE {
        if let Ok((hs, _)) = initiate(own, &bundle, suite, &mut seeded_rng(1)) {
            assert_eq!(InitialMessage::parse(hs.as_bytes()), Ok(hs));
        }
    }
    true
}

/// A handshake whose first message nobody made, so that it does not open. Says whether it came to that.
pub(super) fn handshake(hs: &InitialMessage) -> bool {
    let Parties { own, prekeys, .. } = parties();
    let Ok(keys) = ResponderKeys::find(own.signing_key(), prekeys, hs) else { return false };
    let Ok(established) = accept(hs, keys) else { return false };
    let (suite, spk, rng) = (hs.suite(), keys.triple.key(), &mut seeded_rng(1));
    let header = crate::ratchet::Header { ratchet_key: *hs.ephemeral(), pn: 0, n: 0 };
    let mut first = message(&header.encode(suite.id()));
    let session = Session::accept(suite, established, spk, &first, START, rng);
    let opened = session.map(|session| session.open(&mut first, START).is_ok());
    assert_ne!(opened, Ok(true), "a message that nobody made");
    opened.is_ok()
}

/// A header before a message that nobody made. The session computes what it says, and does not open it.
pub(super) fn ratchet_header(header: &[u8; HEADER_LEN]) {
    let opened = parties().session.open(&mut message(header), START).is_ok();
    assert!(!opened, "a message that nobody made");
}

fn message(header: &[u8; HEADER_LEN]) -> Vec<u8> {
    let mut message = header.to_vec();
    message.resize(HEADER_LEN + NONCE_LEN + PADDING_BLOCK + TAG_LEN, 0);
    message
}

/// Headers of that session: of a message that was opened, the next, and one that overtook another.
pub(super) fn headers() -> impl Iterator<Item = Vec<u8>> {
    meet().1.into_iter().filter_map(|message| message.get(..HEADER_LEN).map(<[u8]>::to_vec))
}

/// A KNOCK and the answers to one, each signed by the peer. Says whether the KNOCK was believed.
pub(super) fn knock(body: &[u8]) -> bool {
    let Parties { peer, .. } = parties();
    let signed = |label| {
        let signature = peer.sign_labelled(label, &[&ASSOCIATED_DATA, &lp_len(body), body]);
        SignedBody { body: body.to_vec(), signature }
    };
    let key = peer.signing_key();
    let (knock, suite, session_id) = (signed(Label::Knock), Suite::X25519, parties().session.id());
    let own_suites = [suite.id(), Suite::X25519MlKem768.id()];
    let checks = KnockChecks { now: START, suite, own_suites: &own_suites, pinned: None };
    let knock = Knock::open(&knock, key, &ASSOCIATED_DATA, checks);
    let believed = knock.is_ok();
    if let Ok(knock) = knock {
        let info = knock.into_info(session_id, suite);
        let _ = Policy::default().evaluate(&info.context(START));
        let sealed = info.knock.seal(peer, &ASSOCIATED_DATA);
        let again = sealed.and_then(|s| Knock::open(&s, key, &ASSOCIATED_DATA, checks));
        assert_eq!(again.map(|knock| knock.into_info(session_id, suite)), Ok(info));
    }
    for (kind, label) in
        [(MessageType::Accept, Label::Accept), (MessageType::Reject, Label::Reject)]
    {
        let open = |body: &_| Answer::open(kind, body, key, &ASSOCIATED_DATA, &[0; 16]);
        if let Ok(answer) = open(&signed(label)) {
            let sealed = answer.seal(peer, &ASSOCIATED_DATA);
            assert_eq!(sealed.and_then(|(_, body)| open(&body)), Ok(answer));
        }
    }
    believed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fuzzing::seeds,
        knock::{KnockRequest, Tier},
    };

    /// Otherwise all that stands behind a signature would be left out, and nobody would notice.
    #[test]
    fn what_agents_make_is_believed() {
        let seeds = seeds();
        let of = |name| seeds.iter().filter(move |(of, _)| *of == name).map(|(_, seed)| seed);
        assert!(of("bundle").all(|seed| bundle(&seed[20..])));
        assert!(of("handshake").all(|seed| handshake(&InitialMessage::parse(seed).unwrap())));
        let (request, suites) = (KnockRequest::new("*", "message"), [Suite::X25519.id()]);
        let made = Knock::new(&request, Tier::Anonymous, &suites, START, &mut seeded_rng(1));
        let sealed = made.unwrap().seal(&parties().peer, &ASSOCIATED_DATA).unwrap();
        assert!(knock(&sealed.body));
        assert_eq!(meet().1.len(), headers().count());
    }
}
