#!/usr/bin/env bash
# Builds the Swift package over the native library and runs its tests: unit tests, end-to-end tests beside a server in a process of its
# own, scenarios, with the command line in Rust and with Node, examples. Swift is the system's or that of scripts/swift-toolchain.sh.
# Everything it makes is in target/swift/. "build" only builds, "tests" only tests with what follows for `swift test`, "built" takes the
# npm package as scripts/node.sh has left it. Exit status 3: no Swift from 5.9 on.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/parts/built.sh
source=$PWD/bindings/swift
out=$PWD/target/swift
part=${1:-all}
[ $# -eq 0 ] || shift

say() { echo "swift: $*" >&2; }

scripts/swift-toolchain.sh

say "building the native library, the server and the command"
mkdir -p "$out/lib"
programs=$(workspace_built)
library=$(path_of agentmesh_uniffi "$programs")
bindgen=$(path_of uniffi-bindgen "$programs")
AGENTMESH_TEST_SERVER=$(path_of agentmesh-server "$programs")
AGENTMESH_TEST_CLI=$(path_of agentmesh "$programs")
export AGENTMESH_TEST_SERVER AGENTMESH_TEST_CLI AGENTMESH_TEST_SOURCE=$PWD
export AGENTMESH_SWIFT_BIND=${AGENTMESH_SWIFT_BIND:-}:$(dirname "$AGENTMESH_TEST_SERVER")

cmp -s "$library" "$out/lib/libagentmesh_uniffi.so" || cp "$library" "$out/lib/"
python3 "$source/generate.py" "$bindgen" "$out/lib/libagentmesh_uniffi.so"

# What panics in the library does so because tests want it.
export LD_LIBRARY_PATH=$out/lib RUST_BACKTRACE=0
# What hangs fails: nothing of this takes so long.
swift=(timeout --kill-after=30 1800 scripts/swift-toolchain.sh swift)
export AGENTMESH_TEST_SYMBOLS=$out/symbols
mkdir -p "$AGENTMESH_TEST_SYMBOLS"
package=(--package-path "$source" --scratch-path "$out/build" -Xlinker "-L$out/lib"
  -Xswiftc -emit-symbol-graph -Xswiftc -emit-symbol-graph-dir -Xswiftc "$AGENTMESH_TEST_SYMBOLS")

case $part in
build)
  say "building"
  "${swift[@]}" build "${package[@]}" --build-tests
  exit
  ;;
esac

# What is not written in Swift: the npm package in a project of its own, and what Kotlin was compiled to.
beside=()
missing() {
  cat >&2 <<NOTICE
*****************************************************************************************
*  NOT TESTED: Swift with Node, and after Kotlin. $*
*  With CI=true this is an error.
*****************************************************************************************
NOTICE
  [ "${CI:-}" != true ] || exit 1
}
if [ "$part" = all ]; then
  { scripts/node.sh install && scripts/kotlin.sh install; } || say "no npm package, or no Kotlin library"
fi
if [ "$part" = all ] || [ "$part" = built ]; then
  packages=(target/node/packages/*.tgz)
  if [ -e "${packages[0]}" ] && [ -s target/kotlin/classpath ]; then
    project=$out/project
    rm -rf "$project"
    mkdir -p "$project"
    packages=("${packages[@]/#/$PWD/}")
    ln -s "$(readlink -f target/node/bin/node)" "$project/node"
    (cd "$project" && echo '{"private": true}' >package.json &&
      PATH=$PWD/../../node/bin:$PATH npm install --silent --no-audit --no-fund --prefer-offline "${packages[@]}")
    java=target/kotlin/maven/test-classes:target/kotlin/maven/classes:$(cat target/kotlin/classpath)
    beside=(python3 "$source/Tests/peers.py" "$project" "$java" "$(dirname "$library")" --)
  else
    missing "scripts/node.sh or scripts/kotlin.sh has not run."
  fi
fi

say "building the examples"
"${swift[@]}" build --package-path examples/swift/agents --scratch-path "$out/examples" -Xlinker "-L$out/lib" >"$out/examples.log" 2>&1 || {
  status=$?
  tail -30 "$out/examples.log" >&2
  exit $status
}
export AGENTMESH_TEST_EXAMPLES=$out/examples/debug

say "tests ($(scripts/swift-toolchain.sh swift --version 2>/dev/null | head -1))"
${beside[@]+"${beside[@]}"} "${swift[@]}" test "${package[@]}" "$@" >"$out/tests.log" 2>&1 || {
  status=$?
  grep -E "error:|' failed \(|Fatal|^peers.py" "$out/tests.log" | head -60 >&2
  tail -30 "$out/tests.log" >&2
  exit $status
}
grep -E "Executed [0-9]+ tests" "$out/tests.log" | tail -1 >&2
