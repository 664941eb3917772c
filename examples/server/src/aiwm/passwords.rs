//! Secrets of agents: bcrypt at cost 10, on threads of their own kind, never more at a time than there are cores.

use std::{fmt, thread};

#[cfg(feature = "hazmat")]
use agentmesh_core::keys::kdf::{ct_eq, sha256};
use http::StatusCode;
use metrics::Counter;
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::answer::Refusal;

/// As deployed controllers have it.
const COST: u32 = 10;
/// bcrypt ignores what comes after this; a longer secret is never right.
const MAX_SECRET: usize = 72;
/// Checks that may wait for a core. A core does about fifteen a second: beyond, clients have given up anyway.
const MAX_WAITING: usize = 128;

/// How secrets are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SecretCheck {
    /// As they should be.
    #[default]
    Bcrypt,
    /// As a hash that anybody can try millions of a second against. For benches, which want to know what a connect costs
    /// besides bcrypt; nothing else has the feature.
    #[cfg(feature = "hazmat")]
    Sha256,
}

/// See the module.
pub(super) struct Passwords {
    check: SecretCheck,
    cores: Semaphore,
    waiting: Semaphore,
    /// A hash of nothing that anybody knows, so that no answer comes sooner for want of one.
    decoy: String,
    checked: Counter,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passwords")
    }
}

impl Passwords {
    /// Takes as long as one hash.
    pub(super) fn new(
        secret: &str,
        check: SecretCheck,
        checked: Counter,
    ) -> Result<Self, bcrypt::BcryptError> {
        let cores = thread::available_parallelism().map_or(2, usize::from);
        let decoy = bcrypt::hash(secret, COST)?;
        let (cores, waiting) = (Semaphore::new(cores), Semaphore::new(MAX_WAITING));
        Ok(Self { check, cores, waiting, decoy, checked })
    }

    /// Whether `secret` belongs to `hash`; without a hash the work is the same and the answer no.
    pub(super) async fn matches(
        &self,
        secret: String,
        hash: Option<String>,
    ) -> Result<bool, Refusal> {
        let known = hash.is_some() && secret.len() <= MAX_SECRET;
        let hash = hash.unwrap_or_else(|| self.decoy.clone());
        self.checked.increment(1);
        let right = match self.check {
            SecretCheck::Bcrypt => self.run(move || bcrypt::verify(cut(&secret), &hash)).await?,
            #[cfg(feature = "hazmat")]
            SecretCheck::Sha256 => ct_eq(weak(&secret).as_bytes(), hash.as_bytes()),
        };
        Ok(right && known)
    }

    pub(super) async fn hash(&self, secret: String) -> Result<String, Refusal> {
        match self.check {
            SecretCheck::Bcrypt => self.run(move || bcrypt::hash(cut(&secret), COST)).await,
            #[cfg(feature = "hazmat")]
            SecretCheck::Sha256 => Ok(weak(&secret)),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, bcrypt::BcryptError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let busy =
            || Refusal::later(StatusCode::SERVICE_UNAVAILABLE, "Too many connects at once", 2);
        let _place = self.waiting.try_acquire().map_err(|_| busy())?;
        let _core = self.cores.acquire().await.map_err(|_| busy())?;
        match spawn_blocking(work).await {
            Ok(done) => done.map_err(|error| Refusal::internal("a secret was not hashed", &error)),
            Err(error) => Err(Refusal::internal("a secret was not hashed", &error)),
        }
    }
}

#[cfg(feature = "hazmat")]
fn weak(secret: &str) -> String {
    super::hex(&sha256(&[secret.as_bytes()]))
}

/// No more than bcrypt takes.
fn cut(secret: &str) -> &[u8] {
    secret.as_bytes().get(..MAX_SECRET).unwrap_or(secret.as_bytes())
}
