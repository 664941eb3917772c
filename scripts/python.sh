#!/usr/bin/env bash
# Builds the Python package as a wheel, installs it into a fresh environment, and runs its tests from a directory where
# there is nothing else: unit tests, end-to-end tests beside an agentmesh-server of its own, examples, types.
# Everything it makes is in target/python/. "types" as argument checks types only, "tests" runs tests only; what follows goes to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
source=$PWD/bindings/python
out=$PWD/target/python
part=${1:-all}
[ $# -eq 0 ] || shift

say() { echo "python: $*" >&2; }

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

mkdir -p "$out"
tools=$out/tools
if ! cmp -s "$source/requirements-test.txt" "$tools/requirements.txt"; then
  say "setting up the tools in target/python/tools ($("$python" --version))"
  rm -rf "$tools"
  "$python" -m venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check -r "$source/requirements-test.txt"
  cp "$source/requirements-test.txt" "$tools/requirements.txt"
fi

say "building the wheel"
rm -rf "$out/dist"
"$tools/bin/maturin" build --quiet --profile dev --compatibility off --manifest-path "$source/Cargo.toml" --out "$out/dist" \
  --interpreter "$tools/bin/python"
wheel=$(echo "$out"/dist/*.whl)

say "building the programs that it is tested against"
# Where cargo puts them, cargo says.
programs=$(cargo build --quiet -p agentmesh-cli -p agentmesh-server --bins --message-format json |
  "$tools/bin/python" -c '
import json, sys
for line in sys.stdin:
    program = json.loads(line).get("executable")
    if program:
        print(program)')
export AGENTMESH_TEST_CLI AGENTMESH_TEST_SERVER AGENTMESH_TEST_SOURCE=$PWD
AGENTMESH_TEST_CLI=$(grep -E '/agentmesh(\.exe)?$' <<<"$programs")
AGENTMESH_TEST_SERVER=$(grep -E '/agentmesh-server(\.exe)?$' <<<"$programs")

# A clean environment: the wheel, and what tests it.
say "installing $(basename "$wheel") into a fresh environment"
rm -rf "$out/venv"
"$python" -m venv "$out/venv"
"$out/venv/bin/pip" install --quiet --disable-pip-version-check "$wheel" -r "$source/requirements-test.txt"

empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT
cd "$empty"
export PYTHONDONTWRITEBYTECODE=1
if [ "$part" != tests ]; then
  say "types"
  "$out/venv/bin/mypy" --config-file "$source/pyproject.toml" --cache-dir "$out/mypy" -p agentmesh
  "$out/venv/bin/mypy" --config-file "$source/pyproject.toml" --cache-dir "$out/mypy" "$AGENTMESH_TEST_SOURCE"/examples/python/*.py
  MYPYPATH=$source/tests "$out/venv/bin/mypy" --config-file "$source/pyproject.toml" --cache-dir "$out/mypy" "$source"/tests/*.py
  "$out/venv/bin/python" -m mypy.stubtest agentmesh._native
  "$out/venv/bin/pyright" --pythonpath "$out/venv/bin/python" --project "$source" "$source/python" "$AGENTMESH_TEST_SOURCE/examples/python"
fi
if [ "$part" != types ]; then
  say "tests"
  "$out/venv/bin/python" -m pytest --rootdir "$source" -c "$source/pyproject.toml" "$source/tests" "$@"
fi
