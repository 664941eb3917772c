//! [`PrekeyManager`]: an identity's prekeys, for applications that publish them themselves.

use std::sync::Arc;

use super::{Bundle, ManagerError, SealedStore, store::Slot, turn::Turn};
use crate::{
    Error,
    codec::Write,
    engine::AgentPrekeys,
    identity::Identity,
    limits::ONE_TIME_PREKEYS_LOW,
    prekeys::{PreKeyError, PreKeys},
    storage::{Changes, StorageError},
};

/// Tries against others that write the same prekeys, for calls that may be repeated.
const TRIES: usize = 8;

/// The prekeys of one identity. A clone is the same manager.
///
/// Nothing is kept in memory: every call reads the store, and what it returned is on disk. State that cannot be read is an
/// error and is never replaced; prekeys that are simply not there get ids that were never used before.
///
/// An identity whose agent lives in the same store has one set of prekeys: this then is the agent's, which the agent uploads.
/// Do not use it while that agent runs.
#[derive(Debug, Clone)]
pub struct PrekeyManager(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    identity: Arc<Identity>,
    store: SealedStore,
    turn: Turn,
}

/// Where the prekeys are kept.
#[allow(clippy::large_enum_variant, reason = "lives for one call")]
enum Place {
    Managed(Slot<PreKeys>),
    Agent(AgentPrekeys),
}

/// Prekeys as loaded.
pub(super) struct Loaded {
    place: Place,
    pub(super) prekeys: PreKeys,
}

impl PrekeyManager {
    /// Manages the prekeys of `identity`. Touches nothing yet.
    pub fn new(identity: impl Into<Arc<Identity>>, store: &SealedStore) -> Self {
        let (identity, store) = (identity.into(), store.clone());
        Self(Arc::new(Inner { identity, store, turn: Turn::default() }))
    }

    /// The bundle to publish, with all unused one-time keys. Makes the first prekeys if there are none; otherwise rotates and
    /// replenishes what is due. Always signed, on the first call as on any later one.
    ///
    /// What it returns counts as published: replaced keys live 96 hours longer and are then deleted.
    ///
    /// # Errors
    /// [`ManagerError`] and [`Error::Storage`]. Prekeys that cannot be read are never made anew.
    pub async fn load_or_initialize(&self) -> Result<Bundle, Error> {
        self.change(true, |_| ()).await.map(|((), bundle)| bundle)
    }

    /// Fills up to `n` unused one-time keys, at most 500; the bundle then holds the new ones as well.
    ///
    /// # Errors
    /// [`ManagerError::NoPrekeys`] before [`load_or_initialize`](Self::load_or_initialize), and as there.
    pub async fn replenish_one_time_prekeys(&self, n: usize) -> Result<Bundle, Error> {
        let context = self.0.store.context();
        let fill = |prekeys: &mut PreKeys| context.with_rng(|rng| prekeys.fill_one_time(n, rng));
        self.change(false, |prekeys| {
            fill(prekeys);
        })
        .await
        .map(|((), bundle)| bundle)
    }

    /// Replaces the signed prekey before its seven days are over. The one before answers for 96 hours more.
    ///
    /// # Errors
    /// As [`replenish_one_time_prekeys`](Self::replenish_one_time_prekeys).
    pub async fn rotate_signed_prekey(&self) -> Result<Bundle, Error> {
        let Inner { identity, store, .. } = self.0.as_ref();
        let now = store.context().now();
        self.change(false, |prekeys| {
            store.context().with_rng(|rng| prekeys.rotate(identity, now, rng));
        })
        .await
        .map(|((), bundle)| bundle)
    }

    /// The bundle as it is, changing nothing.
    ///
    /// # Errors
    /// As [`replenish_one_time_prekeys`](Self::replenish_one_time_prekeys).
    pub async fn bundle(&self) -> Result<Bundle, Error> {
        let loaded = self.load().await?.ok_or(ManagerError::NoPrekeys)?;
        Ok(self.bundle_of(&loaded.prekeys))
    }

    /// How many one-time keys are unused.
    ///
    /// # Errors
    /// As [`bundle`](Self::bundle).
    pub async fn remaining(&self) -> Result<usize, Error> {
        Ok(self.load().await?.ok_or(ManagerError::NoPrekeys)?.prekeys.one_time_len())
    }

