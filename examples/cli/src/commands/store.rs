//! `agentmesh store`: where the state is, and moving it elsewhere.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use agentmesh_core::{
    client::{StoreUrl, platform::Clock},
    storage::{
        CopyError, CopyNames, CopyProgress, RecordKind, Storage, StorageError,
        copy::{copy, marks, take_back},
    },
};
use serde::Serialize;

use crate::{args::StoreCommand, config::Config, context::Context, error::CliError, home::Home};

/// Records counted at a time.
const PAGE: usize = 256;
/// How often a long copy says how far it is.
const EVERY: u64 = 1000;

pub(super) async fn run(command: StoreCommand, context: Context) -> Result<(), CliError> {
    match command {
        StoreCommand::Info { url } => info(url, context).await,
        StoreCommand::Copy { from, to } => transfer(from, to, context).await,
        StoreCommand::TakeBack { url, copy_is_destroyed } => {
            release(url, copy_is_destroyed, context).await
        }
    }
}

/// Opens a store that must be there: looking at one must not make one.
async fn open_existing(url: &StoreUrl) -> Result<std::sync::Arc<dyn Storage>, CliError> {
    let (StoreUrl::Sqlite(path) | StoreUrl::File(path)) = url else { return open(url).await };
    if !path.exists() {
        return Err(CliError::home(path, "there is no store"));
    }
    open(url).await
}

async fn open(url: &StoreUrl) -> Result<std::sync::Arc<dyn Storage>, CliError> {
    url.open().await.map_err(|error| {
        let locked = matches!(error, StorageError::Locked { .. });
        let error = CliError::from(agentmesh_core::Error::from(error));
        if locked {
            error.with_hint("end that process first, or wait until its lease has ended")
        } else {
            error
        }
    })
}

async fn info(url: Option<StoreUrl>, context: Context) -> Result<(), CliError> {
    let url = match url {
        Some(url) => url,
        None => context.home()?.store()?,
    };
    let store = open_existing(&url).await?;
    let found = look(&url, store.as_ref()).await;
    store.close().await.map_err(failed)?;
    context.out.show(&found?)
}

async fn look(url: &StoreUrl, store: &dyn Storage) -> Result<Info, CliError> {
    let marks = marks(store).await.map_err(failed)?;
    let mut info = Info {
        store: absolute(url).to_string(),
        durability: store.durability().as_str(),
        records: 0,
        bytes: 0,
        kinds: Vec::new(),
        passphrase: agentmesh_core::vault::passphrase::is_locked(store).await.map_err(failed)?,
        moved_to: marks.moved.map(|mark| mark.other),
        copied_from: marks.came.as_ref().map(|mark| mark.other.clone()),
        complete: marks.came.is_none_or(|mark| mark.is_complete),
    };
    for kind in RecordKind::ALL {
        let (mut after, mut count) = (None, 0);
        loop {
            let page = store.list(kind, after, PAGE).await.map_err(failed)?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.key);
            count += page.len() as u64;
            info.bytes += page.iter().map(|record| record.sealed.len() as u64).sum::<u64>();
        }
        info.records += count;
        if count > 0 {
            info.kinds.push((kind.as_str(), count));
        }
    }
    Ok(info)
}

async fn transfer(from: StoreUrl, to: StoreUrl, context: Context) -> Result<(), CliError> {
    if absolute(&from) == absolute(&to) {
        return Err(CliError::usage("FROM and TO are the same store"));
    }
    // Relative paths mean something else tomorrow.
    let (from, to) = (absolute(&from), absolute(&to));
    let source = open_existing(&from).await?;
    let target = open(&to).await?;
    let (named, names) = ((from.to_string(), to.to_string()), Clock::system().now());
    let names = CopyNames { from: &named.0, to: &named.1, now: names };
    let out = context.out;
    let mut shown = 0;
    let mut tell = |progress: CopyProgress| {
        let step = (progress.copied + progress.verified) / EVERY;
        if step > shown {
            shown = step;
            out.note(format_args!("{} copied, {} verified", progress.copied, progress.verified));
        }
    };
    let copied = copy(source.as_ref(), target.as_ref(), names, &mut tell).await;
    let closed = (source.close().await, target.close().await);
    let copied = copied.map_err(|error| {
        let unfinished = !matches!(
            error,
            CopyError::NotEmpty { .. } | CopyError::Moved { .. } | CopyError::SourceEmpty { .. }
        );
        let error = failed(error);
        if unfinished {
            error.with_hint("neither store can be used until the same command has succeeded")
        } else {
            error
        }
    })?;
    closed.0.and(closed.1).map_err(failed)?;
    let home = adopt(&context.home()?, &from, &to)?;
    context.out.show(&Copied {
        from: named.0,
        to: named.1,
        records: copied.copied,
        bytes: copied.bytes,
        home,
    })
}

