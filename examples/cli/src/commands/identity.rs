//! `agentmesh identity`: make, show, back up, restore, rotate. Only the last goes online.

use std::{
    fmt,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use agentmesh_core::{
    client::http::HttpConfig,
    identity::{
        Amid, Fingerprint, SafetyNumber,
        backup::{self, Restored},
    },
    keys::passphrase::PassphraseCost,
    rng::SystemRng,
};
use base64ct::{Base64, Encoding};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    args::{IdentityCommand, PassphraseArgs},
    config::Config,
    context::Context,
    endpoints,
    error::{CliError, LOCKED},
    files,
    opened::{self, Create, Opened},
    passphrase,
};

/// No backup is longer.
const MAX_BACKUP: u64 = 4 * 1024 * 1024;

pub(super) async fn run(command: IdentityCommand, context: Context) -> Result<(), CliError> {
    match command {
        IdentityCommand::New => new(context).await,
        IdentityCommand::Show { with } => show(with, context).await,
        IdentityCommand::Backup { out, passphrase } => back_up(out, &passphrase, context).await,
        IdentityCommand::Rotate { timeout } => rotate(timeout, context).await,
        IdentityCommand::Restore { file, passphrase } => restore(&file, &passphrase, context).await,
    }
}

async fn new(context: Context) -> Result<(), CliError> {
    create(&context, None).await
}

async fn rotate(timeout: Duration, context: Context) -> Result<(), CliError> {
    let home = context.home()?;
    let config = Config::load(&home)?;
    let (opened, _) = Opened::with_servers(&context, home, config, Create::No, |agent| {
        opened::leave_knocks_undecided(agent);
        agent.connect_timeout = timeout;
    })
    .await?;
    let key = opened.agent.rotate_exchange_key().await;
    let published = match &key {
        // Being online includes that the bundle was published.
        Ok(_) => opened.agent.connect().await,
        Err(_) => Ok(()),
    };
    let amid = opened.agent.amid();
    opened.close().await?;
    let exchange_key = Base64::encode_string(key?.as_bytes());
    context.out.show(&Rotated { amid, exchange_key, published: published.is_ok() })?;
    if let Err(error) = published {
        context
            .out
            .note(format_args!("not published yet, the next command online does it: {error}"));
    }
    Ok(())
}

#[derive(Serialize)]
struct Rotated {
    amid: Amid,
    exchange_key: String,
    published: bool,
}

impl fmt::Display for Rotated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has the exchange key {}", self.amid, self.exchange_key)
    }
}

async fn create(context: &Context, identity: Option<Restored>) -> Result<(), CliError> {
    let opened = opened::create(context.home()?, identity).await?;
    let amid = opened.agent.amid();
    opened.close().await?;
    context.out.show(&Created { amid })
}

async fn show(with: Option<Amid>, context: Context) -> Result<(), CliError> {
    let home = context.home()?;
    let config = Config::load(&home)?;
    let stored = match home.identity().await {
        Ok(stored) => stored,
        // The address is no secret and does not change: it can be told while another process has the store.
        Err(error) if is_locked(&error) && with.is_none() => {
            let Some(amid) = config.amid else { return Err(error) };
            context.out.note(format_args!("{error}"));
            return context.out.show(&Created { amid });
        }
        Err(error) => return Err(error),
    };
    let own = stored.identity;
    let safety_number = match with {
        None => None,
        Some(peer) => {
            let servers = context.endpoints(&config).await?;
            let registry = endpoints::anonymous_client(&servers.registry, HttpConfig::default())?;
            let listing = registry.lookup(&peer).await.map_err(agentmesh_core::Error::from)?;
            Some(SafetyNumber::of(own.signing_key(), &listing.signing_key).to_string())
        }
    };
    context.out.show(&Shown {
        amid: own.amid(),
        signing_key: Base64::encode_string(own.signing_key().as_bytes()),
        exchange_key: Base64::encode_string(own.exchange_key().as_bytes()),
        fingerprint: Fingerprint::of(own.signing_key()).to_string(),
        created_at: own.created_at().to_rfc3339_millis(),
        home: home.path().display().to_string(),
        registry: config.registry,
        safety_number,
    })
}

fn is_locked(error: &CliError) -> bool {
    error.code == LOCKED
}

async fn back_up(
    out: Option<PathBuf>,
    args: &PassphraseArgs,
    context: Context,
) -> Result<(), CliError> {
    let home = context.home()?;
    // Before anybody types a passphrase for nothing.
    let (stored, continuation) = home.identity_to_move().await?;
    let identity = stored.identity;
    let passphrase = passphrase::read(args.passphrase_file.as_ref(), true)?;
    let cost = PassphraseCost::DEFAULT;
    let continuation = continuation.to_bytes();
    let text = backup::seal_with(&identity, &continuation, &passphrase, cost, &mut SystemRng)
        .map_err(agentmesh_core::Error::from)?;
    let file = out.map(|path| path.display().to_string());
    if let Some(path) = &file {
        let path = Path::new(path);
        files::create(path, &format!("{text}\n"))
            .map_err(|e| CliError::usage(format!("{}: {e}", path.display())))?;
    }
    let amid = identity.amid();
    context.out.show(&BackedUp { amid, backup: file.is_none().then_some(text), file })
}

async fn restore(file: &Path, args: &PassphraseArgs, context: Context) -> Result<(), CliError> {
    let stdin = Path::new("-");
    if file == stdin && args.passphrase_file.as_deref() == Some(stdin) {
        return Err(CliError::usage("standard input cannot be both the backup and the passphrase"));
    }
    let mut text = Zeroizing::new(String::new());
    let read = if file == stdin {
        io::stdin().lock().take(MAX_BACKUP).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|f| f.take(MAX_BACKUP).read_to_string(&mut text))
    };
    read.map_err(|e| CliError::usage(format!("{}: {e}", file.display())))?;
    let passphrase = passphrase::read(args.passphrase_file.as_ref(), false)?;
    let identity = backup::open_with(&text, &passphrase)
        .map_err(|error| CliError::usage(error.to_string()))?;
    create(&context, Some(identity)).await
}

#[derive(Serialize)]
struct Created {
    amid: Amid,
}

impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.amid.fmt(f)
    }
}

#[derive(Serialize)]
struct Shown {
    amid: Amid,
    signing_key: String,
    exchange_key: String,
    fingerprint: String,
    created_at: String,
    home: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    registry: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_number: Option<String>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let registry = self.registry.as_deref().unwrap_or("not registered yet");
        writeln!(f, "amid           {}", self.amid)?;
        writeln!(f, "fingerprint    {}", self.fingerprint)?;
        if let Some(number) = &self.safety_number {
            writeln!(f, "safety number  {number}")?;
        }
        writeln!(f, "signing key    {}", self.signing_key)?;
        writeln!(f, "exchange key   {}", self.exchange_key)?;
        writeln!(f, "created        {}", self.created_at)?;
        writeln!(f, "registry       {registry}")?;
        write!(f, "home           {}", self.home)
    }
}

#[derive(Serialize)]
struct BackedUp {
    amid: Amid,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

impl fmt::Display for BackedUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.backup, &self.file) {
            (Some(text), _) => f.write_str(text),
            (None, file) => {
                write!(f, "{} is sealed in {}", self.amid, file.as_deref().unwrap_or_default())
            }
        }
    }
}
