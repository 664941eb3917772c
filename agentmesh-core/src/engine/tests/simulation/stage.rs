//! The agents as every schedule begins with them. Making their prekeys costs more than a schedule, so it is done once.

use std::sync::OnceLock;

use super::disk::Disk;
use crate::{
    engine::{EngineConfig, Input},
    identity::{Amid, Identity},
    limits::{ONE_TIME_KEM_PREKEYS_LOW, ONE_TIME_PREKEYS_LOW},
    storage::Storage,
    test_utils::{
        block_on,
        mesh::{
            Published, START,
            opening::{Origin, open_engine},
        },
        seeded_rng,
    },
};

/// An agent that has published its prekeys and knows nobody.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) amid: Amid,
    pub(super) identity: String,
    pub(super) disk: Disk,
    pub(super) published: Published,
}

/// Three of them.
pub(super) fn staged() -> &'static [Staged] {
    static STAGE: OnceLock<Vec<Staged>> = OnceLock::new();
    STAGE.get_or_init(|| (0..3).map(stage).collect())
}

fn stage(number: u64) -> Staged {
    let mut rng = seeded_rng(number);
    let identity = Identity::generate(START, &mut rng);
    let disk = Disk::default();
    let json = identity.to_json().to_string();
    let origin = Origin::New(identity);
    let mut engine = open_engine(&disk, origin, EngineConfig::default(), START, &mut rng);
    let mut published = Published::empty(*engine.identity().signing_key());
    let (receipt, stock) = published.take_in(engine.publication());
    let input = Input::PrekeysPublished { receipt, stock: Some(stock) };
    engine.handle(input, START, &mut rng).unwrap();
    // Most of the time goes into expanding ML-KEM keys: no more of them than are needed for none to be made.
    while published.one_time_kem.len() > ONE_TIME_KEM_PREKEYS_LOW + 2 {
        let spent = published.one_time_kem.pop_back().unwrap();
        engine.change_prekeys(|prekeys| prekeys.consume(0, spent.id));
    }
    while published.one_time.len() > ONE_TIME_PREKEYS_LOW + 10 {
        let spent = published.one_time.pop_back().unwrap();
        engine.change_prekeys(|prekeys| prekeys.consume(spent.id, 0));
    }
    let changes = engine.finish(true, &mut rng).unwrap().changes;
    block_on(disk.commit(changes)).unwrap();
    Staged { amid: engine.identity().amid(), identity: json, disk: disk.copy(), published }
}
