//! An agent under a controller.

use std::sync::Arc;

use agentmesh_facade::{
    AiwmClient, AiwmSupervisor, ControllerSettings, SecretText, SupervisorSettings, from_json,
};

use crate::{
    NativeError, NativeItems,
    calls::{call, run},
};

/// Talks to a controller for one agent, call by call.
#[derive(uniffi::Object)]
pub struct NativeAiwmClient(AiwmClient);

/// What a controller gave.
#[derive(uniffi::Record)]
pub struct NativeAiwmConnected {
    /// Everything but the token, a JSON object.
    pub answer: String,
    /// For heartbeats.
    pub token: String,
}

#[uniffi::export]
impl NativeAiwmClient {
    /// Connects to nothing yet. Settings are the facade's `ControllerSettings`.
    #[uniffi::constructor]
    pub fn new(settings: String, secret: String) -> Result<Arc<Self>, NativeError> {
        run(|| {
            let settings: ControllerSettings = from_json(&settings)?;
            Ok(Arc::new(Self(AiwmClient::new(settings, SecretText::new(secret))?)))
        })
    }

    /// Shows the secret, and gets a token and the configuration.
    pub async fn connect(&self) -> Result<NativeAiwmConnected, NativeError> {
        let client = self.0.clone();
        call(async move {
            let connected = client.connect().await?;
            Ok(NativeAiwmConnected {
                answer: connected.answer.to_string(),
                token: connected.token.expose().to_owned(),
            })
        })
        .await
    }

    /// Says that the agent is alive: `online`, `busy` or `idle`, and numbers as a JSON object.
    pub async fn heartbeat(
        &self,
        token: String,
        status: String,
        metrics: Option<String>,
    ) -> Result<(), NativeError> {
        let client = self.0.clone();
        let token = SecretText::new(token);
        call(async move { client.heartbeat(&token, &status, metrics.as_deref()).await }).await
    }

    /// Says that the agent goes.
    pub async fn disconnect(&self, token: String, reason: String) -> Result<(), NativeError> {
        let client = self.0.clone();
        let token = SecretText::new(token);
        call(async move { client.disconnect(&token, &reason).await }).await
    }
}

/// Keeps an agent connected to its controller. It ends when the last reference is dropped.
#[derive(uniffi::Object)]
pub struct NativeAiwmSupervisor(AiwmSupervisor);

/// Where a controller is, and the secret for it.
#[derive(uniffi::Record)]
pub struct NativeController {
    /// The facade's `ControllerSettings`.
    pub settings: String,
    /// The secret.
    pub secret: String,
}

/// The answer to `GET path`, for any HTTP server.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NativeHttpAnswer {
    /// The status.
    pub status: u16,
    /// The content type.
    pub content_type: String,
    /// The body.
    pub body: String,
}

/// Connects, with pauses and tries, and returns with a configuration. The controller is the one given, or else the one that the
/// environment names, or none. Settings are the facade's `SupervisorSettings`.
///
/// # Errors
/// `AIWM_CONFIG`; with `fail_fast` whatever the controller refused.
#[uniffi::export]
pub async fn start_aiwm_supervisor(
    controller: Option<NativeController>,
    settings: String,
) -> Result<Arc<NativeAiwmSupervisor>, NativeError> {
    let settings: SupervisorSettings = run(|| from_json(&settings))?;
    let controller = controller.map(|NativeController { settings, secret }| {
        let settings: ControllerSettings = run(|| from_json(&settings))?;
        Ok::<_, NativeError>((settings, SecretText::new(secret)))
    });
    let controller = controller.transpose()?;
    call(async move {
        let supervisor = AiwmSupervisor::start(controller, settings).await?;
        Ok(Arc::new(NativeAiwmSupervisor(supervisor)))
    })
    .await
}

#[uniffi::export]
impl NativeAiwmSupervisor {
    /// The configuration now: an object. **It holds the tokens of the agent's platforms.**
    pub fn config(&self) -> Result<String, NativeError> {
        run(|| Ok(self.0.config()?.to_string()))
    }

    /// The state now: `online`, `degraded` and so on.
    pub fn state(&self) -> Result<String, NativeError> {
        run(|| Ok(self.0.state()?.to_owned()))
    }

    /// What happens from now on.
    pub fn events(&self) -> Result<Arc<NativeItems>, NativeError> {
        run(|| Ok(NativeItems::new(self.0.events()?)))
    }

    /// What the next heartbeat says: `online`, `busy` or `idle`.
    pub fn set_status(&self, status: String) -> Result<(), NativeError> {
        run(|| self.0.set_status(&status))
    }

    /// What was said last.
    pub fn status(&self) -> Result<String, NativeError> {
        run(|| Ok(self.0.status()?.to_owned()))
    }

    /// Numbers for heartbeats from now on, a JSON object; nothing for none.
    pub fn set_metrics(&self, metrics: Option<String>) -> Result<(), NativeError> {
        run(|| self.0.set_metrics(metrics.as_deref()))
    }

    /// How the agent stands with its controller.
    pub fn health(&self) -> Result<String, NativeError> {
        run(|| Ok(self.0.health()?.to_string()))
    }

    /// The counters, by name.
    pub fn counters(&self) -> Result<String, NativeError> {
        run(|| Ok(self.0.counters()?.to_string()))
    }

    /// The answer to `GET path`.
    pub fn respond(&self, path: String) -> Result<NativeHttpAnswer, NativeError> {
        run(|| {
            let (status, content_type, body) = self.0.respond(&path)?;
            Ok(NativeHttpAnswer { status, content_type, body })
        })
    }

    /// Stops heartbeats, tells the controller, wipes token and secret.
    pub async fn shutdown(&self) -> Result<(), NativeError> {
        let supervisor = self.0.clone();
        call(async move { supervisor.shutdown().await }).await
    }
}
