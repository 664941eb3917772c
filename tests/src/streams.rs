//! Streams over a real server: killed relays, restarted agents, slow and absent readers.

#![expect(clippy::disallowed_methods, reason = "each task ends with the runtime of its test")]

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use agentmesh_core::{
    Error, ErrorInfo,
    client::{
        Agent, AgentConfig, Message, OutgoingStream, SendOptions, StreamConfig, StreamError,
        StreamOptions,
    },
    knock::Policy,
    storage::{MemoryStorage, SqliteStorage, Storage},
    stream::StreamRole,
    vault::StoreKey,
    wire::{peer_error::PeerError, plaintext::StreamTerms, stream::ChunkContent},
};
use agentmesh_server::{Server, ServerConfig};

use crate::server_process::ServerProcess;

const TOKENS: u64 = 5_000;

/// The program that the guide names.
#[path = "../../agentmesh-core/examples/streaming.rs"]
#[allow(dead_code, reason = "a program of its own")]
mod example;

fn builder(
    registry: &str,
    relay: &str,
    storage: impl Storage + 'static,
) -> agentmesh_core::client::AgentBuilder {
    let streams = StreamConfig { relay_messages_per_minute: 0, ..StreamConfig::default() };
    Agent::builder()
        .config(AgentConfig { streams, ..AgentConfig::default() })
        .storage(storage)
        .store_key(StoreKey::from_bytes([1; 32]))
        .registry_url(registry)
        .relay_url(relay)
        .policy(Policy::permissive())
}

struct World {
    server: Server,
}

impl World {
    async fn new() -> Self {
        Self { server: Server::start(ServerConfig::for_development()).await.unwrap() }
    }

    async fn agent(&self) -> Agent {
        self.agent_over(MemoryStorage::new()).await
    }

    async fn agent_over(&self, storage: impl Storage + 'static) -> Agent {
        agent_at(&self.server.registry_url(), &self.server.relay_url(), storage).await
    }

    async fn end(self, agents: impl IntoIterator<Item = Agent>) {
        for agent in agents {
            agent.close().await.unwrap();
        }
        self.server.shutdown().await;
    }
}

async fn agent_at(registry: &str, relay: &str, storage: impl Storage + 'static) -> Agent {
    let agent = builder(registry, relay, storage).open_or_create().await.unwrap();
    agent.connect().await.unwrap();
    agent
}

fn token(n: u64) -> String {
    format!("token {n} ")
}

/// Says every token from the stream's position on.
async fn say(mut stream: OutgoingStream, to: u64) -> Result<(), Error> {
    for n in stream.position()..to {
        assert_eq!(stream.send(token(n)).await?, n);
    }
    stream.finish().await
}

