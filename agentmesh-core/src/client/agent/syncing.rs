//! One visit to the relay, for programs that run now and then.

use std::time::Duration;

use tokio::sync::oneshot;

use super::Agent;
use crate::{Error, client::driver::Command};

impl Agent {
    /// Goes online, takes what waits at the relay, hands it to the reader of [`messages`](Self::messages), sends what is in
    /// the outbox, and goes offline again: for programs that are started now and then, such as a Worker on a schedule.
    ///
    /// True if all is done: everything that waited came, is committed, handled (if somebody reads) and acknowledged, and
    /// the relay has on its disk whatever was to be sent, answers of the handlers included. False after `limit`: what is
    /// missing is on disk here or at the relay, and the next visit goes on with it. Over once it returns: no connection
    /// and no request is left. What may be left is a task of the agent's own, until it is closed.
    ///
    /// An agent that is online already stays so. No socket is needed with
    /// [`RelayTransport::Polling`](crate::client::relay::RelayTransport::Polling). As with every connection, a visit takes the relay over from another one of the same
    /// identity.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), where trying again does not help. Dropping the future gives up waiting.
    pub async fn sync(&self, limit: Duration) -> Result<bool, Error> {
        let (reply, done) = oneshot::channel();
        self.command(Command::Sync { limit, reply }).await?;
        done.await.map_err(|_| self.closed())?
    }
}
