//! An agent under a controller.

use std::sync::Arc;

use agentmesh_facade as facade;
use facade::{ControllerSettings, SecretText};
use napi::{Env, bindgen_prelude::Object};
use napi_derive::napi;

use super::{items::ItemStream, unit_call};
use crate::{
    bridge::{Canceller, call},
    error::run,
    json, settings,
};

/// Talks to a controller, call by call.
#[napi]
pub struct AiwmClient(facade::AiwmClient);

/// What a controller gave.
#[napi]
pub struct AiwmConnection {
    answer: String,
    token: Arc<SecretText>,
}

#[napi]
impl AiwmConnection {
    /// Everything but the token, as JSON.
    #[napi(getter)]
    pub fn answer(&self) -> String {
        self.answer.clone()
    }
}

#[napi]
impl AiwmClient {
    /// Of one agent.
    #[napi(constructor)]
    pub fn new(how: String, secret: String) -> napi::Result<Self> {
        let how: ControllerSettings = settings(Some(&how))?;
        run(|| facade::AiwmClient::new(how, SecretText::new(secret)).map(Self))
    }

    /// Shows the secret, and gets a token and the configuration.
    #[napi]
    pub fn connect<'env>(
        &self,
        env: &'env Env,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let client = self.0.clone();
        call(env, canceller, async move {
            let connected = client.connect().await?;
            let token = Arc::new(connected.token);
            Ok(AiwmConnection { answer: connected.answer.to_string(), token })
        })
    }

    /// Says that the agent is alive.
    #[napi]
    pub fn heartbeat<'env>(
        &self,
        env: &'env Env,
        connection: &AiwmConnection,
        status: String,
        metrics: Option<String>,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let token = Arc::clone(&connection.token);
        unit_call!(self, env, canceller, |client| client.heartbeat(
            &token,
            &status,
            metrics.as_deref()
        ))
    }

    /// Says that it goes.
    #[napi]
    pub fn disconnect<'env>(
        &self,
        env: &'env Env,
        connection: &AiwmConnection,
        reason: String,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let token = Arc::clone(&connection.token);
        unit_call!(self, env, canceller, |client| client.disconnect(&token, &reason))
    }
}

/// Keeps an agent connected to its controller.
#[napi]
pub struct AiwmSupervisor(facade::AiwmSupervisor);

/// Starts one. Without a controller, that of the environment.
#[napi]
pub fn start_aiwm_supervisor<'env>(
    env: &'env Env,
    controller: Option<String>,
    secret: Option<String>,
    how: String,
    canceller: Option<&Canceller>,
) -> napi::Result<Object<'env>> {
    let controller: Option<ControllerSettings> =
        controller.map(|text| settings(Some(&text))).transpose()?;
    let controller = controller.zip(secret.map(SecretText::new));
    let how = settings(Some(&how))?;
    call(env, canceller, async move {
        Ok(AiwmSupervisor(facade::AiwmSupervisor::start(controller, how).await?))
    })
}

/// An answer for an HTTP server.
#[napi(object, object_from_js = false)]
pub struct HttpAnswer {
    /// The status.
    pub status: u32,
    /// The body's type.
    pub content_type: String,
    /// The body.
    pub body: String,
}

#[napi]
impl AiwmSupervisor {
    /// The configuration, as JSON.
    #[napi]
    pub fn config(&self) -> napi::Result<String> {
        run(|| json(&self.0.config()?))
    }

    /// The state.
    #[napi]
    pub fn state(&self) -> napi::Result<&'static str> {
        run(|| self.0.state())
    }

    /// What happens.
    #[napi]
    pub fn events(&self) -> napi::Result<ItemStream> {
        run(|| self.0.events().map(ItemStream::new))
    }

    /// Says what the agent is doing.
    #[napi]
    pub fn set_status(&self, status: String) -> napi::Result<()> {
        run(|| self.0.set_status(&status))
    }

    /// What it is doing.
    #[napi]
    pub fn status(&self) -> napi::Result<&'static str> {
        run(|| self.0.status())
    }

    /// Numbers for heartbeats, as JSON.
    #[napi]
    pub fn set_metrics(&self, metrics: Option<String>) -> napi::Result<()> {
        run(|| self.0.set_metrics(metrics.as_deref()))
    }

    /// How it stands with the controller, as JSON.
    #[napi]
    pub fn health(&self) -> napi::Result<String> {
        run(|| json(&self.0.health()?))
    }

    /// Counts, as JSON.
    #[napi]
    pub fn counters(&self) -> napi::Result<String> {
        run(|| json(&self.0.counters()?))
    }

    /// The answer to `GET path`.
    #[napi]
    pub fn respond(&self, path: String) -> napi::Result<HttpAnswer> {
        let (status, content_type, body) = run(|| self.0.respond(&path))?;
        Ok(HttpAnswer { status: status.into(), content_type, body })
    }

    /// Ends it.
    #[napi]
    pub fn shutdown<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        unit_call!(self, env, None, |supervisor| supervisor.shutdown())
    }
}
