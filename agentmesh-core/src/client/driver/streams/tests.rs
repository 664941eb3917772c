//! What a peer can do to a reader that no sender of ours would do.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::Streams;
use crate::{
    Error,
    client::agent::{ReaderEnd, StreamConfig, StreamError, StreamItem},
    engine::{IncomingMessage, Input, NewMessage},
    stream::{StreamKey, StreamRole},
    test_utils::{
        mesh::{Mesh, START},
        seeded_rng,
    },
    wire::{
        id::MessageId,
        plaintext::{Headers, MessageType, StreamTerms},
        stream::{StreamBody, StreamFrame},
    },
};

fn id(n: u64) -> MessageId {
    MessageId::new_v7(START.plus_millis(n), &mut seeded_rng(n))
}

/// A frame with one chunk.
fn frame(key: StreamKey, first: u64) -> IncomingMessage {
    let chunks = vec!["token".into()];
    let body = StreamBody::Frame(StreamFrame { first, chunks, end: None, metadata: None });
    IncomingMessage {
        from: key.peer,
        id: id(10 + first),
        kind: MessageType::Stream,
        seq: first,
        in_reply_to: Some(key.id),
        sent_at: START,
        received_at: START,
        payload: body.encode().unwrap().into(),
        headers: Headers::NONE,
    }
}

#[tokio::test]
async fn sender_that_ignores_the_window_is_cut_off() {
    let mut mesh = Mesh::new(2, 77);
    let (own, peer) = (mesh.amid(0), mesh.amid(1));
    let key = StreamKey { peer, id: id(1), role: StreamRole::Reader };
    let terms = StreamTerms { frames: 1, ..StreamTerms::default() };
    let mut streams = Streams::new(own, StreamConfig::default(), Arc::default());
    let request = NewMessage {
        id: key.id,
        to: peer,
        kind: MessageType::Request,
        in_reply_to: None,
        payload: "1".into(),
        headers: Headers { stream: Some(terms), ..Headers::NONE },
        knock_request: None,
        expires_in: None,
    };
    let (items, mut received) = mpsc::channel(8);
    let step = streams.open(key, request, terms, ReaderEnd { items, cell: Arc::default() });
    mesh.feed(0, Input::Stream(Box::new(step))).unwrap();
    let engine = &mesh.nodes[0].engine;

    streams.on_frame(key, &frame(key, 0), engine, || id(100));
    assert!(matches!(received.try_recv(), Ok(StreamItem::Frame(f)) if f.first == 0));
    // Nothing of it was consumed, and one frame is all that was allowed.
    streams.on_frame(key, &frame(key, 1), engine, || id(101));
    let Ok(StreamItem::Failed(error)) = received.try_recv() else { panic!("it goes on") };
    assert_eq!(error, Error::from(StreamError::Violation));
    // Whatever else comes is dropped.
    streams.on_frame(key, &frame(key, 2), engine, || id(102));
    assert!(received.try_recv().is_err());
}
