//! Sessions of 0.2 among the others: what counts, and who needs no native one.

use super::*;

/// Agents that speak only 0.2; the first has spoken with both others.
fn three(seed: u64) -> Mesh {
    let mut mesh = mesh_of([old(), old()], seed);
    mesh.add(old());
    for peer in [1, 2] {
        send(&mut mesh, 0, peer, "hello");
        mesh.run();
        assert_eq!(texts(&mesh, peer).len(), 1);
    }
    mesh
}

#[test]
fn sessions_of_0_2_are_counted_by_peer_as_others_are() {
    let mut mesh = three(790);
    let [own, one, two] = [0, 1, 2].map(|node| mesh.amid(node));
    let counts =
        |mesh: &Mesh| [own, one, two].map(|peer| mesh.nodes[0].engine.sessions_besides(&peer));
    assert_eq!(counts(&mesh), [2, 1, 1]);
    mesh.feed(0, Input::CloseSession(one)).unwrap();
    assert_eq!(counts(&mesh), [1, 1, 0]);
}

#[test]
fn peer_with_a_session_of_0_2_is_asked_for_no_bundle_unless_a_native_one_is_wanted() {
    let mut mesh = three(791);
    let one = mesh.amid(1);
    let engine = &mut mesh.nodes[0].engine;
    engine.request_bundle(one);
    assert_eq!(engine.out.requests, []);
    engine.wanted.insert(one);
    engine.request_bundle(one);
    engine.request_bundle(one);
    assert_eq!(engine.out.requests, [Request::Bundle(one)]);
}
