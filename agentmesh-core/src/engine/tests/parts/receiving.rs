//! The recipient: what is kept of a payload, for how long, and over restarts.

use super::*;

/// Both ends of a payload of which `count` of 5 parts have arrived, and nothing was said of them.
fn begun(seed: u64, count: usize) -> (Mesh, MessageId) {
    let mut mesh = acquainted(seed);
    mesh.disconnect(1);
    let (id, _) = send(&mut mesh, 0, 1, 5 * PART_SIZE, 1);
    mesh.connect(1);
    (0..count).for_each(|_| assert!(mesh.deliver_next(1)));
    mesh.disconnect(1);
    (mesh, id)
}

#[test]
fn receipts_that_a_restart_lost_are_given_again() {
    let (mut mesh, id) = begun(130, 3);
    mesh.restart(1);
    mesh.connect(1);
    mesh.nodes[1].online = false;
    mesh.advance(20);
    while mesh.deliver_next(0) {}
    assert_eq!(progress(&mesh, 0, id, Direction::Sending).last(), Some(&(3, 5)));
}

#[test]
fn unfinished_payload_goes_on_after_a_restart() {
    let (mut mesh, id) = begun(131, 3);
    let before = mesh.nodes[1].engine.parts.received_bytes();
    assert_eq!(before, 3 * PART_SIZE as u64);
    mesh.restart(1);
    assert_eq!(mesh.nodes[1].engine.parts.received_bytes(), before);
    mesh.connect(1);
    mesh.run();
    assert_eq!(mesh.stage(0, id), Some(Stage::Handled));
    assert_eq!(mesh.nodes[1].engine.parts.received_bytes(), 0);
}

#[test]
fn payload_of_which_all_is_there_is_looked_at_after_a_restart() {
    let mut mesh = acquainted(132);
    let group = id(&mesh, 500);
    for index in [0, 1] {
        let part = part_of(&mesh, &bytes(1000, 9), group, index, 2);
        let inbound = forged(&mut mesh, 0, 1, &part);
        outcome_of(&mut mesh, 1, Input::Frame(inbound));
    }
    mesh.restart(1);
    mesh.connect(1);
    mesh.run();
    assert_eq!(mesh.handled(1).last(), Some(&group));
}

#[test]
fn whole_that_waits_for_its_handler_waits_on_after_a_restart() {
    let mut mesh = acquainted(133);
    mesh.nodes[1].handles = false;
    let (id, text) = send(&mut mesh, 0, 1, 3 * PART_SIZE, 1);
    mesh.run();
    mesh.restart(1);
    mesh.connect(1);
    mesh.run();
    assert_eq!(mesh.nodes[1].engine.large_message(&mesh.amid(0), &id), Some(3 * PART_SIZE as u64));
    mesh.nodes[1].handles = true;
    mesh.run();
    assert_eq!(texts(&mesh, 1).iter().filter(|said| **said == text).count(), 1);
}

#[test]
fn part_of_a_whole_that_is_there_is_answered_for_the_whole() {
    let mut mesh = acquainted(134);
    mesh.nodes[1].handles = false;
    mesh.disconnect(0);
    mesh.connect(0);
    let (id, _) = send(&mut mesh, 0, 1, 2 * PART_SIZE, 1);
    mesh.disconnect(0);
    while mesh.deliver_next(1) {}
    mesh.advance(20);
    // What the recipient said of it is lost.
    let sender = mesh.amid(0);
    mesh.relay.get_mut(&sender).unwrap().clear();
    mesh.restart(0);
    mesh.connect(0);
    mesh.run();
    assert_eq!(mesh.stage(0, id), Some(Stage::Delivered));
}

#[test]
fn unfinished_payload_is_given_up_after_its_age_and_its_name_kept_as_long_again() {
    let mut mesh = acquainted(135);
    let part = part_of(&mesh, &bytes(1000, 9), id(&mesh, 500), 0, 2);
    forge(&mut mesh, 0, 1, &part);
    for (passed, chunks, assemblies) in
        [(ASSEMBLY_AGE, 1, 1), (1, 0, 1), (ASSEMBLY_AGE, 0, 1), (1, 0, 0)]
    {
        mesh.advance(passed);
        assert_eq!(stored(&mesh, 1, RecordKind::Chunk), chunks);
        assert_eq!(stored(&mesh, 1, RecordKind::Assembly), assemblies);
    }
    assert_eq!(refusals(&mesh, 1, ReceiptStage::Abandoned), 1);
}

#[test]
fn payload_of_as_many_bytes_as_are_taken_is_not_refused_at_its_first_part() {
    let mut mesh = acquainted(136);
    // The last part has a single byte: so little that the first one cannot tell.
    mesh.nodes[1].engine.config.max_payload = 2 * PART_SIZE + 1;
    let (id, _) = send(&mut mesh, 0, 1, 2 * PART_SIZE + 1, 1);
    mesh.run();
    assert_eq!(mesh.stage(0, id), Some(Stage::Handled));
}

#[test]
fn wholes_that_wait_for_their_handlers_keep_others_at_the_relay() {
    let mut mesh = acquainted(137);
    mesh.nodes[1].engine.config.max_received_bytes = 6 * PART_SIZE as u64;
    mesh.nodes[1].handles = false;
    let (first, _) = send(&mut mesh, 0, 1, 3 * PART_SIZE, 1);
    let (second, _) = send(&mut mesh, 0, 1, 3 * PART_SIZE, 2);
    mesh.run();
    // A part comes with its header, and that has to have room as well.
    let engine = &mesh.nodes[1].engine;
    assert_eq!(engine.parts.received_bytes(), 5 * PART_SIZE as u64);
    assert!(engine.has_left_frames() && !engine.has_room());
    assert_eq!(mesh.stage(0, first), Some(Stage::Delivered));
    mesh.nodes[1].handles = true;
    mesh.run();
    assert_eq!(mesh.stage(0, second), Some(Stage::Handled));
}

#[test]
fn room_for_more_is_there_when_half_of_it_is_free() {
    let (mut mesh, _) = begun(138, 3);
    let engine = &mut mesh.nodes[1].engine;
    let received = engine.parts.received_bytes();
    for (most, has_room) in [(2 * received, true), (2 * received - 1, false), (received, false)] {
        engine.config.max_received_bytes = most;
        assert_eq!(engine.has_room_for_parts(), has_room, "{most}");
    }
}

#[test]
fn parts_may_come_in_any_order_and_each_in_a_trace_of_its_own() {
    let mut mesh = acquainted(139);
    let (whole, group) = (bytes(3000, 9), id(&mesh, 500));
    for index in [1, 2, 0] {
        let mut part = part_of(&mesh, &whole, group, index, 3);
        let own = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b{index}-01");
        part.headers.trace = (index > 0).then_some(own);
        forge(&mut mesh, 0, 1, &part);
    }
    mesh.run();
    assert_eq!(mesh.handled(1).last(), Some(&group));
}