    /// Whether fewer than 20 are.
    ///
    /// # Errors
    /// As [`bundle`](Self::bundle).
    pub async fn needs_replenishment(&self) -> Result<bool, Error> {
        Ok(self.remaining().await? < ONE_TIME_PREKEYS_LOW)
    }

    /// Whose prekeys these are.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.0.identity
    }

    pub(super) fn store(&self) -> &SealedStore {
        &self.0.store
    }

    pub(super) fn turn(&self) -> &Turn {
        &self.0.turn
    }

    fn bundle_of(&self, prekeys: &PreKeys) -> Bundle {
        let Inner { identity, store, .. } = self.0.as_ref();
        let exchange = *prekeys.current().exchange().public_key();
        Bundle::new(exchange, prekeys.publication_of_all(identity), store.context().now())
    }

    /// Loads, changes, maintains, commits; again if somebody else committed meanwhile.
    async fn change<T>(
        &self,
        create: bool,
        change: impl Fn(&mut PreKeys) -> T,
    ) -> Result<(T, Bundle), Error> {
        let Inner { identity, store, turn } = self.0.as_ref();
        let _turn = turn.take().await;
        let mut tries = 0;
        loop {
            let now = store.context().now();
            let mut loaded = match self.load().await? {
                Some(loaded) => loaded,
                None if create => self.create(),
                None => return Err(ManagerError::NoPrekeys.into()),
            };
            let before = loaded.prekeys.to_record();
            let result = change(&mut loaded.prekeys);
            store.context().with_rng(|rng| loaded.prekeys.maintain(identity, now, rng));
            if matches!(loaded.place, Place::Managed(_)) && loaded.prekeys.needs_upload() {
                let receipt = loaded.prekeys.publication(identity).receipt();
                loaded.prekeys.confirm_uploaded(receipt, None, now);
                // Nobody but the application knows what is still under way; the 96 hours are for that.
                loaded.prekeys.queue_drained(now);
            }
            let bundle = self.bundle_of(&loaded.prekeys);
            if loaded.is_new() || *before != *loaded.prekeys.to_record() {
                let mut changes = Changes::new();
                self.put(&mut changes, &loaded)?;
                match store.storage().commit(changes).await {
                    Err(StorageError::Conflict { .. }) if tries < TRIES => {
                        tries += 1;
                        continue;
                    }
                    result => result.map_err(|e| store.failed(e))?,
                }
            }
            return Ok((result, bundle));
        }
    }

    /// What the store holds; to be called in turn if something is to be written.
    pub(super) async fn load(&self) -> Result<Option<Loaded>, Error> {
        let Inner { identity, store, .. } = self.0.as_ref();
        let name = format!("prekeys/{}", identity.amid());
        let mut slot = store
            .load(name, |body| {
                PreKeys::from_record(body)
                    .map_err(|PreKeyError::Record { source }: PreKeyError| source)
            })
            .await?;
        if let Some(prekeys) = slot.value.take() {
            return Ok(Some(Loaded { place: Place::Managed(slot), prekeys }));
        }
        let agent = AgentPrekeys::find(store.storage(), store.vault(), identity.amid()).await?;
        Ok(agent.map(|(record, prekeys)| Loaded { place: Place::Agent(record), prekeys }))
    }

    /// There are none, or there were once and they are lost: nobody knows, so ids start far from any that was used.
    fn create(&self) -> Loaded {
        let Inner { identity, store, .. } = self.0.as_ref();
        let now = store.context().now();
        let prekeys = store.context().with_rng(|rng| PreKeys::recover(identity, now, rng));
        let name = format!("prekeys/{}", identity.amid());
        Loaded { place: Place::Managed(store.unused(name)), prekeys }
    }

    /// Notes that the prekeys become what they are now.
    pub(super) fn put(&self, changes: &mut Changes, loaded: &Loaded) -> Result<(), Error> {
        let store = self.store();
        let record = loaded.prekeys.to_record();
        match &loaded.place {
            Place::Managed(slot) => store.put(changes, slot, |out| out.put(&record)),
            Place::Agent(place) => {
                store.context().with_rng(|rng| place.put(store.vault(), &record, rng, changes))?;
                Ok(())
            }
        }
    }
}

impl Loaded {
    const fn is_new(&self) -> bool {
        matches!(&self.place, Place::Managed(slot) if slot.version == 0)
    }
}
