#!/usr/bin/env bash
# What goes to PyPI, as far as this machine can make it: the source distribution, and out of it a wheel, built by pip in a
# fresh environment and a directory without the repository around it; both are checked, and the wheel is installed and tried.
# The results stay in target/python/package/. Optimised builds of everything: some ten minutes on two cores.
#   --zig    links with zig against an older glibc, so that the wheel runs on more systems (manylinux_2_28)
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
"$out/tools/bin/pip" install --quiet --disable-pip-version-check 'maturin[zig]>=1.9.4,<2' auditwheel 'twine>=6'

say "source distribution"
"$out/tools/bin/maturin" sdist --manifest-path bindings/python/Cargo.toml --out "$out"
sdist=$(echo "$out"/*.tar.gz)

say "a wheel from it"
alone=$(mktemp -d)
trap 'rm -rf "$alone"' EXIT
tar -xzf "$sdist" -C "$alone" --strip-components 1
arguments=()
if [ "${1:-}" = --zig ]; then
  arguments=(--config-settings "build-args=--zig --compatibility manylinux_2_28")
  # pip isolates the build; zig and its wrapper come from here.
  export PATH=$out/tools/bin:$PATH
fi
(cd "$alone" && "$out/tools/bin/pip" wheel --disable-pip-version-check --no-deps "${arguments[@]}" --wheel-dir "$out" .)
wheel=$(echo "$out"/*.whl)

"$out/tools/bin/twine" check --strict "$sdist" "$wheel"
# Elsewhere than on Linux there is nothing to audit.
if [ "$(uname)" = Linux ]; then "$out/tools/bin/auditwheel" show "$wheel"; fi
"$python" scripts/try-wheel.py "$wheel"
