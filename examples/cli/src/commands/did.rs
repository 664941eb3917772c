//! `agentmesh did show`.

use agentmesh_core::{
    client::http::HttpConfig,
    identity::did::{DidDocument, DidService},
};

use super::answer::Answer;
use crate::{args::DidCommand, config::Config, context::Context, endpoints, error::CliError};

pub(super) async fn run(command: DidCommand, context: Context) -> Result<(), CliError> {
    let DidCommand::Show { amid } = command;
    let text = match amid {
        Some(amid) => {
            // Needs no home, and does not say who asks.
            let config = context.home().and_then(|home| Config::load(&home)).unwrap_or_default();
            let servers = context.endpoints(&config).await?;
            let registry = endpoints::anonymous_client(&servers.registry, HttpConfig::default())?;
            registry.did(&amid).await.map_err(agentmesh_core::Error::from)?.to_json()
        }
        None => {
            let home = context.home()?;
            let config = Config::load(&home)?;
            let identity = home.identity().await?.identity;
            let mut document = DidDocument::new(&identity.public())
                .with_dates(identity.created_at(), identity.created_at());
            if let Some(relay) = config.relay {
                document = document.with_service(DidService::relay(relay));
            }
            let signed =
                document.sign(&identity, agentmesh_core::client::platform::Clock::system().now());
            signed.map_err(agentmesh_core::Error::from)?
        }
    };
    let json: serde_json::Value =
        serde_json::from_str(&text).map_err(|e| CliError::failed(format!("output: {e}")))?;
    let pretty = serde_json::to_string_pretty(&json)
        .map_err(|e| CliError::failed(format!("output: {e}")))?;
    context.out.show(&Answer::new(&json, pretty)?)
}
