#!/usr/bin/env bash
# The soaks of the Python package, which take too long for `make test`: a million calls, ten thousand connects that are cancelled,
# 200 times a killed agent. What they find belongs into docs/testing.md. `soak.sh calls 1000` runs one, as often as it says.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/python.sh install
soak() {
  PYTHONPATH=bindings/python/tests target/python/venv/bin/python -m soak "$@"
}
if [ $# -gt 0 ]; then
  soak "$@"
else
  soak calls 1000000
  soak connects 10000
  soak kills 200
fi
