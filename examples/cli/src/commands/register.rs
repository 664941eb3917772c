//! `agentmesh register`: be found.

use std::fmt;

use agentmesh_core::identity::Amid;
use serde::Serialize;

use super::profile;
use crate::{
    args::RegisterArgs,
    config::Config,
    context::Context,
    error::CliError,
    opened::{self, Create, Opened},
};

pub(super) async fn run(args: RegisterArgs, context: Context) -> Result<(), CliError> {
    let home = context.home()?;
    let mut config = Config::load(&home)?;
    let changed = profile::apply(args.profile, &mut config);
    let (mut opened, endpoints) =
        Opened::with_servers(&context, home, config, Create::No, |agent| {
            opened::leave_knocks_undecided(agent);
            agent.connect_timeout = args.timeout;
        })
        .await?;
    if changed {
        opened.config.save(&opened.home)?;
    }
    let connected = opened.agent.connect().await;
    if let Err(error) = connected {
        opened.close().await?;
        return Err(error.into());
    }
    opened.remember(&endpoints)?;
    let registered = Registered {
        amid: opened.agent.amid(),
        registry: endpoints.registry,
        relay: endpoints.relay,
        display_name: opened.config.display_name.clone(),
        capabilities: opened.config.capabilities.clone(),
    };
    opened.close().await?;
    context.out.show(&registered)
}

#[derive(Serialize)]
struct Registered {
    amid: Amid,
    registry: String,
    relay: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<Vec<String>>,
}

impl fmt::Display for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is registered with {}", self.amid, self.registry)?;
        let capabilities = self.capabilities.as_deref().unwrap_or_default();
        if !capabilities.is_empty() {
            write!(f, ", for {}", capabilities.join(", "))?;
        }
        Ok(())
    }
}
