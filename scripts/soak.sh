#!/usr/bin/env bash
# The soaks of the Python, the Node, the Kotlin and the Swift package, which take too long for `make test`: a million calls, 30,000 requests of
# Python's, ten thousand connects that are given up, 200 times a killed agent. What they find belongs into docs/testing.md.
# `soak.sh calls 1000` runs one of Python's, as often as it says, `soak.sh node calls 1000` one of Node's, and so on.
set -euo pipefail
cd "$(dirname "$0")/.."
python() {
  PYTHONPATH=bindings/python/tests target/python/venv/bin/python -m soak "$@"
}
node() {
  (cd target/node/project && ../bin/node --expose-gc tests/soak/main.mjs "$@")
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
if [ "${1:-}" = swift ]; then
  shift
  if [ $# -gt 0 ]; then
    swift "$@"
  else
    swift calls 100000
    swift cancelled 10000
  fi
elif [ "${1:-}" = kotlin ]; then
  shift
  scripts/kotlin.sh install
  if [ $# -gt 0 ]; then
    kotlin "$@"
  else
    kotlin calls 100000
    kotlin cancelled 10000
  fi
elif [ "${1:-}" = node ]; then
  shift
  scripts/node.sh install
  node "$@"
elif [ $# -gt 0 ]; then
  scripts/python.sh install
  python "$@"
else
  scripts/python.sh install
  python calls 1000000
  python requests 30000
  python connects 10000
  python kills 200
  scripts/node.sh install
  node calls 1000000
  node connects 10000
  scripts/kotlin.sh install
  kotlin calls 100000
  kotlin cancelled 10000
  swift calls 100000
  swift cancelled 10000
fi
