#!/bin/sh
# try-npm.sh DIRECTORY: installs the packages of a directory where there is nothing else, and runs the quickstart with them, imported
# and required. Needs Node from 20 on, npm, and nothing of the repository but the example.
set -eu
packages=$(cd "$1" && pwd)
example=$(cd "$(dirname "$0")/.." && pwd)/examples/node/quickstart.mjs
project=$(mktemp -d)
trap 'rm -rf "$project"' EXIT
cd "$project"
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts "$packages"/*.tgz
cp "$example" quickstart.mjs
[ "$(node quickstart.mjs)" = "{ echo: { hello: 'wörld' } }" ]
node -e "const { VERSION } = require('@agentmesh/sdk'); console.log('@agentmesh/sdk', VERSION, 'works with Node', process.version)"
node_modules/.bin/agentmesh --version
