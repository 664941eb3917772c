//! What every command gets: the flags that mean the same everywhere.

use std::path::PathBuf;

use agentmesh_core::client::StoreUrl;

use crate::{
    args::GlobalArgs,
    config::Config,
    endpoints::{Endpoints, Given},
    error::CliError,
    home::Home,
    output::Output,
};

/// Flags and output.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) out: Output,
    home: Option<PathBuf>,
    store: Option<StoreUrl>,
    given: Given,
}

impl Context {
    pub(crate) fn new(global: GlobalArgs, out: Output) -> Self {
        let GlobalArgs { home, store, registry, relay, allow_insecure, json: _, verbose: _ } =
            global;
        Self { out, home, store, given: Given { registry, relay, allow_insecure } }
    }

    /// The home that was asked for. Nothing is touched.
    pub(crate) fn home(&self) -> Result<Home, CliError> {
        Home::resolve(self.home.clone(), self.store.clone())
    }

    /// Whether servers on other machines may be reached unencrypted.
    pub(crate) const fn allow_insecure(&self) -> bool {
        self.given.allow_insecure
    }

    /// Registry and relay for a home with this configuration.
    pub(crate) async fn endpoints(&self, config: &Config) -> Result<Endpoints, CliError> {
        Endpoints::resolve(&self.given, config, self.out).await
    }
}
