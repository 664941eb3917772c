use super::*;
use crate::{
    engine::tests::acquainted, limits::PART_WINDOW_IN_ALL, test_utils::seeded_rng,
    wire::plaintext::Payload,
};

#[test]
fn queues_are_served_in_turn_until_none_has_any_left() {
    let queues = [vec![1, 2, 3], vec![], vec![4], vec![5, 6]];
    let queues = queues.map(Vec::into_iter).into_iter().collect();
    assert_eq!(in_turn(queues).collect::<Vec<_>>(), [1, 4, 5, 2, 6, 3]);
}

#[test]
fn parts_under_way_to_all_peers_together_are_bounded() {
    let mut mesh = acquainted(140);
    mesh.disconnect(1);
    // As if these were to others.
    mesh.nodes[0].engine.parts.in_all = PART_WINDOW_IN_ALL - 5;
    let id = MessageId::new_v7(mesh.now, &mut seeded_rng(1));
    mesh.send_payload(0, 1, id, Payload::Bytes(vec![1; 8 * limits::PART_SIZE])).unwrap();
    mesh.run();
    let engine = &mesh.nodes[0].engine;
    assert_eq!(engine.outbox.get(&id).and_then(OutboxEntry::group).unwrap().begun, 5);
    assert_eq!(engine.parts.in_all, PART_WINDOW_IN_ALL);
}
