//! `agentmesh revoke`: say that an agent must not be trusted any more, or ask.

use agentmesh_core::{Error, client::http::HttpConfig, wire::registry::RevocationReason};
use serde_json::json;

use super::{answer::Answer, registry_of};
use crate::{
    args::{ReasonArg, RevokeArgs},
    config::Config,
    context::Context,
    endpoints,
    error::CliError,
};

pub(super) async fn run(args: RevokeArgs, context: Context) -> Result<(), CliError> {
    let RevokeArgs { amids, check, reason, notes } = args;
    if check {
        let config = context.home().and_then(|home| Config::load(&home)).unwrap_or_default();
        let servers = context.endpoints(&config).await?;
        let registry = endpoints::anonymous_client(&servers.registry, HttpConfig::default())?;
        for (amid, revocation) in registry.revocations(&amids).await.map_err(Error::from)? {
            let text = match &revocation {
                None => format!("{amid} is not revoked"),
                Some(found) => format!("{amid} was revoked: {}", found.reason),
            };
            let json =
                json!({"amid": amid, "revoked": revocation.is_some(), "revocation": revocation});
            context.out.show(&Answer::new(&json, text)?)?;
        }
        return Ok(());
    }
    let reason = reason.map(reason_of).unwrap_or(RevocationReason::Other);
    let (opened, registry) = registry_of(&context).await?;
    let mut result = Ok(());
    for amid in amids {
        match registry.revoke(&amid, &reason, notes.as_deref()).await {
            Ok(id) => {
                let json = json!({"amid": amid, "revocation_id": id, "reason": reason});
                context.out.show(&Answer::new(&json, format!("{amid} is revoked: {reason}"))?)?;
            }
            Err(error) => {
                result = Err(Error::from(error).into());
                break;
            }
        }
    }
    opened.close().await?;
    result
}

const fn reason_of(reason: ReasonArg) -> RevocationReason {
    match reason {
        ReasonArg::KeyCompromise => RevocationReason::KeyCompromise,
        ReasonArg::PolicyViolation => RevocationReason::PolicyViolation,
        ReasonArg::Superseded => RevocationReason::Superseded,
        ReasonArg::CessationOfOperation => RevocationReason::CessationOfOperation,
        ReasonArg::PrivilegeWithdrawn => RevocationReason::PrivilegeWithdrawn,
        ReasonArg::AdminRequest => RevocationReason::AdminRequest,
        ReasonArg::Other => RevocationReason::Other,
    }
}
