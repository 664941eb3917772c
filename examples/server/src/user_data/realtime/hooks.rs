//! What the client was asked and has not answered yet.

use std::{collections::HashMap, time::Duration};

use agentmesh_core::client::platform::BoxFuture;
use futures_util::{StreamExt, stream::FuturesUnordered};
use serde_json::Value;
use tokio::{sync::oneshot, time::timeout};

use super::turn::HookAnswer;

/// Hooks that are asked at a time.
const MAX: usize = 32;

/// Each is answered once: by the client, by the end of the patience, or by the client's going. What comes later goes
/// nowhere.
pub(super) struct Hooks {
    asked: FuturesUnordered<BoxFuture<'static, (u64, HookAnswer)>>,
    answers: HashMap<u64, oneshot::Sender<HookAnswer>>,
    next: u64,
    patience: Duration,
}

impl Hooks {
    pub(super) fn new(patience: Duration) -> Self {
        Self { asked: FuturesUnordered::new(), answers: HashMap::new(), next: 0, patience }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// Whether another may be asked.
    pub(super) fn have_room(&self) -> bool {
        self.asked.len() < MAX
    }

    /// Waits for an acknowledgement, to pass it on.
    pub(super) fn wait(
        &mut self,
        acknowledged: BoxFuture<'static, Option<Value>>,
        answer: oneshot::Sender<HookAnswer>,
    ) {
        let (number, patience) = (self.next, self.patience);
        self.next += 1;
        self.answers.insert(number, answer);
        self.asked.push(Box::pin(async move {
            let answer = match timeout(patience, acknowledged).await {
                Ok(Some(answer)) => HookAnswer::read(&answer),
                Ok(None) | Err(_) => HookAnswer::Unanswered,
            };
            (number, answer)
        }));
    }

    /// Passes the next answer on. May be dropped while it waits.
    pub(super) async fn settle(&mut self) {
        if let Some((number, answer)) = self.asked.next().await
            && let Some(waiting) = self.answers.remove(&number)
        {
            // The turn may be over.
            let _ = waiting.send(answer);
        }
    }

    /// The client is gone, or the turn is over: nobody answers any more, which who waits takes for no answer.
    pub(super) fn release(&mut self) {
        self.asked.clear();
        self.answers.clear();
    }
}
