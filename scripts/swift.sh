#!/usr/bin/env bash
# Builds the Swift package over the native library and runs its tests: unit tests, end-to-end tests beside a server in a process of its
# own, scenarios, with the command line in Rust and with Node, examples. Swift is the system's or that of scripts/swift-toolchain.sh.
# Everything it makes is in target/swift/. "build" only builds, "tests" only tests with what follows for `swift test`.
set -euo pipefail
cd "$(dirname "$0")/.."
source=$PWD/bindings/swift
out=$PWD/target/swift
part=${1:-all}
[ $# -eq 0 ] || shift

say() { echo "swift: $*" >&2; }

# What only runs on a Mac, as far as it can be checked here.
bash -n scripts/xcframework.sh
status=0
scripts/swift-toolchain.sh || status=$?
if [ $status = 3 ]; then
  cat >&2 <<'NOTICE'
*****************************************************************************************
*  NOT TESTED: the Swift package. There is no Swift from 5.9 on here, and none could be
*  installed. With CI=true this is an error.
*****************************************************************************************
NOTICE
  [ "${CI:-}" = true ] && exit 1
  exit 77
fi
[ $status = 0 ] || exit $status

# Where cargo puts things, cargo says: lines of name and path.
artifacts() { python3 -c '
import json, sys
for line in sys.stdin:
    made = json.loads(line)
    if made["reason"] == "compiler-artifact":
        for file in [made["executable"]] if made.get("executable") else made["filenames"]:
            print(made["target"]["name"], file)'; }
mkdir -p "$out/lib"
say "building the native library"
made=$(cargo build --quiet -p agentmesh-uniffi --features bindgen --message-format json | artifacts)
library=$(sed -nE 's/^agentmesh_uniffi (.*\.so)$/\1/p' <<<"$made" | head -1)
bindgen=$(sed -nE 's/^uniffi-bindgen (.*)$/\1/p' <<<"$made" | head -1)
say "building the programs that it is tested against"
# With the features of the whole workspace, as its tests are, so that what was built for them is not built again.
made=$(cargo build --quiet --workspace --all-features --bin agentmesh-server --bin agentmesh --message-format json | artifacts)
AGENTMESH_TEST_SERVER=$(sed -nE 's/^agentmesh-server ([^ ]*\/agentmesh-server)$/\1/p' <<<"$made")
AGENTMESH_TEST_CLI=$(sed -nE 's/^agentmesh ([^ ]*\/agentmesh)$/\1/p' <<<"$made")
export AGENTMESH_TEST_SERVER AGENTMESH_TEST_CLI AGENTMESH_TEST_SOURCE=$PWD
export AGENTMESH_SWIFT_BIND=${AGENTMESH_SWIFT_BIND:-}:$(dirname "$AGENTMESH_TEST_SERVER")

cmp -s "$library" "$out/lib/libagentmesh_uniffi.so" || cp "$library" "$out/lib/"
python3 "$source/generate.py" "$bindgen" "$out/lib/libagentmesh_uniffi.so"

export LD_LIBRARY_PATH=$out/lib
swift() {
  # What hangs fails: nothing of this takes so long.
  timeout --kill-after=30 1800 scripts/swift-toolchain.sh swift "$@"
}
package=(--package-path "$source" --scratch-path "$out/build" -Xlinker "-L$out/lib")

case $part in
build)
  say "building"
  swift build "${package[@]}" --build-tests
  exit
  ;;
esac

# With Node: an agent on this machine, beside a server on this machine. The package is the one that scripts/node.sh installs.
peers=$(mktemp -d)
pids=()
finish() {
  for pid in ${pids[@]+"${pids[@]}"}; do kill "$pid" 2>/dev/null || true; done
  rm -rf "$peers"
}
trap finish EXIT
if [ "$part" = all ] && { [ -d target/node/project/node_modules/@agentmesh ] || [ "${CI:-}" = true ] || command -v npm >/dev/null; }; then
  [ -d target/node/project/node_modules/@agentmesh ] || scripts/node.sh install
  "$AGENTMESH_TEST_SERVER" serve --listen 127.0.0.1:0 --data-dir "$peers/server" >"$peers/server.log" 2>/dev/null &
  pids+=($!)
  for _ in $(seq 200); do
    address=$(sed -nE 's/.*"addr":"([^"]+)".*/\1/p' "$peers/server.log")
    [ -z "$address" ] || break
    sleep 0.1
  done
  cp "$source/Tests/peer.mjs" target/node/project/swift-peer.mjs
  (cd target/node/project && exec ../bin/node swift-peer.mjs "http://$address/v1" "ws://$address/v1/connect") >"$peers/node.log" &
  pids+=($!)
  for _ in $(seq 300); do
    [ ! -s "$peers/node.log" ] || break
    sleep 0.1
  done
  AGENTMESH_TEST_NODE="http://$address $(head -1 "$peers/node.log")"
  export AGENTMESH_TEST_NODE
elif [ "$part" = all ]; then
  say "NOT TESTED: Swift with Node, since there is no npm"
fi

say "building the examples"
swift build --package-path examples/swift/agents --scratch-path "$out/examples" -Xlinker "-L$out/lib" >"$out/examples.log" 2>&1 || {
  status=$?
  tail -30 "$out/examples.log" >&2
  exit $status
}
export AGENTMESH_TEST_EXAMPLES=$out/examples/debug

say "tests ($(scripts/swift-toolchain.sh swift --version 2>/dev/null | head -1))"
swift test "${package[@]}" "$@" >"$out/tests.log" 2>&1 || {
  status=$?
  grep -E "error|failed|Fatal|warning: unre" "$out/tests.log" | head -60 >&2
  tail -30 "$out/tests.log" >&2
  exit $status
}
grep -E "Executed [0-9]+ tests" "$out/tests.log" | tail -1 >&2
