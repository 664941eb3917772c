//! Streams in the store: a frame, and how far its stream is, are one commit.

use super::*;
use crate::{
    limits,
    stream::{StreamKey, StreamRole, StreamState},
    test_utils::{
        block_on,
        mesh::{Crash, START},
        seeded_rng,
    },
    wire::plaintext::{Headers, MessageType, StreamTerms},
};

fn id(n: u64) -> MessageId {
    MessageId::new_v7(START.plus_millis(n), &mut seeded_rng(900 + n))
}

fn key(peer: Amid, n: u64) -> StreamKey {
    StreamKey { peer, id: id(n), role: StreamRole::Sender }
}

fn state(chunks: u64) -> Option<StreamState> {
    Some(StreamState { chunks, frames: 1, terms: StreamTerms::default() })
}

fn frame(to: Amid, n: u64) -> Option<NewMessage> {
    Some(NewMessage {
        id: id(n),
        to,
        kind: MessageType::Stream,
        in_reply_to: None,
        payload: vec![1].into(),
        headers: Headers::NONE,
        knock_request: None,
        expires_in: None,
    })
}

fn step(key: StreamKey, state: Option<StreamState>, send: Option<NewMessage>) -> Input {
    Input::Stream(Box::new(StreamStep { key, state, send, handled: Vec::new() }))
}

#[test]
fn frame_and_state_are_on_disk_together_or_not_at_all() {
    for written in [false, true] {
        let mut mesh = acquainted(40);
        let peer = mesh.amid(1);
        let commit = mesh.nodes[0].commits + 1;
        mesh.nodes[0].crash = Some(Crash { commit, written });
        mesh.feed(0, step(key(peer, 1), state(3), frame(peer, 2))).unwrap();
        assert!(mesh.has_crashed(0));
        let engine = &mesh.nodes[0].engine;
        assert_eq!(engine.stream(&key(peer, 1)).is_some(), written);
        assert_eq!(engine.stage(&id(2)).is_some(), written);
    }
}

#[test]
fn refused_frame_changes_nothing() {
    let mut mesh = acquainted(41);
    let own = mesh.amid(0);
    let refused = mesh.feed(0, step(key(own, 1), state(3), frame(own, 2)));
    assert_eq!(refused, Err(SendError::ToSelf));
    assert!(mesh.nodes[0].engine.streams().is_empty());
}

#[test]
fn frame_is_handed_on_once_whatever_the_network_does() {
    let mut mesh = acquainted(42);
    let peer = mesh.amid(1);
    mesh.feed(0, step(key(peer, 1), state(1), frame(peer, 2))).unwrap();
    // The same step again, as after a crash between commit and socket.
    mesh.feed(0, step(key(peer, 1), state(1), frame(peer, 2))).unwrap();
    mesh.disconnect(1);
    mesh.connect(1);
    mesh.run();
    mesh.restart(1);
    mesh.connect(1);
    mesh.run();
    assert_eq!(mesh.handled(1).iter().filter(|seen| **seen == id(2)).count(), 1);
    assert!(mesh.nodes[0].engine.outbox().is_empty());
}

#[test]
fn streams_are_bounded_and_those_in_which_nothing_moves_are_forgotten() {
    let mut mesh = acquainted(43);
    let peer = mesh.amid(1);
    let max = limits::MAX_STREAMS as u64;
    for n in 0..max {
        mesh.feed(0, step(key(peer, n), state(n), None)).unwrap();
    }
    let refused = mesh.feed(0, step(key(peer, max), state(0), None));
    assert_eq!(refused, Err(SendError::TooManyStreams { limit: limits::MAX_STREAMS }));
    mesh.feed(0, step(key(peer, 7), state(8), None)).unwrap();
    mesh.feed(0, step(key(peer, 7), None, None)).unwrap();
    mesh.feed(0, step(key(peer, max), state(0), None)).unwrap();
    let node = &mut mesh.nodes[0];
    for (age, left) in [(limits::STREAM_AGE, limits::MAX_STREAMS), (limits::STREAM_AGE + 1, 0)] {
        block_on(node.engine.sweep(&node.storage, mesh.now.plus_millis(age))).unwrap();
        assert_eq!(node.engine.streams().len(), left);
    }
}
