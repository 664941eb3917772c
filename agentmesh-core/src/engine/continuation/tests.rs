use proptest::prelude::*;

use super::*;
use crate::{
    engine::{StoredIdentity, tests::peer},
    identity::Identity,
    storage::MemoryStorage,
    test_utils::{block_on, mesh::START, seeded_rng},
    vault::StoreKey,
};

fn vault() -> Vault {
    Vault::new(&StoreKey::from_bytes([7; 32]))
}

/// Two peers: one that was written to only, and one whose key is known.
fn continuation() -> Continuation {
    let key = *Identity::generate(START, &mut seeded_rng(1)).signing_key();
    let pinned = |amid, identity, suite_pin| PinnedPeer {
        amid,
        identity,
        suite_pin,
        newest_bundle: Timestamp::from_millis(7),
        next_seq: 9,
    };
    let counters = Counters { ids: [2, 3, 101, 21], bundle_created_at: Timestamp::from_millis(5) };
    let peers = vec![pinned(peer(3), None, 0), pinned(Amid::of(&key), Some(key), 3)];
    Continuation { counters, peers }
}

#[test]
fn survives_a_round_trip_and_refuses_what_is_cut() {
    let good = continuation();
    assert_eq!(good.peers(), 2);
    let bytes = good.to_bytes();
    assert_eq!(Continuation::from_bytes(&bytes).unwrap(), good);
    for end in 0..bytes.len() {
        assert!(Continuation::from_bytes(&bytes[..end]).is_err(), "{end}");
    }
    let newer = [&[2], &bytes[1..]].concat();
    assert!(matches!(
        Continuation::from_bytes(&newer),
        Err(CodecError::UnknownVersion { version: 2, .. })
    ));
}

#[test]
fn key_that_is_not_that_of_its_peer_is_refused() {
    let mut swapped = continuation();
    swapped.peers[1].amid = peer(4);
    let refused = Continuation::from_bytes(&swapped.to_bytes());
    assert_eq!(refused, Err(CodecError::InvalidValue { field: "identity" }));
}

#[test]
fn most_peers_that_there_can_be_are_read_and_no_more() {
    let one = continuation().peers.swap_remove(0);
    for (count, fits) in [(MAX_CONTINUATION_PEERS, true), (MAX_CONTINUATION_PEERS + 1, false)] {
        let many = Continuation { peers: vec![one.clone(); count], ..continuation() };
        assert_eq!(Continuation::from_bytes(&many.to_bytes()).is_ok(), fits, "{count}");
    }
}

#[test]
fn new_store_knows_whom_the_old_one_knew_and_numbers_go_on_above_a_gap() {
    let (storage, vault, rng) = (MemoryStorage::new(), vault(), &mut seeded_rng(2));
    let (from, identity) = (continuation(), Identity::generate(START, rng));
    let created = StoredIdentity::restore(&storage, &vault, identity, Some(&from), START, rng);
    block_on(created).unwrap();
    let read = block_on(Continuation::read(&storage, &vault)).unwrap();
    let by_amid = |peers: &[PinnedPeer]| {
        let mut peers = peers.to_vec();
        peers.sort_by_key(|p| p.amid);
        peers
    };
    let mut expected = by_amid(&from.peers);
    expected.iter_mut().for_each(|peer| peer.next_seq += 1_048_576);
    assert_eq!(by_amid(&read.peers), expected);
    // And no id of a prekey is used twice.
    assert!(read.counters.ids.iter().zip(from.counters.ids).all(|(new, old)| *new > old));
}

#[test]
fn peers_beyond_the_bound_are_left_out() {
    let (storage, vault, rng) = (MemoryStorage::new(), vault(), &mut seeded_rng(3));
    let one = continuation().peers.swap_remove(0);
    let peers = (0..5).map(|n| PinnedPeer { amid: peer(n), ..one.clone() }).collect();
    let mut changes = Changes::new();
    Continuation { peers, ..continuation() }.put_peers(&vault, rng, &mut changes).unwrap();
    block_on(storage.commit(changes)).unwrap();
    for (most, read) in [(0, 0), (3, 3), (5, 5), (9, 5)] {
        let peers = block_on(pinned_peers(&storage, &vault, most)).unwrap();
        assert_eq!(peers.len(), read, "at most {most}");
    }
}

proptest! {
    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Continuation::from_bytes(&bytes);
    }
}
