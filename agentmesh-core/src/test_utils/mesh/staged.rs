//! Two agents that were made before. Making prekeys costs more than most of what is done with them, and reading them again,
//! at each start, is most of what a start costs.

use std::{
    collections::BTreeMap,
    sync::{Mutex, OnceLock},
};

use super::{
    Mesh, Node, Published, START,
    opening::{Origin, open_node},
    snapshot,
};
use crate::{
    engine::EngineConfig,
    identity::{Amid, Identity},
    limits::{ONE_TIME_KEM_PREKEYS_LOW, ONE_TIME_PREKEYS_LOW},
    storage::{MemoryStorage, Storage},
    test_utils::{block_on, seeded_rng},
};

/// An agent that has published its prekeys and knows nobody.
#[derive(Debug)]
struct Staged {
    amid: Amid,
    identity: String,
    storage: MemoryStorage,
    published: Published,
}

fn stage() -> &'static [Staged] {
    static STAGE: OnceLock<Vec<Staged>> = OnceLock::new();
    STAGE.get_or_init(|| {
        let mut mesh = Mesh::new(0, 0);
        for number in 0..2 {
            let mut rng = seeded_rng(number);
            let identity = Identity::generate(START, &mut rng);
            mesh.nodes.push(made(Origin::New(identity), number));
        }
        (0..2).map(|number| staged(&mut mesh, number)).collect()
    })
}

fn staged(mesh: &mut Mesh, number: usize) -> Staged {
    mesh.connect(number);
    let (amid, node) = (mesh.amid(number), &mesh.nodes[number]);
    let identity = node.engine.identity().to_json().to_string();
    Staged {
        amid,
        identity,
        storage: node.storage.clone(),
        published: mesh.registry[&amid].clone(),
    }
}

/// With few prekeys more than those below which new ones are made.
fn made(origin: Origin, seed: u64) -> Node {
    let config = EngineConfig::default();
    let mut node = open_node(MemoryStorage::new(), origin, config, START, seeded_rng(seed));
    let made = node.engine.publication();
    node.engine.change_prekeys(|prekeys| {
        for key in made.one_time.iter().skip(ONE_TIME_PREKEYS_LOW + 10) {
            prekeys.consume(key.id, 0);
        }
        for key in made.one_time_kem.iter().skip(ONE_TIME_KEM_PREKEYS_LOW + 2) {
            prekeys.consume(0, key.id);
        }
    });
    let changes = node.engine.finish(true, &mut node.rng).unwrap().changes;
    block_on(node.storage.commit(changes)).unwrap();
    node
}

/// What an agent has after it lost its store so many times: its identity, and prekeys that nobody knows.
fn restored(which: usize, times: usize) -> MemoryStorage {
    static RESTORED: Mutex<BTreeMap<(usize, usize), MemoryStorage>> = Mutex::new(BTreeMap::new());
    let mut restored = RESTORED.lock().unwrap();
    let storage = restored.entry((which, times)).or_insert_with(|| {
        let backup = Identity::from_json(&stage()[which].identity).unwrap();
        made(Origin::Backup(backup), (2 + 2 * times + which) as u64).storage
    });
    snapshot(storage).unwrap()
}

impl Mesh {
    /// Two agents as [`new`](Self::new) has them, but the same ones each time. The seed says which of them is the first, and
    /// is that of all keys that they make from now on.
    pub fn staged(seed: u64) -> Self {
        let mut mesh = Self { losses: Some([0; 2]), ..Self::new(0, seed) };
        for number in 0..2 {
            let staged = &stage()[mesh.staged_as(number)];
            let rng = seeded_rng(seed.wrapping_mul(1000) + number as u64);
            let storage = snapshot(&staged.storage).unwrap();
            mesh.registry.insert(staged.amid, staged.published.clone());
            mesh.nodes.push(open_node(storage, Origin::Store, EngineConfig::default(), START, rng));
            mesh.connect(number);
        }
        mesh
    }

    const fn staged_as(&self, number: usize) -> usize {
        (number ^ self.seed as usize) & 1
    }

    /// The store of an agent that lost its own, if that was made before.
    pub(super) fn restored(&mut self, number: usize) -> Option<MemoryStorage> {
        let which = self.staged_as(number);
        let losses = &mut self.losses.as_mut()?[number];
        *losses += 1;
        Some(restored(which, *losses))
    }
}