async fn next_request(agent: &Agent) -> Message {
    let mut messages = agent.messages().await.unwrap();
    messages.next().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_of_5000_tokens_survives_a_relay_that_is_killed_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = ServerProcess::start(&dir.path().join("server"));
    let (registry, relay) = (server.registry_url(), server.relay_url());
    let asker = agent_at(&registry, &relay, MemoryStorage::new()).await;
    let model = agent_at(&registry, &relay, MemoryStorage::new()).await;
    let answering = model.clone();
    // Never more than this ahead of the reader, so that most of the tokens are said after the cuts.
    const AHEAD: u64 = 300;
    let (read, mut reading) = tokio::sync::watch::channel(0);
    let producer = tokio::spawn(async move {
        let request = next_request(&answering).await;
        assert_eq!(request.wants_stream(), Some(StreamTerms::default()));
        let mut answer = request.stream(&answering).await?;
        for n in 0..TOKENS {
            reading.wait_for(|read| read + AHEAD > n).await.unwrap();
            answer.send(token(n)).await?;
        }
        answer.finish().await
    });
    let mut stream =
        asker.stream(model.amid(), r#"{"prompt":"go"}"#, StreamOptions::default()).await.unwrap();
    for n in 0..TOKENS {
        let chunk = stream.next().await.unwrap().unwrap();
        assert_eq!((chunk.number, chunk.text()), (n, token(n).as_str()));
        read.send_replace(n + 1);
        if n == 1_000 || n == 3_000 {
            server.kill_and_restart();
        }
    }
    assert!(stream.next().await.is_none());
    assert!(stream.next().await.is_none(), "the end stays the end");
    producer.await.unwrap().unwrap();
    asker.close().await.unwrap();
    model.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn reader_that_restarts_reads_on_without_a_gap() {
    let world = World::new().await;
    let dir = tempfile::tempdir().unwrap();
    let open = || SqliteStorage::open(dir.path().join("asker.db")).unwrap();
    let model = world.agent().await;
    let answering = model.clone();
    let producer = tokio::spawn(async move {
        say(next_request(&answering).await.stream(&answering).await?, TOKENS).await
    });
    let mut asker = world.agent_over(open()).await;
    let mut stream = asker.stream(model.amid(), "1", StreamOptions::default()).await.unwrap();
    let mut read = 0;
    for end in [1_500, 1_501, 4_000] {
        while read < end {
            assert_eq!(stream.next().await.unwrap().unwrap().text(), token(read));
            read += 1;
        }
        let (peer, id) = (stream.peer(), stream.id());
        asker.close().await.unwrap();
        // What was handed on before the agent closed is still there; what is dropped now comes again.
        drop(stream);
        asker = world.agent_over(open()).await;
        let open_streams = asker.open_streams().await.unwrap();
        assert_eq!(open_streams.len(), 1);
        assert_eq!((open_streams[0].id, open_streams[0].role), (id, StreamRole::Reader));
        assert!(open_streams[0].position <= read);
        stream = asker.resume_stream(peer, id, read, StreamOptions::default()).await.unwrap();
    }
    while let Some(chunk) = stream.next().await {
        assert_eq!(chunk.unwrap().text(), token(read));
        read += 1;
    }
    assert_eq!(read, TOKENS);
    producer.await.unwrap().unwrap();
    world.end([model, asker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sender_that_restarts_goes_on_behind_what_it_had_queued() {
    let world = World::new().await;
    let dir = tempfile::tempdir().unwrap();
    let open = || SqliteStorage::open(dir.path().join("model.db")).unwrap();
    let asker = world.agent().await;
    let mut model = world.agent_over(open()).await;
    let mut stream = asker.stream(model.amid(), "1", StreamOptions::default()).await.unwrap();
    let reader = tokio::spawn(async move {
        for n in 0..TOKENS {
            let chunk = stream.next().await.unwrap().unwrap();
            assert_eq!((chunk.number, chunk.text()), (n, token(n).as_str()));
        }
        assert!(stream.next().await.is_none());
    });
    for end in [700, 701, 2_000] {
        let mut answer = next_request(&model).await.stream(&model).await.unwrap();
        for n in answer.position()..end {
            answer.send(token(n)).await.unwrap();
        }
        answer.flush().await.unwrap();
        model.close().await.unwrap();
        drop(answer);
        model = world.agent_over(open()).await;
    }
    let answer = next_request(&model).await.stream(&model).await.unwrap();
    assert_eq!(answer.position(), 2_000, "what was flushed is not said again");
    say(answer, TOKENS).await.unwrap();
    reader.await.unwrap();
    assert!(model.open_streams().await.unwrap().is_empty());
    world.end([asker, model]).await;
}

/// What is between the ends is bounded by the window and by what the sender queues, whatever the speed of the reader.
#[tokio::test(flavor = "multi_thread")]
async fn slow_reader_holds_the_sender_back() {
    const CHUNKS: u64 = 6_000;
    let world = World::new().await;
    let (asker, model) = (world.agent().await, world.agent().await);
    let sent = Arc::new(AtomicU64::new(0));
    let (answering, counter) = (model.clone(), Arc::clone(&sent));
    let producer = tokio::spawn(async move {
        let mut answer = next_request(&answering).await.stream(&answering).await?;
        for _ in 0..CHUNKS {
            answer.send(vec![7; 100]).await?;
            counter.fetch_add(1, Ordering::SeqCst);
        }
        answer.finish().await
    });
    let options = StreamOptions {
        window: StreamTerms { frames: 2, bytes: 32 * 1024 },
        ..StreamOptions::default()
    };
    let mut stream = asker.stream(model.amid(), "1", options).await.unwrap();
    let mut read = 0;
    // 64 KiB wait at the sender, 32 KiB are under way, one frame is in the reader's hands.
    let bound = (64 + 32 + 32) * 1024 / 100;
    while let Some(chunk) = stream.next().await {
        let Ok(chunk) = chunk else { panic!("{chunk:?}") };
        assert_eq!(chunk.content, ChunkContent::from(vec![7; 100]));
        read += 1;
        let ahead = sent.load(Ordering::SeqCst) - read.min(sent.load(Ordering::SeqCst));
        assert!(ahead <= bound, "{ahead} chunks ahead of the reader");
        tokio::task::yield_now().await;
    }
    assert_eq!(read, CHUNKS);
    producer.await.unwrap().unwrap();
    world.end([asker, model]).await;
}

/// An asker and a model that was asked, at the ends of a stream.
async fn begun(
    world: &World,
) -> (Agent, Agent, agentmesh_core::client::IncomingStream, OutgoingStream) {
    let (asker, model) = (world.agent().await, world.agent().await);
    let stream = asker.stream(model.amid(), "1", StreamOptions::default()).await.unwrap();
    let answer = next_request(&model).await.stream(&model).await.unwrap();
    (asker, model, stream, answer)
}

#[tokio::test]
async fn reader_that_is_dropped_cancels() {
    let world = World::new().await;
    let (asker, model, mut stream, mut answer) = begun(&world).await;
    answer.send("a").await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().text(), "a");
    let watch = answer.watch();
    assert!(!watch.is_stopped());
    stream.cancel("enough");
    answer.stopped().await;
    let why = watch.stopped().await.unwrap_err();
    assert_eq!(why, StreamError::Cancelled { reason: "enough".into() }.into());
    let refused = answer.send("b").await.unwrap_err();
    assert_eq!(refused, StreamError::Cancelled { reason: "enough".into() }.into());
    assert_eq!(answer.finish().await.unwrap_err().code(), "STREAM_CANCELLED");
    let mut stream = asker.stream(model.amid(), "2", StreamOptions::default()).await.unwrap();
    let answer = next_request(&model).await.stream(&model).await.unwrap();
    assert!(futures_util::poll!(std::pin::pin!(stream.next())).is_pending());
    drop(stream);
    answer.stopped().await;
    drop(answer);
    world.end([asker, model]).await;
}

#[tokio::test]
async fn sender_s_failure_comes_behind_what_it_said() {
    let world = World::new().await;
    let (asker, model, mut stream, mut answer) = begun(&world).await;
    answer.set_metadata(r#"{"model":"m"}"#).unwrap();
    answer.send("a").await.unwrap();
    let watch = answer.watch();
    answer.fail(PeerError::new("OVERLOADED", "later").retryable()).await.unwrap();
    watch.stopped().await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().text(), "a");
    assert_eq!(stream.metadata(), Some(r#"{"model":"m"}"#));
    let Some(Err(Error::Stream(StreamError::Failed { error }))) = stream.next().await else {
        panic!("the stream goes on")
    };
    assert_eq!((error.code.as_str(), error.retryable), ("OVERLOADED", true));
    assert!(stream.next().await.is_none());
    // Dropped without an end, it says so.
    let mut stream = asker.stream(model.amid(), "2", StreamOptions::default()).await.unwrap();
    let mut answer = next_request(&model).await.stream(&model).await.unwrap();
    answer.send("b").await.unwrap();
    drop(answer);
    assert_eq!(stream.next().await.unwrap().unwrap().text(), "b");
    let Some(Err(Error::Stream(StreamError::Failed { error }))) = stream.next().await else {
        panic!("the stream goes on")
    };
    assert_eq!(error.code, "STREAM_ABORTED");
    world.end([asker, model]).await;
}

#[tokio::test]
async fn one_response_or_error_is_a_stream_too() {
    let world = World::new().await;
    let (asker, model) = (world.agent().await, world.agent().await);
    let mut requests = model.messages().await.unwrap();
    let mut stream = asker.stream(model.amid(), "1", StreamOptions::default()).await.unwrap();
    let request = requests.next().await.unwrap();
    request.respond(&model, r#"{"all":"at once"}"#, SendOptions::default()).await.unwrap();
    assert_eq!(stream.read_to_end().await.unwrap(), r#"{"all":"at once"}"#);
    let mut stream = asker.stream(model.amid(), "2", StreamOptions::default()).await.unwrap();
    let request = requests.next().await.unwrap();
    request.fail(&model, &PeerError::new("NO", "not today")).await.unwrap();
    let failed = stream.read_to_end().await.unwrap_err();
    assert_eq!(failed.code(), "STREAM_FAILED");
    world.end([asker, model]).await;
}

#[tokio::test]
async fn chunks_that_were_not_acknowledged_come_again_and_others_do_not() {
    let world = World::new().await;
    let (asker, model) = (world.agent().await, world.agent().await);
    let options = || StreamOptions { manual_ack: true, ..StreamOptions::default() };
    let mut stream = asker.stream(model.amid(), "1", options()).await.unwrap();
    let mut answer = next_request(&model).await.stream(&model).await.unwrap();
    for n in 0..3 {
        // Each in a frame of its own.
        answer.send(token(n)).await.unwrap();
        answer.flush().await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap().number, n);
    }
    stream.ack(2);
    let (peer, id) = (stream.peer(), stream.detach());
    let send = SendOptions { id: Some(id), ..SendOptions::default() };
    let twice = StreamOptions { send, ..options() };
    assert_eq!(asker.stream(peer, "1", twice).await.unwrap_err().code(), "STREAM_BUSY");
    let again = asker.resume_stream(peer, id, 1, options()).await.unwrap_err();
    assert_eq!(again, StreamError::Gap { first: 2 }.into());
    let mut stream = asker.resume_stream(peer, id, 2, options()).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().text(), token(2));
    answer.finish().await.unwrap();
    assert!(stream.next().await.is_none());
    stream.ack(3);
    drop(stream);
    while !asker.open_streams().await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let gone = asker.resume_stream(peer, id, 3, options()).await.unwrap_err();
    assert_eq!(gone, StreamError::Unknown.into());
    world.end([asker, model]).await;
}

#[tokio::test]
async fn misuse_is_an_error_and_not_a_hang() {
    let world = World::new().await;
    let (asker, model, stream, mut answer) = begun(&world).await;
    let long = vec![0; agentmesh_core::limits::MAX_STREAM_CHUNK + 1];
    assert_eq!(answer.send(long).await.unwrap_err().code(), "STREAM_CHUNK_TOO_LONG");
    assert_eq!(answer.set_metadata("{").unwrap_err().code(), "STREAM_INVALID");
    let window = StreamTerms { frames: 0, bytes: 0 };
    let options = StreamOptions { window, ..StreamOptions::default() };
    assert_eq!(
        asker.stream(model.amid(), "1", options).await.unwrap_err().code(),
        "STREAM_INVALID"
    );
    asker.send(model.amid(), "1", SendOptions::default()).await.unwrap();
    let plain = next_request(&model).await;
    assert_eq!(plain.wants_stream(), None);
    assert_eq!(plain.stream(&model).await.unwrap_err().code(), "STREAM_NOT_ASKED");
    // Closing the agent ends both ends of its streams.
    model.close().await.unwrap();
    assert_eq!(answer.send("a").await.unwrap_err().code(), "AGENT_CLOSED");
    asker.close().await.unwrap();
    let mut stream = stream;
    assert_eq!(stream.next().await.unwrap().unwrap_err().code(), "AGENT_CLOSED");
    assert!(stream.next().await.is_none());
    world.end([]).await;
}

#[tokio::test]
async fn silence_is_reported_and_ends_nothing() {
    let world = World::new().await;
    let (asker, model) = (world.agent().await, world.agent().await);
    let idle_timeout = std::time::Duration::from_millis(300);
    let options = StreamOptions { idle_timeout, ..StreamOptions::default() };
    let mut stream = asker.stream(model.amid(), "1", options).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap_err().code(), "STREAM_IDLE");
    let mut answer = next_request(&model).await.stream(&model).await.unwrap();
    answer.send("late").await.unwrap();
    answer.finish().await.unwrap();
    let chunk = loop {
        match stream.next().await.unwrap() {
            Ok(chunk) => break chunk,
            Err(error) => assert_eq!(error.code(), "STREAM_IDLE"),
        }
    };
    assert_eq!(chunk.text(), "late");
    world.end([asker, model]).await;
}

#[tokio::test]
async fn request_that_fails_ends_its_stream() {
    let world = World::new().await;
    let asker = world.agent().await;
    let nobody = agentmesh_core::identity::Amid::from_bytes([9; 20]);
    let mut stream = asker.stream(nobody, "1", StreamOptions::default()).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap_err().code(), "SEND_UNKNOWN_RECIPIENT");
    assert!(stream.next().await.is_none());
    world.end([asker]).await;
}

#[tokio::test]
async fn example_of_the_guide_runs() {
    let world = World::new().await;
    let (registry, relay) = (world.server.registry_url(), world.server.relay_url());
    let answer = example::run(&registry, &relay).await.unwrap();
    assert_eq!(answer, "Streams arrive in order, each token once, whatever the network does.");
    world.end([]).await;
}
