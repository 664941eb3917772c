//! `agentmesh org`: a domain that vouches for agents.

use std::{
    io::{self, Read},
    path::Path,
};

use agentmesh_core::{Error, client::registry::OrgConsent};
use serde_json::json;

use super::{answer::Answer, registry_of};
use crate::{args::OrgCommand, context::Context, error::CliError};

/// No consent is longer.
const MAX_CONSENT: u64 = 64 * 1024;

pub(super) async fn run(command: OrgCommand, context: Context) -> Result<(), CliError> {
    let (opened, registry) = registry_of(&context).await?;
    let answer = async {
        match command {
            OrgCommand::Register { name, domain } => {
                let new = registry.org_register(&name, &domain).await.map_err(Error::from)?;
                let text = format!(
                    "organization {}\nput this into the DNS until {}:\n  {} {} \"{}\"\nthen: agentmesh org verify {}",
                    new.id,
                    new.challenge.expires_at,
                    new.challenge.record_name,
                    new.challenge.record_type,
                    new.challenge.record_value,
                    new.id
                );
                Answer::new(
                    &json!({"organization_id": new.id, "dns_challenge": new.challenge}),
                    text,
                )
            }
            OrgCommand::Verify { id } => {
                let found = registry.org_verify(&id).await.map_err(Error::from)?;
                if !found.verified {
                    let why = found.error.unwrap_or_default();
                    return Err(CliError::failed(format!("the domain is not proven: {why}")));
                }
                Answer::new(&found, "the domain is proven")
            }
            OrgCommand::Consent { id } => {
                let consent = registry.org_consent(&id);
                let text = serde_json::to_string(&consent).unwrap_or_default();
                Answer::new(&consent, text)
            }
            OrgCommand::Add { file } => {
                let consent = read(&file)?;
                let added = registry.org_add_agent(&consent, None, &[]).await;
                let certificate = added.map_err(Error::from)?;
                let text = format!("{} belongs to the organization", consent.agent_amid);
                Answer::new(&json!({"amid": consent.agent_amid, "certificate": certificate}), text)
            }
            OrgCommand::Show { domain } => {
                let found = registry.organization(&domain).await.map_err(Error::from)?;
                let proven = if found.verified { "proven" } else { "not proven" };
                let text = format!(
                    "{} ({}), domain {proven}, {} agents",
                    found.name, found.domain, found.agent_count
                );
                Answer::new(&found, text)
            }
        }
    };
    let answer = answer.await;
    opened.close().await?;
    context.out.show(&answer?)
}

fn read(file: &Path) -> Result<OrgConsent, CliError> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        io::stdin().lock().take(MAX_CONSENT).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|f| f.take(MAX_CONSENT).read_to_string(&mut text))
    };
    read.map_err(|e| CliError::usage(format!("{}: {e}", file.display())))?;
    serde_json::from_str(&text).map_err(|e| CliError::usage(format!("not a consent: {e}")))
}
