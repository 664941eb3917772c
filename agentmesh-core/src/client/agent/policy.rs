//! The rules of an agent while it runs: its policy, and how fast it may send.

use std::time::Duration;

use tokio::sync::oneshot;

use super::{Agent, AgentError};
use crate::{
    Error,
    client::{
        driver::{Command, Control, Rates},
        platform,
        rate_limit::RateStatus,
    },
    identity::Amid,
    knock::Policy,
};

impl Agent {
    /// Replaces the policy. It judges the KNOCKs that come from now on; sessions that exist go on, but for those with
    /// peers that it blocks, which end.
    ///
    /// # Errors
    /// [`AgentError::Config`] if the policy comes from a file; [`AgentError::Closed`].
    pub async fn set_policy(&self, policy: Policy) -> Result<(), Error> {
        let (reply, done) = oneshot::channel();
        let policy = Box::new(policy);
        self.command(Command::Control(Control::SetPolicy { policy, reply })).await?;
        done.await.map_err(|_| self.closed())?
    }

    /// The policy in force.
    ///
    /// # Errors
    /// [`AgentError::PolicyUnavailable`] if its file is missing or not understood; [`AgentError::Closed`].
    pub async fn policy(&self) -> Result<Policy, Error> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Control(Control::Policy { reply })).await?;
        answer.await.map_err(|_| self.closed())?
    }

    /// How full the buckets of the limits on sending are; that of a peer if one is named.
    ///
    /// # Errors
    /// [`AgentError::Closed`]
    pub async fn rate_status(&self, peer: Option<Amid>) -> Result<RateStatus, Error> {
        self.rates(peer).await.map(|rates| rates.status)
    }

    /// Waits until a message to `peer` would pass the limits on sending, at most `max`. Nothing is reserved: who sends
    /// from several tasks may be refused all the same.
    ///
    /// # Errors
    /// [`AgentError::RateLimited`] if it takes longer, at once if that is certain; [`AgentError::Closed`].
    pub async fn wait_for_capacity(&self, peer: Amid, max: Duration) -> Result<(), Error> {
        let mut left = max;
        while let Some(refused) = self.rates(Some(peer)).await?.refused {
            let retry_after = refused.retry_after;
            let Some(rest) = left.checked_sub(retry_after) else {
                let scope = refused.scope.as_str();
                return Err(AgentError::RateLimited { scope, retry_after }.into());
            };
            platform::sleep(retry_after).await;
            left = rest;
        }
        Ok(())
    }

    async fn rates(&self, peer: Option<Amid>) -> Result<Rates, Error> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Control(Control::Rates { peer, reply })).await?;
        answer.await.map_err(|_| self.closed())
    }
}
