#!/usr/bin/env bash
# Builds the Python package as a wheel, installs it into a fresh environment, and runs its tests from a directory where
# there is nothing else: unit tests, end-to-end tests beside an agentmesh-server of its own, examples, types.
# Everything it makes is in target/python/. "types" as argument checks types only, "tests" runs tests only, what follows goes to pytest;
# "install" leaves it at the environment.
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

say "building the source distribution"
rm -rf "$out/sdist"
"$tools/bin/maturin" sdist --manifest-path "$source/Cargo.toml" --out "$out/sdist" 2>/dev/null
tar -xzf "$out"/sdist/*.tar.gz -C "$out/sdist" --strip-components 1
for file in LICENSE Cargo.lock pyproject.toml README.md python/agentmesh/py.typed; do
  [ -e "$out/sdist/$file" ] || {
    say "$file is not in the source distribution"
    exit 1
  }
done
# Every crate that it names is in it, and the lock file lacks nothing. That it builds, scripts/python-package.sh shows.
cargo metadata --quiet --offline --format-version 1 --manifest-path "$out/sdist/bindings/python/Cargo.toml" >/dev/null

say "building the wheel"
rm -rf "$out/dist"
"$tools/bin/maturin" build --quiet --profile dev --compatibility off --manifest-path "$source/Cargo.toml" --out "$out/dist" \
  --interpreter "$tools/bin/python"
wheel=$(echo "$out"/dist/*.whl)

say "building the server that it is tested against"
# With the features of the whole workspace, as its tests are, so that what was built for them is not built again. Where
# cargo puts it, cargo says.
server=$(cargo build --quiet --workspace --all-features --bin agentmesh-server --message-format json |
  "$tools/bin/python" -c '
import json, sys
for line in sys.stdin:
    program = json.loads(line).get("executable")
    if program:
        print(program)')
# The command is the one that the wheel installs.
export AGENTMESH_TEST_CLI=$out/venv/bin/agentmesh AGENTMESH_TEST_SERVER=$server AGENTMESH_TEST_SOURCE=$PWD

# A clean environment: the wheel, and what tests it.
say "installing $(basename "$wheel") into a fresh environment"
rm -rf "$out/venv"
"$python" -m venv "$out/venv"
"$out/venv/bin/pip" install --quiet --disable-pip-version-check "$wheel" -r "$source/requirements-test.txt"

empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT
cd "$empty"
export PYTHONDONTWRITEBYTECODE=1
if [ "$part" != tests ] && [ "$part" != install ]; then
  say "types"
  "$out/venv/bin/mypy" --config-file "$source/pyproject.toml" --cache-dir "$out/mypy" -p agentmesh
  "$out/venv/bin/mypy" --config-file "$source/pyproject.toml" --cache-dir "$out/mypy" "$AGENTMESH_TEST_SOURCE"/examples/python/*.py
  MYPYPATH=$source/tests "$out/venv/bin/mypy" --config-file "$source/pyproject.toml" --cache-dir "$out/mypy" "$source"/tests/*.py "$source"/tests/soak/*.py "$source/bench.py"
  "$out/venv/bin/python" -m mypy.stubtest agentmesh._native
  "$out/venv/bin/pyright" --pythonpath "$out/venv/bin/python" --project "$source" "$source/python" "$AGENTMESH_TEST_SOURCE/examples/python"
fi
if [ "$part" != types ] && [ "$part" != install ]; then
  say "tests"
  "$out/venv/bin/python" -m pytest --rootdir "$source" -c "$source/pyproject.toml" "$source/tests" "$@"
fi
