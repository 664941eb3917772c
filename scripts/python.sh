#!/usr/bin/env bash
# Builds the Python packages as wheels, installs them into fresh environments, and runs their tests from a directory where
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
source scripts/parts/built.sh

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

# Beside the library, what runs the reference server is a package of its own.
packages=("$source" "$source/server")

say "building the source distributions"
rm -rf "$out/sdist"
for package in "${packages[@]}"; do
  "$tools/bin/maturin" sdist --manifest-path "$package/Cargo.toml" --out "$out/sdist" 2>/dev/null
done
# unpacked NAME FILE…: puts a source distribution where it can be looked at, and does: every crate that it names is in it, and the
# lock file lacks nothing. That it builds, scripts/python-package.sh shows.
unpacked() {
  local at=$out/sdist/$1 file
  mkdir "$at"
  tar -xzf "$out/sdist/$1"-[0-9]*.tar.gz -C "$at" --strip-components 1
  for file in LICENSE Cargo.lock pyproject.toml README.md "${@:3}"; do
    [ -e "$at/$file" ] || {
      say "$file is not in the source distribution $1"
      exit 1
    }
  done
  cargo metadata --quiet --offline --format-version 1 --manifest-path "$at/$2/Cargo.toml" >/dev/null
}
unpacked agentmesh_e2ee bindings/python python/agentmesh/py.typed
unpacked agentmesh_e2ee_server bindings/python/server python/agentmesh_server/py.typed

say "building the wheels"
rm -rf "$out/dist"
for package in "${packages[@]}"; do
  PATH=$PWD/scripts/parts/workspace:$PATH "$tools/bin/maturin" build --quiet --profile dev --compatibility off \
    --manifest-path "$package/Cargo.toml" --out "$out/dist" --interpreter "$tools/bin/python"
done
base=$(echo "$out"/dist/agentmesh_e2ee-*.whl)
extra=$(echo "$out"/dist/agentmesh_e2ee_server-*.whl)

say "building the server that it is tested against"
server=$(path_of agentmesh-server "$(workspace_built)")
# The command is the one that the wheel installs.
export AGENTMESH_TEST_CLI=$out/venv/bin/agentmesh AGENTMESH_TEST_SERVER=$server AGENTMESH_TEST_SOURCE=$PWD
export AGENTMESH_TEST_ALONE=$out/alone/bin

# Clean environments: one with the library alone, and one with all of it and what tests it.
say "installing $(basename "$base") into a fresh environment, and with $(basename "$extra") into another"
rm -rf "$out/alone" "$out/venv"
"$python" -m venv "$out/alone"
"$out/alone/bin/pip" install --quiet --disable-pip-version-check --no-index "$base"
"$python" -m venv "$out/venv"
# As `pip install "agentmesh-e2ee[server]"` finds it.
"$out/venv/bin/pip" install --quiet --disable-pip-version-check --find-links "$out/dist" "$base[server]" -r "$source/requirements-test.txt"

empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT
cd "$empty"
export PYTHONDONTWRITEBYTECODE=1
if [ "$part" != tests ] && [ "$part" != install ]; then
  say "types"
  "$out/venv/bin/mypy" --config-file "$source/pyproject.toml" --cache-dir "$out/mypy" -p agentmesh -p agentmesh_server
  "$out/venv/bin/mypy" --config-file "$source/pyproject.toml" --cache-dir "$out/mypy" "$AGENTMESH_TEST_SOURCE"/examples/python/*.py
  MYPYPATH=$source/tests "$out/venv/bin/mypy" --config-file "$source/pyproject.toml" --cache-dir "$out/mypy" "$source"/tests/*.py "$source"/tests/soak/*.py "$source/bench.py"
  "$out/venv/bin/python" -m mypy.stubtest agentmesh._native agentmesh_server._server
  "$out/venv/bin/pyright" --pythonpath "$out/venv/bin/python" --project "$source" "$source/python" "$source/server/python" "$AGENTMESH_TEST_SOURCE/examples/python"
fi
if [ "$part" != types ] && [ "$part" != install ]; then
  say "tests"
  "$out/venv/bin/python" -m pytest --rootdir "$source" -c "$source/pyproject.toml" "$source/tests" "$@"
fi
