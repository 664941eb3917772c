//! One of two processes that send with the same identity out of the same bucket, as fast as they can.
//!
//! `s3_racer ENDPOINT PREFIX RECIPIENT COUNT TIME` commits COUNT messages without a lease, so that only the versions stand between
//! the two; each committed frame goes to standard output in base64, and at the end how many commits were lost.
//!
//! `s3_racer ENDPOINT PREFIX lease` takes the lease, says so, and for each line on standard input commits something and says
//! how that went.

#![allow(clippy::print_stdout, reason = "standard output is its interface")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test program: failing loudly is its job"
)]

use std::{io::BufRead, time::Duration};

use agentmesh_core::{
    ErrorInfo, Timestamp,
    client::s3::{S3Config, S3Storage, Sharing},
    engine::{Engine, EngineConfig, Input, NewMessage, Outgoing, Step, StoredIdentity},
    identity::Amid,
    rng::SystemRng,
    storage::{Changes, RecordId, RecordKind, Storage, StorageError},
    vault::{StoreKey, Vault},
    wire::{
        id::MessageId,
        plaintext::{Headers, MessageType, Payload},
    },
};
use base64ct::{Base64, Encoding};

/// That of `Mesh`, which made the state.
fn vault() -> Vault {
    Vault::new(&StoreKey::from_bytes([7; 32]))
}

fn config(endpoint: &str, prefix: &str) -> S3Config {
    S3Config::new("agents", prefix).endpoint(endpoint).region("us-east-1").credentials(
        "test-key",
        "test-secret",
        None,
    )
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [endpoint, prefix, "lease"] => hold(config(endpoint, prefix)).await,
        [endpoint, prefix, to, count, time] => {
            let now = Timestamp::from_millis(time.parse().unwrap());
            race(config(endpoint, prefix), to.parse().unwrap(), count.parse().unwrap(), now).await;
        }
        _ => panic!("see its documentation"),
    }
}

/// An engine and the store that it reads.
struct Racer {
    storage: S3Storage,
    engine: Engine,
    /// The time of the mesh that made the state; it stands still.
    now: Timestamp,
}

impl Racer {
    /// What is in the store now.
    async fn load(storage: &S3Storage, now: Timestamp) -> Engine {
        let stored = StoredIdentity::find(storage, &vault()).await.unwrap().expect("an identity");
        let config = EngineConfig::default();
        let opened = Engine::open(storage, vault(), stored, config, now, &mut SystemRng).await;
        let mut engine = opened.unwrap();
        engine.resume(now);
        engine
    }

    async fn feed(&mut self, mut input: Input) {
        let now = self.now;
        while let Step::Load(needs, again) = self.engine.handle(input, now, &mut SystemRng).unwrap()
        {
            self.engine.fetch(&self.storage, needs).await.unwrap();
            input = again;
        }
    }

    async fn connect(&mut self) {
        self.feed(Input::Connected { acks: true }).await;
    }

    async fn send(&mut self, to: Amid, text: String) -> Result<Vec<Outgoing>, StorageError> {
        self.feed(Input::Send(NewMessage {
            id: MessageId::new_v7(self.now, &mut SystemRng),
            to,
            kind: MessageType::Message,
            in_reply_to: None,
            payload: Payload::Json(text),
            headers: Headers::NONE,
            knock_request: None,
            expires_in: None,
        }))
        .await;
        let outcome = self.engine.finish(true, &mut SystemRng).unwrap();
        self.storage.commit(outcome.changes).await?;
        Ok(outcome.outgoing)
    }
}

async fn race(config: S3Config, to: Amid, count: u32, now: Timestamp) {
    let storage = S3Storage::open(config.sharing(Sharing::Versions)).await.unwrap();
    let engine = Racer::load(&storage, now).await;
    let mut racer = Racer { storage, engine, now };
    racer.connect().await;
    let mut lost = 0;
    for n in 0..count {
        loop {
            match racer.send(to, n.to_string()).await {
                Ok(outgoing) => {
                    for Outgoing { frame, relay_id, .. } in outgoing {
                        println!("{}", Base64::encode_string(&frame));
                        // Written with the next message.
                        racer.feed(Input::RelayAcked(relay_id)).await;
                    }
                    break;
                }
                // What was computed is thrown away with the engine; nobody ever saw it.
                Err(StorageError::Conflict { .. }) => {
                    lost += 1;
                    racer.engine = Racer::load(&racer.storage, now).await;
                    racer.connect().await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    println!("lost {lost}");
    racer.storage.close().await.unwrap();
}

async fn hold(config: S3Config) {
    let config = config.sharing(Sharing::Lease(Duration::from_secs(2)));
    let storage = match S3Storage::open(config.clone()).await {
        Ok(storage) => storage,
        Err(error) => {
            println!("{}: {error}", error.code());
            S3Storage::open(config.patience(Duration::from_secs(120))).await.unwrap()
        }
    };
    println!("open");
    let id = RecordId::new(RecordKind::Meta, [1; 16]);
    for line in std::io::stdin().lock().lines() {
        let version = storage.load(&[id]).await.ok().and_then(|mut found| found.pop()?);
        let mut changes = Changes::new();
        changes.put(id, version.map_or(0, |record| record.version), line.unwrap().into_bytes());
        match storage.commit(changes).await {
            Ok(()) => println!("committed"),
            Err(error) => println!("{}: {error}", error.code()),
        }
    }
}
