//! `agentmesh oauth`: become verified by showing an account.

use agentmesh_core::Error;
use serde_json::json;

use super::{answer::Answer, registry_of};
use crate::{args::OauthCommand, context::Context, error::CliError};

pub(super) async fn run(command: OauthCommand, context: Context) -> Result<(), CliError> {
    let (opened, registry) = registry_of(&context).await?;
    let done = async {
        match command {
            OauthCommand::Providers => {
                for provider in registry.oauth_providers().await.map_err(Error::from)? {
                    let text = format!("{}  {}", provider.name, provider.display_name);
                    context.out.show(&Answer::new(&provider, text)?)?;
                }
                Ok(())
            }
            OauthCommand::Start { provider, wait } => {
                let attempt = registry.oauth_start(&provider).await.map_err(Error::from)?;
                let (url, state) = (attempt.authorization_url.as_str(), attempt.state.as_str());
                let json = json!({
                    "authorization_url": url, "state": state, "expires_in": attempt.expires_in.as_secs(),
                });
                context.out.show(&Answer::new(
                    &json,
                    format!("open in a browser: {url}\nstate {state}"),
                )?)?;
                let Some(limit) = wait else { return Ok(()) };
                let identity = registry.oauth_wait(state, limit).await.map_err(Error::from)?;
                let json = json!({"status": "verified", "verified_identity": identity});
                context.out.show(&Answer::new(&json, format!("verified as {identity}"))?)
            }
            OauthCommand::Status { state } => {
                let found = registry.oauth_status(&state).await.map_err(Error::from)?;
                let text = match (&found.verified_identity, &found.error) {
                    (Some(identity), _) => format!("{}: {identity}", found.status),
                    (None, Some(error)) => format!("{}: {error}", found.status),
                    (None, None) => found.status.to_string(),
                };
                context.out.show(&Answer::new(&found, text)?)
            }
        }
    };
    let done: Result<(), CliError> = done.await;
    opened.close().await?;
    done
}
