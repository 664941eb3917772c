//! What concerns the identity as a whole: a new exchange key, from the request to everybody who has to know it; a backup.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{
    Driver,
    batch::{Job, Reply, internal},
    command::{Passphrase, lock},
    jobs::JobResult,
};
use crate::{
    Error,
    client::agent::AgentError,
    engine::{Continuation, Input, LoadError, StoredIdentity},
    identity::backup,
    keys::passphrase::PassphraseCost,
    rng::SystemRng,
    vault::Vault,
};

impl Driver {
    /// The reply comes after the commit; the bundle is published after that, as any other.
    pub(super) fn rotate_exchange_key(
        &self,
        reply: oneshot::Sender<Result<(), Error>>,
        jobs: &mut Vec<Job>,
    ) {
        let refusal = if self.jobs.registry_keeps_keys() {
            Some(Error::from(AgentError::ExchangeKeyFixed))
        } else {
            self.engine.rotation_refusal().map(Error::from)
        };
        match refusal {
            Some(error) => {
                let _ = reply.send(Err(error));
            }
            None => {
                jobs.push(Job { input: Input::RotateExchangeKey, reply: Reply::Plain(reply) });
            }
        }
    }

    /// Reads what is on disk, which is all that counts, and derives the key on a thread of its own.
    pub(super) fn back_up(
        &mut self,
        passphrase: Passphrase,
        reply: oneshot::Sender<Result<String, Error>>,
    ) {
        let (storage, vault) = (Arc::clone(&self.storage), Vault::new(&self.key));
        self.jobs.spawn(async move {
            let sealed = async {
                let stored = StoredIdentity::find(storage.as_ref(), &vault).await?;
                let stored = stored
                    .ok_or_else(|| LoadError::IdentityMissing { store: storage.location() })?;
                let continuation = Continuation::read(storage.as_ref(), &vault).await?.to_bytes();
                let seal = move || {
                    let cost = PassphraseCost::DEFAULT;
                    backup::seal_with(
                        &stored.identity,
                        &continuation,
                        passphrase.as_str(),
                        cost,
                        &mut SystemRng,
                    )
                };
                let sealed = crate::client::platform::blocking(seal).await;
                sealed.map_err(|_| internal("sealing a backup"))?.map_err(Error::from)
            };
            let _ = reply.send(sealed.await);
            JobResult::Done
        });
    }

    /// Registry client and handle get the identity that the engine has now.
    pub(super) fn adopt_identity(&self) {
        let identity = self.engine.identity();
        *lock(&self.public) = identity.public();
        self.jobs.set_identity(Arc::clone(identity));
    }
}
