#!/usr/bin/env bash
# Measures the Node package beside the same work in Rust, and beside @signalapp/libsignal-client and @matrix-org/olm from npm: builds
# everything optimised, as it is released, and writes target/bench/node.json, which bench_report puts into docs/performance.md. The
# WebAssembly half is the module that scripts/wasm.sh has built; without it, its rows stay empty.
# What is given as arguments goes to bindings/node/bench.mjs, such as --quick.
set -euo pipefail
cd "$(dirname "$0")/.."
source=$PWD/bindings/node
out=$PWD/target/node
say() { echo "bench-node: $*" >&2; }
source scripts/parts/built.sh

# Tools, and types for them, as for the tests.
export npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false
rm -rf "$out/bench"
mkdir -p "$out/bench/tools" "$out/bench/stage/sdk" "$out/bench/project"
cp "$source/package.json" "$source/package-lock.json" "$out/bench/tools"
npm ci --prefix "$out/bench/tools" --silent --ignore-scripts

say "building"
module=$(path_of agentmesh_node "$(cargo build --quiet --profile wheel -p agentmesh-node --message-format json | built)")
calls=$(path_of calls "$(cargo bench --quiet -p agentmesh-facade --features s3,legacy-0-2,conformance --bench calls --no-run --message-format json | built)")
wasm=$PWD/target/npm-wasm/module
[ -e "$wasm/optimised-from" ] || { say "no WebAssembly module: run scripts/wasm.sh module before"; wasm=; }
node "$source/build.mjs" "$out/bench/stage/sdk/dist" "$out/bench/tools" ${wasm:+"$wasm"}
node "$source/stage.mjs" "$out/bench/stage" "$module"
tarballs=()
for package in "$out"/bench/stage/*/; do
  tarballs+=("node=$out/bench/$(npm pack --silent --pack-destination "$out/bench" "$package")")
done

say "installing"
cd "$out/bench/project"
echo '{"private": true}' >package.json
npm install --silent "$out"/bench/*.tgz
# Without them, their rows stay empty.
for peer in @signalapp/libsignal-client @matrix-org/olm; do
  npm install --silent "$peer" || {
    say "$peer cannot be installed here"
    continue
  }
  tarballs+=("${peer#*/}=$PWD/$(npm pack --silent "$peer")")
done
cp "$source/bench.mjs" .
results=${CARGO_TARGET_DIR:-$out/..}/bench/node.json
node bench.mjs "$calls" "$results" "${tarballs[@]}" "$@"
say "wrote $results"
