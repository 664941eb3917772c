#!/usr/bin/env bash
# Measures the Python package beside the same work in Rust, and beside vodozemac and python-olm from PyPI: builds everything
# optimised, as it is released, and writes target/bench/python.json, which bench_report puts into docs/performance.md.
#   --wheels DIRECTORY    takes those that scripts/python-package.sh built there
# What else is given as arguments goes to bindings/python/bench.py, such as --quick.
set -euo pipefail
cd "$(dirname "$0")/.."
source=$PWD/bindings/python
out=$PWD/target/python/bench
say() { echo "bench-python: $*" >&2; }
source scripts/parts/built.sh
wheels=
if [ "${1:-}" = --wheels ]; then
  wheels=$2
  shift 2
fi

python=
for candidate in python3.14 python3.13 python3.12 python3.11 python3.10 python3; do
  if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[ -n "$python" ] || {
  say "no Python from 3.10 on"
  exit 1
}

rm -rf "$out"
"$python" -m venv "$out/venv"
"$out/venv/bin/pip" install --quiet --disable-pip-version-check 'maturin>=1.9.4,<2' vodozemac
# It is built from C; without what that needs, its rows stay empty.
"$out/venv/bin/pip" install --quiet --disable-pip-version-check python-olm || say "python-olm cannot be installed here"

say "building"
# Optimised as the wheel is: what is beside it is what the binding costs. The same features, so that little is built twice.
calls=$(path_of calls "$(cargo bench --quiet --profile wheel -p agentmesh-facade --features s3,legacy-0-2,conformance,services,server --bench calls --no-run --message-format json | built)")
if [ -z "$wheels" ]; then
  wheels=$out
  for package in "$source" "$source/server"; do
    "$out/venv/bin/maturin" build --quiet --compatibility off --manifest-path "$package/Cargo.toml" --out "$out" --interpreter "$out/venv/bin/python"
  done
fi
"$out/venv/bin/pip" install --quiet --disable-pip-version-check "$wheels"/*.whl
# Where bench_report looks: beside the results of the other benches.
results=${CARGO_TARGET_DIR:-target}/bench/python.json
"$out/venv/bin/python" "$source/bench.py" "$calls" "$results" "$@"
say "wrote $results"
