//! Two agents talk, lose messages, restart and change their keys. They do so twice, the same each time: first every key
//! that they ever have is noted, then everything that they free is searched for it.

use agentmesh_core::{
    codec::{CodecError, Reader},
    hazmat,
    identity::Identity,
    keys::kdf::{hkdf_sha256, hmac_sha256},
    prekeys::PreKeys,
    storage::{Record, RecordKind, Storage},
    test_utils::{
        block_on,
        mesh::{Mesh, Node},
    },
    vault::{StoreKey, Vault},
};
use agentmesh_zeroization::Watch;

use super::nothing_left;

/// The key of all stores of the mesh.
const STORE_KEY: [u8; 32] = [7; 32];
/// Prekeys have numbers from 1 on, or far beyond after a store was lost; those of later pools are not noted.
const PREKEYS: u32 = 400;

type Keys = Vec<Vec<u8>>;

/// A record's keys, as the vault makes them.
fn vault_keys(record: &Record, keys: &mut Keys) {
    let part = |info: &[u8]| hkdf_sha256::<32>(b"agentmesh/0.3 store", &[&STORE_KEY], &[info]);
    let (id, seal) = (part(b"record id"), part(b"record seal"));
    let Record { id: name, version, sealed } = record;
    let (version, salt) = (version.to_be_bytes(), &sealed[1..17]);
    let of_record =
        hmac_sha256(seal.as_bytes(), &[&[name.kind.as_u8()], &name.key, &version, salt]);
    keys.extend([id, seal, of_record].map(|key| key.as_bytes().to_vec()));
}

fn prekeys(plain: &[u8], keys: &mut Keys) {
    let prekeys = PreKeys::from_record(plain).unwrap();
    for triple in prekeys.signed_ids().filter_map(|id| prekeys.signed(id)) {
        keys.push(hazmat::dh_secret(triple.key()).as_bytes().to_vec());
        keys.push(hazmat::dh_secret(triple.exchange()).as_bytes().to_vec());
        keys.extend(triple.kem().map(|(_, key)| hazmat::kem_seed(key).as_bytes().to_vec()));
    }
    for id in 1..PREKEYS {
        keys.extend(prekeys.one_time(id).map(|key| hazmat::dh_secret(key).as_bytes().to_vec()));
        keys.extend(prekeys.one_time_kem(id).map(|key| hazmat::kem_seed(key).as_bytes().to_vec()));
    }
}

/// A chain key, the next one, and the key of the message between them.
fn chain(key: &[u8], keys: &mut Keys) {
    let step = |n| hmac_sha256(key, &[&[n]]).as_bytes().to_vec();
    keys.extend([key.to_vec(), step(1), step(2)]);
}

/// What `docs/protocol/state.md` says of a session's record, up to its keys.
fn session(plain: &[u8], keys: &mut Keys) -> Result<(), CodecError> {
    let mut r = Reader::new(plain);
    r.bytes(1 + 16 + 20 + 1 + 4 + 8 + 16 + 1 + 1, "before the end")?;
    r.option("end", |r| r.u64("end"))?;
    if !r.bool("session")? {
        return Ok(());
    }
    r.bytes(1 + 1 + 16 + 32 + 8, "before the ratchet")?;
    keys.push(r.bytes(32, "root key")?.to_vec());
    r.option("turn", |r| {
        keys.push(r.bytes(32, "ratchet key")?.to_vec());
        r.bytes(32, "public")?;
        chain(r.bytes(32, "sending chain")?, keys);
        r.u32("n")
    })?;
    r.u32("previous chain")?;
    r.option("receiving chain", |r| {
        r.bytes(32, "public")?;
        chain(r.bytes(32, "receiving chain")?, keys);
        r.u32("n")
    })?;
    for _ in 0..r.u32("runs")? {
        r.bytes(32 + 8, "run")?;
        for _ in 0..r.u32("skipped")? {
            r.u32("n")?;
            keys.push(r.bytes(32, "skipped key")?.to_vec());
        }
    }
    Ok(())
}

/// Every key in an agent's store.
fn keys_of(node: &Node, keys: &mut Keys) {
    let vault = Vault::new(&StoreKey::from_bytes(STORE_KEY));
    for kind in [RecordKind::Identity, RecordKind::Prekeys, RecordKind::Session] {
        for record in block_on(node.storage.list(kind, None, 100)).unwrap() {
            vault_keys(&record, keys);
            let plain = vault.open(&record).unwrap();
            match kind {
                RecordKind::Prekeys => prekeys(&plain, keys),
                RecordKind::Session => session(&plain, keys).unwrap(),
                _ => {
                    let identity = Identity::from_record(&plain).unwrap();
                    let (seed, exchange) = hazmat::identity_keys(&identity);
                    keys.extend([seed, exchange].map(|key| key.as_bytes().to_vec()));
                }
            }
        }
    }
}

/// `look` sees the mesh after every step.
fn conversation(mut look: impl FnMut(&Mesh)) -> Mesh {
    let mut mesh = Mesh::new(0, 21);
    // A node holds its generator, whose state is what keys are made of: nodes stay where they are.
    mesh.nodes.reserve(2);
    for _ in 0..2 {
        mesh.add(agentmesh_core::engine::EngineConfig::default());
        look(&mesh);
    }
    let mut turn = |mesh: &mut Mesh, from: usize, text: &str| {
        mesh.send(from, 1 - from, text).unwrap();
        look(mesh);
        while mesh.deliver_next(1 - from) || mesh.handle_next(1 - from) {
            look(mesh);
        }
    };
    for round in 0..3 {
        turn(&mut mesh, 0, &format!("there {round}"));
        turn(&mut mesh, 1, &format!("and back {round}"));
    }
    // Three that are overtaken by a fourth: keys are kept for them.
    mesh.disconnect(1);
    for n in 0..4 {
        mesh.send(0, 1, &format!("late {n}")).unwrap();
    }
    let amid = mesh.amid(1);
    mesh.relay.get_mut(&amid).unwrap().make_contiguous().reverse();
    mesh.connect(1);
    turn(&mut mesh, 1, "after all of them");
    // Another process, and a week: other prekeys.
    mesh.restart(0);
    mesh.connect(0);
    turn(&mut mesh, 0, "back again");
    mesh.advance(8 * 24 * 3_600_000);
    turn(&mut mesh, 1, "a week later");
    // The other side lost its store, and a new session begins.
    mesh.lose_store(1);
    mesh.connect(1);
    mesh.run();
    turn(&mut mesh, 0, "who are you?");
    mesh.run();
    turn(&mut mesh, 1, "the same");
    look(&mesh);
    mesh
}

#[test]
fn agents_leave_no_keys_behind() {
    let mut keys = Keys::new();
    let first = conversation(|mesh| mesh.nodes.iter().for_each(|node| keys_of(node, &mut keys)));
    keys.sort_unstable();
    keys.dedup();
    // Their prekeys, and what a conversation makes.
    assert!(keys.len() > 400, "{} keys", keys.len());
    let mut second = None;
    let seen = Watch::armed(&keys, || {
        let mut mesh = conversation(|_| {});
        // Engines go; nodes, which are fixtures and hold their generators, stay until nobody looks.
        let nodes = core::mem::take(&mut mesh.nodes);
        let fixtures: Vec<_> = nodes.into_iter().map(|Node { engine, .. }| drop(engine)).collect();
        drop(fixtures);
        second = Some(mesh);
    });
    let frames = |mesh: &Mesh| mesh.wiretap.clone();
    assert_eq!(frames(&first), frames(&second.unwrap()), "not the same conversation");
    nothing_left("two agents", seen);
}
