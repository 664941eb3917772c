//! The store in a bucket against an S3 server in a process of its own: the contract of all stores, and two processes that
//! want to write.

#![allow(clippy::disallowed_methods, reason = "tasks end with the runtime of their test")]

use std::{
    collections::{BTreeSet, HashSet},
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use agentmesh_core::{
    client::s3::{S3Config, S3Storage},
    engine::{DropReason, Event},
    storage::{
        CopyNames, MemoryStorage, RecordId, RecordKind, Storage, StorageError, StorageFuture,
        conformance::{Damage, Fixture},
        copy,
    },
    test_utils::{block_on, mesh::Mesh},
    wire::frame::NativeFrame,
};
use base64ct::{Base64, Encoding};
use futures_util::{StreamExt, future::join_all};
use object_store::{
    ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion, aws::AmazonS3Builder,
    path::Path,
};

const MESSAGES: usize = 1000;

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server, and its address.
fn server(args: &[&str]) -> (Process, String) {
    // It ends with its standard input, which this process holds: statics are never dropped.
    let mut child = Command::new(env!("CARGO_BIN_EXE_s3_server"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Process(child), line.trim().to_owned())
}

/// One server for all tests that do not mind each other.
pub(crate) fn shared() -> &'static str {
    static SERVER: OnceLock<(Process, String)> = OnceLock::new();
    &SERVER.get_or_init(|| server(&[])).1
}

pub(crate) fn config(endpoint: &str, prefix: &str) -> S3Config {
    S3Config::new("agents", prefix).endpoint(endpoint).region("us-east-1").credentials(
        "test-key",
        "test-secret",
        None,
    )
}

/// The bucket itself, behind the store's back.
pub(crate) fn bucket(endpoint: &str) -> Arc<dyn ObjectStore> {
    let builder = AmazonS3Builder::new()
        .with_bucket_name("agents")
        .with_endpoint(endpoint)
        .with_region("us-east-1")
        .with_access_key_id("test-key")
        .with_secret_access_key("test-secret")
        .with_allow_http(true);
    Arc::new(builder.build().unwrap())
}

pub(crate) fn fresh_prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test/{}", NEXT.fetch_add(1, Ordering::SeqCst))
}

/// Runs what needs tokio, outside of it.
fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(future)
}

struct InBucket(String);

impl InBucket {
    fn change(
        &self,
        holds: impl Fn(&str, &[u8]) -> bool,
        change: impl Fn(Vec<u8>) -> Option<Vec<u8>>,
    ) {
        run(async {
            let bucket = bucket(shared());
            let mut listed = bucket.list(Some(&Path::from(self.0.as_str())));
            while let Some(object) = listed.next().await {
                let key = object.unwrap().location;
                let bytes = bucket.get(&key).await.unwrap().bytes().await.unwrap();
                if holds(key.as_ref(), &bytes) {
                    match change(bytes.to_vec()) {
                        Some(bytes) => drop(bucket.put(&key, bytes.into()).await.unwrap()),
                        None => bucket.delete(&key).await.unwrap(),
                    }
                    return;
                }
            }
            panic!("no such object");
        });
    }
}

impl Fixture for InBucket {
    type Store = S3Storage;

    fn open(&self) -> StorageFuture<'_, S3Storage> {
        Box::pin(S3Storage::open(config(shared(), &self.0)))
    }

    fn damage(&self, _: RecordId, damage: Damage) -> bool {
        let at = |bytes: &[u8]| bytes.windows(200).position(|w| w == [0xab; 200]);
        self.change(
            |_, bytes| at(bytes).is_some(),
            |mut bytes| {
                let at = at(&bytes).unwrap();
                match damage {
                    Damage::Altered => bytes[at] ^= 1,
                    Damage::Truncated => bytes.truncate(at + 100),
                    _ => return None,
                }
                Some(bytes)
            },
        );
        true
    }

    fn make_foreign(&self) -> bool {
        self.change(
            |key, _| key.ends_with("/head"),
            |mut bytes| {
                bytes[11] += 1;
                Some(bytes)
            },
        );
        true
    }
}

/// What all stores must do.
mod contract {
    use super::*;

    agentmesh_core::storage_conformance_tests!(InBucket(fresh_prefix()));
}

