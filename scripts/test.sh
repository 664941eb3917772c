#!/usr/bin/env bash
# Everything that must pass, one step after the other, with a summary. Names of steps as arguments run only those.
set -uo pipefail
cd "$(dirname "$0")/.."

names=() results=() seconds=()
failed=0 skipped=0
outputs=$(mktemp -d)
trap 'rm -rf "$outputs"' EXIT
# What is copied goes through a pipe.
[ ! -t 1 ] || export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-always}

# What a test that fails says stands where it fails then, and not behind hundreds of others.
if [ "${CI:-}" = true ]; then
  export RUST_TEST_NOCAPTURE=1 RUST_BACKTRACE=0
fi

step() {
  local name=$1
  shift
  if [ ${#only[@]} -gt 0 ] && [[ " ${only[*]} " != *" $name "* ]]; then
    return
  fi
  printf '\n==> %s\n' "$name"
  local start=$SECONDS status=0
  "$@" > >(tee "$outputs/$name") 2>&1 || status=$?
  names+=("$name")
  seconds+=($((SECONDS - start)))
  case $status in
  0) results+=(ok) ;;
  77)
    results+=(SKIPPED)
    skipped=$((skipped + 1))
    ;;
  *)
    results+=("FAILED ($status)")
    failed=1
    ;;
  esac
}

# No optional feature breaks another one's build. Two that have nothing to do with each other share a build.
features() {
  local features
  for features in getrandom file,legacy-0-2 sqlite,trust aws-lc,schema client agent-ws agent-ws-service,aiwm signaling,metrics user-data s3; do
    echo "agentmesh-core with only $features"
    cargo check --quiet -p agentmesh-core --no-default-features --features "$features" || return
  done
}

documentation() {
  RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features
}

# Linking the module for WebAssembly takes one core for minutes: that goes on beside the tests, of which many wait. What fails
# there fails again in the step itself, and is shown there.
wasm_module=
begin_wasm() {
  if [ ${#only[@]} = 0 ]; then
    scripts/wasm.sh module >/dev/null 2>&1 &
    wasm_module=$!
  fi
}

# Swift is a system of its own that is downloaded and unpacked: beside what compiles. What fails there fails again in the step itself.
begin_swift() {
  if [ ${#only[@]} = 0 ]; then
    scripts/swift-toolchain.sh >/dev/null 2>&1 &
  fi
}

# Runs a script that exits with 3 where its tools are not to be had, and says so: $1 is untested then, because of $2.
with_tools() {
  local status=0
  "${@:3}" || status=$?
  if [ $status = 3 ] && [ "${CI:-}" != true ]; then
    printf '%.0s*' {1..89} >&2
    printf '\n*  NOT TESTED: %s. %s\n*  and could not be installed. With CI=true this is an error.\n' "$1" "$2" >&2
    printf '%.0s*' {1..89} >&2
    echo >&2
    return 77
  fi
  return $status
}

wasm() {
  [ -z "$wasm_module" ] || wait "$wasm_module" || true
  with_tools "everything for WebAssembly" "The target wasm32-unknown-unknown is missing here" scripts/wasm.sh
}

kotlin() {
  with_tools "the Kotlin library" "There is no JDK from 17 on, or no Maven," scripts/kotlin.sh
}

swift() {
  with_tools "the Swift package" "There is no Swift from 5.9 on," scripts/swift.sh built
}

only=("$@")
step setup scripts/setup.sh
begin_swift
step format cargo fmt --all -- --check
step clippy cargo clippy --workspace --all-targets --all-features -- -D warnings
step clippy-crypto-only cargo clippy -p agentmesh-core --no-default-features -- -D warnings
step features features
begin_wasm
step tests cargo test --workspace --all-features --no-fail-fast
step vectors scripts/vectors.sh
step documentation documentation
step checker tests/checker/run
step wasm wasm
step python scripts/python.sh
step node scripts/node.sh
step browser scripts/browser.sh built
step kotlin kotlin
step swift swift
step support python3 bindings/support_matrix.py

# Where a step failed in the middle, what it said is far above.
for i in "${!names[@]}"; do
  if [[ ${results[$i]} == FAILED* ]]; then
    printf '\n==> the end of what %s said\n' "${names[$i]}"
    tail -n 80 "$outputs/${names[$i]}"
  fi
done
printf '\n%-20s %-14s %s\n' step result seconds
for i in "${!names[@]}"; do
  printf '%-20s %-14s %s\n' "${names[$i]}" "${results[$i]}" "${seconds[$i]}"
done
# What docs/testing.md says of how long each step takes, for who asks for it.
if [ -n "${AGENTMESH_UPDATE_DOCS:-}" ]; then
  for i in "${!names[@]}"; do
    sed -i -E "s/^(\| \`${names[$i]}\` \|) [^|]* \|/\1 ${seconds[$i]} |/" docs/testing.md
  done
fi
echo "steps skipped: $skipped"
if [ $failed != 0 ]; then echo "FAILED"; elif [ $skipped != 0 ]; then echo "all others passed"; else echo "all passed"; fi
exit $failed
