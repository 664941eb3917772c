#!/usr/bin/env bash
# Attacks a server while honest agents write, and tries requests against its description; not part of `make test`, for it
# takes a quarter of an hour. `attack.sh load …` passes arguments on to attack.py, `attack.sh schemathesis` does the second alone.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/parts/built.sh
part=${1:-all}
[ $# -eq 0 ] || shift
out=$PWD/target/attack
mkdir -p "$out"
if [ ! -e "$out/venv/installed" ]; then
  python3 -m venv "$out/venv"
  "$out/venv/bin/pip" install -q --disable-pip-version-check 'cryptography>=44' 'websockets>=14,<18' 'schemathesis>=4,<5'
  touch "$out/venv/installed"
fi
server=${AGENTMESH_SERVER:-}
if [ -z "$server" ]; then
  server=$(path_of agentmesh-server "$(cargo build --quiet --release -p agentmesh-server --message-format json | built)")
fi
case $part in all | load) "$out/venv/bin/python" scripts/attack.py "$server" "$@" ;; esac
case $part in all | schemathesis) "$out/venv/bin/python" scripts/schemathesis.py "$server" ;; esac
