//! Opening: is the endpoint fit for it, is there a store, who has it, what did those before leave behind.
//!
//! Knows the order in which a store comes into being: head, then marker. So a head that is missing beside its marker was
//! lost, and is never made anew.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    bucket::{Bucket, Put, Tag},
    config::{S3Config, Sharing},
    core::{Core, HEAD, data_key, faulty, index_key, random, read_head, read_index},
    format::{Fault, Head},
    lease::Tenant,
    state::State,
};
use crate::{
    client::platform,
    storage::{Answer, StorageError},
};

/// Says that a store was made here.
const MARKER: &str = "store";
const MARKER_TEXT: &[u8] =
    b"A store of an agentmesh agent. Its content is in `head` and in what that names.\n";
/// Races for the head that an opening loses at most.
const RACES: usize = 100;
/// How often somebody else's lease is looked at.
const POLL: Duration = Duration::from_millis(500);
/// Leftovers removed by one opening, of each kind.
const SWEPT: usize = 1000;

pub(super) async fn open(bucket: Bucket, config: &S3Config) -> Answer<Core> {
    probe(&bucket).await?;
    let now = config.clock.now();
    let mut tenant = match config.sharing {
        Sharing::Lease(length) => Some(Tenant::new(length, now)),
        Sharing::Versions => None,
    };
    let (head, tag) = enter(&bucket, config, tenant.as_mut()).await?;
    let Some(index) = read_index(&bucket, &head).await? else {
        let key = head.index.map_or_else(String::new, |index| index_key(&index.name));
        return Err(faulty(bucket.name_of(&key), Fault::Damaged("it is missing".to_owned())));
    };
    if let Put::Unknown(error) = bucket.create(MARKER, Bytes::from_static(MARKER_TEXT)).await {
        return Err(error);
    }
    let core = Core::new(bucket, State { head, index }, tag, tenant, config.clock);
    if core.tenant.is_some() {
        sweep(&core).await;
    }
    Ok(core)
}

/// Two writers must not both succeed. Many services take the conditions of a put for decoration; better to know
/// before the first message than after.
async fn probe(bucket: &Bucket) -> Answer<()> {
    let key = format!("probe/{:032x}", u128::from_be_bytes(random()));
    let result = probe_object(bucket, &key).await;
    let deleted = bucket.delete(&key).await;
    result.and(deleted)
}

async fn probe_object(bucket: &Bucket, key: &str) -> Answer<()> {
    let words = |text: &'static str| Bytes::from_static(text.as_bytes());
    let first = match bucket.create(key, words("first")).await {
        Put::Done(tag) => tag,
        Put::Refused => {
            return Err(bucket.unconditional("it refuses to create an object that is absent"));
        }
        Put::Unknown(error) => return Err(error),
    };
    match bucket.create(key, words("second")).await {
        Put::Refused => {}
        Put::Done(_) => return Err(bucket.unconditional("it created the same object twice")),
        Put::Unknown(error) => return Err(error),
    }
    match bucket.replace(key, words("third"), &first).await {
        Put::Done(_) => {}
        Put::Refused => {
            return Err(bucket.unconditional("it refuses the version that it named itself"));
        }
        Put::Unknown(error) => return Err(error),
    }
    match bucket.replace(key, words("fourth"), &first).await {
        Put::Refused => Ok(()),
        Put::Done(_) => Err(bucket.unconditional("it replaced an object of another version")),
        Put::Unknown(error) => Err(error),
    }
}

/// Makes the store or finds it, and takes the lease.
async fn enter(
    bucket: &Bucket,
    config: &S3Config,
    mut tenant: Option<&mut Tenant>,
) -> Answer<(Head, Tag)> {
    let started = Instant::now();
    let mut trouble = None;
    for _ in 0..RACES {
        let (put, head) = match read_head(bucket).await? {
            None => {
                refuse_ruins(bucket).await?;
                let mut head = Head::new(random(), random());
                if let Some(tenant) = &tenant {
                    head.lease = Some(tenant.lease(config.clock.now()));
                }
                (bucket.create(HEAD, head.encode().into()).await, head)
            }
            Some((head, tag)) => {
                let now = config.clock.now();
                if let Some(lease) = head.lease.as_ref().filter(|lease| lease.until > now)
                    && !config.take_over
                {
                    if started.elapsed() < config.patience {
                        platform::sleep(POLL.min(config.patience)).await;
                        continue;
                    }
                    let (path, holder) = (bucket.name().clone(), Box::new(lease.holder()));
                    return Err(StorageError::Locked { path, holder });
                }
                let Some(tenant) = tenant.as_deref_mut() else { return Ok((head, tag)) };
                let mut head = head.next(random());
                head.epoch = head.epoch.saturating_add(1);
                tenant.epoch = head.epoch;
                head.lease = Some(tenant.lease(now));
                (bucket.replace(HEAD, head.encode().into(), &tag).await, head)
            }
        };
        match put {
            Put::Done(tag) => return Ok((head, tag)),
            Put::Refused => {}
            Put::Unknown(error) => trouble = Some(error),
        }
        // The answer may have been lost, or that of an earlier try of the same request.
        if let Some((found, tag)) = read_head(bucket).await?
            && found.commit == head.commit
        {
            return Ok((head, tag));
        }
    }
    Err(trouble.unwrap_or_else(|| StorageError::Unreachable {
        operation: "open",
        path: bucket.name().clone(),
        message: "others open it all the time".to_owned(),
    }))
}

/// Where there is no head there must be nothing else.
async fn refuse_ruins(bucket: &Bucket) -> Answer<()> {
    if bucket.get(MARKER).await?.is_some() {
        return Err(faulty(bucket.name_of(HEAD), Fault::Damaged("it is missing".to_owned())));
    }
    let keys = bucket.keys(None, 1000).await?;
    match keys.iter().find(|key| !key.contains("probe/")) {
        None => Ok(()),
        Some(key) => Err(StorageError::NotAStore {
            path: bucket.name().clone(),
            hint: format!("the bucket holds {key:?} there, and no store: choose another prefix"),
        }),
    }
}

/// Removes what interrupted commits left. Only objects of earlier epochs: who wrote those can commit no more, so
/// nobody will ever name them.
async fn sweep(core: &Core) {
    let named = core.state.referenced();
    let epoch = core.state.head.epoch;
    for (folder, key) in [("data", data_key as fn(&_) -> _), ("index", index_key)] {
        let Ok(names) = core.bucket.names(folder, SWEPT).await else { return };
        for name in names.iter().filter(|name| name.epoch < epoch && !named.contains(name)) {
            let _ = core.bucket.delete(&key(name)).await;
        }
    }
}
