#!/usr/bin/env bash
# The npm package in a real browser: IndexedDB under the conformance suite of all stores, tabs that share an agent, the shared
# scenarios, projects of Vite and esbuild, and examples/browser. Drives the system's Chromium, with what bindings/wasm/browser pins.
# It tests what scripts/wasm.sh and scripts/node.sh have built and packed; with "built" as argument what is there, without it is
# built first. Names of test files follow. Everything it makes is in target/browser/.
set -euo pipefail
cd "$(dirname "$0")/.."
source=$PWD/bindings/wasm/browser
out=$PWD/target/browser
part=${1:-all}
[ $# -eq 0 ] || shift

say() { echo "browser: $*" >&2; }
source scripts/parts/npm.sh
missing() {
  cat >&2 <<NOTICE
*****************************************************************************************
*  NOT TESTED: the npm package in a browser. $*
*  With CI=true this is an error.
*****************************************************************************************
NOTICE
  [ "${CI:-}" = true ] && exit 1
  exit 77
}

export AGENTMESH_TEST_CHROMIUM=${AGENTMESH_TEST_CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
[ -n "$AGENTMESH_TEST_CHROMIUM" ] || missing "There is no Chromium."

find_node || missing "There is no Node.js from 20 on, or no npm."

if [ "$part" != built ]; then
  scripts/wasm.sh module
  scripts/node.sh install
fi
packages=(target/node/packages/*.tgz)
if [ ! -e "${packages[0]}" ] || ! tar -tzf target/node/packages/agentmesh-sdk-[0-9]*.tgz package/dist/web/wasm/web.js >/dev/null 2>&1; then
  missing "There is no package with the WebAssembly module: run scripts/browser.sh without \"built\"."
fi

install_tools "$source"
tools=$out/tools

export AGENTMESH_TEST_CLI AGENTMESH_TEST_SOURCE=$PWD
project=$(mktemp -d)
trap 'rm -rf "$project"' EXIT
cp "${packages[@]}" "$project"
say "installing $(cd "$project" && echo ./*.tgz) into an empty project"
cd "$project"
echo '{"private": true, "type": "module"}' >package.json
npm install --silent --prefer-offline ./*.tgz
AGENTMESH_TEST_CLI=$project/node_modules/.bin/agentmesh
for tool in "$tools"/node_modules/*; do
  [ -e "node_modules/$(basename "$tool")" ] || ln -s "$tool" node_modules/
done
cp -r "$source/tests" tests
cp "$AGENTMESH_TEST_SOURCE/bindings/node/tests/play.mjs" tests

files=("$@")
[ $# -gt 0 ] || files=(tests/*.test.mjs)
say "$("$AGENTMESH_TEST_CHROMIUM" --version 2>/dev/null | tail -1)"
run_tests "${files[@]}"
