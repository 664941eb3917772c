#!/usr/bin/env bash
# The soaks of the Python, the Node, the Kotlin and the Swift package, which take too long for `make test`: a million calls, 30,000 requests and
# 2,000 visits (which watch the server, too) of Python's, ten thousand connects that are given up, 200 times a killed agent. What they find belongs into docs/testing.md.
# `soak.sh calls 1000` runs one of Python's, as often as it says, `soak.sh node calls 1000` one of Node's, and so on.
set -euo pipefail
cd "$(dirname "$0")/.."
python() {
  PYTHONPATH=bindings/python/tests target/python/venv/bin/python -m soak "$@"
}
node() {
  # V8's young generation grows by and by to 48 MiB, used or not: here it is small from the start, and what grows is something else.
  (cd target/node/project && ../bin/node --expose-gc --max-semi-space-size=1 tests/soak/main.mjs "$@")
}
kotlin() {
  # The whole heap is touched at the start, and nothing is compiled meanwhile: what grows is not Java's.
  java -Xint -Xms48m -Xmx48m -XX:+AlwaysPreTouch -XX:+UseSerialGC -Djna.library.path="$(<target/kotlin/library)" \
    -cp "target/kotlin/maven/test-classes:target/kotlin/maven/classes:$(cat target/kotlin/classpath)" dev.agentmesh.soak.SoakKt "$@"
}
swift() {
  AGENTMESH_SOAK="$*" scripts/swift.sh tests --filter SoakTests
  grep '^RSS' target/swift/tests.log
}
# What is run before a release.
all_of() {
  case $1 in
  python)
    python calls 1000000
    python requests 30000
    python visits 2000
    python connects 10000
    python kills 200
    ;;
  node)
    node calls 1000000
    node connects 10000
    ;;
  *)
    "$1" calls 100000
    "$1" cancelled 10000
    ;;
  esac
}

case ${1:-} in
'') languages=(python node kotlin swift) ;;
node | kotlin | swift)
  languages=("$1")
  shift
  ;;
*) languages=(python) ;;
esac
for language in "${languages[@]}"; do
  # Swift's are among its tests, which scripts/swift.sh builds.
  [ "$language" = swift ] || "scripts/$language.sh" install
  if [ $# -gt 0 ]; then
    "$language" "$@"
  else
    all_of "$language"
  fi
done
