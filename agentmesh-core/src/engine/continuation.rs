//! What an identity needs to go on in another store: where its counters are, and whom it has pinned.
//!
//! ```text
//! version u8 = 1 | next SPK, KPK, OPK, KOPK id 4 × u32 | bundle created_at_ms u64
//! | count u32 | peer: amid 20 | option(identity key 32) | suite pin u8 | newest bundle_ms u64 | next seq u64
//! ```
//!
//! No session is in it, so no ratchet can fork: peers open new ones. Numbers go on above a gap, because the old store may
//! have used more after the backup was made.

use core::num::NonZeroUsize;

use rand_core::CryptoRng;

use super::{LoadError, own_records::load_prekeys, records::Peer, table::Stored};
use crate::{
    codec::{CodecError, Reader, Write},
    identity::Amid,
    keys::VerifyingKey,
    limits::MAX_CONTINUATION_PEERS,
    prekeys::{Counters, PreKeys},
    storage::{Changes, RecordKind, Storage},
    time::Timestamp,
    vault::{Vault, VaultError},
};

const VERSION: u8 = 1;
/// Messages to one peer that the old store may have sent after the backup.
const SEQUENCE_GAP: u64 = 1 << 20;
const PAGE: usize = 256;

/// See the module. Holds no secret, but says whom the agent talks to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continuation {
    pub(super) counters: Counters,
    peers: Vec<PinnedPeer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct PinnedPeer {
    amid: Amid,
    identity: Option<VerifyingKey>,
    suite_pin: u8,
    newest_bundle: Timestamp,
    next_seq: u64,
}

impl Continuation {
    /// Reads it out of a store.
    ///
    /// Peers beyond [`MAX_CONTINUATION_PEERS`] are left out: they are met anew, as for the first time.
    ///
    /// # Errors
    /// [`LoadError`]
    pub async fn read(storage: &dyn Storage, vault: &Vault) -> Result<Self, LoadError> {
        let prekeys = load_prekeys(storage, vault).await?;
        let counters = prekeys.map_or_else(Counters::default, |(prekeys, _)| prekeys.counters());
        let peers = pinned_peers(storage, vault, MAX_CONTINUATION_PEERS).await?;
        Ok(Self { counters, peers })
    }

    /// How many peers it knows.
    pub const fn peers(&self) -> usize {
        self.peers.len()
    }

    /// The form that a backup carries.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Counters { ids, bundle_created_at } = self.counters;
        let mut out = Vec::with_capacity(64 + 86 * self.peers.len());
        out.put_u8(VERSION);
        ids.into_iter().for_each(|id| out.put_u32(id));
        out.put_u64(bundle_created_at.as_millis());
        out.put_count(self.peers.len());
        for peer in &self.peers {
            out.put(peer.amid.as_bytes());
            out.put_option(peer.identity, |out, key| out.put(key.as_bytes()));
            out.put_u8(peer.suite_pin);
            out.put_u64(peer.newest_bundle.as_millis());
            out.put_u64(peer.next_seq);
        }
        out
    }

    /// Reads what [`Continuation::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`CodecError`]
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes);
        let version = r.u8("version")?;
        if version != VERSION {
            return Err(CodecError::UnknownVersion { what: "continuation", version });
        }
        let mut ids = [0; 4];
        for id in &mut ids {
            *id = r.u32("next id")?;
        }
        let bundle_created_at = r.timestamp("bundle created_at")?;
        let mut peers = Vec::new();
        for _ in 0..r.count(MAX_CONTINUATION_PEERS, "peers")? {
            let amid = Amid::from_bytes(r.array("amid")?);
            let identity = r.option("identity", |r| {
                VerifyingKey::from_bytes(r.array("identity")?)
                    .ok()
                    .filter(|key| Amid::of(key) == amid)
                    .ok_or(CodecError::InvalidValue { field: "identity" })
            })?;
            peers.push(PinnedPeer {
                amid,
                identity,
                suite_pin: r.u8("suite pin")?,
                newest_bundle: r.timestamp("newest bundle")?,
                next_seq: r.u64("next seq")?,
            });
        }
        r.finish("continuation")?;
        Ok(Self { counters: Counters { ids, bundle_created_at }, peers })
    }

    /// Writes the peers' records into a batch for an empty store.
    pub(super) fn put_peers(
        &self,
        vault: &Vault,
        rng: &mut dyn CryptoRng,
        changes: &mut Changes,
    ) -> Result<(), VaultError> {
        for pinned in &self.peers {
            let mut peer = Peer::new(pinned.amid);
            peer.identity = pinned.identity;
            peer.suite_pin = pinned.suite_pin;
            peer.newest_bundle = pinned.newest_bundle;
            peer.next_seq = pinned.next_seq.saturating_add(SEQUENCE_GAP);
            let id = vault.record_id(RecordKind::Peer, &Peer::logical(&pinned.amid));
            let sealed = vault.seal_with(id, 1, rng, |out| peer.encode(out))?;
            changes.put(id, 0, sealed);
        }
        Ok(())
    }

    /// The first prekeys of the identity in its new store.
    pub(super) fn prekeys(
        &self,
        identity: &crate::identity::Identity,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> PreKeys {
        PreKeys::continue_after(&self.counters, identity, now, rng)
    }
}

/// What the store knows of its peers, of `most` of them.
async fn pinned_peers(
    storage: &dyn Storage,
    vault: &Vault,
    most: usize,
) -> Result<Vec<PinnedPeer>, LoadError> {
    let mut peers = Vec::new();
    let mut after = None;
    while let Some(room) = NonZeroUsize::new(most.saturating_sub(peers.len())) {
        let page = storage.list(RecordKind::Peer, after, PAGE.min(room.get())).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id.key);
        for record in &page {
            let plain = vault.open(record)?;
            let peer =
                Peer::decode(&plain).map_err(|source| LoadError::undecodable(record.id, source))?;
            peers.push(PinnedPeer {
                amid: peer.amid,
                identity: peer.identity,
                suite_pin: peer.suite_pin,
                newest_bundle: peer.newest_bundle,
                next_seq: peer.next_seq,
            });
        }
    }
    Ok(peers)
}

#[cfg(test)]
mod tests;
