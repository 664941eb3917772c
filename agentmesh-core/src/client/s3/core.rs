//! Loading, listing and committing against a bucket: one conditional put of the head is one commit.
//!
//! Knows the order of things: objects first, then the head that names them, then what nobody names any more goes. Spec:
//! `docs/protocol/state.md`, S3.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use bytes::Bytes;
use rand_core::Rng;

use super::{
    bucket::{Bucket, Put, Tag},
    format::{Fault, Head, Index, Lease, ObjectName},
    lease::Tenant,
    packing::NewObject,
    state::{Found, State},
};
use crate::{
    client::{
        backoff::{Backoff, BackoffConfig},
        platform,
    },
    rng::SystemRng,
    storage::{
        Answer, Changes, Record, RecordId, RecordKind, StorageError, checksum, record_checksum,
    },
};

pub(super) const HEAD: &str = "head";
/// Tries of one commit: against other writers, and against a network that loses answers.
const TRIES: u32 = 12;
/// Tries of one read after the first, each of which tries several times itself.
const READ_TRIES: u32 = 3;
const BACKOFF: BackoffConfig =
    BackoffConfig { base: Duration::from_millis(50), max: Duration::from_secs(2) };

/// How publishing a head ended, if it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Published {
    Done,
    /// Somebody else committed; the state is theirs now.
    Overtaken,
}

/// An open store.
pub(super) struct Core {
    pub(super) bucket: Bucket,
    pub(super) state: State,
    pub(super) tag: Tag,
    /// Who we are, if the store is guarded by a lease.
    pub(super) tenant: Option<Tenant>,
    pub(super) clock: platform::Clock,
    /// Objects that no head names any more.
    garbage: Vec<String>,
}

pub(super) fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    SystemRng.fill_bytes(&mut bytes);
    bytes
}

pub(super) fn data_key(name: &ObjectName) -> String {
    format!("data/{name}")
}

pub(super) fn index_key(name: &ObjectName) -> String {
    format!("index/{name}")
}

/// What is wrong with an object, as an error.
pub(super) fn faulty(path: PathBuf, fault: Fault) -> StorageError {
    match fault {
        Fault::Foreign(found) => {
            StorageError::ForeignVersion { path, found, supported: super::format::FORMAT }
        }
        Fault::Damaged(what) => StorageError::Corrupt {
            path,
            hint: format!("{what}; restore everything below the prefix from a copy"),
        },
    }
}

/// The head, if there is one.
pub(super) async fn read_head(bucket: &Bucket) -> Answer<Option<(Head, Tag)>> {
    let Some((bytes, tag)) = bucket.get(HEAD).await? else { return Ok(None) };
    let head = Head::parse(&bytes).map_err(|fault| faulty(bucket.name_of(HEAD), fault))?;
    Ok(Some((head, tag)))
}

/// The index that a head names. `None`: it is gone, so the head is old or the store is damaged.
pub(super) async fn read_index(bucket: &Bucket, head: &Head) -> Answer<Option<Index>> {
    let Some(wanted) = head.index else { return Ok(Some(Index::default())) };
    let key = index_key(&wanted.name);
    let Some((bytes, _)) = bucket.get(&key).await? else { return Ok(None) };
    let damaged = |what: &str| faulty(bucket.name_of(&key), Fault::Damaged(what.to_owned()));
    if checksum(&[&bytes]) != wanted.sum {
        return Err(damaged("it is not the index that the head names"));
    }
    let index =
        Index::parse(&bytes, &head.store).map_err(|fault| faulty(bucket.name_of(&key), fault))?;
    Ok(Some(index))
}

impl Core {
    pub(super) fn new(
        bucket: Bucket,
        state: State,
        tag: Tag,
        tenant: Option<Tenant>,
        clock: platform::Clock,
    ) -> Self {
        Self { bucket, state, tag, tenant, clock, garbage: Vec::new() }
    }

    fn damaged(&self, key: &str, what: &str) -> StorageError {
        faulty(self.bucket.name_of(key), Fault::Damaged(what.to_owned()))
    }

