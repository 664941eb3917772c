//! Questions and answers over a plain WebSocket: both sides.

use std::{sync::Arc, time::Duration};

use agentmesh_facade as facade;
use facade::SecretText;
use napi::{Env, bindgen_prelude::Object};
use napi_derive::napi;

use super::{items::ItemStream, json_call, unit_call};
use crate::{
    agent::milliseconds,
    bridge::{Canceller, call},
    error::run,
    json, settings,
};

/// A conversation with an agent.
#[napi]
pub struct AgentWebSocketClient(facade::AgentWebSocketClient);

/// Connects.
#[napi]
pub fn connect_agent_web_socket<'env>(
    env: &'env Env,
    how: String,
    bearer: Option<String>,
    wait: bool,
    canceller: Option<&Canceller>,
) -> napi::Result<Object<'env>> {
    let how = settings(Some(&how))?;
    let bearer = bearer.map(SecretText::trimmed);
    call(env, canceller, async move {
        let client = facade::AgentWebSocketClient::connect(how, bearer, wait).await?;
        Ok(AgentWebSocketClient(client))
    })
}

fn span(ms: Option<f64>) -> napi::Result<Option<Duration>> {
    ms.map(milliseconds).transpose()
}

#[napi]
impl AgentWebSocketClient {
    /// Asks; the answer as JSON.
    #[napi]
    pub fn query<'env>(
        &self,
        env: &'env Env,
        content: String,
        deadline: Option<f64>,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let deadline = span(deadline)?;
        json_call!(self, env, canceller, |client| client.query(content, deadline))
    }

    /// Asks; the answer piece by piece.
    #[napi]
    pub fn query_stream<'env>(
        &self,
        env: &'env Env,
        content: String,
        deadline: Option<f64>,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let (client, deadline) = (self.0.clone(), span(deadline)?);
        call(env, canceller, async move {
            Ok(ItemStream::new(client.query_stream(content, deadline).await?))
        })
    }

    /// Sends a command.
    #[napi]
    pub fn command<'env>(
        &self,
        env: &'env Env,
        command: String,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        unit_call!(self, env, canceller, |client| client.command(command))
    }

    /// Sends what a person thinks of an answer.
    #[napi]
    pub fn human_feedback<'env>(
        &self,
        env: &'env Env,
        content: String,
        metadata: Option<String>,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        unit_call!(self, env, canceller, |client| client
            .human_feedback(content, metadata.as_deref()))
    }

    /// What happens besides answers.
    #[napi]
    pub fn events(&self) -> napi::Result<ItemStream> {
        run(|| self.0.events().map(ItemStream::new))
    }

    /// The session, or `null`, as JSON.
    #[napi]
    pub fn session(&self) -> napi::Result<String> {
        run(|| json(&self.0.session()?))
    }

    /// Takes leave.
    #[napi]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        unit_call!(self, env, None, |client| client.close())
    }
}

/// A service that listens.
#[napi]
pub struct AgentWebSocketService {
    service: facade::AgentWebSocketService,
    calls: Arc<facade::ChatCalls>,
}

/// Listens.
#[napi]
pub fn start_agent_web_socket_service<'env>(
    env: &'env Env,
    how: String,
    tokens: Vec<String>,
) -> napi::Result<Object<'env>> {
    let how = settings(Some(&how))?;
    let tokens = tokens.into_iter().map(SecretText::trimmed).collect();
    call(env, None, async move {
        let (service, calls) = facade::AgentWebSocketService::start(how, tokens).await?;
        Ok(AgentWebSocketService { service, calls: Arc::new(calls) })
    })
}

#[napi]
impl AgentWebSocketService {
    /// Where it listens.
    #[napi(getter)]
    pub fn url(&self) -> String {
        self.service.url().to_owned()
    }

    /// The next question; nothing once it was given up, or the service is gone.
    #[napi]
    pub fn next<'env>(
        &self,
        env: &'env Env,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let calls = Arc::clone(&self.calls);
        call(
            env,
            canceller,
            async move { Ok(calls.next().await?.map(|call| ChatCall(Arc::new(call)))) },
        )
    }

    /// Shows a notification to a session.
    #[napi]
    pub fn notify(&self, session: String, message: String) -> napi::Result<()> {
        run(|| self.service.notify(&session, message))
    }

    /// Counts, as JSON.
    #[napi]
    pub fn stats(&self) -> napi::Result<String> {
        run(|| json(&self.service.stats()?))
    }

    /// Ends it.
    #[napi]
    pub fn shutdown<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let service = self.service.clone();
        call(env, None, async move { service.shutdown().await })
    }
}

/// A conversation that wants an answer. Forgotten, it fails.
#[napi]
pub struct ChatCall(Arc<facade::ChatCall>);

#[napi]
impl ChatCall {
    /// What was said, as JSON.
    #[napi(getter)]
    pub fn messages(&self) -> napi::Result<String> {
        run(|| json(&self.0.messages))
    }

    /// Whether the client wants to see the answer as it comes.
    #[napi(getter)]
    pub fn wants_deltas(&self) -> bool {
        self.0.wants_deltas
    }

    /// Shows more of it.
    #[napi]
    pub fn delta<'env>(&self, env: &'env Env, text: String) -> napi::Result<Object<'env>> {
        unit_call!(self, env, None, |question| question.delta(text))
    }

    /// The whole answer.
    #[napi]
    pub fn answer(&self, text: String) -> napi::Result<()> {
        run(|| self.0.answer(text))
    }

    /// There is none.
    #[napi]
    pub fn fail(&self, message: String) -> napi::Result<()> {
        run(|| self.0.fail(&message))
    }

    /// Done when nobody waits for the answer any more.
    #[napi]
    pub fn gone<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let gone = self.0.gone();
        call(env, None, async move {
            gone.await;
            Ok(())
        })
    }
}