/// Before anything is concluded from this server: of a thousand that race, it lets exactly one win.
#[test]
fn the_server_lets_exactly_one_of_a_thousand_racing_puts_win() {
    run(async {
        let bucket = bucket(shared());
        let key = Path::from(fresh_prefix());
        let race = |mode: PutMode, round: usize| {
            let puts = (0..1000).map(|n| {
                let (bucket, key, mode) = (Arc::clone(&bucket), key.clone(), mode.clone());
                let text = format!("{round} {n}");
                tokio::spawn(async move {
                    bucket.put_opts(&key, text.into(), PutOptions::from(mode)).await
                })
            });
            join_all(puts.collect::<Vec<_>>())
        };
        let mut mode = PutMode::Create;
        for round in 0..3 {
            let results = race(mode, round).await;
            let won: Vec<_> = results.into_iter().filter_map(|put| put.unwrap().ok()).collect();
            assert_eq!(won.len(), 1, "round {round}");
            let now = bucket.head(&key).await.unwrap();
            assert_eq!(won[0].e_tag, now.e_tag);
            mode = PutMode::Update(UpdateVersion { e_tag: now.e_tag, version: None });
        }
    });
}

#[test]
fn a_server_that_ignores_conditions_is_refused() {
    let (_server, endpoint) = server(&["careless"]);
    let refused = block_on(S3Storage::open(config(&endpoint, "x"))).unwrap_err();
    assert!(matches!(refused, StorageError::NoConditionalWrites { .. }), "{refused}");
}

