//! Name and capabilities: kept in the home, told to the registry at every registration.

use crate::{args::ProfileArgs, config::Config};

/// Takes what was typed into the configuration. True if that changed it.
pub(super) fn apply(args: ProfileArgs, config: &mut Config) -> bool {
    let before = (config.display_name.clone(), config.capabilities.clone());
    if args.name.is_some() {
        config.display_name = args.name;
    }
    if !args.capabilities.is_empty() {
        // Empty ones take a list back: `--capability ''`.
        let named = args.capabilities.into_iter().filter(|name| !name.is_empty());
        config.capabilities = Some(named.collect());
    }
    before != (config.display_name.clone(), config.capabilities.clone())
}
