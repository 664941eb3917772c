#!/usr/bin/env bash
# Builds the npm package, packs it, installs the tarballs into an empty project, and runs its tests there: unit tests, end-to-end
# tests beside an agentmesh-server of its own, scenarios, the code blocks of the Workers guide, examples, types.
# Everything it makes is in target/node/. "types" as argument checks types only, "tests" runs tests only; names of test files follow.
# "install" leaves it at the project, in target/node/project/. The tests with Python want what scripts/python.sh installs.
set -euo pipefail
cd "$(dirname "$0")/.."
source=$PWD/bindings/node
out=$PWD/target/node
part=${1:-all}
[ $# -eq 0 ] || shift

say() { echo "node: $*" >&2; }
source scripts/parts/built.sh
source scripts/parts/npm.sh

find_node || {
  say "NOT TESTED: the npm package. There is no Node.js from 20 on, or no npm. With CI=true this is an error."
  [ "${CI:-}" = true ] && exit 1
  exit 77
}
install_tools "$source"
tools=$out/tools

say "building the native module, and the server that it is tested against"
built=$(workspace_built)
module=$(path_of agentmesh_node "$built")
AGENTMESH_TEST_SERVER=$(path_of agentmesh-server "$built")
export AGENTMESH_TEST_CLI AGENTMESH_TEST_SERVER AGENTMESH_TEST_SOURCE=$PWD

say "packing"
rm -rf "$out/stage" "$out/packages"
mkdir -p "$out/stage/sdk" "$out/packages"
# With the WebAssembly module, if `scripts/wasm.sh` has built it: then the package is for Workers and browsers, too.
wasm=$PWD/target/npm-wasm/module
[ -e "$wasm/optimised-from" ] || wasm=
node "$source/build.mjs" "$out/stage/sdk/dist" "$tools" ${wasm:+"$wasm"}
node "$source/stage.mjs" "$out/stage" "$module"
for package in "$out"/stage/*/; do
  npm pack --silent --pack-destination "$out/packages" "$package" >/dev/null
done

# An empty project: the tarballs, and what tests them.
if [ "$part" = install ]; then
  project=$out/project
  rm -rf "$project"
  mkdir "$project"
else
  project=$(mktemp -d)
  trap 'rm -rf "$project"' EXIT
fi
say "installing $(cd "$out/packages" && echo ./*.tgz) into an empty project"
cd "$project"
echo '{"private": true}' >package.json
npm install --silent --prefer-offline "$out"/packages/*.tgz
mkdir -p node_modules/.bin
ln -s "$tools"/node_modules/{typescript,@types,@cloudflare} node_modules/
ln -s "$tools/node_modules/.bin/tsc" node_modules/.bin/
cp -r "$source/tests" tests
# The command is the one that the package installs.
AGENTMESH_TEST_CLI=$project/node_modules/.bin/agentmesh
[ "$part" != install ] || exit 0

if [ "$part" != tests ]; then
  say "types"
  node_modules/.bin/tsc -p tests/types
  node_modules/.bin/tsc -p tests/types/tsconfig.node16.json
  node_modules/.bin/tsc -p tests/types/tsconfig.bundler.json
  for template in cloudflare-worker cloudflare-user-data; do
    cp -r "$AGENTMESH_TEST_SOURCE/examples/$template" .
    node_modules/.bin/tsc -p "$template"
  done
fi
if [ "$part" != types ]; then
  files=("$@")
  [ $# -gt 0 ] || files=(tests/*.test.mjs)
  # Under the system's Node, and under 22 if that is another one and is to be had.
  versions=("$node")
  other=$("$AGENTMESH_TEST_SOURCE/scripts/node22.sh")
  [ -z "$other" ] || [ "$("$other" --version)" = "$("$node" --version)" ] || versions+=("$other")
  for each in "${versions[@]}"; do
    say "tests under Node $("$each" --version)"
    ln -sf "$each" "$out/bin/node"
    hash -r
    run_tests "${files[@]}"
  done
fi