#[test]
fn errors_of_the_service_show_no_credentials() {
    let wrong = S3Config::new("agents", "x").endpoint(shared()).region("us-east-1").credentials(
        "test-key",
        "not-the-secret",
        Some("a-token"),
    );
    let refused = block_on(S3Storage::open(wrong)).unwrap_err();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = config(&format!("http://{free}"), "x");
    let unreachable = block_on(S3Storage::open(nobody)).unwrap_err();
    assert!(matches!(unreachable, StorageError::Unreachable { .. }), "{unreachable}");
    let elsewhere = config(shared(), "x");
    let no_bucket = S3Config::new("no-such-bucket", "x")
        .endpoint(shared())
        .region("us-east-1")
        .credentials("test-key", "test-secret", None);
    let missing = block_on(S3Storage::open(no_bucket)).unwrap_err();
    for error in [&refused, &unreachable, &missing] {
        let text = format!("{error} {error:?} {elsewhere:?}");
        for secret in ["test-secret", "not-the-secret", "a-token", "test-key"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

struct Racer {
    process: Process,
    stdin: ChildStdin,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Racer {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_s3_racer"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { process: Process(child), stdin, lines: BufReader::new(stdout).lines() }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("another line").unwrap()
    }

    fn ask(&mut self, text: &str) -> String {
        writeln!(self.stdin, "{text}").unwrap();
        self.line()
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.process.0.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }
}

/// Two processes with one identity and one session, no lock between them: each commit has one winner, every message
/// key is used once, and the recipient reads all of them.
#[test]
fn two_processes_race_for_a_thousand_messages_and_no_ratchet_forks() {
    let mut mesh = Mesh::new(2, 77);
    mesh.send(0, 1, "hello").unwrap();
    mesh.run();
    mesh.send(1, 0, "hello back").unwrap();
    mesh.run();
    let before = mesh.handled(1).len();
    let (sender, recipient) = (mesh.amid(0), mesh.amid(1));
    let prefix = fresh_prefix();
    let in_bucket = block_on(S3Storage::open(config(shared(), &prefix))).unwrap();
    let names = CopyNames { from: "memory", to: "bucket", now: mesh.now };
    block_on(copy(&mesh.nodes[0].storage, &in_bucket, names, &mut |_| {})).unwrap();
    block_on(in_bucket.close()).unwrap();

    let (to, half) = (recipient.to_string(), (MESSAGES / 2).to_string());
    let time = mesh.now.as_millis().to_string();
    let racers: Vec<_> =
        (0..2).map(|_| Racer::start(&[shared(), &prefix, &to, &half, &time])).collect();
    let said = racers.into_iter().map(|racer| {
        std::thread::spawn(move || {
            let Racer { process, stdin, lines } = racer;
            drop(stdin);
            let said: Vec<_> = lines.map(Result::unwrap).collect();
            drop(process);
            said
        })
    });
    let said: Vec<_> = said.collect::<Vec<_>>().into_iter().map(|t| t.join().unwrap()).collect();
    // Frames whose acknowledgement was not written are sent again, byte for byte.
    let (mut frames, mut lost) = (BTreeSet::new(), 0);
    for line in said.into_iter().flatten() {
        match line.strip_prefix("lost ") {
            Some(n) => lost += n.parse::<u32>().unwrap(),
            None => {
                frames.insert(Base64::decode_vec(&line).unwrap());
            }
        }
    }
    // And receipts for what came before the race.
    assert!(frames.len() >= MESSAGES);
    assert!(lost > 0, "they never met");
    // Session, ratchet key and number: no two frames were encrypted with the same key.
    let header = |frame: &Vec<u8>| match NativeFrame::parse(frame.clone()).unwrap() {
        NativeFrame::Message(message) => message.body()[..42].to_vec(),
        other => panic!("{other:?}"),
    };
    let used: HashSet<_> = frames.iter().map(header).collect();
    assert_eq!(used.len(), frames.len(), "a message key was used twice");
    // In the order of their numbers, the last four bytes.
    let mut frames = Vec::from_iter(frames);
    frames.sort_by_key(|frame| header(frame)[38..].to_vec());
    let receipts = frames.len() - MESSAGES;
    for frame in frames {
        mesh.inject(1, sender, None, frame);
    }
    while mesh.handle_next(1) {}
    assert_eq!(mesh.handled(1).len() - before, MESSAGES, "all are read, none twice");
    // A receipt from before the race may have been sent again, byte for byte. What a fork leaves behind is anything but a
    // duplicate: another frame under a number that was used.
    let dropped = mesh.nodes[1].events.iter().filter_map(|event| match event {
        Event::FrameDropped { reason, .. } => Some(*reason),
        _ => None,
    });
    let dropped: Vec<_> = dropped.collect();
    assert!(dropped.iter().all(|reason| *reason == DropReason::Duplicate), "{dropped:?}");
    assert!(dropped.len() <= receipts, "{dropped:?}");
}

/// A process that is stopped through the end of its lease finds the store taken, and stays shut out after it wakes.
#[test]
fn a_stopped_process_loses_its_lease_and_can_not_commit_when_it_wakes() {
    let prefix = fresh_prefix();
    let mut first = Racer::start(&[shared(), &prefix, "lease"]);
    assert_eq!(first.line(), "open");
    assert_eq!(first.ask("one"), "committed");
    let mut second = Racer::start(&[shared(), &prefix, "lease"]);
    let locked = second.line();
    assert!(locked.starts_with("STORAGE_LOCKED: "), "{locked}");
    let pid = format!("process {} on ", first.process.0.id());
    assert!(locked.contains(&pid) && locked.contains(" since "), "{locked}");
    first.signal("-STOP");
    assert_eq!(second.line(), "open", "once the lease has ended");
    assert_eq!(second.ask("two"), "committed");
    first.signal("-CONT");
    let lost = first.ask("three");
    assert!(lost.starts_with("STORAGE_LEASE_LOST: "), "{lost}");
    assert!(lost.contains(&format!("process {}", second.process.0.id())), "{lost}");
    assert_eq!(second.ask("four"), "committed");
    drop(first);
    // Killed, not closed: the next one waits for the lease to end.
    drop(second);
    let third = config(shared(), &prefix).patience(std::time::Duration::from_secs(60));
    let third = block_on(S3Storage::open(third)).unwrap();
    let id = RecordId::new(RecordKind::Meta, [1; 16]);
    let found = block_on(third.load(&[id])).unwrap().remove(0).unwrap();
    assert_eq!((found.version, &found.sealed[..]), (3, &b"four"[..]));
}

/// Everything moves from a store in memory into the bucket and back out of it.
#[test]
fn a_store_moves_into_a_bucket_and_out_again() {
    let mut mesh = Mesh::new(2, 78);
    mesh.send(0, 1, "hello").unwrap();
    mesh.run();
    let (prefix, back) = (fresh_prefix(), MemoryStorage::new());
    let in_bucket = block_on(S3Storage::open(config(shared(), &prefix))).unwrap();
    let now = mesh.now;
    let names = |from, to| CopyNames { from, to, now };
    let there = names("memory", "bucket");
    let sent = block_on(copy(&mesh.nodes[0].storage, &in_bucket, there, &mut |_| {})).unwrap();
    let home = names("bucket", "memory again");
    let returned = block_on(copy(&in_bucket, &back, home, &mut |_| {})).unwrap();
    assert_eq!((sent.copied, sent.bytes), (returned.copied, returned.bytes));
    mesh.reopen(0, back);
    mesh.connect(0);
    let id = mesh.send(0, 1, "from the store that travelled").unwrap();
    mesh.run();
    assert!(mesh.handled(1).contains(&id));
}