    /// Takes over what others committed since; true if they did.
    async fn refresh(&mut self) -> Answer<bool> {
        for _ in 0..TRIES {
            let Some((head, tag)) = read_head(&self.bucket).await? else {
                return Err(self.damaged(HEAD, "it is missing"));
            };
            if tag == self.tag {
                return Ok(false);
            }
            if self.adopt(head, tag).await? {
                return Ok(true);
            }
        }
        Err(self.damaged("index", "the index that the head names is missing"))
    }

    /// Makes a head of others ours; false if it is outdated already.
    async fn adopt(&mut self, head: Head, tag: Tag) -> Answer<bool> {
        if head.store != self.state.head.store {
            return Err(self.damaged(HEAD, "it is the head of another store"));
        }
        if head.index != self.state.head.index {
            match read_index(&self.bucket, &head).await? {
                Some(index) => self.state.index = index,
                None => return Ok(false),
            }
        }
        (self.state.head, self.tag) = (head, tag);
        Ok(true)
    }

    pub(super) async fn load(&mut self, ids: &[RecordId]) -> Answer<Vec<Option<Record>>> {
        self.read(|state| ids.iter().filter_map(|id| Some((*id, state.find(id)?))).collect())
            .await
            .map(|records| {
                let records: BTreeMap<_, _> = records.into_iter().map(|r| (r.id, r)).collect();
                ids.iter().map(|id| records.get(id).cloned()).collect()
            })
    }

