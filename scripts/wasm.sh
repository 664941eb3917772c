#!/usr/bin/env bash
# The WebAssembly half of the npm package: builds the module, packs the package with it, and tests that in Cloudflare's runtime
# (workerd, by miniflare) beside an agentmesh-server of its own. Before, clippy for that target. "module" as argument only builds the module, into target/npm-wasm/module;
# "startup" measures how long the package takes to start there, instead of testing it.
# Exits with 3 if there is no way to compile for WebAssembly here.
set -euo pipefail
cd "$(dirname "$0")/.."
source=$PWD/bindings/node
out=$PWD/target/npm-wasm
part=${1:-all}
[ $# -eq 0 ] || shift

say() { echo "wasm: $*" >&2; }
source scripts/parts/built.sh
source scripts/parts/npm.sh

scripts/wasm-toolchain.sh check --quiet -p agentmesh-core --no-default-features
# What is compiled for no other target, no other step of `make test` sees. Debian's compiler has no clippy.
if [ "$part" = all ]; then
  if scripts/wasm-toolchain.sh clippy --version >/dev/null 2>&1; then
    say "clippy"
    scripts/wasm-toolchain.sh clippy --quiet -p agentmesh-wasm -- -D warnings
  else
    say "NOT TESTED: clippy for WebAssembly. This compiler has none. With CI=true this is an error."
    [ "${CI:-}" != true ] || exit 1
  fi
fi

find_node || {
  say "NOT TESTED: the WebAssembly half of the npm package. There is no Node.js from 20 on, or no npm. With CI=true this is an error."
  [ "${CI:-}" = true ] && exit 1
  exit 77
}
mkdir -p "$out/module"
# TypeScript, binaryen (wasm-opt), and for the tests wrangler with esbuild and miniflare.
install_tools bindings/wasm
tools=$out/tools

say "building the module"
module=$(path_of agentmesh_wasm "$(scripts/wasm-toolchain.sh build --quiet -p agentmesh-wasm --profile wasm --message-format json | built)")
bindgen=$(path_of agentmesh-wasm-bindgen "$(cargo build --quiet --manifest-path bindings/wasm/bindgen/Cargo.toml --message-format json | built)")
"$bindgen" "$module" "$out/module"
sum=$(cat "$out/module/agentmesh_bg.wasm" scripts/wasm.sh | sha256sum)
if [ "$sum" != "$(cat "$out/module/optimised-from" 2>/dev/null)" ]; then
  say "wasm-opt"
  # What is inlined compresses worse than calls: without, it is 9 KB less.
  node "$tools/node_modules/binaryen/bin/wasm-opt" -Oz --always-inline-max-function-size=1 --one-caller-inline-max-function-size=0 --strip-producers "$out/module/agentmesh_bg.wasm" -o "$out/module/optimised.wasm"
  echo "$sum" >"$out/module/optimised-from"
fi
cp "$out/module/optimised.wasm" "$out/module/agentmesh_bg.wasm"
size=$(gzip -9 <"$out/module/agentmesh_bg.wasm" | wc -c)
say "the module has $(wc -c <"$out/module/agentmesh_bg.wasm") bytes, $size gzipped"
# What bindings/wasm/README.md promises.
[ "$size" -lt 1000000 ] || { say "that is more than a megabyte"; exit 1; }
[ "$part" != module ] || exit 0

export AGENTMESH_TEST_CLI='' AGENTMESH_TEST_SERVER='' AGENTMESH_TEST_SOURCE=$PWD
[ "$part" = startup ] || {
  say "building the programs that it is tested against"
  built=$(workspace_built)
  AGENTMESH_TEST_SERVER=$(path_of agentmesh-server "$built")
  AGENTMESH_TEST_CLI=$(path_of agentmesh "$built")
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
run_tests "${files[@]}"
