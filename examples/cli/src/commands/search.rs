//! `agentmesh search`: who can do what. Needs no home and says nothing about who asks.

use std::fmt;

use agentmesh_core::{
    client::{
        http::HttpConfig,
        registry::{AgentSearch, Listing},
    },
    identity::Amid,
    knock::Tier,
    wire::relay_frame::PresenceStatus,
};
use serde::Serialize;

use crate::{
    args::{SearchArgs, TierArg},
    config::Config,
    context::Context,
    endpoints,
    error::CliError,
};

pub(super) async fn run(args: SearchArgs, context: Context) -> Result<(), CliError> {
    let config = match context.home() {
        Ok(home) => Config::load(&home)?,
        Err(_) => Config::default(),
    };
    let servers = context.endpoints(&config).await?;
    let registry = endpoints::anonymous_client(&servers.registry, HttpConfig::default())?;
    let search = AgentSearch {
        capability: args.capability.or(args.positional),
        min_tier: args.min_tier.map(|tier| match tier {
            TierArg::Anonymous => Tier::Anonymous,
            TierArg::Verified => Tier::Verified,
            TierArg::Organization => Tier::Organization,
        }),
        min_reputation: None,
        status: args.status.as_deref().map(PresenceStatus::from),
        limit: Some(args.limit),
        offset: Some(args.offset),
        include_revoked: args.revoked,
    };
    let page = registry.search(&search).await.map_err(agentmesh_core::Error::from)?;
    for listing in &page.agents {
        context.out.show(&Found::from(listing))?;
    }
    if page.rejected > 0 {
        context.out.note(format_args!(
            "{} entries were left out: their keys are not those of their addresses",
            page.rejected
        ));
    }
    match page.next_offset {
        Some(next) => {
            context.out.note(format_args!("{} in all; --offset {next} goes on", page.total));
        }
        None if page.agents.is_empty() => context.out.note("nobody was found"),
        None => {}
    }
    Ok(())
}

#[derive(Serialize)]
struct Found<'a> {
    amid: Amid,
    display_name: Option<&'a str>,
    capabilities: &'a [String],
    tier: &'a str,
    reputation: f64,
    status: &'a str,
    last_seen: Option<String>,
}

impl<'a> From<&'a Listing> for Found<'a> {
    fn from(listing: &'a Listing) -> Self {
        let details = &listing.details;
        Self {
            amid: listing.amid,
            display_name: details.display_name.as_deref(),
            capabilities: &details.capabilities,
            tier: details.tier.as_str(),
            reputation: details.reputation_score,
            status: details.status.as_str(),
            last_seen: listing.last_seen.map(|at| at.to_rfc3339_millis()),
        }
    }
}

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.display_name.unwrap_or("-");
        write!(
            f,
            "{}  {:7}  {:9}  {:.2}  {name}  [{}]",
            self.amid,
            self.status,
            self.tier,
            self.reputation,
            self.capabilities.join(", ")
        )
    }
}
