#!/usr/bin/env bash
# Makes sure that wasm32-unknown-unknown can be compiled for, then runs cargo with the arguments, for that target:
#
#     scripts/wasm-toolchain.sh check -p agentmesh-core --no-default-features
#
# 1. The ordinary way: `rustup target add wasm32-unknown-unknown`.
# 2. Where rustup cannot download (no network, a mirror without that target): Debian's rustc-web with its sources, from
#    which the target's standard library is built once, about two minutes and 800 MB. Needs root and apt.
#
# Idempotent; says what it does. Exits with 3 if neither way is open: whether that is an error, the caller decides.
set -euo pipefail

target=wasm32-unknown-unknown
root=$(cd "$(dirname "$0")/.." && pwd)
say() { echo "wasm-toolchain: $*" >&2; }
closed() {
  say "$*"
  exit 3
}

# A directory of its own: another compiler must not throw away what the others built.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/wasm

run() {
  local cargo=("$@")
  [ ${#arguments[@]} -gt 0 ] || exit 0
  local command=${arguments[0]}
  cd "$root"
  exec "${cargo[@]}" "$command" --target "$target" "${arguments[@]:1}"
}
arguments=("$@")

has_target() { [ -d "$(rustc "$@" --print sysroot 2>/dev/null)/lib/rustlib/$target/lib" ]; }

cd "$root"
if has_target; then
  run cargo
fi
if command -v rustup >/dev/null; then
  say "rustup target add $target"
  if timeout 300 rustup target add "$target" >/dev/null 2>&1 && has_target; then
    run cargo
  fi
  say "rustup has no $target for this toolchain; trying Debian's rustc-web"
fi

library=/usr/lib/rustlib/$target
stamp=$library/built-by
web=/usr/bin/rustc
linker() { find "$(rustc --print sysroot)/lib/rustlib" /usr/lib/rustlib -name rust-lld 2>/dev/null | head -1; }

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }
if ! { installed rustc-web && installed cargo-web && installed rust-web-src; }; then
  command -v apt-get >/dev/null || closed "no apt-get here; install the target with rustup"
  [ "$(id -u)" = 0 ] || closed "installing rustc-web needs root; install the target with rustup"
  say "apt-get install rustc-web cargo-web rust-web-src"
  apt-get update -qq || true
  apt-get install -y -qq --no-install-recommends rustc-web cargo-web rust-web-src >/dev/null ||
    closed "apt has no rustc-web"
fi
if command -v rustup >/dev/null; then
  rustup toolchain list | grep -q '^debweb' || rustup toolchain link debweb /usr
  cargo=(cargo +debweb)
else
  cargo=(/usr/bin/cargo)
fi

# The libraries fit exactly one compiler: built again when apt has moved it.
if [ "$(cat "$stamp" 2>/dev/null)" != "$("$web" -vV)" ]; then
  [ "$(id -u)" = 0 ] || closed "building the standard library into $library needs root"
  say "building the standard library for $target, once"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir "$work/src"
  : >"$work/src/lib.rs"
  cat >"$work/Cargo.toml" <<'TOML'
[package]
name = "empty"
version = "0.0.0"
edition = "2021"
[profile.release]
opt-level = "s"
panic = "abort"
TOML
  (
    cd "$work"
    RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$work/target "${cargo[@]}" build --quiet --release --target "$target" \
      -Zbuild-std=std,panic_abort,test
  ) || closed "the standard library does not build"
  rm -rf "$library"
  mkdir -p "$library/lib"
  find "$work/target/$target/release/deps" -name '*.rlib' ! -name 'libempty-*' -exec cp {} "$library/lib/" \;
  "$web" -vV >"$stamp"
  say "done"
fi

lld=$(linker)
[ -z "$lld" ] || export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$lld
run "${cargo[@]}"
