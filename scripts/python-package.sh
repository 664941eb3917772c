#!/usr/bin/env bash
# What goes to PyPI, as far as this machine can make it: the source distributions of agentmesh-e2ee and agentmesh-e2ee-server, and
# out of each a wheel, built by pip in a directory without the repository around it; all are checked, and the wheels are
# installed and tried. The results stay in target/python/package/. Optimised builds of everything: some twenty minutes on two
# cores.
#   --zig    links with zig against an older glibc than this system's, so that the wheels run on more systems (manylinux_2_28)
set -euo pipefail
cd "$(dirname "$0")/.."
out=$PWD/target/python/package
say() { echo "python-package: $*" >&2; }

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
mkdir -p "$out/tools"
"$python" -m venv "$out/tools"
"$out/tools/bin/pip" install --quiet --disable-pip-version-check 'maturin[zig]>=1.9.4,<2' auditwheel 'twine>=6' zopflipy

arguments=()
if [ "${1:-}" = --zig ]; then
  arguments=(--no-build-isolation --config-settings "build-args=--zig --compatibility manylinux_2_28")
  # maturin and zig are those from here.
  export PATH=$out/tools/bin:$PATH
fi
# Where the source distributions are unpacked, cargo does not see the repository's configuration.
LIBSQLITE3_FLAGS=$(sed -n 's/^LIBSQLITE3_FLAGS = "\(.*\)"$/\1/p' .cargo/config.toml)
export LIBSQLITE3_FLAGS
alone=$(mktemp -d)
trap 'rm -rf "$alone"' EXIT
# What both are made of is built once.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$alone/target}

for package in bindings/python bindings/python/server; do
  say "source distribution of $package"
  "$out/tools/bin/maturin" sdist --manifest-path "$package/Cargo.toml" --out "$out"
done
for sdist in "$out"/*.tar.gz; do
  say "a wheel from $(basename "$sdist")"
  mkdir "$alone/source"
  tar -xzf "$sdist" -C "$alone/source" --strip-components 1
  (cd "$alone/source" && "$out/tools/bin/pip" wheel --disable-pip-version-check --no-deps "${arguments[@]}" --wheel-dir "$out" .)
  rm -rf "$alone/source"
done

"$out/tools/bin/python" scripts/compress-wheel.py "$out"/*.whl
"$out/tools/bin/twine" check --strict "$out"/*.tar.gz "$out"/*.whl
if [ "$(uname)" = Linux ]; then
  for wheel in "$out"/*.whl; do
    "$out/tools/bin/auditwheel" show "$wheel" | tee "$out/audit"
    [ "${1:-}" != --zig ] || grep -q 'manylinux_2_\(17\|28\)_' "$out/audit" || {
      say "$(basename "$wheel") needs a newer system than manylinux_2_28"
      exit 1
    }
  done
  rm "$out/audit"
fi
"$python" scripts/try-wheel.py "$out"/agentmesh_e2ee-*.whl "$out"/agentmesh_e2ee_server-*.whl
