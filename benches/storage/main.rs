//! Messages a second through the whole client: two agents with a store each, against a server in this process that
//! keeps what it has in memory, so that the agents' disks are what is measured.
//!
//! One by one, every message is on the disk before the next begins. Concurrently, the driver commits what comes
//! together. Beside each store stands what a bare commit to it costs, and what all the rest takes with a store in
//! memory. Without `--bench` everything runs once, for a moment.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench that cannot set its scene has to stop, and it talks to whoever started it"
)]

mod commit;
mod traffic;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use agentmesh_benches::{
    is_measuring,
    results::{Results, target_dir},
};
use agentmesh_core::storage::{
    Changes, Durability, FileStorage, MemoryStorage, Record, RecordId, RecordKind, SqliteStorage,
    Storage, StorageFuture,
};
use agentmesh_server::{Limits, Server, ServerConfig};

/// How long and how often.
#[derive(Debug, Clone, Copy)]
struct Plan {
    rounds: usize,
    each: Duration,
}

const FULL: Plan = Plan { rounds: 5, each: Duration::from_millis(1500) };
const QUICK: Plan = Plan { rounds: 1, each: Duration::from_millis(50) };

#[derive(Debug, Clone, Copy)]
enum Store {
    Memory,
    Sqlite,
    File,
}

impl Store {
    const ALL: [Self; 3] = [Self::Memory, Self::Sqlite, Self::File];

    const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::File => "file",
        }
    }

    fn open(self, dir: &Path) -> AnyStorage {
        match self {
            Self::Memory => AnyStorage(Box::new(MemoryStorage::new())),
            Self::Sqlite => {
                AnyStorage(Box::new(SqliteStorage::open(dir.join("agent.db")).unwrap()))
            }
            Self::File => AnyStorage(Box::new(FileStorage::open(dir.join("agent")).unwrap())),
        }
    }
}

/// A store of whichever kind.
#[derive(Debug)]
struct AnyStorage(Box<dyn Storage>);

impl Storage for AnyStorage {
    fn durability(&self) -> Durability {
        self.0.durability()
    }

    fn load<'a>(&'a self, ids: &'a [RecordId]) -> StorageFuture<'a, Vec<Option<Record>>> {
        self.0.load(ids)
    }

    fn list(
        &self,
        kind: RecordKind,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> StorageFuture<'_, Vec<Record>> {
        self.0.list(kind, after, limit)
    }

    fn commit(&self, changes: Changes) -> StorageFuture<'_, ()> {
        self.0.commit(changes)
    }

    fn close(&self) -> StorageFuture<'_, ()> {
        self.0.close()
    }
}

fn main() {
    let quick = !is_measuring();
    let plan = if quick { QUICK } else { FULL };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let results = runtime.block_on(run(plan));
    if quick {
        println!("everything ran");
        return;
    }
    results.print();
    results.save("storage").unwrap();
}

async fn run(plan: Plan) -> Results {
    let mut results = Results::default();
    let root = target_dir().join("bench");
    std::fs::create_dir_all(&root).unwrap();
    for round in 0..plan.rounds {
        println!("round {} of {}", round + 1, plan.rounds);
        for store in Store::ALL {
            let dir = tempfile::tempdir_in(&root).unwrap();
            let mut scene = Scene { store, dir: dir.path(), plan, results: &mut results };
            commit::run(&mut scene).await;
            traffic::run(&mut scene).await;
        }
    }
    results
}

/// One store in one round.
struct Scene<'a> {
    store: Store,
    dir: &'a Path,
    plan: Plan,
    results: &'a mut Results,
}

impl Scene<'_> {
    fn add(&mut self, group: &str, count: usize, start: Instant) {
        #[expect(clippy::cast_precision_loss, reason = "a count")]
        let rate = count as f64 / start.elapsed().as_secs_f64();
        self.results.add(group, self.store.name(), rate);
    }
}

async fn server() -> Server {
    let limits = Limits { pending_per_agent: 0, stored_messages: 0, ..Limits::for_development() };
    Server::start(ServerConfig { limits, ..ServerConfig::for_development() }).await.unwrap()
}
