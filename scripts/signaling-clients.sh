#!/usr/bin/env bash
# What the signaling document's two clients need: prints the path of a Python with httpx, and that of a directory whose
# node_modules has eventsource@2 (whose default export the Node client imports). Both are kept in this user's cache. An
# empty line, and a notice on standard error, stand for what is not to be had.
set -uo pipefail
cache="${XDG_CACHE_HOME:-$HOME/.cache}/agentmesh-tests/signaling"
mkdir -p "$cache"
exec 9>"$cache/lock"
if command -v flock >/dev/null; then flock 9; fi

python="$cache/venv/bin/python"
has_httpx() { "$python" -c 'import httpx' 2>/dev/null; }
if ! has_httpx; then
  rm -rf "$cache/venv"
  python3 -m venv "$cache/venv" >/dev/null 2>&1 && "$python" -m pip install -q --disable-pip-version-check 'httpx<1' >/dev/null 2>&1
fi
if has_httpx; then echo "$python"; else
  echo
  echo "no Python with httpx: the document's Python client was NOT run (needs python3-venv and a network once)" >&2
fi

modules="$cache/node"
has_eventsource() { [ -f "$modules/node_modules/eventsource/package.json" ]; }
is_new() { [ "$(node -p 'Number(process.versions.node.split(".")[0]) >= 20' 2>/dev/null)" = true ]; }
if ! has_eventsource && command -v npm >/dev/null; then
  mkdir -p "$modules"
  npm install --prefix "$modules" --no-save --no-audit --no-fund --silent eventsource@2 >/dev/null 2>&1
fi
if is_new && has_eventsource; then echo "$modules"; else
  echo
  echo "no Node.js 20 with eventsource@2: the document's Node client was NOT run (needs Node, npm and a network once)" >&2
fi
