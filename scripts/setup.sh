#!/usr/bin/env bash
# What `make test` needs besides Rust and Python, on a bare Debian machine: a C compiler (SQLite, AWS-LC), Python's
# venv and the two components of the Rust toolchain; and a browser and npm, for the programs that documents print for
# browsers and Node; a JDK and Maven, for Kotlin; and what scripts/swift-toolchain.sh makes a system for Swift with. Tests that miss
# one of the last five say so. Idempotent; does nothing where all of it is there.
set -euo pipefail
say() { echo "setup: $*" >&2; }

missing=()
command -v cc >/dev/null || missing+=(build-essential)
command -v python3 >/dev/null || missing+=(python3)
command -v git >/dev/null || missing+=(git)
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
if [ ${#missing[@]} -gt 0 ]; then
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    say "apt-get install ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  else
    say "missing: ${missing[*]}; install them with your package manager"
  fi
fi

wanted=()
command -v chromium >/dev/null || command -v google-chrome >/dev/null || wanted+=(chromium)
command -v npm >/dev/null || wanted+=(npm)
command -v javac >/dev/null || wanted+=(default-jdk-headless)
command -v mvn >/dev/null || wanted+=(maven)
command -v swift >/dev/null || command -v mmdebstrap >/dev/null || wanted+=(mmdebstrap)
if [ ${#wanted[@]} -gt 0 ]; then
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    say "apt-get install ${wanted[*]}"
    { apt-get update -qq &&
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null; } ||
      say "could not install ${wanted[*]}: tests that need them will not run"
  else
    say "missing: ${wanted[*]}; tests that need them will not run"
  fi
fi

command -v cargo >/dev/null || {
  say "no cargo: install Rust from https://rustup.rs"
  exit 1
}
if command -v rustup >/dev/null; then
  for component in rustfmt clippy; do
    cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 || rustup component add "$component"
  done
fi
