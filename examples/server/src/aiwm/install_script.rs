//! A script that puts an agent's `.env` in place. It downloads nothing, runs nothing of the network, and the secret is
//! not in it: it is asked for, or taken from the environment.

/// The script. Only the id and the URL come from outside; both are quoted.
pub(super) fn install_script(id: &str, url: &str) -> String {
    TEMPLATE.replace("@ID@", &quoted(id)).replace("@URL@", &quoted(url.trim_end_matches('/')))
}

/// A word for the shell, whatever is in it.
fn quoted(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("'{}'", line.replace('\'', r"'\''"))
}

const TEMPLATE: &str = r#"#!/bin/bash
# Installation script
# Writes .env for this agent into a directory (default: the current one). The secret is read from AIWM_AGENT_SECRET or
# asked for, so that it is neither in this file nor in the shell's history.
set -euo pipefail

agent_id=@ID@
base_url=@URL@
directory=${1:-.}
file="$directory/.env"

if [ -e "$file" ]; then
  echo "$file exists; move it away first" >&2
  exit 1
fi
secret=${AIWM_AGENT_SECRET:-}
if [ -z "$secret" ]; then
  read -r -s -p "Secret of agent $agent_id: " secret
  echo
fi
case $secret in
  '' | *[!0-9a-f]*) echo "A secret has only the characters 0-9 and a-f" >&2; exit 1 ;;
esac

mkdir -p "$directory"
umask 077
{
  echo "AIWM_ENABLED=true"
  echo "AIWM_BASE_URL=$base_url"
  echo "AIWM_AGENT_ID=$agent_id"
  echo "AIWM_AGENT_SECRET=$secret"
} >"$file"
chmod 600 "$file"
echo "Wrote $file. Start the agent with: agentmesh aiwm run -- COMMAND"
"#;
