//! Who in the application waits for what.

use tokio::sync::oneshot;

use crate::{
    Error,
    engine::{IncomingMessage, SendFailure, Stage},
    identity::Amid,
    maps::HashMap,
    wire::{id::MessageId, plaintext::MessageType},
};

type StageReply = oneshot::Sender<Result<Stage, SendFailure>>;
type Response = oneshot::Sender<Result<IncomingMessage, Error>>;

/// Callers that wait for a stage of a message, or for a response. Those that gave up are dropped on the way.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    stages: HashMap<MessageId, Vec<(Stage, StageReply)>>,
    responses: HashMap<MessageId, (Amid, Response)>,
}

impl Waiting {
    pub(super) fn watch(&mut self, id: MessageId, wanted: Stage, reply: StageReply) {
        self.stages.entry(id).or_default().push((wanted, reply));
    }

    pub(super) fn await_response(&mut self, id: MessageId, from: Amid, reply: Response) {
        self.responses.retain(|_, (_, reply)| !reply.is_closed());
        self.responses.insert(id, (from, reply));
    }

    pub(super) fn progress(&mut self, id: MessageId, stage: Stage) {
        let Some(watchers) = self.stages.get_mut(&id) else { return };
        let mut rest = Vec::new();
        for (wanted, reply) in watchers.drain(..) {
            if wanted <= stage {
                let _ = reply.send(Ok(stage));
            } else if !reply.is_closed() {
                rest.push((wanted, reply));
            }
        }
        if rest.is_empty() {
            self.stages.remove(&id);
        } else {
            *watchers = rest;
        }
    }

    pub(super) fn failed(&mut self, id: MessageId, reason: &SendFailure) {
        for (_, reply) in self.stages.remove(&id).unwrap_or_default() {
            let _ = reply.send(Err(reason.clone()));
        }
        if let Some((_, reply)) = self.responses.remove(&id) {
            let _ = reply.send(Err(reason.clone().into()));
        }
    }

    /// Whether somebody waits for this response.
    pub(super) fn expects(&self, message: &IncomingMessage) -> bool {
        is_answer(message.kind)
            && message
                .in_reply_to
                .and_then(|request| self.responses.get(&request))
                .is_some_and(|(from, reply)| *from == message.from && !reply.is_closed())
    }

    /// Hands a response to whoever waits for it. False if nobody does.
    pub(super) fn response(&mut self, message: &IncomingMessage) -> bool {
        if !is_answer(message.kind) {
            return false;
        }
        let Some(request) = message.in_reply_to else { return false };
        if self.responses.get(&request).is_none_or(|(from, _)| *from != message.from) {
            return false;
        }
        self.responses
            .remove(&request)
            .is_some_and(|(_, reply)| reply.send(Ok(message.clone())).is_ok())
    }
}

const fn is_answer(kind: MessageType) -> bool {
    matches!(
        kind,
        MessageType::Response | MessageType::Error | MessageType::CapabilityNegotiationResponse
    )
}
