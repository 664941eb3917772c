#!/usr/bin/env bash
# Generates what the Kotlin library calls the native one with, compiles the library, and runs its tests: unit tests, and
# end-to-end tests beside an agentmesh-server, the command and a Python agent in processes of their own. Everything it makes is in
# target/kotlin/. "install" leaves it at the library; what else is given goes to Maven. Exit status 3: no JDK from 17 on, or no Maven.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/parts/built.sh
source=$PWD/bindings/kotlin
out=$PWD/target/kotlin
part=tests
if [ "${1:-}" = install ]; then
  part=install
  shift
fi

say() { echo "kotlin: $*" >&2; }

command -v mvn >/dev/null || {
  say "no Maven (mvn): scripts/setup.sh installs it on Debian"
  exit 3
}
java=$(javac -version 2>/dev/null | sed -E 's/^javac ([0-9]+).*/\1/')
[ "${java:-0}" -ge 17 ] || {
  say "no JDK from 17 on: scripts/setup.sh installs one on Debian"
  exit 3
}

say "building the native library, the server and the command"
mkdir -p "$out"
programs=$(workspace_built)
library=$(path_of agentmesh_uniffi "$programs")
bindgen=$(path_of uniffi-bindgen "$programs")
# For scripts/soak.sh.
dirname "$library" >"$out/library"

say "generating"
python3 "$source/generate.py" "$bindgen" "$library" "$out/generated"

AGENTMESH_TEST_SERVER=$(path_of agentmesh-server "$programs")
AGENTMESH_TEST_CLI=$(path_of agentmesh "$programs")
export AGENTMESH_TEST_SERVER AGENTMESH_TEST_CLI AGENTMESH_TEST_SOURCE=$PWD AGENTMESH_TEST_PYTHON=$PWD/target/python/venv/bin/python
maven() {
  mvn --quiet --batch-mode --no-transfer-progress --file "$source/pom.xml" -DargLine="-Djna.library.path=$(dirname "$library")" "$@"
}
# What a program that uses the library needs besides, for scripts/soak.sh and scripts/swift.sh.
classpath=(dependency:build-classpath -DincludeScope=test "-Dmdep.outputFile=$out/classpath")
if [ $part = install ]; then
  say "compiling"
  maven test-compile "${classpath[@]}" "$@"
else
  [ -x "$AGENTMESH_TEST_PYTHON" ] || scripts/python.sh install
  say "compiling and testing"
  maven test "${classpath[@]}" "$@"
fi
