//! Handshakes that get no session, and what each is told; and which prekeys one takes along that does.

use super::*;
use crate::{
    handshake::{Suite, initiate},
    knock::{Knock, KnockRequest, Tier},
    limits,
    prekeys::{BundleParts, KnownPeer, PreKeyBundle, PreKeys},
    session::Session,
    test_utils::seeded_rng,
    wire::{
        control::RefuseReason,
        frame::{HANDSHAKE_PREFIX, NativeFrame},
        plaintext::MessageType,
    },
};

/// What the peer says first, for the session with this AD.
type First<'a> = &'a dyn Fn(&Identity, &[u8; 32]) -> Vec<u8>;

/// A handshake of the first agent with the owner of a bundle, whatever it says.
fn handshake(mesh: &Mesh, bundle: &PreKeyBundle, suite: Suite, first: First<'_>) -> Vec<u8> {
    let (now, mut rng) = (mesh.now, seeded_rng(mesh.nodes[1].events.len() as u64));
    let own = mesh.nodes[0].engine.identity();
    let (hs, established) = initiate(own, bundle, suite, &mut rng).unwrap();
    let first = first(own, &established.associated_data);
    let (_, remote) = bundle.signed_prekey();
    let mut session = Session::initiate(suite, established, remote, now, &mut rng).unwrap();
    let mut frame = [&HANDSHAKE_PREFIX, hs.as_bytes()].concat();
    session.encrypt_into(&first, &mut frame, now, &mut rng).unwrap();
    frame
}

/// An honest KNOCK, of somebody who speaks these suites.
fn knock(suites: &[u8]) -> impl Fn(&Identity, &[u8; 32]) -> Vec<u8> {
    move |own, associated_data| {
        let (now, mut rng) = (crate::test_utils::mesh::START, seeded_rng(3));
        let request = KnockRequest::new("*", "message");
        let knock = Knock::new(&request, Tier::Anonymous, suites, now, &mut rng).unwrap();
        let mut plaintext = outbound::control(MessageType::Knock, now, &mut rng);
        plaintext.signed = Some(knock.seal(own, associated_data).unwrap());
        plaintext.encode().unwrap()
    }
}

fn bundle(mesh: &mut Mesh) -> PreKeyBundle {
    let b = mesh.amid(1);
    mesh.fetch(&b).unwrap().unwrap()
}

/// Why the second agent drops a handshake of the first, and what it says to that.
fn turned(mesh: &mut Mesh, frame: Vec<u8>) -> (Vec<DropReason>, Vec<RefuseReason>) {
    let from = mesh.amid(0);
    let outcome = outcome_of(mesh, 1, Input::Frame(Inbound { from, relay_id: None, frame }));
    let why = outcome.events.iter().filter_map(|event| match event {
        Event::FrameDropped { reason, .. } => Some(*reason),
        _ => None,
    });
    let said = outcome.outgoing.into_iter().map(|o| NativeFrame::parse(o.frame).unwrap());
    let refused = said.map(|frame| match frame {
        NativeFrame::Refuse(refuse) => refuse.reason(),
        _ => panic!("no refusal"),
    });
    (why.collect(), refused.collect())
}

#[test]
fn handshake_under_anothers_name_opens_nothing() {
    let mut mesh = Mesh::new(3, 740);
    mesh.disconnect(1);
    mesh.send(0, 1, "hello").unwrap();
    let (b, liar) = (mesh.amid(1), mesh.amid(2));
    let frame = mesh.relay[&b][0].frame.clone();
    mesh.inject(1, liar, None, frame);
    assert_eq!(dropped(&mesh, 1, DropReason::Rejected), 1);
    assert_eq!(mesh.nodes[1].engine.live_sessions(), 0);
    mesh.connect(1);
    mesh.run();
    assert_eq!(mesh.nodes[1].handled[0].0, mesh.amid(0));
}