/// If it was the home's store that was moved, the home uses the new one from now on.
fn adopt(home: &Home, from: &StoreUrl, to: &StoreUrl) -> Result<Option<PathBuf>, CliError> {
    let mut config = Config::load(home)?;
    if absolute(&home.store()?) != *from || config.amid.is_none() {
        return Ok(None);
    }
    config.store = Some(to.to_string());
    config.save(home)?;
    Ok(Some(home.path().to_path_buf()))
}

fn absolute(url: &StoreUrl) -> StoreUrl {
    let whole = |path: &Path| {
        let whole = std::fs::canonicalize(path).or_else(|_| std::path::absolute(path));
        whole.unwrap_or_else(|_| path.to_path_buf())
    };
    match url {
        StoreUrl::Sqlite(path) => StoreUrl::Sqlite(whole(path)),
        StoreUrl::File(path) => StoreUrl::File(whole(path)),
        other => other.clone(),
    }
}

async fn release(url: StoreUrl, destroyed: bool, context: Context) -> Result<(), CliError> {
    if !destroyed {
        return Err(CliError::usage(
            "if the copy can still be used, two agents would fork every session: destroy it, then give --copy-is-destroyed",
        ));
    }
    let store = open_existing(&url).await?;
    let released = take_back(store.as_ref()).await;
    let closed = store.close().await;
    released.map_err(failed)?;
    closed.map_err(failed)?;
    context.out.show(&TakenBack { store: url.to_string() })
}

fn failed(error: impl Into<agentmesh_core::Error>) -> CliError {
    CliError::from(error.into())
}

#[derive(Serialize)]
struct Info {
    store: String,
    durability: &'static str,
    records: u64,
    bytes: u64,
    kinds: Vec<(&'static str, u64)>,
    passphrase: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    moved_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    copied_from: Option<String>,
    complete: bool,
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "store       {}", self.store)?;
        writeln!(f, "durability  {}", self.durability)?;
        write!(f, "records     {} ({} bytes sealed)", self.records, self.bytes)?;
        for (kind, count) in &self.kinds {
            write!(f, "\n            {kind} {count}")?;
        }
        if self.passphrase {
            write!(f, "\nkey         in the store, under a passphrase")?;
        }
        if let Some(from) = &self.copied_from {
            let state = if self.complete { "" } else { ", not complete: copy again" };
            write!(f, "\ncopied from {from}{state}")?;
        }
        if let Some(to) = &self.moved_to {
            write!(f, "\nmoved to    {to}: no agent uses this store any more")?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Copied {
    from: String,
    to: String,
    records: u64,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    home: Option<PathBuf>,
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, records, bytes, home } = self;
        if *records == 0 {
            write!(f, "{to} has everything already")?;
        } else {
            write!(
                f,
                "{records} records ({bytes} bytes) are in {to}, each compared with the original"
            )?;
        }
        write!(f, "\n{from} is marked: no agent uses it any more; delete it when you like")?;
        match home {
            Some(home) => write!(f, "\n{} uses the new store from now on", home.display()),
            None => write!(f, "\ngive --store {to} to use it; the store key is the same"),
        }
    }
}

#[derive(Serialize)]
struct TakenBack {
    store: String,
}

impl fmt::Display for TakenBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} can be used again", self.store)
    }
}