    pub(super) async fn list(
        &mut self,
        kind: RecordKind,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> Answer<Vec<Record>> {
        self.read(|state| state.list(kind, after, limit)).await
    }

    /// Fetches what `choose` chooses, patiently: a caller that cannot read has to give up altogether.
    async fn read(
        &mut self,
        choose: impl Fn(&State) -> Vec<(RecordId, Found)>,
    ) -> Answer<Vec<Record>> {
        let mut backoff = Backoff::new(BACKOFF);
        loop {
            match self.read_once(&choose).await {
                // Each time, requests were repeated for a while already.
                Err(StorageError::Unreachable { .. }) if backoff.attempts() < READ_TRIES => {
                    platform::sleep(backoff.next_delay(None, &mut SystemRng)).await;
                }
                result => return result,
            }
        }
    }

    /// Where others may write, from the newest head.
    async fn read_once(
        &mut self,
        choose: &impl Fn(&State) -> Vec<(RecordId, Found)>,
    ) -> Answer<Vec<Record>> {
        if self.tenant.is_none() {
            self.refresh().await?;
        }
        let mut missing = String::new();
        for _ in 0..TRIES {
            match self.fetch(&choose(&self.state)).await? {
                Ok(records) => return Ok(records),
                // Whoever deleted it committed first, if the head is another one by now.
                Err(key) => missing = key,
            }
            if !self.refresh().await? {
                break;
            }
            self.still_ours()?;
        }
        Err(self.damaged(&missing, "it is missing"))
    }

    /// The records, in order; or the key of an object that is not there.
    async fn fetch(&self, wanted: &[(RecordId, Found)]) -> Answer<Result<Vec<Record>, String>> {
        let mut by_object: BTreeMap<ObjectName, Vec<usize>> = BTreeMap::new();
        let mut sealed: Vec<Bytes> = vec![Bytes::new(); wanted.len()];
        for (at, ((_, found), sealed)) in wanted.iter().zip(&mut sealed).enumerate() {
            match found {
                Found::Here { sealed: here, .. } => *sealed = here.clone(),
                // Nobody needs to be asked for nothing.
                Found::There(entry) if entry.place.length == 0 => {}
                Found::There(entry) => by_object.entry(entry.place.object).or_default().push(at),
            }
        }
        for (object, at) in by_object {
            let places = at.iter().filter_map(|at| wanted.get(*at)?.1.place());
            let ranges: Vec<_> = places.map(|place| place.offset..place.end()).collect();
            let key = data_key(&object);
            if ranges.iter().any(|range| range.end > object.length) {
                return Err(self.damaged(&key, "the index points behind its end"));
            }
            let parts = match self.bucket.get_ranges(&key, &ranges).await {
                Ok(Some(parts)) => parts,
                Ok(None) => return Ok(Err(key)),
                Err(error) => {
                    // A cut object is no trouble of the network.
                    let length = self.bucket.length(&key).await?;
                    let is_cut = length.is_some_and(|length| length != object.length);
                    return Err(if is_cut { self.damaged(&key, "it is cut") } else { error });
                }
            };
            for (at, part) in at.into_iter().zip(parts) {
                if let Some(sealed) = sealed.get_mut(at) {
                    *sealed = part;
                }
            }
        }
        let mut records = Vec::with_capacity(wanted.len());
        for ((id, found), sealed) in wanted.iter().zip(sealed) {
            let version = found.version();
            if let Some(place) = found.place()
                && record_checksum(*id, version, &sealed) != place.sum
            {
                let what = format!("the record {id} in it was altered or cut");
                return Err(self.damaged(&data_key(&place.object), &what));
            }
            records.push(Record { id: *id, version, sealed: sealed.into() });
        }
        Ok(Ok(records))
    }

    /// Commits each batch as if alone, all with one head; one answer a batch.
    pub(super) async fn commit(&mut self, group: &[Changes]) -> Vec<Answer<()>> {
        let mut backoff = Backoff::new(BACKOFF);
        let mut is_fresh = self.tenant.is_some();
        for _ in 0..TRIES {
            let mut next = self.state.clone();
            let answers = next.apply(group);
            let failed = |error: StorageError| {
                answers.iter().map(|a| a.clone().and_then(|()| Err(error.clone()))).collect()
            };
            if !is_fresh && answers.iter().any(Result::is_err) {
                // What looks like a conflict may be one with a state that is long gone.
                is_fresh = true;
                match self.refresh().await {
                    Ok(_) => continue,
                    Err(error) => return failed(error),
                }
            }
            if next.head.fresh == self.state.head.fresh {
                return answers;
            }
            match self.write(next).await {
                Ok(Published::Done) => return answers,
                Ok(Published::Overtaken) => {
                    is_fresh = true;
                    platform::sleep(backoff.next_delay(None, &mut SystemRng)).await;
                }
                Err(error) => return failed(error),
            }
        }
        let error = self.gave_up("others write all the time");
        group.iter().map(|_| Err(error.clone())).collect()
    }

    fn gave_up(&self, message: &str) -> StorageError {
        let (path, message) = (self.bucket.name_of(HEAD), message.to_owned());
        StorageError::Unreachable { operation: "write", path, message }
    }

    /// Writes the objects that `next` needs, then its head.
    async fn write(&mut self, mut next: State) -> Answer<Published> {
        self.may_write(&self.state.head)?;
        let mut objects: Vec<(String, NewObject)> = Vec::new();
        objects.extend(next.spill(random()).map(|object| (data_key(&object.name), object)));
        if next.is_heavy() {
            let mut moved = Vec::new();
            for (object, records) in next.wasteful() {
                let wanted: Vec<_> =
                    records.into_iter().map(|(id, entry)| (id, Found::There(entry))).collect();
                let fetched = self.fetch(&wanted).await?;
                let fetched =
                    fetched.map_err(|_| self.damaged(&data_key(&object), "it is missing"))?;
                moved.extend(fetched.into_iter().map(|r| (r.id, r.version, Bytes::from(r.sealed))));
            }
            let mut written = next.checkpoint(&moved, [random(), random()]);
            let index = written.pop();
            objects.extend(written.into_iter().map(|object| (data_key(&object.name), object)));
            objects.extend(index.map(|object| (index_key(&object.name), object)));
        }
        for (key, object) in &objects {
            self.bucket.put(key, object.bytes.clone()).await?;
        }
        next.head = next.head.next(random());
        if let Some(tenant) = &self.tenant {
            next.head.lease = Some(tenant.lease(self.clock.now()));
        }
        let result = self.publish(next).await;
        if !matches!(result, Ok(Published::Done) | Err(StorageError::Uncertain { .. })) {
            self.garbage.extend(objects.into_iter().map(|(key, _)| key));
        }
        result
    }

    /// Replaces the head. The one request that counts; whatever becomes of its answer, what happened is found out.
    pub(super) async fn publish(&mut self, next: State) -> Answer<Published> {
        let bytes = Bytes::from(next.head.encode());
        let mut backoff = Backoff::new(BACKOFF);
        let mut trouble = None;
        for _ in 0..TRIES {
            match self.bucket.replace(HEAD, bytes.clone(), &self.tag).await {
                Put::Done(tag) => {
                    self.replace_state(next, tag);
                    return Ok(Published::Done);
                }
                Put::Refused => {}
                Put::Unknown(error) => trouble = Some(error),
            }
            match read_head(&self.bucket).await {
                Ok(Some((head, tag))) if head.commit == next.head.commit => {
                    self.replace_state(next, tag);
                    return Ok(Published::Done);
                }
                Ok(Some((head, tag))) if tag != self.tag => {
                    let ours = head.includes(&next.head.commit);
                    self.may_write(&head)?;
                    if !self.adopt(head, tag).await? {
                        self.refresh().await?;
                    }
                    return Ok(if ours { Published::Done } else { Published::Overtaken });
                }
                Ok(Some(_)) => {}
                Ok(None) => return Err(self.damaged(HEAD, "it is missing")),
                Err(error @ (StorageError::Unreachable { .. } | StorageError::Full { .. })) => {
                    trouble = Some(error);
                }
                Err(error) => return Err(error),
            }
            // Still the old head: the request was lost, or is late. The same one again does no harm.
            if let Some(
                definite @ (StorageError::PermissionDenied { .. } | StorageError::Full { .. }),
            ) = &trouble
            {
                return Err(definite.clone());
            }
            platform::sleep(backoff.next_delay(None, &mut SystemRng)).await;
        }
        let message = trouble.map_or_else(|| "no answer".to_owned(), |error| error.to_string());
        Err(StorageError::Uncertain { path: self.bucket.name().clone(), message })
    }

    fn replace_state(&mut self, next: State, tag: Tag) {
        let before = self.state.referenced();
        let after = next.referenced();
        let index = self.state.head.index.map(|index| index.name);
        self.garbage.extend(
            before
                .difference(&after)
                .map(|name| if index == Some(*name) { index_key(name) } else { data_key(name) }),
        );
        (self.state, self.tag) = (next, tag);
    }

    /// Whether this head lets us write: our lease, or nobody's.
    fn may_write(&self, head: &Head) -> Answer<()> {
        let path = self.bucket.name().clone();
        match (&self.tenant, &head.lease) {
            (Some(tenant), lease) if !tenant.holds(head) => Err(StorageError::LeaseLost {
                path,
                holder: Box::new(lease.as_ref().map_or_else(Default::default, Lease::holder)),
            }),
            (None, Some(lease)) if lease.until > self.clock.now() => {
                Err(StorageError::Locked { path, holder: Box::new(lease.holder()) })
            }
            _ => Ok(()),
        }
    }

    fn still_ours(&self) -> Answer<()> {
        if self.tenant.is_some() { self.may_write(&self.state.head) } else { Ok(()) }
    }

    /// Extends the lease, with nothing else in the commit.
    pub(super) async fn renew(&mut self) -> Answer<()> {
        let Some(tenant) = &self.tenant else { return Ok(()) };
        let mut next = self.state.clone();
        next.head = next.head.next(random());
        next.head.lease = Some(tenant.lease(self.clock.now()));
        self.publish(next).await.map(drop)
    }

    /// Ends the lease, so that the next one need not wait. One try: it ends by itself.
    pub(super) async fn release(&mut self) {
        if self.tenant.is_some() {
            let mut head = self.state.head.next(random());
            head.lease = None;
            let _ = self.bucket.replace(HEAD, head.encode().into(), &self.tag).await;
        }
    }

    /// Deletes what no head names any more. What cannot be deleted now is found by the next one who opens.
    pub(super) async fn collect(&mut self) {
        for key in core::mem::take(&mut self.garbage) {
            if let Err(error) = self.bucket.delete(&key).await {
                tracing::debug!(target: "agentmesh", %error, "an old object stays");
            }
        }
    }
}
