//! What an application's ends of a stream show of what is said: how far it is.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{
    IncomingStream, OutgoingCell, OutgoingStream, StreamItem, StreamOptions, shared::IncomingCell,
};
use crate::{
    client::Agent,
    identity::Identity,
    redaction::Shown,
    storage::MemoryStorage,
    stream::{Sender, StreamKey, StreamRole, StreamState},
    test_utils::{mesh::START, seeded_rng},
    vault::StoreKey,
    wire::{id::MessageId, plaintext::StreamTerms, stream::StreamFrame},
};

const TEXT: &str = "open sesame";

#[tokio::test]
async fn streams_print_redacted() {
    let (mut shown, mut rng) = (Shown::default(), seeded_rng(5));
    let agent = Agent::builder()
        .storage(MemoryStorage::new())
        .store_key(StoreKey::from_bytes([0xab; 32]))
        .open_or_create()
        .await
        .unwrap();
    let peer = Identity::generate(START, &mut rng).amid();
    let id = MessageId::new_v7(START, &mut rng);
    let key = |role| StreamKey { peer, id, role };
    let state = StreamState { terms: StreamTerms::default(), chunks: 0, frames: 0 };
    let cell = Arc::new(OutgoingCell::new(key(StreamRole::Sender), Sender::new(state, [])));
    cell.with(|sender| sender.push(TEXT.into()));
    let outgoing = OutgoingStream::new(agent.clone(), cell);
    shown.add("OutgoingStream", &outgoing);
    shown.add("StreamWatch", &outgoing.watch());

    let (frames, items) = mpsc::channel(1);
    let chunks = vec![TEXT.into(), TEXT.into()];
    let frame = StreamFrame { first: 0, chunks, end: None, metadata: Some(TEXT.into()) };
    frames.send(StreamItem::Frame(frame)).await.unwrap();
    let (cell, options) = (Arc::new(IncomingCell::default()), StreamOptions::default());
    let key = key(StreamRole::Reader);
    let mut stream = IncomingStream::new(agent.clone(), key, cell, items, &options, 0);
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!(first.text(), TEXT);
    shown.add("Chunk", &first);
    shown.add("IncomingStream", &stream);
    let expected = format!(
        "OutgoingStream: OutgoingStream {{ peer: {peer:?}, id: {id:?}, position: 1, .. }}\n\
         StreamWatch: StreamWatch {{ id: {id:?}, .. }}\n\
         Chunk: Chunk {{ number: 0, content: Text(11 bytes) }}\n\
         IncomingStream: IncomingStream {{ peer: {peer:?}, id: {id:?}, position: 1, .. }}\n",
    );
    assert_eq!(shown.without(&[TEXT.as_bytes()]), expected);
    agent.close().await.unwrap();
}
