#!/usr/bin/env bash
# Makes the bucket that wrangler.toml names, in the account that `wrangler login` or CLOUDFLARE_API_TOKEN says, and .dev.vars for
# `npm run dev`. What is there already is left as it is. WRANGLER is another command than the project's own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bucket=$(sed -nE 's/^bucket_name *= *"([^"]+)".*/\1/p' wrangler.toml)
[ -n "$bucket" ] || {
  echo "setup-r2: wrangler.toml names no bucket" >&2
  exit 1
}
wrangler() {
  if [ -n "${WRANGLER:-}" ]; then "$WRANGLER" "$@"; else npx --no-install wrangler "$@"; fi
}

# Whether it is there is asked of the account: creating fails for many reasons.
if wrangler r2 bucket info "$bucket" >/dev/null 2>&1; then
  echo "setup-r2: the bucket $bucket is there"
else
  wrangler r2 bucket create "$bucket"
  echo "setup-r2: made the bucket $bucket"
fi

if [ -e .dev.vars ]; then
  echo "setup-r2: .dev.vars is there"
else
  (umask 077 && cp .dev.vars.example .dev.vars)
  echo "setup-r2: made .dev.vars: put your keys into it"
fi
