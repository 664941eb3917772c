#!/usr/bin/env bash
# The WebAssembly half of the npm package: builds the module, packs the package with it, and tests that in Cloudflare's runtime
# (workerd, by miniflare) beside an agentmesh-server of its own. "module" as argument only builds the module, into target/npm-wasm/module;
# "startup" measures how long the package takes to start there, instead of testing it.
# Exits with 3 if there is no way to compile for WebAssembly here.
set -euo pipefail
cd "$(dirname "$0")/.."
source=$PWD/bindings/node
out=$PWD/target/npm-wasm
part=${1:-all}
[ $# -eq 0 ] || shift

say() { echo "wasm: $*" >&2; }

scripts/wasm-toolchain.sh check --quiet -p agentmesh-core --no-default-features

node=$(command -v node || true)
if [ -z "$node" ] || [ "$("$node" -p 'Number(process.versions.node.split(".")[0]) >= 20')" != true ]; then
  node=$(scripts/node22.sh)
fi
[ -n "$node" ] && command -v npm >/dev/null || {
  say "NOT TESTED: the WebAssembly half of the npm package. There is no Node.js from 20 on, or no npm. With CI=true this is an error."
  [ "${CI:-}" = true ] && exit 1
  exit 77
}
mkdir -p "$out/bin" "$out/module"
ln -sf "$node" "$out/bin/node"
export PATH=$out/bin:$PATH npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false

# TypeScript, binaryen (wasm-opt), and for the tests wrangler with esbuild and miniflare.
tools=$out/tools
if ! cmp -s bindings/wasm/package-lock.json "$tools/installed"; then
  say "setting up the tools in target/npm-wasm/tools (Node $(node --version), npm $(npm --version))"
  rm -rf "$tools"
  mkdir -p "$tools"
  cp bindings/wasm/package.json bindings/wasm/package-lock.json "$tools"
  npm ci --prefix "$tools" --silent --ignore-scripts
  cp bindings/wasm/package-lock.json "$tools/installed"
fi

# Where cargo puts things, cargo says.
artifacts() { node -e '
  for (const line of require("fs").readFileSync(0, "utf8").split("\n").filter(Boolean)) {
    const { reason, target, executable, filenames } = JSON.parse(line);
    if (reason === "compiler-artifact") for (const file of executable ? [executable] : filenames) console.log(target.name, file);
  }'; }

say "building the module"
module=$(scripts/wasm-toolchain.sh build --quiet -p agentmesh-wasm --profile wasm --message-format json | artifacts | sed -nE 's/^agentmesh_wasm (.*\.wasm)$/\1/p')
bindgen=$(cargo build --quiet --manifest-path bindings/wasm/bindgen/Cargo.toml --message-format json | artifacts | sed -nE 's/^agentmesh-wasm-bindgen (.*)$/\1/p')
"$bindgen" "$module" "$out/module"
sum=$(sha256sum <"$out/module/agentmesh_bg.wasm")
if [ "$sum" != "$(cat "$out/module/optimised-from" 2>/dev/null)" ]; then
  say "wasm-opt"
  node "$tools/node_modules/binaryen/bin/wasm-opt" -Oz --strip-producers "$out/module/agentmesh_bg.wasm" -o "$out/module/optimised.wasm"
  echo "$sum" >"$out/module/optimised-from"
fi
cp "$out/module/optimised.wasm" "$out/module/agentmesh_bg.wasm"
size=$(gzip -9 <"$out/module/agentmesh_bg.wasm" | wc -c)
say "the module has $(wc -c <"$out/module/agentmesh_bg.wasm") bytes, $size gzipped"
# What bindings/wasm/README.md promises.
[ "$size" -lt $((1024 * 1024)) ] || { say "that is more than a megabyte"; exit 1; }
[ "$part" != module ] || exit 0

export AGENTMESH_TEST_CLI='' AGENTMESH_TEST_SERVER='' AGENTMESH_TEST_SOURCE=$PWD
[ "$part" = startup ] || {
  say "building the programs that it is tested against"
  # With all features, as the tests of the workspace have built it already.
  built=$(cargo build --quiet --workspace --all-features --message-format json | artifacts)
  AGENTMESH_TEST_SERVER=$(sed -nE 's/^agentmesh-server ([^ ]*\/agentmesh-server(\.exe)?)$/\1/p' <<<"$built")
  AGENTMESH_TEST_CLI=$(sed -nE 's/^agentmesh ([^ ]*\/agentmesh(\.exe)?)$/\1/p' <<<"$built")
}

say "packing"
rm -rf "$out/stage" "$out/packages"
mkdir -p "$out/stage/sdk" "$out/packages"
node "$source/build.mjs" "$out/stage/sdk/dist" "$tools" "$out/module"
node "$source/stage.mjs" "$out/stage"
npm pack --silent --pack-destination "$out/packages" "$out/stage/sdk" >/dev/null

project=$(mktemp -d)
trap 'rm -rf "$project"' EXIT
say "installing $(cd "$out/packages" && echo ./*.tgz) into an empty project"
cd "$project"
echo '{"private": true, "type": "module"}' >package.json
# Without the native module, which is an optional dependency: nothing here is for Node.
npm install --silent --omit=optional --no-save --prefer-offline "$out"/packages/*.tgz
for tool in "$tools"/node_modules/* "$tools"/node_modules/.bin; do
  [ -e "node_modules/$(basename "$tool")" ] || ln -s "$tool" node_modules/
done
cp -r "$AGENTMESH_TEST_SOURCE/bindings/wasm/tests" tests
if [ "$part" = startup ]; then
  cp -r "$AGENTMESH_TEST_SOURCE/bindings/wasm/benches" benches
  mkdir programs
  node benches/startup.mjs programs
  exit
fi
cp "$source/tests/play.mjs" tests

files=("$@")
[ $# -gt 0 ] || files=(tests/*.test.mjs)
node --test --test-reporter=tap --test-concurrency=2 --test-timeout=300000 "${files[@]}" >"$out/tests.log" || {
  grep -vE '^ *(ok|#|---|\.\.\.|duration_ms|type:)' "$out/tests.log" >&2
  exit 1
}
grep -E '^# (tests|pass|fail)' "$out/tests.log" >&2