#[test]
fn handshake_is_dropped_for_what_is_wrong_with_its_first_message() {
    let nonsense = |_: &Identity, _: &[u8; 32]| b"\xffnonsense".to_vec();
    let no_knock = |_: &Identity, _: &[u8; 32]| {
        let now = crate::test_utils::mesh::START;
        outbound::control(MessageType::Close, now, &mut seeded_rng(4)).encode().unwrap()
    };
    let weaker = knock(&[2, 3]);
    let cases: [(First<'_>, DropReason); 3] = [
        (&nonsense, DropReason::Malformed),
        (&no_knock, DropReason::Rejected),
        (&weaker, DropReason::SuiteDowngrade),
    ];
    let mut mesh = Mesh::new(2, 741);
    let bundle = bundle(&mut mesh);
    let before = records(&mesh, 1);
    for (first, reason) in cases {
        let frame = handshake(&mesh, &bundle, Suite::X25519, first);
        assert_eq!(turned(&mut mesh, frame), (vec![reason], vec![]));
    }
    let honest = handshake(&mesh, &bundle, Suite::X25519, &knock(&[2]));
    let mut damaged = honest.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(turned(&mut mesh, damaged), (vec![DropReason::Undecryptable], vec![]));
    assert_eq!(records(&mesh, 1), before);
    let from = mesh.amid(0);
    mesh.inject(1, from, None, honest);
    assert_eq!(mesh.nodes[1].engine.live_sessions(), 1);
}

/// A handshake without a one-time prekey could be opened again, were it not remembered.
#[test]
fn handshake_that_could_not_be_remembered_is_refused() {
    let mut mesh = Mesh::new(2, 742);
    let b = mesh.amid(1);
    let with = bundle(&mut mesh);
    mesh.registry.get_mut(&b).unwrap().one_time.clear();
    let without = bundle(&mut mesh);
    mesh.nodes[1].engine.tombstones = limits::MAX_TOMBSTONES;
    let refused = (vec![DropReason::PrekeyGone], vec![RefuseReason::PrekeyGone]);
    let frame = handshake(&mesh, &without, Suite::X25519MlKem768, &knock(&[2, 3]));
    assert_eq!(turned(&mut mesh, frame), refused);
    let frame = handshake(&mesh, &with, Suite::X25519MlKem768, &knock(&[2, 3]));
    mesh.inject(1, mesh.amid(0), None, frame);
    assert_eq!(mesh.nodes[1].engine.live_sessions(), 1);
}

/// Its ids of ML-KEM prekeys are used up.
#[test]
fn handshake_in_a_suite_that_the_bundle_did_not_offer_is_refused_for_that() {
    let mut mesh = Mesh::new(2, 743);
    let (identity, now) = (mesh.nodes[1].engine.identity().clone(), mesh.now);
    let mut rng = seeded_rng(5);
    let mut with = PreKeys::generate(&identity, now, &mut rng);
    let mut record = with.to_record();
    // Behind the version and the counter of signed prekeys.
    record[5..9].copy_from_slice(&(limits::MAX_PREKEY_ID + 1).to_be_bytes());
    let mut without = PreKeys::from_record(&record).unwrap();
    for prekeys in [&mut with, &mut without] {
        assert!(prekeys.rotate(&identity, now, &mut rng));
    }
    let known = KnownPeer::first_contact(identity.amid());
    let blob = with.bundle(&identity);
    let offered = PreKeyBundle::verify(BundleParts::bundle_only(&blob), &known, now).unwrap();
    mesh.nodes[1].engine.change_prekeys(|prekeys| *prekeys = without);
    let frame = handshake(&mesh, &offered, Suite::X25519MlKem768, &knock(&[2, 3]));
    let refused = (vec![DropReason::PrekeyGone], vec![RefuseReason::Suite]);
    assert_eq!(turned(&mut mesh, frame), refused);
}

#[test]
fn session_uses_up_the_one_time_prekeys_that_it_was_made_of() {
    for (classical, kem) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut mesh = Mesh::new(2, 744);
        let b = mesh.amid(1);
        let published = mesh.registry.get_mut(&b).unwrap();
        if !classical {
            published.one_time.clear();
        }
        if !kem {
            published.one_time_kem.clear();
        }
        let ids = [&published.one_time, &published.one_time_kem].map(|q| q.front().map(|k| k.id));
        mesh.send(0, 1, "hello").unwrap();
        mesh.run();
        let consumed = Event::PrekeysChanged { change: PrekeyChange::Consumed };
        let times = told(&mesh, 1, |e| *e == consumed);
        assert_eq!(times, usize::from(classical || kem), "{classical}, {kem}");
        let prekeys = mesh.nodes[1].engine.prekeys();
        assert!(ids[0].is_none_or(|id| prekeys.one_time(id).is_none()));
        assert!(ids[1].is_none_or(|id| prekeys.one_time_kem(id).is_none()));
    }
}
